//! Many callers on many threads: whatever they ask at once, nothing is spent twice, and every
//! answer fits to the log and to each other.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

use quipu_actors::Handle;
use quipu_core::shard::{Ask, CallId, Reply};
use quipu_disk::RealDisk;
use quipu_sim::Random;
use quipu_sim::audit::Audit;

use crate::load::{self, Made, Shape};
use crate::running::{Run, frames};
use crate::say::machines;

const CALLERS: u64 = 64;

const SHAPE: Shape =
    Shape { accounts: 24, tickets: 40, drops: 3, flows: 3, keys: 200, expires: true };

/// What all callers share.
struct Callers {
    ledger: Handle,
    audit: Mutex<Audit>,
    made: Mutex<Made>,
    calls: AtomicU64,
    /// Answers of each sort: done, refused, replayed; and callers that left.
    done: AtomicU64,
    refused: AtomicU64,
    replayed: AtomicU64,
    left: AtomicU64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Callers {
    fn new(ledger: Handle) -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            ledger,
            audit: Mutex::default(),
            made: Mutex::default(),
            calls: zero(),
            done: zero(),
            refused: zero(),
            replayed: zero(),
            left: zero(),
        }
    }

    /// Takes note that a line is asked, before it is.
    fn sends(&self, line: &str) -> (CallId, Ask) {
        let (ask, sent) = load::ask(line);
        let call = CallId(self.calls.fetch_add(1, Ordering::Relaxed));
        lock(&self.audit).sent(call, sent);
        (call, ask)
    }

    fn hears(&self, call: CallId, line: &str, reply: Reply) {
        let (count, replayed) = match &reply {
            Reply::Done(outcome) => {
                if outcome.changed {
                    lock(&self.made).add(line, outcome.position);
                }
                (&self.done, outcome.replayed)
            }
            Reply::Refused(refused) => (&self.refused, refused.replayed),
            Reply::Failed(fault) => panic!("{line}: {fault}"),
        };
        count.fetch_add(1, Ordering::Relaxed);
        self.replayed.fetch_add(u64::from(replayed), Ordering::Relaxed);
        let durable = self.ledger.durable();
        lock(&self.audit).answered(call, reply, durable);
    }

    fn asks(&self, line: &str) {
        let (call, ask) = self.sends(line);
        let reply = self.ledger.ask(ask).wait();
        self.hears(call, line, reply);
    }

    fn asks_all(&self, lines: &[String]) {
        let (calls, asks): (Vec<_>, Vec<_>) = lines.iter().map(|line| self.sends(line)).unzip();
        let replies = self.ledger.ask_all(asks).wait();
        for ((call, line), reply) in calls.into_iter().zip(lines).zip(replies) {
            self.hears(call, line, reply);
        }
    }

    /// Asks and leaves: the answer was looked for once, or never.
    fn asks_and_leaves(&self, line: &str, looks: bool) {
        let (call, ask) = self.sends(line);
        let mut answer = pin!(self.ledger.ask(ask));
        if looks {
            let _ = answer.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        }
        lock(&self.audit).gone(call);
        self.left.fetch_add(1, Ordering::Relaxed);
    }

    fn some_line(&self, random: &mut Random) -> String {
        let made = lock(&self.made).clone();
        let line = load::some_line(random, &SHAPE, &made);
        let is_read = line.starts_with("read-");
        if !is_read && random.one_in(3) {
            return load::under_key(&line, &format!("key-{}", random.below(SHAPE.keys)));
        }
        line
    }

    fn works(&self, seed: u64, asks: u64) {
        let mut random = Random::new(seed);
        for _ in 0..asks {
            match random.below(12) {
                0 => {
                    let line = self.some_line(&mut random);
                    self.asks_and_leaves(&line, random.one_in(2));
                }
                1 => {
                    let count = 2 + random.below(6);
                    let lines: Vec<String> =
                        (0..count).map(|_| self.some_line(&mut random)).collect();
                    self.asks_all(&lines);
                }
                2 => {
                    // Two parallel clicks.
                    let line = load::under_key(
                        &load::some_line(&mut random, &SHAPE, &Made::default()),
                        &format!("click-{}-{}", seed, random.draw()),
                    );
                    let line = if line.contains("read-") { "read-account a0".into() } else { line };
                    self.asks_all(&[line.clone(), line]);
                }
                _ => self.asks(&self.some_line(&mut random)),
            }
        }
    }
}

fn storm(shards: usize, seed: u64, asks: u64) {
    println!("{shards} shards, seed {seed}");
    let folder = tempfile::tempdir().expect("a folder");
    let disk = RealDisk::open(folder.path()).expect("a disk");
    let running = Run::small(shards).start(&disk);
    let callers = Callers::new(running.handle.clone());
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
    let mut audit = lock(&callers.audit);
    assert!(audit.unanswered().is_empty(), "{:?}", audit.unanswered());
    let before = frames(&**callers.ledger.log());
    audit.check(&before, &machines());
    let count = |of: &AtomicU64| of.load(Ordering::Relaxed);
    let tally = [&callers.done, &callers.refused, &callers.replayed, &callers.left].map(count);
    println!("done, refused, replayed, left: {tally:?}, {} frames", before.len());
    assert!(tally.iter().all(|&count| count > CALLERS), "{tally:?}");
    assert!(!running.stop(), "nothing has failed");
    assert_eq!(callers.ledger.under_way(), (0, 0), "everybody has left through the gate");
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
