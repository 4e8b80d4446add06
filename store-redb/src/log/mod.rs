//! The log in redb: frames are values of one table, and every append is one durable commit.
//!
//! For those who want redb's recovery and nothing else. It costs more than the log in files: two
//! syncs for each append, and room that doubles.

mod read;
mod rows;

use std::path::Path;
use std::sync::Arc;

use quipu_core::disk::Disk;
use quipu_core::log::{Anchor, Finish, Frame, Log, LogError, Reader, ReadsFrom};
use quipu_core::mutant;
use quipu_core::words::{Epoch, Position};

use crate::file::{RedbFile, Settings};
use crate::guard::Trouble;
use read::{FRAMES, Opened, STATE};
use rows::{BLOCK_LEN, State};

/// How many rows one trim removes, more than any frame has.
const TRIM_ROWS: usize = 1_024;

/// How many bytes of frames are adopted by one commit, but for the last frame of it.
const ADOPTED_BYTES: usize = 16 << 20;

/// A log in a redb file. Its directory is locked by whoever owns it.
///
/// A frame without events is no history: only its time is kept. That it seals what lies before
/// it is nothing here, where every frame is a commit.
pub struct RedbLog {
    opened: Arc<Opened>,
    /// What this handle has taken.
    epoch: Option<Epoch>,
    finish: Option<Finish>,
    is_closed: bool,
    room: u64,
    /// How much of it is made ahead.
    room_bytes: u64,
}

impl RedbLog {
    /// Opens the log in the file of this name, or makes one. `room_bytes` is how much room it
    /// makes ahead of need: no less than [`room_of`](Log::room_of) the largest entry.
    pub fn open<D: Disk>(
        disk: &D,
        path: &Path,
        settings: &Settings,
        room_bytes: u64,
    ) -> Result<Self, LogError> {
        let file = RedbFile::open(disk, path, settings, |first| {
            first.open_table(FRAMES)?;
            first.open_table(STATE)?.insert((), State::NEW.to_row().as_slice())?;
            Ok(())
        })?;
        let opened = Arc::new(Opened::new(path.to_owned(), file)?);
        Ok(Self { opened, epoch: None, finish: None, is_closed: false, room: 0, room_bytes })
    }

