//! Short ways to say what is asked.

use quipu_core::machine::{Command, Machine};
use quipu_core::machines::account;
use quipu_core::machines::{drop, ticket};
use quipu_core::shard::{Ask, Key, Leg, Options};
use quipu_core::words::{Amount, Asset, Book, Id, Metadata, Name, Signed};

pub(crate) fn id(text: &str) -> Id {
    Id::new(text).expect("a well-formed id")
}

pub(crate) fn usd() -> Asset {
    Asset::new("USD/2").expect("a well-formed asset")
}

pub(crate) fn key(text: &str) -> Key {
    Key::new(text).expect("a well-formed key")
}

pub(crate) fn leg<M: Machine>(stream: &str, command: M::Command) -> Leg {
    let stream = Name::new(Book::DEFAULT, M::KIND, id(stream));
    Leg { stream, command: Command::of::<M>(command), options: Options::default() }
}

pub(crate) fn command<M: Machine>(stream: &str, command: M::Command) -> Ask {
    Ask::Command(leg::<M>(stream, command), None)
}

pub(crate) fn opening() -> account::Command {
    let metadata = Metadata::default();
    let (floor, cap, spend_cap, expires_at) = (Signed::ZERO, None, None, None);
    account::Command::Open { asset: usd(), floor, cap, spend_cap, expires_at, metadata }
}

pub(crate) fn deposit(units: u64) -> account::Command {
    let (amount, metadata) = (Amount::from(units), Metadata::default());
    account::Command::Deposit { amount, reference: None, metadata }
}

pub(crate) fn transfer(to: &str, units: u64) -> account::Command {
    let (amount, metadata) = (Amount::from(units), Metadata::default());
    account::Command::Transfer { to: id(to), amount, metadata }
}

pub(crate) fn issue() -> ticket::Command {
    let (amount, reference, expires_at) = (Some(Amount::from(42_u64)), None, None);
    let (asset, metadata, batch) = (Some(usd()), Metadata::default(), false);
    ticket::Command::Issue { amount, asset, reference, expires_at, metadata, batch }
}

pub(crate) fn claim(claimant: &str) -> ticket::Command {
    ticket::Command::Claim { claimant: id(claimant) }
}

pub(crate) fn stock(units: u64) -> drop::Command {
    let (per_claimant, opens_at, closes_at, price, seller) = (None, None, None, None, None);
    let metadata = Metadata::default();
    drop::Command::Create {
        stock: units,
        per_claimant,
        opens_at,
        closes_at,
        price,
        seller,
        metadata,
    }
}

pub(crate) fn take(claimant: &str, quantity: u32) -> drop::Command {
    drop::Command::Claim { claimant: id(claimant), quantity, pay_from: None }
}
