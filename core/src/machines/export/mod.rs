//! The export machine: a file that shows a book as of one position, from its request to its end.
//!
//! A worker begins the export under a fence, the position of that event. Whoever begins it
//! again, after a restart or because the worker seems dead, gets a new fence, starts from
//! nothing, and shuts the older worker out. So an export ends ready or failed exactly once.
//!
//! | state | request | begin | progress | finish | fail | download | its time |
//! |---|---|---|---|---|---|---|---|
//! | absent | queued | `not_found` | `not_found` | `not_found` | `not_found` | `not_found` | `not_found` |
//! | queued | `already_exists` | running | `wrong_state` | `wrong_state` | `wrong_state` | `not_ready` | `wrong_state` |
//! | running | `already_exists` | running again | running | ready | failed | `not_ready` | `wrong_state` |
//! | ready | `already_exists` | `wrong_state` | `wrong_state` | `wrong_state` | `wrong_state` | downloaded | expired |
//! | failed | `already_exists` | `wrong_state` | `wrong_state` | `wrong_state` | `wrong_state` | `wrong_state` | expired |
//! | expired | `already_exists` | `wrong_state` | `wrong_state` | `wrong_state` | `wrong_state` | `expired` | `wrong_state` |
//!
//! In a restored ledger an export that was ready fails, since its file stayed with the original
//! (`FileLost`; in any other state that is so already). One that was queued or running has no
//! file yet, and is begun again as after any restart.
//!
//! An export that ended is expired from its instant on, whether time has been told so or not;
//! before it, its time is `wrong_state`. Progress that runs back or stands still is already so.
//! Where two refusals apply, the first of these is given: `malformed`, `not_found` or
//! `already_exists`, the state's, `stale_fence`, `overflow`.

mod apply;
mod command;
mod decide;
mod state;

pub use command::{Command, Format, What};
pub use state::{
    Audit, Begun, Downloaded, Event, Expired, Failed, Filter, Finished, Head, Item, Progressed,
    Reason, Requested, State, Step,
};

use crate::machine::{Changes, Context, Decided, ItemKey, Machine, Needs, Place, Shows, View};
use crate::words::{Kind, Refusal, Timestamp};

/// The longest filter, and the longest reason of a failure, in bytes.
pub const TEXT_LEN_MAX: usize = 1024;
/// The reason why an export that was ready fails in a restored ledger.
pub const FILE_LOST: &str = "the file stayed with the ledger that was backed up";
/// How long a failed export is remembered as such.
pub const FAILED_TTL_MS: u64 = 86_400_000;

/// The letter of the items that say who did what: one at the position of each step.
pub const AUDIT: u8 = b'A';
/// The key of the item that holds the filter, where there is one.
pub const FILTER: u8 = b'Q';
/// The key of the item that holds the reason, where it failed.
pub const REASON: u8 = b'R';
/// The index by state: the number of the [`State`], one byte.
pub const INDEX_STATE: u8 = 1;

/// The export machine.
#[derive(Debug)]
pub struct Export;

impl Machine for Export {
    const KIND: Kind = Kind::new(7);
    const NAME: &'static str = "export";
    type Head = Head;
    type Item = Item;
    type Event = Event;
    type Command = Command;

    /// Decisions read no item; a worker that begins is shown the filter.
    fn needs(command: &Command, needs: &mut Needs) {
        if matches!(command, Command::Begin { .. }) {
            needs.item(ItemKey::only(FILTER));
        }
    }

    fn decide(
        view: &View<'_, Self>,
        command: &Command,
        cx: &mut Context<'_>,
    ) -> Result<Decided<Event>, Refusal> {
        decide::decide(view, command, cx.now)
    }

    fn apply(state: &mut Changes<'_, Self>, event: &Event, at: &Place) {
        apply::apply(state, event, at);
    }

    fn shows(event: &Event, _at: &Place) -> Shows {
        match event {
            Event::Requested(_) | Event::Begun(_) => Shows::head().with(ItemKey::only(FILTER)),
            Event::Failed(_) => Shows::head().with(ItemKey::only(REASON)),
            Event::Progressed(_)
            | Event::Finished(_)
            | Event::Downloaded(_)
            | Event::Expired(_) => Shows::head(),
        }
    }

    fn due(head: &Head) -> Timestamp {
        match head.state {
            State::Ready | State::Failed => head.expires_at.unwrap_or(Timestamp::NEVER),
            State::Queued | State::Running | State::Expired => Timestamp::NEVER,
        }
    }

    fn on_due(_item: Option<&ItemKey>) -> Option<Command> {
        Some(Command::ExportDue)
    }

    fn on_restored(head: &Head) -> Option<Command> {
        (head.state == State::Ready).then_some(Command::FileLost)
    }

    fn indexes(head: &Head, index: &mut dyn FnMut(u8, &[u8])) {
        index(INDEX_STATE, &[head.state as u8]);
    }
}
