//! Two callers with one idempotency key: one effect, and the same answer. The shard, committer,
//! log and store are the core's own.

use std::sync::Arc;

use loom::thread;
use quipu_core::batch::{Batch, Ring};
use quipu_core::commit::{Committer, Published};
use quipu_core::driver::{Driver, Setup};
use quipu_core::log::{Finish, Log, MemoryLog, Reader};
use quipu_core::machine::{Command, Machine};
use quipu_core::machines::account::{self, Account};
use quipu_core::machines::{genesis, registry};
use quipu_core::shard::{
    Ask, CallId, Config, Effect, Key, Leg, Options, Outcome, Reply, Shard, find,
};
use quipu_core::store::{MemoryStore, Store};
use quipu_core::words::{
    Amount, Asset, Book, Fault, Id, Metadata, Name, Position, Signed, Timestamp,
};
use quipu_core::{Mutant, plant};
use quipu_sync::explore::{holds, is_caught};
use quipu_sync::facade::{Mutex, lock};
use quipu_sync::{Doorbell, Inbox, Sequencer, Watermark};

/// What the log has room for, whatever has been written.
const ROOM: u64 = 1 << 20;

/// What the threads share.
struct Shared {
    asks: Inbox<(CallId, Ask)>,
    shard_bell: Doorbell,
    /// Nothing is the last that a shard hands over.
    lane: Inbox<Option<Batch>>,
    committer_bell: Doorbell,
    sequencer: Sequencer,
    watermark: Watermark,
    store: Mutex<MemoryStore>,
}

/// The sequencer as a shard sees it.
struct Room<'a>(&'a Sequencer);

impl Ring for Room<'_> {
    fn room_of(&self, entry_len: usize) -> u64 {
        entry_len as u64
    }

    fn reserve(&mut self, slots: u64, room: u64) -> Result<(), Fault> {
        self.0.draw(slots, room).map_err(|_| Fault::Overloaded)
    }

    fn release(&mut self, slots: u64, room: u64) {
        self.0.give_back(slots, room);
    }

    fn take(&mut self, slots: u64) -> Position {
        Position::new(self.0.take(slots))
    }
}

fn ask(command: account::Command, key: Option<&str>) -> Ask {
    let id = Id::new("alice").expect("a well-formed id");
    let stream = Name::new(Book::DEFAULT, Account::KIND, id);
    let command = Command::of::<Account>(command);
    let key = key.map(|key| Key::new(key).expect("a well-formed key"));
    Ask::Command(Leg { stream, command, options: Options::default() }, key)
}

fn open() -> Ask {
    let asset = Asset::new("USD/2").expect("a well-formed asset");
    let (floor, cap, spend_cap, expires_at) = (Signed::ZERO, None, None, None);
    let metadata = Metadata::default();
    let open = account::Command::Open { asset, floor, cap, spend_cap, expires_at, metadata };
    ask(open, None)
}

fn deposit() -> Ask {
    let (amount, metadata) = (Amount::from(10_00), Metadata::default());
    ask(account::Command::Deposit { amount, reference: None, metadata }, Some("order-7"))
}

/// Asks. Where the answer goes to is another model's business.
fn caller(shared: &Shared, me: usize) {
    assert!(shared.asks.put((CallId(me as u64), deposit())).is_ok());
    shared.shard_bell.ring();
}

/// Carries out what both callers ask, and gives the answers in the order in which they left.
fn pump(shared: &Shared, mut shard: Shard, mut seen: Published) -> Vec<Outcome> {
    let mut ring = Room(&shared.sequencer);
    let (mut asks, mut out, mut answers) = (Vec::new(), Vec::new(), Vec::new());
    let published = || {
        let (position, now_limit) = shared.watermark.read();
        let (watermark, now_limit) = (Position::new(position), Timestamp::from_ms(now_limit));
        Published { watermark, now_limit }
    };
    while answers.len() < 2 {
        shared.asks.take(&mut asks);
        let durable = published();
        if durable != seen {
            seen = durable;
            shard.publish(durable, &mut out);
        }
        for (call, ask) in asks.drain(..) {
            shard.submit(call, ask, Timestamp::ZERO, &mut ring, &mut out);
        }
        while let Some(effect) = out.pop() {
            match effect {
                Effect::Load(load) => {
                    let found = find(&*lock(&shared.store), &load.what);
                    shard.loaded(load.ticket, found, Timestamp::ZERO, &mut ring, &mut out);
                }
                Effect::Reply(_, reply) => {
                    let Reply::Done(outcome) = reply else { panic!("a yes, not {reply:?}") };
                    assert!(outcome.position <= seen.watermark, "an answer before it is durable");
                    answers.push(outcome);
                }
                Effect::Send(..) => panic!("there is only one shard"),
            }
        }
        if shard.has_batch() {
            assert!(shared.lane.put(Some(shard.take_batch())).is_ok());
            shared.committer_bell.ring();
        } else if answers.len() < 2 {
            shared.shard_bell.sleep_unless(|| !shared.asks.is_empty() || published() != seen);
        }
    }
    assert!(shared.lane.put(None).is_ok());
    shared.committer_bell.ring();
    answers
}

