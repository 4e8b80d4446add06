//! One turn of a shard: inboxes in, batches and replies out.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use quipu_core::shard::{
    Ask, CallId, ENTRY_BYTES_MAX, Effect, LEGS_MAX, LOOK_AHEAD, Message, Reply, Shard,
};
use quipu_core::words::{Fault, Timestamp};
use quipu_sync::sequencer::Short;

use crate::calls::{Call, Calls, Came, weight};
use crate::clock::Clock;
use crate::credit::Credit;
use crate::gauges::Counts;
use crate::settings::Settings;
use crate::shared::{Handed, Note, Shared};

/// The most slots that an ask can take which is let in: each leg may create a stream beside its
/// own. A ring has at least so many.
pub(crate) const SLOTS_MAX: u64 = 2 * LEGS_MAX as u64;

/// What a shard does when its turn has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Next {
    /// It turns again as soon as others on its thread have had theirs.
    Turn,
    /// It looks again soon: once its thread has looked for what came from outside.
    Look,
    /// It sleeps until its bell rings, or for so long.
    Sleep(Option<Duration>),
}

/// A shard, and everything between it and the other threads.
pub(crate) struct Pump {
    index: usize,
    shard: Shard,
    shared: Arc<Shared>,
    credit: Credit,
    clock: Clock,
    turn_asks: usize,
    polls: Duration,
    calls: Calls,
    counts: Counts,
    /// When the turn began.
    begun: Instant,
    /// Taken out of the inbox, and not submitted yet: first in, first out.
    waiting: VecDeque<(CallId, Ask)>,
    /// The ask in front waits until some of the ring is free again.
    is_short: bool,
    taken: Vec<Call>,
    notes: Vec<Note>,
    effects: Vec<Effect>,
    outgoing: Vec<Vec<Message>>,
    seen: (u64, u64),
    time_asked: Timestamp,
    desk: usize,
    /// Since when it has looked for what is durable without finding anything to do.
    idle_since: Option<Instant>,
    /// How often anything has happened here.
    activity: u64,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Runs,
    /// Nothing more is acknowledged.
    Latched,
    /// Its own code broke: what is in its memory is not looked at any more.
    Broken,
}

impl Pump {
    pub(crate) fn new(
        shard: Shard,
        index: usize,
        shared: Arc<Shared>,
        clock: Clock,
        counts: Counts,
        settings: &Settings,
    ) -> Self {
        let shards = shared.doors.len();
        Self {
            index,
            shard,
            credit: Credit::new(Arc::clone(&shared)),
            clock,
            turn_asks: settings.turn_asks.max(1),
            polls: settings.shard_polls,
            calls: Calls::default(),
            counts,
            begun: Instant::now(),
            waiting: VecDeque::new(),
            is_short: false,
            taken: Vec::new(),
            notes: Vec::new(),
            effects: Vec::new(),
            outgoing: (0..shards).map(|_| Vec::new()).collect(),
            seen: shared.watermark.read(),
            time_asked: Timestamp::ZERO,
            desk: index,
            idle_since: None,
            activity: 0,
            state: State::Runs,
            shared,
        }
    }

    /// Does what there is to do, up to a bound. A panic in it latches the ledger: nobody knows
    /// what is half done.
    pub(crate) fn turn(&mut self) -> Next {
        if self.state == State::Broken {
            return self.turn_away();
        }
        match catch_unwind(AssertUnwindSafe(|| self.turn_whole())) {
            Ok(next) => next,
            Err(_) => {
                tracing::error!(shard = self.index, "a shard panicked");
                self.state = State::Broken;
                self.shared.fail();
                self.turn_away()
            }
        }
    }

    /// Whether nothing is under way here, and how often anything has happened.
    pub(crate) fn idle(&self) -> (bool, u64) {
        let door = &self.shared.doors[self.index];
        let nothing = self.waiting.is_empty()
            && self.calls.is_empty()
            && door.calls.is_empty()
            && door.notes.is_empty();
        let is_idle = nothing && (self.state != State::Runs || self.shard.is_idle());
        (is_idle, self.activity)
    }

    /// Takes no new work of its own.
    pub(crate) fn stop(&mut self) {
        self.shard.stop();
    }

