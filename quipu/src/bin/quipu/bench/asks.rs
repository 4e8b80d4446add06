//! The asks that are made of a ledger.

use quipu_core::machine::{Command, Machine};
use quipu_core::machines::account::{self, Account};
use quipu_core::machines::drop::{self, Drop};
use quipu_core::machines::ticket::{self, Ticket};
use quipu_core::shard::{Ask, Key, Leg, Options, Reply};
use quipu_core::words::{Amount, Asset, Book, Id, Metadata, Name, Signed};

/// A number that looks like chance, and is the same each time.
pub(super) fn mixed(number: u64) -> u64 {
    let mut x = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

pub(super) fn id(text: &str) -> Id {
    Id::new(text).expect("a sound id")
}

pub(super) fn ask<M: Machine>(stream: Id, command: M::Command, key: Option<Key>) -> Ask {
    let stream = Name::new(Book::DEFAULT, M::KIND, stream);
    let command = Command::of::<M>(command);
    Ask::Command(Leg { stream, command, options: Options::default() }, key)
}

pub(super) fn account_id(number: u64) -> Id {
    id(&format!("acct-{number:07}"))
}

pub(super) fn open_account(number: u64) -> Ask {
    let command = account::Command::Open {
        asset: Asset::new("USD").expect("an asset"),
        floor: Signed::new(-1_000_000_000),
        cap: None,
        spend_cap: None,
        expires_at: None,
        metadata: Metadata::default(),
    };
    ask::<Account>(account_id(number), command, None)
}

pub(super) fn transfer(from: u64, to: u64) -> Ask {
    let amount = Amount::new(1).expect("an amount");
    let (to, metadata) = (account_id(to), Metadata::default());
    ask::<Account>(account_id(from), account::Command::Transfer { to, amount, metadata }, None)
}

pub(super) fn issue(ticket: Id, key: Option<Key>) -> Ask {
    let command = ticket::Command::Issue {
        amount: None,
        asset: None,
        reference: None,
        expires_at: None,
        metadata: Metadata::default(),
        batch: false,
    };
    ask::<Ticket>(ticket, command, key)
}

pub(super) fn claim(ticket: Id, claimant: Id, key: Option<Key>) -> Ask {
    ask::<Ticket>(ticket, ticket::Command::Claim { claimant }, key)
}

pub(super) fn create_drop() -> Ask {
    let command = drop::Command::Create {
        stock: u64::MAX,
        per_claimant: None,
        opens_at: None,
        closes_at: None,
        price: None,
        seller: None,
        metadata: Metadata::default(),
    };
    ask::<Drop>(id("drop"), command, None)
}

pub(super) fn claim_drop(number: u64) -> Ask {
    let claimant = id(&format!("who-{:012x}", mixed(number) >> 16));
    ask::<Drop>(id("drop"), drop::Command::Claim { claimant, quantity: 1, pay_from: None }, None)
}

/// Every answer has to be a yes: a figure of refusals is none.
pub(super) fn all_done(replies: &[Reply]) -> Result<(), String> {
    match replies.iter().find(|reply| !matches!(reply, Reply::Done(_))) {
        None => Ok(()),
        Some(reply) => Err(format!("an answer was no yes: {reply:?}")),
    }
}
