//! More cases that broke an earlier engine: what one shard does on the streams of another,
//! bounds, and work that must grow no faster than what is asked.

use super::say::*;
use quipu_core::driver::{Driver, Move};
use quipu_core::machine::Command as Any;
use quipu_core::machines::account::{self, Account};
use quipu_core::machines::drop::{self, Drop};
use quipu_core::machines::record::{self, Record};
use quipu_core::machines::ticket::{self, Ticket};
use quipu_core::shard::{Ask, Key, Leg, Reply};
use quipu_core::words::{Book, Fault, Id, Metadata, Name, Timestamp};

fn later(l: &mut Driver, ms: u64) {
    let t = l.now().ms() + ms;
    l.set_now(Timestamp::from_ms(t));
}

fn events(l: &Driver) -> u64 {
    l.log().frames().iter().map(|frame| frame.events).sum()
}

/// An account's name that lives on that shard of two.
fn on(shard: usize, front: &str) -> String {
    (0..64)
        .map(|n| format!("{front}{n}"))
        .find(|who| quipu_core::shard::Shard::of(&name::<Account>(who), 2) == shard)
        .expect("some name hashes there")
}

/// A transaction that another shard coordinates leaves a timer here. This shard sweeps for
/// something else before that is durable, and must ask again.
#[test]
fn a_timer_that_another_shard_set_is_not_lost() {
    let mut l = ledger(2);
    let (here, there, other) = (on(0, "a"), on(1, "b"), on(1, "c"));
    for who in [&here, &there, &other] {
        done(l.ask(command::<Account>(who, open())));
        done(l.ask(command::<Account>(who, deposit(100))));
    }
    // This shard wakes for a hold that is over by then, so the sweep fires nothing.
    let held = done(l.ask(command::<Account>(&other, hold(1, Some(1)))));
    let over = account::Command::Release { hold: Id::made('h', held.position) };
    done(l.ask(command::<Account>(&other, over)));
    // Coordinated by the first leg's shard, so the hold on the other shard is installed there.
    l.submit(Ask::Transaction(
        vec![leg::<Account>(&here, charge(1)), leg::<Account>(&there, hold(7, Some(3)))],
        None,
    ));
    let deliver = |m: &Move| matches!(m, Move::Deliver(..));
    while let Some(m) = l.moves().into_iter().find(deliver) {
        l.step(m);
    }
    later(&mut l, 1_500);
    // The sweep asks before the transaction is durable.
    while let Some(m) = l.moves().into_iter().find(|m| matches!(m, Move::Tick(_) | Move::Answer(_)))
    {
        l.step(m);
    }
    l.run();
    let before = events(&l);
    later(&mut l, 600_000);
    l.run();
    assert!(events(&l) > before, "the hold on {there} never expires by itself");
}

/// A sweep whose 64 streams were changed by other shards' transactions must not ask the store
/// again before the log is done with those.
#[test]
fn a_sweep_waits_for_what_another_shard_wrote() {
    let mut s = setup(2);
    s.config.short_way = true;
    let mut l = Driver::create(s).expect("a new ledger opens");
    let here = on(0, "a");
    done(l.ask(command::<Account>(&here, open())));
    done(l.ask(command::<Account>(&here, deposit(1_000))));
    let those: Vec<String> = (0..400)
        .map(|n| format!("x{n}"))
        .filter(|who| quipu_core::shard::Shard::of(&name::<Account>(who), 2) == 1)
        .take(64)
        .collect();
    let mut legs = vec![leg::<Account>(&here, charge(1))];
    for who in &those {
        done(l.ask(command::<Account>(who, open())));
        done(l.ask(command::<Account>(who, deposit(100))));
        let held = done(l.ask(command::<Account>(who, hold(1, Some(5)))));
        let hold = Id::made('h', held.position);
        legs.push(leg::<Account>(who, account::Command::Release { hold }));
    }
    l.submit(Ask::Transaction(legs, None));
    while let Some(m) = l.moves().into_iter().find(|m| matches!(m, Move::Deliver(..))) {
        l.step(m);
    }
    later(&mut l, 10_000);
    let mut asked = 0;
    while let Some(m) = l.moves().into_iter().find(|m| matches!(m, Move::Tick(1) | Move::Answer(_)))
    {
        l.step(m);
        asked += usize::from(matches!(m, Move::Answer(_)));
        assert!(asked < 1_000, "the store is asked for what is due without an end");
    }
}

