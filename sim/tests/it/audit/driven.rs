//! What whoever drives a ledger asks: whether all was answered, and what a recovery came to.

use quipu_core::machines::account::Account;
use quipu_sim::audit::Check;

use super::story::*;

#[test]
fn every_ask_is_answered() {
    let tell = |story: &mut Story, is_answered: bool| {
        let call = story.sends(ask::<Account>("a", open(), "Opened"));
        if is_answered {
            story.hears(call, done(1))?;
        }
        story.audit.all_answered()
    };
    accepted(|story| tell(story, true));
    rejected(Check::Liveness, |story| tell(story, false));
}

#[test]
fn whoever_has_left_waits_for_nothing() {
    accepted(|story| {
        let call = story.sends(ask::<Account>("a", open(), "Opened"));
        story.audit.gone(call);
        story.audit.all_answered()
    });
}

#[test]
fn an_ask_is_answered_within_its_time() {
    let tell = |story: &mut Story, now: u64| {
        story.sends(keyed::<Account>("k", 1_000, "a", deposit(5)));
        story.audit.overdue(time(now), 500)
    };
    accepted(|story| tell(story, 1_500));
    rejected(Check::Liveness, |story| tell(story, 1_501));
}

#[test]
fn an_ask_is_answered_once() {
    let tell = |story: &mut Story, times: u64| {
        let call = story.sends(ask::<Account>("a", open(), "Opened"));
        (0..times).try_for_each(|_| story.hears(call, done(1)))
    };
    accepted(|story| tell(story, 1));
    rejected(Check::Liveness, |story| tell(story, 2));
}

#[test]
fn recovering_twice_is_recovering_once_and_is_what_the_log_says() {
    let tell = |story: &mut Story, [once, twice, replayed]: [u8; 3]| {
        story.audit.recovered([once; 32], [twice; 32], [replayed; 32])
    };
    accepted(|story| tell(story, [1, 1, 1]));
    rejected(Check::Recovery, |story| tell(story, [1, 2, 1]));
    rejected(Check::Recovery, |story| tell(story, [1, 1, 2]));
}
