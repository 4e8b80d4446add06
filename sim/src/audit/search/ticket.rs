//! Tickets, for the search: issued, claimed once, revoked. None of them expires.

use super::Fact as Any;
use super::scratch::{Model, Scratch};

/// What an ask did to a ticket, or was refused for. Claimants have numbers.
#[derive(Clone, Debug)]
pub(super) enum Fact {
    Issued,
    Exists,
    Absent,
    Claimed {
        who: u32,
    },
    /// It was this claimant's already.
    Has {
        who: u32,
    },
    /// It was another's.
    Taken {
        who: u32,
    },
    /// It was this claimant's, or became so: nobody was told.
    Claims {
        who: u32,
    },
    Revoked,
    WasRevoked,
    /// It was revoked, or became so: nobody was told.
    Revokes,
    Seen {
        claimant: Option<u32>,
        is_revoked: bool,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Core {
    exists: bool,
    claimant: Option<u32>,
    is_revoked: bool,
}

pub(super) struct Ticket;

impl Model for Ticket {
    type Core = Core;

    fn happens(stream: &mut Scratch<Core>, fact: &Any) -> bool {
        let Any::Ticket(fact) = fact else { return false };
        let core = &mut stream.core;
        // A ticket that is revoked says so before it says who has it.
        let is_live = core.exists && !core.is_revoked;
        match *fact {
            Fact::Issued => !core::mem::replace(&mut core.exists, true),
            Fact::Exists => core.exists,
            Fact::Absent => !core.exists,
            Fact::Claimed { who } => is_live && core.claimant.replace(who).is_none(),
            Fact::Has { who } => is_live && core.claimant == Some(who),
            Fact::Claims { who } => is_live && *core.claimant.get_or_insert(who) == who,
            Fact::Taken { who } => is_live && core.claimant.is_some_and(|other| other != who),
            Fact::Revoked => {
                core.is_revoked = true;
                is_live
            }
            Fact::WasRevoked => core.is_revoked,
            Fact::Revokes => {
                core.is_revoked = true;
                core.exists
            }
            Fact::Seen { claimant, is_revoked } => {
                core.exists && (core.claimant, core.is_revoked) == (claimant, is_revoked)
            }
        }
    }
}
