//! The naive account of everything that happened, and what answers are held against.

use std::collections::{BTreeMap, BTreeSet};

use quipu_core::log::Frame;
use quipu_core::machine::{Answer, Machine, Registry};
use quipu_core::machines::account::{self, Account};
use quipu_core::machines::drop::{self, Drop};
use quipu_core::machines::flow::{self, Flow};
use quipu_core::machines::ticket::{self, Ticket};
use quipu_core::records::{Entries, Part, Record};
use quipu_core::words::{Code, Fact, Id, Name, Position, Timestamp};

use super::{Expected, Sent};

/// The naive account of everything that the log says.
#[derive(Default)]
pub(super) struct Book {
    pub(super) last: Position,
    names: BTreeMap<u64, Name>,
    /// What each stream was at each of its versions.
    pub(super) history: BTreeMap<Name, BTreeMap<Position, State>>,
    /// What happened at each position, as text; `None` where only answers are known.
    pub(super) events: Option<BTreeMap<Position, Vec<(Name, String)>>>,
    pub(super) made: BTreeMap<char, Vec<u64>>,
    keys: BTreeMap<[u8; 16], Timestamp>,
    /// Holds that have ended.
    pub(super) ended: BTreeSet<u64>,
    /// What accounts and flows hold.
    inside: i128,
    outside: i128,
}

#[derive(Clone, Default, Debug)]
pub(super) struct State {
    pub(super) now: Timestamp,
    pub(super) exists: bool,
    pub(super) balance: i128,
    pub(super) holds: BTreeMap<u64, (i128, Option<Timestamp>)>,
    payouts: BTreeMap<u64, Payout>,
    pub(super) claimed: Option<String>,
    pub(super) revoked: bool,
    pub(super) stock: i128,
    pub(super) taken: i128,
    pub(super) claims: u64,
    pub(super) units: BTreeMap<u64, i128>,
    pub(super) total: i128,
    pub(super) settled: i128,
    pub(super) withdrawn: i128,
    pub(super) refunded: i128,
    pub(super) payer: Option<Id>,
    pub(super) recipient: Option<Id>,
}

/// A payout that is not finished.
#[derive(Clone, Debug)]
struct Payout {
    amount: i128,
    fence: u64,
    lease_until: Option<Timestamp>,
}

impl State {
    pub(super) fn held(&self) -> i128 {
        let holds: i128 = self.holds.values().map(|(amount, _)| amount).sum();
        holds + self.payouts.values().map(|payout| payout.amount).sum::<i128>()
    }

    fn payout(&mut self, planned: Position) -> &mut Payout {
        self.payouts.get_mut(&planned.get()).expect("a payout that is not finished")
    }

    fn pay_out(&mut self, planned: Position) {
        self.payouts.remove(&planned.get()).expect("a payout ends once");
    }

    fn inside(&self) -> i128 {
        self.balance + self.in_flow()
    }

    fn in_flow(&self) -> i128 {
        self.total - self.withdrawn - self.refunded
    }
}

impl Book {
    /// What a log says.
    pub(super) fn of_log(frames: &[Frame], registry: &Registry) -> Self {
        let mut book = Self { events: Some(BTreeMap::new()), ..Self::default() };
        for frame in frames {
            assert_eq!(frame.first, book.last.plus(1), "frames are dense");
            for entry in Entries::new(&frame.bytes, frame.first) {
                let entry = entry.expect("an entry that can be read");
                if let Some(note) = &entry.note {
                    let before = book.keys.insert(note.key, entry.now);
                    let lives = before.is_some_and(|at| entry.now.ms_since(at) < 24 * 3_600_000);
                    assert!(
                        !lives,
                        "a key had two effects, {before:?} and {} at {}",
                        entry.now, entry.first
                    );
                }
                let mut event = Position::ZERO;
                let mut transit = 0;
                for part in &entry.parts {
                    if part.head.position != event {
                        assert_eq!(transit, 0, "nothing is left in transit at {event}");
                        event = part.head.position;
                    }
                    transit += book.part(part, entry.now, registry);
                }
                assert_eq!(transit, 0, "nothing is left in transit at {event}");
                book.check_sum(entry.first);
                book.last = entry.first.plus(u64::from(entry.events) - 1);
            }
            assert_eq!(book.last, frame.last(), "a frame's entries fill its positions");
        }
        book
    }

    /// The account, the position and the newest fence of every payout that is not finished.
    pub(super) fn payouts(&self) -> Vec<(Id, u64, u64)> {
        let mut payouts = Vec::new();
        for (name, history) in &self.history {
            let last = history.values().last().map(|state| &state.payouts);
            for (planned, payout) in last.into_iter().flatten() {
                payouts.push((name.id.clone(), *planned, payout.fence));
            }
        }
        payouts
    }

