//! Hand-over through an inbox and a doorbell: nothing is lost or doubled, each producer's things
//! stay in order, and nobody sleeps for ever.

use std::sync::Arc;
use std::task::{Wake, Waker};

use loom::thread;
use quipu_sync::explore::{holds, is_caught};
use quipu_sync::{Doorbell, Inbox};

/// What is done in a wrong order.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wrong {
    Nothing,
    /// The bell is rung, and then the thing is put in.
    RingFirst,
    /// The sleeper looks, and then lies down.
    LookFirst,
}

/// Two producers, and their consumer.
fn hand_over(wrong: Wrong) -> impl Fn() + Send + Sync + 'static {
    move || {
        let inbox = Arc::new(Inbox::default());
        let bell = Arc::new(Doorbell::default());
        let producer = |things: &'static [(u8, u8)]| {
            let (inbox, bell) = (Arc::clone(&inbox), Arc::clone(&bell));
            move || {
                for thing in things {
                    if wrong == Wrong::RingFirst {
                        bell.ring();
                    }
                    assert_eq!(inbox.put(*thing), Ok(()));
                    if wrong != Wrong::RingFirst {
                        bell.ring();
                    }
                }
            }
        };
        let producers = [
            thread::spawn(producer(&[(0, 0), (0, 1)])),
            thread::spawn(producer(&[(1, 0), (1, 1)])),
        ];
        let mut all = Vec::new();
        while all.len() < 4 {
            let before = all.len();
            inbox.take(&mut all);
            if all.len() > before {
                continue;
            }
            if wrong == Wrong::LookFirst {
                let has_work = !inbox.is_empty();
                bell.sleep_unless(|| has_work);
            } else {
                bell.sleep_unless(|| !inbox.is_empty());
            }
        }
        producers.into_iter().for_each(|producer| producer.join().expect("it ends"));
        inbox.take(&mut all);
        for producer in [0, 1] {
            let of = all.iter().filter(|(from, _)| *from == producer).map(|(_, number)| *number);
            assert!(of.eq(0..2), "lost, doubled or out of order: {all:?}");
        }
    }
}

#[test]
fn hand_over_loses_and_doubles_nothing() {
    holds("hand-over", 3, 33_476, hand_over(Wrong::Nothing));
}

#[test]
fn a_ring_before_the_thing_is_there_is_caught() {
    is_caught("ring before put", 2, "deadlock", hand_over(Wrong::RingFirst));
}

#[test]
fn a_look_before_lying_down_is_caught() {
    is_caught("look before lying down", 2, "deadlock", hand_over(Wrong::LookFirst));
}

/// Lies down again as soon as it is woken, and rings as soon as it is let go of.
struct Restless(Arc<Doorbell>);

impl Wake for Restless {
    fn wake(self: Arc<Self>) {
        self.0.lie_down(Waker::from(Arc::clone(&self)));
    }
}

impl Drop for Restless {
    fn drop(&mut self) {
        self.0.ring();
    }
}

#[test]
fn whoever_is_woken_may_lie_down_and_whoever_is_let_go_may_ring() {
    holds("a restless sleeper", 2, 1, || {
        let bell = Arc::new(Doorbell::default());
        bell.lie_down(Waker::from(Arc::new(Restless(Arc::clone(&bell)))));
        assert!(bell.ring(), "it slept");
        assert!(bell.ring(), "and lay down again");
        bell.lie_down(Waker::noop().clone());
        assert!(bell.ring(), "another one slept");
        assert!(!bell.ring(), "and does not lie down again");
    });
}
