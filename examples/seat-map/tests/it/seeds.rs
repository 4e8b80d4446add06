//! Random orders: a seed picks the shards, what is asked, the steps, the clock, which syncs fail,
//! and when power is lost. The model says whether what came of it could be.

use std::collections::BTreeMap;

use quipu::Code;
use quipu::machine::kinds::account::{self, Account};
use quipu::machine::{kinds, registry};
use quipu::proof::{
    self, Ask, CallId, Config, Driver, Filters, Finish, Key, Leg, Outcome, Reading, Reply, Setup,
};
use quipu::words::{Amount, Asset, Id, Metadata, Signed, Timestamp};
use quipu_example_seat_map::{Command, Seat, SeatMap, State, seat_key};

use crate::model::{Answered, Audit, PRICE};

const HALLS: [&str; 2] = ["red", "blue"];
const PEOPLE: [&str; 4] = ["ada", "ben", "cleo", "dora"];
const HOLD_SECONDS: u64 = 5;

/// A small generator: the same seed gives the same run on every machine.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound as u64) as usize
    }

    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// A seat of a hall of this size, or one just outside of it.
    pub(crate) fn seat(&mut self, rows: usize, places: usize) -> Seat {
        let out = usize::from(self.chance(2));
        Seat::new(1 + self.below(rows + out) as u16, 1 + self.below(places + out) as u16)
    }

    pub(crate) fn command(&mut self, who: &str, seat: impl Fn(&mut Self) -> Seat) -> Command {
        let (who, at) = (id(who), seat(self));
        match self.below(10) {
            0..=3 => Command::Hold { seat: at, who },
            4..=5 => Command::Book { seat: at, who },
            6..=7 => Command::Release { seat: at, who },
            _ => Command::Move { from: at, to: seat(self), who },
        }
    }
}

pub(crate) fn id(text: &str) -> Id {
    text.parse().expect("a well-formed id")
}

/// What came of many runs.
#[derive(Default, PartialEq, Debug)]
struct Tally {
    crashes: u64,
    failed_syncs: u64,
    replayed: u64,
    failed: u64,
    refused: BTreeMap<&'static str, u64>,
    met: BTreeMap<&'static str, u64>,
}

struct Run {
    dice: Dice,
    driver: Option<Driver>,
    sent: BTreeMap<CallId, Ask>,
    /// Asks that came with a key: they are sent again.
    keyed: Vec<Ask>,
    /// What was answered first under each key.
    first: BTreeMap<Key, Reply>,
    answers: Vec<Answered>,
    tally: Tally,
}

fn run(seed: u64) -> Tally {
    let mut run = Run::new(Dice::new(seed));
    run.prepare();
    for _ in 0..400 {
        run.step();
    }
    run.finish()
}

impl Run {
    fn new(mut dice: Dice) -> Self {
        let machines = registry().with::<SeatMap>();
        let mut setup = Setup::new(machines, kinds::genesis(), dice.pick(&[1, 2, 3]));
        // With no memory to spare, everything is let go of once it is durable, and read again.
        let memory_max = dice.pick(&[0, 4_000, 256 << 20]);
        let short_way = dice.chance(70);
        setup.config = Config { memory_max, short_way, ..setup.config };
        setup.filters = dice.pick(&[Filters::AtOnce, Filters::InSteps, Filters::Never]);
        Self {
            dice,
            driver: Some(Driver::create(setup).expect("a new ledger opens")),
            sent: BTreeMap::new(),
            keyed: Vec::new(),
            first: BTreeMap::new(),
            answers: Vec::new(),
            tally: Tally::default(),
        }
    }

    fn driver(&mut self) -> &mut Driver {
        self.driver.as_mut().expect("a driver between crashes")
    }

    fn prepare(&mut self) {
        for hall in HALLS {
            let open = Command::Open { rows: 2, places: 2, hold_seconds: HOLD_SECONDS };
            self.send(Ask::Command(leg(hall, open), None));
        }
        for who in PEOPLE {
            let open = account::Command::Open {
                asset: Asset::new("EUR/2").expect("an asset"),
                floor: Signed::ZERO,
                cap: None,
                spend_cap: None,
                expires_at: None,
                metadata: Metadata::default(),
            };
            let amount = Amount::from(1 + self.dice.below(6) as u64 * PRICE);
            let metadata = Metadata::default();
            let deposit = account::Command::Deposit { amount, reference: None, metadata };
            for command in [open, deposit] {
                let leg = proof::leg::<Account>(who, command).expect("a well-formed id");
                self.send(Ask::Command(leg, None));
            }
        }
        self.driver().run();
        self.take_replies();
    }

