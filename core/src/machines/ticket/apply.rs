//! What an event does to a ticket.

use super::{
    Claim, Event, Evidence, Head, Issued, Item, Reason, Reference, State, Ticket, evidence_key,
    metadata_key, reason_key, reference_key,
};
use crate::machine::{Changes, Place};

pub(super) fn apply(state: &mut Changes<'_, Ticket>, event: &Event, at: &Place) {
    match event {
        Event::Issued(issued) => issue(state, issued, at),
        Event::Claimed(claimed) => {
            let Some(head) = state.head() else { return };
            head.state = State::Claimed;
            head.claim = Some(Claim {
                claimant: claimed.claimant.clone(),
                at: at.now,
                position: at.position,
                token_hash: claimed.token_hash,
            });
        }
        Event::Revoked(revoked) => {
            let Some(head) = state.head() else { return };
            head.state = State::Revoked;
            head.revoked_at = Some(at.now);
            if !revoked.reason.is_empty() {
                let reason = revoked.reason.clone();
                state.put(reason_key(), Item::Reason(Reason { reason }));
            }
        }
        Event::Expired(_) => {
            let Some(head) = state.head() else { return };
            head.state = State::Expired;
        }
        Event::EvidenceKept(kept) => {
            let Some(head) = state.head() else { return };
            head.evidence = head.evidence.saturating_add(1);
            let reference = kept.reference.clone();
            let evidence = Evidence { reference, position: at.position, at: at.now };
            state.put(evidence_key(&kept.reference), Item::Evidence(evidence));
        }
    }
}

fn issue(state: &mut Changes<'_, Ticket>, issued: &Issued, at: &Place) {
    state.set(Head {
        claim: None,
        amount: issued.amount,
        expires_at: issued.expires_at,
        revoked_at: None,
        evidence: 0,
        asset: issued.asset,
        state: if at.now < issued.expires_at { State::Unclaimed } else { State::Expired },
    });
    if let Some(metadata) = &issued.metadata {
        state.put(metadata_key(), Item::Metadata(metadata.clone()));
    }
    if let Some(reference) = issued.reference.clone() {
        state.put(reference_key(), Item::Reference(Reference { reference }));
    }
}
