//! Time: what is due is fired before anything else touches its stream, and swept otherwise.

use std::collections::BTreeMap;

use super::op::{Op, What};
use super::{At, CallId, Effect, Found, Loading, Outcome, Reply, Shard, Sweep, Wanted};
use crate::batch::Ring;
use crate::machine::{Accepted, Answer, Transit};
use crate::records::HeadRow;
use crate::words::{Fault, Name, Position, Timestamp};

/// The log bytes that an event of time takes at most.
const FIRED_BYTES: usize = 4_096;

/// Sweeps under way, of the shard itself and of callers.
#[derive(Default)]
pub(super) struct Sweeps {
    under_way: BTreeMap<u64, Sweeping>,
    last: u64,
}

struct Sweeping {
    call: Option<CallId>,
    sweep: Sweep,
    touches: usize,
    more: bool,
    next: Timestamp,
    fault: Option<Fault>,
    /// Asked again once this is durable: until then the store still lists what was fired.
    waits: Option<Position>,
}

/// What became of rows that the store gave.
#[derive(PartialEq, Eq)]
enum Taken {
    /// They are in memory.
    All,
    /// They were there already, and the store has been asked for those behind them.
    AskedOn,
}

impl Sweeps {
    pub(super) fn is_busy(&self) -> bool {
        !self.under_way.is_empty()
    }

    pub(super) fn own_is_busy(&self) -> bool {
        self.under_way.values().any(|sweeping| sweeping.call.is_none())
    }

    pub(super) fn len(&self) -> usize {
        self.under_way.len()
    }

    /// Ends them all, and gives the callers who wait.
    pub(super) fn drain(&mut self) -> Vec<CallId> {
        let under_way = core::mem::take(&mut self.under_way);
        under_way.into_values().filter_map(|sweeping| sweeping.call).collect()
    }
}

impl Shard {
    /// Fires what is due on a stream. `false`: something must be read first, and is on its way.
    pub(super) fn fire(
        &mut self,
        at: At,
        ring: &mut dyn Ring,
        out: &mut Vec<Effect>,
    ) -> Result<bool, Fault> {
        if let Some(fault) = self.latched {
            return Err(fault);
        }
        loop {
            let state = self.cords(at.kind).state(at.slot);
            if state.due > self.now {
                return Ok(true);
            }
            if state.due_stored <= self.now {
                let (number, after) = (state.number, state.due_page.as_deref().cloned());
                if !self.is_loading(at) {
                    let wanted = Wanted::DueItems(number, self.now, after);
                    self.load_for(at, wanted, Loading::Stream(at), out);
                }
                return Ok(false);
            }
            let Some(item) = self.cords(at.kind).due(at.slot, self.now) else {
                self.cords_mut(at.kind).refresh_due(at.slot);
                continue;
            };
            let command = self.cords(at.kind).on_due(item.as_ref()).ok_or(Fault::Internal)?;
            let missing = self.missing(at, &command);
            if !missing.is_empty() {
                self.load_items(at, missing, out);
                return Ok(false);
            }
            let mut op = self.touch(at, None);
            (op.slots, op.room) = (1, ring.room_of(FIRED_BYTES));
            ring.reserve(op.slots, op.room)?;
            let mut transit = Transit::default();
            match self.decide(at, &command, &mut transit) {
                Ok(Ok(Accepted::Event)) => {}
                _ => {
                    self.give_back(&mut op, ring);
                    self.cords_mut(at.kind).drop_kept();
                    return Err(Fault::Internal);
                }
            }
            let mut unread = Answer::default();
            self.write(&mut op, 1, ring, |shard, out, place| {
                out.entry.event();
                shard.perform(at, place, false, out, &mut unread);
                None
            });
            self.cords_mut(at.kind).refresh_due(at.slot);
            self.wake_for(at);
        }
    }

    fn touch(&self, at: At, sweep: Option<u64>) -> Op {
        Op {
            call: None,
            home: Some(at),
            what: What::Touch(sweep),
            keyed: None,
            slots: 0,
            room: 0,
            key_is_absent: false,
            departed: false,
        }
    }

