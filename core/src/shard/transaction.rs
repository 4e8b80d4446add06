//! Transactions: several commands on several streams, together or not at all.
//!
//! The coordinator is a shard, so a caller who goes away leaves nothing reserved. It first
//! visits every stream that a leg is addressed to: the stream is read and pinned, and the leg
//! is split by links that never change, which may name more streams to visit. Then the
//! streams are reserved, shard by shard and within a shard in the order of their names, so
//! that no two transactions wait for each other; each shard lends copies. Everything is
//! decided on the copies, in order. All accepted: one block of positions, one log entry, and
//! each shard takes its changed copies back. Refused, or something had to be read after all:
//! the copies are dropped and the reservations end.

use core::fmt;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::legs::{Events, Split, Steps, Trial, TxLeg, decide_leg, note, perform_legs, shown};
use super::op::{Op, OpId, Stored, What, is_kept};
use super::{Effect, Shard};
use crate::batch::Ring;
use crate::machine::{Accepted, Answer, Command, Expansion, ItemKey, Lent, Link, Needs, Transit};
use crate::words::{Code, Fault, Name, Position, Refusal, Timestamp, Version};

/// Names a transaction: its coordinator, and a number there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TxId {
    /// The coordinator.
    pub(super) shard: usize,
    /// Its number.
    pub(super) number: u64,
}

/// What shards tell each other about a transaction.
pub enum Message {
    /// Pin these streams, with these items in memory; split these commands; give these links.
    Visit(TxId, Vec<(Name, Vec<ItemKey>)>, Vec<Expand>, Vec<Name>),
    /// It is done.
    Visited(TxId, Result<Visited, Fault>),
    /// Reserve what is pinned; the transaction's time so far.
    Reserve(TxId, Timestamp),
    /// The copies, or `None` where it must begin again.
    Reserved(TxId, Timestamp, Option<Vec<Box<dyn Lent>>>),
    /// Take these copies back, let go of everything; the transaction's time.
    Leave(TxId, Timestamp, Vec<Box<dyn Lent>>),
}

impl fmt::Debug for Message {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, tx) = match self {
            Self::Visit(tx, ..) => ("visit", tx),
            Self::Visited(tx, _) => ("visited", tx),
            Self::Reserve(tx, _) => ("reserve", tx),
            Self::Reserved(tx, ..) => ("reserved", tx),
            Self::Leave(tx, ..) => ("leave", tx),
        };
        write!(out, "{what} {}.{}", tx.shard, tx.number)
    }
}

/// A command to be split where its stream lives.
#[derive(Debug)]
pub struct Expand {
    pub(super) leg: usize,
    pub(super) name: Name,
    pub(super) command: Command,
    pub(super) link: Option<Link>,
}

/// What a visit brought.
#[derive(Default, Debug)]
pub struct Visited {
    pub(super) now: Timestamp,
    pub(super) expanded: Vec<(usize, Expansion)>,
    pub(super) links: Vec<(Name, Link)>,
}

/// A transaction that this shard coordinates.
pub(super) struct Tx {
    op: OpId,
    legs: Vec<TxLeg>,
    /// How each asked leg was split: its stream, command and link, and the streams it became.
    splits: Vec<Split>,
    /// The streams visited so far, by shard.
    visited: BTreeMap<usize, BTreeSet<Name>>,
    waiting: usize,
    /// The shards still to reserve, in order.
    to_reserve: Vec<usize>,
    lents: BTreeMap<Name, Box<dyn Lent>>,
    now: Timestamp,
    fault: Option<Fault>,
}

impl Shard {
    /// Makes an ask a transaction: the short way where all is at hand, else by visits.
    pub(super) fn begin_tx(&mut self, id: OpId, ring: &mut dyn Ring, out: &mut Vec<Effect>) {
        let Some(mut op) = self.ops.remove(&id) else { return };
        let legs = match &op.what {
            What::Command(leg) => core::slice::from_ref(leg),
            What::Transaction(legs) => legs,
            What::Read(_) | What::Touch(_) => return,
        };
        let legs: Vec<TxLeg> = (0..)
            .zip(legs)
            .map(|(index, leg)| TxLeg {
                index,
                name: leg.stream.clone(),
                command: leg.command.clone(),
                options: leg.options.clone(),
                link: None,
                asks: None,
                split: false,
                into: None,
                pinned: false,
            })
            .collect();
        if self.config.short_way
            && let Some((parts, places)) = self.all_at_hand(&legs)
        {
            self.short_way(&mut op, &parts, &places, ring, out);
            self.end_op(id, op);
            return;
        }
        self.ops.insert(id, op);
        self.tx_last += 1;
        let number = self.tx_last;
        let tx = Tx {
            op: id,
            legs,
            splits: Vec::new(),
            visited: BTreeMap::new(),
            waiting: 0,
            to_reserve: Vec::new(),
            lents: BTreeMap::new(),
            now: self.now,
            fault: None,
        };
        self.txs.insert(number, tx);
        self.next_round(TxId { shard: self.config.shard, number }, ring, out);
    }

