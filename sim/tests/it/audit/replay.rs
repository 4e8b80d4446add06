//! One key, one answer, for a day.

use quipu_core::machines::account::Account;
use quipu_core::words::{Code, Fact, Signed};
use quipu_sim::audit::Check;

use super::story::*;

const DAY_MS: u64 = 86_400_000;

#[test]
fn a_key_gives_the_same_answer_again() {
    let tell = |story: &mut Story, after: i64| {
        let pay = || keyed::<Account>("k", 1_000, "a", deposit(5));
        story.asks(pay(), done_with::<Account>(2, &deposited(5, 5)))?;
        story.audit.crashed();
        story.asks(pay(), replayed(done_with::<Account>(2, &deposited(5, after))))
    };
    accepted(|story| tell(story, 5));
    rejected(Check::Replay, |story| tell(story, 6));
}

#[test]
fn a_key_keeps_a_no() {
    let tell = |story: &mut Story, is_paid: bool| {
        let pay = || keyed::<Account>("k", 1_000, "a", charge(5));
        let short = Fact::Available(Signed::ZERO);
        story.asks(pay(), refused(2, Code::InsufficientFunds, short))?;
        let again = if is_paid { done(2) } else { refused(2, Code::InsufficientFunds, short) };
        story.asks(pay(), replayed(again))
    };
    accepted(|story| tell(story, false));
    rejected(Check::Replay, |story| tell(story, true));
}

#[test]
fn a_key_is_kept_for_a_day() {
    let tell = |story: &mut Story, now: u64| {
        story.asks(keyed::<Account>("k", 1_000, "a", deposit(5)), done(2))?;
        story.asks(keyed::<Account>("k", now, "a", deposit(5)), replayed(done(2)))
    };
    accepted(|story| tell(story, 1_000 + DAY_MS - 1));
    rejected(Check::Replay, |story| tell(story, 1_000 + DAY_MS));
}

#[test]
fn after_a_day_a_key_is_another() {
    let tell = |story: &mut Story, at: u64| {
        story.asks(keyed::<Account>("k", 1_000, "a", deposit(5)), done(2))?;
        let second = told_at(done(3), at);
        story.asks(keyed::<Account>("k", at, "a", deposit(5)), second.clone())?;
        story.asks(keyed::<Account>("k", at, "a", deposit(5)), replayed(second))?;
        // A repeat of the first life that left late.
        story.asks(keyed::<Account>("k", 1_000, "a", deposit(5)), replayed(done(2)))
    };
    accepted(|story| tell(story, 1_000 + DAY_MS));
    rejected(Check::Replay, |story| tell(story, 999 + DAY_MS));
}
