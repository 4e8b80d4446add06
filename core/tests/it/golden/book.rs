//! Samples of every record that the book machine writes.

use quipu_core::machines::book::{
    Access, Created, Event, Head, Issued, Item, KeyIssued, KeyRevoked,
};
use quipu_core::words::{Id, Position, Timestamp};

use super::Sample;

/// One sample of every head, item and event.
pub(super) fn samples() -> Vec<Sample> {
    let label = Some(Id::new("till-4").expect("well formed"));
    let hash = core::array::from_fn(|index| index as u8 + 1);
    let access = Access { key: Position::new(0x0102_0304_0506), scopes: 5, revoked: true };
    let issued = Issued {
        hash,
        scopes: 3,
        label: label.clone(),
        issued_at: Timestamp::from_ms(0x1112_1314),
        revoked_at: Some(Timestamp::from_ms(0x1115_1617)),
    };
    let created = Created { at: Timestamp::from_ms(0x2122_2324) };
    let revoked = KeyRevoked { key: Position::new(0x3132_3334) };
    vec![
        Sample::of("book", "head", &Head { keys: 0x4142, open: 0x4344 }),
        Sample::of("book", "item", &Item::from(access)),
        Sample::of("book", "item", &Item::from(issued)),
        Sample::of("book", "event", &Event::from(created)),
        Sample::of("book", "event", &Event::from(KeyIssued { hash, scopes: 9, label })),
        Sample::of("book", "event", &Event::from(revoked)),
    ]
}