    fn step(&mut self) {
        match self.dice.below(1000) {
            0..=299 if self.sent.len() < 10 => self.ask(),
            950..=974 => self.let_time_pass(),
            975..=982 => drop(self.driver().checkpoint().expect("a checkpoint in memory")),
            983..=989 => self.fail_sync(),
            990..=994 => self.crash(),
            _ => self.take_step(),
        }
        self.take_replies();
    }

    fn ask(&mut self) {
        if !self.keyed.is_empty() && self.dice.chance(15) {
            let again = self.dice.below(self.keyed.len());
            return self.send(self.keyed[again].clone());
        }
        let ask = self.make_ask();
        if matches!(ask, Ask::Command(_, Some(_)) | Ask::Transaction(_, Some(_))) {
            self.keyed.push(ask.clone());
            if self.dice.chance(20) {
                // Two clicks at once.
                self.send(ask.clone());
            }
        }
        self.send(ask);
    }

    fn make_ask(&mut self) -> Ask {
        let (hall, who) = (self.dice.pick(&HALLS), self.dice.pick(&PEOPLE));
        let key = format!("key-{}", self.keyed.len());
        let key = self.dice.chance(40).then(|| Key::new(&key).expect("a well-formed key"));
        if self.dice.chance(25) {
            let book = Command::Book { seat: self.dice.seat(2, 2), who: id(who) };
            let (amount, metadata) = (Amount::from(PRICE), Metadata::default());
            let charge = account::Command::Charge { amount, reference: None, metadata };
            let charge = proof::leg::<Account>(who, charge).expect("a well-formed id");
            return Ask::Transaction(vec![leg(hall, book), charge], key);
        }
        let command = self.dice.command(who, |dice| dice.seat(2, 2));
        Ask::Command(leg(hall, command), key)
    }

    fn send(&mut self, ask: Ask) {
        let call = self.driver().submit(ask.clone());
        self.sent.insert(call, ask);
    }

    fn take_step(&mut self) {
        let moves = self.driver().moves();
        if !moves.is_empty() {
            let step = self.dice.pick(&moves);
            self.driver().step(step);
        }
    }

    /// A clock may be set back; what was decided later than that stays later.
    fn let_time_pass(&mut self) {
        let now = self.driver().now().ms();
        let now = match self.dice.below(10) {
            0 => now - 3_600_000,
            1 => now + 3_600_000,
            _ => now + self.dice.below(4_000) as u64,
        };
        self.driver().set_now(Timestamp::from_ms(now));
    }

    /// A write or a sync fails; the frame may be there after the restart, or not.
    fn fail_sync(&mut self) {
        if !self.driver().log().is_busy() {
            return;
        }
        self.tally.failed_syncs += 1;
        let (finish, written) =
            (self.dice.pick(&[Finish::Failed, Finish::Unknown]), self.dice.chance(50));
        self.driver().settle(finish, written);
        for _ in 0..self.dice.below(10) {
            self.ask();
            self.take_step();
        }
        self.take_replies();
        self.crash();
    }

    fn crash(&mut self) {
        self.tally.crashes += 1;
        let driver = self.driver.take().expect("a driver between crashes");
        let now = driver.now();
        let driver = driver.crash(self.dice.chance(50), now).expect("it opens after a crash");
        self.driver = Some(driver);
        self.sent.clear();
        self.audit();
    }

    fn take_replies(&mut self) {
        while let Some((call, reply)) = self.driver().reply() {
            let Some(ask) = self.sent.remove(&call) else { continue };
            let (leg, key) = match ask {
                Ask::Command(leg, key) => (Some(leg), key),
                Ask::Transaction(_, key) => (None, key),
                _ => continue,
            };
            if let Reply::Failed(_) = reply {
                self.tally.failed += 1;
                continue;
            }
            let is_replayed = match &reply {
                Reply::Done(done) => done.replayed,
                Reply::Refused(refused) => refused.replayed,
                Reply::Failed(_) => false,
            };
            if let Some(key) = key.filter(|_| is_kept(&reply)) {
                let first = self.first.entry(key).or_insert_with(|| reply.clone());
                assert!(is_same(first, &reply), "{first:?}, and then {reply:?}");
            }
            match leg.filter(|_| !is_replayed) {
                Some(leg) => self.answers.extend(answered(&leg, &reply)),
                None => self.tally.replayed += u64::from(is_replayed),
            }
            if let Reply::Refused(refused) = reply {
                *self.tally.refused.entry(refused.refusal.code.as_str()).or_default() += 1;
            }
        }
    }

