//! The built-in workload: everything that the built-in machines can be asked for.

use std::collections::VecDeque;

use quipu_core::machine::{Command, Machine};
use quipu_core::machines::account::{self, Account};
use quipu_core::machines::drop::{self, Drop};
use quipu_core::machines::flow::{self, Flow};
use quipu_core::machines::key::{self, Key as Home};
use quipu_core::machines::record::{self, Record};
use quipu_core::machines::source::{self, Source};
use quipu_core::machines::ticket::{self, Ticket};
use quipu_core::shard::{Ask, Key, Leg, Options, Reading, Reply, Sweep};
use quipu_core::words::{
    Amount, Asset, Book, Id, Metadata, Name, Period, Position, Signed, Timestamp,
};

use super::plan::Crowd;
use super::workload::{Asked, Workload};
use crate::Random;
use crate::audit::Expected;

/// Positions that are remembered of each kind of thing that events have made.
const REMEMBERED: usize = 64;

/// Length of a large value.
const BULK_LEN: usize = 60_000;
/// How many of them one ask puts.
const BULK_LEGS: u64 = 14;

/// People who hold accounts, claim tickets, buy of drops, are paid by flows and keep records.
#[derive(Debug)]
pub struct Market {
    crowd: Crowd,
    key_last: u64,
    /// What events have made: holds, charges, claims, withdrawals with the newest fence.
    holds: VecDeque<(Name, Position)>,
    charges: VecDeque<(Name, Position)>,
    claims: VecDeque<(Name, Position)>,
    payouts: VecDeque<(Name, Position, Position)>,
}

impl Workload for Market {
    fn begin(&mut self, random: &mut Random, now: Timestamp) -> Vec<Asked> {
        let mut asked = Vec::new();
        for index in 0..self.crowd.names.min(8) {
            let who = format!("a{index}");
            asked.push(plain::<Account>(&who, open(), "Opened"));
            let funds = 1 + random.below(60);
            let text = format!("Deposited(Deposited {{ amount: {funds},");
            asked.push(plain::<Account>(&who, deposit(funds, None), &text));
            asked.push(plain::<Ticket>(&format!("t{index}"), issue(None, false), "Issued"));
        }
        for index in 0..self.crowd.names.min(2) {
            let create = self.some_drop(index, random, now);
            asked.push(plain::<Drop>(&format!("d{index}"), create, "Created"));
        }
        asked
    }

    fn next(&mut self, _client: usize, random: &mut Random, now: Timestamp) -> Asked {
        if self.crowd.is_bulky && random.one_in(6) {
            return bulk(random);
        }
        if random.chance(self.crowd.reads) {
            return Asked::new(self.some_read(random));
        }
        if random.one_in(80) {
            return Asked::new(Ask::Sweep(Sweep::default()));
        }
        if random.chance(self.crowd.transactions) {
            return self.some_transaction(random, now);
        }
        let (mut leg, expected) = self.some_leg(random, now);
        if random.one_in(40) {
            // Somebody has read the stream, and wants it as it was.
            leg.options.if_version = Some(made_up(random));
        }
        let key = self.some_key(random);
        Asked { ask: Ask::Command(leg, key), expected }
    }

    fn answered(&mut self, _client: usize, asked: &Asked, reply: &Reply) {
        let (Ask::Command(leg, _), Reply::Done(outcome)) = (&asked.ask, reply) else { return };
        if !outcome.changed {
            return;
        }
        let (stream, position) = (leg.stream.clone(), outcome.position);
        if let Some(command) = leg.command.get::<Account>() {
            match command {
                account::Command::Hold { .. } => remember(&mut self.holds, (stream, position)),
                account::Command::Charge { .. } => remember(&mut self.charges, (stream, position)),
                account::Command::Withdraw { .. } => {
                    remember(&mut self.payouts, (stream, position, Position::ZERO));
                }
                account::Command::Lease { withdrawal, .. } => {
                    let planned = withdrawal.position('w').unwrap_or_default();
                    for (_, _, fence) in
                        self.payouts.iter_mut().filter(|payout| payout.1 == planned)
                    {
                        *fence = position;
                    }
                }
                _ => {}
            }
        } else if let Some(drop::Command::Claim { .. }) = leg.command.get::<Drop>() {
            remember(&mut self.claims, (stream, position));
        }
    }