    /// Positions at which holds, claims and payouts were made.
    pub(super) fn into_made(self) -> BTreeMap<char, Vec<u64>> {
        self.made
    }

    /// All money is somewhere: in accounts, in flows, or outside.
    fn check_sum(&self, at: Position) {
        assert_eq!(self.inside + self.outside, 0, "money appeared or vanished at {at}");
    }

    /// Takes one part into account, and gives what it puts in transit.
    fn part(&mut self, part: &Part<'_>, now: Timestamp, registry: &Registry) -> i128 {
        let head = &part.head;
        if let Some(name) = &head.created {
            self.names.insert(head.number.get(), name.clone());
        }
        let name = self.names.get(&head.number.get()).expect("a part of a known stream").clone();
        let rules = registry.rules(head.kind).expect("a known kind");
        let text = rules.describe_event(head.tag, part.payload).expect("a readable event");
        let history = self.history.entry(name.clone()).or_default();
        let (last, mut state) = match history.last_key_value() {
            Some((last, state)) => (*last, state.clone()),
            None => (Position::ZERO, State::default()),
        };
        let inside_before = state.inside();
        if head.created.is_some() {
            assert!(!state.exists, "{name:?} is created twice");
            state = State { exists: true, now: state.now, ..State::default() };
        } else {
            // A second part of one event on one stream finds its own position.
            let follows = head.previous == last || last == head.position;
            assert!(follows, "{name:?}: {} follows {}, not {last}", head.position, head.previous);
        }
        assert!(now >= state.now, "{name:?}: time ran back from {} to {now}", state.now);
        state.now = now;
        let at = head.position.get();
        let (tag, payload) = (head.tag, part.payload);
        let transit = match head.kind {
            kind if kind == Account::KIND => {
                let event = account::Event::unpack(tag, payload).expect("readable");
                self.account(&mut state, &event, at, now)
            }
            kind if kind == Ticket::KIND => {
                let event = ticket::Event::unpack(tag, payload).expect("readable");
                ticket(&mut state, &event);
                0
            }
            kind if kind == Drop::KIND => {
                let event = drop::Event::unpack(tag, payload).expect("readable");
                self.drop(&mut state, &event, at);
                0
            }
            kind if kind == Flow::KIND => {
                let event = flow::Event::unpack(tag, payload).expect("readable");
                self.flow(&mut state, &event)
            }
            _ => {
                state.exists = !matches!(&*text, "Deleted(Deleted)" | "Expired(Expired)")
                    && !text.starts_with("Forgotten");
                0
            }
        };
        self.inside += state.inside() - inside_before;
        self.history.entry(name.clone()).or_default().insert(head.position, state);
        if let Some(events) = &mut self.events {
            events.entry(head.position).or_default().push((name, text));
        }
        transit
    }

