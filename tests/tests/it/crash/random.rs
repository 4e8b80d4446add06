//! Long workloads from seeds: random asks, checkpoints and stops, disks that fail or are full,
//! and power that is lost anywhere, on both logs. An auditor holds every answer against the log.
//!
//! `QUIPU_SEEDS` says how many seeds, `QUIPU_SEED` which one alone.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use quipu::{Files, LogKind, OpenError, Options};
use quipu_core::log::{Log as _, LogError};
use quipu_core::machine::Machine;
use quipu_core::machines::account::{self, Account};
use quipu_core::machines::drop::{self, Drop};
use quipu_core::machines::key::{self, Key as Home};
use quipu_core::machines::ticket::Ticket;
use quipu_core::shard::{Ask, Key, Leg, Reading, Reply};
use quipu_core::store::StoreError;
use quipu_core::words::{Amount, Book, Fault as Failure, Id, Metadata, Name, Position, Timestamp};
use quipu_sim::Random;
use quipu_sim::disk::{Fault, Keep, SimDisk, When};
use quipu_store_redb::store::Opened;

use super::audit::{Asked, Auditor, bulky};
use super::found::fits_together;
use super::work::{enter, small, with_engine};
use crate::say::*;

/// Seeds of a run that says nothing else.
const SEEDS: u64 = 800;

/// What came of some seeds.
#[derive(Default, Debug)]
struct Tally {
    seeds: u64,
    /// Openings after power was lost, and after a process ended without that.
    after_power: u64,
    after_process: u64,
    /// Openings that a failing disk has ended.
    not_opened: u64,
    asks: u64,
    answers: u64,
    replayed: u64,
    /// Asks that ended with "unknown".
    unknown: u64,
    disk_full: u64,
    checkpoints: u64,
    checkpoints_failed: u64,
    stops: u64,
    stops_failed: u64,
    tends_full: u64,
    set_aside: u64,
    faults: std::collections::BTreeMap<&'static str, u64>,
}

#[test]
fn whatever_happens_to_the_disk() {
    let set = |name| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let seeds = match set("QUIPU_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..set("QUIPU_SEEDS").unwrap_or(SEEDS),
    };
    let is_whole = seeds.end - seeds.start >= SEEDS;
    let mut tally = Tally::default();
    for seed in seeds {
        let run = catch_unwind(AssertUnwindSafe(|| run(seed, &mut tally)));
        if let Err(panic) = run {
            let test = "cargo test -p quipu-tests --test it crash::random";
            eprintln!("QUIPU_SEED={seed} {test}");
            resume_unwind(panic);
        }
    }
    println!("{tally:?}");
    if is_whole {
        for fault in [
            "failed_sync",
            "failed_sync_dir",
            "failed_write",
            "short_write",
            "failed_read",
            "failed_name",
            "no_space",
            "lost_power",
        ] {
            assert!(tally.faults.get(fault).is_some_and(|fired| *fired > 20), "{fault}: {tally:?}");
        }
        let Tally { replayed, unknown, disk_full, checkpoints_failed, tends_full, .. } = &tally;
        let seen = [replayed, unknown, disk_full, checkpoints_failed, tends_full];
        assert!(seen.into_iter().all(|seen| *seen > 0), "{tally:?}");
    }
}

#[test]
fn one_seed_is_one_run() {
    for seed in 0..SEEDS / 100 {
        let [mut one, mut other] = [Tally::default(), Tally::default()];
        run(seed, &mut one);
        run(seed, &mut other);
        assert_eq!(format!("{one:?}"), format!("{other:?}"), "seed {seed}");
    }
}

struct Run<'a> {
    random: Random,
    options: Options,
    disk: SimDisk,
    auditor: Auditor,
    tally: &'a mut Tally,
    /// Asks with keys, to be asked again.
    keyed: Vec<Asked>,
    /// Payouts that were planned.
    payouts: Vec<(&'static str, Position)>,
    /// Whether anything but power loss may go wrong.
    is_faulty: bool,
    /// Whether power is lost at some operation to come.
    dies: bool,
    now: Timestamp,
}

