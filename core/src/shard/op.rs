//! One ask on its way: admission, what it needs, and the decision on its stream alone.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::keys::{Keyed, KeyedAs, Seen, bucket_of};
use super::{
    Ask, At, CallId, Effect, Key, Leg, Loading, Options, Outcome, Queue, Reading, Refused, Reply,
    Shard, Wanted, key_row_key, name_hash, shard_of,
};
use crate::batch::{EntryAt, Ring};
use crate::machine::{
    Accepted, Answer, Command, Context, Expansion, ItemKey, Needs, Out, Place, Shows, Transit,
};
use crate::records::{Corrupt, EntryWriter, KeyNote, KeyRow, TRACE_LEN, Table};
use crate::words::{Code, Fact, Fault, Name, Position, Refusal, Timestamp, Trace, Version};

/// Tells asks under way apart.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct OpId(pub(super) u64);

/// An ask that was admitted and is not decided yet.
#[derive(Debug)]
pub(super) struct Op {
    /// Whom to answer; nobody where time asks.
    pub(super) call: Option<CallId>,
    /// The stream in whose queue it waits. A transaction without a key waits in none.
    pub(super) home: Option<At>,
    pub(super) what: What,
    pub(super) keyed: Option<Keyed>,
    /// Whether the store has been asked for the key and does not have it.
    pub(super) key_is_absent: bool,
    /// Room in the ring that was set aside and is not used yet.
    pub(super) slots: u64,
    pub(super) room: u64,
    /// Whether it has left its queue's front to become a transaction.
    pub(super) departed: bool,
}

impl Op {
    /// Whether its answer shows nothing but which legs changed something.
    pub(super) fn is_brief(&self) -> bool {
        matches!(&self.what, What::Transaction(legs) if legs.len() > ANSWERED_LEGS_MAX)
    }

    /// What its entry says led to it.
    fn trace(&self) -> Option<Trace> {
        match &self.what {
            What::Command(leg) => leg.options.trace,
            What::Transaction(legs) => trace_of(legs),
            What::Read(_) | What::Touch(_) => None,
        }
    }
}

/// What an ask wants.
#[derive(Debug)]
pub(super) enum What {
    Command(Leg),
    Transaction(Vec<Leg>),
    Read(Reading),
    /// Nothing but that what is due is fired, for a sweep.
    Touch(Option<u64>),
}

/// The most events of one asked leg: a step may create a stream beside the leg's own.
const EVENTS_MAX: u64 = 2;

/// How far an ask came.
pub(super) enum Step {
    Done,
    Waits,
}

/// The most legs of one transaction: ten thousand that a caller names, and the two that come
/// with them, of a key and of a source.
pub const LEGS_MAX: usize = 10_002;

/// The most bytes of one entry.
pub const ENTRY_BYTES_MAX: usize = 8 << 20;

/// The most legs whose answer shows their events and streams. That of a longer transaction
/// says which legs changed something; the log has the rest.
pub const ANSWERED_LEGS_MAX: usize = 64;

/// What an entry takes beside its legs: its header, and a key's note without the answer.
const ENTRY_BYTES: usize = 128;

/// What a leg takes beside twice what its command weighs: the headers of up to three parts,
/// the name of a stream that is created, and what events add.
const LEG_BYTES: usize = 384;

/// The longest answer of one leg that is kept under a key: a head, metadata and an item.
const ANSWER_BYTES: usize = 12 << 10;

/// What a long transaction's answer takes for each leg.
const LEG_MARK_BYTES: usize = 16;

