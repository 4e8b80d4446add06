//! Samples of every record that the source machine writes.

use quipu_core::machines::source::{Advanced, Event, Head};

use super::Sample;

/// One sample of every head, item and event.
pub(super) fn samples() -> Vec<Sample> {
    vec![
        Sample::of("source", "head", &Head { cursor: 0x0102_0304_0506_0708 }),
        Sample::of("source", "event", &Event::from(Advanced { cursor: 0x1112_1314_1516_1718 })),
    ]
}
