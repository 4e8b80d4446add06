//! The store: rows in layers of memory above a redb file, and the indexes over them.

mod base;
mod checkpoint;
mod fill;
mod schema;
mod shared;
mod view;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use quipu_core::disk::{Disk, DiskError};
use quipu_core::machine::Registry;
use quipu_core::records::{Row, Table};
use quipu_core::store::{Checkpoint, Due, Reader, ReadsFrom, Store, StoreError};
use quipu_core::words::{Book, Kind, Number, Position, Timestamp};
use redb::WriteTransaction;

use crate::backend::Pacing;
use crate::file::{self, RedbFile};
use crate::guard::Trouble;
use crate::index::Index;
use base::Base;
pub use fill::WholeRow;
use schema::{META, META_KEY, Meta, entries_of, rows_of};
use shared::Shared;
use view::View;

/// What a store may take. Every bound of it stands here.
///
/// | | default | |
/// |---|---|---|
/// | `cache_bytes` | 64 MiB | redb's cache, also during a checkpoint |
/// | `checkpoint_bytes` | 256 MiB | rows in memory from which on a checkpoint is wanted |
/// | | 2 × that | where the owner should apply no more before a checkpoint is done: one half is being written while the other is filled |
/// | | 16 MiB | changes of indexes that a checkpoint gathers before it writes them |
/// | | 8 | frozen layers above the disk; beyond that neighbours become one |
/// | | 16 bytes | for each row of a layer that is being sorted, once, while it is sorted |
#[derive(Clone)]
pub struct Settings {
    /// What redb may keep in memory, in bytes.
    pub cache_bytes: usize,
    /// From so many [pending bytes](Store::pending_bytes) on a checkpoint is wanted.
    pub checkpoint_bytes: usize,
    /// How checkpoints are written, so that other files' syncs need not wait for them.
    pub pacing: Pacing,
}

impl Default for Settings {
    fn default() -> Self {
        Self { cache_bytes: 64 << 20, checkpoint_bytes: 256 << 20, pacing: Pacing::none() }
    }
}

/// How a store was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Opened {
    /// There was none: an empty one was made. Recovery fills it from the log.
    New,
    /// It stands at this position. Recovery goes on from there.
    At(Position),
    /// There was one that cannot be used. It was given another name, and an empty one was made
    /// in its place.
    SetAside {
        /// The other name.
        to: PathBuf,
        /// Why.
        why: StoreError,
    },
}

/// A store over a redb file.
///
/// [`apply`](Store::apply) puts rows into memory and never waits for a disk. A checkpoint, run
/// on a thread of its own, brings them onto the disk in one transaction. Reads go through the
/// layers of memory from the newest to the oldest, and then to the disk; none of them waits for
/// a checkpoint.
///
/// A snapshot keeps its layers in memory, and redb uses no page again that it can still read: for
/// as long as it is kept, memory and file may grow by what every checkpoint writes.
///
/// Its file is closed when it is dropped. Readers, snapshots and checkpoints that are left fail
/// where they need it.
///
/// A checkpoint takes the room that it can need before it writes, and gives back what was over.
/// Where the disk has not so much, it ends with [`StoreError::Full`], and that is all.
///
/// A checkpoint that fails otherwise is the last one: what its file holds is not known any more, so it is
/// given another name, and the next opening makes a new store and fills it from the log.
/// Until then rows are read from memory and from what of the file can still be read. Only where
/// the disk was full, which harms nothing that is on it, does the next opening find the file as
/// the last checkpoint left it.
pub struct RedbStore<D: Disk> {
    shared: Arc<Shared>,
    settings: Settings,
    /// The file's name is this disk's.
    _disk: D,
}

impl<D: Disk> RedbStore<D> {
    /// Opens the store of this name and id, or makes one. Its directory is locked by the caller.
    ///
    /// A store of another id is of no use here, and is set aside like a damaged one. One of a
    /// format that this version does not know is an error, and stays as it is.
    pub fn open(
        disk: &D,
        path: &Path,
        id: [u8; 16],
        registry: &Registry,
        settings: &Settings,
    ) -> Result<(Self, Opened), StoreError> {
        let (file, base, opened) = match open_file(disk, path, id, settings) {
            Ok((file, base)) => {
                let is_new = base.meta.checkpoints == 0;
                let opened = if is_new { Opened::New } else { Opened::At(base.meta.position) };
                (file, base, opened)
            }
            Err(why @ (StoreError::Rotten(_) | StoreError::Damaged { .. })) => {
                let to = file::set_aside(disk, path).map_err(Trouble::from)?;
                let (file, base) = open_file(disk, path, id, settings)?;
                (file, base, Opened::SetAside { to, why })
            }
            Err(error) => return Err(error),
        };
        let set_aside = {
            let (disk, path) = (disk.clone(), path.to_owned());
            move || {
                file::set_aside(&disk, &path).map_err(Trouble::from)?;
                Ok(())
            }
        };
        let shared = Shared::new(registry.clone(), file, base, Box::new(set_aside));
        let store =
            Self { shared: Arc::new(shared), settings: settings.clone(), _disk: disk.clone() };
        Ok((store, opened))
    }