    /// Holds all that was ever answered against all that is durable.
    fn audit(&mut self) -> Audit {
        let audit = Audit::of(&proof::events(self.driver()).expect("a readable log"));
        audit.are_true(&self.answers);
        audit
    }

    fn finish(mut self) -> Tally {
        self.driver().run();
        self.take_replies();
        assert!(self.sent.is_empty(), "calls without an answer: {:?}", self.sent);
        let audit = self.audit();
        assert_eq!(proof::findings(self.driver()).expect("a readable ledger"), []);
        for hall in HALLS {
            let model = audit.hall(&id(hall)).seats;
            let mut seats = Vec::new();
            for row in 1..=2 {
                seats.extend((1..=2).map(|place| Seat::new(row, place)));
            }
            let items = seats.iter().map(|seat| seat_key(*seat)).collect();
            let stream = proof::name::<SeatMap>(hall).expect("a well-formed id");
            let read = done(self.driver().ask(Ask::Read(Reading { stream, items })));
            // A read fires what is due first.
            let at = read.at;
            let is_left = |until: &Option<Timestamp>| until.is_none_or(|until| until > at);
            let left: Vec<_> = model.iter().filter(|(_, (_, until))| is_left(until)).collect();
            let head = read.answer.head::<SeatMap>().expect("a hall's head");
            let booked = left.iter().filter(|(_, (_, until))| until.is_none()).count();
            assert_eq!((head.booked, head.held), (booked as u32, (left.len() - booked) as u32));
        }
        for (who, balance) in &audit.purses {
            let stream = proof::name::<Account>(who).expect("a well-formed id");
            let items = Vec::new();
            let read = done(self.driver().ask(Ask::Read(Reading { stream, items })));
            let head = read.answer.head::<Account>().expect("an account's head");
            assert_eq!(head.balance.get(), *balance, "what {who} has left");
        }
        self.tally.met = audit.met;
        self.tally
    }
}

fn leg(hall: &str, command: Command) -> Leg {
    proof::leg::<SeatMap>(hall, command).expect("a well-formed id")
}

fn done(reply: Reply) -> Outcome {
    match reply {
        Reply::Done(outcome) => outcome,
        other => panic!("expected an acceptance, got {other:?}"),
    }
}

pub(crate) fn answered(leg: &Leg, reply: &Reply) -> Option<Answered> {
    let (at, version, came) = match reply {
        Reply::Done(done) => (done.at, done.version, Ok(done.changed)),
        Reply::Refused(refused) => (refused.at, refused.version, Err(refused.refusal.code)),
        Reply::Failed(_) => return None,
    };
    let command = leg.command.get::<SeatMap>()?.clone();
    Some(Answered { hall: leg.stream.id.clone(), command, at, version, came })
}

/// Whether a key keeps it: what was malformed, or nowhere, may be asked again.
fn is_kept(reply: &Reply) -> bool {
    match reply {
        Reply::Refused(refused) => refused.refusal.code.is_stored(),
        Reply::Done(_) | Reply::Failed(_) => true,
    }
}

fn is_same(one: &Reply, other: &Reply) -> bool {
    match (one, other) {
        (Reply::Done(one), Reply::Done(other)) => {
            (one.position, &one.answer) == (other.position, &other.answer)
        }
        (Reply::Refused(one), Reply::Refused(other)) => one.refusal == other.refusal,
        _ => false,
    }
}

#[test]
fn no_seat_is_ever_had_by_two_in_any_order() {
    let mut all = Tally::default();
    for seed in 0..500 {
        let tally = std::panic::catch_unwind(|| run(seed));
        let tally = tally.unwrap_or_else(|_| panic!("seed {seed}"));
        all.crashes += tally.crashes;
        all.failed_syncs += tally.failed_syncs;
        all.replayed += tally.replayed;
        all.failed += tally.failed;
        for (sum, of) in [(&mut all.refused, tally.refused), (&mut all.met, tally.met)] {
            of.into_iter().for_each(|(name, count)| *sum.entry(name).or_default() += count);
        }
    }
    println!("{all:#?}");
    // A run in which nothing of this happened would show nothing.
    assert!(all.crashes > 500 && all.failed_syncs > 100, "{all:?}");
    assert!(all.replayed > 200 && all.failed > 100, "{all:?}");
    for (name, least) in [
        ("held", 2_000),
        ("booked", 2_000),
        ("released", 500),
        ("moved", 100),
        ("lapsed", 500),
        ("paid", 500),
    ] {
        assert!(all.met.get(name).is_some_and(|met| *met > least), "{name}: {all:?}");
    }
    for code in [
        "already_claimed",
        "already_exists",
        "sold_out",
        "wrong_state",
        "not_found",
        "insufficient_funds",
    ] {
        assert!(all.refused.get(code).is_some_and(|met| *met > 50), "{code}: {all:?}");
    }
}