/// Writes what the shard hands over, until there is nothing more.
fn commit(shared: &Shared, log: &mut MemoryLog, mut committer: Committer) {
    let (mut batches, mut goes_on) = (Vec::new(), true);
    while goes_on {
        let Some(frame) = committer.gather(Timestamp::ZERO) else {
            shared.committer_bell.sleep_unless(|| !shared.lane.is_empty());
            shared.lane.take(&mut batches);
            for batch in batches.drain(..) {
                goes_on &= batch.is_some();
                batch.into_iter().for_each(|batch| committer.add(0, batch));
            }
            continue;
        };
        log.append(frame).expect("it takes a frame");
        log.settle(Finish::Durable, true);
        let finish = log.finish().expect("it was settled");
        let committed = committer.finish(finish).expect("it is durable");
        let Published { watermark, now_limit } = committed.published;
        lock(&shared.store).apply(&mut committed.rows(), watermark).expect("it takes rows");
        shared.sequencer.give_back(committed.slots, committed.reserved);
        shared.watermark.publish(watermark.get(), now_limit.ms());
        shared.shard_bell.ring();
    }
}

/// Two callers, one of which commits then, and their shard.
fn one_key(mutant: Option<Mutant>) -> impl Fn() + Send + Sync + 'static {
    move || {
        plant(None);
        let mut driver = Driver::create(Setup::new(registry(), genesis(), 1)).expect("a ledger");
        assert!(matches!(driver.ask(open()), Reply::Done(_)));
        plant(mutant);
        let (durable, registry) = (driver.durable(), driver.registry().clone());
        let (mut log, store) = driver.into_parts();
        let epoch = log.take_epoch().expect("a log in memory gives one");
        let Published { watermark, now_limit } = durable;
        let shared = Arc::new(Shared {
            asks: Inbox::default(),
            shard_bell: Doorbell::default(),
            lane: Inbox::default(),
            committer_bell: Doorbell::default(),
            sequencer: Sequencer::new(watermark.plus(1).get(), 4_096, ROOM),
            watermark: Watermark::new(watermark.get(), now_limit.ms()),
            store: Mutex::new(store),
        });
        shared.sequencer.set_room(ROOM, false);
        let other_caller = thread::spawn({
            let shared = Arc::clone(&shared);
            move || caller(&shared, 1)
        });
        let shard = thread::spawn({
            let shared = Arc::clone(&shared);
            let config = Config { filter_bytes: 64, keys_max: 16, ..Config::new(0, 1) };
            move || pump(&shared, Shard::new(config, &registry, durable), durable)
        });
        // A committer has nothing to do before the first call; this one makes one of the two.
        caller(&shared, 0);
        commit(&shared, &mut log, Committer::new(1, epoch, durable));
        other_caller.join().expect("it ends");
        let answers = shard.join().expect("it ends");
        let [one, other] = &answers[..] else { panic!("two answers, not {answers:?}") };
        assert!(
            one.replayed != other.replayed,
            "one of the two happened, and the other repeats it"
        );
        assert_eq!(one.answer, other.answer, "both hear the same");
        assert_eq!((one.position, one.version), (other.position, other.version));
        assert_eq!(log.bounds().1, shared_next(&shared), "what was taken is on the log");
        assert_eq!(log.bounds().1, one.position.plus(1), "nothing else happened");
        assert_eq!(shared.sequencer.drawn(), (0, 0), "all room has come back");
    }
}

fn shared_next(shared: &Shared) -> Position {
    Position::new(shared.sequencer.next())
}

#[test]
fn two_callers_with_one_key_get_one_effect_and_one_answer() {
    holds("one key, two callers", 2, 24_791, one_key(None));
    plant(None);
}

#[test]
fn a_key_that_is_ignored_is_caught() {
    is_caught("key ignored", 2, "repeats it", one_key(Some(Mutant::KeyIgnored)));
    plant(None);
}

#[test]
fn an_answer_before_its_sync_is_caught() {
    let early = Some(Mutant::AnswerBeforeSync);
    is_caught("answer before sync", 2, "before it is durable", one_key(early));
    plant(None);
}
