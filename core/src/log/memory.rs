//! A log in memory, whose appends become durable when its owner says so.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Finish, Frame, Log, LogError};
use crate::words::{Epoch, Position, Timestamp};

/// When an append to a [`MemoryLog`] ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Settle {
    /// At once.
    AtOnce,
    /// When [`MemoryLog::settle`] says how.
    WhenTold,
}

/// A handle on a log in memory. [`reopen`](Self::reopen) gives another on the same frames.
#[derive(Debug)]
pub struct MemoryLog {
    disk: Arc<Mutex<Disk>>,
    settle: Settle,
    epoch: Option<Epoch>,
    begun: Option<Frame>,
    finish: Option<Finish>,
    closed: bool,
}

#[derive(Default, Debug)]
struct Disk {
    frames: Vec<Frame>,
    /// Written, but not known to be durable: the next opening finds it.
    unproven: Option<Frame>,
    epoch: Epoch,
}

impl MemoryLog {
    /// An empty log.
    #[must_use]
    pub fn new(settle: Settle) -> Self {
        Self::on(Arc::default(), settle)
    }

    fn on(disk: Arc<Mutex<Disk>>, settle: Settle) -> Self {
        disk.lock().unwrap_or_else(PoisonError::into_inner).prove();
        Self { disk, settle, epoch: None, begun: None, finish: None, closed: false }
    }

    /// Another handle on the same durable frames, as after a crash: an append under way is lost.
    #[must_use]
    pub fn reopen(&self) -> Self {
        Self::on(Arc::clone(&self.disk), self.settle)
    }

    /// Whether an append is under way.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.begun.is_some()
    }

    /// Ends the append under way. `written` says whether the frame is there afterwards:
    /// a durable one always is, a fenced one never, any other as the world pleases, and then
    /// the next opening finds it.
    pub fn settle(&mut self, finish: Finish, written: bool) {
        let Some(frame) = self.begun.take() else { return };
        let mut disk = self.disk();
        let fenced = !mutant!(EpochIgnored) && frame.epoch < disk.epoch;
        let finish = if fenced { Finish::Fenced } else { finish };
        match finish {
            Finish::Durable => disk.frames.push(frame),
            Finish::Failed | Finish::Unknown if written => disk.unproven = Some(frame),
            _ => {}
        }
        drop(disk);
        self.finish = Some(finish);
    }

    /// Every durable frame.
    #[must_use]
    pub fn frames(&self) -> Vec<Frame> {
        self.disk().frames.clone()
    }

    /// Forgets the durable frames behind a position, to test what notices.
    pub fn cut(&mut self, last: Position) {
        self.disk().frames.retain(|frame| frame.last() <= last);
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Disk {
    fn next(&self) -> Position {
        self.frames.last().map_or(Position::new(1), |frame| frame.last().plus(1))
    }

    /// A new writer has to see what the one before may have written.
    fn prove(&mut self) {
        self.frames.extend(self.unproven.take());
    }
}

impl Log for MemoryLog {
    fn take_epoch(&mut self) -> Result<Epoch, LogError> {
        let mut disk = self.disk();
        disk.prove();
        disk.epoch = disk.epoch.plus(1);
        let epoch = disk.epoch;
        drop(disk);
        self.epoch = Some(epoch);
        Ok(epoch)
    }

    fn bounds(&self) -> (Position, Position) {
        (Position::new(1), self.disk().next())
    }

    fn now_limit(&self) -> Timestamp {
        let disk = self.disk();
        disk.frames.iter().map(|frame| frame.now_limit).max().unwrap_or_default()
    }

    fn append(&mut self, frame: Frame) -> Result<(), LogError> {
        if self.closed || self.begun.is_some() || self.finish.is_some() {
            return Err(LogError::Closed);
        }
        let disk = self.disk();
        let stale = self.epoch != Some(frame.epoch) || frame.epoch < disk.epoch;
        let fenced = stale && !mutant!(EpochIgnored);
        let next = disk.next();
        drop(disk);
        if fenced {
            self.closed = true;
            return Err(LogError::Fenced);
        }
        if frame.first != next {
            return Err(LogError::NotNext { next, found: frame.first });
        }
        self.begun = Some(frame);
        if self.settle == Settle::AtOnce {
            self.settle(Finish::Durable, true);
        }
        Ok(())
    }

    fn finish(&mut self) -> Option<Finish> {
        let finish = self.finish.take()?;
        self.closed |= finish != Finish::Durable;
        Some(finish)
    }

    fn read(&self, from: Position) -> Result<Option<Frame>, LogError> {
        let disk = self.disk();
        let holds = |frame: &&Frame| frame.events > 0 && frame.last() >= from;
        Ok(disk.frames.iter().find(holds).cloned())
    }
}
