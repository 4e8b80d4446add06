//! Many callers on many threads: whatever they ask at once, nothing is spent twice, and every
//! answer fits to the log and to each other.

use quipu_disk::RealDisk;

use crate::callers::{Callers, kept};
use crate::load::{self, Shape};
use crate::running::{Run, frames};
use crate::say::machines;

const CALLERS: u64 = 64;

const SHAPE: Shape =
    Shape { accounts: 24, tickets: 40, drops: 3, flows: 3, keys: 200, expires: true };

fn storm(shards: usize, seed: u64, asks: u64) {
    println!("{shards} shards, seed {seed}");
    let folder = tempfile::tempdir().expect("a folder");
    let disk = RealDisk::open(folder.path()).expect("a disk");
    let running = Run::small(shards).start(&disk);
    let callers = Callers::new(running.handle.clone(), SHAPE);
    for line in load::first(&SHAPE) {
        callers.asks(&line);
    }
    std::thread::scope(|scope| {
        for caller in 0..CALLERS {
            let callers = &callers;
            scope.spawn(move || callers.works(seed << 8 | caller, asks));
        }
    });
    for line in load::last(&SHAPE) {
        callers.asks(&line);
    }
    let mut audit = callers.audit();
    kept(audit.all_answered());
    let before = frames(&**running.handle.log());
    kept(audit.check(&before, &machines()));
    kept(audit.search());
    println!("{:?}", audit.counts());
    let tally = callers.tally();
    assert_eq!(callers.failed(), 0, "nothing has failed");
    println!("done, refused, replayed, left: {tally:?}, {} frames", before.len());
    assert!(tally.iter().all(|&count| count > CALLERS), "{tally:?}");
    assert!(!running.stop(), "nothing has failed");
    assert_eq!(callers.ledger().under_way(), (0, 0), "everybody has left through the gate");
    let again = Run::small(shards).start(&disk);
    let after = frames(&**again.handle.log());
    assert!(after.len() >= before.len() && after[..before.len()] == before, "history has changed");
}

#[test]
fn nothing_is_spent_twice_by_64_threads_on_one_shard() {
    storm(1, 11, 300);
}

#[test]
fn nothing_is_spent_twice_by_64_threads_on_two_shards() {
    storm(2, 12, 300);
}

#[test]
fn nothing_is_spent_twice_by_64_threads_on_eight_shards() {
    storm(8, 13, 300);
}