impl Shard {
    /// Lets an ask in, or says what there is too little of.
    pub(super) fn admit(
        &mut self,
        call: CallId,
        ask: Ask,
        ring: &mut dyn Ring,
        out: &mut Vec<Effect>,
    ) {
        let hash = match self.check_admission(&ask) {
            Ok(hash) => hash,
            Err(fault) => {
                out.push(Effect::Reply(call, Reply::Failed(fault)));
                return;
            }
        };
        if let Some(refused) = self.refuse_legs(&ask) {
            self.answer(Some(call), Position::ZERO, Reply::Refused(refused));
            return;
        }
        let (slots, bytes) = room(&ask);
        // Even an entry without bytes would take room, but a read writes none.
        let room = if slots == 0 { 0 } else { ring.room_of(bytes) };
        if bytes > ENTRY_BYTES_MAX {
            out.push(Effect::Reply(call, Reply::Failed(Fault::TooLarge)));
            return;
        }
        if let Err(fault) = self.reserve(slots, room, ring) {
            out.push(Effect::Reply(call, Reply::Failed(fault)));
            return;
        }
        let mut op = Op {
            call: Some(call),
            home: None,
            what: What::Touch(None),
            keyed: None,
            slots,
            room,
            key_is_absent: false,
            departed: false,
        };
        match ask {
            Ask::Command(leg, key) => {
                op.keyed = key.map(|key| {
                    let only = (&leg.stream, &leg.command, &leg.options);
                    Keyed::new(&self.config.secret, &key, &leg.stream, KeyedAs::Command, &[only])
                });
                op.home = Some(self.locate_by(hash, &leg.stream));
                op.what = What::Command(leg);
            }
            Ask::Transaction(legs, key) => {
                if let Some(key) = key {
                    op.keyed = Some(self.keyed_transaction(&key, &legs));
                    op.home = Some(self.locate_by(hash, &legs[0].stream));
                }
                op.what = What::Transaction(legs);
            }
            Ask::Restored(step) => {
                op.home = Some(self.locate_by(hash, step.stream()));
                op.what = What::Command(step.into_leg());
            }
            Ask::Read(reading) => {
                op.home = Some(self.locate_by(hash, &reading.stream));
                op.what = What::Read(reading);
            }
            Ask::Sweep(sweep) => {
                self.begin_sweep(Some(call), sweep, out);
                return;
            }
        }
        self.enqueue(op, ring, out);
    }

    fn keyed_transaction(&self, key: &Key, legs: &[Leg]) -> Keyed {
        let parts: Vec<(&Name, &Command, &Options)> =
            legs.iter().map(|leg| (&leg.stream, &leg.command, &leg.options)).collect();
        Keyed::new(&self.config.secret, key, &legs[0].stream, KeyedAs::Transaction, &parts)
    }

    /// Checks that an ask may come in, and gives the hash of the name of its home.
    /// Refuses commands that only machines and time give: asked by a caller, half of a movement
    /// would happen without the other half.
    fn refuse_legs(&self, ask: &Ask) -> Option<Refused> {
        let (legs, is_transaction) = match ask {
            Ask::Command(leg, _) => (core::slice::from_ref(leg), false),
            Ask::Transaction(legs, _) => (&legs[..], true),
            // What a restore gives comes out of rows, not from a caller.
            Ask::Restored(_) | Ask::Read(_) | Ask::Sweep(_) => return None,
        };
        let index = legs.iter().position(|leg| leg.command.is_leg())?;
        let leg = is_transaction.then_some(index as u32);
        Some(self.refused(Code::Malformed.into(), leg, Position::ZERO, Position::ZERO))
    }

    fn check_admission(&self, ask: &Ask) -> Result<u64, Fault> {
        if let Some(fault) = self.latched {
            let Ask::Read(reading) = ask else { return Err(fault) };
            return self.home_of_read(reading).ok_or(Fault::Internal);
        }
        if self.stopping {
            return Err(Fault::Stopping);
        }
        if self.ops.len() + self.parked.len() + self.sweeps.len() >= self.config.calls_max {
            return Err(Fault::Overloaded);
        }
        let known =
            |leg: &Leg| self.knows(leg.stream.kind) && leg.command.kind() == leg.stream.kind;
        let home = match ask {
            Ask::Command(leg, _) if known(leg) => self.hash_if_home(&leg.stream),
            Ask::Restored(step) if known(step.leg()) => self.hash_if_home(step.stream()),
            Ask::Transaction(legs, key) => {
                let bounded = (1..=LEGS_MAX).contains(&legs.len());
                match key {
                    _ if !bounded || !legs.iter().all(known) => None,
                    Some(_) => self.hash_if_home(&legs[0].stream),
                    None => Some(0),
                }
            }
            Ask::Read(reading) => self.home_of_read(reading),
            Ask::Command(..) | Ask::Restored(_) => None,
            Ask::Sweep(_) => Some(0),
        };
        home.ok_or(Fault::Internal)
    }

    fn home_of_read(&self, reading: &Reading) -> Option<u64> {
        if self.knows(reading.stream.kind) { self.hash_if_home(&reading.stream) } else { None }
    }