    fn streams(&self) -> Vec<Name> {
        let mut streams = Vec::new();
        for index in 0..self.crowd.names {
            streams.push(name::<Account>(&format!("a{index}")));
            streams.push(name::<Ticket>(&format!("t{index}")));
        }
        for index in 0..self.few() {
            streams.push(name::<Drop>(&format!("d{index}")));
            streams.push(name::<Flow>(&format!("f{index}")));
        }
        streams
    }
}

impl Market {
    /// A market of a crowd.
    #[must_use]
    pub fn new(crowd: &Crowd) -> Self {
        Self {
            crowd: crowd.clone(),
            key_last: 0,
            holds: VecDeque::new(),
            charges: VecDeque::new(),
            claims: VecDeque::new(),
            payouts: VecDeque::new(),
        }
    }

    /// How many drops and flows there are.
    fn few(&self) -> u64 {
        self.crowd.names.min(3)
    }

    fn index(&self, random: &mut Random) -> u64 {
        if random.chance(self.crowd.hot) { random.below(2) } else { random.below(self.crowd.names) }
            .min(self.crowd.names - 1)
    }

    fn who(&self, random: &mut Random) -> String {
        format!("a{}", self.index(random))
    }

    fn some_key(&mut self, random: &mut Random) -> Option<Key> {
        if !random.chance(self.crowd.keyed) {
            return None;
        }
        self.key_last += 1;
        let number =
            if self.crowd.keys > 1_000 { self.key_last } else { random.below(self.crowd.keys) };
        Some(Key::new(&format!("key-{number}")).expect("a well-formed key"))
    }

    fn some_read(&self, random: &mut Random) -> Ask {
        let index = self.index(random);
        let few = index % self.few();
        let stream = match random.below(5) {
            0 => name::<Ticket>(&format!("t{index}")),
            1 => name::<Drop>(&format!("d{few}")),
            2 => name::<Flow>(&format!("f{few}")),
            _ => name::<Account>(&format!("a{index}")),
        };
        Ask::Read(Reading { stream, items: Vec::new() })
    }

    fn some_transaction(&mut self, random: &mut Random, now: Timestamp) -> Asked {
        let count = 1 + random.below(5);
        let mut legs: Vec<Leg> = Vec::new();
        for _ in 0..count {
            legs.push(self.some_leg(random, now).0);
        }
        let key = self.some_key(random);
        if let Some(key) = &key {
            let id = format!("k-{key:?}").replace(['(', ')', '"'], "");
            legs.insert(0, leg::<Home>(&id, key::Command::Keep { made: None }));
        }
        Asked::new(Ask::Transaction(legs, key))
    }

