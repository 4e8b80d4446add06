//! Samples of every record that the ticket machine writes.

use quipu_core::machines::ticket::{
    Claim, Claimed, Event, Evidence, EvidenceKept, Expired, Head, Issued, Item, Reason, Reference,
    Revoked, State,
};
use quipu_core::words::{Amount, Asset, Id, Metadata, Position, Timestamp};

use super::Sample;

/// One sample of every head, item and event.
pub(super) fn samples() -> Vec<Sample> {
    let id = |text| Id::new(text).expect("well formed");
    let metadata = Metadata::new([("seat", "12"), ("row", "C")]).expect("small");
    let amount = Amount::whole(3 << 64 | 42);
    let asset = Asset::new("USD/2").ok();
    let token_hash = core::array::from_fn(|index| index as u8 + 1);
    let (now, later) = (Timestamp::from_ms(1_000_001), Timestamp::from_ms(2_000_002));
    let head = Head {
        claim: Some(Claim {
            claimant: id("claimant-123"),
            at: now,
            position: Position::new(777),
            token_hash,
        }),
        amount,
        expires_at: later,
        revoked_at: Some(Timestamp::from_ms(1_500_015)),
        evidence: 5,
        asset,
        state: State::Revoked,
    };
    let items = [
        Item::Metadata(metadata.clone()),
        Item::Reference(Reference { reference: id("payment-1") }),
        Item::Reason(Reason { reason: "lost in the post".into() }),
        Item::Evidence(Evidence {
            reference: id("payment-2"),
            position: Position::new(888),
            at: now,
        }),
    ];
    let events = [
        Event::Issued(Issued {
            amount,
            expires_at: later,
            reference: Some(id("payment-1")),
            metadata: Some(metadata),
            asset,
        }),
        Event::Claimed(Claimed { claimant: id("claimant-123"), token_hash }),
        Event::Revoked(Revoked { reason: "lost in the post".into() }),
        Event::Expired(Expired),
        Event::EvidenceKept(EvidenceKept { reference: id("payment-2") }),
    ];
    let items = items.iter().map(|item| Sample::of("ticket", "item", item));
    let events = events.iter().map(|event| Sample::of("ticket", "event", event));
    [Sample::of("ticket", "head", &head)].into_iter().chain(items).chain(events).collect()
}
