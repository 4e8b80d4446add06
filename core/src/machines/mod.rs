//! The built-in machines, one module each.

pub mod account;
pub mod book;
pub mod collection;
pub mod drop;
pub mod export;
pub mod flow;
pub mod key;
pub mod record;
pub mod source;
pub mod ticket;

use crate::machine::{Command, Machine, Registry};
use crate::shard::{Leg, Options};
use crate::words::{Book, Id, Name};

/// A registry of all built-in machines. Own ones join it with [`Registry::with`].
#[must_use]
pub fn registry() -> Registry {
    Registry::empty()
        .with::<book::Book>()
        .with::<account::Account>()
        .with::<flow::Flow>()
        .with::<ticket::Ticket>()
        .with::<drop::Drop>()
        .with::<record::Record>()
        .with::<export::Export>()
        .with::<collection::Collection>()
        .with::<source::Source>()
        .with::<key::Key>()
}

/// What the first entry of every ledger says: there is a book `default`.
#[must_use]
pub fn genesis() -> Vec<Leg> {
    let id = Id::new("default").expect("a well-formed id");
    let stream = Name::new(Book::SYSTEM, book::Book::KIND, id);
    let command = Command::of::<book::Book>(book::Command::Create);
    vec![Leg { stream, command, options: Options::default() }]
}