/// The room that is set aside is enough for the longest names.
#[test]
fn the_room_set_aside_covers_the_longest_names() {
    let long = |c: char| Id::new(&c.to_string().repeat(128)).expect("well formed");
    for key in [false, true] {
        for fields in [0usize, 1, 16] {
            let mut l = ledger(1);
            let stream = Name::new(
                Book::DEFAULT,
                <Record as quipu_core::machine::Machine>::KIND,
                Id::pair(&long('c'), &long('k')),
            );
            let c = record::Command::Put {
                value: "1".into(),
                ttl_ms: Some(1),
                must_be_absent: false,
                fields: (0..fields).map(|n| (id(&format!("f{n}")), "v".repeat(256))).collect(),
                era: 0,
            };
            let leg = Leg { stream, command: Any::of::<Record>(c), options: Default::default() };
            let key = key.then(|| Key::new("k").expect("well formed"));
            done(l.ask(Ask::Command(leg.clone(), key.clone())));
            done(l.ask(Ask::Transaction(vec![leg], key)));
        }
    }
    // A priced claim and its release with the longest ids, everywhere, keyed and not.
    use quipu_core::machines::drop::Price;
    for (short, key) in [(true, false), (true, true), (false, false), (false, true)] {
        let mut s = setup(1);
        s.config.short_way = short;
        let mut l = Driver::create(s).expect("a new ledger opens");
        let (d, b, sl) = ("d".repeat(128), "b".repeat(128), "s".repeat(128));
        let mut create = new_drop(10);
        if let drop::Command::Create { price, seller, per_claimant, .. } = &mut create {
            *price = Some(Price { amount: amount(10), asset: usd() });
            *seller = Some(id(&sl));
            *per_claimant = Some(5);
        }
        done(l.ask(command::<Drop>(&d, create)));
        for who in [&b, &sl] {
            done(l.ask(command::<Account>(who, open())));
            done(l.ask(command::<Account>(who, deposit(100))));
        }
        let k = |k: &str| key.then(|| Key::new(k).expect("well formed"));
        let claim =
            drop::Command::Claim { claimant: long('c'), quantity: 1, pay_from: Some(id(&b)) };
        let o = done(l.ask(Ask::Command(leg::<Drop>(&d, claim), k("1"))));
        let release = drop::Command::Release { claim: Id::made('c', o.position) };
        done(l.ask(Ask::Command(leg::<Drop>(&d, release), k("2"))));
        let m = Metadata::new([("k", "x".repeat(3_900).as_str())]).expect("well formed");
        let t = account::Command::Transfer { to: id(&sl), amount: amount(1), metadata: m };
        done(l.ask(Ask::Command(leg::<Account>(&b, t.clone()), k("3"))));
        done(l.ask(Ask::Transaction(vec![leg::<Account>(&b, t)], k("4"))));
        let w = account::Command::Withdraw {
            amount: amount(1),
            destination: "\u{1f600}".repeat(1024),
            secret: Some(vec![1; 4096]),
        };
        let o = done(l.ask(Ask::Transaction(vec![leg::<Account>(&b, w)], k("5"))));
        let w = Id::made('w', o.position);
        let lease = account::Command::Lease { withdrawal: w, worker: long('w'), seconds: 9 };
        done(l.ask(Ask::Transaction(vec![leg::<Account>(&b, lease)], k("6"))));
    }
}

