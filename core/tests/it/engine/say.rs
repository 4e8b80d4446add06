//! Short ways to say what tests ask of a driven ledger.

use quipu_core::driver::{Driver, Setup};
use quipu_core::machine::{Command, Machine};
use quipu_core::machines::account::{self, Account};
use quipu_core::machines::drop::{self, Drop};
use quipu_core::machines::ticket;
use quipu_core::machines::{genesis, registry};
use quipu_core::shard::{Ask, Key, Leg, Options, Outcome, Reading, Refused, Reply};
use quipu_core::words::{Amount, Asset, Book, Code, Id, Metadata, Name, Signed};

pub(crate) fn setup(shards: usize) -> Setup {
    Setup::new(registry(), genesis(), shards)
}

pub(crate) fn ledger(shards: usize) -> Driver {
    Driver::create(setup(shards)).expect("a new ledger opens")
}

pub(crate) fn id(text: &str) -> Id {
    Id::new(text).expect("a well-formed id")
}

pub(crate) fn amount(value: u64) -> Amount {
    Amount::from(value)
}

pub(crate) fn usd() -> Asset {
    Asset::new("USD/2").expect("a well-formed asset")
}

pub(crate) fn name<M: Machine>(text: &str) -> Name {
    Name::new(Book::DEFAULT, M::KIND, id(text))
}

pub(crate) fn leg<M: Machine>(stream: &str, command: M::Command) -> Leg {
    let command = Command::of::<M>(command);
    Leg { stream: name::<M>(stream), command, options: Options::default() }
}

pub(crate) fn command<M: Machine>(stream: &str, command: M::Command) -> Ask {
    Ask::Command(leg::<M>(stream, command), None)
}

pub(crate) fn keyed<M: Machine>(key: &str, stream: &str, command: M::Command) -> Ask {
    Ask::Command(leg::<M>(stream, command), Some(Key::new(key).expect("a well-formed key")))
}

pub(crate) fn read<M: Machine>(stream: &str) -> Ask {
    Ask::Read(Reading { stream: name::<M>(stream), items: Vec::new() })
}

pub(crate) fn open() -> account::Command {
    account::Command::Open {
        asset: usd(),
        floor: Signed::ZERO,
        cap: None,
        spend_cap: None,
        expires_at: None,
        metadata: Metadata::default(),
    }
}

pub(crate) fn deposit(value: u64) -> account::Command {
    let metadata = Metadata::default();
    account::Command::Deposit { amount: amount(value), reference: None, metadata }
}

pub(crate) fn charge(value: u64) -> account::Command {
    let metadata = Metadata::default();
    account::Command::Charge { amount: amount(value), reference: None, metadata }
}

pub(crate) fn transfer(to: &str, value: u64) -> account::Command {
    let metadata = Metadata::default();
    account::Command::Transfer { to: id(to), amount: amount(value), metadata }
}

pub(crate) fn hold(value: u64, seconds: Option<u64>) -> account::Command {
    account::Command::Hold { amount: amount(value), expires_in_seconds: seconds }
}

pub(crate) fn pay_out(value: u64) -> account::Command {
    let (amount, destination) = (amount(value), "somewhere".to_owned());
    account::Command::Withdraw { amount, destination, secret: None }
}

pub(crate) fn issue() -> ticket::Command {
    ticket::Command::Issue {
        amount: Some(amount(42)),
        asset: Some(usd()),
        reference: None,
        expires_at: None,
        metadata: Metadata::default(),
        batch: false,
    }
}

pub(crate) fn claim(claimant: &str) -> ticket::Command {
    ticket::Command::Claim { claimant: id(claimant) }
}

pub(crate) fn new_drop(stock: u64) -> drop::Command {
    drop::Command::Create {
        stock,
        per_claimant: None,
        opens_at: None,
        closes_at: None,
        price: None,
        seller: None,
        metadata: Metadata::default(),
    }
}

pub(crate) fn take(claimant: &str, quantity: u32) -> drop::Command {
    drop::Command::Claim { claimant: id(claimant), quantity, pay_from: None }
}

pub(crate) fn done(reply: Reply) -> Outcome {
    match reply {
        Reply::Done(outcome) => outcome,
        other => panic!("expected an acceptance, got {other:?}"),
    }
}

pub(crate) fn refused(reply: Reply) -> Refused {
    match reply {
        Reply::Refused(refused) => refused,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

pub(crate) fn code(reply: Reply) -> Code {
    refused(reply).refusal.code
}

pub(crate) fn balance(ledger: &mut Driver, stream: &str) -> i128 {
    let outcome = done(ledger.ask(read::<Account>(stream)));
    outcome.answer.head::<Account>().expect("an account's head").balance.get()
}

pub(crate) fn drops(ledger: &mut Driver, stream: &str) -> drop::Head {
    let outcome = done(ledger.ask(read::<Drop>(stream)));
    outcome.answer.head::<Drop>().expect("a drop's head")
}
