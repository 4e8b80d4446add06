//! Random orders: a seed picks the configuration, the asks, the steps, the crashes, the clock.

use std::collections::BTreeMap;

use super::history::histories_are_the_log;
use super::lists::lists_are_the_log;
use super::recovery::the_same_rows;
use super::say::*;
use super::traces::traced;
use quipu_core::commit::Published;
use quipu_core::driver::{Driver, Filters, Move};
use quipu_core::log::{Finish, Log, Reader};
use quipu_core::machine::Machine;
use quipu_core::machines::account::{self, Account};
use quipu_core::machines::drop::{self, Drop};
use quipu_core::machines::flow::{self, Flow};
use quipu_core::machines::record::{self, Record};
use quipu_core::machines::source::{self, Source};
use quipu_core::machines::ticket::{self, Ticket};
use quipu_core::recovery::Limits;
use quipu_core::shard::{Ask, CallId, Config, Key, Leg, Reply, Sweep};
use quipu_core::words::{Id, Metadata, Name, Position, Timestamp};
use quipu_sim::audit::{Audit, Breach, Counts, Expected, Sent};

/// A small generator: the same seed gives the same run on every machine.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub(crate) fn chance(&mut self, per_mille: usize) -> bool {
        self.below(1000) < per_mille
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

/// What came of many runs.
#[derive(Default, Debug)]
pub(crate) struct Tally {
    pub(crate) runs: u64,
    pub(crate) crashes: u64,
    pub(crate) done: u64,
    pub(crate) refused: BTreeMap<&'static str, u64>,
    pub(crate) failed: u64,
    pub(crate) replayed: u64,
    pub(crate) transactions: u64,
    pub(crate) evictions: u64,
    /// What the auditor has looked at.
    pub(crate) audited: Counts,
}

const ACCOUNTS: [&str; 6] = ["a0", "a1", "a2", "a3", "a4", "a5"];
const TICKETS: [&str; 6] = ["t0", "t1", "t2", "t3", "t4", "t5"];
const DROPS: [&str; 3] = ["d0", "d1", "d2"];
const FLOWS: [&str; 3] = ["f0", "f1", "f2"];
const PEOPLE: [&str; 4] = ["ann", "bo", "cy", "di"];

pub(crate) struct Run {
    dice: Dice,
    driver: Option<Driver>,
    audit: Audit,
    pub(crate) tally: Tally,
    outstanding: usize,
    resident_max: usize,
    /// Asks that came with a key: retries send them again.
    keyed: Vec<(Ask, Expected)>,
}

