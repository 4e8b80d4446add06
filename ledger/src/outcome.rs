//! What came of a call: it is done, or a rule said no.

use core::fmt;
use core::ops::Deref;

use quipu_core::shard;
use quipu_core::words::{Code, Fact, Position, Timestamp, Version};

use crate::error::Error;

/// What came of a call. Both are answers, and both are durable: neither a yes nor a no is told
/// before all that it rests on survives power loss.
///
/// ```
/// # fn main() -> Result<(), quipu::Error> {
/// # let folder = tempfile::tempdir().expect("a folder");
/// use quipu::{Code, Ledger, Outcome};
///
/// let ledger = Ledger::open_blocking(folder.path())?;
/// let account = ledger.book("default").account("alice");
/// account.open("USD/2").wait()?.done()?;
/// account.deposit(10_00).wait()?.done()?;
/// match account.charge(25_00).wait()? {
///     Outcome::Done(charge) => println!("{} is left", charge.balance_after),
///     Outcome::Refused(refused) => assert_eq!(refused.code, Code::InsufficientFunds),
/// }
/// # ledger.close_blocking()
/// # }
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[must_use = "it may be a refusal: match it, or make it an error with `.done()?`"]
pub enum Outcome<T> {
    /// It happened, or it was so already.
    Done(Done<T>),
    /// A rule said no. Nothing happened.
    Refused(Refused),
}

impl<T> Outcome<T> {
    /// What is done. A refusal becomes an error, which `?` turns into [`Error::Refused`].
    pub fn done(self) -> Result<Done<T>, Refused> {
        match self {
            Self::Done(done) => Ok(done),
            Self::Refused(refused) => Err(refused),
        }
    }

    /// The refusal, if it is one.
    #[must_use]
    pub fn refused(&self) -> Option<&Refused> {
        match self {
            Self::Done(_) => None,
            Self::Refused(refused) => Some(refused),
        }
    }

    /// The code of the refusal, if it is one.
    #[must_use]
    pub fn code(&self) -> Option<Code> {
        self.refused().map(|refused| refused.code)
    }

    /// Whether it is done.
    #[must_use]
    pub fn is_done(&self) -> bool {
        matches!(self, Self::Done(_))
    }

    /// The same, with what is shown made into something else.
    pub fn map<U>(self, map: impl FnOnce(T) -> U) -> Outcome<U> {
        match self {
            Self::Done(done) => Outcome::Done(done.map(map)),
            Self::Refused(refused) => Outcome::Refused(refused),
        }
    }
}

/// What is done, and what there is to know of that. It reads like the value itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Done<T> {
    /// What the operation shows.
    pub value: T,
    /// The position of what happened, or of what the answer rests on.
    pub position: Position,
    /// When it was decided.
    pub at: Timestamp,
    /// The stream's version since then: for [`if_version`](crate::Call::if_version).
    pub version: Version,
    /// Whether a key kept this from an earlier call.
    pub replayed: bool,
    /// Whether something happened, as against "it was so already".
    pub changed: bool,
}

impl<T> Done<T> {
    /// The same, with the value made into something else.
    pub fn map<U>(self, map: impl FnOnce(T) -> U) -> Done<U> {
        let Self { value, position, at, version, replayed, changed } = self;
        Done { value: map(value), position, at, version, replayed, changed }
    }

    /// Of what the engine says, with what it shows made into a value.
    pub(crate) fn of(outcome: &shard::Outcome, value: T) -> Self {
        let shard::Outcome { position, at, version, replayed, changed, .. } = *outcome;
        Self { value, position, at, version, replayed, changed }
    }
}

impl<T> Deref for Done<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// A rule's "no": which one, and what it rested on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refused {
    /// Which rule.
    pub code: Code,
    /// The number that explains it.
    pub fact: Fact,
    /// The lowest leg of a transaction that was refused, from 0.
    pub leg: Option<usize>,
    /// What the refusal rests on.
    pub position: Position,
    /// When it was decided.
    pub at: Timestamp,
    /// The stream's version.
    pub version: Version,
    /// Whether a key kept this from an earlier call.
    pub replayed: bool,
}

impl Refused {
    /// Nothing is there.
    pub(crate) fn not_found(position: Position, at: Timestamp, version: Version) -> Self {
        let (code, fact, leg, replayed) = (Code::NotFound, Fact::None, None, false);
        Self { code, fact, leg, position, at, version, replayed }
    }

    /// Whether the ask itself is wrong, so that it is an error and no answer.
    pub(crate) fn is_about_the_ask(&self) -> bool {
        matches!(self.code, Code::Malformed | Code::IdempotencyKeyReused)
    }
}

impl From<shard::Refused> for Refused {
    fn from(refused: shard::Refused) -> Self {
        let shard::Refused { refusal, leg, position, at, version, replayed } = refused;
        let leg = leg.map(|leg| leg as usize);
        Self { code: refusal.code, fact: refusal.fact, leg, position, at, version, replayed }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.code)?;
        match self.fact {
            Fact::None => {}
            Fact::Available(amount) => write!(out, " (available: {amount})")?,
            Fact::Remaining(units) => write!(out, " (remaining: {units})")?,
            Fact::First(position) => write!(out, " (the first is at position {position})")?,
            Fact::Version(version) => write!(out, " (the version is {version})")?,
            Fact::At(at) => write!(out, " (at {at})")?,
            Fact::Fence(fence) => write!(out, " (the fence is {fence})")?,
        }
        match self.leg {
            Some(leg) => write!(out, ", in leg {leg}"),
            None => Ok(()),
        }
    }
}

impl core::error::Error for Refused {}

/// What the engine says of one ask.
pub(crate) enum Told {
    /// It is done.
    Done(shard::Outcome),
    /// It is refused.
    Refused(Refused),
}

impl Told {
    pub(crate) fn of(reply: shard::Reply) -> Result<Self, Error> {
        match reply {
            shard::Reply::Done(outcome) => Ok(Self::Done(outcome)),
            shard::Reply::Refused(refused) => Ok(Self::Refused(refused.into())),
            shard::Reply::Failed(fault) => Err(fault.into()),
        }
    }
}
