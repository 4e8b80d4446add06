//! The log in redb: frames are values of one table, and every append is one durable commit.
//!
//! For those who want redb's recovery and nothing else. It costs more than the log in files: two
//! syncs for each append, and room that doubles.

mod rows;

use std::path::{Path, PathBuf};

use quipu_core::damage::Damage;
use quipu_core::disk::Disk;
use quipu_core::log::{Anchor, Finish, Frame, Log, LogError};
use quipu_core::words::{Epoch, Position, Timestamp};
use redb::TableDefinition;

use crate::file::{RedbFile, Settings};
use crate::guard::Trouble;
use rows::{BLOCK_LEN, State};

/// Parts of frames, under their frame's first position and their number within it.
const FRAMES: TableDefinition<(u64, u32), &[u8]> = TableDefinition::new("frames");
/// The state, in one row.
const STATE: TableDefinition<(), &[u8]> = TableDefinition::new("state");

/// How many rows one trim removes, more than any frame has.
const TRIM_ROWS: usize = 1_024;

/// A log in a redb file. Its directory is locked by whoever owns it.
///
/// A frame without events is no history: only its time is kept. That it seals what lies before
/// it is nothing here, where every frame is a commit.
pub struct RedbLog {
    file: RedbFile,
    path: PathBuf,
    state: State,
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
        let row = file.guard().run(|| {
            let table = file.begin_read()?.open_table(STATE)?;
            Ok(table.get(())?.map(|row| row.value().to_vec()))
        })?;
        let state = row.and_then(|row| State::of_row(&row));
        let state = state.ok_or_else(|| damaged(path, "the log's state is no such row"))?;
        let log = Self {
            file,
            path: path.to_owned(),
            state,
            epoch: None,
            finish: None,
            is_closed: false,
            room: 0,
            room_bytes,
        };
        if state.first < state.next() {
            let (last, before) = log.frame(state.end.position)?;
            if before.then(&last) != state.end {
                return Err(damaged(path, "the last frame is not the one that the state tells"));
            }
        }
        Ok(log)
    }

    /// The frame that holds a position which is kept, and the anchor before it.
    fn frame(&self, at: Position) -> Result<(Frame, Anchor), LogError> {
        let found = self.file.guard().run(|| {
            let read = self.file.begin_read()?;
            let table = read.open_table(FRAMES)?;
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
        let found = found.filter(|(frame, _)| frame.first <= at && frame.last() >= at);
        found.ok_or_else(|| damaged(&self.path, &format!("the frame that holds {at} is not whole")))
    }

    fn kept(&self, at: Position) -> Result<(), LogError> {
        if at < self.state.first { Err(LogError::Trimmed(self.state.first)) } else { Ok(()) }
    }

    /// Commits another state, with what `write` does to the frames. A failure is final.
    fn commit(
        &mut self,
        state: State,
        write: impl FnOnce(&mut redb::Table<'_, (u64, u32), &[u8]>) -> Result<(), redb::Error>,
    ) -> Result<(), Trouble> {
        let committed = self.file.commit(|transaction| {
            write(&mut transaction.open_table(FRAMES)?)?;
            transaction.open_table(STATE)?.insert((), state.to_row().as_slice())?;
            Ok(())
        });
        match committed {
            Ok(()) => self.state = state,
            Err(_) => self.is_closed = true,
        }
        committed
    }

    /// Whether the room that is made ahead is there as a whole.
    fn has_room(&self) -> bool {
        self.file.has_room(self.room_bytes, BLOCK_LEN as u64)
    }
}

impl Log for RedbLog {
    fn take_epoch(&mut self) -> Result<Epoch, LogError> {
        if self.is_closed {
            return Err(LogError::Closed);
        }
        let epoch = self.state.epoch.plus(1);
        self.commit(State { epoch, ..self.state }, |_| Ok(()))?;
        self.epoch = Some(epoch);
        Ok(epoch)
    }

    fn bounds(&self) -> (Position, Position) {
        (self.state.first, self.state.next())
    }

    fn now_limit(&self) -> Timestamp {
        self.state.now_limit
    }

    fn append(&mut self, frame: Frame) -> Result<(), LogError> {
        if self.is_closed || self.finish.is_some() {
            return Err(LogError::Closed);
        }
        if self.epoch != Some(frame.epoch) {
            self.is_closed = true;
            return Err(LogError::Fenced);
        }
        let next = self.state.next();
        if frame.first != next {
            return Err(LogError::NotNext { next, found: frame.first });
        }
        let before = self.state.end;
        let now_limit = self.state.now_limit.max(frame.now_limit);
        let state = State { now_limit, end: before.then(&frame), ..self.state };
        let appended = self.commit(state, |table| {
            if frame.events > 0 {
                for (key, row) in rows::to_rows(&frame, &before) {
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

    fn read(&self, from: Position) -> Result<Option<Frame>, LogError> {
        self.kept(from)?;
        if from >= self.state.next() {
            return Ok(None);
        }
        self.frame(from).map(|(frame, _)| Some(frame))
    }

    fn anchor(&self) -> Anchor {
        self.state.end
    }

    fn anchor_before(&self, at: Position) -> Result<Anchor, LogError> {
        self.kept(at)?;
        if at >= self.state.next() {
            return Ok(self.state.end);
        }
        self.frame(at).map(|(_, before)| before)
    }

    fn room(&self) -> u64 {
        self.room
    }

    fn room_of(&self, entry_len: usize) -> u64 {
        rows::room_of(entry_len)
    }

    fn tend(&mut self) -> Result<bool, LogError> {
        if !self.is_closed && !self.has_room() {
            self.file.reserve(self.room_bytes, BLOCK_LEN as u64)?;
            self.room = self.room_bytes;
        }
        Ok(false)
    }

    fn trim(&mut self, before: Position) -> Result<Position, LogError> {
        let State { first, .. } = self.state;
        let before = before.min(self.state.next());
        if self.is_closed || before <= first {
            return Ok(first);
        }
        let keep_from =
            if before < self.state.next() { self.frame(before)?.0.first } else { before };
        let mut kept = keep_from;
        let guard = self.file.guard().clone();
        let gone = guard.run(|| {
            let table = self.file.begin_read()?.open_table(FRAMES)?;
            let mut gone = Vec::new();
            for row in table.range(..(keep_from.get(), 0))? {
                let key = row?.0.value();
                if gone.len() == TRIM_ROWS {
                    kept = Position::new(key.0);
                    break;
                }
                gone.push(key);
            }
            Ok(gone)
        })?;
        self.commit(State { first: kept, ..self.state }, |table| {
            for key in gone.into_iter().filter(|key| key.0 < kept.get()) {
                table.remove(key)?;
            }
            Ok(())
        })?;
        Ok(kept)
    }
}

fn damaged(path: &Path, why: &str) -> LogError {
    LogError::Damaged(Damage::new(path, 0, why))
}
