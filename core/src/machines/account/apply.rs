//! How an event changes an account. Nothing here can fail: what has to be checked was checked
//! when the event was decided, and an event that finds nothing to change changes nothing.

use super::{
    Account, Changed, Charge, Event, First, Head, Hold, HoldState, Item, Opened, Spending, State,
    Withdrawal, WithdrawalState, charge_key, charge_reference_key, deposit_reference_key, hold_key,
    metadata_key, withdrawal_key,
};
use crate::machine::{Changes, ItemKey, Place};
use crate::words::{Amount, Id, Metadata, Position, Signed};

pub(super) fn apply(state: &mut Changes<'_, Account>, event: &Event, at: &Place) {
    if let Event::Opened(event) = event {
        return open(state, event, at);
    }
    let Some(head) = state.head() else { return };
    match event {
        Event::Opened(_) => {}
        Event::Changed(event) => change(state, event, at),
        Event::Closed(_) => head.state = State::Closed,
        Event::Expired(_) => head.state = State::Expired,

        Event::Deposited(event) => {
            come_in(head, event.amount, event.balance_after);
            put_first(state, event.reference.as_ref(), deposit_reference_key, at);
        }
        Event::Charged(event) => {
            go_out(head, event.amount, event.balance_after);
            spend(head, event.amount, at);
            let charge = Charge { amount: event.amount, refunded: Amount::ZERO };
            state.put(charge_key(at.position), charge.into());
            put_first(state, event.reference.as_ref(), charge_reference_key, at);
        }
        Event::Refunded(event) => {
            come_back(head, event.amount, event.balance_after);
            free(head, event.amount, event.charge);
            change_charge(state, event.charge, |charge| {
                charge.refunded = charge.refunded.plus(event.amount).unwrap_or(charge.amount);
            });
        }

        Event::HoldPlaced(event) => {
            set_aside(head, event.amount);
            head.holds = head.holds.saturating_add(1);
            spend(head, event.amount, at);
            let hold = Hold {
                amount: event.amount,
                state: HoldState::Held,
                captured: Amount::ZERO,
                expires_at: event.expires_at,
            };
            state.put(hold_key(at.position), hold.into());
        }
        Event::HoldCaptured(event) => {
            go_out(head, event.amount, event.balance_after);
            end_hold(state, event.hold, HoldState::Captured, event.amount);
        }
        Event::HoldReleased(event) => {
            let freed_twice = mutant!(HoldFreedTwice);
            let outcome = if freed_twice { HoldState::Held } else { HoldState::Released };
            end_hold(state, event.hold, outcome, Amount::ZERO);
        }
        Event::HoldExpired(event) => {
            end_hold(state, event.hold, HoldState::Expired, Amount::ZERO);
        }

        Event::WithdrawalPlanned(event) => {
            set_aside(head, event.amount);
            head.withdrawals = head.withdrawals.saturating_add(1);
            spend(head, event.amount, at);
            let withdrawal = Withdrawal {
                amount: event.amount,
                state: WithdrawalState::Pending,
                destination: event.destination.clone(),
                secret: event.secret.clone(),
                attempts: 0,
                worker: None,
                fence: Position::ZERO,
                lease_until: None,
                error: None,
                reference: None,
            };
            state.put(withdrawal_key(at.position), withdrawal.into());
        }
        Event::WithdrawalLeased(event) => {
            change_withdrawal(state, event.withdrawal, |withdrawal| {
                withdrawal.state = WithdrawalState::Dispatched;
                withdrawal.worker = Some(event.worker.clone());
                withdrawal.fence = at.position;
                withdrawal.lease_until = Some(event.until);
            });
        }
        Event::WithdrawalCompleted(event) => {
            pay_out(head, event.amount, event.balance_after);
            change_withdrawal(state, event.withdrawal, |withdrawal| {
                finish(withdrawal, WithdrawalState::Completed);
                withdrawal.reference.clone_from(&event.reference);
            });
        }
        Event::WithdrawalFailed(event) => {
            keep(head, event.amount, event.withdrawal);
            change_withdrawal(state, event.withdrawal, |withdrawal| {
                if !mutant!(WithdrawalRestoredTwice) {
                    finish(withdrawal, WithdrawalState::Failed);
                }
                withdrawal.error = Some(event.error.clone());
            });
        }
        Event::WithdrawalRetried(event) => {
            change_withdrawal(state, event.withdrawal, |withdrawal| {
                withdrawal.state = WithdrawalState::Pending;
                withdrawal.attempts = withdrawal.attempts.saturating_add(1);
                withdrawal.worker = None;
                withdrawal.lease_until = None;
                withdrawal.error = Some(event.error.clone());
            });
        }
        Event::WithdrawalUnknown(event) => {
            change_withdrawal(state, event.withdrawal, |withdrawal| {
                withdrawal.state = WithdrawalState::Unknown;
                withdrawal.lease_until = None;
                withdrawal.error = Some(event.error.clone());
            });
        }
        Event::LeaseExpired(event) => {
            change_withdrawal(state, event.withdrawal, |withdrawal| {
                withdrawal.state = WithdrawalState::Unknown;
                withdrawal.lease_until = None;
            });
        }
        Event::WithdrawalInherited(event) => {
            change_withdrawal(state, event.withdrawal, |withdrawal| {
                withdrawal.state = WithdrawalState::Unknown;
                withdrawal.fence = at.position;
                withdrawal.lease_until = None;
            });
        }
        Event::WithdrawalReconciled(event) => {
            let outcome = if event.completed {
                pay_out(head, event.amount, event.balance_after);
                WithdrawalState::Completed
            } else {
                keep(head, event.amount, event.withdrawal);
                WithdrawalState::Failed
            };
            change_withdrawal(state, event.withdrawal, |withdrawal| finish(withdrawal, outcome));
        }

        Event::Sent(event) => {
            go_out(head, event.amount, event.balance_after);
            spend(head, event.amount, at);
        }
        Event::Spent(event) => {
            go_out(head, event.amount, event.balance_after);
            spend(head, event.amount, at);
        }
        // What a flow pays finds the account in whatever state.
        Event::Received(event) => come_back(head, event.amount, event.balance_after),
        Event::FlowFunded(event) => {
            go_out(head, event.amount, event.balance_after);
            spend(head, event.amount, at);
            head.flows = head.flows.saturating_add(1);
        }
        Event::FlowRaised(event) => {
            go_out(head, event.amount, event.balance_after);
            spend(head, event.amount, at);
        }
        Event::FlowRecovered(event) => {
            come_back(head, event.amount, event.balance_after);
            head.flows = head.flows.saturating_sub(u64::from(event.ended));
        }
        Event::GaveBack(event) => go_out(head, event.amount, event.balance_after),
        Event::TookBack(event) => come_back(head, event.amount, event.balance_after),
        Event::Restored(event) => come_back(head, event.amount, event.balance_after),
    }
}

