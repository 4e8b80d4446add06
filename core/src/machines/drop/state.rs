//! What is kept of a drop: its head, its items and its events. Every struct is frozen.

use rkyv::{Archive, Deserialize, Serialize};

use crate::machine::ItemKey;
use crate::words::{Amount, Asset, Id, Metadata, Position, Timestamp};

/// The index by state: one byte, a [`State`].
pub const INDEX_STATE: u8 = 1;

/// Where a drop stands.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum State {
    /// It has not opened yet.
    Scheduled = 1,
    /// It can be claimed from.
    Open = 2,
    /// It is over.
    Closed = 3,
}

/// A drop.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Head {
    /// How many units there are.
    pub stock: u64,
    /// How many of them are claimed and not released. At most `stock`.
    pub taken: u64,
    /// How many claims there were, released ones included: the number of the last one.
    pub claims: u64,
    /// When it opens or opened.
    pub opens_at: Timestamp,
    /// When it closes by itself; [`Timestamp::NEVER`] where it does not.
    pub closes_at: Timestamp,
    /// What a unit costs. Never changes.
    pub price: Option<Price>,
    /// The account that is paid. Never changes.
    pub seller: Option<Id>,
    /// The most that one claimant may have. Never changes.
    pub per_claimant: Option<u32>,
    /// Where it stands, as far as timers have brought it.
    pub state: State,
}

crate::record!(Head = (1, 1));

impl Head {
    /// How many units are left.
    #[must_use]
    pub fn remaining(&self) -> u64 {
        self.stock.saturating_sub(self.taken)
    }

    /// Where it stands at a time, whether its timers have fired or not.
    #[must_use]
    pub fn state_at(&self, now: Timestamp) -> State {
        if self.state == State::Closed || now >= self.closes_at {
            State::Closed
        } else if now < self.opens_at {
            State::Scheduled
        } else {
            State::Open
        }
    }
}

/// What a unit costs.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Debug)]
pub struct Price {
    /// How much; never nothing.
    pub amount: Amount,
    /// Of what.
    pub asset: Asset,
}

/// What was paid for a claim.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Payment {
    /// The account that paid.
    pub payer: Id,
    /// How much, for all units together.
    pub amount: Amount,
}

crate::records! {
    /// What belongs to a drop beside its head.
    pub enum Item {
        /// What the caller hung on it, where there is something.
        Metadata = (1, 1),
        /// A claim, which stays when it is released.
        Claim = (2, 1),
        /// What a claimant has, where there is a limit and it is not nothing.
        Units = (3, 1),
    }
}

/// A claim.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Claim {
    /// Its number among the claims of this drop, from 1.
    pub number: u64,
    /// When it was made.
    pub at: Timestamp,
    /// Whose it is.
    pub claimant: Id,
    /// What was paid for it.
    pub payment: Option<Box<Payment>>,
    /// How many units.
    pub quantity: u32,
    /// Where it stands.
    pub state: ClaimState,
}

/// Where a claim stands.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum ClaimState {
    /// The claimant has the units.
    Taken = 1,
    /// The units came back.
    Released = 2,
}

/// What a claimant has.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Units {
    /// The units of all claims that are not released.
    pub units: u32,
}

/// The key of the metadata.
#[must_use]
pub fn metadata_key() -> ItemKey {
    ItemKey::only(b'M')
}

/// The key of the claim that was made at this position.
#[must_use]
pub fn claim_key(at: Position) -> ItemKey {
    ItemKey::at(b'C', at)
}

/// The key of what a claimant has.
#[must_use]
pub fn units_key(claimant: &Id) -> ItemKey {
    ItemKey::named(b'N', claimant)
}

crate::records! {
    /// What can happen to a drop.
    pub enum Event {
        /// It was created.
        Created = (1, 1),
        /// Time opened it.
        Opened = (2, 1),
        /// Time or somebody closed it.
        Closed = (3, 1),
        /// Somebody took units.
        Claimed = (4, 1),
        /// The units of a claim came back.
        Released = (5, 1),
        /// There are more units, or fewer.
        StockSet = (6, 1),
    }
}

/// A drop was created.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Created {
    /// How many units there are.
    pub stock: u64,
    /// When it opens; the time of its creation where nobody named one.
    pub opens_at: Timestamp,
    /// When it closes by itself; [`Timestamp::NEVER`] where it does not.
    pub closes_at: Timestamp,
    /// What a unit costs.
    pub price: Option<Price>,
    /// The account that is paid.
    pub seller: Option<Id>,
    /// What the caller hung on it.
    pub metadata: Option<Metadata>,
    /// The most that one claimant may have.
    pub per_claimant: Option<u32>,
}

/// Time opened a drop.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Opened;

/// Time or somebody closed a drop.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Closed;

/// Somebody took units.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Claimed {
    /// The claim's number among the claims of this drop, from 1.
    pub number: u64,
    /// How many units are left after it.
    pub remaining: u64,
    /// Who.
    pub claimant: Id,
    /// What was paid for it.
    pub payment: Option<Box<Payment>>,
    /// How many.
    pub quantity: u32,
    /// What the claimant has after it, where there is a limit; else 0.
    pub units: u32,
}

/// The units of a claim came back.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Released {
    /// The position of the claim.
    pub claim: Position,
    /// How many units are left after it.
    pub remaining: u64,
    /// Whose it was.
    pub claimant: Id,
    /// How many.
    pub quantity: u32,
    /// What the claimant has after it, where there is a limit; else 0.
    pub units: u32,
}

/// There are more units, or fewer.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct StockSet {
    /// How many in all.
    pub stock: u64,
    /// How many of them are left.
    pub remaining: u64,
}
