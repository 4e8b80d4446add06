//! The embedded ledger: typed handles over the engine, and the files that a ledger keeps.
//!
//! People know it as `quipu`, which gives all of this under its own name and whose page is the
//! tutorial. It is a crate of its own so that the server can stand on it and the command on both.

mod shown;

pub mod access;
pub mod account;
pub mod backup;
pub mod balance;
pub mod batch;
mod blocking;
pub mod book;
pub mod call;
mod directory;
pub mod drop;
pub mod error;
pub mod events;
pub mod files;
pub mod flow;
pub mod history;
mod json;
mod key;
pub mod ledger;
pub mod list;
mod log;
pub mod machine;
mod made;
pub mod manifest;
pub mod measured;
pub mod outcome;
mod overlay;
pub mod proof;
pub mod record;
pub mod restore;
mod secret;
pub mod snapshot;
pub mod source;
pub mod stream;
pub mod ticket;
pub mod token;
pub mod transaction;
pub mod upgrade;
pub mod verify;
pub mod words;

pub use quipu_actors::clock;

pub use access::Access;
pub use account::Account;
pub use balance::Balance;
pub use batch::Batch;
pub use book::Book;
pub use call::{Call, Read, Seen};
pub use directory::{create, open};
pub use drop::Drop;
pub use error::{Error, OpenError, WhatToDo};
pub use events::Events;
pub use files::{BackupJob, Files, Options};
pub use flow::Flow;
pub use history::History;
pub use ledger::{Builder, Ledger};
pub use list::List;
pub use log::AnyLog;
pub use manifest::{FORMAT, LedgerId, LogKind, Manifest, Origin};
pub use outcome::{Done, Outcome, Refused};
pub use record::{Collection, Record};
pub use restore::restore;
pub use secret::KeyMaterial;
pub use snapshot::Snapshot;
pub use source::Source;
pub use stream::Stream;
pub use ticket::Ticket;
pub use token::Token;
pub use transaction::Transaction;
pub use upgrade::upgrade;
pub use verify::{Verified, verify};
pub use words::{Code, Given};
