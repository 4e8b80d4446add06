//! Every machine's rules as tables: state, command and time in; outcome and postings out.

mod account;
mod book;
mod collection;
mod drop;
mod export;
mod flow;
mod key;
mod record;
mod source;
mod ticket;

use quipu_core::machine::{Canon, Said};
use quipu_core::words::Id;

/// What an idempotency key compares of a command: operation, sub-resource and canonical form.
fn said(command: &impl Said) -> (u8, Option<Id>, Vec<u8>) {
    let mut canon = Canon::default();
    command.canon(&mut canon);
    (command.operation(), command.sub().cloned(), canon.bytes().to_vec())
}

/// No two of these are one command to an idempotency key.
fn are_told_apart(commands: &[impl Said]) {
    for (index, one) in commands.iter().enumerate() {
        assert_eq!(said(one), said(one));
        for two in &commands[index + 1..] {
            assert_ne!(said(one), said(two), "{one:?} and {two:?}");
        }
    }
}
