//! Samples of every record that the drop machine writes.

use quipu_core::machines::drop::{
    Claim, ClaimState, Claimed, Closed, Created, Event, Head, Item, Opened, Payment, Price,
    Released, State, StockSet, Units,
};
use quipu_core::words::{Amount, Asset, Id, Metadata, Position, Timestamp};

use super::Sample;

/// One sample of every head, item and event.
pub(super) fn samples() -> Vec<Sample> {
    let id = |text| Id::new(text).expect("well formed");
    let metadata = Metadata::new([("city", "Lima"), ("hall", "B")]).expect("small");
    let amount = Amount::whole(3 << 64 | 42).expect("small");
    let price = Some(Price { amount, asset: Asset::new("USD/2").expect("well formed") });
    let payment = Some(Box::new(Payment { payer: id("buyer-1"), amount }));
    let (opens_at, closes_at) = (Timestamp::from_ms(1_000_001), Timestamp::from_ms(2_000_002));
    let head = Head {
        stock: 100,
        taken: 7,
        claims: 9,
        opens_at,
        closes_at,
        price,
        seller: Some(id("seller-1")),
        per_claimant: Some(4),
        state: State::Closed,
    };
    let items = [
        Item::Metadata(metadata.clone()),
        Item::Claim(Claim {
            number: 9,
            at: Timestamp::from_ms(1_500_015),
            claimant: id("claimant-123"),
            payment: payment.clone(),
            quantity: 3,
            state: ClaimState::Released,
        }),
        Item::Units(Units { units: 4 }),
    ];
    let events = [
        Event::Created(Created {
            stock: 100,
            opens_at,
            closes_at,
            price,
            seller: Some(id("seller-1")),
            metadata: Some(metadata),
            per_claimant: Some(4),
        }),
        Event::Opened(Opened),
        Event::Closed(Closed),
        Event::Claimed(Claimed {
            number: 9,
            remaining: 93,
            claimant: id("claimant-123"),
            payment,
            quantity: 3,
            units: 4,
        }),
        Event::Released(Released {
            claim: Position::new(777),
            remaining: 96,
            claimant: id("claimant-123"),
            quantity: 3,
            units: 1,
        }),
        Event::StockSet(StockSet { stock: 50, remaining: 43 }),
    ];
    let items = items.iter().map(|item| Sample::of("drop", "item", item));
    let events = events.iter().map(|event| Sample::of("drop", "event", event));
    [Sample::of("drop", "head", &head)].into_iter().chain(items).chain(events).collect()
}
