//! Cases that broke an earlier engine, each built by hand.

use super::say::*;
use super::seeds::Dice;
use quipu_core::driver::{Driver, Filters, Move};
use quipu_core::log::Finish;
use quipu_core::machine::{Command, Machine};
use quipu_core::machines::account::{self, Account};
use quipu_core::machines::book;
use quipu_core::machines::collection::Collection;
use quipu_core::machines::drop::{self, Drop};
use quipu_core::machines::record::{self, Record};
use quipu_core::machines::ticket::{self, Ticket};
use quipu_core::records::Entries;
use quipu_core::shard::{Ask, BUCKET_MS, KEY_LIFE_MS, Key, Leg, Options, Outcome, Reply};
use quipu_core::words::{Book, Code, Fault, Id, Kind, Metadata, Name, Position, Timestamp};

#[test]
fn a_leg_cannot_name_the_position_of_an_earlier_one() {
    let mut ledger = ledger(1);
    done(ledger.ask(command::<Account>("a", open())));
    done(ledger.ask(command::<Account>("a", deposit(10))));
    // Where legs are tried, their events have positions that no event can have for good.
    let release = account::Command::Release { hold: id("h9223372036854775807") };
    let legs = vec![leg::<Account>("a", hold(1, None)), leg::<Account>("a", release)];
    assert_eq!(code(ledger.ask(Ask::Transaction(legs, None))), Code::NotFound);

    let mut second = leg::<Account>("a", deposit(1));
    second.options.if_version = Some(Position::new(u64::MAX >> 1));
    let legs = vec![leg::<Account>("a", deposit(1)), second];
    assert_eq!(code(ledger.ask(Ask::Transaction(legs, None))), Code::VersionMismatch);
}

#[test]
fn a_version_that_cannot_be_is_a_mismatch() {
    let mut ledger = ledger(1);
    done(ledger.ask(command::<Account>("a", open())));
    let mut only = leg::<Account>("a", deposit(1));
    only.options.if_version = Some(Position::new(u64::MAX));
    let key = Key::new("k").expect("a well-formed key");
    for replayed in [false, true] {
        let no = refused(ledger.ask(Ask::Command(only.clone(), Some(key.clone()))));
        assert_eq!((no.refusal.code, no.replayed), (Code::VersionMismatch, replayed));
    }
}

#[test]
fn a_transfer_to_oneself_may_insist_on_a_version() {
    let mut ledger = ledger(1);
    done(ledger.ask(command::<Account>("a", open())));
    let version = done(ledger.ask(command::<Account>("a", deposit(10)))).version;
    let mut own = leg::<Account>("a", transfer("a", 1));
    own.options.if_version = Some(version);
    assert!(done(ledger.ask(Ask::Command(own, None))).changed);
}

#[test]
fn a_release_gives_back_its_own_units_and_no_others() {
    for (shards, short_way) in [(1, true), (1, false), (2, true)] {
        for crash in [false, true] {
            let mut setup = setup(shards);
            setup.config.short_way = short_way;
            let mut ledger = Driver::create(setup).expect("a new ledger opens");
            let mut create = new_drop(100);
            if let drop::Command::Create { per_claimant, .. } = &mut create {
                *per_claimant = Some(3);
            }
            done(ledger.ask(command::<Drop>("d", create)));
            let first = done(ledger.ask(command::<Drop>("d", take("al", 1))));
            done(ledger.ask(command::<Drop>("d", take("al", 2))));
            if crash {
                ledger = reopened(ledger);
            }
            let release = drop::Command::Release { claim: Drop::claim_id(first.position) };
            done(ledger.ask(command::<Drop>("d", release)));
            // Has 2 of 3.
            let more = code(ledger.ask(command::<Drop>("d", take("al", 2))));
            assert_eq!(more, Code::ClaimLimitReached, "{shards} {short_way} {crash}");
            done(ledger.ask(command::<Drop>("d", take("al", 1))));
        }
    }
}

