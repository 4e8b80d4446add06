//! The account machine: money that somebody owns.
//!
//! An account is open, then closed by a command or expired by time once it is empty. Money
//! that holds and unfinished withdrawals have set aside is still in its balance.
//!
//! **Money on its way back** (a refund, a release, a failed payout, a leg that undoes) is
//! never refused by a limit: it ignores the cap. Where it finds the account closed or
//! expired it reopens it, so money is never stuck; an account whose end has passed then
//! closes again as soon as it is empty. So does what a flow pays, which asks the cap though:
//! it stays in the flow until there is room. The totals clamp rather than refuse such money; only
//! a balance that needs more than 127 bits is an overflow.
//!
//! **The spend cap** counts charges, sends, what is spent on drops, money for flows, withdrawals, and holds when they
//! are placed. What is freed comes back within the same period only: by a release, an
//! expiry, a capture of less, a failed withdrawal, a refund. Another kind of period counts
//! from zero; another amount of the same period keeps the count. Money that comes back
//! through a leg is not freed, since nothing says when it was spent.
//!
//! **Captures are not charges**: a captured hold has no charge id and cannot be refunded. Nor is
//! what is spent as a leg: releasing the claim gives it back, and nothing may do so twice.
//!
//! Time comes first: the engine fires what is due before it asks for a decision, so a hold
//! that is still held is not over.

mod apply;
mod command;
mod decide;
mod event;
mod state;

pub use command::{Command, MetadataChange, SECRET_PRINT_BYTES, SpendCap};
pub use event::{
    Changed, Charged, Closed, Deposited, Event, Expired, FlowFunded, FlowRaised, FlowRecovered,
    GaveBack, HoldCaptured, HoldExpired, HoldPlaced, HoldReleased, LeaseExpired, Opened, Received,
    Refunded, Restored, Sent, Spent, TookBack, WithdrawalCompleted, WithdrawalFailed,
    WithdrawalInherited, WithdrawalLeased, WithdrawalPlanned, WithdrawalReconciled,
    WithdrawalRetried, WithdrawalUnknown,
};
pub use state::{
    Charge, First, Head, Hold, HoldState, Item, Spending, State, Withdrawal, WithdrawalState,
    by_state, by_worker, charge_key, charge_reference_key, deposit_reference_key, hold_key,
    metadata_key, withdrawal_key,
};

use crate::machine::{
    self, Changes, Context, Decided, Expansion, ItemKey, Link, Machine, Needs, Place, Postings,
    Shows, Side, View,
};
use crate::words::{Asset, Id, Kind, Name, Position, Refusal, Timestamp};

/// The letter of a charge's id.
pub const CHARGE_LETTER: char = 'c';
/// The letter of a hold's id.
pub const HOLD_LETTER: char = 'h';
/// The letter of a withdrawal's id.
pub const WITHDRAWAL_LETTER: char = 'w';

/// The longest destination of a withdrawal, in characters.
pub const DESTINATION_CHARS_MAX: usize = 1024;
/// The longest secret of a withdrawal, in bytes.
pub const SECRET_BYTES_MAX: usize = 4096;
/// What is kept of a worker's error, in bytes.
pub const ERROR_BYTES_MAX: usize = 512;

/// The index by state: one byte, [`State::byte`].
pub const INDEX_STATE: u8 = 1;
/// The index by asset: its twelve bytes.
pub const INDEX_ASSET: u8 = 2;
/// The index of withdrawals by state: [`by_state`], and then in the order in which they were
/// planned.
pub const INDEX_WITHDRAWAL_STATE: u8 = 3;
/// The index of dispatched withdrawals by worker: [`by_worker`], and then in the order in which
/// they were planned.
pub const INDEX_WITHDRAWAL_WORKER: u8 = 4;

/// The account machine.
pub struct Account;

impl Machine for Account {
    const KIND: Kind = Kind::new(2);
    const NAME: &'static str = "account";
    const MOVES_VALUE: bool = true;
    const INDEXED: &'static [u8] = b"W";
    type Head = Head;
    type Item = Item;
    type Event = Event;
    type Command = Command;

