//! A small ledger with something of everything: all kinds, holds, payouts in every state, keys
//! whose ask was accepted and keys whose ask was refused.

use super::say::*;
use quipu_core::disk::Disk;
use quipu_core::machine::{Command, Machine};
use quipu_core::machines::account::{self, Account};
use quipu_core::machines::book;
use quipu_core::machines::collection::{self, Collection};
use quipu_core::machines::drop::{self, Drop, Price};
use quipu_core::machines::export::{self, Export};
use quipu_core::machines::flow::{self, Flow};
use quipu_core::machines::record::{self, Record};
use quipu_core::machines::source::{self, Source};
use quipu_core::machines::ticket::{self, Ticket};
use quipu_core::shard::{Ask, Key, Leg, Options, Reply};
use quipu_core::words::{Amount, Book, Id, Metadata, Name, Position, Timestamp};

/// Asks under keys that can be asked again word for word. Some are refused, and stay so. The
/// golden ledgers hold answers to these very words: add none here, and change none.
pub(crate) fn keyed_asks() -> Vec<Ask> {
    let charge = |units: u64| account::Command::Charge {
        amount: Amount::from(units),
        reference: None,
        metadata: Metadata::default(),
    };
    let claim = |who: &str| ticket::Command::Claim { claimant: id(who) };
    let both = vec![
        leg::<Account>("ann", transfer("bo", 3)),
        leg::<Ticket>("t2", claim("bo")),
        leg::<Drop>("d", take("ann", 1, Some("ann"))),
    ];
    let too_much =
        vec![leg::<Account>("ann", transfer("bo", 1)), leg::<Account>("bo", charge(9_999))];
    let key = |text: &str| Some(Key::new(text).expect("a well-formed key"));
    vec![
        keyed::<Account>("deposit", "ann", deposit(70)),
        keyed::<Account>("charge", "ann", charge(5)),
        keyed::<Account>("refused", "bo", charge(1_000_000)),
        keyed::<Account>("transfer", "ann", transfer("bo", 10)),
        keyed::<Ticket>("claim", "t1", claim("ann")),
        keyed::<Ticket>("late", "t1", claim("bo")),
        keyed::<Drop>("buy", "d", take("bo", 2, Some("bo"))),
        keyed::<Drop>("too-many", "d", take("bo", 500, Some("bo"))),
        Ask::Transaction(both, key("both")),
        Ask::Transaction(too_much, key("neither")),
    ]
}

/// Begins it: streams of every kind.
pub(crate) fn begin<D: Disk>(ledger: &mut Ledger<D>) {
    for who in ["ann", "bo", "cy", "shop"] {
        done(ledger.ask(open(who)));
        done(ledger.ask(command::<Account>(who, deposit(1_000))));
    }
    for name in ["t1", "t2", "t3"] {
        let issue = ticket::Command::Issue {
            amount: Some(Amount::from(42_u64)),
            asset: Some(usd()),
            reference: Some(id("payment-1")),
            expires_at: Some(Timestamp::from_ms(START.ms() + 900_000_000)),
            metadata: Metadata::new([("seat", name)]).expect("well-formed metadata"),
            batch: false,
        };
        done(ledger.ask(command::<Ticket>(name, issue)));
    }
    let create = drop::Command::Create {
        stock: 20,
        per_claimant: Some(5),
        opens_at: None,
        closes_at: Some(Timestamp::from_ms(START.ms() + 900_000_000)),
        price: Some(Price { amount: Amount::from(7_u64), asset: usd() }),
        seller: Some(id("shop")),
        metadata: Metadata::default(),
    };
    done(ledger.ask(command::<Drop>("d", create)));
    let define = collection::Command::Define { indexes: vec![id("colour")] };
    done(ledger.ask(command::<Collection>("things", define)));
    done(ledger.ask(command::<Source>("reader", source::Command::Advance { cursor: 17 })));
    let flow = flow::Command::Open {
        asset: usd(),
        total: Amount::from(400_u64),
        duration_ms: 4_000_000,
        start_at: Some(Timestamp::from_ms(START.ms() - 1_000_000)),
        cliff_ms: 0,
        payer: Some(id("cy")),
        recipient: Some(id("ann")),
        metadata: Metadata::default(),
    };
    done(ledger.ask(command::<Flow>("f", flow)));
    let name = Name::new(Book::SYSTEM, book::Book::KIND, id("default"));
    let issue = book::Command::IssueKey { hash: [5; 32], scopes: 1, label: Some(id("till")) };
    let issue = Command::of::<book::Book>(issue);
    let issue = Leg { stream: name, command: issue, options: Options::default() };
    done(ledger.ask(Ask::Command(issue, None)));
}

