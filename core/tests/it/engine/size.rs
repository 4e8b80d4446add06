//! How many bytes each kind of event takes on the log, through the engine as it is.

use super::say::*;
use quipu_core::driver::Driver;
use quipu_core::machines::account::{self, Account};
use quipu_core::machines::drop::Drop;
use quipu_core::machines::flow::{self, Flow};
use quipu_core::machines::record::{self, Record};
use quipu_core::machines::ticket::Ticket;
use quipu_core::shard::{Ask, Key};
use quipu_core::words::{Book, Id, Metadata, Name, Timestamp};

/// A line of the table: what happens, how it is asked, and the most bytes that it may take.
struct Line {
    what: &'static str,
    ask: Ask,
    keyed: Ask,
    bytes_max: usize,
    keyed_max: usize,
}

/// The bytes of idempotency that an entry carries where its events say what was answered.
const NOTE: usize = 40;

#[test]
fn an_event_takes_few_bytes_on_the_log() {
    let mut ledger = ledger(1);
    // Twelve characters, as a caller's own ids may well have.
    let [alice, seller, flow, ticket] =
        ["account-0001", "account-0002", "flow-0000001", "ticket-00001"];
    let [drop, hold_me, claimant] = ["drop-0000001", "account-0003", "claimant-001"];
    for who in [alice, seller, hold_me] {
        done(ledger.ask(command::<Account>(who, open())));
        done(ledger.ask(command::<Account>(who, deposit(1_000_000))));
    }
    done(ledger.ask(command::<Flow>(flow, new_flow(&ledger))));
    // The first record of a collection creates that as well.
    done(ledger.ask(put("key-00000000")));
    done(ledger.ask(command::<Drop>(drop, new_drop(1_000))));
    for index in 1..=4 {
        done(ledger.ask(command::<Ticket>(&format!("ticket-0000{index}"), issue())));
    }
    let held: Vec<Id> = (0..4).map(|_| made(&mut ledger, 'h', hold(10, Some(60)))).collect();
    let limit = Timestamp::from_ms(ledger.now().ms() + 10_000);
    ledger.set_now(limit);

    let of = |what, bytes_max, keyed_max, [ask, keyed]: [Ask; 2]| {
        let keyed = match keyed {
            Ask::Command(leg, _) => {
                Ask::Command(leg, Some(Key::new("a-key").expect("a sound key")))
            }
            other => other,
        };
        Line { what, ask, keyed, bytes_max, keyed_max }
    };
    let twice = |ask: Ask| [ask.clone(), ask];
    let money = |asked| twice(command::<Account>(alice, asked));
    let ids = |name: &str, ids: [&Id; 2], of: fn(Id) -> account::Command| {
        ids.map(|id| command::<Account>(name, of(id.clone())))
    };
    let lines = [
        of("deposit", 100, 100 + NOTE, money(deposit(5))),
        of("charge", 100, 100 + NOTE, money(charge(5))),
        of("hold", 100, 100 + NOTE, money(hold(5, Some(60)))),
        of(
            "capture",
            100,
            100 + NOTE,
            ids(alice, [&held[0], &held[1]], |hold| account::Command::Capture {
                hold,
                amount: None,
            }),
        ),
        of(
            "release",
            100,
            100 + NOTE,
            ids(alice, [&held[2], &held[3]], |hold| account::Command::Release { hold }),
        ),
        of("withdraw", 120, 120 + NOTE, money(withdraw())),
        of("transfer", 160, 160 + NOTE, money(transfer(seller, 5))),
        of("flow settle", 100, 100 + NOTE, twice(command::<Flow>(flow, flow::Command::Settle))),
        of(
            "flow withdraw",
            100,
            100 + NOTE,
            twice(command::<Flow>(flow, flow::Command::Withdraw { amount: Some(amount(1)) })),
        ),
        of(
            "ticket issue",
            150,
            150 + NOTE,
            ["ticket-00008", "ticket-00009"].map(|name| command::<Ticket>(name, issue())),
        ),
        of(
            "ticket claim",
            100,
            100 + NOTE,
            [ticket, "ticket-00002"].map(|name| command::<Ticket>(name, claim(claimant))),
        ),
        of("drop claim", 100, 100 + NOTE, twice(command::<Drop>(drop, take(claimant, 1)))),
        of(
            "record put of 100 bytes",
            300,
            300 + 2 * NOTE,
            ["key-00000001", "key-00000002"].map(put),
        ),
    ];

    let mut table = String::new();
    let mut misses = Vec::new();
    for Line { what, ask, keyed, bytes_max, keyed_max } in lines {
        let bytes = entry_bytes(&mut ledger, ask);
        // Time passes between the two, so that a flow has something to settle again.
        let now = Timestamp::from_ms(ledger.now().ms() + 1_000);
        ledger.set_now(now);
        let keyed = entry_bytes(&mut ledger, keyed);
        table.push_str(&format!("{what:>24} {bytes:>4} {keyed:>4} with a key\n"));
        if bytes > bytes_max || keyed > keyed_max {
            misses.push(format!("{what}: {bytes} of {bytes_max}, keyed {keyed} of {keyed_max}"));
        }
    }
    println!("{table}");
    assert!(misses.is_empty(), "{misses:#?}\n{table}");
}

