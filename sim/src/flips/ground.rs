//! The ledgers in whose files bits are turned over, and which of their bytes an answer rests on.

use core::fmt;
use std::collections::BTreeSet;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use quipu_core::disk::{Disk as _, File as _};
use quipu_core::machine::Registry;
use quipu_core::shard::Ask;
use quipu_core::store::Store as _;
use quipu_core::words::Position;
use quipu_ledger::backup::Backup;
use quipu_ledger::{Files, LedgerId, LogKind, OpenError, Options, restore};

use super::rich;
use super::told::{Told, Untold, tell};
use crate::disk::{Act, Keep, Operation, SimDisk};
use crate::exhaustive::life::{Ledger, START, enter, machines, small, with_engine};

/// What a byte belongs to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// What says which ledger it is.
    Manifest,
    /// The first sector of a segment.
    SegmentHeader,
    /// Frames: their headers and what they hold.
    Frames,
    /// The zeros behind a frame, up to the end of its sector.
    Padding,
    /// What a sealed segment ends with.
    Footer,
    /// Which segment is the first, where some were dropped.
    FirstKept,
    /// The store, as far as anybody reads it.
    Store,
    /// A log in redb, as far as anybody reads it.
    RedbLog,
    /// What nobody reads of either: free pages and their sums, what redb reads of its own when
    /// it closes, and what lies behind front and header.
    Free,
    /// The rows that stand in for dropped history, when the store is gone.
    Base,
    /// A backup.
    Backup,
}

impl Kind {
    /// All of them, and how often each is drawn among eighteen.
    pub(super) const ALL: [(Self, u64); 11] = [
        (Self::Manifest, 1),
        (Self::SegmentHeader, 1),
        (Self::Frames, 4),
        (Self::Padding, 1),
        (Self::Footer, 1),
        (Self::FirstKept, 1),
        (Self::Store, 3),
        (Self::RedbLog, 2),
        (Self::Free, 1),
        (Self::Base, 1),
        (Self::Backup, 2),
    ];
}

impl fmt::Display for Kind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(match self {
            Self::Manifest => "manifest",
            Self::SegmentHeader => "segment headers",
            Self::Frames => "frames",
            Self::Padding => "padding of frames",
            Self::Footer => "footers",
            Self::FirstKept => "first segment kept",
            Self::Store => "store",
            Self::RedbLog => "log in redb",
            Self::Free => "not read",
            Self::Base => "base",
            Self::Backup => "backup",
        })
    }
}

/// A ledger at rest, or the backup of one, and what it tells.
pub(super) struct Ground {
    pub(super) name: &'static str,
    pub(super) disk: SimDisk,
    /// Whether the disk holds a backup alone.
    is_backup: bool,
    pub(super) told: Told,
    pub(super) registry: Registry,
    pub(super) options: Options,
    keyed: Vec<Ask>,
    /// So many operations are far more than a look takes.
    operations_max: u64,
    /// What a look reads.
    read: BTreeSet<(PathBuf, u64)>,
}

/// The pages of files that a look reads as they lay there, and those that it writes.
#[derive(Default)]
struct Pages {
    read: BTreeSet<(PathBuf, u64)>,
    written: BTreeSet<(PathBuf, u64)>,
}

const PAGE: u64 = 4_096;

/// How many sums a page of a redb file has room for.
const SUMS: u64 = PAGE / 8;

impl Pages {
    fn note(&mut self, operation: &Operation<'_>) {
        let (at, is_read) = match operation.act {
            Act::Read { offset, len } => (offset..offset + len as u64, true),
            Act::Write { offset, len } => (offset..offset + len as u64, false),
            _ => return,
        };
        for page in at.start / PAGE..at.end.div_ceil(PAGE) {
            let page = (operation.path.to_owned(), page);
            if !is_read {
                self.written.insert(page);
            } else if !self.written.is_empty() && !self.written.contains(&page) {
                // Before an opening writes anything it only looks, and reads all of it again.
                self.read.insert(page);
            }
        }
    }
}

/// Bytes of a file.
pub(super) struct Bytes {
    pub(super) ground: usize,
    pub(super) file: PathBuf,
    pub(super) kind: Kind,
    pub(super) at: Range<u64>,
}

/// What the file of a backup is called.
const BACKUP: &str = "a.backup";

/// The files that lie beside the segments of a log.
const FIRST_KEPT: &str = "log/kept";
const REDB_LOG: &str = "log/log.redb";
pub(super) const STORE: &str = "store/store.redb";
const BASE: &str = "base.quipu";
const MANIFEST: &str = "LEDGER";

