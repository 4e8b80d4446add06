//! Samples of every record that the flow machine writes.

use quipu_core::machines::flow::{
    Attached, Cancelled, Event, Head, Opened, Paused, Resumed, Settled, Started, State, Stopped,
    ToppedUp, Withdrawn,
};
use quipu_core::words::{Amount, Asset, Id, Metadata, Timestamp};

use super::Sample;

/// One sample of every head, item and event.
pub(super) fn samples() -> Vec<Sample> {
    let events: [Event; 9] = [
        Opened {
            asset: asset(),
            total: units(1),
            duration_ms: 0x0101,
            cliff_ms: 0x0102,
            start_at: Some(time(3)),
            payer: Some(id("payer")),
            recipient: Some(id("a-recipient-with-a-long-name")),
            metadata: Some(metadata()),
        }
        .into(),
        Started { start_at: time(4) }.into(),
        Paused { active_ms: 0x0105 }.into(),
        Resumed { paused_ms: 0x0106 }.into(),
        Settled { amount: units(7), settled: units(8), ended: true }.into(),
        Withdrawn { amount: units(9), withdrawn: units(10) }.into(),
        ToppedUp { amount: units(11), total: units(12), duration_ms: 0x010d }.into(),
        Stopped { amount: units(14), settled: units(15), refunded: units(16) }.into(),
        Cancelled { refunded: units(17) }.into(),
    ];
    let head = Head {
        asset: asset(),
        state: State::Paused,
        total: units(18),
        settled: units(19),
        withdrawn: units(20),
        refunded: units(21),
        rate_amount: units(22),
        rate_ms: 0x0117,
        duration_ms: 0x0118,
        cliff_ms: 0x0119,
        start_at: Some(time(26)),
        paused_ms: 0x011b,
        frozen_at: Some(time(28)),
        payer: Some(id("payer")),
        recipient: Some(id("a-recipient-with-a-long-name")),
    };
    let mut samples = vec![
        Sample::of("flow", "head", &head),
        Sample::of("flow", "item", &Attached { metadata: metadata() }),
    ];
    samples.extend(events.iter().map(|event| Sample::of("flow", "event", event)));
    samples
}

/// An amount that needs both of its words.
fn units(number: u64) -> Amount {
    Amount::from(number).plus(Amount::MAX.share(1, 3)).expect("it fits")
}

fn time(number: u64) -> Timestamp {
    Timestamp::from_ms(1_795_156_245_000 + number)
}

fn asset() -> Asset {
    Asset::new("USD/2").expect("an asset")
}

fn id(text: &str) -> Id {
    Id::new(text).expect("well formed")
}

fn metadata() -> Metadata {
    Metadata::new([("for", "rent"), ("note", "é")]).expect("small")
}
