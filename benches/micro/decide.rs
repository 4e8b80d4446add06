//! What one core decides, applies and encodes in a second, through a shard and without one.
//!
//! A million streams are warm and asked in random order. Every 512 asks the batch is taken and
//! published, as a committer would, so that the answers leave. Asks are made, and batches
//! dropped, outside of the time that counts: callers and committer do that. The variants "in
//! groups" let the shard look ahead at so many asks; the others show it one at a time.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use quipu_core::batch::{Batch, MemoryRing};
use quipu_core::commit::Published;
use quipu_core::filter::Filter;
use quipu_core::machine::{
    Answer, Command, Context, Cords, Machine, Out, Place, Postings, Slot, Solo, Transit,
};
use quipu_core::machines::account::{self, Account};
use quipu_core::machines::drop::{self, Drop};
use quipu_core::machines::flow::{self, Flow};
use quipu_core::machines::registry;
use quipu_core::machines::ticket::{self, Ticket};
use quipu_core::records::{EntryWriter, Rows};
use quipu_core::shard::{
    Ask, CallId, Config, Effect, Key, LOOK_AHEAD, Leg, Options, Reading, Reply, Shard,
};
use quipu_core::words::{
    Amount, Asset, Book, Id, Metadata, Name, Position, Refusal, Signed, Timestamp,
};
use rkyv::ser::allocator::Arena;

const STREAMS: u64 = 1_000_000;
const TICK: u64 = 512;
const START_MS: u64 = 1_800_000_000_000;

criterion_group!(benches, through_a_shard, through_cords, through_rules);
criterion_main!(benches);

fn through_a_shard(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("shard");
    group.throughput(Throughput::Elements(1)).sample_size(10);

    let mut tickets = Course::new(STREAMS, with_tickets, |index| claim(&pick_once(index)));
    measure(&mut group, "ticket claim", &mut tickets);
    drop(tickets);

    let mut accounts = Course::new(u64::MAX, with_accounts, |index| {
        let (from, to) = (pick(2 * index), pick(2 * index + 1));
        let metadata = Metadata::default();
        ask::<Account>(&from, account::Command::Transfer { to: id(&to), amount: one(), metadata })
    });
    measure(&mut group, "transfer", &mut accounts);
    let mut accounts = accounts.with(|index| ask::<Account>(&pick(index), deposit(one())));
    measure(&mut group, "deposit", &mut accounts);
    let mut accounts = accounts.with(|index| {
        let stream = Name::new(Book::DEFAULT, Account::KIND, id(&pick(index)));
        Ask::Read(Reading { stream, items: Vec::new() })
    });
    measure(&mut group, "read", &mut accounts);
    drop(accounts);

    let mut keyed = Course::new(2 * STREAMS, with_accounts, |index| {
        let Ask::Command(leg, _) = ask::<Account>(&pick(index), deposit(one())) else {
            unreachable!("a deposit is one command")
        };
        Ask::Command(leg, Some(Key::new(&format!("key-{index:016}")).expect("a sound key")))
    });
    measure(&mut group, "keyed deposit", &mut keyed);
    drop(keyed);

    let mut flows = Course::new(u64::MAX, with_flows, |index| {
        ask::<Flow>(&pick_once(index), flow::Command::Settle)
    });
    measure(&mut group, "flow settle", &mut flows);
    drop(flows);

    let mut drops = Course::new(STREAMS, with_a_drop, |index| {
        let claimant = id(&pick(index));
        ask::<Drop>("d", drop::Command::Claim { claimant, quantity: 1, pay_from: None })
    });
    measure(&mut group, "drop claim", &mut drops);
    group.finish();
}

/// One ask at a time, then in groups that the shard sees before.
fn measure(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, course: &mut Course) {
    for (name, size) in [(name.to_owned(), 1), (format!("{name} in groups"), LOOK_AHEAD)] {
        course.group = size;
        group.bench_function(name, |bencher| bencher.iter_custom(|count| course.run(count)));
    }
}

