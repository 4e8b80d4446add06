//! The history of one stream: a walk back through the log, from version to version.

use std::collections::VecDeque;

use crate::log::{self, LogError};
use crate::records::{Corrupt, Entries, Tag};
use crate::words::{Kind, Number, Position, Timestamp, Trace, Version};

/// Why a walk could not go on.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum HistoryError {
    /// The log could not be read, or history begins later: [`LogError::Trimmed`].
    #[error("the log: {0}")]
    Log(#[from] LogError),
    /// The frame that holds a position is not what any shard would have written.
    #[error("the frame of position {at}: {why}")]
    Entry {
        /// The position.
        at: Position,
        /// What is wrong.
        why: Corrupt,
    },
    /// The log says at this position nothing of the stream.
    #[error("position {at} is no version of stream {number}")]
    NotThere {
        /// The stream.
        number: Number,
        /// The position at which one of its events should be.
        at: Version,
    },
}

/// What one event did to a stream. An event may do two things to one stream: then both have
/// its position.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Knot {
    /// The event's position, which is the stream's version from then on.
    pub position: Version,
    /// When its entry was decided.
    pub now: Timestamp,
    /// The trace context that came with its command.
    pub trace: Option<Trace>,
    /// The stream's kind.
    pub kind: Kind,
    /// Which struct the payload is.
    pub tag: Tag,
    /// The packed event.
    pub payload: Vec<u8>,
    /// The version before; zero where the stream begins.
    pub previous: Version,
}

/// A walk back through one stream's events, newest first.
///
/// Each step reads at most one frame and costs nothing that was written for it: every part on
/// the log names the version before. It ends at the stream's beginning, or with an error. What
/// it finds there is checked to be the stream's; that nothing lies between two frames is what
/// their checksums and links say.
/// [`version`](Self::version) says where another walk goes on.
pub struct History<'a> {
    log: &'a dyn log::Reader,
    number: Number,
    /// The version that the next frame is read for; zero at the end.
    next: Version,
    /// What the last frame said of the stream, oldest first.
    knots: VecDeque<Knot>,
}

impl<'a> History<'a> {
    /// The events of a stream from one of its versions back.
    #[must_use]
    pub fn new(log: &'a dyn log::Reader, number: Number, version: Version) -> Self {
        Self { log, number, next: version, knots: VecDeque::new() }
    }

    /// The version of the event that comes next; zero at the end. From here another walk
    /// gives what this one has not given. Where an event did two things, both of them.
    #[must_use]
    pub fn version(&self) -> Version {
        self.knots.back().map_or(self.next, |knot| knot.position)
    }

    /// Reads what the frame of the next version says of the stream, and checks that it is one
    /// unbroken piece of its history.
    fn read(&mut self) -> Result<(), HistoryError> {
        let at = self.next;
        let not_there = HistoryError::NotThere { number: self.number, at };
        let Some(frame) = self.log.read(at)? else { return Err(not_there) };
        let wrong = |why| HistoryError::Entry { at, why };
        let (mut knots, mut parts) = (VecDeque::new(), Vec::new());
        let mut entries = Entries::new(&frame.bytes, frame.first);
        while let Some(front) = entries.next_into(&mut parts) {
            let front = front.map_err(wrong)?;
            if front.first > at {
                break;
            }
            let own = parts.drain(..).filter(|part| part.head.number == self.number);
            for part in own.filter(|part| part.head.position <= at) {
                let (head, payload) = (part.head, part.payload.to_vec());
                let begins = head.created.is_some();
                let follows = match knots.back() {
                    _ if begins => head.position.get() == self.number.get() && knots.is_empty(),
                    // The second part of one event follows on the first.
                    Some(Knot { position, .. }) => head.previous == *position,
                    None => head.previous != Position::ZERO && head.previous < frame.first,
                };
                if !follows || begins != (head.previous == Position::ZERO) {
                    return Err(wrong(Corrupt::Range));
                }
                let (position, previous) = (head.position, head.previous);
                let (now, trace, kind, tag) = (front.now, front.trace, head.kind, head.tag);
                knots.push_back(Knot { position, now, trace, kind, tag, payload, previous });
            }
        }
        match (knots.front(), knots.back()) {
            (Some(oldest), Some(newest)) if newest.position == at => {
                self.next = oldest.previous;
                self.knots = knots;
                Ok(())
            }
            _ => Err(not_there),
        }
    }
}

impl Iterator for History<'_> {
    type Item = Result<Knot, HistoryError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.knots.is_empty() {
            if self.next == Position::ZERO {
                return None;
            }
            if let Err(error) = self.read() {
                self.next = Position::ZERO;
                return Some(Err(error));
            }
        }
        self.knots.pop_back().map(Ok)
    }
}
