//! The shard: owns the streams that hash to it and carries out commands on them, as a state
//! machine without threads, clocks or disks.
//!
//! A driver calls [`Shard::submit`] with a caller's ask, [`Shard::loaded`] with an answer of
//! the store, [`Shard::receive`] with another shard's message, [`Shard::publish`] with what
//! has become durable and [`Shard::tick`] when time has passed. After each call it carries
//! out the [`Effect`]s, and at the end of a tick it hands [`Shard::take_batch`] to the
//! committer. Nothing that a shard does waits.
//!
//! With millions of streams in memory nearly every command begins with lines of memory that
//! are in no cache. A driver that has several asks at hand lets the shard see them in groups
//! before it submits them, and their waits overlap:
//!
//! ```text
//! for group in asks.chunks(LOOK_AHEAD) {
//!     shard.look_ahead(group.iter().map(|(_, ask)| ask));
//!     for (call, ask) in group {
//!         shard.submit(call, ask, now, ring, out);
//!     }
//! }
//! ```

mod fire;
mod keys;
mod legs;
mod load;
mod op;
mod parked;
mod read;
mod short_way;
mod transaction;
mod visit;

pub use keys::{BUCKET_MS, KEY_LIFE_MS, bucket_of};
pub use load::{DUE_BATCH, Found, FoundItem, Load, Wanted, find, key_row_key};
pub use op::{ANSWERED_LEGS_MAX, ENTRY_BYTES_MAX, LEGS_MAX};
pub(crate) use op::{check_kept, kept_accepted};
pub use read::{Reading, Sweep};
pub use transaction::{Expand, Message, TxId, Visited};

use std::collections::{BTreeMap, VecDeque};

use hashbrown::HashMap;
use rkyv::ser::allocator::Arena;
use smallvec::SmallVec;

use self::keys::Keys;
use self::op::{Op, OpId};
use self::parked::Parked;
use self::transaction::Tx;
use self::visit::Visit;
use crate::batch::{Batch, Ring};
use crate::commit::Published;
use crate::filter::Filter;
use crate::machine::{Answer, Command, Cords, Postings, Registry, Slot};
use crate::recovery::Notes;
use crate::restored::Step;
use crate::store::StoreError;
use crate::words::{
    Book, Fault, Id, Kind, Malformed, Name, Position, Refusal, Timestamp, Trace, Version,
};

/// How many asks [`Shard::look_ahead`] is shown at a time: enough that their waits overlap, few
/// enough that what it fetched for the first is still near when the last is carried out.
pub const LOOK_AHEAD: usize = 32;

/// The bounds and choices of a shard.
#[derive(Clone, Debug)]
pub struct Config {
    /// Which shard this is.
    pub shard: usize,
    /// How many there are.
    pub shards: usize,
    /// The ledger's secret: hashes of keys, fingerprints and tokens are keyed with it.
    pub secret: [u8; 32],
    /// The most calls that may be under way.
    pub calls_max: usize,
    /// The most bytes that streams, items and keys in memory may take.
    pub memory_max: usize,
    /// The bytes of the filter over names and items.
    pub filter_bytes: usize,
    /// The most idempotency keys that may be alive.
    pub keys_max: usize,
    /// Whether commands of several legs may take the short way where all legs are at hand.
    pub short_way: bool,
}

impl Config {
    /// The defaults for one of that many shards.
    #[must_use]
    pub fn new(shard: usize, shards: usize) -> Self {
        Self {
            shard,
            shards,
            secret: [0; 32],
            calls_max: 65_536,
            memory_max: 256 << 20,
            filter_bytes: 16 << 20,
            keys_max: 1 << 20,
            short_way: true,
        }
    }
}

/// Tells the answer to a call apart. The driver chooses it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CallId(pub u64);

/// An idempotency key: 1 to 255 visible characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Key(Box<str>);

impl Key {
    /// Checks the text of a key.
    pub fn new(text: &str) -> Result<Self, Malformed> {
        let visible = text.bytes().all(|byte| (0x21..=0x7e).contains(&byte));
        if visible && (1..=255).contains(&text.len()) {
            Ok(Self(text.into()))
        } else {
            Err(Malformed::Id)
        }
    }
}