/// The same claims and deposits with tables, rows and log entries, but without what a shard
/// adds: admission, queues, answers that wait.
fn through_cords(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("cords");
    group.throughput(Throughput::Elements(1)).sample_size(10);
    for (name, size) in [("ticket claim", 1), ("ticket claim in groups", LOOK_AHEAD)] {
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|count| Bare::<Ticket>::claims(count, size));
        });
    }
    group.finish();
}

/// A million lone tickets: `decide` and `apply`, nothing else.
fn through_rules(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("rules");
    group.throughput(Throughput::Elements(1)).sample_size(10);
    let now = Timestamp::from_ms(START_MS);
    let mut tickets: Vec<Solo<Ticket>> = Vec::new();
    let mut used = 0;
    group.bench_function("ticket claim", |bencher| {
        bencher.iter_custom(|count| {
            let mut spent = Duration::ZERO;
            for _ in 0..count.div_ceil(TICK) {
                if used + TICK as usize > tickets.len() {
                    used = 0;
                    tickets = (0..STREAMS).map(|index| Solo::new(&nth(index))).collect();
                    tickets.iter_mut().for_each(|ticket| {
                        ticket.ask(&issue(), now).expect("a new ticket");
                    });
                }
                let command = ticket::Command::Claim { claimant: id("claimant-001") };
                let start = Instant::now();
                for ticket in &mut tickets[used..used + TICK as usize] {
                    black_box(ticket.ask(&command, now).expect("a fresh ticket"));
                }
                spent += start.elapsed();
                used += TICK as usize;
            }
            scaled(spent, count)
        });
    });
    group.finish();
}

/// One shard, and asks that go to it one after the other.
struct Course {
    shard: Shard,
    ring: MemoryRing,
    out: Vec<Effect>,
    now: u64,
    calls: u64,
    index: u64,
    renewed_at: u64,
    group: usize,
    filled: bool,
    fill: fn(&mut Self),
    ask: fn(u64) -> Ask,
}

impl Course {
    /// A course that begins again with a new shard after so many asks: what can be done once
    /// to a stream is used up, or memory would be. It is filled when it is first run.
    fn new(renewed_at: u64, fill: fn(&mut Self), ask: fn(u64) -> Ask) -> Self {
        let config = Config { memory_max: usize::MAX, keys_max: 1 << 23, ..Config::new(0, 1) };
        let shard = Shard::new(config, &registry(), Published::default());
        let ring = MemoryRing::new(Position::new(1), u64::MAX >> 1, u64::MAX >> 1);
        let (out, now) = (Vec::new(), START_MS);
        let (calls, index, group, filled) = (0, 0, 1, false);
        let mut course =
            Self { shard, ring, out, now, calls, index, renewed_at, group, filled, fill, ask };
        course.shard.noted_all();
        course
    }

    /// The same streams, asked for something else.
    fn with(self, ask: fn(u64) -> Ask) -> Self {
        Self { ask, ..self }
    }

    /// Makes that many asks, in whole ticks, and says what the shard took for them.
    fn run(&mut self, count: u64) -> Duration {
        let mut spent = Duration::ZERO;
        for _ in 0..count.div_ceil(TICK) {
            if self.index + TICK > self.renewed_at {
                let group = self.group;
                // The old streams go first: two millions of them would take twice the memory.
                self.shard = Shard::new(Config::new(0, 1), &registry(), Published::default());
                *self = Self::new(self.renewed_at, self.fill, self.ask);
                self.group = group;
            }
            if !core::mem::replace(&mut self.filled, true) {
                (self.fill)(self);
            }
            let asks: Vec<Ask> = (self.index..self.index + TICK).map(self.ask).collect();
            self.index += TICK;
            self.now += 1;
            let (time, _batch) = self.tick(asks);
            spent += time;
        }
        scaled(spent, count)
    }

