//! What a transaction has at one shard: streams that it pins, then reserves, then gives back.

use super::transaction::{Expand, Message, TxId, Visited};
use super::{At, Effect, Shard};
use crate::batch::Ring;
use crate::machine::{ItemKey, Lent};
use crate::words::{Fault, Name, Timestamp};

/// A transaction's streams at this shard.
#[derive(Default)]
pub(super) struct Visit {
    streams: Vec<Pinned>,
    stage: Stage,
    expand: Vec<Expand>,
    links: Vec<Name>,
}

struct Pinned {
    at: At,
    name: Name,
    keys: Vec<ItemKey>,
    reserved: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Stage {
    #[default]
    Idle,
    Pinning,
    Reserving,
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
        for (name, keys) in streams {
            let at = self.locate(&name);
            let visit = self.visits.entry(tx).or_default();
            if let Some(pinned) = visit.streams.iter_mut().find(|pinned| pinned.at == at) {
                pinned.keys.extend(keys);
                continue;
            }
            visit.streams.push(Pinned { at, name, keys, reserved: false });
            self.cords_mut(at.kind).state_mut(at.slot).pins += 1;
        }
        let visit = self.visits.entry(tx).or_default();
        (visit.stage, visit.expand, visit.links) = (Stage::Pinning, expand, links);
        self.resume_visit(tx, ring, out);
    }

    /// Goes on with a visit that waited for a load, for time, or for a reservation.
    pub(super) fn resume_visit(&mut self, tx: TxId, ring: &mut dyn Ring, out: &mut Vec<Effect>) {
        match self.visits.get(&tx).map(|visit| visit.stage) {
            Some(Stage::Pinning) => self.pin(tx, ring, out),
            Some(Stage::Reserving) => self.reserve_streams(tx, ring, out),
            Some(Stage::Idle) | None => {}
        }
    }

    fn pin(&mut self, tx: TxId, ring: &mut dyn Ring, out: &mut Vec<Effect>) {
        let Some(visit) = self.visits.get(&tx) else { return };
        let places: Vec<(At, Vec<ItemKey>)> =
            visit.streams.iter().map(|pinned| (pinned.at, pinned.keys.clone())).collect();
        for (at, keys) in places {
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
                    Ok(false) => {
                        self.queue(at).visitors.push(tx);
                        return;
                    }
                    Err(fault) => return self.fail_visit(tx, fault, out),
                }
            }
            let mut missing = Vec::new();
            self.cords(at.kind).missing(at.slot, &keys, &self.filter, &mut missing);
            if !missing.is_empty() {
                self.load_items(at, missing, out);
                self.queue(at).visitors.push(tx);
                return;
            }
        }
        let Some(visit) = self.visits.get_mut(&tx) else { return };
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
        visit.stage = Stage::Reserving;
        visit.streams.sort_by(|left, right| left.name.cmp(&right.name));
        self.reserve_streams(tx, ring, out);
    }

    fn reserve_streams(&mut self, tx: TxId, ring: &mut dyn Ring, out: &mut Vec<Effect>) {
        let count = self.visits.get(&tx).map_or(0, |visit| visit.streams.len());
        for index in 0..count {
            let Some(pinned) = self.visits.get(&tx).and_then(|visit| visit.streams.get(index))
            else {
                return;
            };
            let at = pinned.at;
            if pinned.reserved {
                continue;
            }
            if self.cords(at.kind).state(at.slot).reserved && !mutant!(NoReservation) {
                self.queue(at).reservers.push_back(tx);
                return;
            }
            self.cords_mut(at.kind).state_mut(at.slot).reserved = true;
            if let Some(visit) = self.visits.get_mut(&tx) {
                visit.streams[index].reserved = true;
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
            visit.streams.iter().map(|pinned| (pinned.at, pinned.keys.clone())).collect();
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
        for lent in lents {
            let name = lent.state().name.clone();
            let at = self.locate(&name);
            let cords = self.cords[usize::from(at.kind.get())].as_mut();
            let cords = cords.expect("kinds are checked at admission");
            cords.install(at.slot, lent, &mut self.filter);
            let due = cords.state(at.slot).due;
            self.wake = self.wake.min(due);
        }
        let Some(visit) = self.visits.remove(&tx) else { return };
        for pinned in visit.streams {
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
