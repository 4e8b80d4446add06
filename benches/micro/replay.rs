//! How many events a second recovery applies, and how much of that time is the store's.
//!
//! Every line is a log whose tail is replayed over a store in memory: over a few streams that
//! are at hand after their first event, and over many that each have to be read first.

#[path = "course.rs"]
mod course;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use quipu_core::log::MemoryLog;
use quipu_core::machines::account::Account;
use quipu_core::machines::registry;
use quipu_core::machines::ticket::{self, Ticket};
use quipu_core::records::{Row, Table};
use quipu_core::recovery::{Limits, recover};
use quipu_core::shard::{Ask, Key};
use quipu_core::store::{Checkpoint, Due, MemoryStore, Reader, Store, StoreError};
use quipu_core::words::{Amount, Book, Id, Kind, Metadata, Number, Position, Timestamp};

use course::{Writer, deposit, deposit_of, open_account, transfer, usd};

const ROUNDS: usize = 3;

fn main() {
    println!("{:<44} {:>9} {:>12} {:>8}", "", "events", "events/s", "store");
    let hot = Course::new(100_000, true);
    hot.measure("100,000 accounts, deposits and transfers", 4_000_000, |streams, index| {
        if index % 2 == 0 { deposit(streams, index) } else { transfer(streams, index) }
    });
    hot.measure("100,000 accounts, deposits with keys", 1_000_000, |streams, index| {
        let Ask::Command(leg, _) = deposit(streams, index) else { unreachable!("one command") };
        Ask::Command(leg, Some(Key::new(&format!("key-{index:016}")).expect("a sound key")))
    });
    Course::new(1_000, true).measure("1,000 accounts, deposits", 4_000_000, deposit);
    Course::new(1_000_000, true).measure("1,000,000 accounts, transfers", 1_000_000, transfer);
    Course::new(1_000_000, false).measure("tickets issued, then claimed", 1_000_000, |_, index| {
        let (index, half) = (index % 500_000, index / 500_000);
        if half == 0 {
            course::ask::<Ticket>(index, issue())
        } else {
            course::ask::<Ticket>(shuffled(index), claim())
        }
    });
}

/// A log and a store that holds all of it, to be continued by a tail.
struct Course {
    streams: u64,
    opened: bool,
}

impl Course {
    fn new(streams: u64, opened: bool) -> Self {
        Self { streams, opened }
    }

    fn measure(&self, what: &str, events: u64, ask: fn(u64, u64) -> Ask) {
        let mut writer = Writer::new();
        if self.opened {
            writer.write(self.streams, |index| course::ask::<Account>(index, open_account()));
            writer.write(self.streams, |index| {
                course::ask::<Account>(index, deposit_of(Amount::from(1_000_000_u64)))
            });
        }
        let mut before = MemoryStore::new(registry());
        replay(&writer.log, &mut before);
        before.checkpoint().expect("a checkpoint in memory");
        writer.write(events, |index| ask(self.streams, index));
        let mut best: Option<(Duration, Duration)> = None;
        for _ in 0..ROUNDS {
            let mut store = Timed { store: before.crashed(), nanos: AtomicU64::new(0) };
            let start = clock();
            replay(&writer.log, &mut store);
            let spent = clock() - start;
            if best.is_none_or(|best| spent < best.0) {
                best = Some((spent, Duration::from_nanos(store.nanos.into_inner())));
            }
        }
        let (spent, within) = best.expect("at least one round");
        let rate = events as f64 / spent.as_secs_f64();
        let share = within.as_secs_f64() / spent.as_secs_f64() * 100.0;
        println!("{what:<44} {events:>9} {rate:>12.0} {share:>7.0}%");
    }
}

/// The processor time that this process has taken, where the system tells it: others may be
/// busy on the same machine. Else the time on the wall.
fn clock() -> Duration {
    let told = std::fs::read_to_string("/proc/self/schedstat").ok();
    let nanos = told.and_then(|told| told.split(' ').next()?.parse().ok());
    static START: OnceLock<Instant> = OnceLock::new();
    nanos.map_or_else(|| START.get_or_init(Instant::now).elapsed(), Duration::from_nanos)
}

fn replay(log: &MemoryLog, store: &mut dyn Store) {
    recover(log, store, &registry(), &Limits::default(), &mut |_| {}).expect("a sound log");
}

/// A store that adds up the time that is spent in it.
struct Timed {
    store: MemoryStore,
    nanos: AtomicU64,
}

impl Timed {
    fn timed<T>(&self, run: impl FnOnce(&MemoryStore) -> T) -> T {
        let start = Instant::now();
        let made = run(&self.store);
        self.nanos.fetch_add(start.elapsed().as_nanos() as u64, Ordering::Relaxed);
        made
    }
}

impl Reader for Timed {
    fn position(&self) -> Position {
        self.store.position()
    }

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.timed(|store| store.get(table, key))
    }

    fn scan(
        &self,
        table: Table,
        from: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), StoreError> {
        self.timed(|store| store.scan(table, from, visit))
    }

    fn due(
        &self,
        until: Timestamp,
        after: Option<&Due>,
        limit: usize,
    ) -> Result<Vec<Due>, StoreError> {
        self.timed(|store| store.due(until, after, limit))
    }

    fn next_due(&self, after: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        self.timed(|store| store.next_due(after))
    }

    fn due_items(
        &self,
        number: Number,
        until: Timestamp,
        after: Option<&Due>,
        limit: usize,
    ) -> Result<(Vec<Due>, Timestamp), StoreError> {
        self.timed(|store| store.due_items(number, until, after, limit))
    }

    fn list(
        &self,
        book: Book,
        kind: Kind,
        index: u8,
        after: &[u8],
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Number)>, StoreError> {
        self.timed(|store| store.list(book, kind, index, after, limit))
    }
}

impl Store for Timed {
    fn apply(
        &mut self,
        rows: &mut dyn Iterator<Item = Row<'_>>,
        through: Position,
    ) -> Result<(), StoreError> {
        let start = clock();
        let applied = self.store.apply(rows, through);
        *self.nanos.get_mut() += (clock() - start).as_nanos() as u64;
        applied
    }

    fn reader(&self) -> Arc<dyn Reader> {
        self.store.reader()
    }

    fn snapshot(&mut self) -> Result<Arc<dyn Reader>, StoreError> {
        self.store.snapshot()
    }

    fn freeze(&mut self) -> Result<Checkpoint, StoreError> {
        self.store.freeze()
    }

    fn pending_bytes(&self) -> usize {
        self.store.pending_bytes()
    }

    fn drop_keys_before(&mut self, bucket: u32) -> Result<(), StoreError> {
        self.store.drop_keys_before(bucket)
    }
}

fn issue() -> ticket::Command {
    ticket::Command::Issue {
        amount: Some(Amount::from(42_u64)),
        asset: Some(usd()),
        reference: None,
        expires_at: None,
        metadata: Metadata::default(),
        batch: false,
    }
}

fn claim() -> ticket::Command {
    ticket::Command::Claim { claimant: Id::new("claimant-001").expect("a sound id") }
}

/// Every ticket once, in no order that a cache could foresee: a factor that has no divisor in
/// common with how many there are.
fn shuffled(index: u64) -> u64 {
    index * 314_159 % 500_000
}
