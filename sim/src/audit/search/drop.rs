//! Drops, for the search: a stock, claims of it, and a limit for each claimant. None of them
//! opens or closes by time.

use super::Fact as Any;
use super::scratch::{Item, Model, Scratch};

/// What an ask did to a drop, or was refused for. Claimants have numbers.
#[derive(Clone, Debug)]
pub(super) enum Fact {
    Created {
        stock: i128,
        limit: Option<i128>,
    },
    Exists,
    Absent,
    Claimed {
        who: u32,
        units: i128,
        claim: u64,
        said: Option<(u64, i128)>,
    },
    /// So many were left, and more were asked for.
    SoldOut {
        units: i128,
        left: i128,
    },
    /// The claimant may have so many more, and asked for more.
    AtLimit {
        who: u32,
        units: i128,
        left: i128,
    },
    Released {
        claim: u64,
    },
    NoClaim {
        claim: u64,
    },
    /// Its units had come back before.
    WasReleased {
        claim: u64,
    },
    StockSet {
        stock: i128,
    },
    /// So many were taken, which is more.
    BelowTaken {
        stock: i128,
        taken: i128,
    },
    Closed,
    IsClosed,
    Seen {
        stock: i128,
        taken: i128,
        claims: u64,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Core {
    exists: bool,
    is_closed: bool,
    stock: i128,
    limit: Option<i128>,
    taken: i128,
    claims: u64,
}

/// Where the units of a claimant are kept: beside claims, whose keys are positions.
const UNITS: u64 = 1 << 63;

pub(super) struct Drop;

impl Model for Drop {
    type Core = Core;

    fn happens(stream: &mut Scratch<Core>, fact: &Any) -> bool {
        let Any::Drop(fact) = fact else { return false };
        let Core { exists, is_closed, stock, limit, taken, .. } = stream.core;
        let is_open = exists && !is_closed;
        match *fact {
            Fact::Created { stock, limit } => {
                stream.core = Core { exists: true, stock, limit, ..Core::default() };
                !exists
            }
            Fact::Exists => exists,
            Fact::Absent => !exists,
            Fact::Claimed { who, units, claim, said } => {
                let own = units_of(stream, who) + units;
                let fits = units <= stock - taken && limit.is_none_or(|limit| own <= limit);
                let is_new = stream.item(claim).is_none();
                stream.core.taken += units;
                stream.core.claims += 1;
                stream.set(claim, Item { units, who, has_ended: false });
                stream.set(UNITS | u64::from(who), Item { units: own, who, has_ended: false });
                let shown = (stream.core.claims, stock - taken - units);
                is_open && fits && is_new && said.is_none_or(|said| said == shown)
            }
            Fact::SoldOut { units, left } => is_open && stock - taken == left && units > left,
            Fact::AtLimit { who, units, left } => {
                let may = limit.map(|limit| limit - units_of(stream, who));
                is_open && units <= stock - taken && may == Some(left) && units > left
            }
            Fact::Released { claim } => {
                let Some(item) = stream.item(claim).filter(|item| !item.has_ended) else {
                    return false;
                };
                let units = units_of(stream, item.who) - item.units;
                stream.core.taken -= item.units;
                stream.set(claim, Item { has_ended: true, ..item });
                stream.set(UNITS | u64::from(item.who), Item { units, ..item });
                true
            }
            Fact::NoClaim { claim } => stream.item(claim).is_none(),
            Fact::WasReleased { claim } => stream.item(claim).is_some_and(|item| item.has_ended),
            Fact::StockSet { stock } => {
                stream.core.stock = stock;
                is_open && stock >= taken
            }
            Fact::BelowTaken { stock, taken: said } => is_open && taken == said && stock < taken,
            Fact::Closed => {
                stream.core.is_closed = true;
                is_open
            }
            Fact::IsClosed => is_closed,
            Fact::Seen { stock, taken, claims } => {
                let core = &stream.core;
                exists && (core.stock, core.taken, core.claims) == (stock, taken, claims)
            }
        }
    }
}

fn units_of(stream: &Scratch<Core>, who: u32) -> i128 {
    stream.item(UNITS | u64::from(who)).map_or(0, |item| item.units)
}