    fn turn_whole(&mut self) -> Next {
        self.begun = Instant::now();
        let mut did = self.learn();
        did |= self.take_notes();
        did |= self.take_calls();
        let now = self.clock.now();
        if self.shard.wake_at() <= now {
            did = true;
            self.with(|shard, ring, out| shard.tick(now, ring, out));
        }
        let has_more = self.submit(now);
        self.hand_over();
        self.tell_gate();
        self.counts.show(self.begun, &self.shard, self.waiting.len());
        self.activity += u64::from(did);
        if has_more {
            self.idle_since = None;
            return Next::Turn;
        }
        self.rest(did, now)
    }

    /// What to do when there is nothing more to do.
    fn rest(&mut self, did: bool, now: Timestamp) -> Next {
        let waits = !self.calls.is_empty() && self.state == State::Runs;
        if waits && !self.polls.is_zero() {
            if did {
                self.idle_since = None;
                return Next::Turn;
            }
            let since = *self.idle_since.get_or_insert(self.begun);
            if self.begun.duration_since(since) < self.polls {
                return Next::Look;
            }
        }
        self.idle_since = None;
        self.credit.settle();
        let wake = self.shard.wake_at();
        if wake == Timestamp::NEVER {
            return Next::Sleep(None);
        }
        Next::Sleep(Some(Duration::from_millis(wake.ms().saturating_sub(now.ms()).max(1))))
    }

    /// Whether somebody has brought something since it was last looked for, or room for what
    /// waits for it.
    pub(crate) fn has_work(&mut self) -> bool {
        let door = &self.shared.doors[self.index];
        if !door.notes.is_empty() || !door.calls.is_empty() {
            return true;
        }
        if self.state != State::Runs {
            // What becomes durable now concerns nobody here any more.
            return false;
        }
        let Shared { watermark, ring, .. } = &*self.shared;
        if watermark.read() != self.seen || watermark.has_failed() {
            return true;
        }
        if !self.is_short {
            return false;
        }
        ring.await_room();
        self.room_for_next()
            .is_some_and(|(slots, room)| self.credit.ensure_just(slots, room) != Err(Short::Busy))
    }

    /// Looks at what is durable, and whether anything still becomes so.
    fn learn(&mut self) -> bool {
        if self.state != State::Runs {
            return false;
        }
        // Asked first: what became durable before the log failed is still published.
        let has_failed = self.shared.watermark.has_failed();
        let seen = self.shared.watermark.read();
        let rises = seen != self.seen;
        if rises {
            self.seen = seen;
            let durable = self.shared.durable();
            self.with(|shard, _, out| shard.publish(durable, out));
        }
        if has_failed {
            self.state = State::Latched;
            self.with(|shard, _, out| shard.latch(Fault::LogFailed, out));
        }
        rises || has_failed
    }

    fn take_notes(&mut self) -> bool {
        let mut notes = core::mem::take(&mut self.notes);
        self.shared.doors[self.index].notes.take(&mut notes);
        if notes.is_empty() {
            self.notes = notes;
            return false;
        }
        let now = self.clock.now();
        for note in notes.drain(..) {
            match note {
                Note::Message(from, message) => {
                    self.with(|shard, ring, out| shard.receive(from, message, now, ring, out));
                }
                Note::Found(ticket, found) => {
                    self.with(|shard, ring, out| shard.loaded(ticket, found, now, ring, out));
                }
                Note::Filter(notes, _taken) => self.shard.note(&notes),
            }
        }
        self.notes = notes;
        true
    }

    fn take_calls(&mut self) -> bool {
        let mut taken = core::mem::take(&mut self.taken);
        self.shared.doors[self.index].calls.take(&mut taken);
        let any = !taken.is_empty();
        for call in taken.drain(..) {
            match call {
                Call::One(ask, tell) => {
                    let came = self.came(&ask);
                    let call = self.calls.open(came, tell);
                    self.waiting.push_back((call, ask));
                }
                Call::Many(asks, tell) => {
                    let part = self.calls.open_part(asks.len(), tell);
                    for (place, ask) in asks.into_iter().enumerate() {
                        let came = self.came(&ask);
                        let call = self.calls.open_in(part, place, came);
                        self.waiting.push_back((call, ask));
                    }
                }
            }
        }
        self.taken = taken;
        any
    }

