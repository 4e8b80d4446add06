use super::say::*;
use quipu_core::driver::{Driver, Move};
use quipu_core::log::Finish;
use quipu_core::machines::account::{self, Account};
use quipu_core::machines::drop::{self, Drop};
use quipu_core::machines::ticket::{self, Ticket};
use quipu_core::shard::{Ask, Key, Reply};
use quipu_core::words::{Id, Metadata, Position, Timestamp};

fn later(l: &mut Driver, ms: u64) {
    let t = l.now().ms() + ms;
    l.set_now(Timestamp::from_ms(t));
}

#[test]
fn r1_hold_of_trial_position() {
    let mut l = ledger(1);
    done(l.ask(command::<Account>("a", open())));
    done(l.ask(command::<Account>("a", deposit(10))));
    let reply = l.ask(Ask::Transaction(
        vec![
            leg::<Account>("a", hold(1, None)),
            leg::<Account>("a", account::Command::Release { hold: id("h9223372036854775807") }),
        ],
        None,
    ));
    println!("r1 {reply:?}");
    assert!(matches!(reply, Reply::Refused(_)));
}

#[test]
fn r1b_if_version_of_trial_position() {
    let mut l = ledger(1);
    done(l.ask(command::<Account>("a", open())));
    let mut second = leg::<Account>("a", deposit(1));
    second.options.if_version = Some(Position::new(u64::MAX >> 1));
    let reply = l.ask(Ask::Transaction(vec![leg::<Account>("a", deposit(1)), second], None));
    assert!(matches!(reply, Reply::Refused(_)), "{reply:?}");
}

#[test]
fn r2_units_lost_on_release() {
    for (shards, short) in [(1, true), (1, false), (2, false)] {
        let mut s = setup(shards);
        s.config.short_way = short;
        let mut l = Driver::create(s).unwrap();
        let mut d = new_drop(100);
        if let drop::Command::Create { per_claimant, .. } = &mut d {
            *per_claimant = Some(3);
        }
        done(l.ask(command::<Drop>("d", d)));
        let first = done(l.ask(command::<Drop>("d", take("al", 1))));
        done(l.ask(command::<Drop>("d", take("al", 2))));
        let c = Id::made('c', first.position);
        done(l.ask(command::<Drop>("d", drop::Command::Release { claim: c })));
        let r = l.ask(command::<Drop>("d", take("al", 2)));
        assert!(
            matches!(r, Reply::Refused(_)),
            "shards {shards} short {short}: has 2, limit 3, got 2 more: {r:?}"
        );
    }
}

#[test]
fn r3_many_holds_due_at_once_cold() {
    let mut l = ledger(1);
    done(l.ask(command::<Account>("a", open())));
    done(l.ask(command::<Account>("a", deposit(1000))));
    for _ in 0..70 {
        done(l.ask(command::<Account>("a", hold(1, Some(60)))));
    }
    l.checkpoint().unwrap();
    let now = l.now();
    let mut l = l.crash(true, now).unwrap();
    later(&mut l, 120_000);
    l.submit(read::<Account>("a"));
    for _ in 0..10_000 {
        let Some(m) = l.moves().into_iter().next() else { return };
        l.step(m);
    }
    panic!("still busy after 10,000 steps, next {:?}", l.moves().first());
}

#[test]
fn r4_reads_after_latch() {
    let mut l = ledger(1);
    done(l.ask(command::<Account>("a", open())));
    l.submit(command::<Account>("a", deposit(1)));
    while !l.moves().contains(&Move::Settle) {
        let m = l.moves()[0];
        l.step(m);
    }
    l.settle(Finish::Failed, false);
    l.run();
    while l.reply().is_some() {}
    l.submit(read::<Account>("b"));
    l.run();
    println!("r4 at once {:?}", l.reply());
    later(&mut l, 10_000);
    l.submit(read::<Account>("b"));
    l.run();
    assert!(l.reply().is_some(), "a read of durable state is never answered");
}

#[test]
fn r13_version_of_a_put_that_creates_both() {
    use quipu_core::machines::record::{self, Record};
    let mut l = ledger(1);
    let stream = quipu_core::words::Name::new(
        quipu_core::words::Book::DEFAULT,
        <Record as quipu_core::machine::Machine>::KIND,
        Id::pair(&id("c"), &id("k")),
    );
    let put = |v: Option<Position>| {
        let c = record::Command::Put {
            value: "x".into(),
            ttl_ms: None,
            must_be_absent: false,
            fields: Vec::new(),
            era: 0,
        };
        let mut leg = quipu_core::shard::Leg {
            stream: stream.clone(),
            command: quipu_core::machine::Command::of::<Record>(c),
            options: Default::default(),
        };
        leg.options.if_version = v;
        Ask::Command(leg, None)
    };
    let o = done(l.ask(put(None)));
    println!("r13 {:?} {:?}", o.version, o.answer.stamp());
    let r = l.ask(put(Some(o.version)));
    assert!(matches!(r, Reply::Done(_)), "{r:?}");
}

