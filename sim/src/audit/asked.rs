//! What was asked, and what must have come of it.

use core::fmt;

use quipu_core::shard::{Key, Leg, Reply};
use quipu_core::words::{Name, Position, Timestamp};

/// What an accepted ask must have led to.
#[derive(Clone, Debug)]
pub enum Expected {
    /// Nothing that is checked by its text.
    Nothing,
    /// A read: the head must be that of its version.
    Read,
    /// An event whose description begins like this, by this claimant where there is one.
    Event(String, Option<String>),
}

impl Expected {
    /// An event whose description begins like this.
    #[must_use]
    pub fn event(text: &str) -> Self {
        Self::Event(text.to_owned(), None)
    }

    /// The same, by this claimant.
    #[must_use]
    pub fn claim(text: &str, who: &str) -> Self {
        Self::Event(text.to_owned(), Some(who.to_owned()))
    }
}

/// An ask on its way.
#[derive(Clone)]
pub struct Sent {
    /// The one stream that it is about; none for a transaction.
    pub(super) stream: Option<Name>,
    pub(super) legs: Vec<Leg>,
    pub(super) expected: Expected,
    pub(super) key: Option<(Key, String)>,
    pub(super) abandoned: bool,
    /// When it was sent, in the auditor's own count of asks and answers.
    pub(super) tick: u64,
    /// The greatest position that had been answered for other streams when it was sent.
    pub(super) acked: Position,
    /// The latest time that had been answered for its stream.
    pub(super) told_at: Timestamp,
    /// The clock when it was sent.
    pub(super) now: Timestamp,
}

impl Sent {
    /// An ask of one stream, or of several. Under a key comes what it asks, as text. Whoever has
    /// abandoned it hears the answer and makes nothing of it.
    #[must_use]
    pub fn new(
        stream: Option<Name>,
        expected: Expected,
        key: Option<(Key, String)>,
        abandoned: bool,
        now: Timestamp,
    ) -> Self {
        let (acked, told_at, legs) = (Position::ZERO, Timestamp::ZERO, Vec::new());
        Self { stream, legs, expected, key, abandoned, tick: 0, acked, told_at, now }
    }

    /// With the commands that it is made of, which an account that is made of answers alone
    /// needs, and the search of an order without versions.
    #[must_use]
    pub fn of(self, legs: Vec<Leg>) -> Self {
        Self { legs, ..self }
    }
}

/// What whoever reads a finding wants to know: findings show several asks beside each other.
impl fmt::Debug for Sent {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.stream {
            Some(stream) => write!(out, "{stream:?}")?,
            None => out.write_str("several")?,
        }
        match (&self.expected, &*self.legs) {
            (Expected::Read, _) => out.write_str(" read")?,
            (_, [leg]) => write!(out, " {:?}", leg.command)?,
            (Expected::Event(text, _), []) => write!(out, " for {text:?}")?,
            (_, legs) => {
                let commands = legs.iter().map(|leg| (&leg.stream, &leg.command));
                out.debug_list().entries(commands).finish()?;
            }
        }
        if let Some((key, _)) = &self.key {
            write!(out, " under {key:?}")?;
        }
        write!(out, " (asked as {} at {}, knowing {})", self.tick, self.now, self.acked)
    }
}

/// An ask and its answer.
#[derive(Clone, Debug)]
pub(super) struct Answered {
    pub(super) sent: Sent,
    pub(super) reply: Reply,
    /// When the answer left, in the same count as [`Sent::tick`].
    pub(super) tick: u64,
}

/// An ask whose outcome nobody knows: it happened once, or not at all.
#[derive(Clone, Debug)]
pub(super) struct Unknown {
    pub(super) sent: Sent,
    /// Since when it can no longer happen, in the same count: who had it is gone.
    pub(super) until: u64,
}

/// What an answer rests on, and the time that it shows.
pub(super) fn rests_on(reply: &Reply) -> Option<(Position, Timestamp)> {
    match reply {
        Reply::Done(outcome) => Some((outcome.position, outcome.at)),
        Reply::Refused(refused) => Some((refused.position, refused.at)),
        Reply::Failed(_) => None,
    }
}

pub(super) fn is_replayed(reply: &Reply) -> bool {
    match reply {
        Reply::Done(outcome) => outcome.replayed,
        Reply::Refused(refused) => refused.replayed,
        Reply::Failed(_) => false,
    }
}

/// The version that an answer about one stream shows, where it was made for this ask.
pub(super) fn version_of(reply: &Reply) -> Option<Position> {
    match reply {
        Reply::Done(outcome) if !outcome.replayed => Some(outcome.version),
        Reply::Refused(refused) if !refused.replayed => Some(refused.version),
        _ => None,
    }
}

/// Whether something happened for this ask.
pub(super) fn has_changed(reply: &Reply) -> bool {
    matches!(reply, Reply::Done(outcome) if outcome.changed && !outcome.replayed)
}

/// An answer without what tells a repeat from a first.
pub(super) fn essence(reply: &Reply) -> String {
    match reply {
        Reply::Done(outcome) => {
            let bytes = outcome.answer.as_bytes();
            format!("{} {} {} {bytes:?}", outcome.position, outcome.version, outcome.at)
        }
        Reply::Refused(refused) => {
            let (position, version) = (refused.position, refused.version);
            format!("{position} {version} {} {:?} {:?}", refused.at, refused.refusal, refused.leg)
        }
        Reply::Failed(fault) => format!("{fault:?}"),
    }
}