    fn needs(command: &Command, needs: &mut Needs) {
        let key = match command {
            Command::Open { .. } | Command::Change { .. } | Command::Close => Some(metadata_key()),
            Command::Deposit { reference, .. } => reference.as_ref().map(deposit_reference_key),
            Command::Charge { reference, .. } => reference.as_ref().map(charge_reference_key),
            Command::Refund { charge, .. } => key_of(charge, CHARGE_LETTER, charge_key),
            Command::Capture { hold, .. } | Command::Release { hold } => {
                key_of(hold, HOLD_LETTER, hold_key)
            }
            Command::Lease { withdrawal, .. }
            | Command::Complete { withdrawal, .. }
            | Command::Fail { withdrawal, .. }
            | Command::Retry { withdrawal, .. }
            | Command::Unknown { withdrawal, .. }
            | Command::Reconcile { withdrawal, .. } => {
                key_of(withdrawal, WITHDRAWAL_LETTER, withdrawal_key)
            }
            Command::HoldDue { hold } => Some(hold_key(*hold)),
            Command::LeaseDue { withdrawal } | Command::Inherit { withdrawal } => {
                Some(withdrawal_key(*withdrawal))
            }
            _ => None,
        };
        if let Some(key) = key {
            needs.item(key);
        }
    }

    fn expand(view: &View<'_, Self>, command: &Command, _link: Option<&Link>) -> Expansion {
        let Command::Transfer { to, amount, metadata } = command else {
            return Expansion::Alone;
        };
        let send = Command::Send { amount: *amount, to: to.clone(), metadata: metadata.clone() };
        let receive = Command::Receive { from: view.id().clone() };
        Expansion::Legs(vec![
            (view.name.clone(), machine::Command::of::<Self>(send)),
            (view.name.beside(Self::KIND, to.clone()), machine::Command::of::<Self>(receive)),
        ])
    }

    fn decide(
        view: &View<'_, Self>,
        command: &Command,
        cx: &mut Context<'_>,
    ) -> Result<Decided<Event>, Refusal> {
        decide::decide(view, command, cx)
    }

    fn reads(event: &Event, needs: &mut Needs) {
        if let Some(key) = touched(event) {
            needs.item(key);
        }
    }

    fn apply(state: &mut Changes<'_, Self>, event: &Event, at: &Place) {
        apply::apply(state, event, at);
    }

    fn shows(event: &Event, at: &Place) -> Shows {
        match event {
            Event::Opened(_) | Event::Changed(_) | Event::Closed(_) => {
                Shows::head().with(metadata_key())
            }
            Event::HoldPlaced(_) => Shows::item(hold_key(at.position)),
            Event::WithdrawalPlanned(_) => Shows::item(withdrawal_key(at.position)),
            Event::Refunded(_) => Shows::event(),
            _ => touched(event).map_or_else(Shows::event, Shows::item),
        }
    }

    fn due(head: &Head) -> Timestamp {
        match head.expires_at {
            Some(end) if head.state == State::Open && head.is_empty() => end,
            _ => Timestamp::NEVER,
        }
    }

    fn item_due(item: &Item) -> Timestamp {
        let due = match item {
            Item::Hold(hold) if hold.state == HoldState::Held => hold.expires_at,
            Item::Withdrawal(withdrawal) => withdrawal.lease_until,
            _ => None,
        };
        due.unwrap_or(Timestamp::NEVER)
    }

    fn on_due(item: Option<&ItemKey>) -> Option<Command> {
        let Some(key) = item else { return Some(Command::AccountDue) };
        let position = key.position()?;
        match key.letter() {
            b'H' => Some(Command::HoldDue { hold: position }),
            b'W' => Some(Command::LeaseDue { withdrawal: position }),
            _ => None,
        }
    }

    /// A payout that is unfinished in a backup may have been made since, by the original.
    fn on_restored_item(key: &ItemKey, item: &Item) -> Option<Command> {
        let Item::Withdrawal(withdrawal) = item else { return None };
        match withdrawal.state {
            WithdrawalState::Pending | WithdrawalState::Dispatched => {
                key.position().map(|withdrawal| Command::Inherit { withdrawal })
            }
            WithdrawalState::Completed | WithdrawalState::Failed | WithdrawalState::Unknown => None,
        }
    }

