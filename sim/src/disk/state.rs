//! What a disk is, and what happens to it as a whole.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use quipu_core::disk::DiskError;

use super::content::{Content, PAGE};
use super::faults::{Faults, Fired, Site};
use super::image::Keep;
use super::tree::{Change, FileId, Node, Tree};
use super::{Act, Hook, Operation};

/// More than any test needs, and little enough that a damaged length does not take all memory.
pub(super) const FILE_BYTES_MAX: u64 = 1 << 34;

/// Invariant: where no sync has failed, no write has lied and nothing rots, `live` is
/// `durable` after all of `pending`.
#[derive(Default)]
pub(super) struct State {
    pub(super) live: Tree,
    pub(super) durable: Tree,
    pub(super) pending: Vec<Change>,
    pub(super) locks: BTreeSet<PathBuf>,
    pub(super) capacity: Option<u64>,
    pub(super) faults: Faults,
    pub(super) fired: Fired,
    pub(super) hook: Option<Arc<Hook>>,
    /// Counted up with each process, to tell its handles from those of an earlier one.
    pub(super) life: u64,
    pub(super) power: Power,
    pub(super) die_at: Option<u64>,
    /// The process ends at this operation.
    pub(super) end_at: Option<u64>,
    pub(super) operations: u64,
    pub(super) reads: u64,
    /// What each file was last called.
    pub(super) paths: BTreeMap<FileId, Arc<Path>>,
    pub(super) file_last: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) enum Power {
    #[default]
    On,
    /// It is lost while an operation runs: what that leaves may be on the disk, and no other
    /// fault strikes.
    Going,
    Off,
}

/// What happens to the disk as a whole.
impl State {
    /// Counts an operation. Its number.
    pub(super) fn count(&mut self, act: Act<'_>) -> u64 {
        let counter = match act {
            Act::Read { .. } => &mut self.reads,
            _ => &mut self.operations,
        };
        *counter += 1;
        *counter
    }

    /// Whether power is lost at this operation.
    pub(super) fn is_last(&self, at: &Operation<'_>) -> bool {
        let is_counted = !matches!(at.act, Act::Read { .. });
        is_counted && self.die_at.is_some_and(|last| last <= at.number)
    }

    /// Whether the process ends at this operation. It does so once.
    pub(super) fn ends_process(&mut self, at: &Operation<'_>) -> bool {
        let is_counted = !matches!(at.act, Act::Read { .. });
        let ends = is_counted && self.end_at.is_some_and(|last| last <= at.number);
        if ends {
            self.end_at = None;
        }
        ends
    }

    pub(super) fn lose_power(&mut self) {
        if self.power != Power::Off {
            self.power = Power::Off;
            self.fired.add(Site::LostPower);
        }
    }

    pub(super) fn end_process(&mut self) {
        self.life += 1;
        self.locks.clear();
        // Nobody has a file open any more: those without a name, now or after a crash, go.
        let pending = self.pending.iter().filter_map(|change| match change {
            Change::Name { node: Node::File(file), .. } => Some(*file),
            _ => None,
        });
        let trees = [&self.live, &self.durable];
        let named = trees.into_iter().flat_map(Tree::file_names).map(|(_, file)| file);
        let named: BTreeSet<FileId> = named.chain(pending).collect();
        for tree in [&mut self.live, &mut self.durable] {
            tree.files.retain(|file, _| named.contains(file));
        }
        self.paths.retain(|file, _| named.contains(file));
        self.pending.retain(|change| change.file().is_none_or(|file| named.contains(&file)));
    }

    /// The state that power loss would leave.
    pub(super) fn image(&self, keep: Keep) -> Self {
        let mut fired = Fired::default();
        let mut durable = self.durable.clone();
        keep.land(&self.pending, &mut durable, &mut fired);
        durable.forget_unreachable();
        Self {
            live: durable.clone(),
            paths: durable.file_names().map(|(path, file)| (file, path.into())).collect(),
            durable,
            capacity: self.capacity,
            fired,
            file_last: self.file_last,
            ..Self::default()
        }
    }

    /// Shows of a file what a cache would that kept only what still waits for a sync.
    pub(super) fn forget(&mut self, file: FileId) {
        let len = self.live.len(file);
        let content = self.durable.files.get(&file).cloned().unwrap_or_default();
        self.live.files.insert(file, content);
        for change in self.pending.iter().filter(|change| change.is_of_file(file)) {
            self.live.show(change);
        }
        self.live.file(file).set_len(len);
    }

    pub(super) fn flip(&mut self, path: &Path, offset: u64, bit: u8) -> Result<(), DiskError> {
        assert!(bit < 8, "a byte has bits 0 to 7");
        let file = self.file_at(path)?;
        if offset >= self.live.len(file) as u64 {
            let end = offset.saturating_add(1);
            return Err(DiskError::ShortRead { path: path.to_owned(), end });
        }
        let offset = end_of(path, offset)?;
        self.live.file(file).flip(offset, bit);
        self.durable.file(file).flip(offset, bit);
        self.fired.add(Site::FlippedBit);
        Ok(())
    }

    pub(super) fn used(&self) -> u64 {
        let held = |(_, file)| self.live.files.get(&file).map_or(0, Content::held);
        let files: usize = self.live.file_names().map(held).sum();
        (files + self.live.names.len() * PAGE) as u64
    }

    pub(super) fn path_of(&self, file: FileId) -> Arc<Path> {
        self.paths.get(&file).cloned().unwrap_or_else(|| Path::new("").into())
    }
}

/// A length that a file may have.
pub(super) fn end_of(path: &Path, len: u64) -> Result<usize, DiskError> {
    let len = usize::try_from(len).ok().filter(|len| *len as u64 <= FILE_BYTES_MAX);
    len.ok_or_else(|| failed(path, "longer than a simulated file can be"))
}

pub(super) fn failed(path: &Path, why: &str) -> DiskError {
    DiskError::Failed { path: path.to_owned(), why: why.to_owned() }
}
