//! What an event does to a drop.

use super::{
    Claim, ClaimState, Claimed, Created, Drop, Event, Head, Item, Released, State, Units,
    claim_key, metadata_key, units_key,
};
use crate::machine::{Changes, Place};
use crate::words::Id;

pub(super) fn apply(state: &mut Changes<'_, Drop>, event: &Event, at: &Place) {
    match event {
        Event::Created(created) => create(state, created, at),
        Event::Opened(_) => {
            let Some(head) = state.head() else { return };
            head.state = State::Open;
        }
        Event::Closed(_) => {
            let Some(head) = state.head() else { return };
            head.state = State::Closed;
        }
        Event::Claimed(claimed) => claim(state, claimed, at),
        Event::Released(released) => release(state, released),
        Event::StockSet(set) => {
            let Some(head) = state.head() else { return };
            head.stock = set.stock;
        }
    }
}

fn create(state: &mut Changes<'_, Drop>, created: &Created, at: &Place) {
    let mut head = Head {
        stock: created.stock,
        taken: 0,
        claims: 0,
        opens_at: created.opens_at,
        closes_at: created.closes_at,
        price: created.price,
        seller: created.seller.clone(),
        per_claimant: created.per_claimant,
        state: State::Scheduled,
    };
    head.state = head.state_at(at.now);
    state.set(head);
    if let Some(metadata) = &created.metadata {
        state.put(metadata_key(), Item::Metadata(metadata.clone()));
    }
}

fn claim(state: &mut Changes<'_, Drop>, claimed: &Claimed, at: &Place) {
    let Some(head) = state.head() else { return };
    if !mutant!(ClaimWithoutStock) {
        head.taken = head.taken.saturating_add(claimed.quantity.into());
    }
    head.claims = claimed.number;
    if head.per_claimant.is_some() {
        count(state, &claimed.claimant, claimed.units);
    }
    let claim = Claim {
        number: claimed.number,
        at: at.now,
        claimant: claimed.claimant.clone(),
        payment: claimed.payment.clone(),
        quantity: claimed.quantity,
        state: ClaimState::Taken,
    };
    state.put(claim_key(at.position), Item::Claim(claim));
}

fn release(state: &mut Changes<'_, Drop>, released: &Released) {
    let key = claim_key(released.claim);
    let Some(Item::Claim(claim)) = state.item(&key) else { return };
    let claim = Claim { state: ClaimState::Released, ..claim.clone() };
    let Some(head) = state.head() else { return };
    head.taken = head.taken.saturating_sub(released.quantity.into());
    if head.per_claimant.is_some() {
        count(state, &released.claimant, released.units);
    }
    state.put(key, Item::Claim(claim));
}

/// The event says what the claimant has now, so that replay reads nothing for it.
fn count(state: &mut Changes<'_, Drop>, claimant: &Id, units: u32) {
    let key = units_key(claimant);
    if units == 0 {
        state.remove(&key);
    } else {
        state.put(key, Item::Units(Units { units }));
    }
}
