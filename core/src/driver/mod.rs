//! A whole ledger on one thread: shards, ring, committer, a log and a store, step by step, in
//! any order that a test or a seed wants, with crash and reopen.

use std::collections::{BTreeMap, VecDeque};

use crate::batch::{MemoryRing, Ring};
use crate::commit::{Committer, Published};
use crate::digest::digest;
use crate::log::{Finish, Frame, Log, LogError, MemoryLog, Settle};
use crate::machine::Registry;
use crate::recovery::{Limits, Notes, Noting, RecoveryError, recover};
use crate::shard::{
    Ask, BUCKET_MS, CallId, Config, Effect, KEY_LIFE_MS, Leg, Load, Message, Reply, Shard,
    bucket_of, find,
};
use crate::store::{Checkpoint, MemoryStore, Store, StoreError};
use crate::words::{Epoch, Fault, Position, Timestamp};

/// How a driven ledger is made.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The machines.
    pub registry: Registry,
    /// What the first entry of a new ledger says.
    pub genesis: Vec<Leg>,
    /// How many shards.
    pub shards: usize,
    /// The bounds of each shard. Its own number is filled in.
    pub config: Config,
    /// The ring's slots and bytes.
    pub room: (u64, u64),
    /// How the filters of the shards are filled.
    pub filters: Filters,
    /// The bounds of recovery.
    pub limits: Limits,
    /// The time at which the ledger is first opened.
    pub start: Timestamp,
}

impl Setup {
    /// A ledger of these machines on that many shards.
    #[must_use]
    pub fn new(registry: Registry, genesis: Vec<Leg>, shards: usize) -> Self {
        let config = Config { filter_bytes: 1 << 14, keys_max: 1 << 12, ..Config::new(0, shards) };
        Self {
            registry,
            genesis,
            shards,
            config,
            room: (4_096, 64 << 20),
            filters: Filters::AtOnce,
            limits: Limits::default(),
            start: Timestamp::from_ms(1_800_000_000_000),
        }
    }
}

/// How the filters of the shards are filled once a ledger is opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Filters {
    /// Before anything is asked.
    AtOnce,
    /// By steps among the others.
    InSteps,
    /// Not at all: they deny nothing.
    Never,
}

/// The rows that are looked at for the filters in one go before anything is asked.
const NOTED_AT_ONCE: usize = 4_096;

/// The rows of one step among others: few, so that a test sees many.
const NOTED_IN_A_STEP: usize = 3;

/// One thing that can happen next. It is the same one for as long as it can.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Move {
    /// The oldest message from one shard to another arrives.
    Deliver(usize, usize),
    /// The store answers one of the questions under way, which are numbered as they are asked.
    Answer(u64),
    /// A shard ends its tick and hands its batch to the committer.
    Flush(usize),
    /// The committer makes a frame and begins to append it.
    Append,
    /// The append under way ends well.
    Settle,
    /// A shard learns what is durable.
    Publish(usize),
    /// Time passes for a shard that has something due.
    Tick(usize),
    /// A few more rows of the store are looked at for the filters.
    Note,
    /// A shard takes what was found for its filters.
    TakeNotes(usize),
}

/// A ledger whose every step somebody else chooses.
///
/// Over a log and a store in memory it also says how each append ends, and loses power.
pub struct Driver<L: Log = MemoryLog, S: Store = MemoryStore> {
    setup: Setup,
    shards: Vec<Shard>,
    ring: MemoryRing,
    follows_room: bool,
    /// Whether the disk had no room when the log was last tended.
    is_full: bool,
    committer: Committer,
    log: L,
    /// Ends the append under way, where a log does not end it by itself.
    settle: fn(&mut L, Finish, bool),
    appending: bool,
    store: S,
    loads: BTreeMap<u64, (usize, Load)>,
    load_last: u64,
    messages: Vec<Vec<VecDeque<Message>>>,
    publishing: Vec<Option<Published>>,
    noting: Option<Noting>,
    notes: Vec<Option<Notes>>,
    replies: VecDeque<(CallId, Reply)>,
    call_last: u64,
    now: Timestamp,
    steps: u64,
    failed: bool,
}

impl Driver {
    /// A new ledger in memory.
    pub fn create(setup: Setup) -> Result<Self, RecoveryError> {
        let store = MemoryStore::new(setup.registry.clone());
        let now = setup.start;
        Self::open(setup, MemoryLog::new(Settle::WhenTold), store, now)
    }

    /// Opens what a log and a store in memory hold.
    pub fn open(
        setup: Setup,
        log: MemoryLog,
        store: MemoryStore,
        now: Timestamp,
    ) -> Result<Self, RecoveryError> {
        Self::over(setup, log, MemoryLog::settle, store, now)
    }

