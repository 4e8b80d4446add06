//! A failed sync wakes every waiter and acknowledges none.

use std::sync::Arc;

use loom::thread;
use quipu_core::batch::{Batch, EntryAt};
use quipu_core::commit::{Committer, Published};
use quipu_core::log::{Finish, Log, MemoryLog, Settle};
use quipu_core::words::{Epoch, Position, Timestamp};
use quipu_sync::explore::{holds, is_caught};
use quipu_sync::{Doorbell, Inbox, Watermark};

/// What is done wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wrong {
    Nothing,
    /// Bells are rung, and then the failure is said.
    RingFirst,
    /// Only one shard is told.
    RingOne,
    /// A shard reads the position, and then whether the log has failed.
    PositionFirst,
    /// The watermark moves once the frame is written.
    PublishWritten,
}

/// A batch with an entry of a single position.
pub(crate) fn batch(at: u64) -> Batch {
    let first = Position::new(at);
    // An entry begins with two words, and its time lies in the second.
    let bytes = vec![0; 16];
    let end = bytes.len() as u32;
    let entry = EntryAt { first, events: 1, end, rows_end: 0, slots: 1, reserved: 16 };
    Batch { bytes, entries: vec![entry], ..Batch::default() }
}

fn ring(bells: &[Doorbell]) {
    for bell in bells {
        bell.ring();
    }
}

/// Two shards hand over an entry each and hold back its answer. The log takes as many frames as
/// it is told to, and fails.
fn failed_sync(wrong: Wrong, durable: usize) -> impl Fn() + Send + Sync + 'static {
    move || {
        let watermark = Arc::new(Watermark::new(0, 0));
        let lane = Arc::new(Inbox::default());
        let (lane_bell, bells) = (Arc::new(Doorbell::default()), Arc::<[Doorbell; 2]>::default());
        let shard = |shard: usize| {
            let (lane, lane_bell) = (Arc::clone(&lane), Arc::clone(&lane_bell));
            let (watermark, bells) = (Arc::clone(&watermark), Arc::clone(&bells));
            move || {
                let waits_for = shard as u64 + 1;
                assert!(lane.put((shard, batch(waits_for))).is_ok());
                lane_bell.ring();
                let is_durable = || watermark.read().0 >= waits_for;
                loop {
                    let early = (wrong == Wrong::PositionFirst).then(is_durable);
                    let has_failed = watermark.has_failed();
                    let is_known = early.unwrap_or_else(is_durable);
                    if is_known || has_failed {
                        return is_known;
                    }
                    bells[shard].sleep_unless(|| is_durable() || watermark.has_failed());
                }
            }
        };
        let shards = [thread::spawn(shard(0)), thread::spawn(shard(1))];

        let mut log = MemoryLog::new(Settle::WhenTold);
        let epoch = log.take_epoch().expect("a log in memory gives one");
        let mut committer = Committer::new(2, epoch, Published::default());
        let (mut batches, mut frames) = (Vec::new(), 0);
        while committer.failed().is_none() {
            let Some(frame) = committer.gather(Timestamp::ZERO) else {
                lane_bell.sleep_unless(|| !lane.is_empty());
                lane.take(&mut batches);
                batches.drain(..).for_each(|(shard, batch)| committer.add(shard, batch));
                continue;
            };
            let written = frame.last().get();
            log.append(frame).expect("it takes a frame");
            if wrong == Wrong::PublishWritten {
                watermark.publish(written, written);
            }
            frames += 1;
            log.settle(if frames > durable { Finish::Failed } else { Finish::Durable }, true);
            let finish = log.finish().expect("it was settled");
            if let Some(committed) = committer.finish(finish) {
                let Published { watermark: at, now_limit } = committed.published;
                watermark.publish(at.get(), now_limit.ms());
            } else {
                if wrong == Wrong::RingFirst {
                    ring(&*bells);
                }
                watermark.fail();
            }
            if wrong == Wrong::RingOne {
                bells[0].ring();
            } else if wrong != Wrong::RingFirst {
                ring(&*bells);
            }
            // Everything has become durable: there is nothing more to fail at.
            if committer.published().watermark == Position::new(2) {
                break;
            }
        }
        let acknowledged = shards.map(|shard| shard.join().expect("it ends"));
        let last = log.frames().last().map_or(0, |frame| frame.last().get());
        for (position, acknowledged) in (1..).zip(acknowledged) {
            assert!(!acknowledged || position <= last, "acknowledged and not durable");
            assert!(acknowledged || position > last, "durable and not acknowledged");
        }
        assert_eq!(epoch, Epoch::ZERO.plus(1));
    }
}

#[test]
fn a_failed_sync_wakes_everybody_and_acknowledges_nobody() {
    holds("failed sync", 2, 18_182, failed_sync(Wrong::Nothing, 0));
}

#[test]
fn a_sync_that_fails_behind_another_takes_nothing_back() {
    holds("failed second sync", 2, 56_692, failed_sync(Wrong::Nothing, 1));
}

#[test]
fn a_ring_before_the_failure_is_said_is_caught() {
    is_caught("ring before fail", 2, "deadlock", failed_sync(Wrong::RingFirst, 0));
}

#[test]
fn a_failure_that_one_shard_never_hears_of_is_caught() {
    is_caught("ring one of two", 2, "deadlock", failed_sync(Wrong::RingOne, 0));
}

#[test]
fn a_position_read_before_the_failure_is_caught() {
    is_caught(
        "position before failure",
        2,
        "not acknowledged",
        failed_sync(Wrong::PositionFirst, 1),
    );
}

#[test]
fn a_watermark_of_what_is_only_written_is_caught() {
    is_caught("publish before sync", 2, "not durable", failed_sync(Wrong::PublishWritten, 0));
}