/// What a caller may add to a command.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Options {
    /// Only at this version of the stream.
    pub if_version: Option<Version>,
    /// The stream's id was made for this ask and not named by the caller. A retry comes with
    /// another one, so it is no part of what an idempotency key compares.
    pub made: bool,
    /// What led to the ask, which is kept with its events and is no part of what an idempotency
    /// key compares. An entry has one: of a transaction, that of the first leg.
    pub trace: Option<Trace>,
}

/// One command within an ask.
#[derive(Clone, Debug)]
pub struct Leg {
    /// The stream that it is addressed to.
    pub stream: Name,
    /// What is asked of it.
    pub command: Command,
    /// What the caller adds.
    pub options: Options,
}

/// What a caller asks of a shard.
#[derive(Clone, Debug)]
pub enum Ask {
    /// One command. The stream must live on this shard.
    Command(Leg, Option<Key>),
    /// Several commands, together or not at all. With a key, the first leg's stream lives on
    /// this shard and is the key's home.
    Transaction(Vec<Leg>, Option<Key>),
    /// A read of one stream that lives on this shard.
    Read(Reading),
    /// One step of a restore, before the ledger serves anyone. The stream must live on this
    /// shard.
    Restored(Step),
    /// Everything that is due is to be fired, on this shard, of one book and kind or of all.
    Sweep(Sweep),
}

impl Ask {
    /// The slots that it can take, and the length of its entry: upper bounds. So much is
    /// [reserved](Ring::reserve) for it when it is submitted.
    #[must_use]
    pub fn room(&self) -> (u64, usize) {
        op::room(self)
    }

    /// The shard that it belongs to, among that many; a sweep goes to each, and to this one first.
    #[must_use]
    pub fn home(&self, shards: usize) -> usize {
        match self {
            Self::Command(leg, _) => Shard::of(&leg.stream, shards),
            Self::Restored(step) => Shard::of(step.stream(), shards),
            Self::Transaction(legs, _) => {
                legs.first().map_or(0, |leg| Shard::of(&leg.stream, shards))
            }
            Self::Read(reading) => Shard::of(&reading.stream, shards),
            Self::Sweep(_) => 0,
        }
    }
}

/// What came of an ask.
#[derive(Clone, PartialEq, Debug)]
pub enum Reply {
    /// It happened, or it was so already, or this is what is there.
    Done(Outcome),
    /// A rule said no.
    Refused(Refused),
    /// The world failed.
    Failed(Fault),
}

/// An accepted ask.
#[derive(Clone, PartialEq, Debug)]
pub struct Outcome {
    /// The position of what happened, or of what the answer rests on.
    pub position: Position,
    /// The time of the decision.
    pub at: Timestamp,
    /// The stream's version.
    pub version: Version,
    /// Whether a key kept this from an earlier ask.
    pub replayed: bool,
    /// Whether something happened, as against "it was so already".
    pub changed: bool,
    /// What is shown.
    pub answer: Answer,
}

/// A refused ask.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refused {
    /// Which rule, and on what it rested.
    pub refusal: Refusal,
    /// The lowest leg that was refused, where there were several.
    pub leg: Option<u32>,
    /// What the refusal rests on.
    pub position: Position,
    /// The time of the decision.
    pub at: Timestamp,
    /// The stream's version.
    pub version: Version,
    /// Whether a key kept this from an earlier ask.
    pub replayed: bool,
}

/// What a shard wants done.
#[derive(Debug)]
pub enum Effect {
    /// Ask the store; the answer goes to [`Shard::loaded`].
    Load(Load),
    /// Answer a caller. It is durable.
    Reply(CallId, Reply),
    /// Give a message to another shard. Messages between two shards keep their order.
    Send(usize, Message),
}

