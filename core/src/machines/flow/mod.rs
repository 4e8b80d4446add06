//! The flow machine: a total that accrues to somebody, evenly over time.
//!
//! ```text
//! open ─► draft ── start ─► active ── settle once time is up, or stop ─► ended
//!           │                │  ▲
//!         cancel       pause │  │ resume                                  ▲
//!           ▼                ▼  │                                         │
//!       cancelled           paused ── the same ───────────────────────────┘
//! ```
//!
//! Value is accrued by time, settled by a command, and then may be withdrawn:
//! `withdrawn ≤ settled ≤ accrued ≤ total`, and what the flow holds is
//! `total − withdrawn − refunded`, to the unit.
//!
//! The rate is kept as the flow was opened with it, as a fraction. A top-up lengthens at just
//! that rate, so what has accrued by any instant stays what it was, and no number of top-ups
//! lets the rate drift, as it would if each rounded the duration.
//!
//! What each command leads to, by state, and what is checked after the state:
//!
//! | | draft | active | paused | ended | cancelled | then |
//! |---|---|---|---|---|---|---|
//! | start | active | `wrong_state` | `wrong_state` | `wrong_state` | `wrong_state` | |
//! | pause | `wrong_state` | paused | `wrong_state` | `wrong_state` | `wrong_state` | before `start_at`: `wrong_state` |
//! | resume | `wrong_state` | `wrong_state` | active | `wrong_state` | `wrong_state` | |
//! | settle | `wrong_state` | same, or ended once time is up | same, or ended once time is up | `nothing_to_settle` | `wrong_state` | nothing new: `nothing_to_settle` |
//! | withdraw | `wrong_state` | same | same | same | `wrong_state` | more than withdrawable, or nothing is: `exceeds_withdrawable` |
//! | top up | same | same | same | `wrong_state` | `wrong_state` | time is up: `wrong_state`; total or duration too large: `overflow` |
//! | stop | `wrong_state` | ended | ended | `wrong_state` | `wrong_state` | |
//! | cancel | cancelled | `wrong_state` | `wrong_state` | `wrong_state` | `wrong_state` | |
//!
//! Before all that comes `malformed` (see [`Command::is_malformed`]), then `not_found`, or
//! `already_exists` for open. Last come the other legs: `not_found` where an account has a part in
//! a command that was not split, and `asset_mismatch` where what earlier legs have set in motion
//! is of another asset.
//!
//! No timer is needed: a flow whose time is up stays as it is until it is settled or stopped.
//! Pausing it then is allowed and moves nothing.
//!
//! Where a flow has a payer, what it takes and gives back moves through transit to and from
//! that account; where it has a recipient, so does what is withdrawn. Otherwise the other side
//! is outside. Such a command is split into the flow's own part, [`Command::Split`], and those
//! of the accounts. What is split sees the flow as it was before: within a transaction that opens
//! a flow, nothing can move between it and an account once more, nor can one with a payer end.
//!
//! A flow is opened only for a recipient that is in use and holds its asset. If it is closed by
//! the time of a withdrawal, that opens it again: what is settled must not be stuck.

mod apply;
mod command;
mod decide;
mod state;

pub use command::Command;
pub use state::{
    Attached, Cancelled, Event, Head, Opened, Paused, Resumed, Settled, Started, State, Stopped,
    ToppedUp, Withdrawn,
};

use super::account::{self, Account};
use crate::machine::{
    self, Changes, Context, Decided, Expansion, ItemKey, Link, Machine, Needs, Place, Postings,
    Shows, Side, View,
};
use crate::words::{Asset, Id, Kind, Refusal};

/// The flow machine.
#[derive(Clone, Copy, Debug)]
pub struct Flow;

/// The index of flows by their state, one byte: [`State::number`].
pub const INDEX_STATE: u8 = 1;

/// The item that keeps the metadata, where there is any.
#[must_use]
pub fn metadata_key() -> ItemKey {
    ItemKey::only(b'M')
}

