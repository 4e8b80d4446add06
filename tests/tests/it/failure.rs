//! Disks, logs and rules that fail under a running engine: who waits is told, what was
//! acknowledged is there, what was not is not shown, and it can be stopped and opened again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use quipu_actors::clock::Reading;
use quipu_actors::engine::Base;
use quipu_core::log::{Anchor, Finish, Frame, Log, LogError, Reader, ReadsFrom};
use quipu_core::machine::Machine;
use quipu_core::machines::account::Account;
use quipu_core::machines::record::{self, Record};
use quipu_core::shard::{Ask, Key, Leg, Reply};
use quipu_core::words::{Book, Epoch, Fault, Id, Name, Position};
use quipu_sim::Random;
use quipu_sim::disk::{Fault as Failure, Keep, SimDisk, When};

use self::counter::{Command, Counter};
use crate::callers::{Callers, kept};
use crate::load::{self, Shape};
use crate::running::{Run, frames, runtime};
use crate::say::*;

const SHAPE: Shape =
    Shape { accounts: 16, tickets: 30, drops: 3, flows: 2, keys: 100, expires: true };

/// A user's machine whose rules break when they are asked to.
mod counter {
    use quipu_core::machine::{
        Canon, Changes, Context, Decided, Machine, Place, Said, Shows, View,
    };
    use quipu_core::record;
    use quipu_core::records;
    use quipu_core::words::{Kind, Refusal};
    use rkyv::{Archive, Deserialize, Serialize};

    pub(super) struct Counter;

    #[derive(Clone, PartialEq, Debug)]
    pub(super) enum Command {
        Count,
        /// Deciding it panics.
        Slip,
        /// What comes of it cannot be applied without a panic.
        Break,
    }

    impl Said for Command {
        fn operation(&self) -> u8 {
            match self {
                Self::Count => 1,
                Self::Slip => 2,
                Self::Break => 3,
            }
        }

        fn canon(&self, _canon: &mut Canon) {}
    }

    #[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
    pub(super) struct Head {
        pub(super) count: u64,
    }

    record!(Head = (1, 1));

    /// It has none.
    #[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
    pub(super) struct Item {
        nothing: u64,
    }

    record!(Item = (1, 1));

    records! {
        pub enum Event {
            Counted = (1, 1),
            Broken = (2, 1),
        }
    }

    #[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
    pub struct Counted {
        to: u64,
    }

    #[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
    pub struct Broken {
        nothing: u64,
    }

    impl Machine for Counter {
        const KIND: Kind = Kind::new(Kind::OWN);
        const NAME: &'static str = "counter";
        type Head = Head;
        type Item = Item;
        type Event = Event;
        type Command = Command;

        fn decide(
            view: &View<'_, Self>,
            command: &Command,
            _cx: &mut Context<'_>,
        ) -> Result<Decided<Event>, Refusal> {
            let event = match command {
                Command::Count => Counted { to: view.head.map_or(0, |head| head.count) + 1 }.into(),
                Command::Slip => panic!("planted: a rule breaks while it decides"),
                Command::Break => Broken { nothing: 0 }.into(),
            };
            Ok(Decided::Event(event))
        }

        fn apply(state: &mut Changes<'_, Self>, event: &Event, _at: &Place) {
            match event {
                Event::Counted(counted) => state.set(Head { count: counted.to }),
                Event::Broken(_) => panic!("planted: an event cannot be applied"),
            }
        }

        fn shows(_event: &Event, _at: &Place) -> Shows {
            Shows::head()
        }
    }
}

/// A log that panics at an append once it is told to.
struct Panicking<L> {
    log: L,
    panics: Arc<AtomicBool>,
}

impl<L: Log> ReadsFrom for Panicking<L> {
    fn source(&self) -> &dyn Reader {
        &self.log
    }
}

impl<L: Log> Log for Panicking<L> {
    fn take_epoch(&mut self) -> Result<Epoch, LogError> {
        self.log.take_epoch()
    }

    fn append(&mut self, frame: Frame) -> Result<(), LogError> {
        assert!(!self.panics.load(Ordering::Relaxed), "planted: the log breaks");
        self.log.append(frame)
    }

    fn finish(&mut self) -> Option<Finish> {
        self.log.finish()
    }

    fn wait(&mut self) -> Option<Finish> {
        self.log.wait()
    }

    fn reader(&self) -> Arc<dyn Reader + Send + Sync> {
        self.log.reader()
    }

    fn room(&self) -> u64 {
        self.log.room()
    }

    fn room_rule(&self) -> fn(usize) -> u64 {
        self.log.room_rule()
    }

