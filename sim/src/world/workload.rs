//! What a run asks of a ledger, and who says what should come of it: yours, or the built-in one.

use quipu_core::machine::{Machine, Registry};
use quipu_core::machines;
use quipu_core::records::{Corrupt, PartHead, Record as _};
use quipu_core::shard::{Ask, Key, Leg, Reply};
use quipu_core::words::{Name, Position, Timestamp};

use super::plan::Crowd;
use crate::Random;
use crate::audit::Expected;

/// What clients ask of a ledger, and of which machines.
///
/// The simulator decides when each of them asks, and what goes wrong meanwhile; it repeats asks
/// that have a key, at once, after failures and much later, and it holds every answer against
/// the log whatever the machine is. A workload says what is asked. It must draw from nothing but
/// the [`Random`] that it is given, so that a seed is one run.
pub trait Workload {
    /// The machines.
    fn registry(&self) -> Registry {
        machines::registry()
    }

    /// What the first entry of the ledger says.
    fn genesis(&self) -> Vec<Leg> {
        machines::genesis()
    }

    /// What is asked first, one after the other: streams that most asks will find.
    fn begin(&mut self, random: &mut Random, now: Timestamp) -> Vec<Asked>;

    /// What a client asks next.
    fn next(&mut self, client: usize, random: &mut Random, now: Timestamp) -> Asked;

    /// Hears an answer, with what was asked: ids that events have made are learnt here.
    fn answered(&mut self, client: usize, asked: &Asked, reply: &Reply) {
        let _ = (client, asked, reply);
    }

    /// The streams that are read when everything is over.
    fn streams(&self) -> Vec<Name>;

    /// An account of its own that holds answers against the events, made anew whenever the log
    /// is looked at. The simulator's own auditor is at work with or without it.
    fn model(&self) -> Option<Box<dyn Model>> {
        None
    }
}

/// An independent account of what a machine's events add up to.
///
/// It is shown the whole log in order. An answer is shown as soon as the event was that made the
/// version which the answer rests on: what the model then holds is what the answer must show.
pub trait Model {
    /// Takes the next event of the log, or says why it cannot have happened.
    fn event(&mut self, event: &Happened<'_>) -> Result<(), String>;

    /// Holds an answer against what it has, or says what contradicts it. The answer is about one
    /// stream, at the version that the model has of it.
    fn answer(&self, ask: &Ask, reply: &Reply) -> Result<(), String>;
}

/// What is asked, and what an acceptance must have led to.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The ask.
    pub ask: Ask,
    /// How the event is described, where that is known.
    pub expected: Expected,
}

impl Asked {
    /// An ask of which nothing is known but that an acceptance has one event or is so already.
    #[must_use]
    pub fn new(ask: Ask) -> Self {
        let expected = match ask {
            Ask::Read(_) => Expected::Read,
            _ => Expected::Nothing,
        };
        Self { ask, expected }
    }

    /// The one stream that it is about, where it is one.
    pub(super) fn stream(&self) -> Option<&Name> {
        match &self.ask {
            Ask::Command(leg, _) => Some(&leg.stream),
            Ask::Read(reading) => Some(&reading.stream),
            Ask::Restored(step) => Some(step.stream()),
            Ask::Transaction(..) | Ask::Sweep(_) => None,
        }
    }

    pub(super) fn is_read(&self) -> bool {
        matches!(self.ask, Ask::Read(_))
    }
}

/// What is asked, and what of it is the same however often it is sent.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) asked: Asked,
    /// The key, and what is asked under it as text: another text is another command.
    pub(super) under_key: Option<(Key, String)>,
    pub(super) legs: Vec<Leg>,
}

impl Question {
    pub(super) fn new(asked: Asked) -> Self {
        let (under_key, legs) = match &asked.ask {
            Ask::Command(leg, key) => {
                (key.clone().map(|key| (key, format!("{leg:?}"))), vec![leg.clone()])
            }
            Ask::Transaction(legs, key) => {
                (key.clone().map(|key| (key, format!("{legs:?}"))), legs.clone())
            }
            _ => (None, Vec::new()),
        };
        Self { asked, under_key, legs }
    }
}

/// One event of one stream, as the log has it.
#[derive(Clone, Debug)]
pub struct Happened<'a> {
    /// The stream.
    pub stream: &'a Name,
    /// Its place in the log, which is the stream's version from here on.
    pub at: Position,
    /// The time of the decision.
    pub now: Timestamp,
    /// Whether the stream begins here.
    pub begins: bool,
    pub(super) head: &'a PartHead,
    pub(super) payload: &'a [u8],
}

impl Happened<'_> {
    /// The event, of a stream of this machine.
    pub fn event<M: Machine>(&self) -> Result<M::Event, Corrupt> {
        M::Event::unpack(self.head.tag, self.payload)
    }
}

/// Makes the workload of a run: what is drawn here is drawn from its seed.
pub type MakeWorkload<'a> = dyn Fn(&Crowd, &mut Random) -> Box<dyn Workload> + Sync + 'a;