/// The streams that hash to one shard, and all that is under way on them.
pub struct Shard {
    config: Config,
    cords: Vec<Option<Box<dyn Cords>>>,
    filter: Filter,
    keys: Keys,
    now: Timestamp,
    durable: Published,
    batch: Batch,
    last: Position,
    /// `None` while an entry is written: an arena without anything in it allocates too.
    arena: Option<Arena>,
    postings: Postings,
    parked: Parked,
    ops: BTreeMap<OpId, Op>,
    op_last: u64,
    queues: HashMap<At, Queue, foldhash::fast::FixedState>,
    /// Who waits for the store, and what was durable when it was asked.
    loads: BTreeMap<u64, (Loading, Position)>,
    ticket_last: u64,
    txs: BTreeMap<u64, Tx>,
    tx_last: u64,
    /// Streams and items that were taken into memory since memory was last looked at.
    grown: usize,
    visits: BTreeMap<TxId, Visit>,
    inbox: VecDeque<(usize, Message)>,
    ready: VecDeque<At>,
    wake: Timestamp,
    /// Once this is durable, the store lists all that was due when the shard last asked it.
    asked_before: Option<Position>,
    sweeps: fire::Sweeps,
    mark: u64,
    latched: Option<Fault>,
    stopping: bool,
}

/// A stream's place in this shard.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
struct At {
    kind: Kind,
    slot: Slot,
}

/// What waits for one stream.
#[derive(Default)]
struct Queue {
    /// Asks that are addressed to it, first in, first out.
    ops: VecDeque<OpId>,
    /// Transactions that want to reserve it.
    reservers: VecDeque<TxId>,
    /// Visits that wait until something has been read.
    visitors: Vec<TxId>,
    /// Whether it is being read from the store, or items of it.
    loading: bool,
    /// The first of the asks, and the last question to the store before it was the first.
    front: Option<(OpId, u64)>,
}

/// For whom a load is.
enum Loading {
    Stream(At),
    Key(At, [u8; 16]),
    Due(u64),
}

impl Shard {
    /// A shard with nothing in memory. It continues at what a recovery found durable.
    #[must_use]
    pub fn new(config: Config, registry: &Registry, durable: Published) -> Self {
        let mut cords: Vec<Option<Box<dyn Cords>>> = Vec::new();
        for rules in registry.all() {
            let index = usize::from(rules.kind().get());
            cords.resize_with(cords.len().max(index + 1), || None);
            cords[index] = Some(rules.cords());
        }
        let now = if mutant!(NowLimitIgnored) { Timestamp::ZERO } else { durable.now_limit };
        Self {
            filter: Filter::new(config.filter_bytes),
            keys: Keys::new(config.keys_max),
            config,
            cords,
            now,
            durable,
            batch: Batch::default(),
            last: durable.watermark,
            arena: Some(Arena::new()),
            postings: Postings::default(),
            parked: Parked::default(),
            ops: BTreeMap::new(),
            op_last: 0,
            queues: HashMap::default(),
            loads: BTreeMap::new(),
            ticket_last: 0,
            txs: BTreeMap::new(),
            tx_last: 0,
            grown: 0,
            visits: BTreeMap::new(),
            inbox: VecDeque::new(),
            ready: VecDeque::new(),
            wake: Timestamp::ZERO,
            asked_before: None,
            sweeps: fire::Sweeps::default(),
            mark: 0,
            latched: None,
            stopping: false,
        }
    }