fn open(state: &mut Changes<'_, Account>, event: &Opened, at: &Place) {
    state.set(Head {
        asset: event.asset,
        state: State::Open,
        balance: Signed::ZERO,
        held: Amount::ZERO,
        floor: event.floor,
        cap: event.cap,
        spending: event.spend_cap.map(|cap| Spending::new(cap, at)),
        total_in: Amount::ZERO,
        total_out: Amount::ZERO,
        holds: 0,
        withdrawals: 0,
        flows: 0,
        expires_at: event.expires_at,
    });
    if let Some(metadata) = &event.metadata {
        put_metadata(state, metadata);
    }
}

fn change(state: &mut Changes<'_, Account>, event: &Changed, at: &Place) {
    let Some(head) = state.head() else { return };
    head.floor = event.floor.unwrap_or(head.floor);
    head.cap = event.cap.unwrap_or(head.cap);
    head.expires_at = event.expires_at.unwrap_or(head.expires_at);
    if let Some(cap) = event.spend_cap {
        head.spending = cap.map(|cap| match head.spending {
            Some(spending) if spending.cap.period == cap.period => Spending { cap, ..spending },
            _ => Spending::new(cap, at),
        });
    }
    if let Some(metadata) = &event.metadata {
        put_metadata(state, metadata);
    }
}