#[test]
fn more_holds_fall_due_at_once_than_one_load_brings() {
    let mut ledger = ledger(1);
    done(ledger.ask(command::<Account>("a", open())));
    done(ledger.ask(command::<Account>("a", deposit(100))));
    for _ in 0..70 {
        done(ledger.ask(command::<Account>("a", hold(1, Some(60)))));
    }
    ledger.checkpoint().expect("a checkpoint");
    let mut ledger = reopened(ledger);
    later(&mut ledger, 120_000);
    let before = events(&ledger);
    ledger.submit(read::<Account>("a"));
    for _ in 0..10_000 {
        let Some(step) = ledger.moves().into_iter().next() else { break };
        ledger.step(step);
    }
    assert_eq!(ledger.moves(), [], "it comes to rest");
    assert_eq!(events(&ledger) - before, 70);
    let (_, reply) = ledger.reply().expect("the read is answered");
    let head = done(reply).answer.head::<Account>().expect("an account's head");
    assert_eq!(head.held.signed().get(), 0);
}

#[test]
fn a_timer_fires_that_was_not_durable_when_the_store_was_asked() {
    let mut ledger = ledger(1);
    done(ledger.ask(command::<Account>("a", open())));
    done(ledger.ask(command::<Account>("a", deposit(10))));
    let before = events(&ledger);
    ledger.submit(command::<Account>("a", hold(1, Some(1))));
    later(&mut ledger, 2_000);
    let is_sweep = |step: &Move| matches!(step, Move::Tick(_) | Move::Answer(_));
    while let Some(step) = ledger.moves().into_iter().find(is_sweep) {
        ledger.step(step);
    }
    ledger.run();
    later(&mut ledger, 600_000);
    ledger.run();
    assert_eq!(events(&ledger) - before, 2, "the hold is placed, and expires by itself");
}

#[test]
fn reads_are_answered_after_the_log_has_failed() {
    let mut ledger = ledger(1);
    for who in ["a", "b"] {
        done(ledger.ask(command::<Account>(who, open())));
    }
    ledger.submit(command::<Account>("a", deposit(1)));
    fail_the_append(&mut ledger);
    for passed in [0, 10_000] {
        later(&mut ledger, passed);
        assert_eq!(balance(&mut ledger, "b"), 0);
        assert_eq!(code(ledger.ask(read::<Account>("nobody"))), Code::NotFound);
        // What it rests on is not durable, and never will be.
        let reply = ledger.ask(read::<Account>("a"));
        assert!(matches!(reply, Reply::Failed(Fault::LogFailed)), "{reply:?}");
    }
}

#[test]
fn reads_of_streams_that_were_reserved_when_the_log_failed_are_answered() {
    for delivered in 0..12 {
        let mut ledger = ledger(2);
        for who in ["a", "b", "c", "d"] {
            done(ledger.ask(command::<Account>(who, open())));
        }
        done(ledger.ask(command::<Account>("a", deposit(10))));
        let shard_of = |who| read::<Account>(who).home(2);
        let other = ["b", "c", "d"].into_iter().find(|who| shard_of(who) != shard_of("a"));
        let other = other.expect("one of three lives on the other shard");
        ledger.submit(command::<Account>("a", deposit(1)));
        until_written(&mut ledger);
        ledger.submit(command::<Account>("a", transfer(other, 5)));
        let is_delivery = |step: &Move| matches!(step, Move::Deliver(..));
        for _ in 0..delivered {
            let Some(step) = ledger.moves().into_iter().find(is_delivery) else { break };
            ledger.step(step);
        }
        fail_the_append(&mut ledger);
        // `ask` panics where nobody answers.
        for who in ["a", other] {
            let reply = ledger.ask(read::<Account>(who));
            assert!(!matches!(reply, Reply::Refused(_)), "{delivered} {who}: {reply:?}");
        }
    }
}

#[test]
fn a_replayed_answer_shows_every_piece_of_the_first() {
    let mut ledger = ledger(1);
    let mut opening = open();
    if let account::Command::Open { metadata, .. } = &mut opening {
        *metadata = Metadata::new([("k", "v")]).expect("well-formed metadata");
    }
    done(ledger.ask(command::<Account>("a", opening)));
    ledger.checkpoint().expect("a checkpoint");
    let close = || keyed::<Account>("k", "a", account::Command::Close);
    let first = done(ledger.ask(close()));
    is_as_its_log_says(&ledger);
    let mut ledger = reopened(ledger);
    is_a_replay(&first, &done(ledger.ask(close())));
}

