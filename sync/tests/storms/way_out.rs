//! The way out under load: callers, shards, a committer whose log may fail, and whoever stops it
//! all.

use std::sync::Arc;

use quipu_sync::planted::Planted;
use quipu_sync::{Doorbell, Gate, Inbox, Sequencer, Watermark};
use shuttle::thread;

use crate::storm::{catches, holds, is_caught};

const CALLERS: usize = 10;
const SHARDS: usize = 2;

/// What becomes of a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Reply {
    Durable(u64),
    Failed,
}

/// What is done wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wrong {
    Nothing,
    /// A shard ends as soon as the gate is closed and nothing is in its inbox.
    LeaveEarly,
    /// A failure is said after the bells were rung.
    RingFirst,
    /// A failed append moves the watermark.
    PublishFailed,
}

struct Shared {
    gate: Gate,
    inboxes: [Inbox<usize>; SHARDS],
    bells: [Doorbell; SHARDS],
    lane: Inbox<Vec<u64>>,
    lane_bell: Doorbell,
    sequencer: Sequencer,
    watermark: Watermark,
    replies: [Inbox<Reply>; CALLERS],
    caller_bells: [Doorbell; CALLERS],
}

/// Calls, and waits for the answer. Nothing where it was not let in.
fn caller(shared: &Shared, me: usize) -> Option<Reply> {
    shared.gate.enter(1, 1).ok()?;
    let shard = me % SHARDS;
    assert_eq!(shared.inboxes[shard].put(me), Ok(()), "the inbox outlives whoever is let in");
    shared.bells[shard].ring();
    let mut replies = Vec::new();
    while replies.is_empty() {
        shared.caller_bells[me].sleep_unless(|| !shared.replies[me].is_empty());
        shared.replies[me].take(&mut replies);
    }
    assert_eq!(replies.len(), 1, "answered once");
    replies.pop()
}

fn pump(shared: &Shared, me: usize, wrong: Wrong) {
    let (mut calls, mut parked) = (Vec::new(), Vec::<(u64, usize)>::new());
    let answer = |caller: usize, reply: Reply| {
        assert_eq!(shared.replies[caller].put(reply), Ok(()));
        shared.gate.leave(1, 1);
        shared.caller_bells[caller].ring();
    };
    loop {
        // Asked first: the position that is read then is the last one.
        let has_failed = shared.watermark.has_failed();
        let news = (shared.watermark.read().0, has_failed);
        parked.retain(|(at, caller)| {
            let reply = if *at <= news.0 { Reply::Durable(*at) } else { Reply::Failed };
            let waits = *at > news.0 && !news.1;
            if !waits {
                answer(*caller, reply);
            }
            waits
        });
        shared.inboxes[me].take(&mut calls);
        let mut batch = Vec::new();
        for caller in calls.drain(..) {
            if news.1 || shared.sequencer.draw(1, 1).is_err() {
                answer(caller, Reply::Failed);
                continue;
            }
            let at = shared.sequencer.take(1);
            batch.push(at);
            parked.push((at, caller));
        }
        if !batch.is_empty() {
            assert!(shared.lane.put(batch).is_ok(), "the lane outlives the shards");
            shared.lane_bell.ring();
            continue;
        }
        let may_end =
            || shared.gate.is_closed() && (shared.gate.calls() == 0 || wrong == Wrong::LeaveEarly);
        let has_news = || (shared.watermark.read().0, shared.watermark.has_failed()) != news;
        let has_work = || !shared.inboxes[me].is_empty() || has_news();
        if may_end() && !has_work() {
            break;
        }
        shared.bells[me].sleep_unless(|| has_work() || may_end());
    }
    shared.inboxes[me].close();
    // The other shards may wait for the last call to be answered.
    ring(&shared.bells);
}

fn ring(bells: &[Doorbell]) {
    for bell in bells {
        bell.ring();
    }
}

