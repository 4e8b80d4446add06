//! The ledger under test: its files on the simulated disk, and the engine over them.

use quipu_core::driver::{Driver, Setup};
use quipu_core::log::{LogError, Reader as _};
use quipu_core::machine::Registry;
use quipu_core::recovery::RecoveryError;
use quipu_core::shard::{CallId, Leg};
use quipu_core::store::{Checkpoint, StoreError};
use quipu_core::words::{Position, Timestamp};
use quipu_ledger::files::Folder;
use quipu_ledger::{AnyLog, Files, LedgerId, OpenError, Options};
use quipu_store_redb::store::{Opened, RedbStore};

use super::plan::Plan;
use crate::disk::SimDisk;

/// A whole ledger, every step of which somebody else chooses.
pub(super) type Engine = Driver<AnyLog<SimDisk>, RedbStore<SimDisk>>;

const ID: LedgerId = LedgerId([3; 16]);

/// A ledger that is open, in one process.
pub(super) struct Ground {
    pub(super) engine: Engine,
    folder: Folder<SimDisk>,
    /// A checkpoint that is still to be written, and what was durable when it was frozen.
    pub(super) frozen: Option<(Checkpoint, Position)>,
    /// Whether no further checkpoint can be made.
    pub(super) store_failed: bool,
    /// Whether the folder held no ledger, so that one was made.
    pub(super) is_new: bool,
    /// What was durable when it was opened.
    pub(super) found_at: Position,
    /// Which steps there are was last seen at this one.
    pub(super) latched: bool,
}

/// How a ledger is made and opened.
pub(super) struct Rules {
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
        let Rules { registry, genesis, options } = rules;
        let (files, is_new) = match Files::open(disk.clone(), registry, options) {
            Err(OpenError::NoLedger) => (Files::create(disk.clone(), ID, registry, options)?, true),
            opened => (opened?, false),
        };
        let (log, store, folder) = files.into_parts();
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
        matches!(self.folder.found, Opened::SetAside { .. })
    }

    /// Stops it as it should be stopped, once nothing is under way.
    pub(super) fn stop(self) -> Result<(), OpenError> {
        let (log, store) = self.engine.into_parts();
        self.folder.with(log, store).stop()
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
