//! Samples of every record that the key machine writes.

use quipu_core::machines::key::{Event, Forgotten, Head, Kept};
use quipu_core::words::{Id, Timestamp};

use super::Sample;

/// One sample of every head, item and event.
pub(super) fn samples() -> Vec<Sample> {
    let made = Some(Id::new("an-id-that-the-server-made").expect("well formed"));
    let kept = Kept { made: made.clone(), expires_at: Timestamp::from_ms(0x1112_1314) };
    let forgotten = Forgotten { expires_at: Timestamp::from_ms(0x2122_2324) };
    vec![
        Sample::of("key", "head", &Head { made, expires_at: Timestamp::from_ms(0x0102_0304) }),
        Sample::of("key", "event", &Event::from(kept)),
        Sample::of("key", "event", &Event::from(forgotten)),
    ]
}
