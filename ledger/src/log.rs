//! The log of a ledger, in files or in redb.

use core::time::Duration;
use std::sync::Arc;

use quipu_core::disk::Disk;
use quipu_core::log::{Anchor, Finish, Frame, Log, LogError, Reader, ReadsFrom};
use quipu_core::words::{Epoch, Position};
use quipu_log_file::FileLog;
use quipu_store_redb::log::RedbLog;

/// A log of either kind.
pub enum AnyLog<D: Disk> {
    /// In segmented files.
    Files(Box<FileLog<D>>),
    /// In one redb file.
    Redb(Box<RedbLog>),
}

impl<D: Disk> AnyLog<D> {
    fn log(&self) -> &dyn Log {
        match self {
            Self::Files(log) => &**log,
            Self::Redb(log) => &**log,
        }
    }

    fn log_mut(&mut self) -> &mut dyn Log {
        match self {
            Self::Files(log) => &mut **log,
            Self::Redb(log) => &mut **log,
        }
    }
}

impl<D: Disk> ReadsFrom for AnyLog<D> {
    fn source(&self) -> &dyn Reader {
        self.log()
    }
}

impl<D: Disk> Log for AnyLog<D> {
    fn take_epoch(&mut self) -> Result<Epoch, LogError> {
        self.log_mut().take_epoch()
    }

    fn depth(&self) -> usize {
        self.log().depth()
    }

    fn append(&mut self, frame: Frame) -> Result<(), LogError> {
        self.log_mut().append(frame)
    }

    fn finish(&mut self) -> Option<Finish> {
        self.log_mut().finish()
    }

    fn wait(&mut self) -> Option<Finish> {
        self.log_mut().wait()
    }

    fn synced(&mut self) -> Option<Duration> {
        self.log_mut().synced()
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
