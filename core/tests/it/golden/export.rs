//! Samples of every record that the export machine writes.

use quipu_core::machines::export::{
    Audit, Begun, Downloaded, Event, Expired, Failed, Filter, Finished, Format, Head, Item,
    Progressed, Reason, Requested, State, Step, What,
};
use quipu_core::words::{Id, Position, Timestamp};

use super::Sample;

/// One sample of every head, item and event.
pub(super) fn samples() -> Vec<Sample> {
    let id = |text| Id::new(text).expect("well formed");
    let sha256: [u8; 32] = core::array::from_fn(|at| at as u8 + 1);
    let expires_at = Timestamp::from_ms(1_795_156_245_678);
    let head = Head {
        state: State::Ready,
        what: What::Tickets,
        format: Format::Csv,
        fence: Position::new(11),
        as_of: Position::new(12),
        done: 13,
        total: 14,
        rows: 15,
        bytes: 16,
        sha256,
        expires_at: Some(expires_at),
    };
    let audit = Audit {
        step: Step::Downloaded,
        at: Timestamp::from_ms(1_795_156_245_679),
        by: Some(id("somebody")),
    };
    let items: [Item; 3] = [
        audit.into(),
        Filter { text: "asset=USD/2".to_owned() }.into(),
        Reason { text: "no room on the disk".to_owned() }.into(),
    ];
    let filter = Some("kind=flow".to_owned());
    let events: [Event; 7] = [
        Requested { what: What::Entries, format: Format::Ndjson, filter }.into(),
        Begun { worker: id("worker-number-3"), as_of: Position::new(21) }.into(),
        Progressed { done: 22, total: 23 }.into(),
        Finished { rows: 24, bytes: 25, sha256, expires_at }.into(),
        Failed { reason: "the worker gave up".to_owned(), expires_at }.into(),
        Downloaded { by: Some(id("bob")) }.into(),
        Expired.into(),
    ];
    let mut samples = vec![Sample::of("export", "head", &head)];
    samples.extend(items.iter().map(|item| Sample::of("export", "item", item)));
    samples.extend(events.iter().map(|event| Sample::of("export", "event", event)));
    samples
}
