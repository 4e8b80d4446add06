//! The ticket machine: a thing that exists once and is claimed once.
//!
//! ```text
//!             Claim
//! unclaimed ─────────► claimed ──┐ Revoke
//!     │ time                     ▼
//!     ├─────────► expired ──► revoked
//!     │                          ▲
//!     └──────────────────────────┘
//! ```
//!
//! The precedence of a claim is: `not_found`, `revoked`, `claimed`, `expired`. A claim never
//! ends by time: once claimed, a ticket answers its claimant the same for ever, until it is
//! revoked. Who claimed it and when stays known then.
//!
//! A claim gives its claimant a token. It is derived from the ledger's secret and kept
//! nowhere; the ticket knows a hash only, which finds it and proves nothing: [`is_token_of`] does.
//! The amount is what somebody promises to a holder of the ticket: it posts nothing.

mod apply;
mod command;
mod decide;
mod state;
mod token;

pub use command::Command;
pub use state::{
    Claim, Claimed, Event, Evidence, EvidenceKept, Expired, Head, INDEX_STATE, INDEX_TOKEN, Issued,
    Item, Reason, Reference, Revoked, State, evidence_key, metadata_key, reason_key, reference_key,
};
pub use token::{is_token_of, token, token_hash};

use crate::machine::{Changes, Context, Decided, ItemKey, Machine, Needs, Place, Shows, View};
use crate::words::{Kind, Refusal, Timestamp};

/// The ticket machine.
pub struct Ticket;

impl Machine for Ticket {
    const KIND: Kind = Kind::new(4);
    const NAME: &'static str = "ticket";
    type Head = Head;
    type Item = Item;
    type Event = Event;
    type Command = Command;

    fn needs(command: &Command, needs: &mut Needs) {
        match command {
            Command::Issue { reference: Some(reference), batch: true, .. } => {
                needs.item(reference_key());
                needs.item(evidence_key(reference));
            }
            Command::Revoke { .. } => {
                for key in body().items {
                    needs.item(key);
                }
            }
            Command::Issue { .. } | Command::Claim { .. } | Command::TicketDue => {}
        }
    }

    fn decide(
        view: &View<'_, Self>,
        command: &Command,
        cx: &mut Context<'_>,
    ) -> Result<Decided<Event>, Refusal> {
        decide::decide(view, command, cx)
    }

    fn apply(state: &mut Changes<'_, Self>, event: &Event, at: &Place) {
        apply::apply(state, event, at);
    }

    fn shows(event: &Event, _at: &Place) -> Shows {
        match event {
            Event::Issued(_) | Event::Revoked(_) => body(),
            Event::Claimed(_) | Event::Expired(_) | Event::EvidenceKept(_) => Shows::head(),
        }
    }

    fn due(head: &Head) -> Timestamp {
        match head.state {
            State::Unclaimed => head.expires_at,
            State::Claimed | State::Revoked | State::Expired => Timestamp::NEVER,
        }
    }

    fn on_due(_item: Option<&ItemKey>) -> Option<Command> {
        Some(Command::TicketDue)
    }

    fn indexes(head: &Head, index: &mut dyn FnMut(u8, &[u8])) {
        index(INDEX_STATE, &[head.state as u8]);
        if let Some(claim) = &head.claim {
            index(INDEX_TOKEN, &claim.token_hash);
        }
    }
}

/// The whole ticket, as a read shows it. A claim shows the head alone: it is the hot path, and
/// all that its answer says stands there.
fn body() -> Shows {
    Shows::head().with(metadata_key()).with(reference_key()).with(reason_key())
}