    fn tend(&mut self) -> Result<bool, LogError> {
        self.log.tend()
    }

    fn adopt(
        &mut self,
        start: Anchor,
        epoch: Epoch,
        frames: &mut dyn Iterator<Item = Result<Frame, LogError>>,
    ) -> Result<(), LogError> {
        self.log.adopt(start, epoch, frames)
    }

    fn trim(&mut self, before: Position) -> Result<Position, LogError> {
        self.log.trim(before)
    }
}

fn read(who: &str) -> Ask {
    load::ask(&format!("read-account {who}")).0
}

fn pay(who: &str) -> Ask {
    command::<Account>(who, deposit(1))
}

fn balance(reply: Reply) -> i128 {
    let Reply::Done(outcome) = reply else { panic!("{reply:?}") };
    outcome.answer.head::<Account>().expect("a head").balance.get()
}

#[test]
fn a_failed_sync_is_told_to_all_who_wait_and_what_was_acknowledged_is_there() {
    let mut latched = 0;
    for (round, shards) in [1, 2, 8, 1, 2, 8, 1, 2, 8].into_iter().enumerate() {
        let disk = SimDisk::new();
        let run = Run::small(shards);
        let running = run.start(&disk);
        done(running.handle.ask(open("rich")).wait());
        done(running.handle.ask(pay("rich")).wait());
        let callers = Callers::new(running.handle.clone(), SHAPE);
        for line in load::first(&SHAPE) {
            callers.asks(&line);
        }
        disk.schedule(Failure::FailSync, When::nth(5 + 9 * round as u64).of("log/"));
        std::thread::scope(|scope| {
            for caller in 0..16 {
                let callers = &callers;
                scope.spawn(move || {
                    let mut rounds = 0..400;
                    while callers.failed() == 0 && rounds.next().is_some() {
                        let seed = (round as u64) << 32 | caller << 16 | rounds.start;
                        callers.works(seed, 1);
                    }
                    // And whoever comes later.
                    callers.works(caller, 2);
                });
            }
        });
        assert_eq!(callers.faults().keys().collect::<Vec<_>>(), ["LogFailed"], "round {round}");
        assert!(callers.ledger().has_failed());
        // What rests on durable state is shown, and nothing else.
        assert_eq!(balance(callers.ledger().ask(read("rich")).wait()), 1);
        let durable = callers.ledger().durable().watermark;
        for number in 0..SHAPE.accounts {
            match callers.ledger().ask(read(&format!("a{number}"))).wait() {
                Reply::Done(outcome) => assert!(outcome.version <= durable, "{outcome:?}"),
                reply => assert_eq!(reply, Reply::Failed(Fault::LogFailed)),
            }
        }
        let late = callers.ledger().ask(pay("rich")).wait();
        assert_eq!(late, Reply::Failed(Fault::LogFailed));
        kept(callers.audit().all_answered());
        latched += u64::from(running.stop());
        // Another process opens it, before or after power is lost.
        let keeps = [Keep::Nothing, Keep::All, Keep::Torn(3)];
        let images = keeps.map(|keep| disk.image(keep));
        for disk in images.into_iter().chain([disk.reopen()]) {
            let again = run.start(&disk);
            kept(callers.audit().check(&frames(&**again.handle.log()), &machines()));
            done(again.handle.ask(pay("rich")).wait());
            assert_eq!(balance(again.handle.ask(read("rich")).wait()), 2, "and it goes on");
            assert!(!again.stop());
        }
    }
    assert_eq!(latched, 9);
}

fn counts(number: u64, command: Command) -> Ask {
    self::command::<Counter>(&format!("c{number}"), command)
}

fn count(reply: Reply) -> u64 {
    let Reply::Done(outcome) = reply else { panic!("{reply:?}") };
    outcome.answer.head::<Counter>().expect("a head").count
}

