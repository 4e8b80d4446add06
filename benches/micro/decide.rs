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

/// The same with tables, rows and log entries, but without what a shard adds: admission, names,
/// queues, answers that wait.
fn through_cords(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("cords");
    group.throughput(Throughput::Elements(1)).sample_size(10);
    let claim =
        |index| [(shuffled(index), ticket::Command::Claim { claimant: id("claimant-001") })];
    let mut claims = Lane::<Ticket, 1>::new(vec![issue()], claim);
    claims.once = true;
    compare(&mut group, "ticket claim", &mut claims);
    drop(claims);
    let transfer = |index| {
        let (from, to) = (mixed(2 * index) % STREAMS, mixed(2 * index + 1) % STREAMS);
        let to = if to == from { (to + 1) % STREAMS } else { to };
        let (amount, metadata) = (one(), Metadata::default());
        let send = account::Command::Send { amount, to: id(&nth(to)), metadata };
        [(from, send), (to, account::Command::Receive { from: id(&nth(from)) })]
    };
    let funded = vec![open_account(), deposit(Amount::from(1_000_000_u64))];
    let mut transfers = Lane::<Account, 2>::new(funded, transfer);
    compare(&mut group, "transfer", &mut transfers);
    drop(transfers);
    let settle = |index| [(shuffled(index), flow::Command::Settle)];
    let mut settles = Lane::<Flow, 1>::new(vec![open_flow()], settle);
    compare(&mut group, "flow settle", &mut settles);
    group.finish();
}

fn compare<M: Machine, const STEPS: usize>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    lane: &mut Lane<M, STEPS>,
) {
    for (name, size) in [(name.to_owned(), 1), (format!("{name} in groups"), LOOK_AHEAD)] {
        group.bench_function(name, |bencher| bencher.iter_custom(|count| lane.run(count, size)));
    }
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
    course.fill_with(|index| ask::<Account>(&nth(index), open_account()));
    course.fill_with(|index| ask::<Account>(&nth(index), deposit(Amount::from(1_000_000_u64))));
}

fn with_flows(course: &mut Course) {
    course.fill_with(|index| ask::<Flow>(&nth(index), open_flow()));
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

/// Streams of one kind in a table, and asks of so many steps each that touch them.
struct Lane<M: Machine, const STEPS: usize> {
    cords: Box<dyn Cords>,
    slots: Vec<Slot>,
    /// What every stream is told first.
    setup: Vec<M::Command>,
    ask: fn(u64) -> [(u64, M::Command); STEPS],
    /// Whether an ask can be asked of a stream only once: then new streams follow.
    once: bool,
    asked: u64,
    filter: Filter,
    bytes: Vec<u8>,
    rows: Rows,
    arena: Arena,
    postings: Postings,
    last: u64,
}

impl<M: Machine, const STEPS: usize> Lane<M, STEPS> {
    fn new(setup: Vec<M::Command>, ask: fn(u64) -> [(u64, M::Command); STEPS]) -> Self {
        Self {
            cords: registry().rules(M::KIND).expect("a built-in kind").cords(),
            slots: Vec::new(),
            setup,
            ask,
            once: false,
            asked: 0,
            filter: Filter::new(16 << 20),
            bytes: Vec::new(),
            rows: Rows::default(),
            arena: Arena::new(),
            postings: Postings::default(),
            last: 0,
        }
    }

    fn run(&mut self, count: u64, group: usize) -> Duration {
        let mut spent = Duration::ZERO;
        let mut answers = vec![Answer::default(); TICK as usize];
        for _ in 0..count.div_ceil(TICK) {
            if self.slots.is_empty() || (self.once && self.asked + TICK > STREAMS) {
                self.fill();
            }
            let asks = self.asked..self.asked + TICK;
            self.asked += TICK;
            let steps: Vec<(Slot, Command)> = asks
                .flat_map(self.ask)
                .map(|(stream, command)| (self.slots[stream as usize], Command::of::<M>(command)))
                .collect();
            answers.fill_with(Answer::default);
            // A millisecond for each round of all streams, so that flows accrue.
            let now = Timestamp::from_ms(START_MS + 1 + self.asked / STREAMS);
            let start = Instant::now();
            let mut answered = answers.iter_mut();
            for near in steps.chunks(STEPS * group) {
                if group > 1 {
                    for rest in [false, true] {
                        near.iter().for_each(|(slot, _)| {
                            black_box(self.cords.touch(*slot, rest));
                        });
                    }
                }
                for (ask, answer) in near.chunks(STEPS).zip(&mut answered) {
                    self.carry_out(ask, now, answer).expect("an ask that is accepted");
                }
            }
            drop(steps);
            self.bytes.clear();
            self.rows.clear();
            spent += start.elapsed();
        }
        scaled(spent, count)
    }

    /// Decides all steps of an ask, then writes and applies them as one event.
    fn carry_out(
        &mut self,
        steps: &[(Slot, Command)],
        now: Timestamp,
        answer: &mut Answer,
    ) -> Result<(), Refusal> {
        let mut transit = Transit::default();
        for (slot, command) in steps {
            let mut cx = Context { now, transit: &mut transit, secret: &[7; 32] };
            self.cords.decide(*slot, command, &mut cx)?;
        }
        self.last += 1;
        let place = Place { position: Position::new(self.last), now };
        let entry = EntryWriter::begin(&mut self.bytes, &mut self.arena, now);
        let (rows, postings) = (&mut self.rows, &mut self.postings);
        let mut out = Out { entry, rows, postings, brief: false };
        out.entry.event();
        for (index, (slot, _)) in steps.iter().enumerate() {
            let filter = &mut self.filter;
            self.cords.perform(*slot, &place, index > 0, &mut out, filter, Some(answer));
        }
        out.entry.finish();
        Ok(())
    }

    fn fill(&mut self) {
        self.cords = registry().rules(M::KIND).expect("a built-in kind").cords();
        (self.slots, self.asked) = (Vec::with_capacity(STREAMS as usize), 0);
        let start = Timestamp::from_ms(START_MS);
        for index in 0..STREAMS {
            let name = Name::new(Book::DEFAULT, M::KIND, id(&nth(index)));
            let slot = self.cords.add(mixed(index), name, true);
            self.slots.push(slot);
            for command in self.setup.clone() {
                let steps = [(slot, Command::of::<M>(command))];
                let told = self.carry_out(&steps, start, &mut Answer::default());
                told.expect("a stream that takes its first commands");
                self.bytes.clear();
                self.rows.clear();
            }
        }
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

fn open_flow() -> flow::Command {
    flow::Command::Open {
        asset: usd(),
        total: Amount::from(1_u64 << 60),
        duration_ms: 1 << 40,
        start_at: Some(Timestamp::from_ms(START_MS)),
        cliff_ms: 0,
        payer: None,
        recipient: None,
        metadata: Metadata::default(),
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