    /// Keeps the key of a written transaction and answers.
    pub(super) fn conclude(
        &mut self,
        op: &mut Op,
        last: Position,
        version: Version,
        answer: Answer,
    ) {
        self.keep_key(op.keyed, last, &Stored::Accepted(version, true, &answer));
        self.answer_done(op.call, last, version, true, answer);
    }

    pub(super) fn home_version(&self, op: &Op) -> Version {
        let state = op.home.map(|at| self.cords(at.kind).state(at.slot));
        state.map_or(Position::ZERO, |state| state.stamp.version)
    }

    /// Takes an ask that has ended out of its queue.
    fn end_op(&mut self, id: OpId, op: Op) {
        let Some(at) = op.home else { return };
        if let Some(queue) = self.queues.get_mut(&at)
            && queue.ops.front() == Some(&id)
        {
            queue.ops.pop_front();
        }
        self.ready.push_back(at);
    }

    pub(super) fn send(&mut self, shard: usize, message: Message, out: &mut Vec<Effect>) {
        if shard == self.config.shard {
            self.inbox.push_back((shard, message));
        } else {
            out.push(Effect::Send(shard, message));
        }
    }

    pub(super) fn take_message(
        &mut self,
        from: usize,
        message: Message,
        ring: &mut dyn Ring,
        out: &mut Vec<Effect>,
    ) {
        match message {
            Message::Visit(tx, streams, expand, links) => {
                self.visit(tx, streams, expand, links, ring, out);
            }
            Message::Reserve(tx, now) => self.begin_reserving(tx, now, ring, out),
            Message::Leave(tx, now, lents) => self.leave(tx, now, lents),
            Message::Visited(tx, visited) => self.take_visited(tx, visited, ring, out),
            Message::Reserved(tx, now, lents) => {
                self.take_reserved(tx, from, now, lents, ring, out);
            }
        }
    }

    /// Visits what is not visited yet; reserves once there is nothing left to visit.
    fn next_round(&mut self, id: TxId, ring: &mut dyn Ring, out: &mut Vec<Effect>) {
        type Calls = (Vec<(Name, Vec<ItemKey>)>, Vec<Expand>, Vec<Name>);
        let Some(mut tx) = self.txs.remove(&id.number) else { return };
        if let Some(fault) = tx.fault {
            return self.abort(id, tx, fault, ring, out);
        }
        let mut calls: BTreeMap<usize, Calls> = BTreeMap::new();
        let shards = self.config.shards;
        let shard = |name: &Name| Shard::of(name, shards);
        for (index, leg) in tx.legs.iter_mut().enumerate() {
            if !self.knows(leg.name.kind) {
                return self.abort(id, tx, Fault::Internal, ring, out);
            }
            tx.visited.entry(shard(&leg.name)).or_default().insert(leg.name.clone());
            if let Some(other) = &leg.asks {
                if !self.knows(other.kind) {
                    return self.abort(id, tx, Fault::Internal, ring, out);
                }
                tx.visited.entry(shard(other)).or_default().insert(other.clone());
                let call = calls.entry(shard(other)).or_default();
                call.0.push((other.clone(), Vec::new()));
                call.2.push(other.clone());
                continue;
            }
            if !core::mem::replace(&mut leg.pinned, true) {
                let mut needs = Needs::default();
                self.cords(leg.name.kind).needs(&leg.command, &mut needs);
                let call = calls.entry(shard(&leg.name)).or_default();
                call.0.push((leg.name.clone(), needs.keys().to_vec()));
            }
            if !leg.split {
                let (name, command, link) =
                    (leg.name.clone(), leg.command.clone(), leg.link.clone());
                let call = calls.entry(shard(&leg.name)).or_default();
                call.1.push(Expand { leg: index, name, command, link });
            }
        }
        if calls.is_empty() {
            tx.to_reserve = tx.visited.keys().rev().copied().collect();
            return self.reserve_next(id, tx, ring, out);
        }
        tx.waiting = calls.len();
        self.txs.insert(id.number, tx);
        for (shard, (streams, expand, links)) in calls {
            self.send(shard, Message::Visit(id, streams, expand, links), out);
        }
    }