fn run(seed: u64, tally: &mut Tally) {
    let mut random = Random::new(seed);
    let log = if random.one_in(2) { LogKind::Files } else { LogKind::Redb };
    let mut options = small(log);
    if random.one_in(40) {
        options.files.fill_bytes = 4 << 20;
    }
    let mut run = Run {
        options,
        disk: SimDisk::new(),
        auditor: Auditor::default(),
        tally,
        keyed: Vec::new(),
        payouts: Vec::new(),
        is_faulty: random.one_in(2),
        dies: false,
        now: START,
        random,
    };
    let lives = 4 + run.random.below(6);
    for _ in 0..lives {
        run.plan();
        run.live();
        run.end();
    }
    // Nothing fails any more, and all of it is audited once more.
    run.disk = run.disk.image(Keep::All);
    (run.is_faulty, run.dies) = (false, false);
    run.live();
    assert!(run.auditor.knows_a_ledger());
    run.tally.seeds += 1;
}

impl Run<'_> {
    fn chance(&mut self, percent: u64) -> bool {
        self.random.below(100) < percent
    }

    /// What will go wrong in the life to come.
    fn plan(&mut self) {
        if !self.dies && self.chance(60) {
            self.dies = true;
            let far = if self.random.one_in(6) { 700 } else { 90 };
            let last = self.disk.operations() + 1 + self.random.below(far);
            self.disk.die_at(last);
        }
        if !self.is_faulty {
            return;
        }
        for _ in 0..self.random.below(3) {
            // Names change and are synced seldom. A write that stops short stops between two
            // sectors, as a page cache and a disk do: within one, redb's header is no more.
            let sectors = self.random.below(8) as usize;
            let (fault, nth) = match self.random.below(9) {
                0..=1 => (Fault::FailSync, 20),
                2 | 3 => (Fault::FailSyncDir, 5),
                4 => (Fault::FailWrite, 30),
                5 => (Fault::ShortWrite(Some(512 * sectors)), 10),
                6 => (Fault::FailRead, 30),
                7 => (Fault::FailName, 5),
                _ => (Fault::NoSpace, 20),
            };
            let when = When::nth(1 + self.random.below(nth));
            let when = match self.random.below(3) {
                0 => when.of("log"),
                1 => when.of("store"),
                _ => when,
            };
            self.disk.schedule(fault, when);
        }
        if self.chance(25) {
            let room = self.random.below(2) * self.random.below(3_000) * 4_096;
            self.disk.set_capacity(Some(self.disk.used() + room));
        }
    }

    fn live(&mut self) {
        let (files, is_new) = match enter(&self.disk, &self.options) {
            Ok(opened) => opened,
            Err(error) => {
                self.tally.not_opened += 1;
                return self.check_error(&error);
            }
        };
        let was_there = self.auditor.knows_a_ledger();
        assert!(!(is_new && was_there), "a ledger is gone");
        let set_aside = matches!(files.found, Opened::SetAside { .. });
        self.tally.set_aside += u64::from(set_aside);
        match self.auditor.opened(&files.log, &machines()) {
            Err(LogError::Failed(_)) if self.is_faulty => {}
            read => read.expect("a readable log"),
        }
        let driven = with_engine(files, |ledger| {
            // Reads may fail as well, so only a sound disk is looked at all over.
            if !self.is_faulty && !self.dies {
                fits_together(ledger);
            }
            self.drive(ledger);
            Ok(())
        });
        match driven {
            Ok((files, ())) => self.stop(files),
            Err(error) => {
                self.tally.not_opened += 1;
                self.check_error(&error);
            }
        }
    }

    /// An error of an opening says that the disk failed, and never that a ledger is damaged.
    fn check_error(&self, error: &OpenError) {
        let is_fine = match error {
            OpenError::Disk(_) | OpenError::Recovery(_) => true,
            OpenError::Log(error) => {
                matches!(error, LogError::Full(_) | LogError::Failed(_) | LogError::Closed)
            }
            OpenError::Store(error) => matches!(error, StoreError::Full(_) | StoreError::Failed(_)),
            _ => false,
        };
        assert!(is_fine, "{error:?}");
        assert!(self.is_faulty || self.is_dead(), "on a sound disk: {error:?}");
    }

    fn is_dead(&self) -> bool {
        self.disk.fired()["lost_power"] > 0
    }

    fn drive(&mut self, ledger: &mut Ledger<SimDisk>) {
        self.now = self.now.max(ledger.now());
        ledger.set_now(self.now);
        for _ in 0..2 + self.random.below(30) {
            match self.random.below(100) {
                0..=7 => self.checkpoint(ledger),
                8..=13 => self.tend(ledger),
                14..=16 => ledger.seal(),
                17..=19 => {
                    self.now = Timestamp::from_ms(self.now.ms() + self.random.below(30_000));
                    ledger.set_now(self.now);
                }
                20 if self.is_faulty => self.disk.set_capacity(None),
                21 if self.random.one_in(8) => self.fill(ledger),
                _ => {
                    let asked = self.make_ask();
                    self.ask(ledger, asked);
                }
            }
        }
    }

    /// Nothing is admitted that finds no room on the log.
    fn admit(&mut self, ledger: &mut Ledger<SimDisk>) {
        let has_room = |ledger: &Ledger<SimDisk>| {
            let log = ledger.log();
            log.room() >= log.room_of(1 << 20)
        };
        if !has_room(ledger) {
            self.tend(ledger);
        }
        let is_full = !has_room(ledger);
        ledger.ring_mut().set_disk_full(is_full);
    }

    fn ask(&mut self, ledger: &mut Ledger<SimDisk>, asked: Asked) {
        self.admit(ledger);
        self.tally.asks += 1;
        let was_latched = ledger.is_latched();
        let reply = ledger.ask(asked.ask.clone());
        match &reply {
            Reply::Failed(Failure::DiskFull) => self.tally.disk_full += 1,
            Reply::Failed(Failure::LogFailed) => self.tally.unknown += 1,
            Reply::Failed(fault) => {
                assert!(self.is_faulty && *fault == Failure::Corrupt, "{asked:?}: {fault:?}");
            }
            Reply::Done(outcome) => {
                self.tally.replayed += u64::from(outcome.replayed);
                if asked.event == "WithdrawalPlanned" {
                    let planner = PEOPLE.into_iter().find(|who| asked.is_of(who));
                    self.payouts.extend(planner.map(|who| (who, outcome.position)));
                }
            }
            Reply::Refused(refused) => self.tally.replayed += u64::from(refused.replayed),
        }
        let wrote = !was_latched || matches!(reply, Reply::Failed(_)) || is_read(&asked.ask);
        assert!(wrote || !changed(&reply), "a log that has failed took {asked:?}");
        self.tally.answers += 1;
        self.auditor.answered(asked, reply, ledger);
    }

    /// Fills a segment and more.
    fn fill(&mut self, ledger: &mut Ledger<SimDisk>) {
        for number in 0..170 {
            let ask = bulky(&format!("bulk-{}", number % 5), 60_000);
            self.ask(ledger, Asked { ask, event: String::new() });
            if ledger.is_latched() {
                return;
            }
        }
    }

    fn checkpoint(&mut self, ledger: &mut Ledger<SimDisk>) {
        match ledger.checkpoint() {
            Ok(_) => self.tally.checkpoints += 1,
            Err(_) => self.tally.checkpoints_failed += 1,
        }
    }

    fn tend(&mut self, ledger: &mut Ledger<SimDisk>) {
        if let Err(LogError::Full(_)) = ledger.log_mut().tend() {
            self.tally.tends_full += 1;
        }
    }

    fn stop(&mut self, files: Files<SimDisk>) {
        if self.chance(70) {
            return;
        }
        match files.stop() {
            Ok(()) => self.tally.stops += 1,
            Err(_) => self.tally.stops_failed += 1,
        }
    }

    /// The process ends, and perhaps power is lost.
    fn end(&mut self) {
        if self.is_dead() || self.chance(50) {
            self.note_faults();
            self.disk.lose_power();
            let keep = match self.random.below(5) {
                0 => Keep::Nothing,
                1 => Keep::All,
                2 => Keep::First(self.random.below(self.disk.pending() as u64 + 1) as usize),
                _ => Keep::Torn(self.random.draw()),
            };
            self.disk = self.disk.image(keep);
            self.dies = false;
            self.tally.after_power += 1;
        } else {
            self.disk.end_faults();
            self.disk = self.disk.reopen();
            self.tally.after_process += 1;
        }
        self.disk.set_capacity(None);
    }

    fn note_faults(&mut self) {
        for (fault, count) in self.disk.fired() {
            *self.tally.faults.entry(fault).or_default() += count;
        }
    }

    fn make_ask(&mut self) -> Asked {
        if !self.keyed.is_empty() && self.chance(25) {
            let again = self.random.below(self.keyed.len() as u64) as usize;
            return self.keyed[again].clone();
        }
        if self.chance(12) {
            let ask = match self.random.below(2) {
                0 => read::<Account>(self.pick(&PEOPLE)),
                _ => read::<Drop>("d0"),
            };
            return Asked { ask, event: String::new() };
        }
        let (leg, event) = self.make_leg();
        let key = self.chance(60).then(|| {
            let number = self.keyed.len();
            Key::new(&format!("key-{number}")).expect("a well-formed key")
        });
        let is_keyed = key.is_some();
        let asked = if self.chance(10) {
            let home = key::Command::Keep { made: None };
            let home = leg_of::<Home>(&format!("home-{}", self.keyed.len()), home);
            let both = vec![home, leg, self.make_leg().0];
            Asked { ask: Ask::Transaction(both, key), event: String::new() }
        } else {
            Asked { ask: Ask::Command(leg, key), event }
        };
        if is_keyed {
            self.keyed.push(asked.clone());
        }
        asked
    }

    fn make_leg(&mut self) -> (Leg, String) {
        let who = self.pick(&PEOPLE);
        let some = 1 + self.random.below(20);
        match self.random.below(24) {
            0..=3 => (leg_of::<Account>(who, opening()), "Opened".into()),
            4..=9 => {
                let event = format!("Deposited(Deposited {{ amount: {some},");
                (leg_of::<Account>(who, deposit(some)), event)
            }
            10..=11 => {
                let event = format!("Charged(Charged {{ amount: {some},");
                let (amount, metadata) = (Amount::from(some), Metadata::default());
                let charge = account::Command::Charge { amount, reference: None, metadata };
                (leg_of::<Account>(who, charge), event)
            }
            12..=15 => {
                let to = self.pick(&PEOPLE);
                let event = format!("Sent(Sent {{ amount: {some},");
                (leg_of::<Account>(who, transfer(to, some)), event)
            }
            16 => (leg_of::<Ticket>(self.pick(&TICKETS), issue()), "Issued".into()),
            17 => (leg_of::<Ticket>(self.pick(&TICKETS), claim(who)), "Claimed".into()),
            18 => (leg_of::<Drop>("d0", some_drop()), "Created".into()),
            19..=20 => {
                let (amount, destination) = (Amount::from(some), "somewhere".to_owned());
                let withdraw = account::Command::Withdraw { amount, destination, secret: None };
                (leg_of::<Account>(who, withdraw), "WithdrawalPlanned".into())
            }
            21..=22 if !self.payouts.is_empty() => {
                let at = self.random.below(self.payouts.len() as u64) as usize;
                let (who, planned) = self.payouts[at];
                let withdrawal = Id::made('w', planned);
                let (worker, seconds) = (id(self.pick(&PEOPLE)), 20);
                let lease = account::Command::Lease { withdrawal, worker, seconds };
                (leg_of::<Account>(who, lease), "WithdrawalLeased".into())
            }
            _ => {
                let claimant = Id::new(who).expect("well-formed");
                let claim = drop::Command::Claim { claimant, quantity: 1, pay_from: None };
                (leg_of::<Drop>("d0", claim), "Claimed".into())
            }
        }
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.random.below(from.len() as u64) as usize]
    }
}

const PEOPLE: [&str; 4] = ["ann", "bo", "cy", "di"];
const TICKETS: [&str; 3] = ["t0", "t1", "t2"];

fn leg_of<M: Machine>(stream: &str, command: M::Command) -> Leg {
    leg::<M>(stream, command)
}

fn read<M: Machine>(stream: &str) -> Ask {
    let stream = Name::new(Book::DEFAULT, M::KIND, id(stream));
    Ask::Read(Reading { stream, items: Vec::new() })
}

fn some_drop() -> drop::Command {
    let (per_claimant, opens_at, closes_at, price, seller) = (None, None, None, None, None);
    let (stock, metadata) = (9, Metadata::default());
    drop::Command::Create { stock, per_claimant, opens_at, closes_at, price, seller, metadata }
}

fn is_read(ask: &Ask) -> bool {
    matches!(ask, Ask::Read(_))
}

fn changed(reply: &Reply) -> bool {
    matches!(reply, Reply::Done(outcome) if outcome.changed && !outcome.replayed)
}