    /// Begins a sweep of the shard's own where something may be due.
    pub(super) fn sweep_if_due(&mut self, out: &mut Vec<Effect>) {
        if self.wake <= self.now && !self.sweeps.own_is_busy() && self.latched.is_none() {
            // The store does not list yet what is not durable: it is asked again then.
            if self.last > self.durable.watermark {
                self.asked_before = Some(self.last);
            }
            self.wake = Timestamp::NEVER;
            self.begin_sweep(None, Sweep::default(), out);
        }
    }

    pub(super) fn begin_sweep(
        &mut self,
        call: Option<CallId>,
        sweep: Sweep,
        out: &mut Vec<Effect>,
    ) {
        self.sweeps.last += 1;
        let id = self.sweeps.last;
        let next = Timestamp::NEVER;
        let sweeping =
            Sweeping { call, sweep, touches: 0, more: false, next, fault: None, waits: None };
        self.sweeps.under_way.insert(id, sweeping);
        self.ask_due(id, out);
    }

    fn ask_due(&mut self, id: u64, out: &mut Vec<Effect>) {
        let Some(sweeping) = self.sweeps.under_way.get_mut(&id) else { return };
        sweeping.waits = None;
        let only = sweeping.sweep.only;
        let (shard, shards) = (self.config.shard, self.config.shards);
        let what = Wanted::Due { until: self.now, only, shard, shards };
        self.load(what, Loading::Due(id), out);
    }

    /// Takes the streams that the store says are due.
    pub(super) fn take_due(
        &mut self,
        id: u64,
        found: Result<(Vec<Name>, Timestamp, bool), Fault>,
        ring: &mut dyn Ring,
        out: &mut Vec<Effect>,
    ) {
        let Some(sweeping) = self.sweeps.under_way.get_mut(&id) else { return };
        let names = match found {
            Ok((names, next, more)) => {
                (sweeping.next, sweeping.more) = (next, more);
                names
            }
            Err(fault) => {
                sweeping.fault = Some(fault);
                Vec::new()
            }
        };
        // One more than there are, so that none of them ends the sweep before all have begun.
        sweeping.touches = names.len() + 1;
        for name in names {
            let at = self.locate(&name);
            let op = self.touch(at, Some(id));
            self.enqueue(op, ring, out);
        }
        self.end_touch(Some(id), None);
    }

    /// A touch of a sweep has ended.
    pub(super) fn end_touch(&mut self, sweep: Option<u64>, fault: Option<Fault>) {
        let Some(id) = sweep else { return };
        let Some(sweeping) = self.sweeps.under_way.get_mut(&id) else { return };
        sweeping.touches -= 1;
        sweeping.fault = sweeping.fault.or(fault);
        if sweeping.touches > 0 {
            return;
        }
        if sweeping.more && sweeping.fault.is_none() {
            sweeping.waits = Some(self.last);
            return;
        }
        let Some(done) = self.sweeps.under_way.remove(&id) else { return };
        // What could not be fired now is tried again a little later.
        let again = Timestamp::from_ms(self.now.ms() + 1_000);
        let next = if done.fault.is_some() { again.min(done.next) } else { done.next };
        self.wake = self.wake.min(next);
        let Some(call) = done.call else { return };
        let reply = match done.fault {
            Some(fault) => Reply::Failed(fault),
            None => Reply::Done(Outcome {
                position: self.last,
                at: self.now,
                version: Position::ZERO,
                replayed: false,
                changed: false,
                answer: Answer::default(),
            }),
        };
        self.answer(Some(call), self.last, reply);
    }

    /// Asks again for those sweeps whose last batch is durable now.
    pub(super) fn continue_sweeps(&mut self, out: &mut Vec<Effect>) {
        if !self.sweeps.is_busy() {
            return;
        }
        let durable = self.durable.watermark;
        let ready = |sweeping: &Sweeping| sweeping.waits.is_some_and(|waits| waits <= durable);
        let under_way = self.sweeps.under_way.iter();
        let ids: Vec<u64> =
            under_way.filter(|(_, sweeping)| ready(sweeping)).map(|(id, _)| *id).collect();
        ids.into_iter().for_each(|id| self.ask_due(id, out));
    }

