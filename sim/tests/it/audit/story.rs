//! Histories by hand: what a log would hold, what callers would ask, what they would be told.

use std::collections::BTreeMap;

use quipu_core::commit::Published;
use quipu_core::log::Frame;
use quipu_core::machine::{Answer, Command, Machine};
use quipu_core::machines::account::{self, Account};
use quipu_core::machines::drop::{self, Drop};
use quipu_core::machines::flow::{self, Flow};
use quipu_core::machines::record::{self, Record};
use quipu_core::machines::registry;
use quipu_core::machines::ticket::{self, Ticket};
use quipu_core::records::{EntryWriter, KeyNote, Record as Packed, pack_into};
use quipu_core::shard::{CallId, Key, Leg, Options, Outcome, Refused, Reply};
use quipu_core::words::{
    Amount, Asset, Book, Code, Epoch, Fact, Id, Metadata, Name, Number, Period, Position, Refusal,
    Signed, Timestamp,
};
use quipu_sim::audit::{Audit, Breach, Check, Counts, Expected, Sent};
use rkyv::ser::allocator::Arena;

/// It must be found, under this name; and once that question is left out, nothing is.
pub(super) fn rejected(check: Check, tell: impl Fn(&mut Story) -> Result<(), Breach>) {
    let breach = tell(&mut Story::new(Audit::default())).expect_err("it must be found");
    assert_eq!(breach.check, check, "{breach}");
    let silent = tell(&mut Story::new(Audit::default().without(check)));
    assert_eq!(silent, Ok(()), "without {check}");
}

/// There is nothing to be found. Gives what was looked at.
pub(super) fn accepted(tell: impl Fn(&mut Story) -> Result<(), Breach>) -> Counts {
    let mut story = Story::new(Audit::default());
    assert_eq!(tell(&mut story), Ok(()));
    story.audit.counts()
}

/// A ledger that somebody makes up.
pub(super) struct Story {
    pub(super) audit: Audit,
    pub(super) frames: Vec<Frame>,
    pub(super) now: Timestamp,
    pub(super) epoch: u64,
    /// The number of each stream, and its last event.
    streams: BTreeMap<Name, (Number, Position)>,
    calls: u64,
}

/// A part of an event.
pub(super) enum Part {
    Account(account::Event),
    Ticket(ticket::Event),
    Drop(drop::Event),
    Flow(flow::Event),
    Record(record::Event),
}

macro_rules! parts {
    ($($kind:ident of $module:ident),*) => {$(
        impl From<$module::Event> for Part {
            fn from(event: $module::Event) -> Self {
                Self::$kind(event)
            }
        }
    )*};
}

parts!(Account of account, Ticket of ticket, Drop of drop, Flow of flow, Record of record);

impl Story {
    pub(super) fn new(audit: Audit) -> Self {
        let (frames, streams) = (Vec::new(), BTreeMap::new());
        Self { audit, frames, now: time(1_000), epoch: 1, streams, calls: 0 }
    }

    /// One stream's event.
    pub(super) fn event(&mut self, name: &Name, event: impl Into<Part>) -> Position {
        self.entry(vec![vec![(name.clone(), event.into())]], None)
    }

    /// One event over several streams.
    pub(super) fn joint(&mut self, parts: Vec<(Name, Part)>) -> Position {
        self.entry(vec![parts], None)
    }