    /// The hash of a stream's name, if the stream lives here.
    pub(super) fn hash_if_home(&self, stream: &Name) -> Option<u64> {
        let hash = name_hash(stream);
        (shard_of(hash, self.config.shards) == self.config.shard).then_some(hash)
    }

    fn reserve(&self, slots: u64, room: u64, ring: &mut dyn Ring) -> Result<(), Fault> {
        if slots == 0 { Ok(()) } else { ring.reserve(slots, room) }
    }

    /// Puts an ask behind those that wait for the same stream, or runs it at once.
    pub(super) fn enqueue(&mut self, mut op: Op, ring: &mut dyn Ring, out: &mut Vec<Effect>) {
        let Some(at) = op.home else {
            self.op_last += 1;
            let id = OpId(self.op_last);
            self.ops.insert(id, op);
            self.begin_tx(id, ring, out);
            return;
        };
        let state = self.cords(at.kind).state(at.slot);
        let is_free = !state.reserved || mutant!(ReservedIgnored);
        if state.known && !state.busy && is_free && state.due > self.now {
            // The usual case: nothing waits, nothing is missing.
            if let Step::Done = self.step(at, None, &mut op, ring, out) {
                return;
            }
        }
        self.op_last += 1;
        let id = OpId(self.op_last);
        self.ops.insert(id, op);
        self.queue(at).ops.push_back(id);
        self.ready.push_back(at);
    }

    pub(super) fn queue(&mut self, at: At) -> &mut Queue {
        self.cords_mut(at.kind).state_mut(at.slot).busy = true;
        self.queues.entry(at).or_default()
    }

    /// Carries on with what waits for a stream.
    pub(super) fn run_queue(&mut self, at: At, ring: &mut dyn Ring, out: &mut Vec<Effect>) {
        loop {
            let Some(queue) = self.queues.get(&at) else { return };
            if queue.loading {
                return;
            }
            let state = self.cords(at.kind).state(at.slot);
            let waited_for =
                !queue.ops.is_empty() || !queue.visitors.is_empty() || !queue.reservers.is_empty();
            if !state.known && waited_for {
                self.load_stream(at, out);
                return;
            }
            if !queue.visitors.is_empty() {
                let visitors = core::mem::take(&mut self.queue(at).visitors);
                visitors.into_iter().for_each(|tx| self.resume_visit(tx, at, ring, out));
                if self.queues.get(&at).is_some_and(|queue| queue.loading) {
                    return;
                }
                continue;
            }
            let state = self.cords(at.kind).state(at.slot);
            if state.reserved && self.latched.is_none() {
                return;
            }
            let Some(queue) = self.queues.get_mut(&at) else { return };
            if let Some(tx) = queue.reservers.pop_front() {
                if mutant!(ReserverForgotten) {
                    continue;
                }
                self.resume_visit(tx, at, ring, out);
                continue;
            }
            let Some(&id) = queue.ops.front() else {
                self.queues.remove(&at);
                self.cords_mut(at.kind).state_mut(at.slot).busy = false;
                return;
            };
            if queue.front.is_none_or(|(front, _)| front != id) {
                queue.front = Some((id, self.ticket_last));
            }
            let Some(mut op) = self.ops.remove(&id) else {
                self.queue(at).ops.pop_front();
                continue;
            };
            if op.departed {
                self.ops.insert(id, op);
                return;
            }
            match self.step(at, Some(id), &mut op, ring, out) {
                Step::Done => {
                    self.queue(at).ops.pop_front();
                }
                Step::Waits => {
                    self.ops.insert(id, op);
                    if self.ops.get(&id).is_some_and(|op| op.departed) {
                        self.begin_tx(id, ring, out);
                    }
                    let Some(queue) = self.queues.get(&at) else { return };
                    if queue.loading || queue.ops.front() == Some(&id) {
                        return;
                    }
                }
            }
        }
    }

