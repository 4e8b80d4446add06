//! The auditor of the driver: it sees asks and answers, and the log, and trusts neither.
//!
//! It keeps its own naive account of every stream, made from the events of the log, and holds
//! the answers against it: each is durable when it leaves, happened once, shows the state at
//! its version, and never one older than what was answered before it was asked.

use std::collections::{BTreeMap, BTreeSet};

use quipu_core::log::{Frame, MemoryLog, Reader};
use quipu_core::machine::{Answer, Machine, Registry};
use quipu_core::machines::account::{self, Account};
use quipu_core::machines::drop::{self, Drop};
use quipu_core::machines::flow::{self, Flow};
use quipu_core::machines::ticket::{self, Ticket};
use quipu_core::records::{Entries, Part, Record};
use quipu_core::shard::{CallId, Key, Reply};
use quipu_core::words::{Code, Epoch, Fact, Id, Name, Position, Timestamp};

/// What an accepted ask must have led to.
#[derive(Clone, Debug)]
pub(crate) enum Expected {
    /// Nothing that is checked by its text.
    Nothing,
    /// A read: the head must be that of its version.
    Read,
    /// An event whose description begins like this, by this claimant where there is one.
    Event(String, Option<String>),
}

impl Expected {
    pub(crate) fn event(text: &str) -> Self {
        Self::Event(text.to_owned(), None)
    }

    pub(crate) fn claim(text: &str, who: &str) -> Self {
        Self::Event(text.to_owned(), Some(who.to_owned()))
    }
}

/// An ask on its way.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    stream: Option<Name>,
    expected: Expected,
    key: Option<(Key, String)>,
    abandoned: bool,
    /// The greatest position that had been answered when it was sent.
    acked: Position,
    /// The latest time that had been answered for its stream.
    told_at: Timestamp,
    /// The clock when it was sent.
    now: Timestamp,
}

impl Sent {
    pub(crate) fn new(
        stream: Option<Name>,
        expected: Expected,
        key: Option<(Key, String)>,
        abandoned: bool,
        now: Timestamp,
    ) -> Self {
        let (acked, told_at) = (Position::ZERO, Timestamp::ZERO);
        Self { stream, expected, key, abandoned, acked, told_at, now }
    }
}

#[derive(Default)]
pub(crate) struct Audit {
    open: BTreeMap<CallId, Sent>,
    answered: Vec<(Sent, Reply)>,
    acked: Position,
    told: BTreeMap<Name, Timestamp>,
    keys: BTreeMap<(Key, String), (Reply, Timestamp)>,
    fences: Vec<(Position, Epoch)>,
    made: BTreeMap<char, Vec<u64>>,
    payouts: Vec<(Id, u64, u64)>,
    crashed: bool,
}

impl Audit {
    pub(crate) fn sent(&mut self, call: CallId, mut sent: Sent) {
        sent.acked = self.acked;
        if let Some(stream) = &sent.stream {
            sent.told_at = self.told.get(stream).copied().unwrap_or_default();
        }
        self.open.insert(call, sent);
    }

    /// Takes an answer at the moment it leaves.
    pub(crate) fn answered(&mut self, call: CallId, reply: Reply, log: &MemoryLog) {
        let sent = self.open.remove(&call).expect("an ask is answered once");
        let Some((position, at)) = rests_on(&reply) else { return };
        let durable = Position::new(log.bounds().1.get() - 1);
        assert!(position <= durable, "{sent:?}: {reply:?} left when only {durable} was durable");
        assert!(at <= log.now_limit(), "{sent:?}: {reply:?} shows a time above the durable limit");
        if sent.abandoned {
            return;
        }
        self.check_key(&sent, &reply);
        self.acked = self.acked.max(position);
        if !is_replayed(&reply)
            && let Some(stream) = &sent.stream
        {
            assert!(at >= sent.told_at, "{sent:?}: {reply:?}: time ran back from {}", sent.told_at);
            let told = self.told.entry(stream.clone()).or_default();
            *told = (*told).max(at);
        }
        self.answered.push((sent, reply));
    }

    /// The same key gives the same answer; another command under it is refused.
    fn check_key(&mut self, sent: &Sent, reply: &Reply) {
        let Some((key, what)) = &sent.key else { return };
        let stored = match reply {
            Reply::Done(_) => true,
            Reply::Refused(refused) => refused.refusal.code.is_stored(),
            Reply::Failed(_) => false,
        };
        if !stored {
            return;
        }
        let Some((_, at)) = rests_on(reply) else { return };
        let place = (key.clone(), what.clone());
        let day = 24 * 3_600_000;
        let is_old = is_replayed(reply) && sent.now.ms_since(at) >= day;
        assert!(!is_old, "{sent:?}: {reply:?} was kept for more than a day");
        // Answers a day apart are those of two lives of the key. They may leave in either order:
        // a repeat of the first life may have waited for its time while the second began.
        if let Some((first, first_at)) = self.keys.get(&place) {
            let one_life = at.ms_since(*first_at) < day && first_at.ms_since(at) < day;
            if one_life && (is_replayed(reply) || is_replayed(first)) {
                assert_eq!(essence(first), essence(reply), "{sent:?}: one key, one answer");
            }
        }
        self.keys.insert(place, (reply.clone(), at));
    }

