//! One stream as the naive account sees it: what it is now, and what it showed at each version.

use quipu_core::machine::Machine as _;
use quipu_core::machines::{account, drop, flow, ticket};
use quipu_core::words::{Id, Kind, Name, Position, Timestamp};

use super::Moved;
use super::account::Account;
use super::flow::Flow;
use super::goods::{Drop, Ticket};
use crate::audit::check::{Breach, Check, Checks};

/// A stream, with all its versions.
pub(in crate::audit) struct Stream {
    pub(in crate::audit) name: Name,
    pub(in crate::audit) state: State,
    pub(in crate::audit) exists: bool,
    /// In the order of positions.
    pub(in crate::audit) versions: Vec<Version>,
    /// The versions at which it ended.
    ends: Vec<Position>,
}

/// What a stream was at one version.
pub(in crate::audit) struct Version {
    pub(in crate::audit) at: Position,
    pub(in crate::audit) now: Timestamp,
    pub(in crate::audit) exists: bool,
    pub(in crate::audit) shown: Shown,
}

/// What a stream is, by its kind.
pub(in crate::audit) enum State {
    Account(Account),
    Ticket(Ticket),
    Drop(Drop),
    Flow(Flow),
    /// Of other kinds it is known whether they are there.
    Other,
}

/// The part of a state that answers show. It is small: there is one for each version.
#[derive(Clone, PartialEq, Debug)]
pub(in crate::audit) enum Shown {
    Account {
        balance: i128,
        held: i128,
        floor: i128,
        /// When the first of its holds is over.
        first_end: Option<Timestamp>,
    },
    Ticket {
        claimant: Option<Id>,
    },
    Drop {
        stock: i128,
        taken: i128,
        claims: u64,
    },
    Flow {
        total: i128,
        settled: i128,
    },
    Other,
}

impl State {
    fn new(kind: Kind) -> Self {
        match kind {
            account::Account::KIND => Self::Account(Account::default()),
            ticket::Ticket::KIND => Self::Ticket(Ticket::default()),
            drop::Drop::KIND => Self::Drop(Drop::default()),
            flow::Flow::KIND => Self::Flow(Flow::default()),
            _ => Self::Other,
        }
    }

    /// What is held no more once it makes room for another of its name.
    pub(super) fn leaves(&self) -> Moved {
        let (asset, held) = match self {
            Self::Account(account) => (account.asset, account.said()),
            Self::Flow(flow) => (flow.asset(), flow.held()),
            Self::Ticket(_) | Self::Drop(_) | Self::Other => (None, 0),
        };
        Moved { asset, held: -held, ..Moved::default() }
    }

    fn shown(&self) -> Shown {
        match self {
            Self::Account(account) => account.shown(),
            Self::Ticket(ticket) => Shown::Ticket { claimant: ticket.claimant.clone() },
            Self::Drop(drop) => drop.shown(),
            Self::Flow(flow) => Shown::Flow { total: flow.total, settled: flow.settled },
            Self::Other => Shown::Other,
        }
    }
}

impl Stream {
    pub(in crate::audit) fn new(name: Name) -> Self {
        let state = State::new(name.kind);
        Self { name, state, exists: false, versions: Vec::new(), ends: Vec::new() }
    }

    /// Its id is given out: once, or again after it has ended.
    pub(in crate::audit) fn create(&mut self, checks: &Checks, at: Position) -> Result<(), Breach> {
        checks.ensure(Check::DoubleSpend, !self.exists, || {
            format!("{:?} is created twice, the second time at {at}", self.name)
        })?;
        (self.exists, self.state) = (true, State::new(self.name.kind));
        Ok(())
    }

    /// The position of its last event; zero where there is none.
    pub(in crate::audit) fn last(&self) -> Position {
        self.versions.last().map_or(Position::ZERO, |version| version.at)
    }

    /// What it is now becomes what it was at this version. What is done to it at one position is
    /// one version.
    pub(in crate::audit) fn keep(
        &mut self,
        checks: &Checks,
        at: Position,
        now: Timestamp,
    ) -> Result<(), Breach> {
        let before = self.versions.last().map_or(Timestamp::ZERO, |version| version.now);
        checks.ensure(Check::Linearizability, now >= before, || {
            format!("{:?}: time ran back from {before} to {now} at {at}", self.name)
        })?;
        if self.last() == at {
            self.versions.pop();
        }
        if !self.exists {
            self.ends.push(at);
        }
        let shown = self.state.shown();
        self.versions.push(Version { at, now, exists: self.exists, shown });
        Ok(())
    }

    /// What it was at a version.
    pub(in crate::audit) fn at(&self, version: Position) -> Option<&Version> {
        let index = self.versions.binary_search_by_key(&version, |version| version.at).ok()?;
        Some(&self.versions[index])
    }

    /// Its last version up to a position; zero where there was none.
    pub(in crate::audit) fn latest(&self, position: Position) -> Position {
        match self.versions.partition_point(|version| version.at <= position) {
            0 => Position::ZERO,
            count => self.versions[count - 1].at,
        }
    }

    /// The first version from this one on at which it ended.
    pub(in crate::audit) fn end_from(&self, version: Position) -> Option<Position> {
        self.ends.get(self.ends.partition_point(|end| *end < version)).copied()
    }
}