#[test]
fn r5_timer_lost_while_not_durable() {
    let mut l = ledger(1);
    done(l.ask(command::<Account>("a", open())));
    done(l.ask(command::<Account>("a", deposit(10))));
    l.run();
    l.submit(command::<Account>("a", hold(1, Some(1))));
    later(&mut l, 2_000);
    // The timer's sweep asks before the log is done.
    while let Some(m) = l.moves().into_iter().find(|m| matches!(m, Move::Tick(_) | Move::Answer(_)))
    {
        l.step(m);
    }
    l.run();
    later(&mut l, 600_000);
    l.run();
    let frames = l.log().frames();
    println!("frames {}", frames.len());
    assert!(
        l.shards()[0].wake_at() != Timestamp::NEVER
            || frames.iter().map(|f| f.events).sum::<u64>() >= 5,
        "the hold never expires by itself"
    );
}

#[test]
fn r6_replay_of_keyed_answer() {
    let mut l = ledger(1);
    let m = Metadata::new([("k", "v")]).unwrap();
    let mut o = open();
    if let account::Command::Open { metadata, .. } = &mut o {
        *metadata = m.clone();
    }
    done(l.ask(command::<Account>("a", o)));
    l.checkpoint().unwrap();
    let first = done(l.ask(keyed::<Account>("k", "a", account::Command::Close)));
    let same = l.digest().unwrap() == l.replayed_digest().unwrap();
    let now = l.now();
    let mut l = l.crash(true, now).unwrap();
    let again = done(l.ask(keyed::<Account>("k", "a", account::Command::Close)));
    println!("r6 digest same {same}");
    assert_eq!(first.answer.pieces().count(), again.answer.pieces().count());
}

#[test]
fn r7_keys_after_restart() {
    for shards in [1, 2, 8] {
        let mut s = setup(shards);
        s.config.keys_max = 256;
        let mut l = Driver::create(s).unwrap();
        for a in 0..16 {
            done(l.ask(command::<Account>(&format!("a{a}"), open())));
        }
        let mut took = Vec::new();
        for k in 0..1500 {
            let a = format!("a{}", k % 16);
            match l.ask(keyed::<Account>(&format!("k{k}"), &a, deposit(1))) {
                Reply::Done(_) => took.push(k),
                Reply::Failed(_) => {}
                o => panic!("{o:?}"),
            }
        }
        let now = l.now();
        let mut l = l.crash(true, now).unwrap();
        let mut again = 0;
        let mut over = 0;
        for k in &took {
            let a = format!("a{}", k % 16);
            match l.ask(keyed::<Account>(&format!("k{k}"), &a, deposit(1))) {
                Reply::Done(o) => again += usize::from(!o.replayed),
                Reply::Failed(_) => over += 1,
                o => panic!("{o:?}"),
            }
        }
        println!(
            "r7 shards {shards}: {} keys, {again} executed twice, {over} overloaded",
            took.len()
        );
        let _ = again;
    }
}

#[test]
fn r8_key_used_again_after_a_day() {
    let mut l = ledger(1);
    done(l.ask(command::<Account>("a", open())));
    // Begin a bucket.
    let ms = l.now().ms();
    later(&mut l, 600_000 - ms % 600_000);
    assert!(!done(l.ask(keyed::<Account>("k", "a", deposit(1)))).replayed);
    later(&mut l, 24 * 3_600_000);
    assert!(!done(l.ask(keyed::<Account>("k", "a", deposit(1)))).replayed);
    let now = l.now();
    let mut l = l.crash(true, now).unwrap();
    later(&mut l, 5_000);
    assert!(done(l.ask(keyed::<Account>("k", "a", deposit(1)))).replayed, "executed again");
}

#[test]
fn r9_self_transfer_if_match() {
    let mut l = ledger(1);
    done(l.ask(command::<Account>("a", open())));
    let v = done(l.ask(command::<Account>("a", deposit(10)))).version;
    let mut t = leg::<Account>("a", transfer("a", 1));
    t.options.if_version = Some(v);
    let r = l.ask(Ask::Command(t, None));
    assert!(matches!(r, Reply::Done(_)), "{r:?}");
}

#[test]
fn r10_if_match_max() {
    let mut l = ledger(1);
    done(l.ask(command::<Account>("a", open())));
    let mut t = leg::<Account>("a", deposit(1));
    t.options.if_version = Some(Position::new(u64::MAX));
    let r = l.ask(Ask::Command(t, Some(Key::new("k").unwrap())));
    println!("{r:?}");
}

