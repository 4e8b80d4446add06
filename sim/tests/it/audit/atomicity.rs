//! What happens together is seen together.

use quipu_core::machines::account::Account;
use quipu_sim::audit::{Breach, Check};

use super::story::*;

/// Accounts `a` and `b`, and 4 units that go from the one to the other, at 4.
fn a_transfer(story: &mut Story) {
    story.event(&an_account("a"), opened());
    story.event(&an_account("b"), opened());
    story.event(&an_account("a"), deposited(10, 10));
    story.joint(transferred(("a", 6), ("b", 4), 4));
}

fn reads(story: &mut Story, who: &str, version: u64, balance: i64) -> Result<(), Breach> {
    story.asks(read::<Account>(who), stands::<Account>(version, &account_with(balance, 0)))
}

#[test]
fn whoever_has_seen_one_leg_sees_the_other() {
    let tell = |story: &mut Story, is_later: bool| {
        a_transfer(story);
        let early = story.sends(read::<Account>("b"));
        reads(story, "a", 4, 6)?;
        if is_later {
            reads(story, "b", 2, 0)?;
        } else {
            // It was asked before the first leg was shown to anybody.
            story.hears(early, stands::<Account>(2, &account_with(0, 0)))?;
        }
        story.checks()
    };
    accepted(|story| tell(story, false));
    rejected(Check::Atomicity, |story| tell(story, true));
}

#[test]
fn either_leg_may_be_seen_first() {
    let tell = |story: &mut Story, version: u64, balance: i64| {
        a_transfer(story);
        reads(story, "b", 4, 4)?;
        reads(story, "a", version, balance)?;
        story.checks()
    };
    accepted(|story| tell(story, 4, 6));
    rejected(Check::Atomicity, |story| tell(story, 3, 10));
}

/// A transaction whose legs are events of their own: `a` has its leg at 3, `b` at 4. Nobody was
/// answered a position behind the first.
#[test]
fn the_legs_of_a_transaction_have_positions_of_their_own() {
    let tell = |story: &mut Story, version: u64, balance: i64| {
        story.event(&an_account("a"), opened());
        story.event(&an_account("b"), opened());
        let legs = vec![
            vec![(an_account("a"), deposited(1, 1).into())],
            vec![(an_account("b"), deposited(2, 2).into())],
        ];
        story.entry(legs, None);
        reads(story, "a", 3, 1)?;
        reads(story, "b", version, balance)?;
        story.checks()
    };
    accepted(|story| tell(story, 4, 2));
    rejected(Check::Atomicity, |story| tell(story, 2, 0));
}

#[test]
fn whoever_was_told_of_a_transaction_sees_all_its_legs() {
    let tell = |story: &mut Story, version: u64, balance: i64| {
        a_transfer(story);
        story.asks(ask::<Account>("a", transfer("b", 4), "Sent"), done(4))?;
        reads(story, "b", version, balance)?;
        story.checks()
    };
    accepted(|story| tell(story, 4, 4));
    rejected(Check::Atomicity, |story| tell(story, 2, 0));
}

/// A ledger has one order: what one stream shows at a position, no other one is behind.
#[test]
fn one_position_shows_the_same_of_every_stream() {
    let tell = |story: &mut Story, version: u64, balance: i64| {
        story.event(&an_account("a"), opened());
        story.event(&an_account("b"), opened());
        story.event(&an_account("b"), deposited(2, 2));
        story.event(&an_account("a"), deposited(1, 1));
        reads(story, "a", 4, 1)?;
        reads(story, "b", version, balance)?;
        story.checks()
    };
    accepted(|story| tell(story, 3, 2));
    rejected(Check::Atomicity, |story| tell(story, 2, 0));
}