    /// Takes one ask as far as it can go. `id` is `None` while it is not in a queue: then it
    /// must not wait for anything, and says so.
    fn step(
        &mut self,
        at: At,
        id: Option<OpId>,
        op: &mut Op,
        ring: &mut dyn Ring,
        out: &mut Vec<Effect>,
    ) -> Step {
        let state = self.cords(at.kind).state(at.slot);
        if let Some(fault) = self.latched
            && state.reserved
        {
            return self.fail(op, fault, ring, out);
        }
        if state.due <= self.now && !mutant!(TimersSkipped) {
            if id.is_none() {
                return Step::Waits;
            }
            match self.fire(at, ring, out) {
                Ok(true) => {}
                Ok(false) => return Step::Waits,
                Err(fault) => return self.fail(op, fault, ring, out),
            }
        }
        if let Some(keyed) = op.keyed
            && let Some(step) = self.look_up_key(at, id, keyed, op, ring, out)
        {
            return step;
        }
        match &op.what {
            What::Touch(sweep) => {
                self.end_touch(*sweep, None);
                Step::Done
            }
            What::Read(_) => self.step_read(at, id, op, ring, out),
            What::Transaction(_) => {
                if id.is_none() {
                    return Step::Waits;
                }
                op.departed = true;
                Step::Waits
            }
            What::Command(_) => self.step_command(at, id, op, ring, out),
        }
    }

    /// `None` where the key was never seen, or its answer is too old.
    fn look_up_key(
        &mut self,
        at: At,
        id: Option<OpId>,
        keyed: Keyed,
        op: &mut Op,
        ring: &mut dyn Ring,
        out: &mut Vec<Effect>,
    ) -> Option<Step> {
        if mutant!(KeyIgnored) {
            return None;
        }
        let has_room = self.keys.has_room(&keyed.key, self.now);
        match self.keys.seen(&keyed.key, self.now) {
            Seen::Never if has_room => None,
            Seen::Perhaps(_) if has_room && op.key_is_absent => None,
            Seen::Never => Some(self.fail(op, Fault::Overloaded, ring, out)),
            Seen::Perhaps(_) if op.key_is_absent => {
                Some(self.fail(op, Fault::Overloaded, ring, out))
            }
            Seen::Answered(cell) if cell.fingerprint == keyed.fingerprint => {
                let (position, when) = (cell.position, cell.at);
                let reply = match Stored::read(&cell.answer) {
                    Some(stored) => stored.reply(position, when),
                    None => return Some(self.fail(op, Fault::Corrupt, ring, out)),
                };
                self.give_back(op, ring);
                self.answer(op.call, position, reply);
                Some(Step::Done)
            }
            Seen::Answered(cell) => {
                let position = cell.position;
                let refusal = Code::IdempotencyKeyReused.into();
                let version = self.cords(at.kind).state(at.slot).stamp.version;
                let refused = self.refused(refusal, None, position, version);
                self.give_back(op, ring);
                self.answer(op.call, position.max(version), Reply::Refused(refused));
                Some(Step::Done)
            }
            Seen::Perhaps(buckets) => {
                if id.is_some() {
                    let whose = Loading::Key(at, keyed.key);
                    self.load_for(at, Wanted::Key(keyed.key, buckets), whose, out);
                }
                Some(Step::Waits)
            }
        }
    }

    fn step_command(
        &mut self,
        at: At,
        id: Option<OpId>,
        op: &mut Op,
        ring: &mut dyn Ring,
        out: &mut Vec<Effect>,
    ) -> Step {
        let What::Command(leg) = &op.what else { return Step::Done };
        let missing = self.missing(at, &leg.command);
        if !missing.is_empty() {
            if id.is_some() {
                self.load_items(at, missing, out);
            }
            return Step::Waits;
        }
        match self.cords(at.kind).expand(at.slot, &leg.command, None) {
            Expansion::Alone => {
                let kept = self.decide_alone(at, op);
                self.conclude_alone(at, op, kept, ring, out);
                Step::Done
            }
            // An answer that rests on another stream's link waits for that stream as well.
            Expansion::Ask(_) => self.depart(id, op),
            Expansion::Legs(legs) => {
                if !is_kept(&leg.stream, &leg.options, &legs) {
                    return self.fail(op, Fault::Internal, ring, out);
                }
                let legs = parts_of(0, &leg.stream, &leg.options, legs);
                if self.config.short_way
                    && let Some(places) = self.at_hand(Some((&leg.stream, at)), &legs)
                {
                    self.short_way(op, &legs, &places, ring, out);
                    return Step::Done;
                }
                self.depart(id, op)
            }
        }
    }

    /// Makes the ask a transaction, if it is in a queue already.
    fn depart(&mut self, id: Option<OpId>, op: &mut Op) -> Step {
        op.departed = id.is_some();
        Step::Waits
    }

