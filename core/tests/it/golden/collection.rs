//! Samples of every record that the collection machine writes.

use quipu_core::machines::collection::{Defined, Event, Head, Indexes, Nothing, Reset, Used};
use quipu_core::words::Id;

use super::Sample;

/// One sample of every head, item and event.
pub(super) fn samples() -> Vec<Sample> {
    let names = ["started", "zone"].map(|name| Id::new(name).expect("well formed"));
    let indexes = Indexes::new(&names).expect("few and short");
    let head = Head { era: 0x0102_0304_0506_0708, used: true, indexes: indexes.clone() };
    let events: [Event; 3] = [Defined { era: 7, indexes }.into(), Used.into(), Reset.into()];
    let mut samples =
        vec![Sample::of("collection", "head", &head), Sample::of("collection", "item", &Nothing)];
    samples.extend(events.iter().map(|event| Sample::of("collection", "event", event)));
    samples
}