    fn account(
        &mut self,
        state: &mut State,
        event: &account::Event,
        at: u64,
        now: Timestamp,
    ) -> i128 {
        use account::Event as E;
        let n = |amount: quipu_core::words::Amount| amount.get() as i128;
        let mut transit = 0;
        let mut after = None;
        let ends = match event {
            E::HoldExpired(expired) => Some(expired.hold.get()),
            E::LeaseExpired(expired) => Some(expired.withdrawal.get()),
            _ => None,
        };
        let holds = state.holds.iter().map(|(hold, (_, expires))| (hold, *expires));
        let leases = state.payouts.iter().map(|(planned, payout)| (planned, payout.lease_until));
        for (what, expires) in holds.chain(leases) {
            let over = expires.is_some_and(|expires| expires <= now);
            assert!(!over || ends.is_some(), "{what} should have expired before {at}");
        }
        match event {
            E::Deposited(e) => {
                self.outside -= n(e.amount);
                state.balance += n(e.amount);
                after = Some(e.balance_after);
            }
            E::Charged(e) => {
                self.outside += n(e.amount);
                state.balance -= n(e.amount);
                after = Some(e.balance_after);
            }
            E::Spent(e) => {
                self.outside += n(e.amount);
                state.balance -= n(e.amount);
                after = Some(e.balance_after);
            }
            E::Restored(e) => {
                self.outside -= n(e.amount);
                state.balance += n(e.amount);
                after = Some(e.balance_after);
            }
            E::HoldPlaced(e) => {
                state.holds.insert(at, (n(e.amount), e.expires_at));
                self.made.entry('h').or_default().push(at);
            }
            E::HoldCaptured(e) => {
                self.consume(state, e.hold.get(), at);
                self.outside += n(e.amount);
                state.balance -= n(e.amount);
                after = Some(e.balance_after);
            }
            E::HoldReleased(e) => self.consume(state, e.hold.get(), at),
            E::HoldExpired(e) => self.consume(state, e.hold.get(), at),
            E::WithdrawalPlanned(e) => {
                let payout = Payout { amount: n(e.amount), fence: 0, lease_until: None };
                state.payouts.insert(at, payout);
                self.made.entry('w').or_default().push(at);
            }
            E::WithdrawalLeased(e) => {
                let payout = state.payout(e.withdrawal);
                (payout.fence, payout.lease_until) = (at, Some(e.until));
            }
            E::WithdrawalRetried(e) => state.payout(e.withdrawal).lease_until = None,
            E::WithdrawalUnknown(e) => state.payout(e.withdrawal).lease_until = None,
            E::LeaseExpired(e) => {
                let until = state.payout(e.withdrawal).lease_until.take();
                assert!(until.is_some_and(|until| until <= now), "a lease is over once, at {at}");
            }
            E::WithdrawalFailed(e) => state.pay_out(e.withdrawal),
            E::WithdrawalCompleted(e) => {
                state.pay_out(e.withdrawal);
                self.outside += n(e.amount);
                state.balance -= n(e.amount);
                after = Some(e.balance_after);
            }
            E::WithdrawalReconciled(e) => {
                state.pay_out(e.withdrawal);
                if e.completed {
                    self.outside += n(e.amount);
                    state.balance -= n(e.amount);
                }
                after = Some(e.balance_after);
            }
            E::Sent(e) => {
                transit = n(e.amount);
                state.balance -= n(e.amount);
                after = Some(e.balance_after);
            }
            E::FlowFunded(e) => {
                transit = n(e.amount);
                state.balance -= n(e.amount);
                after = Some(e.balance_after);
            }
            E::FlowRaised(e) => {
                transit = n(e.amount);
                state.balance -= n(e.amount);
                after = Some(e.balance_after);
            }
            E::GaveBack(e) => {
                transit = n(e.amount);
                state.balance -= n(e.amount);
                after = Some(e.balance_after);
            }
            E::Received(e) => {
                transit = -n(e.amount);
                state.balance += n(e.amount);
                after = Some(e.balance_after);
            }
            E::FlowRecovered(e) => {
                transit = -n(e.amount);
                state.balance += n(e.amount);
                after = Some(e.balance_after);
            }
            E::TookBack(e) => {
                transit = -n(e.amount);
                state.balance += n(e.amount);
                after = Some(e.balance_after);
            }
            E::Opened(_) | E::Changed(_) | E::Expired(_) => {}
            E::Closed(_) => assert_eq!((state.balance, state.held()), (0, 0), "closed when empty"),
            other => panic!("the runs ask for no {other:?}"),
        }
        if let Some(after) = after {
            assert_eq!(after.get(), state.balance, "the balance behind the event at {at}");
        }
        assert!(state.balance - state.held() >= 0, "below the floor at {at}: {state:?}");
        transit
    }

    fn consume(&mut self, state: &mut State, hold: u64, at: u64) {
        assert!(self.ended.insert(hold), "hold {hold} ends a second time at {at}");
        state.holds.remove(&hold).expect("a hold that is there");
    }

    fn drop(&mut self, state: &mut State, event: &drop::Event, at: u64) {
        use drop::Event as E;
        match event {
            E::Created(e) => state.stock = i128::from(e.stock),
            E::Claimed(e) => {
                state.claims += 1;
                assert_eq!(e.number, state.claims, "numbers have no gap");
                state.taken += i128::from(e.quantity);
                state.units.insert(at, i128::from(e.quantity));
                assert_eq!(i128::from(e.remaining), state.stock - state.taken);
                self.made.entry('c').or_default().push(at);
            }
            E::Released(e) => {
                let units = state.units.remove(&e.claim.get());
                let units = units.expect("a claim is released once");
                assert_eq!(units, i128::from(e.quantity));
                state.taken -= units;
            }
            E::StockSet(e) => state.stock = i128::from(e.stock),
            E::Opened(_) | E::Closed(_) => {}
        }
        assert!((0..=state.stock).contains(&state.taken), "oversold at {at}: {state:?}");
    }

    fn flow(&mut self, state: &mut State, event: &flow::Event) -> i128 {
        use flow::Event as E;
        let before = state.in_flow();
        let n = |amount: quipu_core::words::Amount| amount.get() as i128;
        let mut inward = false;
        match event {
            E::Opened(e) => {
                state.total = n(e.total);
                state.payer.clone_from(&e.payer);
                state.recipient.clone_from(&e.recipient);
            }
            E::ToppedUp(e) => state.total += n(e.amount),
            E::Settled(e) => state.settled += n(e.amount),
            E::Withdrawn(e) => {
                state.withdrawn += n(e.amount);
                inward = true;
            }
            E::Stopped(e) => {
                state.settled += n(e.amount);
                state.refunded += n(e.refunded);
            }
            E::Cancelled(_) => state.refunded = state.total,
            E::Started(_) | E::Paused(_) | E::Resumed(_) => {}
        }
        let sound =
            state.withdrawn <= state.settled && state.settled <= state.total - state.refunded;
        assert!(sound, "a flow out of order: {state:?}");
        let moved = before - state.in_flow();
        let partner = if inward { state.recipient.is_some() } else { state.payer.is_some() };
        if partner {
            return moved;
        }
        self.outside += moved;
        0
    }