    /// Fetches the memory of what asks will touch, so that the waits for it overlap. A hint:
    /// nothing changes, whatever the asks are, and they need not be submitted.
    ///
    /// See [`LOOK_AHEAD`] for how many at a time.
    pub fn look_ahead<'a>(&self, asks: impl IntoIterator<Item = &'a Ask>) {
        let mut named = SmallVec::<[(&dyn Cords, u64); LOOK_AHEAD]>::new();
        for ask in asks {
            match ask {
                Ask::Command(leg, _) => self.name_ahead(leg, &mut named),
                Ask::Restored(step) => self.name_ahead(step.leg(), &mut named),
                Ask::Transaction(legs, _) => {
                    legs.iter().take(LOOK_AHEAD).for_each(|leg| self.name_ahead(leg, &mut named));
                }
                Ask::Read(reading) => {
                    let stream = &reading.stream;
                    named.extend(self.cords_of(stream.kind).map(|of| (of, name_hash(stream))));
                }
                Ask::Sweep(_) => {}
            }
        }
        // Each pass waits for all its lines at once: first the tables, then what they lead to.
        let mut places = SmallVec::<[(&dyn Cords, &Slot); LOOK_AHEAD]>::new();
        let mut read = 0;
        for (cords, hash) in named {
            match cords.glance(hash) {
                Some(slot) => places.push((cords, slot)),
                None => read ^= u64::from(self.filter.may_hold(hash)),
            }
        }
        for rest in [false, true] {
            for (cords, slot) in &places {
                read ^= cords.touch(**slot, rest);
            }
        }
        core::hint::black_box(read);
    }

    /// Takes a caller's ask. Every ask is answered once, by an effect of this call or a later one.
    pub fn submit(
        &mut self,
        call: CallId,
        ask: Ask,
        now: Timestamp,
        ring: &mut dyn Ring,
        out: &mut Vec<Effect>,
    ) {
        self.advance(now);
        self.admit(call, ask, ring, out);
        self.settle(ring, out);
    }

    /// Takes an answer of the store.
    pub fn loaded(
        &mut self,
        ticket: u64,
        found: Result<Found, StoreError>,
        now: Timestamp,
        ring: &mut dyn Ring,
        out: &mut Vec<Effect>,
    ) {
        self.advance(now);
        self.take_found(ticket, found, ring, out);
        self.settle(ring, out);
    }

    /// Takes a message of another shard.
    pub fn receive(
        &mut self,
        from: usize,
        message: Message,
        now: Timestamp,
        ring: &mut dyn Ring,
        out: &mut Vec<Effect>,
    ) {
        self.advance(now);
        self.inbox.push_back((from, message));
        self.settle(ring, out);
    }

    /// Learns what is durable, and releases every answer that rests on nothing later.
    ///
    /// The rows up to the watermark are in the store already.
    pub fn publish(&mut self, durable: Published, out: &mut Vec<Effect>) {
        debug_assert!(durable.watermark >= self.durable.watermark, "the watermark only rises");
        self.durable = durable;
        if self.latched.is_none() {
            self.parked.release(durable, |call, reply| out.push(Effect::Reply(call, reply)));
            self.continue_sweeps(out);
            if self.asked_before.is_some_and(|asked| asked <= durable.watermark) {
                self.asked_before = None;
                self.wake = self.wake.min(self.now);
            }
        }
        self.evict();
    }

    /// Lets time pass: fires what is due, in small steps.
    pub fn tick(&mut self, now: Timestamp, ring: &mut dyn Ring, out: &mut Vec<Effect>) {
        self.advance(now);
        self.sweep_if_due(out);
        self.settle(ring, out);
    }

    /// When [`tick`](Self::tick) has something to do, if nothing else happens before.
    #[must_use]
    pub fn wake_at(&self) -> Timestamp {
        let waits = self.sweeps.own_is_busy() || self.latched.is_some();
        if waits { Timestamp::NEVER } else { self.wake }
    }

    /// The time that the log must cover before an answer that waits may leave.
    #[must_use]
    pub fn wanted_time(&self) -> Option<Timestamp> {
        self.parked.wanted_time(self.durable)
    }

    /// Whether something happened since the batch was last taken.
    #[must_use]
    pub fn has_batch(&self) -> bool {
        !self.batch.is_empty()
    }

    /// Takes what happened since the last time. The committer writes it in order.
    pub fn take_batch(&mut self) -> Batch {
        let next = self.batch.same_size();
        core::mem::replace(&mut self.batch, next)
    }

    /// The log failed: nothing more is acknowledged, and every call under way gets to know.
    ///
    /// Reads that rest on durable state still work, at the latest time that is durable. A
    /// stream that a transaction had reserved stays so: nobody knows what became of it.
    pub fn latch(&mut self, fault: Fault, out: &mut Vec<Effect>) {
        self.latched = Some(fault);
        self.now = self.now.min(self.durable.now_limit);
        let failed = || Reply::Failed(fault);
        self.parked.drain(|call| out.push(Effect::Reply(call, failed())));
        let ops = core::mem::take(&mut self.ops);
        let mut calls: Vec<CallId> = ops.into_values().filter_map(|op| op.call).collect();
        calls.extend(self.sweeps.drain());
        calls.sort_unstable();
        out.extend(calls.into_iter().map(|call| Effect::Reply(call, failed())));
        self.queues.clear();
        self.txs.clear();
        self.visits.clear();
        self.inbox.clear();
        self.ready.clear();
        self.loads.clear();
    }

    /// Takes no new asks; what was admitted is finished.
    pub fn stop(&mut self) {
        self.stopping = true;
    }

    /// Whether nothing is under way.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.ops.is_empty()
            && self.parked.len() == 0
            && self.batch.is_empty()
            && self.txs.is_empty()
            && self.visits.is_empty()
            && !self.sweeps.is_busy()
    }

    /// The shard's clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Where a stream lives, among that many shards.
    #[must_use]
    pub fn of(name: &Name, shards: usize) -> usize {
        shard_of(name_hash(name), shards)
    }

    /// Where an idempotency key lives, among that many shards.
    #[must_use]
    pub fn of_key(key: &[u8; 16], shards: usize) -> usize {
        let (route, _) = key.split_first_chunk().expect("a key has 16 bytes");
        u32::from_le_bytes(*route) as usize % shards
    }

    /// The bytes that streams, items and keys in memory take.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.cords.iter().flatten().map(|cords| cords.memory()).sum::<usize>() + self.keys.memory()
    }

    /// The bytes of the filters, which do not change.
    #[must_use]
    pub fn filter_memory(&self) -> usize {
        self.filter.byte_len() + self.keys.filter_bytes()
    }

    /// How many streams are in memory.
    #[must_use]
    pub fn streams_resident(&self) -> usize {
        self.cords.iter().flatten().map(|cords| cords.len()).sum()
    }

    /// How many places of its tables of items and keys it has looked at, ever. For tests that compare the
    /// work of a command on a stream of ten items with that on one of a million.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.cords.iter().flatten().map(|cords| cords.steps()).sum::<u64>() + self.keys.steps()
    }

    /// Takes over what a pass over the store has found for the filters.
    pub fn note(&mut self, notes: &Notes) {
        notes.hashes.iter().for_each(|hash| self.filter.insert(*hash));
        notes.keys.iter().for_each(|(key, bucket)| self.keys.note(key, *bucket));
        if notes.complete {
            self.noted_all();
        }
    }

    /// Everything in the store has been noted; the filters may say "never seen".
    pub fn noted_all(&mut self) {
        self.filter.complete();
        self.keys.complete();
    }

    fn advance(&mut self, now: Timestamp) {
        if self.latched.is_some() {
            return;
        }
        self.now = if mutant!(TimeRunsBack) { now } else { self.now.max(now) };
    }

    /// Runs what has become possible until nothing more is.
    fn settle(&mut self, ring: &mut dyn Ring, out: &mut Vec<Effect>) {
        loop {
            if let Some((from, message)) = self.inbox.pop_front() {
                self.take_message(from, message, ring, out);
            } else if let Some(at) = self.ready.pop_front() {
                self.run_queue(at, ring, out);
            } else {
                break;
            }
        }
        self.continue_sweeps(out);
        self.parked.release(self.released(), |call, reply| out.push(Effect::Reply(call, reply)));
        if self.grown >= 64 {
            self.evict();
        }
    }

    /// What answers may rest on now.
    fn released(&self) -> Published {
        if mutant!(AnswerBeforeSync) {
            let now_limit = Timestamp::NEVER;
            return Published { watermark: Position::new(u64::MAX), now_limit };
        }
        self.durable
    }

    fn name_ahead<'a>(
        &'a self,
        leg: &Leg,
        named: &mut SmallVec<[(&'a dyn Cords, u64); LOOK_AHEAD]>,
    ) {
        let Name { book, kind, id } = &leg.stream;
        let Some(cords) = self.cords_of(*kind) else { return };
        for id in [Some(id), leg.command.also()].into_iter().flatten() {
            named.push((cords, hash_of(*book, *kind, id)));
        }
    }

    fn cords_of(&self, kind: Kind) -> Option<&dyn Cords> {
        self.cords.get(usize::from(kind.get()))?.as_deref()
    }

    fn cords(&self, kind: Kind) -> &dyn Cords {
        &**self.cords[usize::from(kind.get())].as_ref().expect("kinds are checked at admission")
    }

    fn cords_mut(&mut self, kind: Kind) -> &mut dyn Cords {
        &mut **self.cords[usize::from(kind.get())].as_mut().expect("kinds are checked at admission")
    }

    fn knows(&self, kind: Kind) -> bool {
        self.cords.get(usize::from(kind.get())).is_some_and(Option::is_some)
    }

    /// The place of a stream in memory; one that is not there yet gets a place to be read into.
    fn locate(&mut self, name: &Name) -> At {
        self.locate_by(name_hash(name), name)
    }

    /// The same, of a name whose hash is known.
    fn locate_by(&mut self, hash: u64, name: &Name) -> At {
        let kind = name.kind;
        if let Some(slot) = self.cords(kind).find(hash, name.book, name.id.as_str()) {
            return At { kind, slot };
        }
        // Only now: the filter is one more line of memory that is in no cache.
        let known = !self.filter.may_hold(hash);
        self.grown += 1;
        At { kind, slot: self.cords_mut(kind).add(hash, name.clone(), known) }
    }

    /// Asks the store for something of a stream. One question at a time, and while it is
    /// under way the stream and its items stay in memory: what the store says may be older
    /// than what happens meanwhile.
    fn load_for(&mut self, at: At, what: Wanted, whose: Loading, out: &mut Vec<Effect>) {
        let queue = self.queue(at);
        debug_assert!(!queue.loading, "one question at a time");
        queue.loading = true;
        let state = self.cords_mut(at.kind).state_mut(at.slot);
        state.pins += 1;
        state.loading = true;
        self.load(what, whose, out);
    }

    /// Whether the store has been asked for something of a stream and has not answered yet.
    fn is_loading(&self, at: At) -> bool {
        self.queues.get(&at).is_some_and(|queue| queue.loading)
    }

    fn load(&mut self, what: Wanted, whose: Loading, out: &mut Vec<Effect>) {
        self.ticket_last += 1;
        let ticket = self.ticket_last;
        self.loads.insert(ticket, (whose, self.durable.watermark));
        out.push(Effect::Load(Load { ticket, what }));
    }

    /// Lets go of what is durable and unused while too much is in memory. The work is bounded
    /// by what has come into memory since the last time.
    fn evict(&mut self) {
        let items: usize = self.cords.iter_mut().flatten().map(|cords| cords.take_added()).sum();
        let grown = core::mem::take(&mut self.grown) + items;
        if self.memory() <= self.config.memory_max {
            return;
        }
        // Two passes let go of what was not used in between; four keep ahead of growth.
        let steps = 64 + 4 * grown;
        let durable = self.durable.watermark;
        // The store has what was durable when it was asked.
        let asked = self.loads.values().next().map_or(durable, |(_, watermark)| *watermark);
        let Self { cords, queues, .. } = self;
        for (kind, cords) in cords.iter_mut().enumerate() {
            let (Some(cords), kind) = (cords, Kind::new(kind as u8)) else { continue };
            let since = |slot| {
                let queue = queues.get(&At { kind, slot });
                queue.and_then(|queue| queue.front).map_or(0, |(_, since)| since as u32)
            };
            cords.evict(durable, asked, steps, &since);
        }
        self.keys.evict(durable, steps);
    }
}

/// The hash of a stream's name.
pub(crate) fn name_hash(name: &Name) -> u64 {
    hash_of(name.book, name.kind, &name.id)
}

fn hash_of(book: Book, kind: Kind, id: &Id) -> u64 {
    let front = book.get() << 8 ^ u64::from(kind.get());
    xxhash_rust::xxh3::xxh3_64_with_seed(id.as_str().as_bytes(), front)
}

/// The part of a name's hash that says on which shard its stream lives. Keys of idempotency
/// begin with it on the disk, so it never changes.
fn route(hash: u64) -> u32 {
    (hash.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32
}

/// Where a stream lives, among that many shards, by the hash of its name.
pub(crate) fn shard_of(hash: u64, shards: usize) -> usize {
    route(hash) as usize % shards
}
