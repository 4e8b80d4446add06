//! How many events a second recovery applies, and how much of that time is the store's.
//!
//! Every line is a log whose tail is replayed over a store in memory: over a few streams that
//! are at hand after their first event, and over many that each have to be read first.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use quipu_core::batch::MemoryRing;
use quipu_core::commit::{Committer, Published};
use quipu_core::log::{Log, MemoryLog, Settle};
use quipu_core::machine::{self, Machine};
use quipu_core::machines::account::{self, Account};
use quipu_core::machines::registry;
use quipu_core::machines::ticket::{self, Ticket};
use quipu_core::records::{Row, Table};
use quipu_core::recovery::{Limits, recover};
use quipu_core::shard::{Ask, CallId, Config, Effect, Key, Leg, Options, Shard};
use quipu_core::store::{Checkpoint, Due, MemoryStore, Reader, Store, StoreError};
use quipu_core::words::{
    Amount, Asset, Book, Id, Kind, Metadata, Name, Number, Position, Signed, Timestamp,
};

/// Entries of one tick: enough for frames of the greatest size.
const TICK: u64 = 16_384;
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
            ask::<Ticket>(index, issue())
        } else {
            ask::<Ticket>(shuffled(index), claim())
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
            writer.write(self.streams, |index| self::ask::<Account>(index, open_account()));
            writer.write(self.streams, |index| {
                self::ask::<Account>(index, deposit_of(Amount::from(1_000_000_u64)))
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

/// Fills a log through a shard, without a store.
struct Writer {
    shard: Shard,
    ring: MemoryRing,
    committer: Committer,
    log: MemoryLog,
    now: u64,
    calls: u64,
}

impl Writer {
    fn new() -> Self {
        let config = Config { memory_max: usize::MAX, keys_max: 1 << 23, ..Config::new(0, 1) };
        let mut shard = Shard::new(config, &registry(), Published::default());
        shard.noted_all();
        let ring = MemoryRing::new(Position::new(1), u64::MAX >> 1, u64::MAX >> 1);
        let mut log = MemoryLog::new(Settle::AtOnce);
        let epoch = log.take_epoch().expect("an epoch");
        let committer = Committer::new(1, epoch, Published::default());
        Self { shard, ring, committer, log, now: 1_800_000_000_000, calls: 0 }
    }

    fn write(&mut self, count: u64, ask: impl Fn(u64) -> Ask) {
        let mut out = Vec::new();
        for first in (0..count).step_by(TICK as usize) {
            self.now += 1;
            let now = Timestamp::from_ms(self.now);
            for index in first..(first + TICK).min(count) {
                self.calls += 1;
                self.shard.submit(CallId(self.calls), ask(index), now, &mut self.ring, &mut out);
            }
            self.committer.add(0, self.shard.take_batch());
            while let Some(frame) = self.committer.gather(now) {
                self.log.append(frame).expect("a log in memory");
                let finish = self.log.finish().expect("it ends at once");
                let committed = self.committer.finish(finish).expect("it is durable");
                self.shard.publish(committed.published, &mut out);
            }
            out.retain(|effect| !matches!(effect, Effect::Reply(..)));
            assert!(out.is_empty(), "a shard that has all in memory asks for nothing");
        }
    }
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

fn deposit(streams: u64, index: u64) -> Ask {
    ask::<Account>(mixed(index) % streams, deposit_of(Amount::from(1_u64)))
}

fn transfer(streams: u64, index: u64) -> Ask {
    let (from, to) = (mixed(2 * index) % streams, mixed(2 * index + 1) % streams);
    let (amount, metadata) = (Amount::from(1_u64), Metadata::default());
    ask::<Account>(from, account::Command::Transfer { to: nth(to), amount, metadata })
}

fn deposit_of(amount: Amount) -> account::Command {
    account::Command::Deposit { amount, reference: None, metadata: Metadata::default() }
}

fn open_account() -> account::Command {
    account::Command::Open {
        asset: usd(),
        floor: Signed::ZERO,
        cap: None,
        spend_cap: None,
        expires_at: None,
        metadata: Metadata::default(),
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

fn ask<M: Machine>(stream: u64, command: M::Command) -> Ask {
    let stream = Name::new(Book::DEFAULT, M::KIND, nth(stream));
    let command = machine::Command::of::<M>(command);
    Ask::Command(Leg { stream, command, options: Options::default() }, None)
}

fn usd() -> Asset {
    Asset::new("USD/2").expect("a sound asset")
}

fn nth(index: u64) -> Id {
    Id::new(&format!("stream{index:06}")).expect("a sound id")
}

/// Every ticket once, in no order that a cache could foresee: a factor that has no divisor in
/// common with how many there are.
fn shuffled(index: u64) -> u64 {
    index * 314_159 % 500_000
}

fn mixed(index: u64) -> u64 {
    let mut word = index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ word >> 31
}
