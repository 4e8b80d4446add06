//! Reads: what a stream shows, once all that it rests on is durable.

use super::op::{Op, OpId, Step, What};
use super::{At, Effect, Loading, Shard, Wanted};
use crate::batch::Ring;
use crate::machine::{Answer, ItemKey, Needs, Shows};
use crate::words::{Book, Code, Kind, Name};

/// A read of one stream: its head, and items by key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reading {
    /// Which stream.
    pub stream: Name,
    /// Which of its items. One that is not there is left out of the answer.
    pub items: Vec<ItemKey>,
}

/// What a sweep fires.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Sweep {
    /// Only streams of this book and kind.
    pub only: Option<(Book, Kind)>,
}

impl Shard {
    pub(super) fn step_read(
        &mut self,
        at: At,
        id: Option<OpId>,
        op: &mut Op,
        ring: &mut dyn Ring,
        out: &mut Vec<Effect>,
    ) -> Step {
        let What::Read(reading) = &op.what else { return Step::Done };
        let mut missing = Vec::new();
        self.cords(at.kind).missing(at.slot, &reading.items, &self.filter, &mut missing);
        if !missing.is_empty() {
            if id.is_some() {
                self.load_items(at, missing, out);
            }
            return Step::Waits;
        }
        let version = self.cords(at.kind).state(at.slot).stamp.version;
        if let Some(fault) = self.latched
            && version > self.durable.watermark
        {
            return self.fail(op, fault, ring, out);
        }
        if !self.cords(at.kind).exists(at.slot) {
            self.refuse(op, Code::NotFound.into(), None, version, version, ring);
            return Step::Done;
        }
        let mut shows = Shows::head();
        shows.items.extend(reading.items.iter().cloned());
        let mut answer = Answer::default();
        self.show(at, &shows, &mut answer);
        let wait = if mutant!(ReadNotHeld) { crate::words::Position::ZERO } else { version };
        let outcome = self.outcome(version, version, false, answer);
        self.answer(op.call, wait, super::Reply::Done(outcome));
        Step::Done
    }

    /// Reads a stream that is not in memory yet.
    pub(super) fn load_stream(&mut self, at: At, out: &mut Vec<Effect>) {
        let name: Name = self.cords(at.kind).state(at.slot).name.clone();
        let items = self.items_wanted(at, &name);
        self.load_for(at, Wanted::Stream(name, items), Loading::Stream(at), out);
    }

    /// Reads items of a stream, unless something of it is being read: then whoever wants
    /// these looks again afterwards.
    pub(super) fn load_items(&mut self, at: At, items: Vec<ItemKey>, out: &mut Vec<Effect>) {
        if self.is_loading(at) {
            return;
        }
        let number = self.cords(at.kind).state(at.slot).number;
        self.load_for(at, Wanted::Items(number, items), Loading::Stream(at), out);
    }

    /// What the first ask or visit in a queue reads, so that it comes with the stream.
    fn items_wanted(&self, at: At, name: &Name) -> Vec<ItemKey> {
        let Some(queue) = self.queues.get(&at) else { return Vec::new() };
        if let Some(visit) = queue.visitors.first().and_then(|tx| self.visits.get(tx)) {
            return visit.keys(name).to_vec();
        }
        match queue.ops.front().and_then(|id| self.ops.get(id)).map(|op| &op.what) {
            Some(What::Command(leg)) => {
                let mut needs = Needs::default();
                self.cords(at.kind).needs(&leg.command, &mut needs);
                needs.keys().to_vec()
            }
            Some(What::Read(reading)) => reading.items.clone(),
            _ => Vec::new(),
        }
    }
}