    /// Ends the append under way, well or not.
    pub fn settle(&mut self, finish: Finish, written: bool) {
        self.log.settle(finish, written);
        self.finish_append();
    }

    /// Power is lost: every answer that has not left is lost, and so is what was not durable.
    /// Opens what is there, at `now`.
    pub fn crash(self, written: bool, now: Timestamp) -> Result<Self, RecoveryError> {
        let Self { setup, mut log, store, .. } = self;
        // An append under way may have reached the disk, or not.
        log.settle(Finish::Unknown, written);
        Self::open(setup, log.reopen(), store.crashed(), now)
    }

    /// The store, to be damaged.
    pub fn store_mut(&mut self) -> &mut MemoryStore {
        &mut self.store
    }

    /// The digest of a store that is made of the log alone.
    pub fn replayed_digest(&self) -> Result<[u8; 32], RecoveryError> {
        let mut store = MemoryStore::new(self.setup.registry.clone());
        recover(&self.log, &mut store, &self.setup.registry, &self.setup.limits, &mut |_| {})?;
        Ok(digest(&store, &self.setup.registry, self.durable().now_limit)?)
    }
}

impl<L: Log, S: Store> Driver<L, S> {
    /// Opens what any log and store hold, or begins a new ledger where they hold nothing. The
    /// log ends its appends by itself.
    pub fn on(setup: Setup, log: L, store: S, now: Timestamp) -> Result<Self, RecoveryError> {
        Self::over(setup, log, |_, _, _| {}, store, now)
    }

    /// Admits from here on only what the log has room for, as the log counts it. Whoever drives
    /// it [tends](Self::tend) the log.
    pub fn admit_by_room(&mut self) {
        self.follows_room = true;
        self.ring.follow(self.log.room_rule());
        self.show_room();
    }

    /// Calls are numbered behind this one: whoever drives one ledger after another tells the
    /// answers of one from those of the other.
    pub fn number_calls_from(&mut self, last: CallId) {
        self.call_last = last.0;
    }

    fn over(
        setup: Setup,
        mut log: L,
        settle: fn(&mut L, Finish, bool),
        mut store: S,
        now: Timestamp,
    ) -> Result<Self, RecoveryError> {
        let epoch: Epoch = log.take_epoch()?;
        let durable = recover(&log, &mut store, &setup.registry, &setup.limits, &mut |_| {})?;
        let count = setup.shards;
        let mut shards = Vec::with_capacity(count);
        for shard in 0..count {
            let config = Config { shard, shards: count, ..setup.config.clone() };
            shards.push(Shard::new(config, &setup.registry, durable));
        }
        let ring = MemoryRing::new(durable.watermark.plus(1), setup.room.0, setup.room.1);
        let committer = Committer::new(count, epoch, durable);
        let mut driver = Self {
            shards,
            ring,
            follows_room: false,
            is_full: false,
            committer,
            log,
            settle,
            appending: false,
            store,
            loads: BTreeMap::new(),
            load_last: 0,
            messages: (0..count).map(|_| (0..count).map(|_| VecDeque::new()).collect()).collect(),
            publishing: vec![None; count],
            noting: Some(Noting::new(count, durable)).filter(|_| setup.filters != Filters::Never),
            notes: vec![None; count],
            replies: VecDeque::new(),
            call_last: 0,
            now,
            steps: 0,
            failed: false,
            setup,
        };
        while driver.setup.filters == Filters::AtOnce && driver.note(NOTED_AT_ONCE)? {
            (0..count).for_each(|shard| driver.take_notes(shard));
        }
        if durable.watermark == Position::ZERO {
            driver.begin()?;
        }
        Ok(driver)
    }

    /// Writes the first entry of a new ledger. It is one entry: power that goes while it is
    /// written leaves a ledger that is still new, never one with half a beginning.
    fn begin(&mut self) -> Result<(), RecoveryError> {
        let legs = self.setup.genesis.clone();
        if legs.is_empty() {
            return Ok(());
        }
        match self.ask(Ask::Transaction(legs, None)) {
            Reply::Done(_) => Ok(()),
            reply => Err(RecoveryError::Begin(format!("{reply:?}"))),
        }
    }

    /// Gives an ask to its shard. The answer comes with [`reply`](Self::reply), some steps later.
    pub fn submit(&mut self, ask: Ask) -> CallId {
        let shard = ask.home(self.setup.shards);
        self.submit_to(shard, ask)
    }

    /// Gives an ask to one shard: sweeps go to each.
    pub fn submit_to(&mut self, shard: usize, ask: Ask) -> CallId {
        self.call_last += 1;
        let call = CallId(self.call_last);
        let now = self.now;
        self.with(shard, |shard, ring, out| shard.submit(call, ask, now, ring, out));
        call
    }

