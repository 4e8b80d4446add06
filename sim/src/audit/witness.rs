//! Every answer against the naive account, at the version that the answer itself names.
//!
//! That version is the answer's witness: it says where in the order of its stream the answer
//! belongs. Placed there it must show what the account has, and the order that comes out must
//! be one that callers can have seen: whoever asked after an answer had left was shown no less.
//! All of it is a sort and a few passes, so millions of answers are looked at in seconds.

use std::collections::BTreeMap;

use quipu_core::machine::{Answer, Registry};
use quipu_core::machines::account::{self, Account};
use quipu_core::machines::drop::Drop;
use quipu_core::machines::flow::Flow;
use quipu_core::machines::ticket::Ticket;
use quipu_core::shard::{Outcome, Refused, Reply};
use quipu_core::words::{Code, Fact, Position, Timestamp};

use super::asked::{Answered, Expected, Sent, has_changed, rests_on, version_of};
use super::book::{Book, Shown, State, Stream};
use super::check::{Breach, Check, Checks};

/// What answers are held against.
pub(super) struct Witness<'a> {
    pub(super) checks: &'a Checks,
    pub(super) book: &'a Book<'a>,
    /// In the order in which they left.
    pub(super) answered: &'a [Answered],
}

impl Witness<'_> {
    /// Whether what was answered is there, at its position, and is nobody else's.
    pub(super) fn check_kept(&self, registry: Option<&Registry>) -> Result<(), Breach> {
        let mut owners: BTreeMap<Position, &Sent> = BTreeMap::new();
        for Answered { sent, reply, .. } in self.answered {
            let Reply::Done(outcome) = reply else { continue };
            let last = self.book.last;
            self.checks.ensure(Check::Durability, outcome.position <= last, || {
                format!("{sent:?}: {reply:?} is not in the log, which ends at {last}")
            })?;
            if !has_changed(reply) {
                continue;
            }
            if let (Some(registry), Some(stream), Expected::Event(text, _)) =
                (registry, &sent.stream, &sent.expected)
            {
                let there = self.book.is_there(stream, outcome.position, text, registry);
                self.checks.ensure(Check::Durability, there.is_ok(), || {
                    let position = outcome.position;
                    format!("{sent:?} was accepted at {position}, where there is {there:?}")
                })?;
            }
            self.check_fence(sent, outcome.position)?;
            let other = owners.insert(outcome.position, sent);
            self.checks.ensure(Check::DoubleSpend, other.is_none(), || {
                format!("{sent:?} and {other:?} share one event")
            })?;
        }
        Ok(())
    }

    /// Whoever decided what becomes of a payout had its newest fence.
    fn check_fence(&self, sent: &Sent, at: Position) -> Result<(), Breach> {
        use account::Command as C;
        let [leg] = &*sent.legs else { return Ok(()) };
        let Some(
            C::Complete { withdrawal, fence, .. }
            | C::Fail { withdrawal, fence, .. }
            | C::Retry { withdrawal, fence, .. }
            | C::Unknown { withdrawal, fence, .. },
        ) = leg.command.get::<Account>()
        else {
            return Ok(());
        };
        let (Some(stream), Some(planned)) = (self.book.find(&leg.stream), withdrawal.position('w'))
        else {
            return Ok(());
        };
        let State::Account(account) = &self.book.streams[stream].state else { return Ok(()) };
        let newest = account.fence_before(planned, at);
        self.checks.ensure(Check::DoubleSpend, newest.is_none_or(|it| it == fence.get()), || {
            format!("{sent:?} was accepted at {at}, when {newest:?} was the newest fence")
        })
    }

    /// Whether each answer shows the state at its version.
    pub(super) fn check_shown(&self) -> Result<(), Breach> {
        if !self.checks.has(Check::Linearizability) {
            return Ok(());
        }
        for Answered { sent, reply, .. } in self.answered {
            let Some(name) = &sent.stream else { continue };
            let stream = self.book.find(name).map(|stream| &self.book.streams[stream]);
            match reply {
                Reply::Done(outcome) if !outcome.replayed => {
                    self.check_answer(sent, stream, outcome)?;
                }
                Reply::Refused(refused) if !refused.replayed => {
                    self.check_refusal(sent, stream, refused)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn check_answer(
        &self,
        sent: &Sent,
        stream: Option<&Stream>,
        outcome: &Outcome,
    ) -> Result<(), Breach> {
        if !matches!(sent.expected, Expected::Read) {
            return Ok(());
        }
        let version = outcome.version;
        let state = stream.and_then(|stream| stream.at(version));
        let what = || format!("{sent:?} shows the version {version}, which there is not");
        let Some(state) = self.checks.there(Check::Linearizability, state, what)? else {
            return Ok(());
        };
        let contradiction = contradicts(&state.shown, &outcome.answer, outcome.at);
        self.checks.ensure(Check::Linearizability, contradiction.is_none(), || {
            format!("{sent:?} at {version} shows {contradiction:?}, and there is {:?}", state.shown)
        })
    }

    /// A refusal states a fact: it must be that of the version that it rests on.
    fn check_refusal(
        &self,
        sent: &Sent,
        stream: Option<&Stream>,
        refused: &Refused,
    ) -> Result<(), Breach> {
        let Some(stream) = stream else { return Ok(()) };
        let Some(state) = stream.at(refused.version) else { return Ok(()) };
        let is_so = match (refused.refusal.code, refused.refusal.fact, &state.shown) {
            (
                Code::InsufficientFunds,
                Fact::Available(available),
                Shown::Account { balance, held, floor, .. },
            ) => available.get() == balance - held - floor,
            (Code::SoldOut, Fact::Remaining(remaining), Shown::Drop { stock, taken, .. }) => {
                i128::from(remaining) == stock - taken
            }
            (Code::AlreadyClaimed, _, Shown::Ticket { claimant }) => match &sent.expected {
                Expected::Event(_, Some(who)) => {
                    claimant.as_ref().is_some_and(|other| other.as_str() != who)
                }
                _ => true,
            },
            (Code::NotFound, _, Shown::Ticket { .. }) => !state.exists,
            _ => true,
        };
        self.checks.ensure(Check::Linearizability, is_so, || {
            format!("{sent:?}: {refused:?}, and there is {:?}", state.shown)
        })
    }

    /// Whether the order of versions is one that callers of each stream can have seen. Gives how
    /// many answers have a place in it.
    pub(super) fn check_order(&self) -> Result<u64, Breach> {
        if !self.checks.has(Check::Linearizability) {
            return Ok(0);
        }
        // By the order in which they were sent; answers stand in the order in which they left.
        let mut by_sent: Vec<usize> = (0..self.answered.len()).collect();
        by_sent.sort_unstable_by_key(|ask| self.answered[*ask].sent.tick);
        let mut by_sent = by_sent.into_iter().peekable();
        // What of each stream has been shown so far, and what had been when an ask was sent.
        let mut shown = vec![Position::ZERO; self.book.streams.len()];
        let mut seen = vec![Position::ZERO; self.answered.len()];
        let streams: Vec<Option<usize>> =
            self.answered.iter().map(|ask| self.stream(ask)).collect();
        let mut placed = 0;
        for (index, answered) in self.answered.iter().enumerate() {
            while let Some(ask) =
                by_sent.next_if(|ask| self.answered[*ask].sent.tick < answered.tick)
            {
                seen[ask] = streams[ask].map_or(Position::ZERO, |stream| shown[stream]);
            }
            let Answered { sent, reply, .. } = answered;
            let (Some(stream), Some((rests_on, _))) = (streams[index], rests_on(reply)) else {
                continue;
            };
            // An answer that rests on a position shows all that had happened by then, and so does
            // what a key has kept.
            let rests_on = self.book.streams[stream].latest(rests_on);
            let Some(version) = version_of(reply) else {
                shown[stream] = shown[stream].max(rests_on);
                continue;
            };
            let place = self.place(stream, version, seen[index].max(rests_on));
            let what = || {
                let seen = seen[index];
                format!(
                    "{sent:?} was shown {version} at {rests_on}, and {seen} had been shown before"
                )
            };
            let Some(place) = self.checks.there(Check::Linearizability, place, what)? else {
                continue;
            };
            let is_new = !has_changed(reply) || seen[index] < place;
            self.checks.ensure(Check::Linearizability, is_new, || {
                format!("{sent:?} happened at {place}, which was shown before it was asked")
            })?;
            shown[stream] = shown[stream].max(place);
            placed += 1;
        }
        Ok(placed)
    }

    /// Where in the order of its stream an answer belongs that shows a version, if whoever asked
    /// can have been shown that.
    fn place(&self, stream: usize, version: Position, seen: Position) -> Option<Position> {
        if version >= seen {
            return Some(version);
        }
        // A stream that has ended is forgotten with its version once that is durable.
        let is_forgotten = version == Position::ZERO;
        is_forgotten.then(|| self.book.streams[stream].end_from(seen)).flatten()
    }

    fn stream(&self, answered: &Answered) -> Option<usize> {
        self.book.find(answered.sent.stream.as_ref()?)
    }

    /// Whether what happened together was seen together, and whether one position shows the same
    /// of every stream.
    pub(super) fn check_together(&self) -> Result<(), Breach> {
        if !self.checks.has(Check::Atomicity) {
            return Ok(());
        }
        let entries = self.first_shown();
        for answered in self.answered {
            let Answered { sent, reply, .. } = answered;
            let (Some(index), Some(version)) = (self.stream(answered), version_of(reply)) else {
                continue;
            };
            let stream = &self.book.streams[index];
            let parts = &entries[index];
            let part = match parts.partition_point(|part| part.shown < sent.tick) {
                0 => Position::ZERO,
                count => parts[count - 1].greatest,
            };
            let is_whole = self.place(index, version, part).is_some();
            self.checks.ensure(Check::Atomicity, is_whole, || {
                format!("{sent:?} was shown {version}, and others what happened with {part}")
            })?;
            let latest = stream.latest(sent.acked);
            let is_one = self.place(index, version, latest).is_some();
            self.checks.ensure(Check::Atomicity, is_one, || {
                let acked = sent.acked;
                format!("{sent:?} was shown {version}, and others {acked}, behind {latest}")
            })?;
        }
        Ok(())
    }

    /// For each stream the parts that it has of what happened together, in the order in which
    /// callers were first shown another part of it.
    fn first_shown(&self) -> Vec<Vec<Elsewhere>> {
        let streams = self.book.streams.len();
        // When each version of each stream, or a later one, was first shown.
        let mut shown: Vec<Vec<(Position, u64)>> = vec![Vec::new(); streams];
        let mut told: BTreeMap<Position, u64> = BTreeMap::new();
        for answered in self.answered {
            if let (Some(stream), Some(version)) =
                (self.stream(answered), version_of(&answered.reply))
            {
                shown[stream].push((version, answered.tick));
            }
            if let (true, Some((position, _))) =
                (has_changed(&answered.reply), rests_on(&answered.reply))
            {
                told.entry(position).or_insert(answered.tick);
            }
        }
        for list in &mut shown {
            list.sort_unstable();
            let mut first = u64::MAX;
            for (_, tick) in list.iter_mut().rev() {
                first = first.min(*tick);
                *tick = first;
            }
        }
        let first = |stream: usize, part: Position| {
            let list = &shown[stream];
            list.get(list.partition_point(|(version, _)| *version < part)).map(|(_, tick)| *tick)
        };
        let mut elsewhere: Vec<Vec<Elsewhere>> = Vec::new();
        elsewhere.resize_with(streams, Vec::new);
        for (last, parts) in &self.book.together {
            let told = told.get(last).copied().unwrap_or(u64::MAX);
            let firsts: Vec<u64> = parts
                .iter()
                .map(|(stream, part)| first(*stream, *part).unwrap_or(u64::MAX))
                .collect();
            for (leg, (stream, part)) in parts.iter().enumerate() {
                let others = firsts.iter().enumerate().filter(|(other, _)| *other != leg);
                let shown = others.map(|(_, tick)| *tick).chain([told]).min();
                if let Some(shown) = shown.filter(|shown| *shown < u64::MAX) {
                    elsewhere[*stream].push(Elsewhere { shown, greatest: *part });
                }
            }
        }
        for list in &mut elsewhere {
            list.sort_unstable_by_key(|part| part.shown);
            let mut greatest = Position::ZERO;
            for part in list {
                greatest = greatest.max(part.greatest);
                part.greatest = greatest;
            }
        }
        elsewhere
    }
}

/// A stream's part of what happened together, once callers know of another part.
struct Elsewhere {
    /// When they were first shown another part.
    shown: u64,
    /// The greatest such part of the stream so far.
    greatest: Position,
}

/// What an answer shows, where that is not what there is.
fn contradicts(there: &Shown, answer: &Answer, at: Timestamp) -> Option<Shown> {
    let shown = match there {
        Shown::Account { floor, first_end, .. } => {
            let head = answer.head::<Account>().ok()?;
            let over = first_end.filter(|end| *end <= at);
            Shown::Account {
                balance: head.balance.get(),
                held: head.held.signed().get(),
                floor: *floor,
                // A hold that is over is shown no more.
                first_end: if over.is_some() { None } else { *first_end },
            }
        }
        Shown::Ticket { .. } => {
            let head = answer.head::<Ticket>().ok()?;
            Shown::Ticket { claimant: head.claim.map(|claim| claim.claimant) }
        }
        Shown::Drop { .. } => {
            let head = answer.head::<Drop>().ok()?;
            Shown::Drop { stock: head.stock.into(), taken: head.taken.into(), claims: head.claims }
        }
        Shown::Flow { .. } => {
            let head = answer.head::<Flow>().ok()?;
            Shown::Flow { total: head.total.signed().get(), settled: head.settled.signed().get() }
        }
        Shown::Other => return None,
    };
    (shown != *there).then_some(shown)
}
