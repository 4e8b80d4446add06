//! Lost power: two people want one ticket, a deposit is sent twice, and the power goes.
//!
//! Everything runs in memory, on one thread, one step at a time: the log and the store are the
//! in-memory ones, and a crash loses what a power cut would lose.

use std::error::Error;

use quipu_core::driver::{Driver, Setup};
use quipu_core::machine::{Command, Machine};
use quipu_core::machines::account::{self, Account};
use quipu_core::machines::ticket::{self, Ticket};
use quipu_core::machines::{genesis, registry};
use quipu_core::shard::{Ask, Key, Leg, Options, Outcome, Reading, Refused, Reply};
use quipu_core::words::{Amount, Asset, Book, Code, Id, Metadata, Name, Signed};

type Result<T> = core::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let mut ledger = Driver::create(Setup::new(registry(), genesis(), 1))?;

    println!("One ticket, two people");
    yes(ledger.ask(command::<Ticket>("seat-14", issue(), None)?))?;
    let won = yes(ledger.ask(claim("alice")?))?;
    println!("  alice claims seat-14    yes, at position {}", won.position);
    let lost = no(ledger.ask(claim("bob")?), Code::AlreadyClaimed)?;
    println!("  bob claims seat-14      no: {}", lost.refusal.code);
    let again = yes(ledger.ask(claim("alice")?))?;
    check(again.answer == won.answer && !again.changed, "a repeated claim changes nothing")?;
    println!("  alice clicks again      yes, the same answer; nothing happened twice");

    println!("One deposit, sent twice");
    yes(ledger.ask(command::<Account>("alice", open()?, None)?))?;
    let paid = yes(ledger.ask(deposit("order-7")?))?;
    println!("  10.00 under order-7     yes, at position {}", paid.position);
    let again = yes(ledger.ask(deposit("order-7")?))?;
    check(again.replayed && again.answer == paid.answer, "a key answers the same")?;
    println!("  the same again          yes, still at position {}", again.position);
    println!("  alice has               {}", balance(&mut ledger)?);

    println!("One deposit, and the power goes before anybody is told");
    ledger.submit(deposit("order-8")?);
    while !ledger.log().is_busy() {
        let next = ledger.moves().into_iter().next().ok_or("a deposit reaches the log")?;
        ledger.step(next);
    }
    check(ledger.reply().is_none(), "no answer leaves before it is durable")?;
    println!("  10.00 under order-8     written, not yet synced: no answer");
    let now = ledger.now();
    let mut ledger = ledger.crash(true, now)?;
    println!("  power lost, reopened    at position {}", ledger.durable().watermark);
    let retried = yes(ledger.ask(deposit("order-8")?))?;
    check(retried.replayed, "the write had reached the disk, so the retry finds it")?;
    println!("  10.00 under order-8     yes, at position {}, from before", retried.position);
    println!("  alice has               {}", balance(&mut ledger)?);

    println!("And the ticket");
    let lost = no(ledger.ask(claim("bob")?), Code::AlreadyClaimed)?;
    println!("  bob claims seat-14      no: {}", lost.refusal.code);
    let still = yes(ledger.ask(claim("alice")?))?;
    check(still.answer == won.answer, "an answer stays true after a crash")?;
    println!("  alice claims seat-14    yes, the answer from before, byte for byte");
    check(ledger.digest()? == ledger.replayed_digest()?, "the log alone gives the same state")?;
    println!("  the log, replayed       gives the same state");
    Ok(())
}

fn command<M: Machine>(stream: &str, command: M::Command, key: Option<&str>) -> Result<Ask> {
    let stream = Name::new(Book::DEFAULT, M::KIND, Id::new(stream)?);
    let leg = Leg { stream, command: Command::of::<M>(command), options: Options::default() };
    Ok(Ask::Command(leg, key.map(Key::new).transpose()?))
}

fn issue() -> ticket::Command {
    ticket::Command::Issue {
        amount: None,
        asset: None,
        reference: None,
        expires_at: None,
        metadata: Metadata::default(),
        batch: false,
    }
}

fn claim(claimant: &str) -> Result<Ask> {
    command::<Ticket>("seat-14", ticket::Command::Claim { claimant: Id::new(claimant)? }, None)
}

fn open() -> Result<account::Command> {
    Ok(account::Command::Open {
        asset: Asset::new("USD/2")?,
        floor: Signed::ZERO,
        cap: None,
        spend_cap: None,
        expires_at: None,
        metadata: Metadata::default(),
    })
}

fn deposit(key: &str) -> Result<Ask> {
    let (amount, metadata) = (Amount::from(10_00), Metadata::default());
    let deposit = account::Command::Deposit { amount, reference: None, metadata };
    command::<Account>("alice", deposit, Some(key))
}

fn balance(ledger: &mut Driver) -> Result<String> {
    let stream = Name::new(Book::DEFAULT, Account::KIND, Id::new("alice")?);
    let shown = yes(ledger.ask(Ask::Read(Reading { stream, items: Vec::new() })))?;
    let cents = shown.answer.head::<Account>()?.balance.get();
    Ok(format!("{}.{:02}", cents / 100, cents % 100))
}

fn yes(reply: Reply) -> Result<Outcome> {
    match reply {
        Reply::Done(outcome) => Ok(outcome),
        other => Err(format!("expected a yes, got {other:?}").into()),
    }
}

fn no(reply: Reply, code: Code) -> Result<Refused> {
    match reply {
        Reply::Refused(refused) if refused.refusal.code == code => Ok(refused),
        other => Err(format!("expected {code}, got {other:?}").into()),
    }
}

fn check(holds: bool, what: &'static str) -> Result<()> {
    if holds { Ok(()) } else { Err(what.into()) }
}