/// Runs one seed, and panics with what broke.
pub(crate) fn run(seed: u64, steps: usize) -> Tally {
    let mut run = Run::new(seed);
    run.prepare();
    for _ in 0..steps {
        run.step();
    }
    run.finish();
    run.tally.runs = 1;
    run.tally
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let shards = dice.pick(&[1, 1, 2, 2, 3, 8]);
        let mut made = setup(shards);
        made.config = Config {
            memory_max: dice.pick(&[0, 4_000, 40_000, 256 << 20]),
            calls_max: dice.pick(&[8, 64, 4_096]),
            keys_max: dice.pick(&[64, 4_096]),
            short_way: dice.chance(700),
            ..made.config
        };
        made.room = dice.pick(&[(24, 200_000), (4_096, 64 << 20)]);
        made.filters =
            dice.pick(&[Filters::AtOnce, Filters::InSteps, Filters::InSteps, Filters::Never]);
        made.limits.memory = dice.pick(&[0, 100_000, 256 << 20]);
        let driver = Driver::create(made).expect("a new ledger opens");
        Self {
            dice,
            driver: Some(driver),
            audit: Audit::default().hearing_all(),
            tally: Tally::default(),
            outstanding: 0,
            resident_max: 0,
            keyed: Vec::new(),
        }
    }

    fn driver(&mut self) -> &mut Driver {
        self.driver.as_mut().expect("a driver between crashes")
    }

    /// Opens some accounts, so that most asks find something.
    fn prepare(&mut self) {
        for who in &ACCOUNTS[..4] {
            self.send(command::<Account>(who, open()), Expected::event("Opened"), false);
            self.drain();
            let fund = self.dice.below(60) as u64 + 1;
            let text = format!("Deposited(Deposited {{ amount: {fund},");
            self.send(command::<Account>(who, deposit(fund)), Expected::event(&text), false);
            self.drain();
        }
        for what in &TICKETS[..4] {
            self.send(command::<Ticket>(what, issue()), Expected::event("Issued"), false);
            self.drain();
        }
        for what in &DROPS[..2] {
            let ask = command::<Drop>(what, self.some_drop(what));
            self.send(ask, Expected::event("Created"), false);
            self.drain();
        }
        for who in &ACCOUNTS[..2] {
            let planned = Expected::event("WithdrawalPlanned");
            self.send(command::<Account>(who, pay_out(1)), planned, false);
            self.drain();
        }
        self.check_state();
    }

    fn drain(&mut self) {
        self.driver().run();
        self.take_replies();
    }

    fn step(&mut self) {
        match self.dice.below(1000) {
            0..=329 if self.outstanding < 14 => self.ask_something(),
            0..=934 => self.move_on(),
            935..=969 => self.let_time_pass(),
            970..=984 => {
                self.driver().checkpoint().expect("a checkpoint in memory");
            }
            985..=990 => {
                let full = self.dice.chance(100);
                self.driver().ring_mut().set_disk_full(full);
            }
            991..=993 => self.fail_log(),
            994 => self.take_over(),
            995..=999 => self.crash(),
            _ => {}
        }
        self.take_replies();
    }

    fn move_on(&mut self) {
        let moves: Vec<Move> = self.driver().moves();
        if moves.is_empty() {
            return self.ask_something();
        }
        let step = self.dice.pick(&moves);
        self.driver().step(step);
        let resident = self.driver().shards().iter().map(|shard| shard.streams_resident()).sum();
        self.tally.evictions += u64::from(resident < self.resident_max);
        self.resident_max = resident;
    }

    fn let_time_pass(&mut self) {
        let now = self.driver().now().ms();
        let jump = match self.dice.below(20) {
            0 => now + 3_600_000 * (1 + self.dice.below(30) as u64),
            1 | 2 => now.saturating_sub(3_600_000),
            3..=8 => now + 1_000 * self.dice.below(20) as u64,
            _ => now + self.dice.below(300) as u64,
        };
        self.driver().set_now(Timestamp::from_ms(jump));
    }

    /// A write or sync fails; the frame may be there afterwards or not.
    fn fail_log(&mut self) {
        let finish = self.dice.pick(&[Finish::Failed, Finish::Unknown]);
        let written = self.dice.chance(500);
        if self.driver().log().is_busy() {
            self.driver().settle(finish, written);
            self.take_replies();
            for _ in 0..self.dice.below(20) {
                self.ask_something();
                self.move_on();
                self.take_replies();
            }
            self.crash();
        }
    }

    /// Another writer takes the log over. This one must not be able to append any more.
    fn take_over(&mut self) {
        let mut other = self.driver().log().reopen();
        let epoch = other.take_epoch().expect("an epoch");
        let (_, next) = other.bounds();
        self.audit.fenced(next, epoch);
        for _ in 0..self.dice.below(30) {
            self.ask_something();
            self.move_on();
            self.take_replies();
        }
        self.crash();
    }

    fn crash(&mut self) {
        self.tally.crashes += 1;
        let written = self.dice.chance(500);
        let driver = self.driver.take().expect("a driver between crashes");
        let now = driver.now().ms();
        let back = if self.dice.chance(300) { 7_200_000 } else { 0 };
        let now = Timestamp::from_ms(now.saturating_sub(back));
        let driver = driver.crash(written, now).expect("a ledger opens after a crash");
        self.driver = Some(driver);
        self.outstanding = 0;
        self.resident_max = 0;
        self.audit.crashed();
        self.check_state();
    }

    fn finish(&mut self) {
        self.driver().ring_mut().set_disk_full(false);
        self.drain();
        kept(self.audit.all_answered());
        let idle = self.driver().shards().iter().all(|shard| shard.is_idle());
        assert!(idle, "a shard still waits for something");
        let free = self.driver().ring_mut().free();
        let whole = [(24, 200_000), (4_096, 64 << 20)];
        assert!(whole.contains(&free), "the ring has {free:?} free, which is not all of it");
        self.read_everything();
        self.check_state();
        kept(self.audit.search());
        self.tally.audited = self.audit.counts();
        let driver = self.driver();
        super::verify::is_sound(driver.log(), driver.store(), driver.registry());
        histories_are_the_log(self.driver().log());
    }

    fn read_everything(&mut self) {
        for who in ACCOUNTS {
            self.send(read::<Account>(who), Expected::Read, false);
        }
        for what in TICKETS {
            self.send(read::<Ticket>(what), Expected::Read, false);
        }
        for what in DROPS {
            self.send(read::<Drop>(what), Expected::Read, false);
        }
        for what in FLOWS {
            self.send(read::<Flow>(what), Expected::Read, false);
            // Small bounds may turn some of these away; that is checked elsewhere.
            self.drain();
        }
    }

    fn check_state(&mut self) {
        let driver = self.driver.as_ref().expect("a driver between crashes");
        kept(self.audit.check(&driver.log().frames(), driver.registry()));
        if driver.log().is_busy() || !driver.shards().iter().all(|shard| shard.is_idle()) {
            return;
        }
        let live = driver.digest().expect("a readable store");
        let replayed = driver.replayed_digest().expect("a readable log");
        kept(self.audit.recovered(live, live, replayed));
        lists_are_the_log(&driver.log().frames(), driver.store());
        let memory = self.dice.pick(&[0, 20_000, 256 << 20]);
        the_same_rows(driver, Limits { memory, ..Limits::default() });
    }

    fn take_replies(&mut self) {
        while let Some((call, reply)) = self.driver().reply() {
            self.outstanding = self.outstanding.saturating_sub(1);
            match &reply {
                Reply::Done(outcome) => {
                    self.tally.done += 1;
                    self.tally.replayed += u64::from(outcome.replayed);
                }
                Reply::Refused(refused) => {
                    *self.tally.refused.entry(refused.refusal.code.as_str()).or_default() += 1;
                }
                Reply::Failed(_) => self.tally.failed += 1,
            }
            let log = self.driver().log();
            // What the log says, and not the engine.
            let watermark = Position::new(log.bounds().1.get() - 1);
            let durable = Published { watermark, now_limit: log.now_limit() };
            kept(self.audit.answered(call, reply, durable));
        }
    }

    fn send(&mut self, ask: Ask, expected: Expected, abandoned: bool) -> CallId {
        let stream = match &ask {
            Ask::Command(leg, _) => Some(leg.stream.clone()),
            Ask::Read(reading) => Some(reading.stream.clone()),
            Ask::Restored(step) => Some(step.stream().clone()),
            Ask::Transaction(..) | Ask::Sweep(_) => None,
        };
        let legs = match &ask {
            Ask::Command(leg, _) => vec![leg.clone()],
            Ask::Transaction(legs, _) => legs.clone(),
            _ => Vec::new(),
        };
        let key = match &ask {
            Ask::Command(leg, Some(key)) => Some((key.clone(), format!("{leg:?}"))),
            Ask::Transaction(legs, Some(key)) => Some((key.clone(), format!("{legs:?}"))),
            _ => None,
        };
        // Every third says what led to it, so that a retry often comes with something else.
        let ask = match self.outstanding % 3 {
            0 => traced(ask, 1 + (self.outstanding % 200) as u8),
            _ => ask,
        };
        let now = self.driver().now();
        let call = self.driver().submit(ask);
        self.outstanding += 1;
        self.audit.sent(call, Sent::new(stream, expected, key, abandoned, now).of(legs));
        call
    }

    fn ask_something(&mut self) {
        let abandoned = self.dice.chance(80);
        let (ask, expected) = if !self.keyed.is_empty() && self.dice.chance(120) {
            let again = self.dice.below(self.keyed.len());
            self.keyed[again].clone()
        } else {
            self.make_ask()
        };
        if matches!(ask, Ask::Command(_, Some(_)) | Ask::Transaction(_, Some(_))) {
            self.keyed.push((ask.clone(), expected.clone()));
        }
        if self.dice.chance(40) {
            // Two parallel clicks.
            self.send(ask.clone(), expected.clone(), false);
        }
        self.send(ask, expected, abandoned);
    }

    fn make_ask(&mut self) -> (Ask, Expected) {
        match self.dice.below(100) {
            0..=9 => {
                let ask = match self.dice.below(4) {
                    0 => read::<Ticket>(self.dice.pick(&TICKETS)),
                    1 => read::<Drop>(self.dice.pick(&DROPS)),
                    2 => read::<Flow>(self.dice.pick(&FLOWS)),
                    _ => read::<Account>(self.dice.pick(&ACCOUNTS)),
                };
                (ask, Expected::Read)
            }
            10..=11 => (Ask::Sweep(Sweep::default()), Expected::Nothing),
            12..=23 => self.make_transaction(),
            _ => {
                let (leg, expected) = self.make_leg();
                let key = self.dice.chance(300).then(|| self.make_key());
                (Ask::Command(leg, key), expected)
            }
        }
    }

    fn make_key(&mut self) -> Key {
        Key::new(&format!("key-{}", self.dice.below(6))).expect("a well-formed key")
    }

    fn make_transaction(&mut self) -> (Ask, Expected) {
        self.tally.transactions += 1;
        let mut legs = Vec::new();
        let count = 1 + self.dice.below(5);
        for _ in 0..count {
            legs.push(self.make_leg().0);
        }
        if self.dice.chance(400) {
            let key = self.make_key();
            let home = quipu_core::machines::key::Command::Keep { made: None };
            let id = format!("k-{key:?}").replace(['(', ')', '"'], "");
            legs.insert(0, leg::<quipu_core::machines::key::Key>(&id, home));
            return (Ask::Transaction(legs, Some(key)), Expected::Nothing);
        }
        (Ask::Transaction(legs, None), Expected::Nothing)
    }

    fn make_leg(&mut self) -> (Leg, Expected) {
        let who = self.dice.pick(&ACCOUNTS);
        let value = self.dice.below(20) as u64 + 1;
        match self.dice.below(44) {
            0 => (leg::<Account>(who, open()), Expected::event("Opened")),
            1..=4 => {
                let text = format!("Deposited(Deposited {{ amount: {value},");
                (leg::<Account>(who, deposit(value)), Expected::event(&text))
            }
            5 => {
                let reference = Some(id(self.dice.pick(&["r1", "r2"])));
                let metadata = Metadata::default();
                let amount = amount(value);
                let deposit = account::Command::Deposit { amount, reference, metadata };
                (leg::<Account>(who, deposit), Expected::event("Deposited"))
            }
            6..=8 => {
                let text = format!("Charged(Charged {{ amount: {value},");
                (leg::<Account>(who, charge(value)), Expected::event(&text))
            }
            9..=13 => {
                let to = self.dice.pick(&ACCOUNTS);
                let text = format!("Sent(Sent {{ amount: {value},");
                (leg::<Account>(who, transfer(to, value)), Expected::event(&text))
            }
            14..=15 => {
                let seconds = self.dice.pick(&[None, Some(0), Some(1), Some(5)]);
                (leg::<Account>(who, hold(value, seconds)), Expected::event("HoldPlaced"))
            }
            16..=18 => {
                let hold = self.some_made('h');
                let (command, text) = if self.dice.chance(500) {
                    (account::Command::Release { hold }, "HoldReleased")
                } else {
                    (account::Command::Capture { hold, amount: None }, "HoldCaptured")
                };
                (leg::<Account>(who, command), Expected::event(text))
            }
            19 => (leg::<Account>(who, account::Command::Close), Expected::event("Closed")),
            20..=21 => {
                let what = self.dice.pick(&TICKETS);
                let expires_at = self
                    .dice
                    .chance(300)
                    .then(|| Timestamp::from_ms(self.driver().now().ms() + 2_000));
                let ticket::Command::Issue { amount, asset, reference, metadata, .. } = issue()
                else {
                    unreachable!("an issue is an issue")
                };
                let batch = self.dice.chance(500);
                let command = ticket::Command::Issue {
                    amount,
                    asset,
                    reference,
                    expires_at,
                    metadata,
                    batch,
                };
                (leg::<Ticket>(what, command), Expected::event("Issued"))
            }
            22..=24 => {
                let (what, who) = (self.dice.pick(&TICKETS), self.dice.pick(&PEOPLE));
                let text = format!("Claimed(Claimed {{ claimant: \"{who}\"");
                (leg::<Ticket>(what, claim(who)), Expected::claim(&text, who))
            }
            25 => {
                let reason = "because".to_owned();
                let what = self.dice.pick(&TICKETS);
                (
                    leg::<Ticket>(what, ticket::Command::Revoke { reason }),
                    Expected::event("Revoked"),
                )
            }
            26 => {
                let what = self.dice.pick(&DROPS);
                (leg::<Drop>(what, self.some_drop(what)), Expected::event("Created"))
            }
            27..=29 => {
                let (what, who) = (self.dice.pick(&DROPS), self.dice.pick(&PEOPLE));
                let pay_from = Some(id(self.dice.pick(&ACCOUNTS)));
                let quantity = 1 + self.dice.below(2) as u32;
                let command = drop::Command::Claim { claimant: id(who), quantity, pay_from };
                (leg::<Drop>(what, command), Expected::event("Claimed"))
            }
            30 => {
                let command = drop::Command::Release { claim: self.some_made('c') };
                (leg::<Drop>(self.dice.pick(&DROPS), command), Expected::event("Released"))
            }
            31..=33 => self.make_flow_leg(),
            34 => {
                let cursor = self.dice.below(50) as u64;
                let command = source::Command::Advance { cursor };
                (leg::<Source>("s0", command), Expected::Nothing)
            }
            35..=40 => self.make_payout_leg(who, value),
            _ => {
                let id = Id::pair(&id("c0"), &id(self.dice.pick(&["k1", "k2", "k3"])));
                let stream = Name::new(quipu_core::words::Book::DEFAULT, Record::KIND, id);
                let command = if self.dice.chance(250) {
                    record::Command::Delete
                } else {
                    let ttl_ms = self.dice.pick(&[None, Some(1_500)]);
                    record::Command::Put {
                        value: format!("{value}"),
                        ttl_ms,
                        must_be_absent: self.dice.chance(200),
                        fields: self.some_fields(),
                        era: 0,
                    }
                };
                let command = quipu_core::machine::Command::of::<Record>(command);
                (Leg { stream, command, options: Default::default() }, Expected::Nothing)
            }
        }
    }

    /// A step of a payout that is not finished, with a fence that is the newest, nearly always.
    fn make_payout_leg(&mut self, who: &str, value: u64) -> (Leg, Expected) {
        let known = self.audit.payouts();
        let known = if known.is_empty() || self.dice.chance(300) {
            None
        } else {
            Some(known[self.dice.below(known.len())].clone())
        };
        let Some((who, planned, fence)) = known else {
            return (leg::<Account>(who, pay_out(value)), Expected::event("WithdrawalPlanned"));
        };
        let position = Position::new;
        let (withdrawal, error) = (Id::made('w', position(planned)), "no".to_owned());
        let fence = position(fence);
        let (command, text) = match self.dice.below(8) {
            0..=2 => {
                let worker = id(self.dice.pick(&["w1", "w2"]));
                let seconds = self.dice.pick(&[1, 5, 60]);
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
                let completed = self.dice.chance(500);
                let reconcile = account::Command::Reconcile { withdrawal, completed };
                (reconcile, "WithdrawalReconciled")
            }
        };
        (leg::<Account>(who.as_str(), command), Expected::event(text))
    }

    fn some_fields(&mut self) -> Vec<(Id, String)> {
        let mut fields = Vec::new();
        for (field, values) in [("colour", ["red", "red", "blue"]), ("size", ["", "1", "\0"])] {
            if self.dice.chance(600) {
                fields.push((id(field), self.dice.pick(&values).to_owned()));
            }
        }
        fields
    }

    fn some_drop(&mut self, what: &str) -> drop::Command {
        let is_priced = what == "d1";
        drop::Command::Create {
            stock: 1 + self.dice.below(6) as u64,
            per_claimant: self.dice.pick(&[None, Some(1), Some(2)]),
            opens_at: None,
            closes_at: self
                .dice
                .chance(200)
                .then(|| Timestamp::from_ms(self.driver().now().ms() + 60_000)),
            price: is_priced.then(|| drop::Price { amount: amount(3), asset: usd() }),
            seller: (is_priced && self.dice.chance(700)).then(|| id("a1")),
            metadata: Metadata::default(),
        }
    }

    fn make_flow_leg(&mut self) -> (Leg, Expected) {
        let what = self.dice.pick(&FLOWS);
        let (command, text) = match self.dice.below(9) {
            0 | 1 => {
                let command = flow::Command::Open {
                    asset: usd(),
                    total: amount(1 + self.dice.below(30) as u64),
                    duration_ms: 1 + self.dice.below(4_000) as u64,
                    start_at: self.dice.chance(600).then(|| self.driver().now()),
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
            7 => (flow::Command::TopUp { amount: amount(5) }, "ToppedUp"),
            _ => (flow::Command::Stop, "Stopped"),
        };
        (leg::<Flow>(what, command), Expected::event(text))
    }

    /// An id that some event has made, or might have.
    fn some_made(&mut self, letter: char) -> Id {
        let made = self.audit.made(letter);
        let position = if made.is_empty() || self.dice.chance(100) {
            1 + self.dice.below(60) as u64
        } else {
            made[self.dice.below(made.len())]
        };
        Id::made(letter, Position::new(position))
    }
}

/// What the auditor finds ends the run, by its name.
fn kept(audited: Result<(), Breach>) {
    audited.unwrap_or_else(|breach| panic!("{breach}"));
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.runs += other.runs;
        self.crashes += other.crashes;
        self.done += other.done;
        self.failed += other.failed;
        self.replayed += other.replayed;
        self.transactions += other.transactions;
        self.evictions += other.evictions;
        self.audited += other.audited;
        for (code, count) in other.refused {
            *self.refused.entry(code).or_default() += count;
        }
    }
}