    /// An entry in a frame of its own: events, and their parts. Gives the last position.
    pub(super) fn entry(
        &mut self,
        events: Vec<Vec<(Name, Part)>>,
        note: Option<&KeyNote>,
    ) -> Position {
        let first = self.frames.last().map_or(Position::new(1), |frame| frame.last().plus(1));
        let (mut bytes, mut arena) = (Vec::new(), Arena::new());
        let mut entry = EntryWriter::begin(&mut bytes, &mut arena, self.now);
        for (offset, parts) in (0..).zip(events) {
            entry.event();
            let at = first.plus(offset);
            for (index, (name, part)) in parts.into_iter().enumerate() {
                let is_new = !self.streams.contains_key(&name);
                let fresh = (Number::new(at.get()), Position::ZERO);
                let (number, last) = self.streams.entry(name.clone()).or_insert(fresh);
                let previous = core::mem::replace(last, at);
                let created = is_new.then_some(&name);
                let same = index > 0;
                // A stream's number is that of one event: two that one event makes would share it.
                let number = if is_new && same {
                    *number = Number::new(at.get() << 32 | index as u64);
                    *number
                } else {
                    *number
                };
                match part {
                    Part::Account(event) => {
                        entry.part(Account::KIND, number, previous, created, same, &event)
                    }
                    Part::Ticket(event) => {
                        entry.part(Ticket::KIND, number, previous, created, same, &event)
                    }
                    Part::Drop(event) => {
                        entry.part(Drop::KIND, number, previous, created, same, &event)
                    }
                    Part::Flow(event) => {
                        entry.part(Flow::KIND, number, previous, created, same, &event)
                    }
                    Part::Record(event) => {
                        entry.part(Record::KIND, number, previous, created, same, &event)
                    }
                };
            }
        }
        if let Some(note) = note {
            entry.note(note);
        }
        let (_, events) = entry.finish();
        let frame = Frame {
            epoch: Epoch::new(self.epoch),
            first,
            events: events.into(),
            now: self.now,
            now_limit: self.now,
            watermark: Position::ZERO,
            bytes,
        };
        let last = frame.last();
        self.frames.push(frame);
        last
    }

    /// Its next event is that of a new stream.
    pub(super) fn forget(&mut self, name: &Name) {
        self.streams.remove(name);
    }

    pub(super) fn sends(&mut self, sent: Sent) -> CallId {
        self.calls += 1;
        self.audit.sent(CallId(self.calls), sent);
        CallId(self.calls)
    }

    pub(super) fn hears(&mut self, call: CallId, reply: Reply) -> Result<(), Breach> {
        let durable = Published { watermark: Position::new(1 << 40), now_limit: Timestamp::NEVER };
        self.audit.answered(call, reply, durable)
    }

    /// Asked, and answered before anybody asks again.
    pub(super) fn asks(&mut self, sent: Sent, reply: Reply) -> Result<(), Breach> {
        let call = self.sends(sent);
        self.hears(call, reply)
    }

    /// Holds all that was told against the log.
    pub(super) fn checks(&mut self) -> Result<(), Breach> {
        self.audit.check(&self.frames, &registry())
    }
}

pub(super) fn time(ms: u64) -> Timestamp {
    Timestamp::from_ms(ms)
}

pub(super) fn at(position: u64) -> Position {
    Position::new(position)
}

pub(super) fn id(text: &str) -> Id {
    Id::new(text).expect("a well-formed id")
}

pub(super) fn key(text: &str) -> Key {
    Key::new(text).expect("a well-formed key")
}

pub(super) fn usd() -> Asset {
    Asset::new("USD/2").expect("a well-formed asset")
}

pub(super) fn name<M: Machine>(stream: &str) -> Name {
    Name::new(Book::DEFAULT, M::KIND, id(stream))
}

pub(super) fn an_account(stream: &str) -> Name {
    name::<Account>(stream)
}

fn units(value: u64) -> Amount {
    Amount::from(value)
}

fn signed(value: i64) -> Signed {
    Signed::from(value)
}

// What happens.

pub(super) fn opened() -> account::Event {
    opened_in(usd())
}

pub(super) fn opened_in(asset: Asset) -> account::Event {
    account::Opened {
        asset,
        floor: Signed::ZERO,
        cap: None,
        spend_cap: None,
        expires_at: None,
        metadata: None,
    }
    .into()
}

