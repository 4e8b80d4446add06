//! The rules of an account, each as a list of checks.
//!
//! The order of precedence, for every command. A command goes through the checks that apply
//! to it, in this order, and the first that says no is the answer.
//!
//! | | refusal | when |
//! |---|---|---|
//! | 1 | `malformed` | an amount or a time span of zero, a text that is too long, a leg with nothing in transit |
//! | 2 | `not_found` | no such account (`already_exists` where one is to be opened) |
//! | 3 | `wrong_state`, `expired` | the account is closed; expired. Not asked of money on its way back, nor of what a flow pays. Then `malformed` where merged metadata would be too much |
//! | 4 | `not_found` | no such charge, hold or withdrawal |
//! | 5 | `wrong_state`, `expired` | the charge, hold or withdrawal is past that; the hold expired |
//! | 6 | `stale_fence`, `exceeds_held` | a newer lease was given out; more than the hold held or the charge has left |
//! | 7 | `already_exists` | the reference is taken |
//! | 8 | `asset_mismatch` | another asset is in transit, or named by an earlier leg |
//! | 9 | `overflow` | a number or a time needs more than its bits. Time spans first |
//! | 10 | `insufficient_funds`, `balance_cap_reached`, `not_empty` | the limits |
//! | 11 | `spend_cap_reached` | the period has less left |

mod holds;
mod life;
mod money;
mod withdrawals;

use super::{Account, Command, Event, Head, State};
use crate::machine::{Context, Decided, View};
use crate::words::{Amount, Code, Fact, Refusal, Signed, Timestamp};

type Decision = Result<Decided<Event>, Refusal>;

pub(super) fn decide(
    view: &View<'_, Account>,
    command: &Command,
    cx: &mut Context<'_>,
) -> Decision {
    let now = cx.now;
    match command {
        Command::Open { asset, floor, cap, spend_cap, expires_at, metadata } => {
            life::open(view, *asset, *floor, *cap, *spend_cap, *expires_at, metadata)
        }
        Command::Change { floor, cap, spend_cap, expires_at, metadata } => {
            life::change(view, *floor, *cap, *spend_cap, *expires_at, metadata.as_ref())
        }
        Command::Close => life::close(view),
        Command::AccountDue => life::end(view, now),

        Command::Deposit { amount, reference, metadata } => {
            money::deposit(view, *amount, reference.as_ref(), metadata)
        }
        Command::Charge { amount, reference, metadata } => {
            money::charge(view, *amount, reference.as_ref(), metadata, now)
        }
        Command::Refund { charge, amount } => money::refund(view, charge, *amount),

        Command::Hold { amount, expires_in_seconds } => {
            holds::place(view, *amount, *expires_in_seconds, now)
        }
        Command::Capture { hold, amount } => holds::capture(view, hold, *amount),
        Command::Release { hold } => holds::release(view, hold),
        Command::HoldDue { hold } => holds::end(view, *hold, now),

        Command::Withdraw { amount, destination, secret } => {
            withdrawals::plan(view, *amount, destination, secret.as_deref(), now)
        }
        Command::Lease { withdrawal, worker, seconds } => {
            withdrawals::lease(view, withdrawal, worker, *seconds, now)
        }
        Command::Complete { withdrawal, fence, reference } => {
            withdrawals::complete(view, withdrawal, *fence, reference.as_ref())
        }
        Command::Fail { withdrawal, fence, error } => {
            withdrawals::fail(view, withdrawal, *fence, error)
        }
        Command::Retry { withdrawal, fence, error } => {
            withdrawals::retry(view, withdrawal, *fence, error)
        }
        Command::Unknown { withdrawal, fence, error } => {
            withdrawals::unknown(view, withdrawal, *fence, error)
        }
        Command::Reconcile { withdrawal, completed } => {
            withdrawals::reconcile(view, withdrawal, *completed)
        }
        Command::LeaseDue { withdrawal } => withdrawals::end_lease(view, *withdrawal, now),
        Command::Inherit { withdrawal } => withdrawals::inherit(view, *withdrawal),

        // It is split before it is decided; whole, it has nobody to give the money to.
        Command::Transfer { .. } => Err(Code::Malformed.into()),
        Command::Send { amount, metadata, to: _ } => money::send(view, *amount, metadata, cx),
        Command::Receive { from: _ } => money::receive(view, cx),
        Command::Collect { flow: _ } => money::collect(view, cx),
        Command::Expect { flow: _ } => money::expect(view, cx),
        Command::Spend { amount, on: _ } => money::spend(view, *amount, cx),
        Command::Fund { flow: _ } => money::fund(view, cx),
        Command::Raise { flow: _ } => money::raise(view, cx),
        Command::Recover { flow: _ } => money::recover(view, cx),
        Command::GiveBack { amount, to: _ } => money::give_back(view, *amount, cx),
        Command::TakeBack { from: _ } => money::take_back(view, cx),
        Command::Restore { amount, from: _ } => money::restore(view, *amount, cx),
    }
}

fn happens(event: impl Into<Event>) -> Decision {
    Ok(Decided::Event(event.into()))
}

/// The account, in whatever state.
fn found<'a>(view: &View<'a, Account>) -> Result<&'a Head, Refusal> {
    view.head.ok_or_else(|| Code::NotFound.into())
}

/// The account, if it is in use.
fn in_use<'a>(view: &View<'a, Account>) -> Result<&'a Head, Refusal> {
    let head = found(view)?;
    match head.state {
        State::Open => Ok(head),
        State::Closed => Err(Code::WrongState.into()),
        State::Expired => Err(Code::Expired.into()),
    }
}

fn above_zero(amount: Amount) -> Result<(), Refusal> {
    if amount.is_zero() { Err(Code::Malformed.into()) } else { Ok(()) }
}

/// The end of a time span that begins now.
fn after_seconds(now: Timestamp, seconds: u64) -> Result<Timestamp, Refusal> {
    let end = seconds.checked_mul(1000).and_then(|ms| now.after_ms(ms));
    end.ok_or_else(|| Code::Overflow.into())
}

/// The balance once this much has left; the amount itself may be held, and is then affordable.
fn balance_without(head: &Head, amount: Amount) -> Result<Signed, Refusal> {
    head.balance.minus(amount).ok_or_else(|| Code::Overflow.into())
}

fn affordable(head: &Head, amount: Amount) -> Result<(), Refusal> {
    let available = head.available();
    if amount.signed() > available {
        return Err(Refusal::with(Code::InsufficientFunds, Fact::Available(available)));
    }
    Ok(())
}

fn within_spend_cap(head: &Head, amount: Amount, now: Timestamp) -> Result<(), Refusal> {
    match head.spending.map(|spending| spending.left(now)) {
        Some(left) if amount > left => {
            Err(Refusal::with(Code::SpendCapReached, Fact::Available(left.signed())))
        }
        _ => Ok(()),
    }
}