/// Runs many seeds. `QUIPU_SEED` replays one, `QUIPU_SEEDS` sets how many.
pub(crate) fn run_many(seeds: u64, steps: usize) -> Tally {
    let mut tally = Tally::default();
    for seed in 0..seeds {
        let result = std::panic::catch_unwind(|| run(seed, steps));
        match result {
            Ok(one) => tally.add(one),
            Err(why) => {
                eprintln!("seed {seed}: QUIPU_SEED={seed} replays it");
                std::panic::resume_unwind(why);
            }
        }
    }
    tally
}

#[expect(clippy::disallowed_methods, reason = "a seed is given from outside")]
#[test]
fn nothing_is_spent_twice_in_any_order() {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    if let Some(seed) = number("QUIPU_SEED") {
        println!("{:#?}", run(seed, 600));
        return;
    }
    let tally = run_many(number("QUIPU_SEEDS").unwrap_or(2_000), 600);
    println!("{tally:#?}");
    assert!(tally.crashes > tally.runs, "runs crash, most of them more than once");
    assert!(tally.done > 50 * tally.runs, "many asks get somewhere");
    assert!(tally.replayed > tally.runs, "keys are used again");
    assert!(tally.evictions > tally.runs, "streams are let go of");
}

#[test]
fn one_seed_gives_one_history() {
    for seed in 0..20 {
        let digests = [0, 1].map(|_| {
            let mut run = Run::new(seed);
            run.prepare();
            for _ in 0..400 {
                run.step();
            }
            run.finish();
            let driver = run.driver();
            (driver.steps(), driver.durable(), driver.digest().expect("a readable store"))
        });
        assert_eq!(digests[0], digests[1], "seed {seed}");
    }
}