    fn take_visited(
        &mut self,
        id: TxId,
        visited: Result<Visited, Fault>,
        ring: &mut dyn Ring,
        out: &mut Vec<Effect>,
    ) {
        let Some(tx) = self.txs.get_mut(&id.number) else { return };
        tx.waiting -= 1;
        match visited {
            Err(fault) => tx.fault = tx.fault.or(Some(fault)),
            Ok(visited) => {
                tx.now = tx.now.max(visited.now);
                for (name, link) in visited.links {
                    for leg in tx.legs.iter_mut().filter(|leg| leg.asks.as_ref() == Some(&name)) {
                        (leg.asks, leg.link) = (None, Some(link.clone()));
                    }
                }
                for (index, expansion) in visited.expanded {
                    let leg = &tx.legs[index];
                    if let Expansion::Legs(split) = &expansion
                        && !is_kept(&leg.name, &leg.options, split)
                    {
                        tx.fault = Some(Fault::Internal);
                    }
                    tx.splits.extend(tx.legs[index].take(expansion));
                }
            }
        }
        if tx.waiting > 0 {
            return;
        }
        // Split legs lie behind their own; the order of legs is that of the array again.
        let mut legs = Vec::with_capacity(tx.legs.len());
        for leg in tx.legs.drain(..) {
            leg.flatten(&mut legs);
        }
        tx.legs = legs;
        self.next_round(id, ring, out);
    }

    fn reserve_next(&mut self, id: TxId, mut tx: Tx, ring: &mut dyn Ring, out: &mut Vec<Effect>) {
        let Some(shard) = tx.to_reserve.pop() else {
            return self.decide_tx(id, tx, ring, out);
        };
        let now = tx.now;
        self.txs.insert(id.number, tx);
        self.send(shard, Message::Reserve(id, now), out);
    }

    fn take_reserved(
        &mut self,
        id: TxId,
        _from: usize,
        now: Timestamp,
        lents: Option<Vec<Box<dyn Lent>>>,
        ring: &mut dyn Ring,
        out: &mut Vec<Effect>,
    ) {
        let Some(mut tx) = self.txs.remove(&id.number) else { return };
        tx.now = tx.now.max(now);
        let Some(lents) = lents else {
            return self.begin_again(id, tx, ring, out);
        };
        tx.lents.extend(lents.into_iter().map(|lent| (lent.state().name.clone(), lent)));
        self.reserve_next(id, tx, ring, out);
    }

    /// Lets go of everything and visits again.
    fn begin_again(&mut self, id: TxId, mut tx: Tx, ring: &mut dyn Ring, out: &mut Vec<Effect>) {
        self.leave_all(id, &mut tx, false, out);
        let op = tx.op;
        drop(tx);
        // The legs are split anew, from the ask itself.
        self.begin_tx(op, ring, out);
    }

    fn leave_all(&mut self, id: TxId, tx: &mut Tx, changed: bool, out: &mut Vec<Effect>) {
        let mut back: BTreeMap<usize, Vec<Box<dyn Lent>>> =
            tx.visited.keys().map(|shard| (*shard, Vec::new())).collect();
        for (name, lent) in core::mem::take(&mut tx.lents) {
            if changed {
                back.entry(Shard::of(&name, self.config.shards)).or_default().push(lent);
            }
        }
        for (shard, lents) in back {
            self.send(shard, Message::Leave(id, tx.now, lents), out);
        }
    }

    fn abort(
        &mut self,
        id: TxId,
        mut tx: Tx,
        fault: Fault,
        ring: &mut dyn Ring,
        out: &mut Vec<Effect>,
    ) {
        self.leave_all(id, &mut tx, false, out);
        if let Some(mut op) = self.ops.remove(&tx.op) {
            self.fail(&mut op, fault, ring, out);
            self.end_op(tx.op, op);
        }
    }

    /// Everything is reserved and lent: decides all legs in order, and writes or refuses.
    fn decide_tx(&mut self, id: TxId, mut tx: Tx, ring: &mut dyn Ring, out: &mut Vec<Effect>) {
        self.advance(tx.now);
        tx.now = self.now;
        // A later shard's clock may have made something due on an earlier one. And what a
        // command was split by may have come into being, or gone, since it was looked at.
        let is_due = tx.lents.values().any(|lent| lent.state().due <= tx.now);
        if is_due || !tx.splits.iter().all(|split| split.still_holds(&tx.lents)) {
            return self.begin_again(id, tx, ring, out);
        }
        let Some(mut op) = self.ops.remove(&tx.op) else {
            return self.leave_all(id, &mut tx, false, out);
        };
        let is_transaction = matches!(op.what, What::Transaction(_));
        let versions = tx.lents.values().map(|lent| lent.state().stamp.version);
        let rests_on = versions.max().unwrap_or_default();
        let trial = match self.try_legs(&tx) {
            Ok(Ok(events)) if events > op.slots => Err(Fault::Internal),
            trial => trial,
        };
        match trial {
            Err(fault) => {
                self.leave_all(id, &mut tx, false, out);
                self.fail(&mut op, fault, ring, out);
            }
            Ok(Err((refusal, index))) => {
                self.leave_all(id, &mut tx, false, out);
                let leg = is_transaction.then_some(index);
                let version = self.home_version(&op);
                self.refuse(&mut op, refusal, leg, rests_on, version, ring);
            }
            Ok(Ok(events)) => {
                let changed = self.write_tx(&mut tx, &mut op, events, rests_on, ring);
                self.leave_all(id, &mut tx, changed, out);
            }
        }
        self.end_op(tx.op, op);
    }

