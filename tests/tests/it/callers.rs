//! Callers who work on a ledger at once, and say to the auditor what they ask and are told.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

use quipu_actors::Handle;
use quipu_core::shard::{Ask, CallId, Reply};
use quipu_sim::Random;
use quipu_sim::audit::{Audit, Breach};

use crate::load::{self, Made, Shape};

/// What all callers share.
pub(crate) struct Callers {
    ledger: Handle,
    shape: Shape,
    audit: Mutex<Audit>,
    made: Mutex<Made>,
    calls: AtomicU64,
    /// Answers of each sort: done, refused, replayed; and callers that left.
    done: AtomicU64,
    refused: AtomicU64,
    replayed: AtomicU64,
    left: AtomicU64,
    failed: Mutex<BTreeMap<String, u64>>,
}

/// What the auditor finds ends the test, by its name.
pub(crate) fn kept(audited: Result<(), Breach>) {
    audited.unwrap_or_else(|breach| panic!("{breach}"));
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Callers {
    pub(crate) fn new(ledger: Handle, shape: Shape) -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            ledger,
            shape,
            audit: Mutex::default(),
            made: Mutex::default(),
            calls: zero(),
            done: zero(),
            refused: zero(),
            replayed: zero(),
            left: zero(),
            failed: Mutex::default(),
        }
    }

    pub(crate) fn ledger(&self) -> &Handle {
        &self.ledger
    }

    pub(crate) fn audit(&self) -> MutexGuard<'_, Audit> {
        lock(&self.audit)
    }

    /// How many answers were done, refused, replayed, and how many callers have left.
    pub(crate) fn tally(&self) -> [u64; 4] {
        let count = |of: &AtomicU64| of.load(Ordering::Relaxed);
        [&self.done, &self.refused, &self.replayed, &self.left].map(count)
    }

    /// How many answers said that something has failed.
    pub(crate) fn failed(&self) -> u64 {
        lock(&self.failed).values().sum()
    }

    /// Which faults were answered, and how often.
    pub(crate) fn faults(&self) -> BTreeMap<String, u64> {
        lock(&self.failed).clone()
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
            Reply::Failed(fault) => {
                *lock(&self.failed).entry(format!("{fault:?}")).or_default() += 1;
                lock(&self.audit).gone(call);
                return;
            }
        };
        count.fetch_add(1, Ordering::Relaxed);
        self.replayed.fetch_add(u64::from(replayed), Ordering::Relaxed);
        let durable = self.ledger.durable();
        kept(lock(&self.audit).answered(call, reply, durable));
    }

    pub(crate) fn asks(&self, line: &str) {
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
        let line = load::some_line(random, &self.shape, &made);
        let is_read = line.starts_with("read-");
        if !is_read && random.one_in(3) {
            return load::under_key(&line, &format!("key-{}", random.below(self.shape.keys)));
        }
        line
    }

    /// Asks so often, this way and that.
    pub(crate) fn works(&self, seed: u64, asks: u64) {
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
                        &load::some_line(&mut random, &self.shape, &Made::default()),
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