#[test]
fn one_seed_is_one_run() {
    for seed in [3, 77] {
        assert_eq!(run(seed), run(seed));
    }
}

#[test]
fn a_key_knows_every_word_of_its_command() {
    let (ada, ben, one, two) = (id("ada"), id("ben"), Seat::new(1, 1), Seat::new(1, 2));
    let open = |rows, places, hold_seconds| Command::Open { rows, places, hold_seconds };
    let hold = |seat, who: &Id| Command::Hold { seat, who: who.clone() };
    let book = |seat, who: &Id| Command::Book { seat, who: who.clone() };
    let release = |seat, who: &Id| Command::Release { seat, who: who.clone() };
    let move_to = |from, to, who: &Id| Command::Move { from, to, who: who.clone() };
    let others = [
        (open(2, 2, 60), vec![open(3, 2, 60), open(2, 3, 60), open(2, 2, 61)]),
        (hold(one, &ada), vec![hold(two, &ada), hold(one, &ben)]),
        (book(one, &ada), vec![book(two, &ada), book(one, &ben)]),
        (
            move_to(one, two, &ada),
            vec![move_to(one, one, &ada), move_to(two, two, &ada), move_to(one, two, &ben)],
        ),
        (release(two, &ada), vec![release(one, &ada), release(two, &ben)]),
    ];
    let setup = Setup::new(registry().with::<SeatMap>(), kinds::genesis(), 1);
    let mut ledger = Driver::create(setup).expect("a new ledger opens");
    // One key for all: it belongs to one operation, so each of these happens.
    let keyed = |command| Ask::Command(leg("hall", command), Key::new("key").ok());
    for (first, others) in others {
        assert!(!done(ledger.ask(keyed(first.clone()))).replayed, "{first:?}");
        assert!(done(ledger.ask(keyed(first.clone()))).replayed, "{first:?}");
        for other in others {
            let Reply::Refused(refused) = ledger.ask(keyed(other.clone())) else {
                panic!("{other:?} under the key of {first:?}");
            };
            assert_eq!(refused.refusal.code, Code::IdempotencyKeyReused, "{other:?}");
        }
    }
}

#[test]
fn nobody_but_time_ends_a_hold() {
    let setup = Setup::new(registry().with::<SeatMap>(), kinds::genesis(), 1);
    let mut ledger = Driver::create(setup).expect("a new ledger opens");
    let reply =
        ledger.ask(Ask::Command(leg("hall", Command::Lapse { seat: Seat::new(1, 1) }), None));
    let Reply::Refused(refused) = reply else { panic!("{reply:?}") };
    assert_eq!(refused.refusal.code, Code::Malformed);
}

#[test]
fn a_seat_is_kept_as_the_model_says_through_a_crash() {
    let setup = Setup::new(registry().with::<SeatMap>(), kinds::genesis(), 1);
    let mut ledger = Driver::create(setup).expect("a new ledger opens");
    let open = Command::Open { rows: 200, places: 250, hold_seconds: 60 };
    done(ledger.ask(Ask::Command(leg("arena", open), None)));
    let hold = Command::Hold { seat: Seat::new(200, 250), who: id("ada") };
    done(ledger.ask(Ask::Command(leg("arena", hold), None)));
    let book = Command::Book { seat: Seat::new(1, 1), who: id("ben") };
    done(ledger.ask(Ask::Command(leg("arena", book), None)));
    let later = Timestamp::from_ms(ledger.now().ms() + 61_000);
    let mut ledger = ledger.crash(false, later).expect("it opens again");
    ledger.run();
    let hall = Audit::of(&proof::events(&ledger).expect("a readable log")).hall(&id("arena"));
    assert_eq!(hall.seats.into_iter().collect::<Vec<_>>(), [(Seat::new(1, 1), (id("ben"), None))]);
    let (stream, items) =
        (proof::name::<SeatMap>("arena").expect("an id"), vec![seat_key(Seat::new(1, 1))]);
    let read = done(ledger.ask(Ask::Read(Reading { stream, items })));
    let taken = read.answer.item::<SeatMap>().expect("it is booked");
    assert_eq!((taken.who, taken.state), (id("ben"), State::Booked));
    assert_eq!(proof::findings(&ledger).expect("a readable ledger"), []);
}