/// Appends until the lane is closed and empty. The second append fails, where any does.
fn commit(shared: &Shared, fails: bool, wrong: Wrong) -> u64 {
    let (mut next, mut waiting, mut batches, mut appends) = (1, Vec::new(), Vec::new(), 0);
    loop {
        shared.lane.take(&mut batches);
        let goes_on = batches.iter().all(|batch: &Vec<u64>| !batch.is_empty());
        waiting.extend(batches.drain(..).flatten());
        let first = next;
        while let Some(place) = waiting.iter().position(|at| *at == next) {
            waiting.swap_remove(place);
            next += 1;
        }
        if next > first && !shared.watermark.has_failed() {
            appends += 1;
            if fails && appends == 2 {
                if wrong == Wrong::RingFirst {
                    ring(&shared.bells);
                }
                if wrong == Wrong::PublishFailed {
                    shared.watermark.publish(next - 1, next - 1);
                }
                shared.watermark.fail();
                next = first;
            } else {
                shared.sequencer.give_back(next - first, next - first);
                shared.watermark.publish(next - 1, next - 1);
            }
            if wrong != Wrong::RingFirst || !shared.watermark.has_failed() {
                ring(&shared.bells);
            }
        }
        if !goes_on {
            return shared.watermark.read().0.min(next - 1);
        }
        shared.lane_bell.sleep_unless(|| !shared.lane.is_empty());
    }
}

/// Fourteen threads, with the one that stops them.
fn stop(fails: bool, wrong: Wrong) -> impl Fn() + Send + Sync + 'static {
    move || {
        let shared = Arc::new(Shared {
            gate: Gate::new(6, 6),
            inboxes: <[Inbox<usize>; SHARDS]>::default(),
            bells: <[Doorbell; SHARDS]>::default(),
            lane: Inbox::default(),
            lane_bell: Doorbell::default(),
            sequencer: Sequencer::new(1, 64, 64),
            watermark: Watermark::new(0, 0),
            replies: <[Inbox<Reply>; CALLERS]>::default(),
            caller_bells: <[Doorbell; CALLERS]>::default(),
        });
        shared.sequencer.set_room(64, false);
        let callers: Vec<_> = (0..CALLERS)
            .map(|me| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || caller(&shared, me))
            })
            .collect();
        let shards: Vec<_> = (0..SHARDS)
            .map(|me| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || pump(&shared, me, wrong))
            })
            .collect();
        let committer = thread::spawn({
            let shared = Arc::clone(&shared);
            move || commit(&shared, fails, wrong)
        });
        shared.gate.close();
        ring(&shared.bells);
        shards.into_iter().for_each(|shard| shard.join().expect("it ends"));
        // An empty batch is the last one.
        assert!(shared.lane.put(Vec::new()).is_ok());
        shared.lane.close();
        shared.lane_bell.ring();
        let durable = committer.join().expect("it ends");
        let mut positions = Vec::new();
        for caller in callers {
            match caller.join().expect("it ends") {
                Some(Reply::Durable(at)) => positions.push(at),
                Some(Reply::Failed) => assert!(fails, "nothing has failed"),
                None => {}
            }
        }
        positions.sort_unstable();
        assert!(positions.iter().copied().eq(1..=durable), "acknowledged is what is durable");
        assert_eq!((shared.gate.calls(), shared.gate.bytes()), (0, 0));
    }
}

#[test]
fn a_stop_under_load_answers_or_refuses_everybody() {
    holds("stop, 14 threads", stop(false, Wrong::Nothing));
}

#[test]
fn a_stop_while_the_log_fails_answers_or_refuses_everybody() {
    holds("stop and failed sync, 14 threads", stop(true, Wrong::Nothing));
}

#[test]
fn a_shard_that_ends_while_somebody_is_let_in_is_caught() {
    is_caught("end at the first empty inbox", "deadlock", stop(false, Wrong::LeaveEarly));
}

#[test]
fn a_ring_before_the_failure_is_said_is_caught() {
    is_caught("ring before fail", "deadlock", stop(true, Wrong::RingFirst));
}

#[test]
fn a_watermark_of_what_has_failed_is_caught() {
    is_caught("publish what has failed", "acknowledged is", stop(true, Wrong::PublishFailed));
}

#[test]
fn a_gate_that_looks_and_then_counts_is_caught() {
    catches(Planted::EnterInTwoSteps, "outlives", stop(false, Wrong::Nothing));
}