    fn tick(&mut self, asks: Vec<Ask>) -> (Duration, Batch) {
        let wanted = asks.len();
        let start = Instant::now();
        let now = Timestamp::from_ms(self.now);
        let mut asks = asks;
        let mut rest = asks.drain(..);
        while !rest.as_slice().is_empty() {
            let group = self.group.min(rest.len());
            if group > 1 {
                self.shard.look_ahead(&rest.as_slice()[..group]);
            }
            for ask in rest.by_ref().take(group) {
                self.calls += 1;
                self.shard.submit(CallId(self.calls), ask, now, &mut self.ring, &mut self.out);
            }
        }
        drop(rest);
        let batch = self.shard.take_batch();
        let watermark = Position::new(self.ring.next().get() - 1);
        let durable = Published { watermark, now_limit: Timestamp::NEVER };
        self.shard.publish(durable, &mut self.out);
        let done = |effect: &Effect| matches!(effect, Effect::Reply(_, Reply::Done(_)));
        let done = self.out.iter().filter(|effect| done(effect)).count();
        self.out.clear();
        let spent = start.elapsed();
        assert_eq!(done, wanted, "every ask is accepted");
        (spent, batch)
    }

    fn fill_with(&mut self, ask: impl Fn(u64) -> Ask) {
        for first in (0..STREAMS).step_by(TICK as usize) {
            self.tick((first..(first + TICK).min(STREAMS)).map(&ask).collect());
        }
    }
}

fn with_tickets(course: &mut Course) {
    course.fill_with(|index| ask::<Ticket>(&nth(index), issue()));
}

fn with_accounts(course: &mut Course) {
    course.fill_with(|index| {
        let open = account::Command::Open {
            asset: usd(),
            floor: Signed::ZERO,
            cap: None,
            spend_cap: None,
            expires_at: None,
            metadata: Metadata::default(),
        };
        ask::<Account>(&nth(index), open)
    });
    course.fill_with(|index| ask::<Account>(&nth(index), deposit(Amount::from(1_000_000_u64))));
}

fn with_flows(course: &mut Course) {
    course.fill_with(|index| {
        let open = flow::Command::Open {
            asset: usd(),
            total: Amount::from(1_u64 << 60),
            duration_ms: 1 << 40,
            start_at: Some(Timestamp::from_ms(START_MS)),
            cliff_ms: 0,
            payer: None,
            recipient: None,
            metadata: Metadata::default(),
        };
        ask::<Flow>(&nth(index), open)
    });
}

fn with_a_drop(course: &mut Course) {
    let create = drop::Command::Create {
        stock: u64::MAX,
        per_claimant: None,
        opens_at: None,
        closes_at: None,
        price: None,
        seller: None,
        metadata: Metadata::default(),
    };
    course.tick(vec![ask::<Drop>("d", create)]);
}

/// The table of one machine, with buffers for rows and entries.
struct Bare<M: Machine> {
    cords: Box<dyn Cords>,
    filter: Filter,
    bytes: Vec<u8>,
    rows: Rows,
    arena: Arena,
    postings: Postings,
    last: u64,
    machine: core::marker::PhantomData<M>,
}

impl<M: Machine> Bare<M> {
    fn new() -> Self {
        let cords = registry().rules(M::KIND).expect("a built-in kind").cords();
        Self {
            cords,
            filter: Filter::new(16 << 20),
            bytes: Vec::new(),
            rows: Rows::default(),
            arena: Arena::new(),
            postings: Postings::default(),
            last: 0,
            machine: core::marker::PhantomData,
        }
    }

    fn add(&mut self, hash: u64, name: Name) -> Slot {
        self.cords.add(hash, name, true)
    }

    fn ask(&mut self, slot: Slot, command: &Command, answer: &mut Answer) -> Result<(), Refusal> {
        let now = Timestamp::from_ms(START_MS);
        let mut transit = Transit::default();
        let mut cx = Context { now, transit: &mut transit, secret: &[7; 32] };
        self.cords.decide(slot, command, &mut cx)?;
        self.last += 1;
        let place = Place { position: Position::new(self.last), now };
        let entry = EntryWriter::begin(&mut self.bytes, &mut self.arena, now);
        let (rows, postings) = (&mut self.rows, &mut self.postings);
        let mut out = Out { entry, rows, postings, brief: false };
        out.entry.event();
        let filter = &mut self.filter;
        self.cords.perform(slot, &place, false, &mut out, filter, Some(answer));
        out.entry.finish();
        Ok(())
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.rows.clear();
    }
}