/// All of them.
///
/// | name | |
/// |---|---|
/// | `files` | several sealed segments, a store of several checkpoints, and rows that only the log has |
/// | `trimmed` | its first segments were dropped, and its store is gone: a copy stands in for both |
/// | `left` | its process ended behind frames of its last segment, which nobody has sealed |
/// | `redb` | the same history in a log in redb |
/// | `backup` | the backup of the first |
pub(super) fn grounds() -> Result<Vec<Ground>, OpenError> {
    let files = lived(LogKind::Files)?;
    let trimmed = files.image(Keep::All);
    let options = small(LogKind::Files);
    let mut open = enter(&trimmed, &options)?.0;
    open.recover(&machines(), &options, &mut |_| {})?;
    open.trim(Position::new(20))?;
    drop(open);
    trimmed.remove(Path::new(STORE))?;
    let backup = SimDisk::new();
    let bytes = backup_of(&files, &options)?;
    let file = backup.create(Path::new(BACKUP))?;
    file.write_at(0, &bytes)?;
    drop(file);
    Ok(vec![
        Ground::of("files", files, LogKind::Files)?,
        Ground::of("trimmed", trimmed, LogKind::Files)?,
        Ground::of("left", left(LogKind::Files)?, LogKind::Files)?,
        Ground::of("redb", lived(LogKind::Redb)?, LogKind::Redb)?,
        Ground::of("backup", backup, LogKind::Files)?,
    ])
}

/// The same, and opened once more: its last segment is sealed as well, and one more is there.
fn lived(log: LogKind) -> Result<SimDisk, OpenError> {
    let disk = left(log)?;
    drop(drive(&disk, log, |_| {})?);
    Ok(disk)
}

/// Made, stopped, opened again, checkpointed, left, opened again, and left without a checkpoint.
fn left(log: LogKind) -> Result<SimDisk, OpenError> {
    let disk = SimDisk::new();
    drive(&disk, log, rich::begin)?.stop()?;
    drive(&disk, log, rich::go_on)?.store.checkpoint()?;
    drop(drive(&disk, log, rich::end)?);
    Ok(disk)
}

fn drive(disk: &SimDisk, log: LogKind, act: fn(&mut Ledger)) -> Result<Files<SimDisk>, OpenError> {
    let (files, ()) = with_engine(enter(disk, &small(log))?.0, |ledger| {
        act(ledger);
        ledger.seal();
        Ok(())
    })?;
    Ok(files)
}

fn backup_of(disk: &SimDisk, options: &Options) -> Result<Vec<u8>, OpenError> {
    let mut files = enter(&disk.image(Keep::All), options)?.0;
    files.recover(&machines(), options, &mut |_| {})?;
    let mut bytes = Vec::new();
    files.begin_backup()?.write(&mut bytes, &mut |_| {})?;
    Ok(bytes)
}

impl Ground {
    fn of(name: &'static str, disk: SimDisk, log: LogKind) -> Result<Self, OpenError> {
        let (registry, options, keyed) = (machines(), small(log), rich::keyed());
        let disk = disk.image(Keep::All);
        let is_backup = name == "backup";
        let at = disk.image(Keep::All);
        let look = if is_backup { restored(&at, &registry, &options)? } else { at };
        let pages = Arc::new(Mutex::new(Pages::default()));
        let noted = Arc::clone(&pages);
        look.on_operation(move |_, operation| {
            noted.lock().unwrap_or_else(PoisonError::into_inner).note(operation);
        });
        let told = tell(&look, &registry, &options, &keyed, || look.on_operation(|_, _| {}));
        let (_, told) = told.map_err(Untold::error)?;
        let operations_max = 20 * (look.operations() + look.reads());
        let pages = core::mem::take(&mut *pages.lock().unwrap_or_else(PoisonError::into_inner));
        let read = pages.read;
        Ok(Self { name, disk, is_backup, told, registry, options, keyed, operations_max, read })
    }

    /// What a copy of it tells, and how the store was found.
    pub(super) fn tell(
        &self,
        disk: &SimDisk,
    ) -> Result<(quipu_store_redb::store::Opened, Told), Untold> {
        let restored = if self.is_backup {
            restored(disk, &self.registry, &self.options).map_err(Untold::Opening)?
        } else {
            disk.clone()
        };
        let most = self.operations_max;
        restored.on_operation(move |disk, operation| {
            if operation.number > most {
                disk.lose_power();
            }
        });
        tell(&restored, &self.registry, &self.options, &self.keyed, || {})
    }

