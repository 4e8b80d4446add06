//! A ledger that nobody has open, looked at: nothing on its disk is changed by that.

use std::path::Path;

use quipu_core::disk::Disk;
use quipu_core::log;
use quipu_core::machine::Registry;
use quipu_core::recovery::recover;
use quipu_core::store;
use quipu_log_file::{ClosedLog, LogId};
use quipu_store_redb::log::RedbLog;
use quipu_store_redb::store::Opened;

use crate::error::OpenError;
use crate::files::{LOG, Options, check_log, has_log, open_redb_log, open_store, read_manifest};
use crate::manifest::{LogKind, Manifest};
use crate::overlay::Overlay;

/// A ledger that is read as an opening would find it. As long as it is kept, nobody can open it.
pub struct Closed<D: Disk> {
    manifest: Manifest,
    log: ClosedLogOf<D>,
    over: Overlay<D>,
    _lock: D::Lock,
}

enum ClosedLogOf<D: Disk> {
    Files(Box<ClosedLog<D>>),
    Redb(Box<RedbLog>),
}

impl<D: Disk> Closed<D> {
    /// Looks for the ledger on a disk.
    pub fn open(disk: D, options: &Options) -> Result<Self, OpenError> {
        let lock = disk.try_lock(Path::new(""))?;
        let manifest = read_manifest(&disk)?;
        if !has_log(&disk, manifest.log)? {
            return Err(OpenError::NoLog(LOG));
        }
        let over = Overlay::new(disk.clone());
        let log = match manifest.log {
            LogKind::Files => {
                let log = ClosedLog::open(disk, Path::new(LOG), LogId(manifest.id.0))?;
                ClosedLogOf::Files(Box::new(log))
            }
            LogKind::Redb => ClosedLogOf::Redb(Box::new(open_redb_log(&over, &manifest, options)?)),
        };
        let closed = Self { manifest, log, over, _lock: lock };
        check_log(closed.log(), &closed.manifest)?;
        Ok(closed)
    }

    /// What the ledger says of itself.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Its history.
    #[must_use]
    pub fn log(&self) -> &dyn log::Reader {
        match &self.log {
            ClosedLogOf::Files(log) => log.reader(),
            ClosedLogOf::Redb(log) => &**log,
        }
    }

    /// The log as files, where it is kept in some.
    #[must_use]
    pub fn files(&self) -> Option<&ClosedLog<D>> {
        match &self.log {
            ClosedLogOf::Files(log) => Some(log),
            ClosedLogOf::Redb(_) => None,
        }
    }

    /// What the history adds up to: what the last checkpoint brought onto the disk, and all since
    /// then replayed in memory.
    pub fn store(
        &self,
        registry: &Registry,
        options: &Options,
    ) -> Result<Box<dyn store::Reader>, OpenError> {
        let (mut store, found) =
            open_store(&self.over, &self.manifest, self.log(), registry, options)?;
        if let Opened::SetAside { why, .. } = found {
            // An opening makes it anew of the whole log; that is more than looking.
            return Err(why.into());
        }
        recover(self.log(), &mut store, registry, &options.limits, &mut |_| {})?;
        Ok(Box::new(store))
    }
}