impl Bare<Ticket> {
    fn claims(count: u64, group: usize) -> Duration {
        let mut bare = Self::new();
        let mut slots = Vec::new();
        let mut used = 0;
        let mut spent = Duration::ZERO;
        let mut answers = vec![Answer::default(); TICK as usize];
        for _ in 0..count.div_ceil(TICK) {
            if used + TICK > slots.len() as u64 {
                bare = Self::new();
                (slots, used) = (bare.issue_all(), 0);
            }
            let claim = |_| {
                let claimant = id("claimant-001");
                Command::of::<Ticket>(ticket::Command::Claim { claimant })
            };
            let commands: Vec<Command> = (0..TICK).map(claim).collect();
            let order: Vec<Slot> =
                (used..used + TICK).map(|index| slots[shuffled(index) as usize]).collect();
            used += TICK;
            let ahead = order.clone();
            answers.fill_with(Answer::default);
            let start = Instant::now();
            let mut asks = commands.into_iter().zip(order).zip(&mut answers);
            while asks.len() > 0 {
                if group > 1 {
                    let near = &ahead[ahead.len() - asks.len()..][..group.min(asks.len())];
                    for rest in [false, true] {
                        near.iter().for_each(|slot| {
                            black_box(bare.cords.touch(*slot, rest));
                        });
                    }
                }
                for ((command, slot), answer) in asks.by_ref().take(group) {
                    bare.ask(slot, &command, answer).expect("a fresh ticket");
                }
            }
            bare.clear();
            spent += start.elapsed();
        }
        scaled(spent, count)
    }

    fn issue_all(&mut self) -> Vec<Slot> {
        let issue = Command::of::<Ticket>(issue());
        let slots = (0..STREAMS).map(|index| {
            let name = Name::new(Book::DEFAULT, Ticket::KIND, id(&nth(index)));
            let slot = self.add(mixed(index), name);
            self.ask(slot, &issue, &mut Answer::default()).expect("a new ticket");
            self.clear();
            slot
        });
        slots.collect()
    }
}

/// Ticks are whole; what was asked for may not be.
fn scaled(spent: Duration, count: u64) -> Duration {
    spent.mul_f64(count as f64 / (count.div_ceil(TICK) * TICK) as f64)
}

fn claim(ticket: &str) -> Ask {
    ask::<Ticket>(ticket, ticket::Command::Claim { claimant: id("claimant-001") })
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

fn deposit(amount: Amount) -> account::Command {
    account::Command::Deposit { amount, reference: None, metadata: Metadata::default() }
}

fn ask<M: Machine>(stream: &str, command: M::Command) -> Ask {
    let stream = Name::new(Book::DEFAULT, M::KIND, id(stream));
    let command = Command::of::<M>(command);
    Ask::Command(Leg { stream, command, options: Options::default() }, None)
}

fn id(text: &str) -> Id {
    Id::new(text).expect("a sound id")
}

fn usd() -> Asset {
    Asset::new("USD/2").expect("a sound asset")
}

fn one() -> Amount {
    Amount::from(1_u64)
}

fn nth(index: u64) -> String {
    format!("stream{index:06}")
}

/// Any stream.
fn pick(index: u64) -> String {
    nth(mixed(index) % STREAMS)
}

/// Every stream once before any comes again, in no order that a cache could foresee.
fn pick_once(index: u64) -> String {
    nth(shuffled(index))
}

/// A permutation of twenty bits, walked until it lands among the streams.
fn shuffled(index: u64) -> u64 {
    let mut at = index % STREAMS;
    loop {
        let (mut left, mut right) = (at >> 10, at & 1023);
        for round in 0..4 {
            (left, right) = (right, left ^ (mixed(right << 3 | round) & 1023));
        }
        at = left << 10 | right;
        if at < STREAMS {
            return at;
        }
    }
}

fn mixed(index: u64) -> u64 {
    let mut word = index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ word >> 31
}
