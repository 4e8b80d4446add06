//! What was answered is there, and was when it was answered.

use quipu_core::commit::Published;
use quipu_core::machines::account::Account;
use quipu_core::words::Epoch;
use quipu_sim::audit::Check;

use super::story::*;

#[test]
fn an_answer_leaves_once_it_is_durable() {
    let tell = |story: &mut Story, watermark: u64, now_limit: u64| {
        let call = story.sends(ask::<Account>("a", open(), "Opened"));
        let durable = Published { watermark: at(watermark), now_limit: time(now_limit) };
        story.audit.answered(call, done(5), durable)
    };
    accepted(|story| tell(story, 5, 1_000));
    rejected(Check::Durability, |story| tell(story, 4, 1_000));
    rejected(Check::Durability, |story| tell(story, 5, 999));
}

#[test]
fn what_was_acknowledged_is_in_the_log() {
    let tell = |story: &mut Story, is_lost: bool| {
        story.event(&an_account("a"), opened());
        story.event(&an_account("a"), deposited(5, 5));
        story.asks(ask::<Account>("a", deposit(5), "Deposited"), done(2))?;
        story.checks()?;
        if is_lost {
            story.frames.pop();
        }
        story.checks()
    };
    accepted(|story| tell(story, false));
    rejected(Check::Durability, |story| tell(story, true));
}

#[test]
fn what_was_acknowledged_is_what_is_at_its_position() {
    let tell = |story: &mut Story, amount: u64| {
        story.event(&an_account("a"), opened());
        story.event(&an_account("a"), deposited(amount, amount as i64));
        let text = "Deposited(Deposited { amount: 5,";
        story.asks(ask::<Account>("a", deposit(5), text), done(2))?;
        story.checks()
    };
    accepted(|story| tell(story, 5));
    rejected(Check::Durability, |story| tell(story, 6));
}

#[test]
fn a_log_has_no_gap() {
    let tell = |story: &mut Story, is_cut: bool| {
        story.event(&an_account("a"), opened());
        story.event(&an_account("b"), opened());
        story.event(&an_account("c"), opened());
        if is_cut {
            story.frames.remove(1);
        }
        story.checks()
    };
    accepted(|story| tell(story, false));
    rejected(Check::Durability, |story| tell(story, true));
}

#[test]
fn a_log_can_be_read() {
    let tell = |story: &mut Story, is_damaged: bool| {
        story.event(&an_account("a"), opened());
        if is_damaged {
            story.frames[0].bytes[0] ^= 1;
        }
        story.checks()
    };
    accepted(|story| tell(story, false));
    rejected(Check::Durability, |story| tell(story, true));
}

#[test]
fn an_event_follows_the_one_before_it() {
    let tell = |story: &mut Story, whose: &str| {
        story.event(&an_account("a"), opened());
        story.event(&an_account("b"), opened());
        story.event(&an_account(whose), deposited(0, 0));
        story.event(&an_account("b"), deposited(5, 5));
        // The third event is lost, and the fourth stands in its place.
        story.frames.remove(2);
        story.frames[2].first = at(3);
        story.checks()
    };
    accepted(|story| tell(story, "a"));
    rejected(Check::Durability, |story| tell(story, "b"));
}

#[test]
fn a_writer_that_was_fenced_off_writes_no_more() {
    let tell = |story: &mut Story, epoch: u64| {
        story.event(&an_account("a"), opened());
        story.audit.fenced(at(2), Epoch::new(2));
        story.epoch = epoch;
        story.event(&an_account("a"), deposited(5, 5));
        story.checks()
    };
    accepted(|story| tell(story, 2));
    rejected(Check::Durability, |story| tell(story, 1));
}

#[test]
fn what_nobody_was_told_is_there_once_or_not_at_all() {
    let tell = |story: &mut Story, times: i64| {
        story.audit = core::mem::take(&mut story.audit).hearing_all();
        story.event(&an_account("a"), opened());
        story.asks(ask::<Account>("a", open(), "Opened"), done(1))?;
        story.sends(ask::<Account>("a", deposit(5), "Deposited"));
        story.audit.crashed();
        for time in 1..=times {
            story.event(&an_account("a"), deposited(5, 5 * time));
        }
        story.checks()
    };
    accepted(|story| tell(story, 0));
    accepted(|story| tell(story, 1));
    rejected(Check::Durability, |story| tell(story, 2));
}

#[test]
fn nothing_happens_that_nobody_has_asked_for() {
    let tell = |story: &mut Story, amount: u64| {
        story.audit = core::mem::take(&mut story.audit).hearing_all();
        story.event(&an_account("a"), opened());
        story.event(&an_account("b"), opened());
        story.event(&an_account("a"), deposited(9, 9));
        story.asks(ask::<Account>("a", deposit(9), "Deposited"), done(3))?;
        let call = story.sends(ask::<Account>("a", transfer("b", 4), "Sent"));
        story.audit.gone(call);
        story.joint(transferred(("a", 9 - amount as i64), ("b", amount as i64), amount));
        story.checks()
    };
    accepted(|story| tell(story, 4));
    rejected(Check::Durability, |story| tell(story, 5));
}

#[test]
fn answers_alone_tell_of_an_event_that_nobody_was_told() {
    let tell = |story: &mut Story, second: u64| {
        story.asks(ask::<Account>("a", open(), "Opened"), done(1))?;
        story.asks(ask::<Account>("a", deposit(5), "Deposited"), done(second))?;
        story.audit.check_told(at(0))
    };
    accepted(|story| tell(story, 2));
    rejected(Check::Durability, |story| tell(story, 3));
}
