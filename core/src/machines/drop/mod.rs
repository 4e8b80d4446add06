//! The drop machine: a limited stock that a crowd claims from.
//!
//! ```text
//!            opens_at          closes_at, Close
//! scheduled ─────────► open ────────────────────► closed
//!     │                                             ▲
//!     └────────────────── Close ────────────────────┘
//! ```
//!
//! Invariants: `taken ≤ stock` at every version, so `taken + remaining = stock`; `taken` is the
//! sum over the claims that are not released; a claimant's units are at most the limit; the
//! numbers of the claims are 1, 2, 3 … without a gap, and a release gives none back.
//!
//! A drop holds no money. A priced claim is split into the claim, a payment by the buyer and,
//! where there is a seller, its receipt, which happen together or not at all; so is the
//! release of a paid claim. Every release is split, if only into one leg, because only the
//! claim itself tells whose units come back. What is split sees the drop as it was before:
//! within a transaction that creates a drop, nothing can be bought from it, and within one
//! that claims, that claim cannot be released.

mod apply;
mod command;
mod decide;
mod expand;
mod state;

pub use command::Command;
pub use state::{
    Claim, ClaimState, Claimed, Closed, Created, Event, Head, INDEX_STATE, Item, Opened, Payment,
    Price, Released, State, StockSet, Units, claim_key, metadata_key, units_key,
};

use crate::machine::{
    Changes, Context, Decided, Expansion, ItemKey, Link, Machine, Needs, Place, Shows, View,
};
use crate::words::{Id, Kind, Position, Refusal, Timestamp};

/// The drop machine.
pub struct Drop;

impl Drop {
    /// The id of the claim that was made at this position.
    #[must_use]
    pub fn claim_id(at: Position) -> Id {
        Id::made('c', at)
    }
}

impl Machine for Drop {
    const KIND: Kind = Kind::new(5);
    const NAME: &'static str = "drop";
    type Head = Head;
    type Item = Item;
    type Event = Event;
    type Command = Command;

    fn needs(command: &Command, needs: &mut Needs) {
        match command {
            // Read where there is a limit only, but that stands in the head.
            Command::Claim { claimant, .. } | Command::Buy { claimant, .. } => {
                needs.item(units_key(claimant));
            }
            Command::Release { claim } => {
                if let Some(at) = claim.position('c') {
                    needs.item(claim_key(at));
                }
            }
            Command::Restock { claim, claimant } => {
                if let Some(at) = claim.position('c') {
                    needs.item(claim_key(at));
                }
                needs.item(units_key(claimant));
            }
            Command::SetStock { .. } | Command::Close => needs.item(metadata_key()),
            Command::Create { .. } | Command::DropDue => {}
        }
    }

    fn expand(view: &View<'_, Self>, command: &Command, _link: Option<&Link>) -> Expansion {
        expand::expand(view, command)
    }

    fn decide(
        view: &View<'_, Self>,
        command: &Command,
        cx: &mut Context<'_>,
    ) -> Result<Decided<Event>, Refusal> {
        decide::decide(view, command, cx)
    }

    fn reads(event: &Event, needs: &mut Needs) {
        if let Event::Released(released) = event {
            needs.item(claim_key(released.claim));
        }
    }

    fn apply(state: &mut Changes<'_, Self>, event: &Event, at: &Place) {
        apply::apply(state, event, at);
    }

    fn shows(event: &Event, _at: &Place) -> Shows {
        match event {
            Event::Claimed(_) => Shows::event(),
            Event::Released(released) => Shows::item(claim_key(released.claim)),
            Event::Created(_) | Event::Opened(_) | Event::Closed(_) | Event::StockSet(_) => {
                Shows::head().with(metadata_key())
            }
        }
    }

    fn due(head: &Head) -> Timestamp {
        match head.state {
            State::Scheduled => head.opens_at,
            State::Open => head.closes_at,
            State::Closed => Timestamp::NEVER,
        }
    }

    fn on_due(_item: Option<&ItemKey>) -> Option<Command> {
        Some(Command::DropDue)
    }

    fn indexes(head: &Head, index: &mut dyn FnMut(u8, &[u8])) {
        index(INDEX_STATE, &[head.state as u8]);
    }
}
