//! Whether each stream has an order at all, whatever versions its answers name.
//!
//! The [witness](super::witness) believes the version in an answer, so an engine that lies about
//! versions consistently passes. The search believes nothing but what was asked and answered:
//! for every stream it looks for an order of the asks on it in which each gets just its answer,
//! and in which none comes before one whose answer had left before it was sent. Each stream by
//! itself is enough, since linearizability is local.
//!
//! What is searched: accounts (opening, deposits, charges, transfers as the leg that they are,
//! holds without an end, captures, releases, what drops cost), tickets (issue, claim, revoke),
//! drops (creation, claims, releases, stock, close), records (put, delete), and reads of all
//! four. A ledger that is new is taken for granted: nothing exists before it is made.
//!
//! What is not: whatever depends on time, that is streams with anything that expires, opens,
//! closes or accrues, and accounts beside flows; payouts, references, refunds, and the closing and
//! changing of accounts; streams of which something was asked without its [legs](super::Sent::of),
//! or on which an id was named that nobody can have been told; and streams on which too much was
//! under way at once. They are counted as skipped. Of transactions, those that were refused are
//! left out.

mod account;
mod drop;
mod history;
mod order;
mod record;
mod scratch;
mod ticket;

use quipu_core::machine::Machine as _;
use quipu_core::machines::account::Account;
use quipu_core::machines::drop::Drop;
use quipu_core::machines::record::Record;
use quipu_core::machines::ticket::Ticket;
use quipu_core::words::Name;

use self::history::Histories;
use self::order::{Found, Op};
use super::asked::{Answered, Unknown};
use super::check::{Breach, Check, Checks};

/// What an ask did to one stream, or was refused for.
#[derive(Clone, Debug)]
enum Fact {
    Account(account::Fact),
    Ticket(ticket::Fact),
    Drop(drop::Fact),
    Record(record::Fact),
}

/// How much was searched.
#[derive(Clone, Copy, Default)]
pub(super) struct Searched {
    pub(super) streams: u64,
    pub(super) asks: u64,
    pub(super) streams_skipped: u64,
    pub(super) asks_skipped: u64,
}

/// Looks for an order of each stream.
pub(super) fn search(
    checks: &Checks,
    answered: &[Answered],
    unknown: &[Unknown],
) -> Result<Searched, Breach> {
    let mut searched = Searched::default();
    if !checks.has(Check::Linearizability) {
        return Ok(searched);
    }
    for (name, lane) in Histories::new(answered, unknown).lanes {
        let asks = lane.ops.len() as u64;
        let found = if lane.is_beyond { Found::GivenUp } else { order_of(&name, &lane.ops) };
        match found {
            Found::Order => {
                searched.streams += 1;
                searched.asks += asks;
            }
            Found::GivenUp => {
                searched.streams_skipped += 1;
                searched.asks_skipped += asks;
            }
            Found::None(stuck) => {
                let asks = stuck.iter().map(|ask| match answered.get(*ask) {
                    Some(Answered { sent, reply, .. }) => format!("{sent:?}: {reply:?}"),
                    None => format!("{:?}", unknown[*ask - answered.len()].sent),
                });
                let asks: Vec<String> = asks.collect();
                let what = format!("{name:?} has no order; none of these can be next: {asks:#?}");
                return Err(Breach { check: Check::Linearizability, what });
            }
        }
    }
    Ok(searched)
}

fn order_of(name: &Name, ops: &[Op]) -> Found {
    match name.kind {
        Account::KIND => order::search::<account::Account>(ops),
        Ticket::KIND => order::search::<ticket::Ticket>(ops),
        Drop::KIND => order::search::<drop::Drop>(ops),
        Record::KIND => order::search::<record::Record>(ops),
        _ => Found::Order,
    }
}
