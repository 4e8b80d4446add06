//! Each stream has one order, by the versions that its answers name.

use quipu_core::machines::account::Account;
use quipu_core::machines::drop::Drop;
use quipu_core::machines::record::{self, Record};
use quipu_core::machines::ticket::Ticket;
use quipu_core::words::{Code, Fact, Signed};
use quipu_sim::audit::{Breach, Check, Expected, Sent};

use super::story::*;

/// Accounts `a`, with 5 and then 7, and `b` with nothing.
fn two_accounts(story: &mut Story) {
    story.event(&an_account("a"), opened());
    story.event(&an_account("b"), opened());
    story.event(&an_account("a"), deposited(5, 5));
    story.event(&an_account("a"), deposited(2, 7));
}

fn reads(story: &mut Story, version: u64, balance: i64) -> Result<(), Breach> {
    story.asks(read::<Account>("a"), stands::<Account>(version, &account_with(balance, 0)))
}

#[test]
fn a_read_shows_what_there_is_at_its_version() {
    let tell = |story: &mut Story, version: u64, balance: i64| {
        two_accounts(story);
        reads(story, version, balance)?;
        story.checks()
    };
    let counts = accepted(|story| tell(story, 3, 5));
    assert_eq!(counts.witnessed, 1);
    rejected(Check::Linearizability, |story| tell(story, 3, 7));
    rejected(Check::Linearizability, |story| tell(story, 2, 5));
}

#[test]
fn whoever_asks_later_sees_no_less() {
    let tell = |story: &mut Story, is_later: bool| {
        two_accounts(story);
        let early = story.sends(read::<Account>("a"));
        reads(story, 4, 7)?;
        if is_later {
            reads(story, 3, 5)?;
        } else {
            // It was asked before the other answer left.
            story.hears(early, stands::<Account>(3, &account_with(5, 0)))?;
        }
        story.checks()
    };
    accepted(|story| tell(story, false));
    rejected(Check::Linearizability, |story| tell(story, true));
}

#[test]
fn what_a_key_has_kept_was_seen_as_well() {
    let tell = |story: &mut Story, version: u64, balance: i64| {
        two_accounts(story);
        story.asks(keyed::<Account>("k", 0, "a", deposit(2)), replayed(done(4)))?;
        reads(story, version, balance)?;
        story.checks()
    };
    accepted(|story| tell(story, 4, 7));
    rejected(Check::Linearizability, |story| tell(story, 3, 5));
}

#[test]
fn nothing_happens_before_it_is_asked() {
    let tell = |story: &mut Story, is_asked_late: bool| {
        two_accounts(story);
        let pay = || ask::<Account>("a", deposit(2), "Deposited");
        if is_asked_late {
            reads(story, 4, 7)?;
            story.asks(pay(), done(4))?;
        } else {
            let call = story.sends(pay());
            reads(story, 4, 7)?;
            story.hears(call, done(4))?;
        }
        story.checks()
    };
    accepted(|story| tell(story, false));
    rejected(Check::Linearizability, |story| tell(story, true));
}

#[test]
fn a_refusal_states_the_fact_of_its_version() {
    let tell = |story: &mut Story, available: i64| {
        two_accounts(story);
        let fact = Fact::Available(Signed::from(available));
        let short = refused(3, Code::InsufficientFunds, fact);
        story.asks(ask::<Account>("a", charge(9), "Charged"), short)?;
        story.checks()
    };
    accepted(|story| tell(story, 5));
    rejected(Check::Linearizability, |story| tell(story, 7));
}

#[test]
fn nothing_is_sold_out_before_it_is() {
    let tell = |story: &mut Story, left: u64| {
        story.event(&name::<Drop>("d"), created(3));
        story.event(&name::<Drop>("d"), taken(1, 2, 1));
        let sold_out = refused(2, Code::SoldOut, Fact::Remaining(left));
        story.asks(ask::<Drop>("d", take("bo", 2), "Claimed"), sold_out)?;
        story.checks()
    };
    accepted(|story| tell(story, 1));
    rejected(Check::Linearizability, |story| tell(story, 0));
}

#[test]
fn a_claim_is_refused_because_of_somebody_else() {
    let tell = |story: &mut Story, who: &str| {
        story.event(&name::<Ticket>("t"), issued());
        story.event(&name::<Ticket>("t"), claimed("ann"));
        let leg = leg::<Ticket>("t", claim(who));
        let expected = Expected::claim("Claimed", who);
        let sent = Sent::new(Some(leg.stream.clone()), expected, None, false, time(0));
        story.asks(sent, refused(2, Code::AlreadyClaimed, Fact::At(time(1_000))))?;
        story.checks()
    };
    accepted(|story| tell(story, "bo"));
    rejected(Check::Linearizability, |story| tell(story, "ann"));
}

#[test]
fn time_runs_forwards() {
    let tell = |story: &mut Story, ms: u64| {
        two_accounts(story);
        reads(story, 4, 7)?;
        let later = told_at(stands::<Account>(4, &account_with(7, 0)), ms);
        story.asks(read::<Account>("a"), later)
    };
    accepted(|story| tell(story, 1_000));
    rejected(Check::Linearizability, |story| tell(story, 999));
    let tell = |story: &mut Story, ms: u64| {
        two_accounts(story);
        story.now = time(ms);
        story.event(&an_account("a"), deposited(1, 8));
        story.checks()
    };
    accepted(|story| tell(story, 1_000));
    rejected(Check::Linearizability, |story| tell(story, 999));
}

#[test]
fn a_hold_that_is_over_holds_nothing() {
    let tell = |story: &mut Story, ends: u64| {
        two_accounts(story);
        story.event(&an_account("a"), held(3, Some(time(ends))));
        story.asks(read::<Account>("a"), stands::<Account>(5, &account_with(7, 3)))?;
        story.checks()
    };
    accepted(|story| tell(story, 1_001));
    rejected(Check::Linearizability, |story| tell(story, 1_000));
    let tell = |story: &mut Story, ends: u64| {
        two_accounts(story);
        story.event(&an_account("a"), held(3, Some(time(ends))));
        story.event(&an_account("a"), deposited(1, 8));
        story.checks()
    };
    accepted(|story| tell(story, 1_001));
    rejected(Check::Linearizability, |story| tell(story, 1_000));
}

#[test]
fn what_has_ended_is_forgotten_and_not_before() {
    let tell = |story: &mut Story, is_deleted: bool| {
        let name = name::<Record>("c");
        let (value, fields, expires_at) = ("1".to_owned(), Vec::new(), None);
        story.event(&name, record::Event::from(record::Put { value, fields, expires_at }));
        if is_deleted {
            story.event(&name, record::Event::from(record::Deleted));
        }
        let put = Sent::new(Some(name), Expected::Nothing, None, false, time(0));
        story.asks(put, done(1))?;
        story.asks(read::<Record>("c"), refused(0, Code::NotFound, Fact::None))?;
        story.checks()
    };
    accepted(|story| tell(story, true));
    rejected(Check::Linearizability, |story| tell(story, false));
}