    fn some_leg(&mut self, random: &mut Random, now: Timestamp) -> (Leg, Expected) {
        let (who, units) = (self.who(random), 1 + random.below(20));
        let index = self.index(random);
        let few = index % self.few();
        let (leg, text) = match random.below(50) {
            0 => (leg::<Account>(&who, open()), "Opened".to_owned()),
            1..=4 => {
                let text = format!("Deposited(Deposited {{ amount: {units},");
                (leg::<Account>(&who, deposit(units, None)), text)
            }
            5 => {
                let reference = Some(id(random.pick(&["r1", "r2"])));
                (leg::<Account>(&who, deposit(units, reference)), "Deposited".to_owned())
            }
            6..=8 => {
                let text = format!("Charged(Charged {{ amount: {units},");
                let (amount, metadata) = (Amount::from(units), Metadata::default());
                let charge = account::Command::Charge { amount, reference: None, metadata };
                (leg::<Account>(&who, charge), text)
            }
            9..=13 => {
                let text = format!("Sent(Sent {{ amount: {units},");
                let (to, metadata) = (id(&self.who(random)), Metadata::default());
                let amount = Amount::from(units);
                (leg::<Account>(&who, account::Command::Transfer { to, amount, metadata }), text)
            }
            14..=15 => {
                let expires_in_seconds = random.pick(&[None, Some(0), Some(1), Some(5)]);
                let amount = Amount::from(units);
                let hold = account::Command::Hold { amount, expires_in_seconds };
                (leg::<Account>(&who, hold), "HoldPlaced".to_owned())
            }
            16..=18 => self.end_of_hold(&who, random),
            19 => (leg::<Account>(&who, account::Command::Close), "Closed".to_owned()),
            20..=21 => {
                let expires_at = random.chance(300).then(|| later(now, 2_000));
                let issue = issue(expires_at, random.chance(500));
                (leg::<Ticket>(&format!("t{index}"), issue), "Issued".to_owned())
            }
            22..=24 => {
                let who = random.pick(&["ann", "bo", "cy", "di"]);
                let text = format!("Claimed(Claimed {{ claimant: \"{who}\"");
                let claim = ticket::Command::Claim { claimant: id(who) };
                let leg = leg::<Ticket>(&format!("t{index}"), claim);
                return (leg, Expected::claim(&text, who));
            }
            25 => {
                let revoke = ticket::Command::Revoke { reason: "because".to_owned() };
                (leg::<Ticket>(&format!("t{index}"), revoke), "Revoked".to_owned())
            }
            26 => {
                let create = self.some_drop(few, random, now);
                (leg::<Drop>(&format!("d{few}"), create), "Created".to_owned())
            }
            27..=29 => {
                let claimant = id(random.pick(&["ann", "bo", "cy", "di"]));
                let (quantity, pay_from) = (1 + random.below(2) as u32, Some(id(&who)));
                let claim = drop::Command::Claim { claimant, quantity, pay_from };
                (leg::<Drop>(&format!("d{few}"), claim), "Claimed".to_owned())
            }
            30 => {
                let known = some(&self.claims, random);
                let (stream, claim) = known.unwrap_or((name::<Drop>("d0"), made_up(random)));
                let release = drop::Command::Release { claim: Id::made('c', claim) };
                let command = Command::of::<Drop>(release);
                (Leg { stream, command, options: Options::default() }, "Released".to_owned())
            }
            31..=33 => some_flow_leg(&format!("f{few}"), random, now),
            34 => {
                let cursor = random.below(50);
                let leg = leg::<Source>("s0", source::Command::Advance { cursor });
                return (leg, Expected::Nothing);
            }
            35..=40 => self.some_payout_leg(&who, units, random),
            41..=42 => {
                let known = some(&self.charges, random);
                let (stream, charge) = known.unwrap_or((name::<Account>(&who), made_up(random)));
                let charge = Id::made(account::CHARGE_LETTER, charge);
                let amount = random.chance(400).then(|| Amount::from(1 + random.below(4)));
                let command = Command::of::<Account>(account::Command::Refund { charge, amount });
                (Leg { stream, command, options: Options::default() }, "Refunded".to_owned())
            }
            43 => (leg::<Account>(&who, some_limits(random, now)), "Changed".to_owned()),
            44 => {
                let set = drop::Command::SetStock { stock: random.below(16) };
                (leg::<Drop>(&format!("d{few}"), set), "StockSet".to_owned())
            }
            _ => return (some_record_leg(units, random), Expected::Nothing),
        };
        (leg, Expected::event(&text))
    }

    fn end_of_hold(&self, who: &str, random: &mut Random) -> (Leg, String) {
        let known = some(&self.holds, random).unwrap_or((name::<Account>(who), made_up(random)));
        // Now and then somebody asks another account for it.
        let stream = if random.one_in(12) { name::<Account>(who) } else { known.0 };
        let hold = Id::made('h', known.1);
        let (command, text) = if random.chance(500) {
            (account::Command::Release { hold }, "HoldReleased")
        } else {
            let amount = random.chance(200).then(|| Amount::from(1_u64));
            (account::Command::Capture { hold, amount }, "HoldCaptured")
        };
        let command = Command::of::<Account>(command);
        (Leg { stream, command, options: Options::default() }, text.to_owned())
    }