    fn postings(head: &Head, event: &Event, out: &mut Postings) {
        let (amount, from, to) = match event {
            Event::Deposited(event) => (event.amount, Side::Outside, Side::Stream),
            Event::Refunded(event) => (event.amount, Side::Outside, Side::Stream),
            Event::Restored(event) => (event.amount, Side::Outside, Side::Stream),
            Event::Charged(event) => (event.amount, Side::Stream, Side::Outside),
            Event::Spent(event) => (event.amount, Side::Stream, Side::Outside),
            Event::HoldCaptured(event) => (event.amount, Side::Stream, Side::Outside),
            Event::WithdrawalCompleted(event) => (event.amount, Side::Stream, Side::Outside),
            Event::WithdrawalReconciled(event) if event.completed => {
                (event.amount, Side::Stream, Side::Outside)
            }
            Event::Sent(event) => (event.amount, Side::Stream, Side::Transit),
            Event::FlowFunded(event) => (event.amount, Side::Stream, Side::Transit),
            Event::FlowRaised(event) => (event.amount, Side::Stream, Side::Transit),
            Event::GaveBack(event) => (event.amount, Side::Stream, Side::Transit),
            Event::Received(event) => (event.amount, Side::Transit, Side::Stream),
            Event::FlowRecovered(event) => (event.amount, Side::Transit, Side::Stream),
            Event::TookBack(event) => (event.amount, Side::Transit, Side::Stream),
            Event::Opened(_)
            | Event::Changed(_)
            | Event::Closed(_)
            | Event::Expired(_)
            | Event::HoldPlaced(_)
            | Event::HoldReleased(_)
            | Event::HoldExpired(_)
            | Event::WithdrawalPlanned(_)
            | Event::WithdrawalLeased(_)
            | Event::WithdrawalFailed(_)
            | Event::WithdrawalRetried(_)
            | Event::WithdrawalUnknown(_)
            | Event::WithdrawalInherited(_)
            | Event::WithdrawalReconciled(_)
            | Event::LeaseExpired(_) => return,
        };
        out.moved(head.asset, amount, from, to);
    }

    fn holding(head: &Head, out: &mut dyn FnMut(Asset, i128)) {
        out(head.asset, head.balance.get());
    }

    fn indexes(head: &Head, index: &mut dyn FnMut(u8, &[u8])) {
        index(INDEX_STATE, &[head.state.byte()]);
        index(INDEX_ASSET, head.asset.bytes());
    }

    fn item_indexes(_name: &Name, key: &ItemKey, item: &Item, index: &mut dyn FnMut(u8, &[u8])) {
        let (Item::Withdrawal(withdrawal), Some(planned)) = (item, key.position()) else { return };
        let planned = planned.get().to_be_bytes();
        index(INDEX_WITHDRAWAL_STATE, &[&by_state(withdrawal.state)[..], &planned].concat());
        if let (WithdrawalState::Dispatched, Some(worker)) = (withdrawal.state, &withdrawal.worker)
        {
            index(INDEX_WITHDRAWAL_WORKER, &[&by_worker(worker)[..], &planned].concat());
        }
    }
}

fn key_of(id: &Id, letter: char, key: fn(Position) -> ItemKey) -> Option<ItemKey> {
    id.position(letter).map(key)
}

/// The hold, withdrawal or charge that an event changes, beside those that it makes.
fn touched(event: &Event) -> Option<ItemKey> {
    match event {
        Event::Refunded(event) => Some(charge_key(event.charge)),
        Event::HoldCaptured(event) => Some(hold_key(event.hold)),
        Event::HoldReleased(event) => Some(hold_key(event.hold)),
        Event::HoldExpired(event) => Some(hold_key(event.hold)),
        Event::WithdrawalLeased(event) => Some(withdrawal_key(event.withdrawal)),
        Event::WithdrawalCompleted(event) => Some(withdrawal_key(event.withdrawal)),
        Event::WithdrawalFailed(event) => Some(withdrawal_key(event.withdrawal)),
        Event::WithdrawalRetried(event) => Some(withdrawal_key(event.withdrawal)),
        Event::WithdrawalUnknown(event) => Some(withdrawal_key(event.withdrawal)),
        Event::WithdrawalInherited(event) => Some(withdrawal_key(event.withdrawal)),
        Event::WithdrawalReconciled(event) => Some(withdrawal_key(event.withdrawal)),
        Event::LeaseExpired(event) => Some(withdrawal_key(event.withdrawal)),
        _ => None,
    }
}