/// Goes on with everything that has states.
pub(crate) fn go_on<D: Disk>(ledger: &mut Ledger<D>) {
    for ask in keyed_asks() {
        let reply = ledger.ask(ask);
        assert!(!matches!(reply, Reply::Failed(_)), "{reply:?}");
    }
    for (name, colour) in [("cup", "red"), ("pot", "blue")] {
        let put = record::Command::Put {
            value: format!("{{\"colour\":\"{colour}\"}}"),
            ttl_ms: Some(900_000_000),
            must_be_absent: false,
            fields: vec![(id("colour"), colour.to_owned())],
            era: 1,
        };
        done(ledger.ask(of_record(Id::pair(&id("things"), &id(name)), put)));
    }
    // One field is another now, one record has a field no more, and one is gone.
    let [things, pot] = [id("things"), id("pot")];
    for (name, colours) in [("cup", vec!["green"]), ("lid", vec!["red"]), ("lid", vec![])] {
        let fields: Vec<_> = colours.iter().map(|it| (id("colour"), (*it).to_owned())).collect();
        let (value, ttl_ms, must_be_absent) = ("{}".to_owned(), Some(900_000_000), false);
        let put = record::Command::Put { value, ttl_ms, must_be_absent, fields, era: 1 };
        done(ledger.ask(of_record(Id::pair(&things, &id(name)), put)));
    }
    done(ledger.ask(of_record(Id::pair(&things, &pot), record::Command::Delete)));
    done(ledger.ask(command::<Flow>("f", flow::Command::Settle)));
    done(ledger.ask(command::<Flow>("f", flow::Command::Withdraw { amount: None })));
    done(ledger.ask(command::<Flow>("f", flow::Command::Pause)));
    let revoke = ticket::Command::Revoke { reason: "lost".into() };
    done(ledger.ask(command::<Ticket>("t3", revoke)));
    for seconds in [None, Some(600), Some(900_000)] {
        let amount = Amount::from(11_u64);
        let hold = account::Command::Hold { amount, expires_in_seconds: seconds };
        let hold = Id::made('h', position(&ledger.ask(command::<Account>("bo", hold))));
        if seconds == Some(600) {
            let capture = account::Command::Capture { hold, amount: Some(Amount::from(4_u64)) };
            done(ledger.ask(command::<Account>("bo", capture)));
        }
    }
    for state in PAYOUTS {
        pay_out(ledger, "ann", state);
    }
    for (name, steps) in [("queued", 0), ("running", 1), ("ready", 2)] {
        let (what, format) = (export::What::Events, export::Format::Csv);
        let request = export::Command::Request { what, format, filter: None };
        done(ledger.ask(command::<Export>(name, request)));
        if steps > 0 {
            let begin = export::Command::Begin { worker: id("w"), as_of: Position::new(1) };
            let fence = position(&ledger.ask(command::<Export>(name, begin)));
            if steps > 1 {
                let (rows, bytes, sha256, ttl_ms) = (1, 2, [3; 32], 3_600_000);
                let finish = export::Command::Finish { fence, rows, bytes, sha256, ttl_ms };
                done(ledger.ask(command::<Export>(name, finish)));
            }
        }
    }
}

/// The states of a payout; one that is retried is pending once more.
pub(crate) const PAYOUTS: [&str; 6] =
    ["pending", "dispatched", "completed", "failed", "unknown", "retried"];

/// Plans a payout and brings it into a state. Gives its id.
pub(crate) fn pay_out<D: Disk>(ledger: &mut Ledger<D>, who: &str, state: &str) -> Id {
    let (amount, destination) = (Amount::from(20_u64), "somewhere".to_owned());
    let withdraw = account::Command::Withdraw { amount, destination, secret: Some(vec![1, 2, 3]) };
    let withdrawal = Id::made('w', position(&ledger.ask(command::<Account>(who, withdraw))));
    if state == "pending" {
        return withdrawal;
    }
    let lease = account::Command::Lease {
        withdrawal: withdrawal.clone(),
        worker: id("worker"),
        seconds: 900_000,
    };
    let fence = position(&ledger.ask(command::<Account>(who, lease)));
    let (of, error) = (withdrawal.clone(), "no answer".to_owned());
    let report = match state {
        "completed" => account::Command::Complete { withdrawal: of, fence, reference: None },
        "failed" => account::Command::Fail { withdrawal: of, fence, error },
        "unknown" => account::Command::Unknown { withdrawal: of, fence, error },
        "retried" => account::Command::Retry { withdrawal: of, fence, error },
        _ => return withdrawal,
    };
    done(ledger.ask(command::<Account>(who, report)));
    withdrawal
}

fn of_record(record: Id, command: record::Command) -> Ask {
    let stream = Name::new(Book::DEFAULT, Record::KIND, record);
    let (command, options) = (Command::of::<Record>(command), Options::default());
    Ask::Command(Leg { stream, command, options }, None)
}

fn take(who: &str, quantity: u32, pay_from: Option<&str>) -> drop::Command {
    drop::Command::Claim { claimant: id(who), quantity, pay_from: pay_from.map(id) }
}

fn position(reply: &Reply) -> Position {
    let Reply::Done(outcome) = reply else { panic!("{reply:?}") };
    outcome.position
}