    /// The next answer that has left.
    pub fn reply(&mut self) -> Option<(CallId, Reply)> {
        self.replies.pop_front()
    }

    /// Asks and takes every step until the answer is there.
    pub fn ask(&mut self, ask: Ask) -> Reply {
        let call = self.submit(ask);
        self.run();
        let place = self.replies.iter().position(|(answered, _)| *answered == call);
        let place = place.expect("every ask is answered once nothing is left to do");
        self.replies.remove(place).expect("it was found there").1
    }

    /// Everything that can happen next, in a fixed order.
    #[must_use]
    pub fn moves(&self) -> Vec<Move> {
        let mut moves = Vec::new();
        let count = self.shards.len();
        for from in 0..count {
            for to in 0..count {
                if !self.messages[from][to].is_empty() {
                    moves.push(Move::Deliver(from, to));
                }
            }
        }
        moves.extend(self.loads.keys().copied().map(Move::Answer));
        moves.extend((0..count).filter(|&shard| self.shards[shard].has_batch()).map(Move::Flush));
        if self.committer.under_way() == 0 && self.committer.can_gather() && !self.failed {
            moves.push(Move::Append);
        }
        if self.appending {
            moves.push(Move::Settle);
        }
        moves.extend(
            (0..count).filter(|&shard| self.publishing[shard].is_some()).map(Move::Publish),
        );
        let due = |shard: &usize| self.shards[*shard].wake_at() <= self.now;
        moves.extend((0..count).filter(due).filter(|_| !self.failed).map(Move::Tick));
        if self.noting.is_some() && self.notes.iter().all(Option::is_none) {
            moves.push(Move::Note);
        }
        moves.extend((0..count).filter(|&shard| self.notes[shard].is_some()).map(Move::TakeNotes));
        moves
    }

    /// Takes one step.
    pub fn step(&mut self, step: Move) {
        self.steps += 1;
        let now = self.now;
        match step {
            Move::Deliver(from, to) => {
                if let Some(message) = self.messages[from][to].pop_front() {
                    self.with(to, |shard, ring, out| shard.receive(from, message, now, ring, out));
                }
            }
            Move::Answer(number) => {
                let Some((shard, load)) = self.loads.remove(&number) else { return };
                let found = find(&self.store, &load.what);
                let ticket = load.ticket;
                self.with(shard, |shard, ring, out| shard.loaded(ticket, found, now, ring, out));
            }
            Move::Flush(shard) => {
                let batch = self.shards[shard].take_batch();
                self.committer.add(shard, batch);
            }
            Move::Append => self.append(),
            Move::Settle => {
                (self.settle)(&mut self.log, Finish::Durable, true);
                self.finish_append();
            }
            Move::Publish(shard) => {
                if let Some(durable) = self.publishing[shard].take() {
                    self.with(shard, |shard, _, out| shard.publish(durable, out));
                }
            }
            Move::Tick(shard) => self.with(shard, |shard, ring, out| shard.tick(now, ring, out)),
            Move::Note => {
                // Filters that deny nothing are slow and never wrong: whoever reads the damaged
                // row for an ask says so.
                if self.note(NOTED_IN_A_STEP).is_err() {
                    self.noting = None;
                }
            }
            Move::TakeNotes(shard) => self.take_notes(shard),
        }
    }

    /// Takes steps in a fixed order until nothing is left to do.
    pub fn run(&mut self) {
        while let Some(step) = self.moves().into_iter().next() {
            self.step(step);
        }
    }

    /// Looks at some rows of the store for the filters. Says whether there was anything left.
    fn note(&mut self, rows: usize) -> Result<bool, StoreError> {
        let Some(noting) = &mut self.noting else { return Ok(false) };
        let Some(notes) = noting.step(&self.store, rows)? else {
            self.noting = None;
            return Ok(false);
        };
        self.notes = notes.into_iter().map(Some).collect();
        Ok(true)
    }

    fn take_notes(&mut self, shard: usize) {
        if let Some(notes) = self.notes[shard].take() {
            self.shards[shard].note(&notes);
        }
    }

    fn append(&mut self) {
        if let Some(frame) = self.committer.gather(self.now) {
            self.append_frame(frame);
        }
    }

    /// Says on the log that everything is durable, once nothing is left to append: what an idle
    /// ledger does, and one that is stopped.
    pub fn seal(&mut self) {
        if self.begin_seal() {
            self.run();
        }
    }

    /// Begins to say so, where there is nothing to append. Says whether it had to be said.
    pub fn begin_seal(&mut self) -> bool {
        let Some(frame) = self.committer.seal(self.now) else { return false };
        self.append_frame(frame);
        true
    }