    /// Every call that is under way is lost with its answer.
    pub(crate) fn crashed(&mut self) {
        self.open.clear();
        self.crashed = true;
    }

    /// From here on only frames of this epoch or a later one may be written.
    pub(crate) fn fenced(&mut self, next: Position, epoch: Epoch) {
        self.fences.push((next, epoch));
    }

    pub(crate) fn unanswered(&self) -> Vec<&Sent> {
        self.open.values().collect()
    }

    /// Once nothing is under way, all that was reserved has been given back.
    pub(crate) fn room_is_back(&self, free: (u64, u64)) {
        let whole = [(24, 200_000), (4_096, 64 << 20)];
        assert!(whole.contains(&free), "the ring has {free:?} free, which is not all of it");
    }

    /// Positions at which holds and claims were made, as far as the last check saw.
    pub(crate) fn made(&self, letter: char) -> &[u64] {
        self.made.get(&letter).map_or(&[], Vec::as_slice)
    }

    /// The account, the position and the newest fence of every payout that is not finished, as
    /// far as the last check saw.
    pub(crate) fn payouts(&self) -> &[(Id, u64, u64)] {
        &self.payouts
    }

    /// Goes through the whole log, and holds every answer so far against it.
    pub(crate) fn check(&mut self, frames: &[Frame], registry: &Registry) {
        for (next, epoch) in &self.fences {
            let late = frames.iter().find(|frame| frame.last() >= *next && frame.epoch < *epoch);
            assert!(late.is_none(), "a fenced writer has written at or behind {next}");
        }
        let book = Book::read(frames, registry);
        self.made = book.made.clone();
        self.payouts = book.payouts();
        let mut owners: BTreeMap<Position, &Sent> = BTreeMap::new();
        for (sent, reply) in &self.answered {
            match reply {
                Reply::Failed(_) => {}
                Reply::Done(outcome) => {
                    assert!(outcome.position <= book.last, "{sent:?}: {reply:?} is not in the log");
                    if outcome.changed && !outcome.replayed {
                        let other = owners.insert(outcome.position, sent);
                        assert!(other.is_none(), "{sent:?} and {other:?} share one event");
                        book.check_event(sent, outcome.position);
                    }
                    if !outcome.replayed {
                        book.check_seen(sent, outcome.version);
                        book.check_answer(sent, outcome.version, outcome.at, &outcome.answer);
                    }
                }
                Reply::Refused(refused) if refused.replayed => {}
                Reply::Refused(refused) => {
                    book.check_seen(sent, refused.version);
                    book.check_refusal(
                        sent,
                        refused.version,
                        refused.refusal.code,
                        refused.refusal.fact,
                    );
                }
            }
        }
    }
}

fn rests_on(reply: &Reply) -> Option<(Position, Timestamp)> {
    match reply {
        Reply::Done(outcome) => Some((outcome.position, outcome.at)),
        Reply::Refused(refused) => Some((refused.position, refused.at)),
        Reply::Failed(_) => None,
    }
}

fn is_replayed(reply: &Reply) -> bool {
    match reply {
        Reply::Done(outcome) => outcome.replayed,
        Reply::Refused(refused) => refused.replayed,
        Reply::Failed(_) => false,
    }
}

/// An answer without what tells a repeat from a first.
fn essence(reply: &Reply) -> String {
    match reply {
        Reply::Done(outcome) => {
            let bytes = outcome.answer.as_bytes();
            format!("{} {} {} {bytes:?}", outcome.position, outcome.version, outcome.at)
        }
        Reply::Refused(refused) => {
            let (position, version) = (refused.position, refused.version);
            format!("{position} {version} {} {:?} {:?}", refused.at, refused.refusal, refused.leg)
        }
        Reply::Failed(fault) => format!("{fault:?}"),
    }
}

/// The naive account of everything that the log says.
#[derive(Default)]
struct Book {
    last: Position,
    names: BTreeMap<u64, Name>,
    /// What each stream was at each of its versions.
    history: BTreeMap<Name, BTreeMap<Position, State>>,
    events: BTreeMap<Position, Vec<(Name, String)>>,
    made: BTreeMap<char, Vec<u64>>,
    keys: BTreeMap<[u8; 16], Timestamp>,
    outside: i128,
}