/// Ten thousand tickets fit into one transaction, with long ids, references or metadata.
#[test]
fn a_batch_of_ten_thousand_tickets_fits() {
    for (id_len, ref_len, meta) in
        [(12, 0, 0), (36, 36, 0), (64, 64, 0), (36, 36, 40), (128, 128, 0)]
    {
        let mut s = setup(1);
        s.room = (1 << 16, 64 << 20);
        let mut l = Driver::create(s).expect("a new ledger opens");
        let legs: Vec<Leg> = (0..10_000)
            .map(|n| {
                let mut i = issue();
                if let ticket::Command::Issue { reference, metadata, batch, .. } = &mut i {
                    *batch = true;
                    if ref_len > 0 {
                        *reference = Some(id(&format!("{n:0>ref_len$}")));
                    }
                    if meta > 0 {
                        *metadata = Metadata::new([("key", "v".repeat(meta).as_str())])
                            .expect("well formed");
                    }
                }
                leg::<Ticket>(&format!("{n:0>id_len$}"), i)
            })
            .collect();
        let r = l.ask(Ask::Transaction(legs, None));
        assert!(matches!(r, Reply::Done(_)), "ids of {id_len}, references of {ref_len}: {r:?}");
    }
}

/// The refusal of a key that came with another command shows the stream's newest version, and
/// waits for it.
#[test]
fn a_reused_key_shows_no_version_that_is_not_durable() {
    let mut l = ledger(1);
    done(l.ask(command::<Account>("a", open())));
    done(l.ask(keyed::<Account>("k", "a", deposit(1))));
    let durable = l.durable().watermark;
    l.submit(command::<Account>("a", deposit(5)));
    l.submit(keyed::<Account>("k", "a", deposit(2)));
    let Some((_, reply)) = l.reply() else { return };
    let shown = refused(reply).version;
    assert!(shown <= durable, "version {shown:?} was shown, {durable:?} is durable");
}

/// A long transaction over streams that are not in memory asks for all of them at once, and for
/// each of them once.
#[test]
fn a_long_cold_transaction_reads_all_at_once() {
    for count in [10_u64, 4_000] {
        let mut s = setup(1);
        s.room = (1 << 16, 64 << 20);
        let mut l = Driver::create(s).expect("a new ledger opens");
        let legs: Vec<Leg> = (0..count)
            .map(|n| {
                let mut i = issue();
                if let ticket::Command::Issue { batch, reference, .. } = &mut i {
                    *batch = true;
                    *reference = Some(id(&format!("r{n:0>40}")));
                }
                leg::<Ticket>(&format!("t{n}"), i)
            })
            .collect();
        done(l.ask(Ask::Transaction(legs.clone(), None)));
        l.checkpoint().expect("a checkpoint in memory");
        let now = l.now();
        let mut l = l.crash(true, now).expect("it opens again");
        l.submit(Ask::Transaction(legs, None));
        let loads = |l: &Driver| l.moves().iter().filter(|m| matches!(m, Move::Answer(_))).count();
        assert_eq!(loads(&l) as u64, count, "all at once");
        let steps = l.steps();
        l.run();
        assert!(matches!(l.reply(), Some((_, Reply::Done(_)))));
        let steps = l.steps() - steps;
        assert!(steps <= count + 10, "{steps} steps for {count} streams");
    }
}

/// What is due on one cold stream is read a page after the other, never from the start again.
#[test]
fn many_due_items_are_read_page_by_page() {
    let mut loads = Vec::new();
    for count in [500_u64, 1_000, 2_000] {
        let mut s = setup(1);
        s.room = (1 << 16, 1 << 30);
        let mut l = Driver::create(s).expect("a new ledger opens");
        done(l.ask(command::<Account>("a", open())));
        done(l.ask(command::<Account>("a", deposit(100_000))));
        for _ in 0..count {
            done(l.ask(command::<Account>("a", hold(1, Some(60)))));
        }
        l.checkpoint().expect("a checkpoint in memory");
        let now = l.now();
        let mut l = l.crash(true, now).expect("it opens again");
        later(&mut l, 120_000);
        l.submit(read::<Account>("a"));
        let mut asked = 0;
        while let Some(m) = l.moves().into_iter().find(|m| matches!(m, Move::Answer(_))) {
            l.step(m);
            asked += 1;
        }
        loads.push(asked);
    }
    assert!(loads[2] <= loads[0] * 5, "{loads:?}");
}

