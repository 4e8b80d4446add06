//! What a transaction has at one shard: streams that it pins, then reserves, then gives back.

use core::ops::Bound;
use std::collections::BTreeMap;

use super::transaction::{Expand, Message, TxId, Visited};
use super::{At, Effect, Shard};
use crate::batch::Ring;
use crate::machine::{ItemKey, Lent};
use crate::words::{Fault, Name, Timestamp};

/// A transaction's streams at this shard, in the order in which they are reserved.
#[derive(Default)]
pub(super) struct Visit {
    streams: BTreeMap<Name, Pinned>,
    stage: Stage,
    /// How many of the streams are still being read.
    waiting: usize,
    /// The last stream that was reserved.
    reserved: Option<Name>,
    expand: Vec<Expand>,
    links: Vec<Name>,
}

struct Pinned {
    at: At,
    keys: Vec<ItemKey>,
    waits: bool,
    reserved: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Stage {
    #[default]
    Idle,
    Pinning,
    Reserving,
}

impl Visit {
    /// The items of a stream that the transaction reads.
    pub(super) fn keys(&self, name: &Name) -> &[ItemKey] {
        self.streams.get(name).map_or(&[], |pinned| &pinned.keys)
    }
}

impl Shard {
    /// Pins streams, reads what is missing, splits commands, gives links.
    pub(super) fn visit(
        &mut self,
        tx: TxId,
        streams: Vec<(Name, Vec<ItemKey>)>,
        expand: Vec<Expand>,
        links: Vec<Name>,
        ring: &mut dyn Ring,
        out: &mut Vec<Effect>,
    ) {
        let visit = self.visits.entry(tx).or_default();
        (visit.stage, visit.expand, visit.links) = (Stage::Pinning, expand, links);
        let mut names = Vec::with_capacity(streams.len());
        for (name, keys) in streams {
            let at = self.locate(&name);
            let visit = self.visits.entry(tx).or_default();
            let mut is_new = false;
            let pinned = visit.streams.entry(name.clone()).or_insert_with(|| {
                is_new = true;
                Pinned { at, keys: Vec::new(), waits: false, reserved: false }
            });
            pinned.keys.extend(keys);
            if !core::mem::replace(&mut pinned.waits, true) {
                visit.waiting += 1;
                names.push(name);
            }
            if is_new {
                self.cords_mut(at.kind).state_mut(at.slot).pins += 1;
            }
        }
        // What is missing is read all at once.
        for name in names {
            self.pin(tx, &name, ring, out);
        }
        self.end_pinning(tx, out);
    }

    /// Goes on with a visit that waited at a stream, for a load or for a reservation.
    pub(super) fn resume_visit(
        &mut self,
        tx: TxId,
        at: At,
        ring: &mut dyn Ring,
        out: &mut Vec<Effect>,
    ) {
        match self.visits.get(&tx).map(|visit| visit.stage) {
            Some(Stage::Pinning) => {
                let name = self.cords(at.kind).state(at.slot).name.clone();
                self.pin(tx, &name, ring, out);
                self.end_pinning(tx, out);
            }
            Some(Stage::Reserving) => self.reserve_streams(tx, ring, out),
            Some(Stage::Idle) | None => {}
        }
    }

    /// Sees to it that one stream is in memory, with the items that are read, and nothing on
    /// it is due. What is missing is asked for; the visit is resumed with it.
    fn pin(&mut self, tx: TxId, name: &Name, ring: &mut dyn Ring, out: &mut Vec<Effect>) {
        let Some(visit) = self.visits.get(&tx) else { return };
        let Some(pinned) = visit.streams.get(name).filter(|pinned| pinned.waits) else { return };
        let at = pinned.at;
        let state = self.cords(at.kind).state(at.slot);
        if !state.known {
            self.queue(at).visitors.push(tx);
            self.ready.push_back(at);
            return;
        }
        // A reserved stream's time is its holder's business; ours comes with our turn.
        if !state.reserved && state.due <= self.now {
            match self.fire(at, ring, out) {
                Ok(true) => {}
                Ok(false) => return self.queue(at).visitors.push(tx),
                Err(fault) => return self.fail_visit(tx, fault, out),
            }
        }
        let mut missing = Vec::new();
        let keys = self.visits.get(&tx).map_or(&[][..], |visit| visit.keys(name));
        self.cords(at.kind).missing(at.slot, keys, &self.filter, &mut missing);
        if !missing.is_empty() {
            self.load_items(at, missing, out);
            self.queue(at).visitors.push(tx);
            return;
        }
        if let Some(visit) = self.visits.get_mut(&tx)
            && let Some(pinned) = visit.streams.get_mut(name)
        {
            pinned.waits = false;
            visit.waiting -= 1;
        }
    }