    /// The bytes that answers rest on, or that are there to find them by, and what lies between
    /// them. Not those behind the last frame of a segment that is written to, nor what is made
    /// ahead: zeros, of which nothing was ever promised.
    pub(super) fn bytes(&self, ground: usize) -> Result<Vec<Bytes>, OpenError> {
        let mut all = Vec::new();
        for (file, len) in self.disk.files() {
            let parts = match file.to_str().unwrap_or_default() {
                MANIFEST => vec![(Kind::Manifest, 0..len)],
                BACKUP => vec![(Kind::Backup, 0..len)],
                BASE => vec![(Kind::Base, 0..len)],
                FIRST_KEPT => vec![(Kind::FirstKept, 0..len)],
                STORE => self.pages(Kind::Store, &file, len),
                REDB_LOG => self.pages(Kind::RedbLog, &file, len),
                path if path.ends_with(".seg") => segment(&self.disk, &file, len)?,
                _ => Vec::new(),
            };
            let parts = parts.into_iter().filter(|(_, at)| !at.is_empty());
            all.extend(parts.map(|(kind, at)| Bytes { ground, file: file.clone(), kind, at }));
        }
        Ok(all)
    }

    /// The parts of a redb file: what a look reads of it, with the sums of that, and the rest.
    fn pages(&self, kind: Kind, file: &Path, len: u64) -> Vec<(Kind, Range<u64>)> {
        let kind_of = |page: u64| {
            let is_read = self.read.contains(&(file.to_owned(), page));
            if is_read { kind } else { Kind::Free }
        };
        let mut parts = Vec::new();
        for page in 0..len / PAGE {
            let (at, end) = (page * PAGE, (page + 1) * PAGE);
            // The front has its page for itself. Behind it come groups of a page of sums and the
            // pages that they belong to, the first of which has redb's header.
            let in_group = page.checked_sub(1).map(|page| page % (SUMS + 1));
            if page == 0 || page == 2 {
                parts.push((kind, at..at + SECTOR));
                parts.push((Kind::Free, at + SECTOR..end));
            } else if in_group == Some(0) {
                let sum = |number: u64| {
                    let of = page + 1 + number;
                    let kind = if of == 2 { Kind::Free } else { kind_of(of) };
                    (kind, at + number * 8..at + number * 8 + 8)
                };
                parts.extend((0..SUMS).map(sum));
            } else {
                parts.push((kind_of(page), at..end));
            }
        }
        parts
    }
}

/// Restores the backup that lies on a disk, on one that is empty.
fn restored(disk: &SimDisk, registry: &Registry, options: &Options) -> Result<SimDisk, OpenError> {
    let file = disk.open(Path::new(BACKUP))?;
    let mut bytes = vec![0; file.byte_len()? as usize];
    file.read_at(0, &mut bytes)?;
    let (to, other) = (SimDisk::new(), LedgerId([8; 16]));
    let backup = Backup::open(&bytes[..], BACKUP)?;
    let made: Files<SimDisk> =
        restore(to.clone(), other, backup, registry, options, START, &mut |_| {})?;
    drop(made);
    Ok(to)
}

const SECTOR: u64 = 512;
const FRAME_HEADER: u64 = 128;

/// The parts of a segment that holds one frame.
const ONE_FRAME: usize = 3;

/// The parts of a segment: its header, its frames, and what a sealed one ends with.
fn segment(disk: &SimDisk, file: &Path, len: u64) -> Result<Vec<(Kind, Range<u64>)>, OpenError> {
    let file = disk.open(file)?;
    let mut bytes = vec![0; len as usize];
    file.read_at(0, &mut bytes)?;
    let begins = |at: u64, with: &[u8]| bytes[at as usize..].starts_with(with);
    let mut parts = vec![(Kind::SegmentHeader, 0..SECTOR)];
    let mut at = SECTOR;
    while at < len && begins(at, b"KNOT") {
        let length = bytes[at as usize + 104..].first_chunk().expect("a frame has a header");
        let end = at + FRAME_HEADER + u64::from_le_bytes(*length);
        parts.push((Kind::Frames, at..end));
        at = end.next_multiple_of(SECTOR);
        parts.push((Kind::Padding, end..at));
    }
    if at < len && begins(at, b"QUIPUEND") {
        parts.push((Kind::Footer, at..len));
    } else if parts.len() > ONE_FRAME {
        // Of the last frame nothing says that it was durable. Here it says that of all others.
        parts.truncate(parts.len() - 2);
    }
    Ok(parts)
}
