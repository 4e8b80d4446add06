//! What the auditor looks for, by name, and what it says when it finds it.

use core::error::Error;
use core::fmt;

/// One of the auditor's questions. Each can be [left out](super::Audit::without).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Check {
    /// Each name, hold, ticket, unit of stock, withdrawal, charge and key is used up at most
    /// once, each event has led to one answer, and nothing goes below its floor.
    DoubleSpend,
    /// At every position that a ledger could recover to, and for each book and asset, what
    /// streams hold and what has gone outside sum to zero, and nothing is left in transit.
    Conservation,
    /// What was answered was durable then, and is in the log at its position ever after; what
    /// nobody was told is there once or not at all. The log can be read, has no gap, and nothing
    /// in it comes from a writer that another had taken over from.
    Durability,
    /// One key gives one answer, byte for byte, for a day.
    Replay,
    /// Each stream has one order: every answer shows the state at its version, none shows less
    /// than one that had left before it was asked, and time runs forwards.
    Linearizability,
    /// What happens together is seen together: once one stream has shown a position, every other
    /// stream shows what happened there and before it.
    Atomicity,
    /// Recovering twice is recovering once, and either is what a pure replay of the log gives.
    Recovery,
    /// Every ask is answered, once, and within its time when nothing fails any more.
    Liveness,
}

impl Check {
    /// Every check.
    pub const ALL: [Self; 8] = [
        Self::DoubleSpend,
        Self::Conservation,
        Self::Durability,
        Self::Replay,
        Self::Linearizability,
        Self::Atomicity,
        Self::Recovery,
        Self::Liveness,
    ];

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DoubleSpend => "double spend",
            Self::Conservation => "conservation",
            Self::Durability => "durability",
            Self::Replay => "replay",
            Self::Linearizability => "linearizability",
            Self::Atomicity => "atomicity",
            Self::Recovery => "recovery",
            Self::Liveness => "liveness",
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// A promise that was not kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Breach {
    /// Which question found it.
    pub check: Check,
    /// What contradicts what.
    pub what: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.check, self.what)
    }
}

impl Error for Breach {}

/// The questions that are asked: all, but for those that were left out.
#[derive(Clone, Default, Debug)]
pub(super) struct Checks {
    left_out: Vec<Check>,
}

impl Checks {
    pub(super) fn leave_out(&mut self, check: Check) {
        self.left_out.push(check);
    }

    pub(super) fn has(&self, check: Check) -> bool {
        !self.left_out.contains(&check)
    }

    /// A breach where the condition does not hold and the question is asked.
    pub(super) fn ensure(
        &self,
        check: Check,
        holds: bool,
        what: impl FnOnce() -> String,
    ) -> Result<(), Breach> {
        if holds || !self.has(check) { Ok(()) } else { Err(Breach { check, what: what() }) }
    }

    /// What must be there. Where it is not and the question is left out, whoever asks goes on
    /// without it.
    pub(super) fn there<T>(
        &self,
        check: Check,
        thing: Option<T>,
        what: impl FnOnce() -> String,
    ) -> Result<Option<T>, Breach> {
        self.ensure(check, thing.is_some(), what)?;
        Ok(thing)
    }
}
