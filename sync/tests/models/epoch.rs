//! A writer whose epoch was taken from it acknowledges nothing that its successor does not know.

use std::sync::Arc;

use loom::sync::Mutex;
use loom::thread;
use quipu_core::commit::{Committer, Published};
use quipu_core::log::{Finish, Log, MemoryLog, Reader, Settle};
use quipu_core::words::{Position, Timestamp};
use quipu_core::{Mutant, plant};
use quipu_sync::explore::{holds, is_caught};
use quipu_sync::{Doorbell, Watermark};

use crate::failure::batch;

/// What is done wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wrong {
    Nothing,
    /// The log takes frames of any epoch.
    EpochIgnored,
    /// The old writer takes what was written for durable.
    PublishWritten,
}

/// An old writer appends two frames, each in two steps, and a shard acknowledges them. A new one
/// takes its epoch, looks at what is there, and goes on.
fn two_writers(wrong: Wrong) -> impl Fn() + Send + Sync + 'static {
    move || {
        plant((wrong == Wrong::EpochIgnored).then_some(Mutant::EpochIgnored));
        let mut log = MemoryLog::new(Settle::WhenTold);
        let mut other = log.reopen();
        let epoch = log.take_epoch().expect("a log in memory gives one");
        // What both writers have in common: the model must see whose turn it is.
        let disk = Arc::new(Mutex::new(()));
        let watermark = Arc::new(Watermark::new(0, 0));
        let bell = Arc::new(Doorbell::default());

        let old = thread::spawn({
            let (disk, watermark, bell) = (Arc::clone(&disk), watermark.clone(), bell.clone());
            move || {
                let mut committer = Committer::new(1, epoch, Published::default());
                for at in 1..=2 {
                    committer.add(0, batch(at));
                    let frame = committer.gather(Timestamp::ZERO).expect("there is an entry");
                    let turn = disk.lock().expect("nobody panics");
                    let appended = log.append(frame);
                    drop(turn);
                    if wrong == Wrong::PublishWritten && appended.is_ok() {
                        watermark.publish(at, at);
                    }
                    let turn = disk.lock().expect("nobody panics");
                    log.settle(Finish::Durable, true);
                    let finish = log.finish().unwrap_or(Finish::Fenced);
                    drop(turn);
                    let Some(committed) = committer.finish(finish) else {
                        watermark.fail();
                        bell.ring();
                        return;
                    };
                    watermark.publish(committed.published.watermark.get(), at);
                    bell.ring();
                }
            }
        });
        let shard = thread::spawn({
            let watermark = Arc::clone(&watermark);
            move || {
                let done = || watermark.read().0 == 2 || watermark.has_failed();
                while !done() {
                    bell.sleep_unless(done);
                }
                watermark.read().0
            }
        });

        let turn = disk.lock().expect("nobody panics");
        let epoch = other.take_epoch().expect("a log in memory gives one");
        let found = other.bounds().1.get() - 1;
        drop(turn);
        let published = Published { watermark: Position::new(found), now_limit: Timestamp::ZERO };
        let mut committer = Committer::new(1, epoch, published);
        committer.add(0, batch(found + 1));
        let frame = committer.gather(Timestamp::ZERO).expect("there is an entry");
        let turn = disk.lock().expect("nobody panics");
        let appended = other.append(frame);
        other.settle(Finish::Durable, true);
        drop(turn);

        old.join().expect("it ends");
        let acknowledged = shard.join().expect("it ends");
        assert!(acknowledged <= found, "the old writer says what the new one does not know");
        assert!(appended.is_ok(), "the new writer can write");
        let epochs: Vec<u64> = other.frames().iter().map(|frame| frame.epoch.get()).collect();
        assert!(epochs.is_sorted(), "a frame of the old writer behind the new one's");
        assert_eq!(other.bounds().1.get(), found + 2);
    }
}

#[test]
fn a_revoked_epoch_acknowledges_nothing() {
    holds("two writers", 3, 3_602, two_writers(Wrong::Nothing));
}

#[test]
fn a_log_that_ignores_epochs_is_caught() {
    is_caught("epoch ignored", 3, "does not know", two_writers(Wrong::EpochIgnored));
    plant(None);
}

#[test]
fn an_answer_before_the_append_has_ended_is_caught() {
    is_caught("publish before the end", 3, "does not know", two_writers(Wrong::PublishWritten));
}