/// What a user writes: a command that creates three streams at once.
mod trio {
    use quipu_core::machine::{
        self, Canon, Changes, Context, Decided, Expansion, Link, Machine, Place, Said, Shows, View,
    };
    use quipu_core::words::{Id, Kind, Refusal};
    use quipu_core::{record, records};
    use rkyv::{Archive, Deserialize, Serialize};

    pub(super) struct Trio;

    #[derive(Clone, PartialEq, Debug)]
    pub(super) enum Command {
        Make,
        One,
    }

    impl Said for Command {
        fn operation(&self) -> u8 {
            match self {
                Self::Make => 1,
                Self::One => 2,
            }
        }

        fn canon(&self, _: &mut Canon) {}
    }

    #[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
    pub(super) struct Head {
        pub(super) made: u8,
    }

    record!(Head = (1, 1));

    records! {
        pub enum Event {
            Made = (1, 1),
        }
    }

    #[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
    pub struct Made {
        made: u8,
    }

    impl Machine for Trio {
        const KIND: Kind = Kind::new(201);
        const NAME: &'static str = "trio";
        type Head = Head;
        type Item = Head;
        type Event = Event;
        type Command = Command;

        fn expand(view: &View<'_, Self>, command: &Command, _: Option<&Link>) -> Expansion {
            if *command == Command::One {
                return Expansion::Alone;
            }
            let one = |front: &str| {
                let id = Id::new(&format!("{front}-{}", view.id().as_str())).expect("a sound id");
                (view.name.beside(Self::KIND, id), machine::Command::of::<Self>(Command::One))
            };
            Expansion::Legs(vec![one("a"), one("b"), one("c")])
        }

        fn decide(
            _: &View<'_, Self>,
            _: &Command,
            _: &mut Context<'_>,
        ) -> Result<Decided<Event>, Refusal> {
            Ok(Decided::Event(Made { made: 1 }.into()))
        }

        fn apply(state: &mut Changes<'_, Self>, _: &Event, _: &Place) {
            state.set(Head { made: 1 });
        }

        fn shows(_: &Event, _: &Place) -> Shows {
            Shows::head()
        }
    }
}

/// Three streams that one command creates are three events, and two slots are reserved.
#[test]
fn more_events_than_slots_are_refused_before_anything_happens() {
    let mut s = setup(1);
    s.registry = s.registry.with::<trio::Trio>();
    let mut l = Driver::create(s).expect("a new ledger opens");
    let r = l.ask(command::<trio::Trio>("x", trio::Command::Make));
    assert_eq!(r, Reply::Failed(Fault::Internal));
    assert_eq!(events(&l), 1, "nothing but the ledger's first entry");
}

/// What a caller insists on is never dropped in silence: a machine whose steps are all on other
/// streams leaves nothing that could be held against it.
#[test]
fn a_version_that_no_step_can_check_is_refused() {
    let mut s = setup(1);
    s.registry = s.registry.with::<trio::Trio>();
    let mut l = Driver::create(s).expect("a new ledger opens");
    for who in ["a-x", "b-x", "c-x", "x"] {
        done(l.ask(command::<trio::Trio>(who, trio::Command::One)));
    }
    let mut make = leg::<trio::Trio>("x", trio::Command::Make);
    make.options.if_version = Some(quipu_core::words::Position::new(1));
    let r = l.ask(Ask::Command(make, None));
    assert_eq!(r, Reply::Failed(Fault::Internal));
}
