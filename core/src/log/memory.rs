//! A log in memory, whose appends become durable when its owner says so.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Anchor, Finish, Frame, Log, LogError, Reader};
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

#[derive(Debug)]
struct Disk {
    frames: Vec<Frame>,
    /// Before the first frame that is kept.
    start: Anchor,
    /// Written, but not known to be durable: the next opening finds it.
    unproven: Option<Frame>,
    epoch: Epoch,
}

impl Default for Disk {
    fn default() -> Self {
        Self { frames: Vec::new(), start: Anchor::START, unproven: None, epoch: Epoch::ZERO }
    }
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
        self.frames.last().map_or(self.start.position, Frame::last).plus(1)
    }

    fn kept(&self, at: Position) -> Result<(), LogError> {
        let first = self.start.position.plus(1);
        if at < first { Err(LogError::Trimmed(first)) } else { Ok(()) }
    }

    /// A new writer has to see what the one before may have written.
    fn prove(&mut self) {
        self.frames.extend(self.unproven.take());
    }
}

impl Reader for MemoryLog {
    fn bounds(&self) -> (Position, Position) {
        let disk = self.disk();
        (disk.start.position.plus(1), disk.next())
    }

    fn now_limit(&self) -> Timestamp {
        let disk = self.disk();
        disk.frames.iter().map(|frame| frame.now_limit).max().unwrap_or_default()
    }

    fn epoch(&self) -> Epoch {
        self.disk().epoch
    }

    fn read(&self, from: Position) -> Result<Option<Frame>, LogError> {
        let disk = self.disk();
        disk.kept(from)?;
        let holds = |frame: &&Frame| frame.events > 0 && frame.last() >= from;
        Ok(disk.frames.iter().find(holds).cloned())
    }

    fn anchor(&self) -> Anchor {
        let disk = self.disk();
        disk.frames.iter().fold(disk.start, |anchor, frame| anchor.then(frame))
    }

    fn anchor_before(&self, at: Position) -> Result<Anchor, LogError> {
        let disk = self.disk();
        disk.kept(at)?;
        let before = disk.frames.iter().take_while(|frame| frame.last() < at);
        Ok(before.fold(disk.start, |anchor, frame| anchor.then(frame)))
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

    fn room(&self) -> u64 {
        u64::MAX
    }

    fn room_rule(&self) -> fn(usize) -> u64 {
        |entry_len| entry_len as u64
    }

    fn tend(&mut self) -> Result<bool, LogError> {
        Ok(false)
    }

    fn adopt(
        &mut self,
        start: Anchor,
        epoch: Epoch,
        frames: &mut dyn Iterator<Item = Result<Frame, LogError>>,
    ) -> Result<(), LogError> {
        let mut disk = self.disk();
        if self.epoch.is_some() || disk.next() > Position::new(1) {
            return Err(LogError::NotEmpty);
        }
        disk.start = start;
        disk.epoch = disk.epoch.max(epoch);
        for frame in frames {
            let frame = frame?;
            if frame.first != disk.next() {
                return Err(LogError::NotNext { next: disk.next(), found: frame.first });
            }
            disk.epoch = disk.epoch.max(frame.epoch);
            disk.frames.push(frame);
        }
        Ok(())
    }

    fn trim(&mut self, before: Position) -> Result<Position, LogError> {
        let mut disk = self.disk();
        let gone = disk.frames.iter().take_while(|frame| frame.last() < before).count();
        let start = disk.start;
        disk.start = disk.frames.drain(..gone).fold(start, |anchor, frame| anchor.then(&frame));
        Ok(disk.start.position.plus(1))
    }

    fn reader(&self) -> Arc<dyn Reader + Send + Sync> {
        // It appends nothing, so all it has in common with this one is what is durable.
        Arc::new(Self {
            disk: Arc::clone(&self.disk),
            settle: self.settle,
            epoch: None,
            begun: None,
            finish: None,
            closed: true,
        })
    }
}
