//! What an event changes.

use super::{Attached, Event, Flow, Head, Opened, State, metadata_key};
use crate::machine::{Changes, Place};
use crate::words::{Amount, Timestamp};

pub(super) fn apply(state: &mut Changes<'_, Flow>, event: &Event, at: &Place) {
    if let Event::Opened(event) = event {
        return open(state, event);
    }
    let Some(head) = state.head() else { return };
    match event {
        Event::Opened(_) => {}
        Event::Started(event) => {
            head.state = State::Active;
            head.start_at = Some(event.start_at);
        }
        Event::Paused(_) => {
            head.state = State::Paused;
            head.frozen_at = Some(at.now);
        }
        Event::Resumed(event) => {
            head.state = State::Active;
            head.paused_ms = event.paused_ms;
            head.frozen_at = None;
        }
        Event::Settled(event) => {
            head.settled = event.settled;
            if event.ended {
                end(head, at.now);
            }
        }
        Event::Withdrawn(event) => head.withdrawn = event.withdrawn,
        Event::ToppedUp(event) => {
            head.total = event.total;
            head.duration_ms = event.duration_ms;
        }
        Event::Stopped(event) => {
            head.settled = event.settled;
            head.refunded = event.refunded;
            end(head, at.now);
        }
        Event::Cancelled(event) => {
            head.state = State::Cancelled;
            head.refunded = event.refunded;
        }
    }
}

fn open(state: &mut Changes<'_, Flow>, event: &Opened) {
    let Opened { asset, total, duration_ms, cliff_ms, start_at, payer, recipient, metadata } =
        event;
    state.set(Head {
        asset: *asset,
        state: if start_at.is_some() { State::Active } else { State::Draft },
        total: *total,
        settled: Amount::ZERO,
        withdrawn: Amount::ZERO,
        refunded: Amount::ZERO,
        rate_amount: *total,
        rate_ms: *duration_ms,
        duration_ms: *duration_ms,
        cliff_ms: *cliff_ms,
        start_at: *start_at,
        paused_ms: 0,
        frozen_at: None,
        payer: payer.clone(),
        recipient: recipient.clone(),
    });
    if let Some(metadata) = metadata {
        state.put(metadata_key(), Attached { metadata: metadata.clone() });
    }
}

/// Its time stands still from now on; a pause that it was in counts as one.
fn end(head: &mut Head, now: Timestamp) {
    head.paused_ms = head.stood_still_ms(now);
    head.frozen_at = Some(now);
    head.state = State::Ended;
}
