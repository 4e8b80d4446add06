//! Money that is set aside.

use super::super::{
    Account, HOLD_LETTER, Hold, HoldCaptured, HoldExpired, HoldPlaced, HoldReleased, HoldState,
    Item, hold_key,
};
use super::{
    Decision, above_zero, affordable, after_seconds, balance_without, found, happens, in_use,
    within_spend_cap,
};
use crate::machine::View;
use crate::words::{Amount, Code, Fact, Id, Position, Refusal, Timestamp};

pub(super) fn place(
    view: &View<'_, Account>,
    amount: Amount,
    seconds: Option<u64>,
    now: Timestamp,
) -> Decision {
    above_zero(amount)?;
    if seconds == Some(0) {
        return Err(Code::Malformed.into());
    }
    let head = in_use(view)?;
    let expires_at = seconds.map(|seconds| after_seconds(now, seconds)).transpose()?;
    head.held.plus(amount).ok_or(Code::Overflow)?;
    affordable(head, amount)?;
    within_spend_cap(head, amount, now)?;
    // Nothing below can fail.
    happens(HoldPlaced { amount, expires_at })
}

pub(super) fn capture(view: &View<'_, Account>, id: &Id, amount: Option<Amount>) -> Decision {
    amount.map_or(Ok(()), above_zero)?;
    let head = found(view)?;
    let (position, hold) = held(view, id)?;
    let amount = amount.unwrap_or(hold.amount);
    if amount > hold.amount {
        return Err(Refusal::with(Code::ExceedsHeld, Fact::Available(hold.amount.signed())));
    }
    head.total_out.plus(amount).ok_or(Code::Overflow)?;
    let balance_after = balance_without(head, amount)?;
    // Nothing below can fail.
    happens(HoldCaptured { hold: position, amount, balance_after })
}

pub(super) fn release(view: &View<'_, Account>, id: &Id) -> Decision {
    found(view)?;
    let (position, hold) = held(view, id)?;
    // Nothing below can fail.
    happens(HoldReleased { hold: position, amount: hold.amount })
}

/// Time: a hold is over.
pub(super) fn end(view: &View<'_, Account>, position: Position, now: Timestamp) -> Decision {
    found(view)?;
    let hold = hold_at(view, position)?;
    let is_due = hold.expires_at.is_some_and(|end| end <= now);
    if hold.state != HoldState::Held || !is_due {
        return Err(Code::WrongState.into());
    }
    // Nothing below can fail.
    happens(HoldExpired { hold: position, amount: hold.amount })
}

/// A hold that a caller names and that is still open.
fn held<'a>(view: &View<'a, Account>, id: &Id) -> Result<(Position, &'a Hold), Refusal> {
    let position = id.position(HOLD_LETTER).ok_or(Code::NotFound)?;
    let hold = hold_at(view, position)?;
    match hold.state {
        HoldState::Held => Ok((position, hold)),
        HoldState::Expired => Err(Code::Expired.into()),
        HoldState::Captured | HoldState::Released => Err(Code::WrongState.into()),
    }
}

fn hold_at<'a>(view: &View<'a, Account>, position: Position) -> Result<&'a Hold, Refusal> {
    match view.item(&hold_key(position)) {
        Some(Item::Hold(hold)) => Ok(hold),
        _ => Err(Code::NotFound.into()),
    }
}
