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
    let (command, is_split) = match command {
        Command::Split(whole) => (&**whole, true),
        whole => (whole, false),
    };
    let way = &mut Way { transit: &mut *cx.transit, is_split };
    let Some(head) = view.head else {
        return open(command, way);
    };
    match command {
        Command::Open { .. } => {
            let first = Position::new(view.number.get());
            Err(Refusal::with(Code::AlreadyExists, Fact::First(first)))
        }
        Command::Start => start(head, cx.now),
        Command::Pause => pause(head, cx.now),
        Command::Resume => resume(head, cx.now),
        Command::Settle => settle(head, cx.now, way),
        Command::Withdraw { amount } => withdraw(head, *amount, way),
        Command::TopUp { amount } => top_up(head, *amount, cx.now, way),
        Command::Stop => stop(head, cx.now, way),
        Command::Cancel => cancel(head, way),
        // One inside another: nobody splits a leg.
        Command::Split(_) => Err(Code::Malformed.into()),
    }
}

/// Where value goes between a flow and its accounts.
struct Way<'a> {
    transit: &'a mut Transit,
    is_split: bool,
}

impl Way<'_> {
    /// The way to the leg of an account. A command that was not split has none: the flow was
    /// not there to be seen then.
    fn account(&mut self) -> Result<&mut Transit, Refusal> {
        if self.is_split { Ok(self.transit) } else { Err(Code::NotFound.into()) }
    }
}

/// All that can be asked of a flow that does not exist.
fn open(command: &Command, way: &mut Way<'_>) -> Result<Event, Refusal> {
    let Command::Open { asset, total, duration_ms, start_at, cliff_ms, payer, recipient, metadata } =
        command
    else {
        return Err(Code::NotFound.into());
    };
    if payer.is_some() {
        way.account()?.take(*asset, *total)?;
    } else if recipient.is_some() {
        // Nothing moves. It names the asset, so that the recipient is of no other.
        way.account()?.give(*asset, Amount::ZERO)?;
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

fn settle(head: &Head, now: Timestamp, way: &mut Way<'_>) -> Result<Event, Refusal> {
    if head.state == State::Ended {
        return Err(Code::NothingToSettle.into());
    }
    in_state(head, &[State::Active, State::Paused])?;
    let settled = head.accrued(now);
    let amount = settled.minus(head.settled).unwrap_or_default();
    if amount.is_zero() {
        return Err(Code::NothingToSettle.into());
    }
    if head.payer.is_some() {
        // Nothing moves, but the payer must know when the flow has ended.
        way.account()?;
    }

    // Nothing below can fail.
    let ended = settled == head.total;
    if ended {
        way.transit.end();
    }
    Ok(Settled { amount, settled, ended }.into())
}

fn withdraw(head: &Head, amount: Option<Amount>, way: &mut Way<'_>) -> Result<Event, Refusal> {
    in_state(head, &[State::Active, State::Paused, State::Ended])?;
    let withdrawable = head.withdrawable();
    let amount = amount.unwrap_or(withdrawable);
    if amount.is_zero() || amount > withdrawable {
        let fact = Fact::Available(withdrawable.signed());
        return Err(Refusal::with(Code::ExceedsWithdrawable, fact));
    }
    let withdrawn = head.withdrawn.plus(amount).ok_or(Code::Overflow)?;
    if head.recipient.is_some() {
        way.account()?.give(head.asset, amount)?;
    }

    // Nothing below can fail.
    Ok(Withdrawn { amount, withdrawn }.into())
}

fn top_up(
    head: &Head,
    amount: Amount,
    now: Timestamp,
    way: &mut Way<'_>,
) -> Result<Event, Refusal> {
    in_state(head, &[State::Draft, State::Active, State::Paused])?;
    if head.is_time_up(now) {
        return Err(Code::WrongState.into());
    }
    let total = head.total.plus(amount).ok_or(Code::Overflow)?;
    let duration_ms = head.duration_of(total).ok_or(Code::Overflow)?;
    if head.payer.is_some() {
        way.account()?.take(head.asset, amount)?;
    }

    // Nothing below can fail.
    Ok(ToppedUp { amount, total, duration_ms }.into())
}

fn stop(head: &Head, now: Timestamp, way: &mut Way<'_>) -> Result<Event, Refusal> {
    in_state(head, &[State::Active, State::Paused])?;
    let settled = head.accrued(now);
    let amount = settled.minus(head.settled).unwrap_or_default();
    let refunded = head.total.minus(settled).unwrap_or_default();
    if head.payer.is_some() {
        way.account()?.give(head.asset, refunded)?;
    }

    // Nothing below can fail.
    way.transit.end();
    Ok(Stopped { amount, settled, refunded }.into())
}

fn cancel(head: &Head, way: &mut Way<'_>) -> Result<Event, Refusal> {
    in_state(head, &[State::Draft])?;
    let refunded = head.total;
    if head.payer.is_some() {
        way.account()?.give(head.asset, refunded)?;
    }

    // Nothing below can fail.
    way.transit.end();
    Ok(Cancelled { refunded }.into())
}

fn in_state(head: &Head, allowed: &[State]) -> Result<(), Refusal> {
    if allowed.contains(&head.state) { Ok(()) } else { Err(Code::WrongState.into()) }
}
