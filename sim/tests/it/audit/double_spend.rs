//! What is used up, is used up once.

use quipu_core::machines::account::{self, Account};
use quipu_core::machines::drop::Drop;
use quipu_core::machines::flow::{self, Flow};
use quipu_core::machines::ticket::Ticket;
use quipu_core::words::{Amount, Id, Name};
use quipu_sim::audit::{Breach, Check};

use super::story::*;

/// An account with 10 units.
fn funded(story: &mut Story) -> Name {
    let name = an_account("a");
    story.event(&name, opened());
    story.event(&name, deposited(10, 10));
    name
}

fn hold_that_ends(story: &mut Story, times: u64) -> Result<(), Breach> {
    let name = funded(story);
    let hold = story.event(&name, held(4, None));
    for _ in 0..times {
        story.event(&name, released(hold, 4));
    }
    story.checks()
}

#[test]
fn a_hold_ends_once() {
    accepted(|story| hold_that_ends(story, 1));
    rejected(Check::DoubleSpend, |story| hold_that_ends(story, 2));
}

#[test]
fn a_hold_that_was_captured_is_not_released() {
    let tell = |story: &mut Story, is_released: bool| {
        let name = funded(story);
        let hold = story.event(&name, held(4, None));
        story.event(&name, captured(hold, 4, 6));
        if is_released {
            story.event(&name, released(hold, 4));
        }
        story.checks()
    };
    accepted(|story| tell(story, false));
    rejected(Check::DoubleSpend, |story| tell(story, true));
}

#[test]
fn a_payout_is_finished_once() {
    let tell = |story: &mut Story, times: u64| {
        let name = funded(story);
        let planned = story.event(&name, planned(4));
        for time in 1..=times {
            story.event(&name, completed(planned, 4, 10 - 4 * time as i64));
        }
        story.checks()
    };
    accepted(|story| tell(story, 1));
    rejected(Check::DoubleSpend, |story| tell(story, 2));
}

#[test]
fn a_payout_is_finished_under_its_newest_fence() {
    let tell = |story: &mut Story, is_newest: bool| {
        let name = funded(story);
        let planned = story.event(&name, planned(4));
        let [first, second] = [0, 1].map(|_| story.event(&name, leased(planned)));
        let end = story.event(&name, completed(planned, 4, 6));
        let fence = if is_newest { second } else { first };
        let withdrawal = Id::made('w', planned);
        let complete = account::Command::Complete { withdrawal, fence, reference: None };
        let sent = ask::<Account>(name.id.as_str(), complete, "WithdrawalCompleted");
        story.asks(sent, done(end.get()))?;
        story.checks()
    };
    accepted(|story| tell(story, true));
    rejected(Check::DoubleSpend, |story| tell(story, false));
}

#[test]
fn no_more_is_spent_in_a_period_than_its_cap() {
    let tell = |story: &mut Story, second: u64, days: u64| {
        let name = an_account("a");
        story.event(&name, opened_with_cap(5));
        story.event(&name, deposited(10, 10));
        let hold = story.event(&name, held(4, None));
        // What was held and not taken can be spent again.
        story.event(&name, captured(hold, 3, 7));
        story.now = time(1_000 + days * 86_400_000);
        story.event(&name, charged(second, 7 - second as i64));
        story.checks()
    };
    accepted(|story| tell(story, 2, 0));
    accepted(|story| tell(story, 3, 1));
    rejected(Check::DoubleSpend, |story| tell(story, 3, 0));
}

#[test]
fn a_charge_is_given_back_once() {
    let tell = |story: &mut Story, second: u64| {
        let name = funded(story);
        let charge = story.event(&name, charged(6, 4));
        story.event(&name, refunded(charge, 4, 8));
        story.event(&name, refunded(charge, second, 8 + second as i64));
        story.checks()
    };
    accepted(|story| tell(story, 2));
    rejected(Check::DoubleSpend, |story| tell(story, 3));
}

#[test]
fn nothing_goes_below_its_floor() {
    let tell = |story: &mut Story, amount: u64| {
        let name = funded(story);
        story.event(&name, held(4, None));
        story.event(&name, charged(amount, 10 - amount as i64));
        story.checks()
    };
    accepted(|story| tell(story, 6));
    rejected(Check::DoubleSpend, |story| tell(story, 7));
}

#[test]
fn a_ticket_is_claimed_once() {
    let tell = |story: &mut Story, claimants: &[&str]| {
        let name = name::<Ticket>("t");
        story.event(&name, issued());
        for who in claimants {
            story.event(&name, claimed(who));
        }
        story.checks()
    };
    accepted(|story| tell(story, &["ann"]));
    rejected(Check::DoubleSpend, |story| tell(story, &["ann", "bo"]));
}

