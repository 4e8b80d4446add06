//! What an event changes.

use super::state::{Audit, Event, Filter, Head, Reason, State, Step};
use super::{AUDIT, Export, FILTER, REASON};
use crate::machine::{Changes, ItemKey, Place};
use crate::words::{Id, Position};

pub(super) fn apply(state: &mut Changes<'_, Export>, event: &Event, at: &Place) {
    match event {
        Event::Requested(event) => {
            state.set(Head {
                state: State::Queued,
                what: event.what,
                format: event.format,
                fence: Position::ZERO,
                as_of: Position::ZERO,
                done: 0,
                total: 0,
                rows: 0,
                bytes: 0,
                sha256: [0; 32],
                expires_at: None,
            });
            if let Some(text) = event.filter.clone() {
                state.put(ItemKey::only(FILTER), Filter { text }.into());
            }
            audit(state, at, Step::Requested, None);
        }
        Event::Begun(event) => {
            let Some(head) = state.head() else { return };
            head.state = State::Running;
            head.fence = at.position;
            head.as_of = event.as_of;
            (head.done, head.total) = (0, 0);
            audit(state, at, Step::Begun, Some(event.worker.clone()));
        }
        Event::Progressed(event) => {
            let Some(head) = state.head() else { return };
            (head.done, head.total) = (event.done, event.total);
        }
        Event::Finished(event) => {
            let Some(head) = state.head() else { return };
            head.state = State::Ready;
            head.done = head.total;
            (head.rows, head.bytes, head.sha256) = (event.rows, event.bytes, event.sha256);
            head.expires_at = Some(event.expires_at);
            audit(state, at, Step::Finished, None);
        }
        Event::Failed(event) => {
            let Some(head) = state.head() else { return };
            head.state = State::Failed;
            head.expires_at = Some(event.expires_at);
            let text = event.reason.clone();
            state.put(ItemKey::only(REASON), Reason { text }.into());
            audit(state, at, Step::Failed, None);
        }
        Event::Downloaded(event) => {
            if state.head().is_some() {
                audit(state, at, Step::Downloaded, event.by.clone());
            }
        }
        Event::Expired(_) => {
            let Some(head) = state.head() else { return };
            head.state = State::Expired;
            audit(state, at, Step::Expired, None);
        }
    }
}

fn audit(state: &mut Changes<'_, Export>, at: &Place, step: Step, by: Option<Id>) {
    let item = Audit { step, at: at.now, by };
    state.put(ItemKey::at(AUDIT, at.position), item.into());
}
