//! The ledger under test: its files on the simulated disk, and the engine over them.

use std::path::Path;
use std::sync::Arc;

use quipu_core::disk::Disk;
use quipu_core::driver::{Driver, Setup};
use quipu_core::log::{Anchor, Finish, Frame, Log, LogError, MemoryLog, Reader, ReadsFrom};
use quipu_core::machine::Registry;
use quipu_core::recovery::RecoveryError;
use quipu_core::shard::{CallId, Leg};
use quipu_core::store::{Checkpoint, Store as _, StoreError};
use quipu_core::words::{Epoch, Position, Timestamp};
use quipu_ledger::files::Folder;
use quipu_ledger::{AnyLog, Files, LedgerId, OpenError, Options};
use quipu_store_redb::store::{Opened, RedbStore};

use super::plan::Plan;
use crate::disk::SimDisk;

/// A whole ledger, every step of which somebody else chooses.
pub(super) type Engine = Driver<Kept, RedbStore<SimDisk>>;

/// Where a store is whose log is elsewhere.
const STORE: &str = "store.redb";

const ID: LedgerId = LedgerId([3; 16]);

/// The log of a ledger.
pub(super) enum Kept {
    /// On its disk.
    Here(AnyLog<SimDisk>),
    /// Elsewhere.
    Elsewhere(MemoryLog),
}

impl Kept {
    fn log(&self) -> &dyn Log {
        match self {
            Self::Here(log) => log,
            Self::Elsewhere(log) => log,
        }
    }

    fn log_mut(&mut self) -> &mut dyn Log {
        match self {
            Self::Here(log) => log,
            Self::Elsewhere(log) => log,
        }
    }
}

impl ReadsFrom for Kept {
    fn source(&self) -> &dyn Reader {
        self.log()
    }
}

impl Log for Kept {
    fn take_epoch(&mut self) -> Result<Epoch, LogError> {
        self.log_mut().take_epoch()
    }

    fn append(&mut self, frame: Frame) -> Result<(), LogError> {
        self.log_mut().append(frame)
    }

    fn finish(&mut self) -> Option<Finish> {
        self.log_mut().finish()
    }

    fn reader(&self) -> Arc<dyn Reader + Send + Sync> {
        self.log().reader()
    }

    fn room(&self) -> u64 {
        self.log().room()
    }

    fn room_rule(&self) -> fn(usize) -> u64 {
        self.log().room_rule()
    }

    fn tend(&mut self) -> Result<bool, LogError> {
        self.log_mut().tend()
    }

    fn adopt(
        &mut self,
        start: Anchor,
        epoch: Epoch,
        frames: &mut dyn Iterator<Item = Result<Frame, LogError>>,
    ) -> Result<(), LogError> {
        self.log_mut().adopt(start, epoch, frames)
    }

    fn trim(&mut self, before: Position) -> Result<Position, LogError> {
        self.log_mut().trim(before)
    }
}

/// A ledger that is open, in one process.
pub(super) struct Ground {
    pub(super) engine: Engine,
    folder: Held,
    /// A checkpoint that is still to be written, and what was durable when it was frozen.
    pub(super) frozen: Option<(Checkpoint, Position)>,
    /// Whether no further checkpoint can be made.
    pub(super) store_failed: bool,
    /// Whether the folder held no ledger, so that one was made.
    pub(super) is_new: bool,
    /// What was durable when it was opened.
    pub(super) found_at: Position,
    /// Whether it was noted that its log has failed.
    pub(super) latched: bool,
}

/// What keeps others from opening it, and how its store was found.
enum Held {
    Folder(Folder<SimDisk>),
    Store { found: Opened, _lock: <SimDisk as Disk>::Lock },
}

/// How a ledger is made and opened.
pub(super) struct Rules {
    /// The log, where it is kept elsewhere.
    pub(super) elsewhere: Option<MemoryLog>,
    pub(super) registry: Registry,
    pub(super) genesis: Vec<Leg>,
    pub(super) options: Options,
}