#[test]
fn every_key_that_was_answered_is_replayed_after_a_restart_though_there_is_no_room() {
    const KEYS_MAX: usize = 256;
    for shards in [1, 2, 8] {
        let mut setup = setup(shards);
        setup.config.keys_max = KEYS_MAX;
        let mut ledger = Driver::create(setup).expect("a new ledger opens");
        let who = |number: usize| format!("a{}", number % 16);
        for number in 0..16 {
            done(ledger.ask(command::<Account>(&who(number), open())));
        }
        let pay = |number| keyed::<Account>(&format!("k{number:04}"), &who(number), deposit(1));
        let mut answered = Vec::new();
        for number in 0..3_000 {
            match ledger.ask(pay(number)) {
                Reply::Done(outcome) => answered.push((number, outcome)),
                Reply::Failed(Fault::Overloaded) => {}
                other => panic!("{other:?}"),
            }
        }
        let room = KEYS_MAX * shards;
        assert!((room * 3 / 4..=room).contains(&answered.len()), "{}", answered.len());
        let mut ledger = reopened(ledger);
        for (number, first) in &answered {
            is_a_replay(first, &done(ledger.ask(pay(*number))));
        }
        let paid: i128 = (0..16).map(|number| balance(&mut ledger, &who(number))).sum();
        assert_eq!(paid, answered.len() as i128, "each was executed once");
    }
}

/// For a while there are two rows of such a key, in two buckets of the store.
#[test]
fn a_key_that_was_used_again_after_its_day_answers_what_it_answered_last() {
    for crash in [false, true] {
        let mut setup = setup(1);
        setup.config.memory_max = 0;
        let mut ledger = Driver::create(setup).expect("a new ledger opens");
        for who in ["a", "b"] {
            done(ledger.ask(command::<Account>(who, open())));
        }
        let pay = || keyed::<Account>("k", "a", deposit(1));
        let into_bucket = ledger.now().ms() % BUCKET_MS;
        later(&mut ledger, BUCKET_MS - into_bucket);
        let yesterday = done(ledger.ask(pay()));
        later(&mut ledger, KEY_LIFE_MS);
        let today = done(ledger.ask(pay()));
        assert!(!today.replayed && today.position > yesterday.position);
        if crash {
            ledger = reopened(ledger);
            later(&mut ledger, 5_000);
        } else {
            // Whatever is not used meanwhile is let go of.
            for _ in 0..8 {
                done(ledger.ask(command::<Account>("b", deposit(1))));
            }
        }
        is_a_replay(&today, &done(ledger.ask(pay())));
        assert_eq!(balance(&mut ledger, "a"), 2);
    }
}

/// What the store says of one key is no news of another that waits for the same stream.
#[test]
fn an_absent_key_is_absent_for_its_own_ask_only() {
    for seed in 0..100 {
        let mut setup = setup(1);
        setup.config.short_way = false;
        setup.filters = Filters::Never;
        let mut ledger = Driver::create(setup).expect("a new ledger opens");
        done(ledger.ask(command::<Account>("a", open())));
        done(ledger.ask(command::<Account>("a", deposit(10))));
        let pay = |key| keyed::<Account>(key, "a", deposit(1));
        let first = done(ledger.ask(pay("present")));
        let mut ledger = reopened(ledger);
        assert_eq!(balance(&mut ledger, "a"), 11);
        let mut referenced = charge(1);
        if let account::Command::Charge { reference, .. } = &mut referenced {
            *reference = Some(id("r"));
        }
        ledger.submit(pay("absent"));
        ledger.submit(Ask::Transaction(vec![leg::<Account>("a", referenced)], None));
        let retried = ledger.submit(pay("present"));
        let mut dice = Dice::new(seed);
        while !ledger.moves().is_empty() {
            let step = dice.pick(&ledger.moves());
            ledger.step(step);
        }
        let mut answers = core::iter::from_fn(|| ledger.reply());
        let (_, again) = answers.find(|(call, _)| *call == retried).expect("it is answered");
        is_a_replay(&first, &done(again));
        assert_eq!(balance(&mut ledger, "a"), 11, "seed {seed}: one in, one out");
    }
}

