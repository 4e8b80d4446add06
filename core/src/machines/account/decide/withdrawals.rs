//! Payouts: planned, dispatched under a fence, then completed, failed or unknown.
//!
//! | command | pending | dispatched | unknown | completed, failed |
//! |---|---|---|---|---|
//! | lease | dispatched | the same worker: a new fence | - | - |
//! | complete, fail | - | with the newest fence | with the newest fence | - |
//! | retry, unknown | - | with the newest fence | - | - |
//! | reconcile | - | - | completed or failed | - |
//! | time | - | unknown, once the lease is over | - | - |
//! | a restore | unknown | unknown | so already | so already |
//!
//! A dash is `wrong_state`. Where the state lets a fence decide, any other fence than the
//! newest is `stale_fence`. What a worker reports is never refused by arithmetic: it
//! happened.
//!
//! A restored ledger cannot know what its original did after the backup was taken: a pending
//! payout may have been dispatched there and made. So every unfinished one is unknown, under a
//! fence that no worker has, and what a worker of the original still says of it is stale: there
//! may have been a later lease than the backup knows.

use super::super::{
    Account, DESTINATION_CHARS_MAX, ERROR_BYTES_MAX, Item, LeaseExpired, SECRET_BYTES_MAX,
    WITHDRAWAL_LETTER, Withdrawal, WithdrawalCompleted, WithdrawalFailed, WithdrawalInherited,
    WithdrawalLeased, WithdrawalPlanned, WithdrawalReconciled, WithdrawalRetried, WithdrawalState,
    WithdrawalUnknown, withdrawal_key,
};
use super::{
    Decision, above_zero, affordable, after_seconds, balance_without, found, happens, in_use,
    within_spend_cap,
};
use crate::machine::{Decided, Shows, View};
use crate::words::{Amount, Code, Fact, Id, Position, Refusal, Timestamp};

pub(super) fn plan(
    view: &View<'_, Account>,
    amount: Amount,
    destination: &str,
    secret: Option<&[u8]>,
    now: Timestamp,
) -> Decision {
    above_zero(amount)?;
    let too_long = destination.chars().count() > DESTINATION_CHARS_MAX
        || secret.is_some_and(|secret| secret.len() > SECRET_BYTES_MAX);
    if too_long {
        return Err(Code::Malformed.into());
    }
    let head = in_use(view)?;
    head.held.plus(amount).ok_or(Code::Overflow)?;
    affordable(head, amount)?;
    within_spend_cap(head, amount, now)?;
    // Nothing below can fail.
    let secret = secret.map(<[u8]>::to_vec);
    happens(WithdrawalPlanned { amount, destination: destination.to_owned(), secret })
}

pub(super) fn lease(
    view: &View<'_, Account>,
    id: &Id,
    worker: &Id,
    seconds: u64,
    now: Timestamp,
) -> Decision {
    if seconds == 0 {
        return Err(Code::Malformed.into());
    }
    let (position, withdrawal) = named(view, id)?;
    let is_mine = withdrawal.worker.as_ref() == Some(worker);
    match withdrawal.state {
        WithdrawalState::Pending => {}
        WithdrawalState::Dispatched if is_mine => {}
        _ => return Err(Code::WrongState.into()),
    }
    let until = after_seconds(now, seconds)?;
    // Nothing below can fail.
    happens(WithdrawalLeased { withdrawal: position, until, worker: worker.clone() })
}

pub(super) fn complete(
    view: &View<'_, Account>,
    id: &Id,
    fence: Position,
    reference: Option<&Id>,
) -> Decision {
    let (position, withdrawal) = named(view, id)?;
    fenced(withdrawal, fence, &[WithdrawalState::Dispatched, WithdrawalState::Unknown])?;
    let amount = withdrawal.amount;
    let balance_after = balance_without(found(view)?, amount)?;
    // Nothing below can fail.
    let reference = reference.cloned();
    happens(WithdrawalCompleted { withdrawal: position, amount, balance_after, reference })
}

