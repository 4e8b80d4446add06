//! Whether a flow does what it is asked. The order of the checks is the table of the module.

use super::{
    Cancelled, Command, Event, Flow, Head, Opened, Paused, Resumed, Settled, Started, State,
    Stopped, ToppedUp, Withdrawn,
};
use crate::machine::{Context, Transit, View};
use crate::words::{Amount, Code, Fact, Position, Refusal, Timestamp};

pub(super) fn decide(
    view: &View<'_, Flow>,
    command: &Command,
    cx: &mut Context<'_>,
) -> Result<Event, Refusal> {
    if command.is_malformed() {
        return Err(Code::Malformed.into());
    }
    let Some(head) = view.head else {
        return open(command, cx.transit);
    };
    match command {
        Command::Open { .. } => {
            let first = Position::new(view.number.get());
            Err(Refusal::with(Code::AlreadyExists, Fact::First(first)))
        }
        Command::Start => start(head, cx.now),
        Command::Pause => pause(head, cx.now),
        Command::Resume => resume(head, cx.now),
        Command::Settle => settle(head, cx),
        Command::Withdraw { amount } => withdraw(head, *amount, cx.transit),
        Command::TopUp { amount } => top_up(head, *amount, cx),
        Command::Stop => stop(head, cx),
        Command::Cancel => cancel(head, cx.transit),
    }
}

/// All that can be asked of a flow that does not exist.
fn open(command: &Command, transit: &mut Transit) -> Result<Event, Refusal> {
    let Command::Open { asset, total, duration_ms, start_at, cliff_ms, payer, recipient, metadata } =
        command
    else {
        return Err(Code::NotFound.into());
    };
    if payer.is_some() {
        transit.take(*asset, *total)?;
    }

    // Nothing below can fail.
    let opened = Opened {
        asset: *asset,
        total: *total,
        duration_ms: *duration_ms,
        cliff_ms: *cliff_ms,
        start_at: *start_at,
        payer: payer.clone(),
        recipient: recipient.clone(),
        metadata: (!metadata.is_empty()).then(|| metadata.clone()),
    };
    Ok(opened.into())
}

fn start(head: &Head, now: Timestamp) -> Result<Event, Refusal> {
    in_state(head, &[State::Draft])?;

    // Nothing below can fail.
    Ok(Started { start_at: now }.into())
}

fn pause(head: &Head, now: Timestamp) -> Result<Event, Refusal> {
    in_state(head, &[State::Active])?;
    if head.start_at.is_some_and(|start| now < start) {
        return Err(Code::WrongState.into());
    }

    // Nothing below can fail.
    Ok(Paused { active_ms: head.active_ms(now) }.into())
}

fn resume(head: &Head, now: Timestamp) -> Result<Event, Refusal> {
    in_state(head, &[State::Paused])?;

    // Nothing below can fail.
    Ok(Resumed { paused_ms: head.stood_still_ms(now) }.into())
}

fn settle(head: &Head, cx: &mut Context<'_>) -> Result<Event, Refusal> {
    if head.state == State::Ended {
        return Err(Code::NothingToSettle.into());
    }
    in_state(head, &[State::Active, State::Paused])?;
    let settled = head.accrued(cx.now);
    let amount = settled.minus(head.settled).unwrap_or_default();
    if amount.is_zero() {
        return Err(Code::NothingToSettle.into());
    }

    // Nothing below can fail.
    let ended = settled == head.total;
    if ended {
        cx.transit.end();
    }
    Ok(Settled { amount, settled, ended }.into())
}

fn withdraw(head: &Head, amount: Option<Amount>, transit: &mut Transit) -> Result<Event, Refusal> {
    in_state(head, &[State::Active, State::Paused, State::Ended])?;
    let withdrawable = head.withdrawable();
    let amount = amount.unwrap_or(withdrawable);
    if amount.is_zero() || amount > withdrawable {
        let fact = Fact::Available(withdrawable.signed());
        return Err(Refusal::with(Code::ExceedsWithdrawable, fact));
    }
    let withdrawn = head.withdrawn.plus(amount).ok_or(Code::Overflow)?;
    if head.recipient.is_some() {
        transit.give(head.asset, amount)?;
    }

    // Nothing below can fail.
    Ok(Withdrawn { amount, withdrawn }.into())
}

fn top_up(head: &Head, amount: Amount, cx: &mut Context<'_>) -> Result<Event, Refusal> {
    in_state(head, &[State::Draft, State::Active, State::Paused])?;
    if head.is_time_up(cx.now) {
        return Err(Code::WrongState.into());
    }
    let total = head.total.plus(amount).ok_or(Code::Overflow)?;
    let duration_ms = head.duration_of(total).ok_or(Code::Overflow)?;
    if head.payer.is_some() {
        cx.transit.take(head.asset, amount)?;
    }

    // Nothing below can fail.
    Ok(ToppedUp { amount, total, duration_ms }.into())
}

fn stop(head: &Head, cx: &mut Context<'_>) -> Result<Event, Refusal> {
    in_state(head, &[State::Active, State::Paused])?;
    let settled = head.accrued(cx.now);
    let amount = settled.minus(head.settled).unwrap_or_default();
    let refunded = head.total.minus(settled).unwrap_or_default();
    if head.payer.is_some() {
        cx.transit.give(head.asset, refunded)?;
    }

    // Nothing below can fail.
    cx.transit.end();
    Ok(Stopped { amount, settled, refunded }.into())
}

fn cancel(head: &Head, transit: &mut Transit) -> Result<Event, Refusal> {
    in_state(head, &[State::Draft])?;
    let refunded = head.total;
    if head.payer.is_some() {
        transit.give(head.asset, refunded)?;
    }

    // Nothing below can fail.
    transit.end();
    Ok(Cancelled { refunded }.into())
}

fn in_state(head: &Head, allowed: &[State]) -> Result<(), Refusal> {
    if allowed.contains(&head.state) { Ok(()) } else { Err(Code::WrongState.into()) }
}
