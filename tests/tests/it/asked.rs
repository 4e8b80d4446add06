//! Checkpoints that somebody asks for, while a ledger runs.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;

use quipu::Files;
use quipu_core::shard::{Ask, Reply};
use quipu_core::store::{Reader as _, StoreError};
use quipu_core::words::{Fault, Position};
use quipu_sim::disk::{Fault as Failure, Keep, SimDisk, When};

use crate::running::{Run, Running, runtime};
use crate::say::*;

/// What somebody who asks for a checkpoint is told.
fn checkpoint(running: &Running<SimDisk>) -> Result<Result<Position, StoreError>, Fault> {
    runtime().block_on(running.engine.checkpoint())
}

fn made(running: &Running<SimDisk>) -> Position {
    checkpoint(running).expect("it is tried").expect("it is made")
}

fn pay(number: u64) -> Ask {
    command::<quipu_core::machines::account::Account>(&format!("a{}", number % 8), deposit(1))
}

/// A ledger with eight accounts, whose checkpoints are all asked for.
fn begun(disk: &SimDisk, shards: usize) -> Running<SimDisk> {
    let mut run = Run::small(shards);
    run.settings.checkpoint_bytes = 64 << 20;
    let running = run.start(disk);
    for number in 0..8 {
        done(running.handle.ask(open(&format!("a{number}"))).wait());
    }
    running
}

#[test]
fn what_is_durable_when_it_is_asked_for_is_in_the_store_when_it_is_answered() {
    for shards in [1, 2, 8] {
        let disk = SimDisk::new();
        let running = begun(&disk, shards);
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                let mut number = 0;
                while !is_over.load(Ordering::Relaxed) {
                    done(running.handle.ask(pay(number)).wait());
                    number += 1;
                }
            });
            let askers: Vec<_> = (0..3)
                .map(|_| {
                    scope.spawn(|| {
                        for _ in 0..6 {
                            let durable = running.handle.durable().watermark;
                            let position = made(&running);
                            assert!(position >= durable, "{position} is less than {durable}");
                            // Power goes at once.
                            let run = Run::small(1);
                            let left = disk.image(Keep::Nothing);
                            let files = Files::open(left, &run.registry, &run.options);
                            let kept = files.expect("it opens").store.position();
                            assert!(kept >= position, "{kept} is less than {position}");
                        }
                    })
                })
                .collect();
            let ended: Vec<_> = askers.into_iter().map(|asker| asker.join()).collect();
            is_over.store(true, Ordering::Relaxed);
            writer.join().expect("everything is done");
            assert!(ended.iter().all(Result::is_ok));
        });
        let last = made(&running);
        assert_eq!(last, running.handle.durable().watermark);
        assert_eq!(made(&running), last, "there is nothing to bring");
        assert!(!running.stop());
    }
}

#[test]
fn a_disk_without_room_is_told_and_whoever_asks_again_gets_it() {
    let disk = SimDisk::new();
    let running = begun(&disk, 2);
    made(&running);
    let before = disk.used();
    for number in 0..2_000 {
        done(running.handle.ask(pay(number)).wait());
    }
    disk.set_capacity(Some(before));
    let full = checkpoint(&running).expect("it is tried");
    assert!(matches!(full, Err(StoreError::Full(_))), "{full:?}");
    disk.set_capacity(None);
    assert_eq!(made(&running), running.handle.durable().watermark);
    done(running.handle.ask(pay(0)).wait());
    assert!(!running.stop());
}

#[test]
fn a_store_that_has_failed_says_so_each_time_and_the_ledger_goes_on() {
    let disk = SimDisk::new();
    let running = begun(&disk, 2);
    made(&running);
    done(running.handle.ask(pay(0)).wait());
    disk.schedule(Failure::FailSync, When::nth(1).of("store"));
    for _ in 0..2 {
        let failed = checkpoint(&running).expect("it is tried");
        assert!(failed.is_err(), "{failed:?}");
        done(running.handle.ask(pay(1)).wait());
    }
    drop(running);
    let again = begun_again(&disk.reopen());
    assert_eq!(made(&again), again.handle.durable().watermark);
    assert!(!again.stop());
}

fn begun_again(disk: &SimDisk) -> Running<SimDisk> {
    let running = Run::small(2).start(disk);
    done(running.handle.ask(pay(0)).wait());
    running
}

#[test]
fn a_ledger_whose_log_has_failed_makes_none() {
    let disk = SimDisk::new();
    let running = begun(&disk, 2);
    let before = made(&running);
    done(running.handle.ask(pay(0)).wait());
    disk.schedule(Failure::FailSync, When::nth(1).of("log/"));
    assert_eq!(running.handle.ask(pay(1)).wait(), Reply::Failed(Fault::LogFailed));
    assert_eq!(checkpoint(&running), Err(Fault::LogFailed));
    let run = Run::small(1);
    let files = Files::open(disk.image(Keep::Nothing), &run.registry, &run.options);
    assert_eq!(files.expect("it opens").store.position(), before);
    assert!(running.stop());
}

#[test]
fn more_orders_than_may_wait_are_overload_and_no_end() {
    let disk = SimDisk::new();
    let running = begun(&disk, 1);
    let (begin, has_begun) = channel::<()>();
    let (release, released) = channel::<()>();
    let hold = running.engine.order(move |_, _| {
        drop(begin);
        let _ = released.recv();
    });
    assert!(has_begun.recv().is_err(), "it says so by letting go");
    let waiting: Vec<_> = (0..16).map(|_| running.engine.checkpoint()).collect();
    assert_eq!(checkpoint(&running), Err(Fault::Overloaded));
    assert_eq!(runtime().block_on(running.engine.order(|_, _| ())), Err(Fault::Overloaded));
    drop(release);
    runtime().block_on(hold).expect("it is carried out");
    for asked in waiting {
        let position = runtime().block_on(asked).expect("it is tried").expect("it is made");
        assert_eq!(position, running.handle.durable().watermark);
    }
    assert!(!running.stop());
}
