//! An answer that waits for a racing watermark leaves once, and whoever holds it never sleeps for
//! ever.

use std::sync::Arc;

use loom::thread;
use quipu_sync::explore::{catches, holds, is_caught};
use quipu_sync::planted::Planted;
use quipu_sync::{Doorbell, Watermark};

/// What is done in a wrong order.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wrong {
    Nothing,
    /// Bells are rung, and then the watermark moves.
    RingFirst,
    /// The shard looks, and then lies down.
    LookFirst,
    /// The shard takes a ring for the watermark.
    TrustRing,
}

/// Two shards hold back an answer each, and the committer publishes twice.
fn parking(wrong: Wrong) -> impl Fn() + Send + Sync + 'static {
    move || {
        let watermark = Arc::new(Watermark::new(0, 0));
        let bells: Arc<[Doorbell; 2]> = Arc::default();
        let shard = |shard: usize| {
            let (watermark, bells) = (Arc::clone(&watermark), Arc::clone(&bells));
            move || {
                let waits_for = shard as u64 + 1;
                let is_durable = || watermark.read().0 >= waits_for;
                let (mut parked, mut answered) = (Some(()), 0);
                while parked.is_some() {
                    if is_durable() {
                        answered += parked.take().map_or(0, |()| 1);
                        continue;
                    }
                    if wrong == Wrong::LookFirst {
                        bells[shard].sleep_unless(|| false);
                    } else {
                        bells[shard].sleep_unless(is_durable);
                    }
                    if wrong == Wrong::TrustRing {
                        parked = None;
                        answered += 1;
                        assert!(is_durable(), "an answer before it is durable");
                    }
                }
                assert_eq!(answered, 1);
            }
        };
        let shards = [thread::spawn(shard(0)), thread::spawn(shard(1))];
        for position in 1..=2 {
            if wrong != Wrong::RingFirst {
                watermark.publish(position, position);
            }
            for bell in bells.iter() {
                bell.ring();
            }
            if wrong == Wrong::RingFirst {
                watermark.publish(position, position);
            }
        }
        shards.into_iter().for_each(|shard| shard.join().expect("it ends"));
    }
}

#[test]
fn a_parked_answer_leaves_once_and_nobody_sleeps_for_ever() {
    holds("parking", 2, 27_784, parking(Wrong::Nothing));
}

#[test]
fn a_ring_before_the_watermark_is_caught() {
    is_caught("ring before publish", 2, "deadlock", parking(Wrong::RingFirst));
}

#[test]
fn a_shard_that_looks_before_it_lies_down_is_caught() {
    is_caught("park without a second look", 2, "deadlock", parking(Wrong::LookFirst));
}

#[test]
fn a_ring_taken_for_the_watermark_is_caught() {
    is_caught(
        "a ring taken for the watermark",
        2,
        "before it is durable",
        parking(Wrong::TrustRing),
    );
}

#[test]
fn lying_down_with_a_store_is_caught() {
    catches(Planted::LieDownStores, 2, "deadlock", parking(Wrong::Nothing));
}

#[test]
fn a_ring_that_looks_first_is_caught() {
    catches(Planted::RingPeeks, 2, "deadlock", parking(Wrong::Nothing));
}