    /// Commits another state, with what `write` does to the frames. A failure is final.
    fn commit(
        &mut self,
        state: State,
        write: impl FnOnce(&mut redb::Table<'_, (u64, u32), &[u8]>) -> Result<(), redb::Error>,
    ) -> Result<(), Trouble> {
        let committed = self.with_file(|file| {
            file.commit(|transaction| {
                write(&mut transaction.open_table(FRAMES)?)?;
                transaction.open_table(STATE)?.insert((), state.to_row().as_slice())?;
                Ok(())
            })
        });
        match committed {
            Ok(()) => self.opened.set_state(state),
            Err(_) => self.is_closed = true,
        }
        committed
    }

    fn adopt_all(
        &mut self,
        start: Anchor,
        epoch: Epoch,
        frames: &mut dyn Iterator<Item = Result<Frame, LogError>>,
    ) -> Result<(), LogError> {
        let new = self.opened.state();
        let epoch = epoch.max(new.epoch);
        let mut state = State { epoch, first: start.position.plus(1), end: start, ..new };
        let mut is_more = true;
        while is_more {
            let (mut adopted, mut bytes) = (Vec::new(), 0);
            while bytes < ADOPTED_BYTES {
                let Some(frame) = frames.next().transpose()? else {
                    is_more = false;
                    break;
                };
                if frame.first != state.next() {
                    return Err(LogError::NotNext { next: state.next(), found: frame.first });
                }
                let before = state.end;
                state.epoch = state.epoch.max(frame.epoch);
                state.now_limit = state.now_limit.max(frame.now_limit);
                state.end = before.then(&frame);
                bytes += frame.bytes.len();
                if frame.events > 0 {
                    adopted.push((frame, before));
                }
            }
            self.commit(state, |table| {
                let mut rows = adopted.iter().flat_map(|(frame, at)| rows::to_rows(frame, at));
                rows.try_for_each(|(key, row)| table.insert(key, row.as_slice()).map(drop))?;
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Whether the room that is made ahead is there as a whole.
    fn has_room(&self) -> bool {
        self.with_file(|file| file.has_room(self.room_bytes, BLOCK_LEN as u64))
    }

    fn with_file<T>(&self, call: impl FnOnce(&RedbFile) -> T) -> T {
        call(self.opened.file().as_ref().expect("only dropping the log closes it"))
    }
}

impl Drop for RedbLog {
    fn drop(&mut self) {
        // A reader that is left must not keep open what another writer opens.
        self.opened.close();
    }
}

impl ReadsFrom for RedbLog {
    fn source(&self) -> &dyn Reader {
        &*self.opened
    }
}

impl Log for RedbLog {
    fn take_epoch(&mut self) -> Result<Epoch, LogError> {
        if self.is_closed {
            return Err(LogError::Closed);
        }
        let state = self.opened.state();
        let epoch = state.epoch.plus(1);
        self.commit(State { epoch, ..state }, |_| Ok(()))?;
        self.epoch = Some(epoch);
        Ok(epoch)
    }

    fn append(&mut self, frame: Frame) -> Result<(), LogError> {
        if self.is_closed || self.finish.is_some() {
            return Err(LogError::Closed);
        }
        if self.epoch != Some(frame.epoch) && !mutant!(EpochIgnored) {
            self.is_closed = true;
            return Err(LogError::Fenced);
        }
        let before = self.opened.state();
        if frame.first != before.next() {
            return Err(LogError::NotNext { next: before.next(), found: frame.first });
        }
        let now_limit = before.now_limit.max(frame.now_limit);
        let after = State { now_limit, end: before.end.then(&frame), ..before };
        let appended = self.commit(after, |table| {
            if frame.events > 0 {
                for (key, row) in rows::to_rows(&frame, &before.end) {
                    table.insert(key, row.as_slice())?;
                }
            }
            Ok(())
        });
        let taken = rows::room_of(frame.bytes.len());
        self.room = if self.has_room() { self.room_bytes } else { self.room.saturating_sub(taken) };
        self.finish = Some(if appended.is_ok() { Finish::Durable } else { Finish::Failed });
        Ok(())
    }

    fn finish(&mut self) -> Option<Finish> {
        self.finish.take()
    }

    fn reader(&self) -> Arc<dyn Reader + Send + Sync> {
        Arc::clone(&self.opened) as _
    }

    fn room(&self) -> u64 {
        self.room
    }

    fn room_rule(&self) -> fn(usize) -> u64 {
        rows::room_of
    }

    fn tend(&mut self) -> Result<bool, LogError> {
        if !self.is_closed && !self.has_room() {
            self.with_file(|file| file.reserve(self.room_bytes, BLOCK_LEN as u64))?;
            self.room = self.room_bytes;
        }
        Ok(false)
    }

    fn adopt(
        &mut self,
        start: Anchor,
        epoch: Epoch,
        frames: &mut dyn Iterator<Item = Result<Frame, LogError>>,
    ) -> Result<(), LogError> {
        let is_new = self.opened.bounds() == (Position::new(1), Position::new(1));
        if self.epoch.is_some() || self.is_closed || !is_new {
            return Err(LogError::NotEmpty);
        }
        let adopted = self.adopt_all(start, epoch, frames);
        self.is_closed |= adopted.is_err();
        adopted
    }

    fn trim(&mut self, before: Position) -> Result<Position, LogError> {
        let state = self.opened.state();
        let mut kept = before.min(state.next());
        if kept <= state.first {
            return Ok(state.first);
        }
        if self.is_closed {
            return Err(LogError::Closed);
        }
        if kept < state.next() {
            kept = self.opened.frame(kept)?.0.first;
        }
        let mut gone = self.opened.look(|table| {
            let rows = table.range(..(kept.get(), 0))?.take(TRIM_ROWS + 1);
            let keys = rows.map(|row| Ok(row?.0.value()));
            keys.collect::<Result<Vec<_>, redb::StorageError>>().map_err(redb::Error::from)
        })?;
        if gone.len() > TRIM_ROWS {
            // There are more. The frame of the last one is left whole.
            kept = Position::new(gone[TRIM_ROWS].0);
            gone.retain(|key| key.0 < kept.get());
        }
        let state = State { first: kept, ..state };
        // First, so that no reader takes what is dropped for lost.
        self.opened.set_state(state);
        self.commit(state, |table| {
            for key in gone {
                table.remove(key)?;
            }
            Ok(())
        })?;
        Ok(kept)
    }
}