    /// Takes an answer of the store to where it was asked.
    pub(super) fn take_found(
        &mut self,
        ticket: u64,
        found: Result<Found, crate::store::StoreError>,
        ring: &mut dyn Ring,
        out: &mut Vec<Effect>,
    ) {
        let Some((whose, _)) = self.loads.remove(&ticket) else { return };
        match whose {
            Loading::Due(id) => {
                let found = match found {
                    Ok(Found::Due(names, next, more)) => Ok((names, next, more)),
                    _ => Err(Fault::Corrupt),
                };
                self.take_due(id, found, ring, out);
            }
            Loading::Stream(at) => {
                let taken = found.ok().and_then(|found| self.take_rows(at, found, out));
                if taken != Some(Taken::AskedOn) {
                    self.loaded_at(at, taken.is_some(), ring, out);
                }
            }
            Loading::Key(at, key) => {
                let taken = match found {
                    Ok(Found::Key(Some(row))) => self.keys.add(key, &row).is_ok(),
                    Ok(Found::Key(None)) => {
                        self.key_is_absent(at, &key);
                        true
                    }
                    _ => false,
                };
                self.loaded_at(at, taken, ring, out);
            }
        }
    }

    /// The store has no row of the key that the first ask in a queue came with.
    fn key_is_absent(&mut self, at: At, key: &[u8; 16]) {
        let front = self.queues.get(&at).and_then(|queue| queue.ops.front());
        if let Some(op) = front.and_then(|id| self.ops.get_mut(id))
            && op.keyed.is_some_and(|keyed| keyed.key == *key)
        {
            op.key_is_absent = true;
        }
    }

    fn take_rows(&mut self, at: At, found: Found, out: &mut Vec<Effect>) -> Option<Taken> {
        let (mut on, mut next) = (None, None);
        let now = self.now;
        let asked = self.ticket_last as u32;
        let cords = self.cords_mut(at.kind);
        let items = match found {
            Found::Stream(row, items, due_stored) => {
                match &row {
                    Some((number, head)) => {
                        let head = HeadRow::read(head).ok()?;
                        cords.fill(at.slot, Some((*number, &head))).ok()?;
                    }
                    None => cords.fill(at.slot, None).ok()?,
                }
                let state = cords.state_mut(at.slot);
                state.due_stored = due_stored;
                state.due = state.due.min(due_stored);
                items
            }
            Found::Items(items) => items,
            Found::DueItems(items, due_stored, last) => {
                (on, next) = (last, Some(due_stored));
                items
            }
            Found::Key(_) | Found::Due(..) => return None,
        };
        let mut new = 0;
        for (key, row) in items {
            new += usize::from(cords.add_item(at.slot, key, row.as_deref(), asked).ok()?);
        }
        if let Some(due_stored) = next {
            let state = cords.state_mut(at.slot);
            state.due_stored = due_stored;
            state.due_page = on.clone().map(Box::new);
        }
        cords.refresh_due(at.slot);
        let number = cords.state(at.slot).number;
        self.grown += new;
        // A whole page that was in memory already has been fired, but is not durable yet: what
        // is due behind it comes with the next page.
        if let (0, Some(last)) = (new, on) {
            self.load(Wanted::DueItems(number, now, Some(last)), Loading::Stream(at), out);
            return Some(Taken::AskedOn);
        }
        Some(Taken::All)
    }

    /// A stream's load has ended, well or not: those who waited go on, or get to know.
    fn loaded_at(&mut self, at: At, well: bool, ring: &mut dyn Ring, out: &mut Vec<Effect>) {
        let state = self.cords_mut(at.kind).state_mut(at.slot);
        state.pins -= 1;
        state.loading = false;
        let Some(queue) = self.queues.get_mut(&at) else { return };
        queue.loading = false;
        if !well {
            let visitors = core::mem::take(&mut queue.visitors);
            let front = queue.ops.front().copied();
            visitors.into_iter().for_each(|tx| self.fail_visit(tx, Fault::Corrupt, out));
            if let Some(id) = front
                && self.ops.get(&id).is_some_and(|op| !op.departed)
                && let Some(mut op) = self.ops.remove(&id)
            {
                self.queue(at).ops.pop_front();
                self.fail(&mut op, Fault::Corrupt, ring, out);
            }
        }
        self.ready.push_back(at);
    }
}