    /// Whether the store, if there is one, has the format that this version keeps. Whether it is
    /// sound is the opening's business. It writes as an opening does, so what must stay as it is
    /// is looked at through a disk that keeps nothing.
    pub fn check_format(
        disk: &D,
        path: &Path,
        id: [u8; 16],
        settings: &Settings,
    ) -> Result<(), StoreError> {
        match disk.open(path) {
            Err(DiskError::NotFound(_)) => return Ok(()),
            file => drop(file.map_err(Trouble::from)?),
        }
        match open_file(disk, path, id, settings) {
            Ok(_) | Err(StoreError::Rotten(_) | StoreError::Damaged { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Reads every page of the store, if there is one; see [`file::check`].
    pub fn check_pages(
        disk: &D,
        path: &Path,
        id: [u8; 16],
        settings: &Settings,
    ) -> Result<(), StoreError> {
        match disk.open(path) {
            Err(DiskError::NotFound(_)) => return Ok(()),
            file => drop(file.map_err(Trouble::from)?),
        }
        Ok(file::check(disk, path, &settings_of_file(id, settings))?)
    }

    /// Gives a store of an older format another name, so that the next opening makes a new one,
    /// which the log fills. Gives that name; `None` where the store has this version's format,
    /// or where there is none. One of a newer format stays as it is.
    pub fn set_older_aside(
        disk: &D,
        path: &Path,
        id: [u8; 16],
        settings: &Settings,
    ) -> Result<Option<PathBuf>, StoreError> {
        match Self::check_format(disk, path, id, settings) {
            Err(StoreError::Format { found, known }) if found < known => {
                Ok(Some(file::set_aside(disk, path).map_err(Trouble::from)?))
            }
            checked => checked.map(|()| None),
        }
    }

    /// Whether so much waits in memory that a checkpoint is wanted.
    #[must_use]
    pub fn wants_checkpoint(&self) -> bool {
        self.pending_bytes() >= self.settings.checkpoint_bytes
    }

    /// Why no further checkpoint can be made, if that is so.
    pub fn health(&self) -> Result<(), StoreError> {
        self.shared.health()
    }
}

impl<D: Disk> Drop for RedbStore<D> {
    fn drop(&mut self) {
        self.shared.close();
    }
}

fn open_file<D: Disk>(
    disk: &D,
    path: &Path,
    id: [u8; 16],
    settings: &Settings,
) -> Result<(RedbFile, Base), StoreError> {
    let of_file = settings_of_file(id, settings);
    let file = RedbFile::open(disk, path, &of_file, |transaction| begin(transaction, id))?;
    let base = Base::open(&file, path)?;
    if base.meta.id != id {
        return Err(base.rotten("the store belongs to another ledger".into()));
    }
    if base.meta.is_filling {
        return Err(base.rotten("it was being filled and is not whole".into()));
    }
    Ok((file, base))
}

fn settings_of_file(id: [u8; 16], settings: &Settings) -> file::Settings {
    let (front, _) = id.split_first_chunk::<8>().expect("sixteen bytes begin with eight");
    file::Settings {
        id: u64::from_le_bytes(*front),
        cache_bytes: settings.cache_bytes,
        pacing: settings.pacing.clone(),
    }
}

/// The tables of a new store.
fn begin(transaction: &WriteTransaction, id: [u8; 16]) -> Result<(), redb::Error> {
    for table in Table::ALL.into_iter().filter_map(rows_of) {
        transaction.open_table(table)?;
    }
    for index in Index::ALL {
        transaction.open_table(entries_of(index))?;
    }
    let meta = Meta { id, position: Position::ZERO, checkpoints: 0, is_filling: false };
    transaction.open_table(META)?.insert(META_KEY, &meta.to_bytes()[..])?;
    Ok(())
}

impl<D: Disk> ReadsFrom for RedbStore<D> {
    fn source(&self) -> &dyn Reader {
        &*self.shared
    }
}

impl<D: Disk> Store for RedbStore<D> {
    fn apply(
        &mut self,
        rows: &mut dyn Iterator<Item = Row<'_>>,
        through: Position,
    ) -> Result<(), StoreError> {
        self.shared.apply(rows, through)
    }

    fn reader(&self) -> Arc<dyn Reader> {
        Arc::clone(&self.shared) as Arc<dyn Reader>
    }

    fn snapshot(&mut self) -> Result<Arc<dyn Reader>, StoreError> {
        let view = self.shared.snapshot()?;
        Ok(Arc::new(Snapshot { shared: Arc::clone(&self.shared), view }))
    }

    fn freeze(&mut self) -> Result<Checkpoint, StoreError> {
        let frozen = self.shared.freeze()?;
        Ok(Checkpoint::new(move || frozen.write()))
    }

    fn pending_bytes(&self) -> usize {
        self.shared.pending_bytes()
    }

    fn drop_keys_before(&mut self, bucket: u32) -> Result<(), StoreError> {
        self.shared.drop_keys_before(bucket)
    }
}

/// What was applied at one time, for as long as it is kept.
struct Snapshot {
    view: View,
    shared: Arc<Shared>,
}

impl Reader for Snapshot {
    fn position(&self) -> Position {
        self.view.position()
    }

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.view.get(table, key)
    }

    fn scan(
        &self,
        table: Table,
        from: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), StoreError> {
        self.view.scan(table, from, visit)
    }

    fn due(
        &self,
        until: Timestamp,
        after: Option<&Due>,
        limit: usize,
    ) -> Result<Vec<Due>, StoreError> {
        self.view.due(&self.shared.registry, until, after, limit)
    }

    fn next_due(&self, after: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        self.view.next_due(&self.shared.registry, after)
    }

    fn due_items(
        &self,
        number: Number,
        until: Timestamp,
        after: Option<&Due>,
        limit: usize,
    ) -> Result<(Vec<Due>, Timestamp), StoreError> {
        self.view.due_items(&self.shared.registry, number, until, after, limit)
    }

    fn list(
        &self,
        book: Book,
        kind: Kind,
        index: u8,
        after: &[u8],
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Number)>, StoreError> {
        self.view.list(&self.shared.registry, book, kind, index, after, limit)
    }
}