/// A hundred small entries share a frame, whose own front is all that comes on top of them.
#[test]
fn a_frame_holds_its_entries_one_behind_the_other() {
    let mut ledger = ledger(1);
    done(ledger.ask(command::<Account>("account-0001", open())));
    let before = ledger.log().frames().len();
    for _ in 0..100 {
        ledger.submit(command::<Account>("account-0001", deposit(5)));
    }
    ledger.run();
    let frames = ledger.log().frames().split_off(before);
    let [frame] = &frames[..] else { panic!("{} frames", frames.len()) };
    assert_eq!(frame.events, 100);
    assert!(frame.bytes.len() <= 100 * 100, "{} bytes", frame.bytes.len());
}

/// The bytes of the one entry that an ask leads to.
fn entry_bytes(ledger: &mut Driver, ask: Ask) -> usize {
    let before = ledger.log().frames().len();
    let outcome = done(ledger.ask(ask));
    assert!(outcome.changed && !outcome.replayed, "{outcome:?}");
    let frames = ledger.log().frames().split_off(before);
    let written: Vec<_> = frames.iter().filter(|frame| frame.events > 0).collect();
    let [frame] = written[..] else { panic!("{} frames", written.len()) };
    assert_eq!(frame.events, 1, "one event");
    frame.bytes.len()
}

fn made(ledger: &mut Driver, letter: char, asked: account::Command) -> Id {
    let outcome = done(ledger.ask(command::<Account>("account-0001", asked)));
    Id::made(letter, outcome.position)
}

fn new_flow(ledger: &Driver) -> flow::Command {
    flow::Command::Open {
        asset: usd(),
        total: amount(1_000_000_000),
        duration_ms: 1_000_000,
        start_at: Some(ledger.now()),
        cliff_ms: 0,
        payer: None,
        recipient: None,
        metadata: Metadata::default(),
    }
}

fn withdraw() -> account::Command {
    let destination = "DE02120300000000202051".to_owned();
    account::Command::Withdraw { amount: amount(5), destination, secret: None }
}

fn put(key: &str) -> Ask {
    let stream = Name::new(
        Book::DEFAULT,
        <Record as quipu_core::machine::Machine>::KIND,
        Id::pair(&id("collection-1"), &id(key)),
    );
    let value = format!("{:?}", "x".repeat(98));
    assert_eq!(value.len(), 100);
    let put = record::Command::Put {
        value,
        ttl_ms: None,
        must_be_absent: false,
        fields: Vec::new(),
        era: 0,
    };
    let command = quipu_core::machine::Command::of::<Record>(put);
    let options = quipu_core::shard::Options::default();
    Ask::Command(quipu_core::shard::Leg { stream, command, options }, None)
}
