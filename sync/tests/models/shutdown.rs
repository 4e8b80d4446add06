//! The way out: whatever was let in is answered, and whatever was not is told so.

use std::sync::Arc;

use loom::sync::atomic::{AtomicU64, Ordering};
use loom::thread;
use quipu_sync::explore::{catches, holds, is_caught};
use quipu_sync::gate::Turned;
use quipu_sync::planted::Planted;
use quipu_sync::{Doorbell, Gate, Inbox};

/// What is done wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wrong {
    Nothing,
    /// The shard ends as soon as the gate is closed and its inbox is empty.
    LeaveEarly,
    /// The gate is closed, and nobody is rung.
    NoRing,
}

/// Two callers, their shard, and whoever stops it.
fn stop(wrong: Wrong) -> impl Fn() + Send + Sync + 'static {
    move || {
        let gate = Arc::new(Gate::new(2, 20));
        let inbox = Arc::new(Inbox::default());
        let bell = Arc::new(Doorbell::default());
        let answers: Arc<[AtomicU64; 2]> = Arc::default();
        let caller = |caller: usize| {
            let (gate, inbox, bell) = (Arc::clone(&gate), Arc::clone(&inbox), Arc::clone(&bell));
            move || match gate.enter(1, 10) {
                Ok(()) => {
                    assert_eq!(inbox.put(caller), Ok(()), "the inbox outlives whoever is let in");
                    bell.ring();
                    true
                }
                Err(turned) => {
                    assert_eq!(turned, Turned::Closed, "there is room for both");
                    false
                }
            }
        };
        let callers = [thread::spawn(caller(0)), thread::spawn(caller(1))];
        let shard = thread::spawn({
            let (gate, inbox, bell) = (Arc::clone(&gate), Arc::clone(&inbox), Arc::clone(&bell));
            let answers = Arc::clone(&answers);
            move || {
                let mut calls = Vec::new();
                loop {
                    inbox.take(&mut calls);
                    for caller in calls.drain(..) {
                        // Ordered by the gate alone.
                        let before = answers[caller].load(Ordering::Relaxed);
                        answers[caller].store(before + 1, Ordering::Relaxed);
                        gate.leave(1, 10);
                    }
                    let may_end =
                        || gate.is_closed() && (wrong == Wrong::LeaveEarly || gate.calls() == 0);
                    let has_work = || !inbox.is_empty() || may_end();
                    if inbox.is_empty() && may_end() {
                        break;
                    }
                    bell.sleep_unless(has_work);
                }
                inbox.close();
            }
        });
        gate.close();
        if wrong != Wrong::NoRing {
            bell.ring();
        }
        if gate.calls() == 0 {
            // Whoever sees this sees all answers.
            let answered = answers.iter().map(|answer| answer.load(Ordering::Relaxed));
            let answered = answered.sum::<u64>();
            let let_in = callers.map(|caller| u64::from(caller.join().expect("it ends")));
            assert_eq!(answered, let_in.iter().sum::<u64>(), "answered and not seen");
            shard.join().expect("it ends");
        } else {
            shard.join().expect("it ends");
            for (caller, answer) in callers.into_iter().zip(answers.iter()) {
                let let_in = caller.join().expect("it ends");
                let answers = answer.load(Ordering::Relaxed);
                assert_eq!(answers, u64::from(let_in), "let in and not answered");
            }
        }
        assert_eq!((gate.calls(), gate.bytes()), (0, 0));
        assert_eq!(inbox.put(0), Err(0), "closed");
    }
}

#[test]
fn a_stop_answers_or_refuses_everybody() {
    holds("stop", 3, 117_491, stop(Wrong::Nothing));
}

#[test]
fn a_shard_that_ends_while_somebody_is_let_in_is_caught() {
    is_caught("end at the first empty inbox", 2, "not answered", stop(Wrong::LeaveEarly));
}

#[test]
fn a_stop_without_a_ring_is_caught() {
    is_caught("close without a ring", 2, "deadlock", stop(Wrong::NoRing));
}

#[test]
fn a_gate_that_looks_and_then_counts_is_caught() {
    catches(Planted::EnterInTwoSteps, 2, "not seen", stop(Wrong::Nothing));
}

#[test]
fn leaving_without_an_order_is_caught() {
    catches(Planted::LeaveRelaxed, 2, "not seen", stop(Wrong::Nothing));
}

/// Shards put what they did into the committer's lane, which is closed meanwhile.
fn drain() {
    let lane = Arc::new(Inbox::default());
    let shard = |things: &'static [u8]| {
        let lane = Arc::clone(&lane);
        move || things.iter().filter(|thing| lane.put(**thing).is_ok()).count()
    };
    let shards = [thread::spawn(shard(&[1, 2])), thread::spawn(shard(&[3]))];
    let mut taken = Vec::new();
    lane.take(&mut taken);
    lane.close();
    lane.take(&mut taken);
    let accepted = shards.map(|shard| shard.join().expect("it ends")).iter().sum::<usize>();
    assert_eq!(taken.len(), accepted, "accepted and not drained");
    assert!(lane.is_empty());
}

#[test]
fn a_closed_lane_gives_up_what_it_took_and_takes_nothing_more() {
    holds("drain", 3, 276, drain);
}

#[test]
fn a_lane_that_looks_and_then_takes_is_caught() {
    catches(Planted::PutInTwoSteps, 3, "not drained", drain);
}

/// Callers come and go at a gate that lets in one of them at a time, and none larger than it.
fn bounds() {
    let gate = Arc::new(Gate::new(1, 10));
    let inside = Arc::new(AtomicU64::new(0));
    let caller = |bytes: u64| {
        let (gate, inside) = (Arc::clone(&gate), Arc::clone(&inside));
        move || {
            let entered = gate.enter(1, bytes);
            if entered.is_ok() {
                assert!(bytes <= 10, "too large");
                assert_eq!(inside.fetch_add(1, Ordering::AcqRel), 0, "two at a time");
                inside.fetch_sub(1, Ordering::AcqRel);
                gate.leave(1, bytes);
            }
            entered.is_ok()
        }
    };
    let callers = [thread::spawn(caller(5)), thread::spawn(caller(u64::MAX))];
    let mine = caller(5)();
    let [first, large] = callers.map(|caller| caller.join().expect("it ends"));
    // One may turn the other away at the bound. What is too large turns nobody away.
    assert!(mine || first, "somebody is let in");
    assert!(!large, "not that one");
    assert_eq!((gate.calls(), gate.bytes()), (0, 0));
    assert_eq!(gate.enter(1, 10), Ok(()), "nothing stays behind");
}

#[test]
fn a_gate_never_lets_in_more_than_its_bounds() {
    holds("bounds", 3, 2_526, bounds);
}

#[test]
fn a_gate_that_counts_in_two_steps_is_caught() {
    catches(Planted::EnterInTwoSteps, 3, "two at a time", bounds);
}
