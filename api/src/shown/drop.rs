//! Drops and their claims, as they are shown.

use quipu_ledger::drop::{Claim, ClaimState, ClaimView, State, View};
use quipu_ledger::words::{Amount, Asset, Id};
use schemars::JsonSchema;
use serde::Serialize;

use super::Told;
use crate::wire::{Pairs, Text, Time};

/// A limited stock. `taken + remaining = stock`.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Drop")]
pub(crate) struct DropShown {
    id: Text<Id>,
    /// Always `drop`.
    kind: &'static str,
    /// `scheduled`, `open` or `closed`, as of this answer.
    state: &'static str,
    stock: u64,
    /// Units that are claimed and not released.
    taken: u64,
    remaining: u64,
    /// How many claims there were, released ones included.
    claims: u64,
    per_claimant: Option<u32>,
    opens_at: Time,
    closes_at: Option<Time>,
    price: Option<PriceShown>,
    /// The account that is paid.
    seller: Option<Text<Id>>,
    version: u64,
    created_at: Time,
    updated_at: Time,
    metadata: Pairs,
}

/// What a unit costs.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Price")]
pub(crate) struct PriceShown {
    amount: Text<Amount>,
    asset: Text<Asset>,
}

/// The states of a drop, by their names.
pub(crate) const STATES: &[(&str, State)] =
    &[("scheduled", State::Scheduled), ("open", State::Open), ("closed", State::Closed)];

impl DropShown {
    pub(crate) fn of(view: View, told: &Told) -> Self {
        Self {
            id: Text(view.id),
            kind: "drop",
            state: match view.state {
                State::Scheduled => "scheduled",
                State::Open => "open",
                State::Closed => "closed",
            },
            stock: view.stock,
            taken: view.taken,
            remaining: view.remaining,
            claims: view.claims,
            per_claimant: view.per_claimant,
            opens_at: Time(view.opens_at),
            closes_at: view.closes_at.map(Time),
            price: view
                .price
                .map(|price| PriceShown { amount: Text(price.amount), asset: Text(price.asset) }),
            seller: view.seller.map(Text),
            version: told.version.get(),
            created_at: Time(view.created_at),
            updated_at: Time(view.updated_at),
            metadata: Pairs(view.metadata),
        }
    }
}

/// A claim that was just made.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "DropClaim")]
pub(crate) struct DropClaimShown {
    id: Text<Id>,
    drop: Text<Id>,
    /// Counts the committed claims of the drop, from 1, without a gap.
    number: u64,
    claimant: Text<Id>,
    quantity: u32,
    /// What is left behind it.
    remaining: u64,
    /// The account that paid.
    paid_from: Option<Text<Id>>,
    /// What was paid for all units together.
    paid: Option<Text<Amount>>,
    position: u64,
    at: Time,
    version: u64,
}

impl DropClaimShown {
    pub(crate) fn of(drop: Id, claim: Claim, told: &Told) -> Self {
        let (paid_from, paid) = match claim.payment {
            Some(payment) => (Some(Text(payment.payer)), Some(Text(payment.amount))),
            None => (None, None),
        };
        Self {
            id: Text(claim.id),
            drop: Text(drop),
            number: claim.number,
            claimant: Text(claim.claimant),
            quantity: claim.quantity,
            remaining: claim.remaining,
            paid_from,
            paid,
            position: told.position.get(),
            at: Time(told.at),
            version: told.version.get(),
        }
    }
}

/// A claim as it stood.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "DropClaimState")]
pub(crate) struct TakenShown {
    id: Text<Id>,
    drop: Text<Id>,
    number: u64,
    claimant: Text<Id>,
    quantity: u32,
    /// `claimed` or `released`.
    state: &'static str,
    claimed_at: Time,
    paid_from: Option<Text<Id>>,
    paid: Option<Text<Amount>>,
    /// Where it was claimed; in the answer to a release, where that happened.
    position: u64,
    /// When that was.
    at: Time,
    /// The version of the drop.
    version: u64,
}

impl TakenShown {
    /// A claim that was just released.
    pub(crate) fn released(drop: Id, claim: ClaimView, told: &Told) -> Self {
        let (position, at) = (told.position.get(), Time(told.at));
        Self { position, at, ..Self::of(drop, claim, told) }
    }

    pub(crate) fn of(drop: Id, claim: ClaimView, told: &Told) -> Self {
        let (paid_from, paid) = match claim.payment {
            Some(payment) => (Some(Text(payment.payer)), Some(Text(payment.amount))),
            None => (None, None),
        };
        let position = claim.id.position('c').unwrap_or(told.position);
        Self {
            id: Text(claim.id),
            drop: Text(drop),
            number: claim.number,
            claimant: Text(claim.claimant),
            quantity: claim.quantity,
            state: match claim.state {
                ClaimState::Taken => "claimed",
                ClaimState::Released => "released",
            },
            claimed_at: Time(claim.at),
            paid_from,
            paid,
            position: position.get(),
            at: Time(claim.at),
            version: told.version.get(),
        }
    }
}