    /// Submits what waits, as far as there is room and up to a turn's bound. Says whether it can
    /// go on at once.
    fn submit(&mut self, now: Timestamp) -> bool {
        let mut left = self.turn_asks;
        while left > 0 && !self.waiting.is_empty() {
            let group = left.min(LOOK_AHEAD).min(self.waiting.len());
            if group > 1 {
                self.shard.look_ahead(self.waiting.iter().take(group).map(|(_, ask)| ask));
            }
            for _ in 0..group {
                // It comes back with what is under way, or the log is making more of it.
                self.is_short =
                    self.state == State::Runs && self.draw_for_next() == Err(Short::Busy);
                if self.is_short {
                    return false;
                }
                let Some((call, ask)) = self.waiting.pop_front() else { break };
                self.with(|shard, ring, out| shard.submit(call, ask, now, ring, out));
            }
            left -= group;
        }
        !self.waiting.is_empty()
    }

    /// Sees to it that there is room for the ask in front.
    fn draw_for_next(&mut self) -> Result<(), Short> {
        match self.room_for_next() {
            Some((slots, room)) => self.credit.ensure(slots, room),
            None => Ok(()),
        }
    }

    /// The slots and the room that the ask in front has to have before it is submitted.
    fn room_for_next(&self) -> Option<(u64, u64)> {
        let (_, ask) = self.waiting.front()?;
        let (slots, len) = ask.room();
        // There is never room for what is too large: the shard says so.
        let is_too_large = slots > SLOTS_MAX || len > ENTRY_BYTES_MAX;
        (slots > 0 && !is_too_large).then(|| (slots, (self.shared.room_rule)(len)))
    }

    fn hand_over(&mut self) {
        let mut rings = false;
        if self.shard.has_batch() {
            let batch = self.shard.take_batch();
            rings |= self.shared.lane.put(Handed::Batch(self.index, batch)).is_ok();
        }
        if let Some(wanted) = self.shard.wanted_time()
            && wanted > self.time_asked
        {
            self.time_asked = wanted;
            rings |= self.shared.lane.put(Handed::Time(wanted)).is_ok();
        }
        if rings {
            self.shared.committer.ring();
        }
        for (to, messages) in
            self.outgoing.iter_mut().enumerate().filter(|(_, all)| !all.is_empty())
        {
            let door = &self.shared.doors[to];
            for message in messages.drain(..) {
                let _ = door.notes.put(Note::Message(self.index, message));
            }
            door.bell.ring();
        }
    }

    fn came(&mut self, ask: &Ask) -> Came {
        Came { of: self.counts.operation(ask), weight: weight(ask), at: self.begun }
    }

    fn tell_gate(&mut self) {
        let (calls, bytes) = self.calls.take_left();
        if calls > 0 || bytes > 0 {
            self.shared.gate.leave(calls, bytes);
        }
    }

    fn with(&mut self, act: impl FnOnce(&mut Shard, &mut Credit, &mut Vec<Effect>)) {
        act(&mut self.shard, &mut self.credit, &mut self.effects);
        for effect in self.effects.drain(..) {
            match effect {
                Effect::Reply(call, reply) => {
                    if let Some(came) = self.calls.came(call) {
                        let took = self.begun.saturating_duration_since(came.at);
                        self.counts.answered(came.of, &reply, took);
                    }
                    self.calls.answer(call, reply);
                }
                Effect::Send(to, message) => self.outgoing[to].push(message),
                Effect::Load(load) => {
                    self.desk = (self.desk + 1) % self.shared.desks.len();
                    self.shared.desks[self.desk].ask(self.index, load);
                }
            }
        }
    }

    /// A broken shard answers everybody that it does not know what became of their asks, and
    /// whoever comes later that it takes none.
    fn turn_away(&mut self) -> Next {
        let failed = || Reply::Failed(Fault::LogFailed);
        self.waiting.clear();
        for call in self.calls.all() {
            self.calls.answer(call, failed());
        }
        self.take_calls();
        for (call, _) in core::mem::take(&mut self.waiting) {
            self.calls.answer(call, failed());
        }
        self.notes.clear();
        self.shared.doors[self.index].notes.take(&mut self.notes);
        self.notes.clear();
        self.tell_gate();
        Next::Sleep(None)
    }
}
