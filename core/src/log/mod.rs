//! The log: the ordered, durable sequence of frames. It is the history.

pub mod conformance;
mod memory;

pub use memory::{MemoryLog, Settle};

use core::time::Duration;
use std::sync::Arc;

use crate::damage::Damage;
use crate::words::{Epoch, Position, Timestamp};

/// What one group commit writes: many entries, under one epoch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame {
    /// The writer.
    pub epoch: Epoch,
    /// The position of the first event; of the next one where the frame has none.
    pub first: Position,
    /// How many positions it takes. None where it only carries a time or a watermark.
    pub events: u64,
    /// The time at which it was made.
    pub now: Timestamp,
    /// Answers may show times up to here once the frame is durable; recovery starts here.
    pub now_limit: Timestamp,
    /// The durable position as it was known when the frame was made.
    pub watermark: Position,
    /// The packed entries.
    pub bytes: Vec<u8>,
}

impl Frame {
    /// The position of the last event; that before `first` where there is none.
    #[must_use]
    pub fn last(&self) -> Position {
        Position::new((self.first.get() + self.events).saturating_sub(1))
    }
}

/// What all history up to a position hashes to: nothing before it can be changed, dropped or
/// put elsewhere without another hash.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Anchor {
    /// The last position of a frame that holds events; zero before the first.
    pub position: Position,
    /// The hash of that frame and, through it, of all before.
    pub hash: [u8; 32],
}

impl Anchor {
    /// Before all history.
    pub const START: Self = Self { position: Position::ZERO, hash: [0; 32] };

    /// The anchor behind a frame which follows this one. A frame without events is not history.
    ///
    /// What is hashed does not depend on where a log keeps a frame, nor on which log it is: a
    /// copy has the anchors of its original.
    #[must_use]
    pub fn then(&self, frame: &Frame) -> Self {
        if frame.events == 0 {
            return *self;
        }
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.hash);
        for word in [
            frame.epoch.get(),
            frame.first.get(),
            frame.events,
            frame.now.ms(),
            frame.now_limit.ms(),
            frame.bytes.len() as u64,
        ] {
            hasher.update(&word.to_le_bytes());
        }
        hasher.update(&frame.bytes);
        Self { position: frame.last(), hash: *hasher.finalize().as_bytes() }
    }
}

/// How an append ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Finish {
    /// It survives power loss.
    Durable,
    /// A write or sync failed. It may or may not be there after a restart. Final.
    Failed,
    /// Another writer has a higher epoch; nothing was written. Final.
    Fenced,
    /// The log cannot tell. Final.
    Unknown,
}

/// Why a log could not be opened, read or written.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LogError {
    /// The frame does not continue the log: its first position is not the next one.
    #[error("the frame begins at {found}, but the log's next position is {next}")]
    NotNext {
        /// Where the log ends.
        next: Position,
        /// Where the frame begins.
        found: Position,
    },
    /// Another writer has a higher epoch.
    #[error("another writer has taken over this log")]
    Fenced,
    /// There is history already, where there should be none.
    #[error("the log holds history already")]
    NotEmpty,
    /// An append is under way, or one has failed: nothing can be appended.
    #[error("the log takes no append now")]
    Closed,
    /// History up to here is no longer kept.
    #[error("history begins at {0}")]
    Trimmed(Position),
    /// Bytes that the log vouched for are damaged.
    #[error("damaged: {0}")]
    Damaged(Damage),
    /// There is no room for what was asked. Nothing was done.
    #[error("no room: {0}")]
    Full(String),
    /// The world failed.
    #[error("{0}")]
    Failed(String),
}

/// Reads what is durable, while the writer goes on.
pub trait Reader {
    /// The first position that is kept, and the next one to be written: behind the last frame
    /// that is known to be durable. One that ended otherwise counts only if a later opening
    /// finds it.
    fn bounds(&self) -> (Position, Position);

    /// The greatest `now_limit` of any durable frame.
    fn now_limit(&self) -> Timestamp;

    /// The epoch of the last writer that is known.
    fn epoch(&self) -> Epoch;

    /// The durable frame that holds a position, or the first one behind it that holds events.
    fn read(&self, from: Position) -> Result<Option<Frame>, LogError>;

