//! Samples of every record that the record machine writes.

use quipu_core::machines::record::{Deleted, Event, Expired, Fields, Head, Item, Put, Value};
use quipu_core::words::{Id, Timestamp};

use super::Sample;

/// One sample of every head, item and event.
pub(super) fn samples() -> Vec<Sample> {
    let head = Head {
        expires_at: Some(Timestamp::from_ms(1_795_156_245_678)),
        value_len: 0x0102_0304,
        field_count: 5,
    };
    let items: [Item; 2] = [
        Value { text: r#"{"started":true,"zone":"é"}"#.to_owned() }.into(),
        Fields { pairs: pairs() }.into(),
    ];
    let put = Put {
        value: r#"{"started":false}"#.to_owned(),
        fields: pairs(),
        expires_at: Some(Timestamp::from_ms(1_795_156_245_679)),
    };
    let events: [Event; 3] = [put.into(), Deleted.into(), Expired.into()];
    let mut samples = vec![Sample::of("record", "head", &head)];
    samples.extend(items.iter().map(|item| Sample::of("record", "item", item)));
    samples.extend(events.iter().map(|event| Sample::of("record", "event", event)));
    samples
}

fn pairs() -> Vec<(Id, String)> {
    let id = |text| Id::new(text).expect("well formed");
    vec![(id("started"), "true".to_owned()), (id("zone-of-availability"), "eu:1".to_owned())]
}