    /// A step of a payout, with a fence that is the newest, nearly always.
    fn some_payout_leg(&mut self, who: &str, units: u64, random: &mut Random) -> (Leg, String) {
        let known = if self.payouts.is_empty() || random.chance(300) {
            None
        } else {
            let at = random.below(self.payouts.len() as u64) as usize;
            self.payouts.get(at).cloned()
        };
        let Some((stream, planned, fence)) = known else {
            let (amount, destination) = (Amount::from(units), "somewhere".to_owned());
            let withdraw = account::Command::Withdraw { amount, destination, secret: None };
            return (leg::<Account>(who, withdraw), "WithdrawalPlanned".to_owned());
        };
        let (withdrawal, error) = (Id::made('w', planned), "no".to_owned());
        // Now and then it is one that nobody was given.
        let fence = if random.one_in(12) { planned } else { fence };
        let (command, text) = match random.below(8) {
            0..=2 => {
                let worker = id(random.pick(&["w1", "w2"]));
                let seconds = random.pick(&[1, 5, 60]);
                (account::Command::Lease { withdrawal, worker, seconds }, "WithdrawalLeased")
            }
            3 => {
                let complete = account::Command::Complete { withdrawal, fence, reference: None };
                (complete, "WithdrawalCompleted")
            }
            4 => (account::Command::Fail { withdrawal, fence, error }, "WithdrawalFailed"),
            5 => (account::Command::Retry { withdrawal, fence, error }, "WithdrawalRetried"),
            6 => (account::Command::Unknown { withdrawal, fence, error }, "WithdrawalUnknown"),
            _ => {
                let completed = random.chance(500);
                let reconcile = account::Command::Reconcile { withdrawal, completed };
                (reconcile, "WithdrawalReconciled")
            }
        };
        let command = Command::of::<Account>(command);
        (Leg { stream, command, options: Options::default() }, text.to_owned())
    }

    /// The drop `d1` has a price.
    fn some_drop(&self, index: u64, random: &mut Random, now: Timestamp) -> drop::Command {
        let is_priced = index == 1;
        drop::Command::Create {
            stock: 1 + random.below(12),
            per_claimant: random.pick(&[None, Some(1), Some(2)]),
            opens_at: None,
            closes_at: random.chance(200).then(|| later(now, 60_000)),
            price: is_priced.then(|| drop::Price { amount: Amount::from(3_u64), asset: usd() }),
            seller: (is_priced && random.chance(700)).then(|| id("a1")),
            metadata: Metadata::default(),
        }
    }
}

/// Other limits of an account: a floor, a cap, what may be spent in a day, an end.
fn some_limits(random: &mut Random, now: Timestamp) -> account::Command {
    let floor = random.one_in(2).then(|| Signed::from(-(random.below(12) as i64)));
    let cap = random.one_in(2).then(|| random.one_in(2).then(|| Amount::from(400_u64)));
    let amount = Amount::from(20 + random.below(60));
    let spend_cap = account::SpendCap { amount, period: Period::Day };
    let spend_cap = random.one_in(2).then(|| random.one_in(2).then_some(spend_cap));
    let expires_at = random.one_in(4).then(|| random.one_in(2).then(|| later(now, 3_000)));
    account::Command::Change { floor, cap, spend_cap, expires_at, metadata: None }
}

fn some_flow_leg(what: &str, random: &mut Random, now: Timestamp) -> (Leg, String) {
    let (command, text) = match random.below(10) {
        0 | 1 => {
            let command = flow::Command::Open {
                asset: usd(),
                total: Amount::from(1 + random.below(30)),
                duration_ms: 1 + random.below(4_000),
                start_at: random.chance(600).then_some(now),
                cliff_ms: 0,
                payer: (what != "f2").then(|| id("a2")),
                recipient: (what != "f0").then(|| id("a3")),
                metadata: Metadata::default(),
            };
            (command, "Opened")
        }
        2 => (flow::Command::Start, "Started"),
        3 => (flow::Command::Pause, "Paused"),
        4 => (flow::Command::Resume, "Resumed"),
        5 => (flow::Command::Settle, "Settled"),
        6 => (flow::Command::Withdraw { amount: None }, "Withdrawn"),
        7 => (flow::Command::TopUp { amount: Amount::from(5_u64) }, "ToppedUp"),
        8 => (flow::Command::Cancel, "Cancelled"),
        _ => (flow::Command::Stop, "Stopped"),
    };
    (leg::<Flow>(what, command), text.to_owned())
}

