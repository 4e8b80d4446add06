//! A small ledger with something of everything: all kinds, what has ended and what goes on, keys
//! whose ask was accepted and keys whose ask was refused.

use quipu_core::machine::{Command, Machine};
use quipu_core::machines::account::{self, Account};
use quipu_core::machines::book;
use quipu_core::machines::collection::{self, Collection};
use quipu_core::machines::drop::Drop;
use quipu_core::machines::export::{self, Export};
use quipu_core::machines::flow::{self, Flow};
use quipu_core::machines::key::{self, Key as Home};
use quipu_core::machines::record::{self, Record};
use quipu_core::machines::source::{self, Source};
use quipu_core::machines::ticket::{self, Ticket};
use quipu_core::shard::{Ask, Leg, Options, Reply};
use quipu_core::words::{Amount, Book, Id, Metadata, Name, Position, Timestamp};

use crate::exhaustive::asks::{
    claim, command, deposit, id, issue, key, leg, opening, stock, take, transfer, usd,
};
use crate::exhaustive::life::{Ledger, START};

/// Streams of every kind.
pub(super) fn begin(ledger: &mut Ledger) {
    for who in ["ann", "bo", "cy"] {
        done(ledger, command::<Account>(who, opening()));
        done(ledger, command::<Account>(who, deposit(1_000)));
    }
    for ticket in ["t1", "t2", "t3"] {
        done(ledger, command::<Ticket>(ticket, issue()));
    }
    done(ledger, command::<Drop>("d", stock(20)));
    let define = collection::Command::Define { indexes: vec![id("colour")] };
    done(ledger, command::<Collection>("things", define));
    done(ledger, command::<Source>("reader", source::Command::Advance { cursor: 17 }));
    let flow = flow::Command::Open {
        asset: usd(),
        total: Amount::from(400_u64),
        duration_ms: 4_000_000,
        start_at: Some(Timestamp::from_ms(START.ms() - 1_000_000)),
        cliff_ms: 0,
        payer: Some(id("cy")),
        recipient: Some(id("ann")),
        metadata: Metadata::new([("for", "rent")]).expect("well-formed metadata"),
    };
    done(ledger, command::<Flow>("f", flow));
    let stream = Name::new(Book::SYSTEM, book::Book::KIND, id("default"));
    let issue = book::Command::IssueKey { hash: [5; 32], scopes: 1, label: Some(id("till")) };
    let (command, options) = (Command::of::<book::Book>(issue), Options::default());
    done(ledger, Ask::Command(Leg { stream, command, options }, None));
}

/// More of all that has states.
pub(super) fn go_on(ledger: &mut Ledger) {
    for ask in keyed() {
        let reply = ledger.ask(ask);
        assert!(!matches!(reply, Reply::Failed(_)), "{reply:?}");
    }
    for (name, colours) in [("cup", vec!["red"]), ("pot", vec![]), ("cup", vec!["green"])] {
        let fields = colours.iter().map(|it| (id("colour"), (*it).to_owned())).collect();
        let (value, ttl_ms, must_be_absent) = ("{}".to_owned(), Some(900_000_000), false);
        done(
            ledger,
            of_record(name, record::Command::Put { value, ttl_ms, must_be_absent, fields, era: 1 }),
        );
    }
    done(ledger, of_record("pot", record::Command::Delete));
    for command in
        [flow::Command::Settle, flow::Command::Withdraw { amount: None }, flow::Command::Pause]
    {
        done(ledger, crate::exhaustive::asks::command::<Flow>("f", command));
    }
    done(ledger, command::<Ticket>("t3", ticket::Command::Revoke { reason: "lost".into() }));
    let hold = |seconds| {
        let (amount, expires_in_seconds) = (Amount::from(11_u64), seconds);
        command::<Account>("bo", account::Command::Hold { amount, expires_in_seconds })
    };
    done(ledger, hold(Some(900_000)));
    let hold = Id::made('h', done(ledger, hold(None)));
    let capture = account::Command::Capture { hold, amount: Some(Amount::from(4_u64)) };
    done(ledger, command::<Account>("bo", capture));
    pay_out(ledger);
    let request = export::Command::Request {
        what: export::What::Events,
        format: export::Format::Csv,
        filter: None,
    };
    done(ledger, command::<Export>("all", request));
}

/// What no checkpoint has brought onto the disk.
pub(super) fn end(ledger: &mut Ledger) {
    for who in ["ann", "bo"] {
        done(ledger, command::<Account>(who, deposit(1)));
        done(ledger, command::<Account>(who, transfer("cy", 1)));
    }
    done(ledger, command::<Account>("di", opening()));
}

/// Asks under keys. Some are refused, and stay so.
pub(super) fn keyed() -> Vec<Ask> {
    let asks = [
        leg::<Account>("ann", deposit(70)),
        leg::<Account>("bo", transfer("ann", 1_000_000)),
        leg::<Account>("ann", transfer("bo", 10)),
        leg::<Ticket>("t1", claim("ann")),
        leg::<Ticket>("t1", claim("bo")),
        leg::<Drop>("d", take("bo", 2)),
        leg::<Drop>("d", take("bo", 500)),
    ];
    let asks = asks.into_iter().enumerate();
    let mut asks: Vec<Ask> =
        asks.map(|(number, leg)| Ask::Command(leg, Some(key(&format!("key-{number}"))))).collect();
    for (number, units) in [3, 1_000_000].into_iter().enumerate() {
        let legs = vec![
            leg::<Home>(&format!("home-{number}"), key::Command::Keep { made: None }),
            leg::<Account>("ann", transfer("bo", units)),
            leg::<Ticket>("t2", claim("bo")),
        ];
        asks.push(Ask::Transaction(legs, Some(key(&format!("both-{number}")))));
    }
    asks
}

/// Payouts that are pending, under way, and unknown.
fn pay_out(ledger: &mut Ledger) {
    for state in ["pending", "dispatched", "unknown"] {
        let (amount, destination) = (Amount::from(20_u64), "somewhere".to_owned());
        let withdraw =
            account::Command::Withdraw { amount, destination, secret: Some(vec![1, 2, 3]) };
        let withdrawal = Id::made('w', done(ledger, command::<Account>("ann", withdraw)));
        if state == "pending" {
            continue;
        }
        let (of, worker) = (withdrawal.clone(), id("worker"));
        let lease = account::Command::Lease { withdrawal, worker, seconds: 900_000 };
        let fence = done(ledger, command::<Account>("ann", lease));
        if state == "unknown" {
            let error = "no answer".to_owned();
            let unknown = account::Command::Unknown { withdrawal: of, fence, error };
            done(ledger, command::<Account>("ann", unknown));
        }
    }
}

fn of_record(name: &str, command: record::Command) -> Ask {
    let stream = Name::new(Book::DEFAULT, Record::KIND, Id::pair(&id("things"), &id(name)));
    let (command, options) = (Command::of::<Record>(command), Options::default());
    Ask::Command(Leg { stream, command, options }, None)
}

fn done(ledger: &mut Ledger, ask: Ask) -> Position {
    match ledger.ask(ask.clone()) {
        Reply::Done(outcome) => outcome.position,
        reply => panic!("{ask:?}: {reply:?}"),
    }
}