    /// The items that a command reads and that must be read from the store first.
    pub(super) fn missing(&self, at: At, command: &Command) -> Vec<ItemKey> {
        let mut needs = Needs::default();
        let cords = self.cords(at.kind);
        cords.needs(command, &mut needs);
        let mut missing = Vec::new();
        if needs.keys().is_empty() {
            return missing;
        }
        cords.missing(at.slot, needs.keys(), &self.filter, &mut missing);
        missing
    }

    fn decide_alone(&mut self, at: At, op: &Op) -> Result<Result<Accepted, Refusal>, Fault> {
        let What::Command(leg) = &op.what else { return Err(Fault::Internal) };
        if let Some(refusal) = self.stale(at, leg.options.if_version) {
            return Ok(Err(refusal));
        }
        let mut transit = Transit::default();
        let decided = self.decide(at, &leg.command, &mut transit)?;
        if decided.is_ok() && !transit.is_empty() {
            self.cords_mut(at.kind).drop_kept();
            return Err(Fault::Internal);
        }
        Ok(decided)
    }

    /// A version that the caller insists on and the stream has left behind.
    pub(super) fn stale(&self, at: At, wanted: Option<Version>) -> Option<Refusal> {
        let wanted = wanted?;
        let cords = self.cords(at.kind);
        if !cords.exists(at.slot) {
            return Some(Code::NotFound.into());
        }
        let version = cords.state(at.slot).stamp.version;
        (version != wanted).then(|| Refusal::with(Code::VersionMismatch, Fact::Version(version)))
    }

    /// Decides on a live stream. A panic is contained: nothing was changed.
    pub(super) fn decide(
        &mut self,
        at: At,
        command: &Command,
        transit: &mut Transit,
    ) -> Result<Result<Accepted, Refusal>, Fault> {
        let (now, secret) = (self.now, self.config.secret);
        let mut cx = Context { now, transit, secret: &secret };
        let cords = self.cords_mut(at.kind);
        let decide = AssertUnwindSafe(|| cords.decide(at.slot, command, &mut cx));
        match catch_unwind(decide) {
            Ok(decided) => Ok(decided),
            Err(_) => {
                self.cords_mut(at.kind).drop_kept();
                Err(Fault::Internal)
            }
        }
    }

    fn conclude_alone(
        &mut self,
        at: At,
        op: &mut Op,
        decided: Result<Result<Accepted, Refusal>, Fault>,
        ring: &mut dyn Ring,
        out: &mut Vec<Effect>,
    ) {
        match decided {
            Err(fault) => {
                self.fail(op, fault, ring, out);
            }
            Ok(Err(refusal)) => {
                let stamp = self.cords(at.kind).state(at.slot).stamp;
                self.refuse(op, refusal, None, stamp.version, stamp.version, ring);
            }
            Ok(Ok(Accepted::Already(shows))) => {
                let mut answer = Answer::default();
                self.show(at, &shows, &mut answer);
                let version = self.cords(at.kind).state(at.slot).stamp.version;
                self.already(op, answer, version, version, ring);
            }
            Ok(Ok(Accepted::Event)) => {
                let mut answer = Answer::default();
                let keyed = op.keyed;
                let position = self.write(op, 1, ring, |shard, out, place| {
                    out.entry.event();
                    shard.perform(at, place, false, out, &mut answer);
                    keyed.map(Keyed::said_by_events)
                });
                self.wake_for(at);
                self.keep_key(keyed, position, &Stored::Accepted(position, true, &answer));
                self.answer_done(op.call, position, position, true, answer);
            }
        }
    }

    pub(super) fn show(&mut self, at: At, shows: &Shows, answer: &mut Answer) {
        let mut arena = self.arena.take().unwrap_or_default();
        self.cords(at.kind).show(at.slot, shows, &mut arena, answer);
        self.arena = Some(arena);
    }

    /// Performs the oldest kept event of a live stream.
    pub(super) fn perform(
        &mut self,
        at: At,
        place: &Place,
        same: bool,
        out: &mut Out<'_>,
        answer: &mut Answer,
    ) {
        let cords = self.cords[usize::from(at.kind.get())].as_mut().expect("a kind that is known");
        cords.perform(at.slot, place, same, out, &mut self.filter, Some(answer));
    }

