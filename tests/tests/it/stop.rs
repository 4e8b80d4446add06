//! An engine that ends under load: everybody is answered, what was acknowledged is there, and no
//! thread is left.

use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

use quipu_disk::RealDisk;
use quipu_sim::Random;

use crate::callers::{Callers, kept};
use crate::load::{self, Shape};
use crate::running::{Run, Running, frames};
use crate::say::machines;

const CALLERS: u64 = 32;

const SHAPE: Shape =
    Shape { accounts: 16, tickets: 30, drops: 3, flows: 2, keys: 100, expires: true };

/// How an engine ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    Stopped,
    Dropped,
}

/// Lets 32 callers ask until there is nobody who answers, and ends the engine meanwhile.
fn end_under_load(shards: usize, seed: u64, end: End) {
    println!("{shards} shards, seed {seed}, {end:?}");
    let mut random = Random::new(seed);
    let folder = tempfile::tempdir().expect("a folder");
    let disk = RealDisk::open(folder.path()).expect("a disk");
    let running = Run::small(shards).start(&disk);
    let callers = Callers::new(running.handle.clone(), SHAPE);
    for line in load::first(&SHAPE) {
        callers.asks(&line);
    }
    let asked = AtomicU64::new(0);
    let end_at = random.below(1_500);
    std::thread::scope(|scope| {
        for caller in 0..CALLERS {
            let (callers, asked) = (&callers, &asked);
            scope.spawn(move || {
                for round in 0.. {
                    asked.fetch_add(1, Ordering::Relaxed);
                    callers.works(seed << 20 | caller << 10 | round, 1);
                    if callers.failed() > 0 && round > 3 {
                        return;
                    }
                }
            });
        }
        while asked.load(Ordering::Relaxed) < end_at {
            std::thread::yield_now();
        }
        match end {
            End::Stopped => assert!(!running.stop(), "nothing has failed"),
            End::Dropped => {
                let Running { engine, folder, .. } = running;
                drop(engine);
                drop(folder);
            }
        }
    });
    let faults = callers.faults();
    let expected: &[&str] = match end {
        End::Stopped => &["Stopping"],
        // Whoever was under way is told that nobody knows.
        End::Dropped => &["Stopping", "LogFailed"],
    };
    assert!(faults.keys().all(|fault| expected.contains(&fault.as_str())), "{faults:?}");
    let mut audit = callers.audit();
    kept(audit.all_answered());
    if end == End::Stopped {
        assert_eq!(callers.ledger().under_way(), (0, 0));
    }
    let again = Run::small(shards).start(&disk);
    kept(audit.check(&frames(&**again.handle.log()), &machines()));
    kept(audit.search());
    assert!(!again.stop());
}

#[test]
fn whoever_asks_while_it_stops_is_answered_and_what_was_acknowledged_is_there() {
    for shards in [1, 2, 8] {
        for seed in 0..3 {
            end_under_load(shards, seed, End::Stopped);
        }
    }
}

#[test]
fn whoever_asks_while_it_is_dropped_is_answered_and_what_was_acknowledged_is_there() {
    for shards in [1, 2, 8] {
        for seed in 0..3 {
            end_under_load(shards, seed, End::Dropped);
        }
    }
}

/// What tells the test binary that it is the one whose threads are counted.
const COUNTS: &str = "QUIPU_COUNTS_THREADS";

/// Threads can be counted where nobody else has any: in a process for this alone.
#[cfg(target_os = "linux")]
#[test]
fn no_thread_is_left() {
    if std::env::var(COUNTS).is_err() {
        let own = std::env::current_exe().expect("this binary has a name");
        let args = ["stop::no_thread_is_left", "--exact", "--test-threads", "1"];
        let ended = Command::new(own).args(args).env(COUNTS, "1").output().expect("a process");
        let said = String::from_utf8_lossy(&ended.stdout);
        assert!(ended.status.success(), "{said}");
        return;
    }
    let threads = || std::fs::read_dir("/proc/self/task").expect("a list").count();
    for end in [End::Stopped, End::Dropped] {
        for shards in [1, 2, 8] {
            let before = threads();
            end_under_load(shards, 99, end);
            // A thread that was joined may take a moment to vanish from the list.
            while threads() > before {
                std::thread::yield_now();
            }
        }
    }
}