    /// Decides every leg on forks of the copies, each leg seeing those before it. Gives the
    /// number of events, or the refusal of the lowest leg.
    fn try_legs(&self, tx: &Tx) -> Result<Result<u64, (Refusal, u32)>, Fault> {
        let mut forks: BTreeMap<&Name, Box<dyn Lent>> =
            tx.lents.iter().map(|(name, lent)| (name, lent.fork())).collect();
        let trial = AssertUnwindSafe(|| {
            // Positions are taken once all is accepted; until then events have one that no log
            // reaches. A leg that names it all the same is found out when it is written.
            let mut trial = Trial::new(tx.now);
            let mut events = Events::default();
            let mut transit = Transit::default();
            for (place, leg) in tx.legs.iter().enumerate() {
                let lent = forks.get_mut(&leg.name).ok_or(Fault::Internal)?;
                let creates = !lent.exists();
                match decide_leg(&mut **lent, leg, tx.now, &mut transit, &self.config.secret) {
                    Err(refusal) => return Ok(Err((shown(refusal), leg.index))),
                    Ok(Accepted::Event) => {
                        events.part(leg.index, creates);
                        trial.perform(&mut **lent);
                    }
                    Ok(Accepted::Already(_)) => {}
                }
                if tx.legs.get(place + 1).is_none_or(|next| next.index != leg.index) {
                    if !transit.is_empty() {
                        return Err(Fault::Internal);
                    }
                    transit = Transit::default();
                }
            }
            Ok(Ok(events.count))
        });
        catch_unwind(trial).unwrap_or(Err(Fault::Internal))
    }

    /// Writes an accepted transaction: the same decisions again, at their true positions.
    ///
    /// They come out the same, unless a leg names the position of another one on trial or for
    /// real, which no honest caller can know. Then the positions are used up by an entry that
    /// says that nothing happened, and the refusal stands. Gives whether it happened.
    fn write_tx(
        &mut self,
        tx: &mut Tx,
        op: &mut Op,
        events: u64,
        rests_on: Position,
        ring: &mut dyn Ring,
    ) -> bool {
        let brief = op.is_brief();
        let mut answer = Answer::default();
        let (now, secret) = (tx.now, self.config.secret);
        let is_transaction = matches!(op.what, What::Transaction(_));
        let (legs, lents) = (&tx.legs, &mut tx.lents);
        if events == 0 {
            let mut steps = Steps::new(is_transaction);
            let none = perform_legs(legs, lents, now, &secret, |lent, accepted, leg, _| {
                steps.leg(leg.index, &mut answer);
                if !brief {
                    lent.show(accepted, &mut answer);
                }
            });
            debug_assert_eq!(none, Ok(0), "what has no event on trial has none");
            let version = self.home_version(op);
            self.already(op, answer, rests_on, version, ring);
            return false;
        }
        let keyed = op.keyed;
        let home = op.home.map(|at| self.cords(at.kind).state(at.slot).name.clone());
        let mut refused = None;
        let first = self.write(op, events, ring, |_, out, first| {
            let mut steps = Steps::new(is_transaction);
            let done = perform_legs(legs, lents, now, &secret, |lent, accepted, leg, creates| {
                steps.leg(leg.index, &mut answer);
                if *accepted == Accepted::Event {
                    let (place, same) = steps.event(leg.index, creates, first, out, &mut answer);
                    lent.perform(&place, same, out, Some(&mut answer));
                } else if !brief {
                    lent.show(accepted, &mut answer);
                }
            });
            match done {
                Ok(count) if count == events => {
                    let last = first.position.plus(events - 1);
                    let version = home.as_ref().and_then(|name| lents.get(name));
                    let version = version.map_or(last, |lent| lent.state().stamp.version);
                    keyed.map(|keyed| note(keyed, false, version, &answer))
                }
                Ok(_) => {
                    refused = Some((Code::NotFound.into(), 0));
                    None
                }
                Err(why) => {
                    refused = Some(why);
                    None
                }
            }
        });
        let last = first.plus(events - 1);
        if let Some((refusal, index)) = refused {
            self.void_last(events);
            let refused =
                self.refused(shown(refusal), is_transaction.then_some(index), last, rests_on);
            self.answer(op.call, last, super::Reply::Refused(refused));
            return false;
        }
        let version = home.and_then(|name| tx.lents.get(&name));
        let version = version.map_or(last, |lent| lent.state().stamp.version);
        self.conclude(op, last, version, answer);
        true
    }
}