    /// Sees to it that the shard wakes when something on a stream is due.
    pub(super) fn wake_for(&mut self, at: At) {
        let due = self.cords(at.kind).state(at.slot).due;
        self.wake = self.wake.min(due);
    }

    /// Writes one entry of that many events: takes the positions, then `fill` performs, and
    /// gives the note that ends the entry. Gives the position of the first event.
    pub(super) fn write(
        &mut self,
        op: &mut Op,
        events: u64,
        ring: &mut dyn Ring,
        fill: impl FnOnce(&mut Self, &mut Out<'_>, &Place) -> Option<KeyNote>,
    ) -> Position {
        let first = ring.take(events);
        self.last = first.plus(events - 1);
        let now = self.now;
        let mut bytes = core::mem::take(&mut self.batch.bytes);
        let mut rows = core::mem::take(&mut self.batch.rows);
        let mut arena = self.arena.take().unwrap_or_default();
        let mut postings = core::mem::take(&mut self.postings);
        let entry = EntryWriter::begin(&mut bytes, &mut arena, now);
        let mut out = Out { entry, rows: &mut rows, postings: &mut postings, brief: op.is_brief() };
        let note = fill(self, &mut out, &Place { position: first, now });
        if let Some(note) = note.filter(|_| !mutant!(KeyNotInEntry)) {
            out.entry.note(&note);
        }
        if let Some(trace) = op.trace() {
            out.entry.trace(&trace);
        }
        let (len, _) = out.entry.finish();
        debug_assert!(postings.is_balanced(), "an entry's postings sum to zero: {postings:?}");
        postings.clear();
        self.batch.bytes = bytes;
        self.batch.rows = rows;
        self.arena = Some(arena);
        self.postings = postings;
        debug_assert!(op.slots >= events, "slots were reserved");
        let room = ring.room_of(len);
        debug_assert!(op.room >= room, "room for {len} bytes of {} was reserved", op.room);
        // What was reserved above what is written goes back at once: it may be much more.
        ring.release(0, op.room.saturating_sub(room));
        op.room = op.room.min(room);
        self.batch.entries.push(EntryAt {
            first,
            events: events as u16,
            end: self.batch.bytes.len() as u32,
            rows_end: self.batch.rows.len() as u32,
            slots: core::mem::take(&mut op.slots),
            reserved: core::mem::take(&mut op.room),
        });
        first
    }

    /// Makes the entry just written say that nothing happened at its positions.
    pub(super) fn void_last(&mut self, events: u64) {
        let Some(entry) = self.batch.entries.pop() else { return };
        let before = self.batch.entries.last();
        let (start, rows) = before.map_or((0, 0), |before| (before.end, before.rows_end));
        self.batch.bytes.truncate(start as usize);
        self.batch.rows.truncate(rows as usize);
        let arena = self.arena.get_or_insert_default();
        let mut writer = EntryWriter::begin(&mut self.batch.bytes, arena, self.now);
        writer.void(events as u16);
        writer.finish();
        let end = self.batch.bytes.len() as u32;
        self.batch.entries.push(EntryAt { end, rows_end: rows, ..entry });
    }

    /// Keeps an answer under its key: in memory, and as a row of the entry just written.
    pub(super) fn keep_key(
        &mut self,
        keyed: Option<Keyed>,
        position: Position,
        stored: &Stored<'_>,
    ) {
        let Some(keyed) = keyed else { return };
        let answer = stored.pack();
        let (at, bucket) = (self.now, bucket_of(self.now));
        self.keys.answered(keyed, position, at, &answer);
        let row = KeyRow { fingerprint: keyed.fingerprint, position, at, answer: &answer };
        self.batch.rows.put(
            Table::Key,
            |out| out.extend_from_slice(&key_row_key(bucket, &keyed.key)),
            |out| row.write(out),
        );
        if let Some(entry) = self.batch.entries.last_mut() {
            entry.rows_end = self.batch.rows.len() as u32;
        }
    }

    /// Refuses. With a key, most refusals are kept: an entry without events says so.
    pub(super) fn refuse(
        &mut self,
        op: &mut Op,
        refusal: Refusal,
        leg: Option<u32>,
        rests_on: Position,
        version: Version,
        ring: &mut dyn Ring,
    ) {
        let mut position = rests_on;
        if let Some(keyed) = op.keyed
            && refusal.code.is_stored()
        {
            let stored = Stored::Refused(version, refusal, leg);
            position = self.write_note(op, keyed, &stored, ring);
        }
        self.give_back(op, ring);
        let refused = self.refused(refusal, leg, position, version);
        let wait = if mutant!(RefusalNotHeld) { Position::ZERO } else { position };
        self.answer(op.call, wait, Reply::Refused(refused));
    }

    /// Accepts without an event. With a key, that is kept too.
    pub(super) fn already(
        &mut self,
        op: &mut Op,
        answer: Answer,
        rests_on: Position,
        version: Version,
        ring: &mut dyn Ring,
    ) {
        let mut position = rests_on;
        if let Some(keyed) = op.keyed {
            let stored = Stored::Accepted(version, false, &answer);
            position = self.write_note(op, keyed, &stored, ring);
        }
        self.give_back(op, ring);
        self.answer_done(op.call, position, version, false, answer);
    }

    fn write_note(
        &mut self,
        op: &mut Op,
        keyed: Keyed,
        stored: &Stored<'_>,
        ring: &mut dyn Ring,
    ) -> Position {
        let note = keyed.said_here(stored.pack());
        let position = self.write(op, 1, ring, |_, _, _| Some(note));
        self.keep_key(Some(keyed), position, stored);
        position
    }

    pub(super) fn refused(
        &self,
        refusal: Refusal,
        leg: Option<u32>,
        position: Position,
        version: Version,
    ) -> Refused {
        Refused { refusal, leg, position, at: self.now, version, replayed: false }
    }

    pub(super) fn answer_done(
        &mut self,
        call: Option<CallId>,
        position: Position,
        version: Version,
        changed: bool,
        answer: Answer,
    ) {
        let outcome = self.outcome(position, version, changed, answer);
        self.answer(call, position, Reply::Done(outcome));
    }

    pub(super) fn outcome(
        &self,
        position: Position,
        version: Version,
        changed: bool,
        answer: Answer,
    ) -> Outcome {
        Outcome { position, at: self.now, version, replayed: false, changed, answer }
    }

    /// Parks an answer until what it rests on is durable.
    pub(super) fn answer(&mut self, call: Option<CallId>, rests_on: Position, reply: Reply) {
        if let Some(call) = call {
            self.parked.park(call, rests_on, self.now, reply);
        }
    }

    /// Ends an ask because the world failed. Nothing was done, so nothing is waited for.
    pub(super) fn fail(
        &mut self,
        op: &mut Op,
        fault: Fault,
        ring: &mut dyn Ring,
        out: &mut Vec<Effect>,
    ) -> Step {
        self.give_back(op, ring);
        match op.call {
            Some(call) => out.push(Effect::Reply(call, Reply::Failed(fault))),
            None => {
                if let What::Touch(sweep) = op.what {
                    self.end_touch(sweep, Some(fault));
                }
            }
        }
        Step::Done
    }

    /// Gives room back that was set aside and not used.
    pub(super) fn give_back(&mut self, op: &mut Op, ring: &mut dyn Ring) {
        let (slots, room) = (core::mem::take(&mut op.slots), core::mem::take(&mut op.room));
        if slots > 0 || room > 0 {
            ring.release(slots, room);
        }
    }
}

/// The trace context of an entry of these legs.
fn trace_of(legs: &[Leg]) -> Option<Trace> {
    legs.first().and_then(|leg| leg.options.trace)
}

/// See [`Ask::room`].
pub(super) fn room(ask: &Ask) -> (u64, usize) {
    let bytes = |legs: &[Leg], keyed: bool| {
        let parts: usize = legs.iter().map(|leg| LEG_BYTES + 2 * leg.command.weight()).sum();
        let answers = if !keyed {
            0
        } else if legs.len() > ANSWERED_LEGS_MAX {
            LEG_MARK_BYTES * legs.len()
        } else {
            ANSWER_BYTES * legs.len()
        };
        let trace = if trace_of(legs).is_some() { TRACE_LEN } else { 0 };
        ENTRY_BYTES + parts + answers + trace
    };
    match ask {
        Ask::Command(leg, key) => (EVENTS_MAX, bytes(core::slice::from_ref(leg), key.is_some())),
        Ask::Transaction(legs, key) => (EVENTS_MAX * legs.len() as u64, bytes(legs, key.is_some())),
        Ask::Restored(step) => (EVENTS_MAX, bytes(core::slice::from_ref(step.leg()), false)),
        Ask::Read(_) | Ask::Sweep(_) => (0, 0),
    }
}

/// Whether what the caller insists on has a step to hold for. A machine that splits a command
/// into steps on other streams alone leaves none.
pub(super) fn is_kept(own: &Name, options: &Options, legs: &[(Name, Command)]) -> bool {
    options.if_version.is_none() || legs.iter().any(|(name, _)| name == own)
}

/// The steps that a command was split into. What the caller insists on holds for the first
/// one on the command's own stream; later ones see what that has changed.
pub(super) fn parts_of(
    index: u32,
    own: &Name,
    options: &Options,
    legs: Vec<(Name, Command)>,
) -> Vec<super::legs::Part> {
    let mut options = Some(options.clone());
    let part = |(name, command): (Name, Command)| {
        let options = if name == *own { options.take() } else { None };
        (index, name, command, options.unwrap_or_default())
    };
    legs.into_iter().map(part).collect()
}

/// What is kept under a key.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Stored<'a> {
    /// Accepted: the version shown, whether something happened, the answer.
    Accepted(Version, bool, &'a Answer),
    /// Refused: the version shown, the refusal, the leg.
    Refused(Version, Refusal, Option<u32>),
}

/// What is kept under a key whose command was accepted with events.
pub(crate) fn kept_accepted(version: Version, answer: &Answer) -> Vec<u8> {
    Stored::Accepted(version, true, answer).pack()
}

/// Whether what is kept under a key can be read, and no version that it shows lies behind the
/// position that answered.
pub(crate) fn check_kept(bytes: &[u8], position: Position) -> Result<(), Corrupt> {
    let version = match Stored::read(bytes).ok_or(Corrupt::Range)? {
        Read::Accepted(version, _, answer) => {
            answer.pieces().try_for_each(|piece| piece.map(drop))?;
            version
        }
        Read::Refused(version, _, _) => version,
    };
    if version > position { Err(Corrupt::Range) } else { Ok(()) }
}

/// The same, read back.
pub(crate) enum Read {
    Accepted(Version, bool, Answer),
    Refused(Version, Refusal, Option<u32>),
}

impl Stored<'_> {
    /// `what u8, 3 zeros, leg + 1 u32 | version u64 | answer or refusal`
    pub(crate) fn pack(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let (what, leg, version) = match self {
            Self::Accepted(version, true, _) => (1, None, version),
            Self::Accepted(version, false, _) => (2, None, version),
            Self::Refused(version, _, leg) => (3, *leg, version),
        };
        bytes.extend_from_slice(&[what, 0, 0, 0]);
        bytes.extend_from_slice(&leg.map_or(0, |leg: u32| leg + 1).to_le_bytes());
        bytes.extend_from_slice(&version.get().to_le_bytes());
        match self {
            Self::Accepted(_, _, answer) => bytes.extend_from_slice(answer.as_bytes()),
            Self::Refused(_, refusal, _) => {
                let mut arena = rkyv::ser::allocator::Arena::new();
                let mut packed = Vec::new();
                crate::records::Packer::new(&mut packed, &mut arena).put(refusal);
                bytes.extend_from_slice(&packed);
            }
        }
        bytes
    }

    fn read(bytes: &[u8]) -> Option<Read> {
        let mut fields = crate::records::Fields(bytes);
        let [what, 0, 0, 0] = fields.array().ok()? else { return None };
        let leg = fields.u32().ok()?.checked_sub(1);
        let version = Position::new(fields.u64().ok()?);
        match what {
            1 | 2 => Some(Read::Accepted(version, what == 1, Answer::from_bytes(fields.0))),
            3 => Some(Read::Refused(version, crate::records::unpack(fields.0).ok()?, leg)),
            _ => None,
        }
    }
}

impl Read {
    fn reply(self, position: Position, at: Timestamp) -> Reply {
        match self {
            Self::Accepted(version, changed, answer) => {
                let replayed = true;
                Reply::Done(Outcome { position, at, version, replayed, changed, answer })
            }
            Self::Refused(version, refusal, leg) => {
                Reply::Refused(Refused { refusal, leg, position, at, version, replayed: true })
            }
        }
    }
}