/// With no more than so much to spend each day.
pub(super) fn opened_with_cap(amount: u64) -> account::Event {
    let account::Event::Opened(event) = opened() else { unreachable!("it opens") };
    let cap = account::SpendCap { amount: units(amount), period: Period::Day };
    account::Opened { spend_cap: Some(cap), ..event }.into()
}

pub(super) fn deposited(amount: u64, after: i64) -> account::Event {
    let (amount, balance_after) = (units(amount), signed(after));
    account::Deposited { amount, balance_after, reference: None, metadata: None }.into()
}

pub(super) fn charged(amount: u64, after: i64) -> account::Event {
    let (amount, balance_after) = (units(amount), signed(after));
    account::Charged { amount, balance_after, reference: None, metadata: None }.into()
}

pub(super) fn refunded(charge: Position, amount: u64, after: i64) -> account::Event {
    account::Refunded { charge, amount: units(amount), balance_after: signed(after) }.into()
}

pub(super) fn held(amount: u64, expires_at: Option<Timestamp>) -> account::Event {
    account::HoldPlaced { amount: units(amount), expires_at }.into()
}

pub(super) fn captured(hold: Position, amount: u64, after: i64) -> account::Event {
    account::HoldCaptured { hold, amount: units(amount), balance_after: signed(after) }.into()
}

pub(super) fn released(hold: Position, amount: u64) -> account::Event {
    account::HoldReleased { hold, amount: units(amount) }.into()
}

pub(super) fn planned(amount: u64) -> account::Event {
    let (amount, destination) = (units(amount), "somewhere".to_owned());
    account::WithdrawalPlanned { amount, destination, secret: None }.into()
}

pub(super) fn leased(withdrawal: Position) -> account::Event {
    account::WithdrawalLeased { withdrawal, until: time(9_000_000), worker: id("w") }.into()
}

pub(super) fn completed(withdrawal: Position, amount: u64, after: i64) -> account::Event {
    let (amount, balance_after) = (units(amount), signed(after));
    account::WithdrawalCompleted { withdrawal, amount, balance_after, reference: None }.into()
}

/// A transfer: one event over two streams.
pub(super) fn transferred(
    (from, from_after): (&str, i64),
    (to, to_after): (&str, i64),
    amount: u64,
) -> Vec<(Name, Part)> {
    vec![
        (an_account(from), account_sent(amount, from_after).into()),
        (an_account(to), account_received(amount, to_after).into()),
    ]
}

pub(super) fn account_sent(amount: u64, after: i64) -> account::Event {
    let (amount, balance_after) = (units(amount), signed(after));
    account::Sent { amount, balance_after, metadata: Metadata::default() }.into()
}

pub(super) fn account_received(amount: u64, after: i64) -> account::Event {
    account::Received { amount: units(amount), balance_after: signed(after) }.into()
}

pub(super) fn issued() -> ticket::Event {
    let (amount, reference, metadata, asset) = (None, None, None, None);
    ticket::Issued { amount, expires_at: Timestamp::NEVER, reference, metadata, asset }.into()
}

pub(super) fn claimed(who: &str) -> ticket::Event {
    ticket::Claimed { claimant: id(who), token_hash: [0; 16] }.into()
}

pub(super) fn created(stock: u64) -> drop::Event {
    drop::Created {
        stock,
        opens_at: Timestamp::ZERO,
        closes_at: Timestamp::NEVER,
        price: None,
        seller: None,
        metadata: None,
        per_claimant: None,
    }
    .into()
}

pub(super) fn taken(number: u64, quantity: u32, remaining: u64) -> drop::Event {
    drop::Claimed { number, remaining, claimant: id("ann"), payment: None, quantity, units: 0 }
        .into()
}

pub(super) fn put_back(claim: Position, quantity: u32, remaining: u64) -> drop::Event {
    drop::Released { claim, remaining, claimant: id("ann"), quantity, units: 0 }.into()
}

// What is asked.