    fn at(&self, name: &Name, version: Position) -> Option<&State> {
        self.history.get(name)?.get(&version)
    }

    pub(super) fn check_event(&self, sent: &Sent, position: Position) {
        let (Some(stream), Expected::Event(text, _)) = (&sent.stream, &sent.expected) else {
            return;
        };
        let Some(events) = &self.events else { return };
        let events = events.get(&position).expect("an accepted ask has an event");
        let found = events.iter().any(|(name, event)| name == stream && event.starts_with(text));
        assert!(found, "{sent:?} was accepted at {position}, where there is {events:?}");
    }

    /// What is shown is no older than what had been answered before it was asked.
    pub(super) fn check_seen(&self, sent: &Sent, version: Position) {
        let Some(history) = sent.stream.as_ref().and_then(|stream| self.history.get(stream)) else {
            return;
        };
        let Some((&latest, _)) = history.range(..=sent.acked).next_back() else { return };
        // A stream that has ended is forgotten with its version once that is durable.
        let ended = history.range(latest..).any(|(_, state)| !state.exists);
        let forgotten = version == Position::ZERO && ended;
        assert!(version >= latest || forgotten, "{sent:?} was shown {version}, {latest} was known");
    }

    pub(super) fn check_answer(
        &self,
        sent: &Sent,
        version: Position,
        at: Timestamp,
        answer: &Answer,
    ) {
        let (Some(stream), Expected::Read) = (&sent.stream, &sent.expected) else { return };
        let state = self.at(stream, version).expect("a read shows a version that there is");
        let overdue = state.holds.values().filter_map(|(_, expires)| *expires).any(|end| end <= at);
        assert!(!overdue, "{sent:?} shows a hold that was over at {at}");
        if let Ok(head) = answer.head::<Account>() {
            let shown = (head.balance.get(), head.held.get() as i128);
            assert_eq!(shown, (state.balance, state.held()), "{sent:?} at {version}");
        }
        if let Ok(head) = answer.head::<Ticket>() {
            let claimant = head.claim.map(|claim| claim.claimant.to_string());
            assert_eq!(claimant, state.claimed, "{sent:?} at {version}");
        }
        if let Ok(head) = answer.head::<Drop>() {
            let shown = (i128::from(head.stock), i128::from(head.taken), head.claims);
            assert_eq!(shown, (state.stock, state.taken, state.claims), "{sent:?} at {version}");
        }
        if let Ok(head) = answer.head::<Flow>() {
            let shown = (head.total.get() as i128, head.settled.get() as i128);
            assert_eq!(shown, (state.total, state.settled), "{sent:?} at {version}");
        }
    }

    /// A refusal states a fact: it must be that of the version that it rests on.
    pub(super) fn check_refusal(&self, sent: &Sent, version: Position, code: Code, fact: Fact) {
        let Some(stream) = &sent.stream else { return };
        let Some(state) = self.at(stream, version) else { return };
        match (code, fact) {
            (Code::InsufficientFunds, Fact::Available(available))
                if stream.kind == Account::KIND =>
            {
                assert_eq!(available.get(), state.balance - state.held(), "{sent:?} at {version}");
            }
            (Code::SoldOut, Fact::Remaining(remaining)) => {
                assert_eq!(
                    i128::from(remaining),
                    state.stock - state.taken,
                    "{sent:?} at {version}"
                );
            }
            (Code::AlreadyClaimed, _) => {
                let Expected::Event(_, Some(who)) = &sent.expected else { return };
                let other = state.claimed.as_ref().is_some_and(|claimant| claimant != who);
                assert!(other, "{sent:?} at {version}: {state:?}");
            }
            (Code::NotFound, _) if stream.kind == Ticket::KIND => {
                assert!(!state.exists, "{sent:?} at {version}: it exists");
            }
            _ => {}
        }
    }
}

fn ticket(state: &mut State, event: &ticket::Event) {
    use ticket::Event as E;
    match event {
        E::Claimed(e) => {
            assert_eq!(state.claimed, None, "a ticket is claimed once");
            assert!(!state.revoked, "a revoked ticket is not claimed");
            state.claimed = Some(e.claimant.to_string());
        }
        E::Revoked(_) => {
            assert!(!state.revoked, "a ticket is revoked once");
            state.revoked = true;
        }
        E::Issued(_) | E::Expired(_) | E::EvidenceKept(_) => {}
    }
}