#[test]
fn memory_is_bounded_however_many_streams_come() {
    let mut setup = setup(1);
    setup.config.memory_max = 100_000;
    setup.config.calls_max = 1 << 20;
    setup.room = (1 << 20, 1 << 30);
    let mut ledger = Driver::create(setup).expect("a new ledger opens");
    for round in 0..10 {
        for number in 0..2_000 {
            ledger.submit(command::<Ticket>(&format!("t{round}.{number}"), issue()));
        }
        ledger.run();
        while ledger.reply().is_some() {}
        let memory = ledger.shards()[0].memory();
        assert!(memory < 2_000_000, "round {round}: {memory} bytes");
    }
}

/// What events make in memory counts as much as what is read into it.
#[test]
fn memory_is_bounded_however_many_items_one_stream_makes() {
    let mut setup = setup(1);
    setup.config.memory_max = 100_000;
    setup.config.calls_max = 1 << 20;
    setup.room = (1 << 20, 1 << 30);
    let mut ledger = Driver::create(setup).expect("a new ledger opens");
    done(ledger.ask(command::<Drop>("d", new_drop(1 << 20))));
    for round in 0..20 {
        for number in 0..1_000 {
            ledger.submit(command::<Drop>("d", take(&format!("c{round}.{number}"), 1)));
        }
        ledger.run();
        while ledger.reply().is_some() {}
    }
    let memory = ledger.shards()[0].memory();
    assert!(memory < 1_000_000, "{memory} bytes");
}

/// A stream for which commands always wait is never idle, and lets go of its items all the same.
#[test]
fn memory_is_bounded_on_a_stream_that_is_asked_without_a_pause() {
    let mut setup = setup(1);
    setup.config.memory_max = 100_000;
    setup.config.calls_max = 1 << 20;
    setup.room = (1 << 20, 1 << 30);
    // Each claim asks the store who has claimed before.
    setup.filters = Filters::Never;
    let mut ledger = Driver::create(setup).expect("a new ledger opens");
    done(ledger.ask(command::<Drop>("d", new_drop(1 << 20))));
    let (mut asked, mut answered, mut most) = (0_u32, 0_u32, 0);
    let mut dice = Dice::new(7);
    while answered < 6_000 {
        while asked < answered + 40 {
            ledger.submit(command::<Drop>("d", take(&format!("c{asked}"), 1)));
            asked += 1;
        }
        let step = dice.pick(&ledger.moves());
        ledger.step(step);
        while let Some((_, reply)) = ledger.reply() {
            done(reply);
            answered += 1;
        }
        most = most.max(ledger.shards()[0].memory());
    }
    assert!(most < 400_000, "{most} bytes");
}

#[test]
fn room_that_was_set_aside_and_not_used_comes_back() {
    let mut ledger = ledger(1);
    let mut issued = issue();
    if let ticket::Command::Issue { metadata, .. } = &mut issued {
        let long = "x".repeat(3_900);
        *metadata = Metadata::new([("k", &*long)]).expect("well-formed metadata");
    }
    done(ledger.ask(command::<Ticket>("t", issued)));
    let before = ledger.ring_mut().free();
    for number in 0..10 {
        let revoke = ticket::Command::Revoke { reason: String::new() };
        ledger.ask(keyed::<Ticket>(&format!("k{number}"), "t", revoke));
    }
    assert_eq!(ledger.ring_mut().free(), before);
}