/// A command on one stream, and how its event begins.
pub(super) fn ask<M: Machine>(stream: &str, command: M::Command, event: &str) -> Sent {
    let leg = leg::<M>(stream, command);
    let name = leg.stream.clone();
    Sent::new(Some(name), Expected::event(event), None, false, Timestamp::ZERO).of(vec![leg])
}

/// The same under a key.
pub(super) fn keyed<M: Machine>(text: &str, now: u64, stream: &str, command: M::Command) -> Sent {
    let leg = leg::<M>(stream, command);
    let key = Some((key(text), format!("{:?}", leg.command)));
    Sent::new(Some(leg.stream.clone()), Expected::Nothing, key, false, time(now)).of(vec![leg])
}

pub(super) fn together(legs: Vec<Leg>) -> Sent {
    Sent::new(None, Expected::Nothing, None, false, Timestamp::ZERO).of(legs)
}

pub(super) fn read<M: Machine>(stream: &str) -> Sent {
    Sent::new(Some(name::<M>(stream)), Expected::Read, None, false, Timestamp::ZERO)
}

pub(super) fn leg<M: Machine>(stream: &str, command: M::Command) -> Leg {
    let command = Command::of::<M>(command);
    Leg { stream: name::<M>(stream), command, options: Options::default() }
}

pub(super) fn open() -> account::Command {
    account::Command::Open {
        asset: usd(),
        floor: Signed::ZERO,
        cap: None,
        spend_cap: None,
        expires_at: None,
        metadata: Metadata::default(),
    }
}

pub(super) fn deposit(amount: u64) -> account::Command {
    let metadata = Metadata::default();
    account::Command::Deposit { amount: units(amount), reference: None, metadata }
}

pub(super) fn charge(amount: u64) -> account::Command {
    let metadata = Metadata::default();
    account::Command::Charge { amount: units(amount), reference: None, metadata }
}

pub(super) fn transfer(to: &str, amount: u64) -> account::Command {
    let metadata = Metadata::default();
    account::Command::Transfer { to: id(to), amount: units(amount), metadata }
}

pub(super) fn hold(amount: u64) -> account::Command {
    account::Command::Hold { amount: units(amount), expires_in_seconds: None }
}

pub(super) fn release(hold: u64) -> account::Command {
    account::Command::Release { hold: Id::made('h', at(hold)) }
}

pub(super) fn issue() -> ticket::Command {
    ticket::Command::Issue {
        amount: None,
        asset: None,
        reference: None,
        expires_at: None,
        metadata: Metadata::default(),
        batch: false,
    }
}

pub(super) fn claim(who: &str) -> ticket::Command {
    ticket::Command::Claim { claimant: id(who) }
}

pub(super) fn create(stock: u64) -> drop::Command {
    create_with(stock, None, None)
}

/// With a limit for each claimant, and what a unit costs and who is paid.
pub(super) fn create_with(
    stock: u64,
    per_claimant: Option<u32>,
    sale: Option<(u64, &str)>,
) -> drop::Command {
    let price = sale.map(|(price, _)| drop::Price { amount: units(price), asset: usd() });
    drop::Command::Create {
        stock,
        per_claimant,
        opens_at: None,
        closes_at: None,
        price,
        seller: sale.map(|(_, seller)| id(seller)),
        metadata: Metadata::default(),
    }
}

pub(super) fn take(who: &str, quantity: u32) -> drop::Command {
    drop::Command::Claim { claimant: id(who), quantity, pay_from: None }
}

pub(super) fn put(value: &str) -> record::Command {
    let value = value.to_owned();
    record::Command::Put { value, ttl_ms: None, must_be_absent: false, fields: vec![], era: 0 }
}

// What is told.

/// It happened at this position.
pub(super) fn done(position: u64) -> Reply {
    shown(position, true, Answer::default())
}