fn put_metadata(state: &mut Changes<'_, Account>, metadata: &Metadata) {
    if metadata.is_empty() {
        state.remove(&metadata_key());
    } else {
        state.put(metadata_key(), metadata.clone().into());
    }
}

fn put_first(
    state: &mut Changes<'_, Account>,
    reference: Option<&Id>,
    key: fn(&Id) -> ItemKey,
    at: &Place,
) {
    if let Some(reference) = reference {
        state.put(key(reference), First { position: at.position }.into());
    }
}

fn come_in(head: &mut Head, amount: Amount, balance_after: Signed) {
    head.balance = balance_after;
    head.total_in = head.total_in.plus(amount).unwrap_or(Amount::MAX);
}

fn go_out(head: &mut Head, amount: Amount, balance_after: Signed) {
    head.balance = balance_after;
    head.total_out = head.total_out.plus(amount).unwrap_or(Amount::MAX);
}

/// Money on its way back opens an account again: it must not be stuck.
fn come_back(head: &mut Head, amount: Amount, balance_after: Signed) {
    come_in(head, amount, balance_after);
    if !amount.is_zero() {
        head.state = State::Open;
    }
}

fn set_aside(head: &mut Head, amount: Amount) {
    head.held = head.held.plus(amount).unwrap_or(Amount::MAX);
}

fn unset(head: &mut Head, amount: Amount) {
    head.held = head.held.minus(amount).unwrap_or_default();
}

fn spend(head: &mut Head, amount: Amount, at: &Place) {
    if let Some(spending) = head.spending.as_mut().filter(|_| !mutant!(SpendCapNotCounted)) {
        spending.spend(amount, at);
    }
}

fn free(head: &mut Head, amount: Amount, counted: Position) {
    if let Some(spending) = &mut head.spending {
        spending.free(amount, counted);
    }
}

/// A payout happened: what was set aside for it is gone.
fn pay_out(head: &mut Head, amount: Amount, balance_after: Signed) {
    go_out(head, amount, balance_after);
    unset(head, amount);
    head.withdrawals = head.withdrawals.saturating_sub(1);
}

/// A payout did not happen: what was set aside for it is available again.
fn keep(head: &mut Head, amount: Amount, withdrawal: Position) {
    unset(head, amount);
    head.withdrawals = head.withdrawals.saturating_sub(1);
    free(head, amount, withdrawal);
}

/// A finished withdrawal needs no secret any more.
fn finish(withdrawal: &mut Withdrawal, outcome: WithdrawalState) {
    withdrawal.state = outcome;
    withdrawal.secret = None;
    withdrawal.lease_until = None;
}

fn end_hold(
    state: &mut Changes<'_, Account>,
    position: Position,
    outcome: HoldState,
    captured: Amount,
) {
    let key = hold_key(position);
    let Some(Item::Hold(hold)) = state.item(&key) else { return };
    let ended = Hold { state: outcome, captured, ..hold.clone() };
    let (amount, freed) = (hold.amount, hold.amount.minus(captured).unwrap_or_default());
    state.put(key, ended.into());
    let Some(head) = state.head() else { return };
    unset(head, amount);
    head.holds = head.holds.saturating_sub(1);
    free(head, freed, position);
}

fn change_charge(
    state: &mut Changes<'_, Account>,
    position: Position,
    change: impl FnOnce(&mut Charge),
) {
    let key = charge_key(position);
    let Some(Item::Charge(charge)) = state.item(&key) else { return };
    let mut charge = charge.clone();
    change(&mut charge);
    state.put(key, charge.into());
}

fn change_withdrawal(
    state: &mut Changes<'_, Account>,
    position: Position,
    change: impl FnOnce(&mut Withdrawal),
) {
    let key = withdrawal_key(position);
    let Some(Item::Withdrawal(withdrawal)) = state.item(&key) else { return };
    let mut withdrawal = withdrawal.clone();
    change(&mut withdrawal);
    state.put(key, withdrawal.into());
}