#[test]
fn r11_memory_is_bounded() {
    let mut s = setup(1);
    s.config.memory_max = 100_000;
    s.config.calls_max = 1 << 20;
    s.room = (1 << 20, 1 << 30);
    let mut l = Driver::create(s).unwrap();
    for round in 0..10 {
        for k in 0..2_000 {
            l.submit(command::<Ticket>(&format!("t{round}.{k}"), issue()));
        }
        l.run();
        while l.reply().is_some() {}
        println!(
            "round {round}: {} bytes, {} streams",
            l.shards()[0].memory(),
            l.shards()[0].streams_resident()
        );
    }
    assert!(l.shards()[0].memory() < 2_000_000);
}

#[test]
fn r12_ring_bytes() {
    let mut l = ledger(1);
    let value = "x".repeat(3900);
    let m = Metadata::new([("k", &*value)]).unwrap();
    let mut i = issue();
    if let ticket::Command::Issue { metadata, .. } = &mut i {
        *metadata = m.clone();
    }
    done(l.ask(command::<Ticket>("t", i)));
    let before = {
        l.run();
        l.ring_mut().free()
    };
    for n in 0..10 {
        println!(
            "r12 {:?}",
            matches!(
                l.ask(keyed::<Ticket>(
                    &format!("k{n}"),
                    "t",
                    ticket::Command::Revoke { reason: String::new() }
                )),
                Reply::Done(_)
            )
        );
    }
    l.run();
    assert_eq!(before, l.ring_mut().free());
}

#[test]
fn r14_absent_key_of_another() {
    let mut s = setup(1);
    s.config.short_way = false;
    s.note_all = false;
    let mut l = Driver::create(s).unwrap();
    done(l.ask(command::<Account>("s", open())));
    done(l.ask(command::<Account>("s", deposit(10))));
    assert!(!done(l.ask(keyed::<Account>("kB", "s", deposit(1)))).replayed);
    let now = l.now();
    let mut l = l.crash(true, now).unwrap();
    assert_eq!(balance(&mut l, "s"), 11);
    l.submit(keyed::<Account>("kA", "s", deposit(1)));
    let c = account::Command::Charge {
        amount: amount(1),
        reference: Some(id("r1")),
        metadata: Metadata::default(),
    };
    l.submit(Ask::Transaction(vec![leg::<Account>("s", c)], None));
    let b = l.submit(keyed::<Account>("kB", "s", deposit(1)));
    l.step(Move::Answer(1));
    l.step(Move::Answer(0));
    l.step(Move::Answer(0));
    l.run();
    while let Some((call, reply)) = l.reply() {
        if call == b {
            assert!(done(reply.clone()).replayed, "kB was executed twice: {reply:?}");
        }
    }
}

#[test]
fn r15_reserved_when_latched() {
    let mut hung = Vec::new();
    for n in 0..12 {
        let mut l = ledger(2);
        for a in ["a", "b", "c", "d"] {
            done(l.ask(command::<Account>(a, open())));
        }
        done(l.ask(command::<Account>("a", deposit(10))));
        let other = ["b", "c", "d"]
            .into_iter()
            .find(|o| l.home(&read::<Account>(o)) != l.home(&read::<Account>("a")))
            .unwrap();
        l.submit(command::<Account>("a", deposit(1)));
        while !l.moves().contains(&Move::Settle) {
            let m = l.moves()[0];
            l.step(m);
        }
        l.submit(command::<Account>("a", transfer(other, 5)));
        for _ in 0..n {
            let Some(m) = l.moves().into_iter().find(|m| matches!(m, Move::Deliver(..))) else {
                break;
            };
            l.step(m);
        }
        l.settle(Finish::Failed, false);
        l.run();
        while l.reply().is_some() {}
        for who in ["a", other] {
            l.submit(read::<Account>(who));
            l.run();
            if l.reply().is_none() {
                hung.push((n, who));
            }
        }
    }
    assert!(hung.is_empty(), "reads that are never answered: {hung:?}");
}

#[test]
fn r16_units_lost_after_restart_default_config() {
    let mut l = ledger(1);
    let mut d = new_drop(100);
    if let drop::Command::Create { per_claimant, .. } = &mut d {
        *per_claimant = Some(3);
    }
    done(l.ask(command::<Drop>("d", d)));
    let first = done(l.ask(command::<Drop>("d", take("al", 1))));
    done(l.ask(command::<Drop>("d", take("al", 2))));
    let now = l.now();
    let mut l = l.crash(true, now).unwrap();
    let c = Id::made('c', first.position);
    done(l.ask(command::<Drop>("d", drop::Command::Release { claim: c })));
    let r = l.ask(command::<Drop>("d", take("al", 2)));
    assert!(matches!(r, Reply::Refused(_)), "has 2 of 3, got 2 more");
}