/// A put is two legs on two streams, and the first put of all creates both.
#[test]
fn a_put_that_creates_its_collection_too_is_one_entry_and_replays() {
    for (shards, short_way) in [(1, true), (1, false), (2, true), (8, true)] {
        for checkpoint in [false, true] {
            let mut setup = setup(shards);
            setup.config.short_way = short_way;
            let mut ledger = Driver::create(setup).expect("a new ledger opens");
            let keyed_put = || put(None, Some("k"));
            let first = done(ledger.ask(keyed_put()));
            assert!(first.changed && !first.replayed);
            assert_eq!(created_by_the_last_entry(&ledger), [Record::KIND, Collection::KIND]);
            is_a_replay(&first, &done(ledger.ask(keyed_put())));
            is_as_its_log_says(&ledger);
            if checkpoint {
                ledger.checkpoint().expect("a checkpoint");
            }
            let mut ledger = reopened(ledger);
            is_a_replay(&first, &done(ledger.ask(keyed_put())));
            let collection = done(ledger.ask(read::<Collection>("c"))).answer;
            assert!(collection.head::<Collection>().expect("a collection's head").used);
            // The version that was shown is the record's, so a caller may insist on it.
            assert!(done(ledger.ask(put(Some(first.version), None))).changed);
            is_as_its_log_says(&ledger);
        }
    }
}

#[test]
fn a_ledger_begins_with_one_entry_whatever_it_says() {
    let mut setup = setup(2);
    let create = Command::of::<book::Book>(book::Command::Create);
    let stream = Name::new(Book::SYSTEM, book::Book::KIND, id("second"));
    setup.genesis.push(Leg { stream, command: create, options: Options::default() });
    let ledger = Driver::create(setup).expect("a new ledger opens");
    assert_eq!(events(&ledger), 2);
    assert_eq!(created_by_the_last_entry(&ledger), [book::Book::KIND; 2]);
}

fn later(ledger: &mut Driver, ms: u64) {
    ledger.set_now(Timestamp::from_ms(ledger.now().ms() + ms));
}

/// After a crash that loses nothing durable.
fn reopened(ledger: Driver) -> Driver {
    let now = ledger.now();
    ledger.crash(true, now).expect("it opens again")
}

/// How many positions the log has.
fn events(ledger: &Driver) -> u64 {
    ledger.log().frames().iter().map(|frame| frame.events).sum()
}

/// The kinds of the streams that came into being with the last entry, in its order.
fn created_by_the_last_entry(ledger: &Driver) -> Vec<Kind> {
    let frames = ledger.log().frames();
    let frame = frames.iter().rfind(|frame| frame.events > 0).expect("a frame with events");
    let last = Entries::new(&frame.bytes, frame.first).last().expect("an entry");
    let parts = last.expect("a readable entry").parts;
    parts.iter().filter(|part| part.head.created.is_some()).map(|part| part.head.kind).collect()
}

/// Takes steps until a frame is on its way to the disk.
fn until_written(ledger: &mut Driver) {
    while !ledger.moves().contains(&Move::Settle) {
        let step = ledger.moves()[0];
        ledger.step(step);
    }
}

/// The log fails under what was asked last, and every caller gets to know.
fn fail_the_append(ledger: &mut Driver) {
    until_written(ledger);
    ledger.settle(Finish::Failed, false);
    ledger.run();
    while ledger.reply().is_some() {}
}

/// A put of one record into one collection, neither of which need be there.
fn put(if_version: Option<Position>, key: Option<&str>) -> Ask {
    let put = record::Command::Put {
        value: "x".into(),
        ttl_ms: None,
        must_be_absent: false,
        fields: Vec::new(),
        era: 0,
    };
    let leg = Leg {
        stream: Name::new(Book::DEFAULT, Record::KIND, Id::pair(&id("c"), &id("r"))),
        command: Command::of::<Record>(put),
        options: Options { if_version, ..Options::default() },
    };
    Ask::Command(leg, key.map(|key| Key::new(key).expect("a well-formed key")))
}

/// The same answer a second time, down to its bytes, and marked as such.
fn is_a_replay(first: &Outcome, again: &Outcome) {
    assert_eq!(&Outcome { replayed: true, ..first.clone() }, again);
}

fn is_as_its_log_says(ledger: &Driver) {
    assert_eq!(ledger.digest(), Ok(ledger.replayed_digest().expect("the log replays")));
}