#[test]
fn a_rule_that_panics_while_it_decides_changes_nothing() {
    for shards in [1, 2] {
        let disk = SimDisk::new();
        let run = Run { registry: machines().with::<Counter>(), ..Run::small(shards) };
        let running = run.start(&disk);
        let handle = &running.handle;
        done(handle.ask(open("a0")).wait());
        let internal = Reply::Failed(Fault::Internal);
        for number in 0..8 {
            assert_eq!(count(handle.ask(counts(number, Command::Count)).wait()), 1);
            assert_eq!(handle.ask(counts(number, Command::Slip)).wait(), internal);
            // Together with others, before and behind.
            let slip = leg::<Counter>(&format!("c{number}"), Command::Slip);
            let pays = leg::<Account>("a0", deposit(1));
            for legs in [vec![slip.clone(), pays.clone()], vec![pays, slip]] {
                assert_eq!(handle.ask(Ask::Transaction(legs, None)).wait(), internal);
            }
            // A key keeps nothing of it.
            let key = Key::new(&format!("k{number}")).expect("a key");
            let slip: Leg = leg::<Counter>(&format!("c{number}"), Command::Slip);
            for _ in 0..2 {
                let reply = handle.ask(Ask::Command(slip.clone(), Some(key.clone()))).wait();
                assert_eq!(reply, internal);
            }
            assert_eq!(count(handle.ask(counts(number, Command::Count)).wait()), 2);
        }
        assert_eq!(balance(handle.ask(read("a0")).wait()), 0);
        assert!(!handle.has_failed());
        assert!(!running.stop());
        let again = run.start(&disk);
        assert_eq!(count(again.handle.ask(counts(3, Command::Count)).wait()), 3);
        assert!(!again.stop());
    }
}

/// How often anybody has looked at the clock. Each turn of a shard does.
static LOOKS: AtomicU64 = AtomicU64::new(0);

fn counted() -> Reading {
    LOOKS.fetch_add(1, Ordering::Relaxed);
    Reading::now()
}

#[test]
fn an_event_that_cannot_be_applied_latches_the_ledger_and_turns_nobody_in_circles() {
    for shards in [1, 2, 8] {
        let disk = SimDisk::new();
        let registry = machines().with::<Counter>();
        let run = Run { registry, clock: counted, ..Run::small(shards) };
        let running = run.start(&disk);
        let callers = Callers::new(running.handle.clone(), SHAPE);
        for line in load::first(&SHAPE) {
            callers.asks(&line);
        }
        assert_eq!(count(running.handle.ask(counts(0, Command::Count)).wait()), 1);
        std::thread::scope(|scope| {
            for caller in 0..16 {
                let callers = &callers;
                scope.spawn(move || {
                    for round in 0..400 {
                        callers.works(caller << 16 | round, 1);
                        if callers.failed() > 0 {
                            return;
                        }
                    }
                });
            }
            while callers.tally()[0] < 200 {
                std::thread::yield_now();
            }
            let broken = callers.ledger().ask(counts(0, Command::Break)).wait();
            assert_eq!(broken, Reply::Failed(Fault::LogFailed), "nobody knows what is half done");
        });
        assert!(callers.ledger().has_failed());
        assert!(
            callers.faults().keys().all(|fault| fault == "LogFailed"),
            "{:?}",
            callers.faults()
        );
        // A shard that turned without an end would look at the clock far more often than this.
        let before = LOOKS.load(Ordering::Relaxed);
        for number in 0..300 {
            let reply = callers.ledger().ask(counts(number, Command::Count)).wait();
            assert_eq!(reply, Reply::Failed(Fault::LogFailed));
        }
        let looks = LOOKS.load(Ordering::Relaxed) - before;
        assert!(looks < 300 * 12, "{looks} turns for 300 asks");
        assert!(running.stop(), "it says that it has failed");
        let again = run.start(&disk.reopen());
        kept(callers.audit().check(&frames(&**again.handle.log()), &run.registry));
        assert_eq!(count(again.handle.ask(counts(0, Command::Count)).wait()), 2);
        assert!(!again.stop());
    }
}

#[test]
fn a_committer_that_panics_latches_the_ledger_and_it_still_ends() {
    for (round, is_stopped) in [(1, true), (2, false), (8, true), (8, false)] {
        let disk = SimDisk::new();
        let run = Run::small(round);
        assert!(!run.start(&disk).stop(), "it is made");
        let (base, folder) = run.recover(&disk).expect("it opens");
        let panics = Arc::new(AtomicBool::new(false));
        let Base { log, store, epoch, durable } = base;
        let log = Panicking { log, panics: Arc::clone(&panics) };
        let engine = run.engine(Base { log, store, epoch, durable });
        let callers = Callers::new(engine.handle(), SHAPE);
        for line in load::first(&SHAPE) {
            callers.asks(&line);
        }
        std::thread::scope(|scope| {
            for caller in 0..16 {
                let callers = &callers;
                scope.spawn(move || {
                    for round in 0..2_000 {
                        callers.works(caller << 16 | round, 1);
                        if callers.failed() > 0 {
                            return;
                        }
                    }
                });
            }
            while callers.tally()[0] < 200 {
                std::thread::yield_now();
            }
            panics.store(true, Ordering::Relaxed);
        });
        assert_eq!(callers.faults().keys().collect::<Vec<_>>(), ["LogFailed"]);
        kept(callers.audit().all_answered());
        assert!(callers.ledger().has_failed());
        let late = callers.ledger().ask(pay("a0")).wait();
        assert_eq!(late, Reply::Failed(Fault::LogFailed));
        if is_stopped {
            assert!(runtime().block_on(engine.stop()).is_none(), "log and store are gone");
        } else {
            drop(engine);
        }
        drop(folder);
        let again = run.start(&disk.reopen());
        kept(callers.audit().check(&frames(&**again.handle.log()), &machines()));
        assert!(!again.stop());
    }
}