fn some_record_leg(units: u64, random: &mut Random) -> Leg {
    let which = random.pick(&["k1", "k2", "k3"]);
    if random.chance(250) {
        return record_leg(which, record::Command::Delete);
    }
    let mut fields = Vec::new();
    for (field, values) in [("colour", ["red", "red", "blue"]), ("size", ["", "1", "\0"])] {
        if random.chance(600) {
            fields.push((id(field), random.pick(&values).to_owned()));
        }
    }
    let ttl_ms = random.pick(&[None, Some(1_500)]);
    let (value, must_be_absent) = (units.to_string(), random.chance(200));
    record_leg(which, record::Command::Put { value, ttl_ms, must_be_absent, fields, era: 0 })
}

/// Many large values together: a dozen such asks fill a segment.
fn bulk(random: &mut Random) -> Asked {
    let mut legs = Vec::new();
    for index in 0..BULK_LEGS {
        let value = format!("\"{}\"", "x".repeat(BULK_LEN - random.below(9_000) as usize));
        let (ttl_ms, must_be_absent, fields) = (None, false, Vec::new());
        let put = record::Command::Put { value, ttl_ms, must_be_absent, fields, era: 0 };
        legs.push(record_leg(&format!("bulk{index}"), put));
    }
    Asked::new(Ask::Transaction(legs, None))
}

fn record_leg(which: &str, command: record::Command) -> Leg {
    let stream = Name::new(Book::DEFAULT, Record::KIND, Id::pair(&id("c0"), &id(which)));
    Leg { stream, command: Command::of::<Record>(command), options: Options::default() }
}

fn plain<M: Machine>(stream: &str, command: M::Command, event: &str) -> Asked {
    let ask = Ask::Command(leg::<M>(stream, command), None);
    Asked { ask, expected: Expected::event(event) }
}

fn leg<M: Machine>(stream: &str, command: M::Command) -> Leg {
    let command = Command::of::<M>(command);
    Leg { stream: name::<M>(stream), command, options: Options::default() }
}

fn name<M: Machine>(stream: &str) -> Name {
    Name::new(Book::DEFAULT, M::KIND, id(stream))
}

fn id(text: &str) -> Id {
    Id::new(text).expect("a well-formed id")
}

fn usd() -> Asset {
    Asset::new("USD/2").expect("a well-formed asset")
}

fn open() -> account::Command {
    let (floor, cap, spend_cap, expires_at) = (Signed::ZERO, None, None, None);
    let (asset, metadata) = (usd(), Metadata::default());
    account::Command::Open { asset, floor, cap, spend_cap, expires_at, metadata }
}

fn deposit(units: u64, reference: Option<Id>) -> account::Command {
    let (amount, metadata) = (Amount::from(units), Metadata::default());
    account::Command::Deposit { amount, reference, metadata }
}

fn issue(expires_at: Option<Timestamp>, batch: bool) -> ticket::Command {
    let (amount, asset, reference) = (Some(Amount::from(42_u64)), Some(usd()), None);
    let metadata = Metadata::default();
    ticket::Command::Issue { amount, asset, reference, expires_at, metadata, batch }
}

fn later(now: Timestamp, ms: u64) -> Timestamp {
    Timestamp::from_ms(now.ms() + ms)
}

/// A position at which something may have been made, or not.
fn made_up(random: &mut Random) -> Position {
    Position::new(1 + random.below(60))
}

fn some<T: Clone>(from: &VecDeque<T>, random: &mut Random) -> Option<T> {
    from.get(random.below(from.len() as u64) as usize).cloned()
}

fn remember<T>(all: &mut VecDeque<T>, one: T) {
    if all.len() == REMEMBERED {
        all.pop_front();
    }
    all.push_back(one);
}