    /// What all durable history hashes to.
    fn anchor(&self) -> Anchor;

    /// What all history before the frame that holds a position hashes to.
    fn anchor_before(&self, at: Position) -> Result<Anchor, LogError>;
}

/// Whatever is read by reading another: a log's writer in front of its reader.
pub trait ReadsFrom {
    /// The other.
    fn source(&self) -> &dyn Reader;
}

impl<T: ReadsFrom> Reader for T {
    fn bounds(&self) -> (Position, Position) {
        self.source().bounds()
    }

    fn now_limit(&self) -> Timestamp {
        self.source().now_limit()
    }

    fn epoch(&self) -> Epoch {
        self.source().epoch()
    }

    fn read(&self, from: Position) -> Result<Option<Frame>, LogError> {
        self.source().read(from)
    }

    fn anchor(&self) -> Anchor {
        self.source().anchor()
    }

    fn anchor_before(&self, at: Position) -> Result<Anchor, LogError> {
        self.source().anchor_before(at)
    }
}

/// The ordered, durable sequence of frames.
///
/// Nothing may assume that durability is immediate, that the log is local, or that this
/// process stays its writer. Every log passes [`conformance`].
pub trait Log: Reader {
    /// Takes over as the writer: gives an epoch above every other, and makes that durable.
    fn take_epoch(&mut self) -> Result<Epoch, LogError>;

    /// How many appends may be under way at a time.
    fn depth(&self) -> usize {
        1
    }

    /// Begins to append a frame at the log's next position, behind those that are under way,
    /// under the epoch that this handle has taken; any other is fenced. One is under way until
    /// [`finish`](Self::finish) has told how it ended; beyond [`depth`](Self::depth) the next one
    /// is refused with [`LogError::Closed`]. They become durable one after the other: nothing is
    /// written of one before the one before it is durable.
    fn append(&mut self, frame: Frame) -> Result<(), LogError>;

    /// How the oldest append under way ended; `None` while none has. Anything but durable is
    /// final: this handle appends no more, and none behind it becomes durable.
    fn finish(&mut self) -> Option<Finish>;

    /// The same, waiting until the oldest append under way has ended. `None` where none is under
    /// way, or where it ends by nothing that can be waited for.
    fn wait(&mut self) -> Option<Finish> {
        self.finish()
    }

    /// How long a sync took that this was not told of yet, where the log knows. For whoever
    /// measures: nothing depends on it.
    fn synced(&mut self) -> Option<Duration> {
        None
    }

    /// A handle that reads what is durable, also what becomes durable later.
    fn reader(&self) -> Arc<dyn Reader + Send + Sync>;

    /// How many bytes entries may still take without asking the world for room, each entry
    /// counted as [`room_rule`](Self::room_rule) counts it. Nothing is admitted beyond. Frames without
    /// events need not be counted, as long as they are few.
    fn room(&self) -> u64;

    /// How the most room follows that an entry can take, framed all by itself, from its length. A
    /// rule and not an answer: whoever admits is on other threads than this log. It never falls
    /// as the length grows.
    fn room_rule(&self) -> fn(usize) -> u64;

    /// The most room that an entry of that many bytes can take.
    fn room_of(&self, entry_len: usize) -> u64 {
        self.room_rule()(entry_len)
    }

    /// Does a bounded bit of what can be done ahead of need, such as making room. Says whether
    /// there is more to do. Call it while idle, or paced. [`LogError::Full`] is no end: it may
    /// be called again; any other error is final.
    fn tend(&mut self) -> Result<bool, LogError>;

    /// Fills a new log with another's history: every frame as it is, with its epoch, behind
    /// `start`. Nobody has taken an epoch yet, and whoever does is above `epoch` and all that the
    /// frames have. All of it is durable once this returns; after a failure the log is of no use.
    fn adopt(
        &mut self,
        start: Anchor,
        epoch: Epoch,
        frames: &mut dyn Iterator<Item = Result<Frame, LogError>>,
    ) -> Result<(), LogError>;

    /// Drops whole pieces of history in which every position lies before this one. Gives the
    /// first position that is kept, which may be an earlier one.
    fn trim(&mut self, before: Position) -> Result<Position, LogError>;
}
