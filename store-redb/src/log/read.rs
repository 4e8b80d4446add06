//! What a log in redb has in common with its readers: the file, and what is durable in it.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError, RwLock, RwLockReadGuard};

use quipu_core::damage::Damage;
use quipu_core::log::{Anchor, Frame, LogError, Reader};
use quipu_core::words::{Epoch, Position, Timestamp};
use redb::{ReadOnlyTable, TableDefinition};

use super::rows::{self, State};
use crate::file::RedbFile;

/// Parts of frames, under their frame's first position and their number within it.
pub(super) const FRAMES: TableDefinition<(u64, u32), &[u8]> = TableDefinition::new("frames");
/// The state, in one row.
pub(super) const STATE: TableDefinition<(), &[u8]> = TableDefinition::new("state");

/// An open log. It ends with its writer: who reads on finds it closed.
pub(super) struct Opened {
    path: PathBuf,
    file: RwLock<Option<RedbFile>>,
    state: Mutex<State>,
}

impl Opened {
    pub(super) fn new(path: PathBuf, file: RedbFile) -> Result<Self, LogError> {
        let row = file.guard().run(|| {
            let table = file.begin_read()?.open_table(STATE)?;
            Ok(table.get(())?.map(|row| row.value().to_vec()))
        })?;
        let state = row.and_then(|row| State::of_row(&row));
        let opened = Self {
            path,
            file: RwLock::new(Some(file)),
            state: Mutex::new(state.unwrap_or(State::NEW)),
        };
        let Some(state) = state else { return Err(opened.damaged("the log has no state")) };
        if state.first < state.next() {
            let (last, before) = opened.frame(state.end.position)?;
            if before.then(&last) != state.end {
                return Err(opened.damaged("the last frame is not the one that the state tells"));
            }
        }
        Ok(opened)
    }

    pub(super) fn state(&self) -> State {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_state(&self, state: State) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }

    /// The file, for as long as that is kept.
    pub(super) fn file(&self) -> RwLockReadGuard<'_, Option<RedbFile>> {
        self.file.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for whoever reads, and closes the file.
    pub(super) fn close(&self) {
        drop(self.file.write().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// Runs a read of the frames as they are now.
    pub(super) fn look<T>(
        &self,
        look: impl FnOnce(&ReadOnlyTable<(u64, u32), &'static [u8]>) -> Result<T, redb::Error>,
    ) -> Result<T, LogError> {
        let file = self.file();
        let file = file.as_ref().ok_or(LogError::Closed)?;
        Ok(file.guard().run(|| look(&file.begin_read()?.open_table(FRAMES)?))?)
    }

    /// The frame that holds a position which is kept, and the anchor before it.
    pub(super) fn frame(&self, at: Position) -> Result<(Frame, Anchor), LogError> {
        let found = self.look(|table| {
            let last = table.range(..=(at.get(), u32::MAX))?.next_back().transpose()?;
            let Some(first) = last.map(|(key, _)| key.value().0) else { return Ok(None) };
            let mut parts = Vec::new();
            for (number, row) in table.range((first, 0)..=(first, u32::MAX))?.enumerate() {
                let (key, row) = row?;
                let is_next = key.value().1 as usize == number;
                if !is_next || rows::gather(key.value(), row.value(), &mut parts).is_none() {
                    return Ok(None);
                }
            }
            Ok(Some((first, parts)))
        })?;
        let found = found.and_then(|(first, parts)| rows::of_parts(Position::new(first), parts));
        if let Some(found) = found.filter(|(frame, _)| frame.first <= at && frame.last() >= at) {
            return Ok(found);
        }
        // The writer may have dropped it a moment ago.
        self.kept(at)?;
        Err(self.damaged(&format!("the frame that holds position {at} is not there as a whole")))
    }

    fn kept(&self, at: Position) -> Result<(), LogError> {
        let first = self.state().first;
        if at < first { Err(LogError::Trimmed(first)) } else { Ok(()) }
    }

    fn damaged(&self, why: &str) -> LogError {
        LogError::Damaged(Damage::new(&self.path, 0, why))
    }
}

impl Reader for Opened {
    fn bounds(&self) -> (Position, Position) {
        let state = self.state();
        (state.first, state.next())
    }

    fn now_limit(&self) -> Timestamp {
        self.state().now_limit
    }

    fn epoch(&self) -> Epoch {
        self.state().epoch
    }

    fn read(&self, from: Position) -> Result<Option<Frame>, LogError> {
        self.kept(from)?;
        if from >= self.state().next() {
            return Ok(None);
        }
        self.frame(from).map(|(frame, _)| Some(frame))
    }

    fn anchor(&self) -> Anchor {
        self.state().end
    }

    fn anchor_before(&self, at: Position) -> Result<Anchor, LogError> {
        self.kept(at)?;
        let State { end, .. } = self.state();
        if at > end.position {
            return Ok(end);
        }
        self.frame(at).map(|(_, before)| before)
    }
}