pub(super) fn fail(view: &View<'_, Account>, id: &Id, fence: Position, error: &str) -> Decision {
    let (position, withdrawal) = named(view, id)?;
    fenced(withdrawal, fence, &[WithdrawalState::Dispatched, WithdrawalState::Unknown])?;
    // Nothing below can fail.
    let amount = withdrawal.amount;
    happens(WithdrawalFailed { withdrawal: position, amount, error: kept_of(error) })
}

pub(super) fn retry(view: &View<'_, Account>, id: &Id, fence: Position, error: &str) -> Decision {
    let (position, withdrawal) = named(view, id)?;
    fenced(withdrawal, fence, &[WithdrawalState::Dispatched])?;
    // Nothing below can fail.
    happens(WithdrawalRetried { withdrawal: position, error: kept_of(error) })
}

pub(super) fn unknown(view: &View<'_, Account>, id: &Id, fence: Position, error: &str) -> Decision {
    let (position, withdrawal) = named(view, id)?;
    fenced(withdrawal, fence, &[WithdrawalState::Dispatched])?;
    // Nothing below can fail.
    happens(WithdrawalUnknown { withdrawal: position, error: kept_of(error) })
}

pub(super) fn reconcile(view: &View<'_, Account>, id: &Id, completed: bool) -> Decision {
    let (position, withdrawal) = named(view, id)?;
    if withdrawal.state != WithdrawalState::Unknown {
        return Err(Code::WrongState.into());
    }
    let (head, amount) = (found(view)?, withdrawal.amount);
    let balance_after = if completed { balance_without(head, amount)? } else { head.balance };
    // Nothing below can fail.
    happens(WithdrawalReconciled { withdrawal: position, amount, balance_after, completed })
}

/// Time: a lease is over, and nobody knows what became of the payout.
pub(super) fn end_lease(view: &View<'_, Account>, position: Position, now: Timestamp) -> Decision {
    found(view)?;
    let withdrawal = withdrawal_at(view, position)?;
    let is_over = withdrawal.lease_until.is_some_and(|until| until <= now);
    if !is_over {
        return Err(Code::WrongState.into());
    }
    // Nothing below can fail.
    happens(LeaseExpired { withdrawal: position })
}

/// A restore: nobody here knows what the original made of the payout.
pub(super) fn inherit(view: &View<'_, Account>, position: Position) -> Decision {
    found(view)?;
    let withdrawal = withdrawal_at(view, position)?;
    // Nothing below can fail.
    match withdrawal.state {
        WithdrawalState::Pending | WithdrawalState::Dispatched => {
            happens(WithdrawalInherited { withdrawal: position })
        }
        WithdrawalState::Completed | WithdrawalState::Failed | WithdrawalState::Unknown => {
            Ok(Decided::Already(Shows::item(withdrawal_key(position))))
        }
    }
}

fn named<'a>(view: &View<'a, Account>, id: &Id) -> Result<(Position, &'a Withdrawal), Refusal> {
    found(view)?;
    let position = id.position(WITHDRAWAL_LETTER).ok_or(Code::NotFound)?;
    Ok((position, withdrawal_at(view, position)?))
}

fn withdrawal_at<'a>(
    view: &View<'a, Account>,
    position: Position,
) -> Result<&'a Withdrawal, Refusal> {
    match view.item(&withdrawal_key(position)) {
        Some(Item::Withdrawal(withdrawal)) => Ok(withdrawal),
        _ => Err(Code::NotFound.into()),
    }
}

fn fenced(
    withdrawal: &Withdrawal,
    fence: Position,
    states: &[WithdrawalState],
) -> Result<(), Refusal> {
    if !states.contains(&withdrawal.state) {
        return Err(Code::WrongState.into());
    }
    if fence != withdrawal.fence && !mutant!(FenceIgnored) {
        return Err(Refusal::with(Code::StaleFence, Fact::Fence(withdrawal.fence)));
    }
    Ok(())
}

/// As much of a worker's error as is kept, cut between two characters.
fn kept_of(error: &str) -> String {
    let mut end = error.len().min(ERROR_BYTES_MAX);
    while !error.is_char_boundary(end) {
        end -= 1;
    }
    error[..end].to_owned()
}