/// It happened at this position, and this is the event.
pub(super) fn done_with<M: Machine>(position: u64, event: &M::Event) -> Reply {
    shown(position, true, answer(1, M::KIND.get(), event))
}

/// This is how it stands at this version.
pub(super) fn stands<M: Machine>(version: u64, head: &M::Head) -> Reply {
    shown(version, false, answer(2, M::KIND.get(), head))
}

fn shown(position: u64, changed: bool, answer: Answer) -> Reply {
    let at = time(1_000);
    let (position, version) = (Position::new(position), Position::new(position));
    Reply::Done(Outcome { position, at, version, replayed: false, changed, answer })
}

/// A rule said no at this version.
pub(super) fn refused(version: u64, code: Code, fact: Fact) -> Reply {
    Reply::Refused(Refused {
        refusal: Refusal::with(code, fact),
        leg: None,
        position: Position::new(version),
        at: time(1_000),
        version: Position::new(version),
        replayed: false,
    })
}

/// The same, by a key that kept it.
pub(super) fn replayed(reply: Reply) -> Reply {
    match reply {
        Reply::Done(outcome) => Reply::Done(Outcome { replayed: true, ..outcome }),
        Reply::Refused(refused) => Reply::Refused(Refused { replayed: true, ..refused }),
        failed @ Reply::Failed(_) => failed,
    }
}

/// The same at another time.
pub(super) fn told_at(reply: Reply, ms: u64) -> Reply {
    match reply {
        Reply::Done(outcome) => Reply::Done(Outcome { at: time(ms), ..outcome }),
        Reply::Refused(refused) => Reply::Refused(Refused { at: time(ms), ..refused }),
        failed @ Reply::Failed(_) => failed,
    }
}

/// One piece of an answer, as the format of answers says: an event (1) or a head (2).
fn answer(what: u8, kind: u8, record: &impl Packed) -> Answer {
    let (tag, mut packed) = (record.tag(), Vec::new());
    pack_into(record, &mut packed);
    let mut bytes = vec![what, kind, tag.number, tag.version];
    bytes.extend_from_slice(&(packed.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&1_u64.to_le_bytes());
    if what == 2 {
        bytes.extend_from_slice(&[0; 24]);
    }
    bytes.extend_from_slice(&packed);
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    Answer::from_bytes(&bytes)
}

pub(super) fn account_with(balance: i64, held: u64) -> account::Head {
    account::Head {
        asset: usd(),
        state: account::State::Open,
        balance: signed(balance),
        held: units(held),
        floor: Signed::ZERO,
        cap: None,
        spending: None,
        total_in: Amount::ZERO,
        total_out: Amount::ZERO,
        holds: 0,
        withdrawals: 0,
        flows: 0,
        expires_at: None,
    }
}

pub(super) fn ticket_of(who: Option<&str>) -> ticket::Head {
    let claim = |who| ticket::Claim {
        claimant: id(who),
        at: Timestamp::ZERO,
        position: Position::ZERO,
        token_hash: [0; 16],
    };
    ticket::Head {
        claim: who.map(claim),
        amount: None,
        expires_at: Timestamp::NEVER,
        revoked_at: None,
        evidence: 0,
        asset: None,
        state: ticket::State::Unclaimed,
    }
}

pub(super) fn drop_with(stock: u64, taken: u64, claims: u64) -> drop::Head {
    drop::Head {
        stock,
        taken,
        claims,
        opens_at: Timestamp::ZERO,
        closes_at: Timestamp::NEVER,
        price: None,
        seller: None,
        per_claimant: None,
        state: drop::State::Open,
    }
}

pub(super) fn record_of(value: &str) -> record::Head {
    record::Head { expires_at: None, value_len: value.len() as u32, field_count: 0 }
}

/// A note of a key's first use.
pub(super) fn note(key: u8) -> KeyNote {
    KeyNote { key: [key; 16], fingerprint: [0; 16], answer: None }
}