    /// Once every stream is at hand: splits the commands, gives the links.
    fn end_pinning(&mut self, tx: TxId, out: &mut Vec<Effect>) {
        let Some(visit) = self.visits.get_mut(&tx) else { return };
        if visit.stage != Stage::Pinning || visit.waiting > 0 {
            return;
        }
        visit.stage = Stage::Idle;
        let (expand, links) =
            (core::mem::take(&mut visit.expand), core::mem::take(&mut visit.links));
        let mut visited = Visited { now: self.now, ..Visited::default() };
        for Expand { leg, name, command, link } in expand {
            let at = self.locate(&name);
            let expansion = self.cords(at.kind).expand(at.slot, &command, link.as_ref());
            visited.expanded.push((leg, expansion));
        }
        for name in links {
            let at = self.locate(&name);
            let link = self.cords(at.kind).link(at.slot).unwrap_or_default();
            visited.links.push((name, link));
        }
        self.send(tx.shard, Message::Visited(tx, Ok(visited)), out);
    }

    /// Tells the coordinator that the world failed here.
    pub(super) fn fail_visit(&mut self, tx: TxId, fault: Fault, out: &mut Vec<Effect>) {
        let Some(visit) = self.visits.get_mut(&tx) else { return };
        let stage = core::mem::take(&mut visit.stage);
        let message = match stage {
            Stage::Reserving => Message::Reserved(tx, self.now, None),
            Stage::Pinning => Message::Visited(tx, Err(fault)),
            Stage::Idle => return,
        };
        self.send(tx.shard, message, out);
    }

    /// Reserves the pinned streams, in the one order that all transactions follow.
    pub(super) fn begin_reserving(
        &mut self,
        tx: TxId,
        now: Timestamp,
        ring: &mut dyn Ring,
        out: &mut Vec<Effect>,
    ) {
        self.advance(now);
        let Some(visit) = self.visits.get_mut(&tx) else { return };
        (visit.stage, visit.reserved) = (Stage::Reserving, None);
        self.reserve_streams(tx, ring, out);
    }

    fn reserve_streams(&mut self, tx: TxId, ring: &mut dyn Ring, out: &mut Vec<Effect>) {
        loop {
            let Some(visit) = self.visits.get(&tx) else { return };
            let from = visit.reserved.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
            let next = visit.streams.range::<Name, _>((from, Bound::Unbounded)).next();
            let Some((name, at)) = next.map(|(name, pinned)| (name.clone(), pinned.at)) else {
                break;
            };
            if self.cords(at.kind).state(at.slot).reserved && !mutant!(NoReservation) {
                self.queue(at).reservers.push_back(tx);
                return;
            }
            self.cords_mut(at.kind).state_mut(at.slot).reserved = true;
            if let Some(visit) = self.visits.get_mut(&tx) {
                if let Some(pinned) = visit.streams.get_mut(&name) {
                    pinned.reserved = true;
                }
                visit.reserved = Some(name);
            }
        }
        let lents = self.lend(tx, ring, out);
        if let Some(visit) = self.visits.get_mut(&tx) {
            visit.stage = Stage::Idle;
        }
        self.send(tx.shard, Message::Reserved(tx, self.now, lents), out);
    }

    /// Copies of the reserved streams; `None` where something had to be read first, which no
    /// reservation is held across: the transaction begins again.
    fn lend(
        &mut self,
        tx: TxId,
        ring: &mut dyn Ring,
        out: &mut Vec<Effect>,
    ) -> Option<Vec<Box<dyn Lent>>> {
        let visit = self.visits.get(&tx)?;
        let places: Vec<(At, Vec<ItemKey>)> =
            visit.streams.values().map(|pinned| (pinned.at, pinned.keys.clone())).collect();
        let mut lents = Vec::with_capacity(places.len());
        for (at, keys) in places {
            let state = self.cords(at.kind).state(at.slot);
            if state.due <= self.now && !matches!(self.fire(at, ring, out), Ok(true)) {
                return None;
            }
            let mut missing = Vec::new();
            self.cords(at.kind).missing(at.slot, &keys, &self.filter, &mut missing);
            if !missing.is_empty() {
                return None;
            }
            lents.push(self.cords(at.kind).lend(at.slot, &keys));
        }
        Some(lents)
    }

    /// Ends a visit: takes back what the transaction changed, and lets go of all streams.
    pub(super) fn leave(&mut self, tx: TxId, now: Timestamp, lents: Vec<Box<dyn Lent>>) {
        self.advance(now);
        for lent in lents.into_iter().skip(usize::from(mutant!(LegNotInstalled))) {
            // What another shard has written of this shard's streams is its doing as well.
            self.last = self.last.max(lent.state().stamp.version);
            let name = lent.state().name.clone();
            let at = self.locate(&name);
            let cords = self.cords[usize::from(at.kind.get())].as_mut();
            let cords = cords.expect("kinds are checked at admission");
            cords.install(at.slot, lent, &mut self.filter);
            let due = cords.state(at.slot).due;
            self.wake = self.wake.min(due);
        }
        let Some(visit) = self.visits.remove(&tx) else { return };
        for pinned in visit.streams.into_values() {
            let state = self.cords_mut(pinned.at.kind).state_mut(pinned.at.slot);
            state.pins -= 1;
            if pinned.reserved {
                state.reserved = false;
            }
            if let Some(queue) = self.queues.get_mut(&pinned.at) {
                queue.visitors.retain(|other| *other != tx);
                queue.reservers.retain(|other| *other != tx);
            }
            self.ready.push_back(pinned.at);
        }
    }
}