/// A record of some thousand bytes.
fn put(number: u64) -> Ask {
    let stream = Id::pair(&id("c0"), &id(&format!("r{number}")));
    let put = record::Command::Put {
        value: format!("{number:04000}"),
        ttl_ms: None,
        must_be_absent: false,
        fields: Vec::new(),
        era: 0,
    };
    let command = quipu_core::machine::Command::of::<Record>(put);
    let stream = Name::new(Book::DEFAULT, Record::KIND, stream);
    Ask::Command(Leg { stream, command, options: Default::default() }, None)
}

#[test]
fn a_disk_without_room_for_checkpoints_is_told_and_lifts_by_itself() {
    fill_up(256 << 10, 100);
}

#[test]
fn a_disk_without_room_for_the_log_is_told_and_lifts_by_itself() {
    // Its next segment is what finds no room: rows are few enough to wait in memory.
    fill_up(256 << 20, 500);
}

/// Fills a disk up, which takes at least so many records of 4 KiB, and then makes room.
fn fill_up(checkpoint_bytes: usize, at_least: u64) {
    let disk = SimDisk::new();
    let mut run = Run::small(2);
    run.settings.checkpoint_bytes = checkpoint_bytes;
    let running = run.start(&disk);
    let handle = &running.handle;
    done(handle.ask(open("a0")).wait());
    disk.set_capacity(Some(disk.used() + (1 << 20)));
    let mut random = Random::new(5);
    let (mut put_down, mut full) = (0, false);
    while !full {
        let asks = (0..200).map(|_| put(random.below(1 << 40))).collect();
        for reply in handle.ask_all(asks).wait() {
            match reply {
                Reply::Done(_) => put_down += 1,
                Reply::Failed(Fault::DiskFull) => full = true,
                other => panic!("{other:?}"),
            }
        }
    }
    assert!(put_down >= at_least, "{put_down}");
    assert_eq!(balance(handle.ask(read("a0")).wait()), 0, "reads go on");
    assert!(!handle.has_failed());
    disk.set_capacity(None);
    // It is looked for again and again, and nobody has to say so.
    while handle.ask(pay("a0")).wait() == Reply::Failed(Fault::DiskFull) {
        std::thread::yield_now();
    }
    done(handle.ask(pay("a0")).wait());
    assert_eq!(balance(handle.ask(read("a0")).wait()), 2);
    assert!(!running.stop());
    let again = run.start(&disk);
    assert_eq!(balance(again.handle.ask(read("a0")).wait()), 2);
    assert!(!again.stop());
}

/// What the clock of the next test says.
static NOW_MS: AtomicU64 = AtomicU64::new(0);

fn set_by_hand() -> Reading {
    let wall_us = NOW_MS.load(Ordering::Relaxed) * 1_000;
    Reading { boot_us: wall_us, wall_us }
}

#[test]
fn a_key_answers_the_same_until_its_day_is_over() {
    // The last moment of ten minutes whose keys are dropped together.
    let first = 1_800_000_000_000_u64.next_multiple_of(600_000) - 1;
    NOW_MS.store(first, Ordering::Relaxed);
    let disk = SimDisk::new();
    let mut run = Run { clock: set_by_hand, ..Run::small(1) };
    // Nothing stays in memory: the key is read from the store.
    run.config.memory_max = 0;
    let running = run.start(&disk);
    let handle = &running.handle;
    done(handle.ask(open("a0")).wait());
    let again = || handle.ask(keyed::<Account>("day", "a0", deposit(1))).wait();
    done(again());
    let day = 24 * 3_600_000;
    NOW_MS.store(first + day - 500, Ordering::Relaxed);
    // What is durable says a time behind the end of the day already.
    for number in 0..80 {
        done(handle.ask(open(&format!("b{number}"))).wait());
    }
    let Reply::Done(repeat) = again() else { panic!("it was accepted") };
    assert!(repeat.replayed, "its day is not over");
    assert_eq!(balance(handle.ask(read("a0")).wait()), 1);
    NOW_MS.store(first + day, Ordering::Relaxed);
    let Reply::Done(anew) = again() else { panic!("it is accepted") };
    assert!(!anew.replayed, "it is over");
    assert!(!running.stop());
}