impl Machine for Flow {
    const KIND: Kind = Kind::new(3);
    const NAME: &'static str = "flow";
    const MOVES_VALUE: bool = true;
    type Head = Head;
    type Item = Attached;
    type Event = Event;
    type Command = Command;

    fn needs(_command: &Command, needs: &mut Needs) {
        needs.item(metadata_key());
    }

    fn expand(view: &View<'_, Self>, command: &Command, _link: Option<&Link>) -> Expansion {
        let payer = view.head.and_then(|head| head.payer.as_ref());
        let recipient = view.head.and_then(|head| head.recipient.as_ref());
        let flow = || view.id().clone();
        let mut others = Vec::new();
        match command {
            Command::Open { payer, recipient, .. } => {
                others
                    .extend(payer.as_ref().map(|id| (id, account::Command::Fund { flow: flow() })));
                let expect = || account::Command::Expect { flow: flow() };
                others.extend(recipient.as_ref().map(|id| (id, expect())));
            }
            Command::TopUp { .. } => {
                others.extend(payer.map(|id| (id, account::Command::Raise { flow: flow() })));
            }
            Command::Settle | Command::Stop | Command::Cancel => {
                others.extend(payer.map(|id| (id, account::Command::Recover { flow: flow() })));
            }
            Command::Withdraw { .. } => {
                others.extend(recipient.map(|id| (id, account::Command::Collect { flow: flow() })));
            }
            Command::Start | Command::Pause | Command::Resume | Command::Split(_) => {}
        }
        if others.is_empty() {
            return Expansion::Alone;
        }
        let own = Command::Split(Box::new(command.clone()));
        let own = (view.name.clone(), machine::Command::of::<Self>(own));
        let others = others.into_iter().map(|(id, leg)| {
            let name = view.name.beside(Account::KIND, id.clone());
            (name, machine::Command::of::<Account>(leg))
        });
        Expansion::Legs(core::iter::once(own).chain(others).collect())
    }

    fn decide(
        view: &View<'_, Self>,
        command: &Command,
        cx: &mut Context<'_>,
    ) -> Result<Decided<Event>, Refusal> {
        decide::decide(view, command, cx).map(Decided::Event)
    }

    fn apply(state: &mut Changes<'_, Self>, event: &Event, at: &Place) {
        apply::apply(state, event, at);
    }

    fn shows(event: &Event, _at: &Place) -> Shows {
        let event = matches!(event, Event::Settled(_) | Event::Withdrawn(_));
        Shows { event, ..Shows::head().with(metadata_key()) }
    }

    fn postings(head: &Head, event: &Event, out: &mut Postings) {
        let payer = side(head.payer.as_ref());
        let recipient = side(head.recipient.as_ref());
        match event {
            Event::Opened(event) => out.moved(head.asset, event.total, payer, Side::Stream),
            Event::ToppedUp(event) => out.moved(head.asset, event.amount, payer, Side::Stream),
            Event::Withdrawn(event) => {
                out.moved(head.asset, event.amount, Side::Stream, recipient);
            }
            Event::Stopped(event) => out.moved(head.asset, event.refunded, Side::Stream, payer),
            Event::Cancelled(event) => out.moved(head.asset, event.refunded, Side::Stream, payer),
            Event::Started(_) | Event::Paused(_) | Event::Resumed(_) | Event::Settled(_) => {}
        }
    }

    fn holding(head: &Head, out: &mut dyn FnMut(Asset, i128)) {
        out(head.asset, head.held().signed().get());
    }

    fn indexes(head: &Head, index: &mut dyn FnMut(u8, &[u8])) {
        index(INDEX_STATE, &[head.state.number()]);
    }
}

/// Where value comes from or goes to: an account of the book is another leg.
fn side(account: Option<&Id>) -> Side {
    if account.is_some() { Side::Transit } else { Side::Outside }
}