#[derive(Clone, Default, Debug)]
struct State {
    now: Timestamp,
    exists: bool,
    balance: i128,
    holds: BTreeMap<u64, (i128, Option<Timestamp>)>,
    payouts: BTreeMap<u64, Payout>,
    spent: BTreeSet<u64>,
    claimed: Option<String>,
    revoked: bool,
    stock: i128,
    taken: i128,
    claims: u64,
    units: BTreeMap<u64, i128>,
    total: i128,
    settled: i128,
    withdrawn: i128,
    refunded: i128,
    payer: Option<Id>,
    recipient: Option<Id>,
}

/// A payout that is not finished.
#[derive(Clone, Debug)]
struct Payout {
    amount: i128,
    fence: u64,
    lease_until: Option<Timestamp>,
}

impl State {
    fn held(&self) -> i128 {
        let holds: i128 = self.holds.values().map(|(amount, _)| amount).sum();
        holds + self.payouts.values().map(|payout| payout.amount).sum::<i128>()
    }

    fn payout(&mut self, planned: Position) -> &mut Payout {
        self.payouts.get_mut(&planned.get()).expect("a payout that is not finished")
    }

    fn pay_out(&mut self, planned: Position) {
        self.payouts.remove(&planned.get()).expect("a payout ends once");
    }

    fn in_flow(&self) -> i128 {
        self.total - self.withdrawn - self.refunded
    }
}

impl Book {
    fn read(frames: &[Frame], registry: &Registry) -> Self {
        let mut book = Self::default();
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

    fn payouts(&self) -> Vec<(Id, u64, u64)> {
        let mut payouts = Vec::new();
        for (name, history) in &self.history {
            let last = history.values().last().map(|state| &state.payouts);
            for (planned, payout) in last.into_iter().flatten() {
                payouts.push((name.id.clone(), *planned, payout.fence));
            }
        }
        payouts
    }

    /// All money is somewhere: in accounts, in flows, or outside.
    fn check_sum(&self, at: Position) {
        let now = self.history.values().filter_map(|history| history.values().last());
        let held: i128 = now.map(|state| state.balance + state.in_flow()).sum();
        assert_eq!(held + self.outside, 0, "money appeared or vanished at {at}");
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
        let unpack = (head.tag, part.payload);
        let transit = match head.kind {
            kind if kind == Account::KIND => {
                let event = account::Event::unpack(unpack.0, unpack.1).expect("readable");
                self.account(&mut state, &event, at, now)
            }
            kind if kind == Ticket::KIND => {
                let event = ticket::Event::unpack(unpack.0, unpack.1).expect("readable");
                ticket(&mut state, &event);
                0
            }
            kind if kind == Drop::KIND => {
                let event = drop::Event::unpack(unpack.0, unpack.1).expect("readable");
                self.drop(&mut state, &event, at);
                0
            }
            kind if kind == Flow::KIND => {
                let event = flow::Event::unpack(unpack.0, unpack.1).expect("readable");
                self.flow(&mut state, &event)
            }
            _ => {
                state.exists = !matches!(&*text, "Deleted(Deleted)" | "Expired(Expired)")
                    && !text.starts_with("Forgotten");
                0
            }
        };
        self.history.entry(name.clone()).or_default().insert(head.position, state);
        self.events.entry(head.position).or_default().push((name, text));
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
                consume(state, e.hold.get(), at);
                self.outside += n(e.amount);
                state.balance -= n(e.amount);
                after = Some(e.balance_after);
            }
            E::HoldReleased(e) => consume(state, e.hold.get(), at),
            E::HoldExpired(e) => consume(state, e.hold.get(), at),
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

    fn check_event(&self, sent: &Sent, position: Position) {
        let (Some(stream), Expected::Event(text, _)) = (&sent.stream, &sent.expected) else {
            return;
        };
        let events = self.events.get(&position).expect("an accepted ask has an event");
        let found = events.iter().any(|(name, event)| name == stream && event.starts_with(text));
        assert!(found, "{sent:?} was accepted at {position}, where there is {events:?}");
    }

    /// What is shown is no older than what had been answered before it was asked.
    fn check_seen(&self, sent: &Sent, version: Position) {
        let Some(history) = sent.stream.as_ref().and_then(|stream| self.history.get(stream)) else {
            return;
        };
        let Some((&latest, _)) = history.range(..=sent.acked).next_back() else { return };
        // A stream that has ended is forgotten with its version once that is durable.
        let ended = history.range(latest..).any(|(_, state)| !state.exists);
        let forgotten = version == Position::ZERO && ended;
        assert!(version >= latest || forgotten, "{sent:?} was shown {version}, {latest} was known");
    }

    fn check_answer(&self, sent: &Sent, version: Position, at: Timestamp, answer: &Answer) {
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
    fn check_refusal(&self, sent: &Sent, version: Position, code: Code, fact: Fact) {
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

fn consume(state: &mut State, hold: u64, at: u64) {
    assert!(state.spent.insert(hold), "hold {hold} ends a second time at {at}");
    state.holds.remove(&hold).expect("a hold that is there");
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