    fn append_frame(&mut self, frame: Frame) {
        let appended = self.log.append(frame);
        self.show_room();
        match appended {
            Ok(()) => {
                self.appending = true;
                if mutant!(WatermarkEarly) {
                    self.finish_early();
                }
            }
            // Another writer has taken over, or this one has failed before.
            Err(LogError::Fenced | LogError::Closed) => self.finish(Finish::Fenced),
            Err(_) => self.finish(Finish::Failed),
        }
    }

    fn finish_append(&mut self) {
        if let Some(finish) = self.log.finish() {
            self.appending = false;
            self.finish(finish);
        }
    }

    fn finish_early(&mut self) {
        self.finish(Finish::Durable);
    }

    fn finish(&mut self, finish: Finish) {
        if let Some(committed) = self.committer.finish(finish) {
            let through = committed.published.watermark;
            let mut rows = committed.rows();
            let applied = self.store.apply(&mut rows, through);
            drop(rows);
            self.ring.release(committed.slots, committed.reserved);
            self.show_room();
            if applied.is_err() {
                return self.latch();
            }
            self.publishing.iter_mut().for_each(|place| *place = Some(committed.published));
        } else if self.committer.failed().is_some() {
            self.latch();
        }
    }

    fn latch(&mut self) {
        self.failed = true;
        for shard in 0..self.shards.len() {
            self.with(shard, |shard, _, out| shard.latch(Fault::LogFailed, out));
        }
        self.messages.iter_mut().flatten().for_each(VecDeque::clear);
        self.loads.clear();
    }

    /// Makes a bit of room on the log ahead of need, and says whether there is more to do. Where
    /// the disk has none, asks that need it are told so until there is; any other failure is
    /// final.
    pub fn tend(&mut self) -> Result<bool, LogError> {
        let tended = self.log.tend();
        self.is_full = matches!(tended, Err(LogError::Full(_)));
        if tended.is_err() && !self.is_full && !self.failed {
            self.latch();
        }
        self.show_room();
        tended
    }

    /// Removes the rows of keys that are too old to count, as the committer of an engine does
    /// before it freezes the store.
    pub fn drop_old_keys(&mut self) -> Result<(), StoreError> {
        let at = self.durable().now_limit.ms().saturating_sub(KEY_LIFE_MS + BUCKET_MS);
        self.store.drop_keys_before(bucket_of(Timestamp::from_ms(at)))
    }

    /// Sets aside what the store's next checkpoint writes, whenever that is run.
    pub fn freeze(&mut self) -> Result<Checkpoint, StoreError> {
        self.store.freeze()
    }

    fn show_room(&mut self) {
        if self.follows_room {
            self.ring.set_room(self.log.room(), self.is_full);
        }
    }

    /// The store's checkpoint.
    pub fn checkpoint(&mut self) -> Result<Position, StoreError> {
        self.store.checkpoint()
    }

    /// Sets the clock that shards are told. They never follow it backwards.
    pub fn set_now(&mut self, now: Timestamp) {
        self.now = now;
    }

    /// The clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// How many steps were taken.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Everything that is durable.
    #[must_use]
    pub fn durable(&self) -> Published {
        self.committer.published()
    }

    /// The log.
    #[must_use]
    pub fn log(&self) -> &L {
        &self.log
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &S {
        &self.store
    }

    /// The log and the store as they are, without anything that was under way.
    pub fn into_parts(self) -> (L, S) {
        (self.log, self.store)
    }

    /// Whether the log has failed: nothing is acknowledged any more.
    #[must_use]
    pub fn is_latched(&self) -> bool {
        self.failed
    }

    /// The log, to be tended.
    pub fn log_mut(&mut self) -> &mut L {
        &mut self.log
    }

    /// The ring.
    pub fn ring_mut(&mut self) -> &mut MemoryRing {
        &mut self.ring
    }

    /// The shards.
    #[must_use]
    pub fn shards(&self) -> &[Shard] {
        &self.shards
    }

    /// The machines.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.setup.registry
    }

    /// The digest of the store's state.
    pub fn digest(&self) -> Result<[u8; 32], StoreError> {
        digest(&self.store, &self.setup.registry, self.durable().now_limit)
    }

    fn with(
        &mut self,
        index: usize,
        act: impl FnOnce(&mut Shard, &mut dyn Ring, &mut Vec<Effect>),
    ) {
        let mut out = Vec::new();
        act(&mut self.shards[index], &mut self.ring, &mut out);
        for effect in out {
            match effect {
                Effect::Load(load) => {
                    self.load_last += 1;
                    self.loads.insert(self.load_last, (index, load));
                }
                Effect::Reply(call, reply) => self.replies.push_back((call, reply)),
                Effect::Send(to, message) => self.messages[index][to].push_back(message),
            }
        }
        if let Some(now) = self.shards[index].wanted_time() {
            self.committer.ask_time(now);
        }
    }
}