impl Ground {
    /// Makes a ledger, or opens and recovers the one that is there. The clock shows `now`, and
    /// calls are numbered behind `call_last`.
    pub(super) fn enter(
        disk: &SimDisk,
        rules: &Rules,
        plan: &Plan,
        now: Timestamp,
        call_last: CallId,
    ) -> Result<Self, OpenError> {
        let Rules { registry, genesis, options, elsewhere } = rules;
        let (log, store, folder, is_new) = match elsewhere {
            Some(log) => {
                let lock = disk.try_lock(Path::new(""))?;
                let path = Path::new(STORE);
                let (store, found) = RedbStore::open(disk, path, ID.0, registry, &options.store)?;
                let log = log.reopen();
                let is_new = log.bounds().1 == Position::new(1);
                (Kept::Elsewhere(log), store, Held::Store { found, _lock: lock }, is_new)
            }
            None => {
                let (files, is_new) = match Files::open(disk.clone(), registry, options) {
                    Err(OpenError::NoLedger) => {
                        (Files::create(disk.clone(), ID, registry, options)?, true)
                    }
                    opened => (opened?, false),
                };
                let (log, store, folder) = files.into_parts();
                (Kept::Here(log), store, Held::Folder(folder), is_new)
            }
        };
        let setup = plan.setup(Setup::new(registry.clone(), genesis.clone(), plan.shards));
        let mut engine = Driver::on(setup, log, store, now)?;
        engine.admit_by_room();
        engine.number_calls_from(call_last);
        let found_at = engine.durable().watermark;
        Ok(Self {
            engine,
            folder,
            frozen: None,
            store_failed: false,
            is_new,
            found_at,
            latched: false,
        })
    }

    /// Whether a damaged store was found and set aside.
    pub(super) fn has_set_aside(&self) -> bool {
        let found = match &self.folder {
            Held::Folder(folder) => &folder.found,
            Held::Store { found, .. } => found,
        };
        matches!(found, Opened::SetAside { .. })
    }

    /// Stops it as it should be stopped, once nothing is under way.
    pub(super) fn stop(self) -> Result<(), OpenError> {
        match (self.engine.into_parts(), self.folder) {
            ((Kept::Here(log), store), Held::Folder(folder)) => folder.with(log, store).stop(),
            ((_, mut store), _) => {
                store.checkpoint()?;
                Ok(())
            }
        }
    }

    /// The position behind the last one that is durable, as the log says.
    pub(super) fn next(&self) -> Position {
        self.engine.log().bounds().1
    }
}

/// What an error of an opening comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Cause {
    /// The disk failed, or had no room.
    Disk,
    /// The store is damaged, which the log makes up for.
    Store,
    /// The ledger is not what it should be.
    Ledger,
}

pub(super) fn cause_of(error: &OpenError) -> Cause {
    match error {
        OpenError::Disk(_) => Cause::Disk,
        OpenError::Log(error) => of_log(error),
        OpenError::Store(error) | OpenError::StoreDamaged(error) => of_store(error),
        OpenError::Recovery(RecoveryError::Log(error)) => of_log(error),
        OpenError::Recovery(RecoveryError::Store(error)) => of_store(error),
        OpenError::Recovery(RecoveryError::Begin(_)) => Cause::Disk,
        _ => Cause::Ledger,
    }
}

fn of_log(error: &LogError) -> Cause {
    match error {
        LogError::Full(_) | LogError::Failed(_) | LogError::Closed => Cause::Disk,
        _ => Cause::Ledger,
    }
}

pub(super) fn of_store(error: &StoreError) -> Cause {
    match error {
        StoreError::Full(_) | StoreError::Failed(_) => Cause::Disk,
        StoreError::Rotten(_) | StoreError::Damaged { .. } => Cause::Store,
        StoreError::Format { .. } => Cause::Ledger,
    }
}