#[test]
fn no_more_units_are_claimed_than_there_are() {
    let tell = |story: &mut Story, stock: u64| {
        let name = name::<Drop>("d");
        story.event(&name, created(stock));
        story.event(&name, taken(1, 2, stock.saturating_sub(2)));
        story.event(&name, taken(2, 1, stock.saturating_sub(3)));
        story.checks()
    };
    accepted(|story| tell(story, 3));
    rejected(Check::DoubleSpend, |story| tell(story, 2));
}

#[test]
fn the_units_of_a_claim_come_back_once() {
    let tell = |story: &mut Story, times: u64| {
        let name = name::<Drop>("d");
        story.event(&name, created(5));
        story.event(&name, taken(1, 1, 4));
        let claim = story.event(&name, taken(2, 2, 2));
        for _ in 0..times {
            story.event(&name, put_back(claim, 2, 4));
        }
        story.checks()
    };
    accepted(|story| tell(story, 1));
    rejected(Check::DoubleSpend, |story| tell(story, 2));
}

#[test]
fn a_number_of_a_claim_is_used_once() {
    let tell = |story: &mut Story, number: u64| {
        let name = name::<Drop>("d");
        story.event(&name, created(5));
        let claim = story.event(&name, taken(1, 1, 4));
        story.event(&name, put_back(claim, 1, 5));
        story.event(&name, taken(number, 1, 4));
        story.checks()
    };
    accepted(|story| tell(story, 2));
    rejected(Check::DoubleSpend, |story| tell(story, 1));
}

#[test]
fn a_flow_pays_what_has_accrued() {
    let tell = |story: &mut Story, out: u64| {
        let name = name::<Flow>("f");
        let amount = Amount::from;
        let (start_at, payer, recipient, metadata) = (Some(time(0)), None, None, None);
        let opened = flow::Opened {
            asset: usd(),
            total: amount(10),
            duration_ms: 10,
            cliff_ms: 0,
            start_at,
            payer,
            recipient,
            metadata,
        };
        story.event(&name, flow::Event::from(opened));
        let settled = flow::Settled { amount: amount(5), settled: amount(5), ended: false };
        story.event(&name, flow::Event::from(settled));
        let withdrawn = flow::Withdrawn { amount: amount(out), withdrawn: amount(out) };
        story.event(&name, flow::Event::from(withdrawn));
        story.checks()
    };
    accepted(|story| tell(story, 5));
    rejected(Check::DoubleSpend, |story| tell(story, 6));
}

#[test]
fn a_name_is_given_out_once() {
    let tell = |story: &mut Story, is_made_again: bool| {
        let name = name::<Drop>("d");
        story.event(&name, created(5));
        if is_made_again {
            story.forget(&name);
            story.event(&name, created(5));
        }
        story.checks()
    };
    accepted(|story| tell(story, false));
    rejected(Check::DoubleSpend, |story| tell(story, true));
}

#[test]
fn a_key_has_one_effect_a_day() {
    let tell = |story: &mut Story, after_ms: u64| {
        let name = funded(story);
        let pay = |after| vec![vec![(name.clone(), deposited(1, after).into())]];
        story.entry(pay(11), Some(&note(7)));
        story.now = time(1_000 + after_ms);
        story.entry(pay(12), Some(&note(7)));
        story.checks()
    };
    accepted(|story| tell(story, 86_400_000));
    rejected(Check::DoubleSpend, |story| tell(story, 86_399_999));
}

#[test]
fn an_event_is_that_of_one_ask() {
    let tell = |story: &mut Story, second: u64| {
        let name = funded(story);
        story.event(&name, deposited(5, 15));
        story.event(&name, deposited(5, 20));
        let pay = || ask::<Account>("a", deposit(5), "Deposited");
        let (first, other) = (story.sends(pay()), story.sends(pay()));
        story.hears(first, done(3))?;
        story.hears(other, done(second))?;
        story.checks()
    };
    accepted(|story| tell(story, 4));
    rejected(Check::DoubleSpend, |story| tell(story, 3));
}

#[test]
fn answers_alone_tell_of_a_ticket_that_was_claimed_twice() {
    let tell = |story: &mut Story, other: &str| {
        story.asks(ask::<Ticket>("t", issue(), "Issued"), done(1))?;
        story.asks(ask::<Ticket>("u", issue(), "Issued"), done(2))?;
        let (first, second) = (
            story.sends(ask::<Ticket>("t", claim("ann"), "Claimed")),
            story.sends(ask::<Ticket>(other, claim("bo"), "Claimed")),
        );
        story.hears(first, done(3))?;
        story.hears(second, done(4))?;
        story.audit.check_told(at(0))
    };
    accepted(|story| tell(story, "u"));
    rejected(Check::DoubleSpend, |story| tell(story, "t"));
}
