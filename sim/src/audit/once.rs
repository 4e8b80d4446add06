//! Whether everything in the log was asked for, and what nobody was told is there once at most.
//!
//! Of what callers alone can cause, the log's events are counted against the asks. An event that
//! an answer has told belongs to that ask. Every other one needs an ask of its own whose outcome
//! nobody knows: one that was lost and happened twice has one ask for two events.

use std::collections::{BTreeMap, BTreeSet};

use quipu_core::machine::{Machine, What};
use quipu_core::machines::account::{self, Account};
use quipu_core::machines::drop::{self, Drop};
use quipu_core::machines::ticket::{self, Ticket};
use quipu_core::records::{PartHead, Record as _};
use quipu_core::shard::{Leg, Reply};
use quipu_core::words::{Amount, Id, Name, Position};

use super::asked::{Answered, Expected, Unknown, has_changed};
use super::book::Book;
use super::check::{Breach, Check, Checks};

/// What a caller has asked for, as both the ask and its event tell it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Cause {
    Deposit(Amount),
    Charge(Amount),
    Transfer(Amount),
    Hold(Amount),
    Withdrawal(Amount),
    Claim(Id),
    Take(Id, u32),
}

/// Holds a log against the asks behind it. All that was ever asked of the ledger is there.
pub(super) fn check(
    checks: &Checks,
    book: &Book<'_>,
    answered: &[Answered],
    unknown: &[Unknown],
) -> Result<(), Breach> {
    if !checks.has(Check::Durability) {
        return Ok(());
    }
    let told = told(answered);
    let mut asked: BTreeMap<(&Name, Cause), u64> = BTreeMap::new();
    // Streams of which something was asked, and nobody said what.
    let mut unsaid: BTreeSet<&Name> = BTreeSet::new();
    for Unknown { sent, .. } in unknown {
        if sent.legs.is_empty() && !matches!(sent.expected, Expected::Read) {
            unsaid.extend(&sent.stream);
        }
        for leg in &sent.legs {
            if let Some(cause) = cause_of(leg) {
                *asked.entry((&leg.stream, cause)).or_default() += 1;
            }
        }
    }
    for (name, head, payload) in book.leading() {
        if told.contains(&head.position) || unsaid.contains(name) {
            continue;
        }
        let Some(cause) = cause_in(head, payload) else { continue };
        let left = asked.get_mut(&(name, cause.clone())).filter(|left| **left > 0);
        let left = checks.there(Check::Durability, left, || {
            let position = head.position;
            format!(
                "{name:?} at {position}: {cause:?}, which nobody has asked for, or not so often"
            )
        })?;
        if let Some(left) = left {
            *left -= 1;
        }
    }
    Ok(())
}

/// The positions of all that answers have told of.
fn told(answered: &[Answered]) -> BTreeSet<Position> {
    let mut told = BTreeSet::new();
    for Answered { sent, reply, .. } in answered {
        let (Reply::Done(outcome), true) = (reply, has_changed(reply)) else { continue };
        let pieces = outcome.answer.pieces().filter_map(Result::ok);
        let events: u64 = pieces
            .filter_map(|piece| match piece.what {
                What::Leg { events, .. } => Some(u64::from(events)),
                _ => None,
            })
            .sum();
        let count = if sent.stream.is_some() { 1 } else { events.max(1) };
        let last = outcome.position.get();
        told.extend((last.saturating_sub(count - 1)..=last).map(Position::new));
    }
    told
}

fn cause_of(leg: &Leg) -> Option<Cause> {
    use account::Command as C;
    if let Some(command) = leg.command.get::<Account>() {
        return match command {
            C::Deposit { amount, .. } => Some(Cause::Deposit(*amount)),
            C::Charge { amount, .. } => Some(Cause::Charge(*amount)),
            C::Transfer { amount, .. } => Some(Cause::Transfer(*amount)),
            C::Hold { amount, .. } => Some(Cause::Hold(*amount)),
            C::Withdraw { amount, .. } => Some(Cause::Withdrawal(*amount)),
            _ => None,
        };
    }
    if let Some(ticket::Command::Claim { claimant }) = leg.command.get::<Ticket>() {
        return Some(Cause::Claim(claimant.clone()));
    }
    match leg.command.get::<Drop>() {
        Some(drop::Command::Claim { claimant, quantity, .. }) => {
            Some(Cause::Take(claimant.clone(), *quantity))
        }
        _ => None,
    }
}

fn cause_in(head: &PartHead, payload: &[u8]) -> Option<Cause> {
    use account::Event as E;
    match head.kind {
        Account::KIND => match E::unpack(head.tag, payload).ok()? {
            E::Deposited(event) => Some(Cause::Deposit(event.amount)),
            E::Charged(event) => Some(Cause::Charge(event.amount)),
            E::Sent(event) => Some(Cause::Transfer(event.amount)),
            E::HoldPlaced(event) => Some(Cause::Hold(event.amount)),
            E::WithdrawalPlanned(event) => Some(Cause::Withdrawal(event.amount)),
            _ => None,
        },
        Ticket::KIND => match ticket::Event::unpack(head.tag, payload).ok()? {
            ticket::Event::Claimed(event) => Some(Cause::Claim(event.claimant)),
            _ => None,
        },
        Drop::KIND => match drop::Event::unpack(head.tag, payload).ok()? {
            drop::Event::Claimed(event) => Some(Cause::Take(event.claimant, event.quantity)),
            _ => None,
        },
        _ => None,
    }
}
