//! The key machine: the home of an idempotency key whose command has no stream of its own.
//!
//! Transactions, ticket batches and creates without an id have a stream of this kind as one
//! leg more. It comes into being with the command's effect, keeps the id that the server made,
//! and vanishes a day later.
//!
//! | | absent | present |
//! |---|---|---|
//! | keep | made | so already |
//! | forget | `not_found` | gone; before its time `wrong_state` |

use rkyv::{Archive, Deserialize, Serialize};

use crate::machine::{
    Canon, Changes, Context, Decided, ItemKey, Machine, Place, Said, Shows, View,
};
use crate::words::{Code, Id, Kind, Refusal, Timestamp};
use crate::{record, records};

/// The key machine.
#[derive(Clone, Copy, Debug)]
pub struct Key;

/// How long a key is kept.
pub const LIFE_MS: u64 = 24 * 60 * 60 * 1000;

/// What can be asked of a key.
#[derive(Clone, PartialEq, Debug)]
pub enum Command {
    /// As a leg: the key is used.
    Keep {
        /// The id that the server has made for the command, if it made one.
        made: Option<Id>,
    },
    /// Time: its day is over.
    Forget,
}

impl Said for Command {
    fn operation(&self) -> u8 {
        match self {
            Self::Keep { .. } => 1,
            Self::Forget => 2,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Keep { .. } => "keep",
            Self::Forget => "forget",
        }
    }

    fn is_leg(&self) -> bool {
        matches!(self, Self::Forget)
    }

    /// Nothing: this leg says which id was made, and a retry comes with another one, while the
    /// first counts. What makes two asks under one key differ stands in their other legs.
    fn canon(&self, _: &mut Canon) {}

    fn heap_bytes(&self) -> usize {
        match self {
            Self::Keep { made } => made.as_ref().map_or(0, Id::heap_bytes),
            Self::Forget => 0,
        }
    }
}

/// A key's head.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Head {
    /// The id that the server made, so that a repeat makes the same.
    pub made: Option<Id>,
    /// The instant from which on it is absent.
    pub expires_at: Timestamp,
}

record!(Head = (1, 1));

records! {
    /// What can happen to a key.
    pub enum Event {
        /// It was used.
        Kept = (1, 1),
        /// Its day is over.
        Forgotten = (2, 1),
    }
}

/// It was used.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Kept {
    /// The id that the server made.
    pub made: Option<Id>,
    /// The instant from which on it is absent.
    pub expires_at: Timestamp,
}

/// Its day is over.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Forgotten {
    /// When it was to be.
    pub expires_at: Timestamp,
}

impl Machine for Key {
    const KIND: Kind = Kind::new(10);
    const NAME: &'static str = "key";
    type Head = Head;
    /// It has no items.
    type Item = Head;
    type Event = Event;
    type Command = Command;

    fn decide(
        view: &View<'_, Self>,
        command: &Command,
        cx: &mut Context<'_>,
    ) -> Result<Decided<Event>, Refusal> {
        match command {
            Command::Keep { made } => Ok(keep(view.head, made.as_ref(), cx.now)),
            Command::Forget => forget(view.head, cx.now),
        }
    }

    fn apply(state: &mut Changes<'_, Self>, event: &Event, _at: &Place) {
        match event {
            Event::Kept(Kept { made, expires_at }) => {
                state.set(Head { made: made.clone(), expires_at: *expires_at });
            }
            Event::Forgotten(_) => state.vanish(),
        }
    }

    fn shows(event: &Event, _at: &Place) -> Shows {
        match event {
            Event::Kept(_) => Shows::head(),
            Event::Forgotten(_) => Shows::event(),
        }
    }

    fn due(head: &Head) -> Timestamp {
        head.expires_at
    }

    fn on_due(item: Option<&ItemKey>) -> Option<Command> {
        item.is_none().then_some(Command::Forget)
    }
}

fn keep(head: Option<&Head>, made: Option<&Id>, now: Timestamp) -> Decided<Event> {
    // Nothing below can fail.
    if head.is_some() {
        return Decided::Already(Shows::head());
    }
    // A day behind the year 9999 is as good as never.
    let expires_at = now.after_ms(LIFE_MS).unwrap_or(Timestamp::NEVER);
    Decided::Event(Kept { made: made.cloned(), expires_at }.into())
}

fn forget(head: Option<&Head>, now: Timestamp) -> Result<Decided<Event>, Refusal> {
    let head = head.ok_or(Code::NotFound)?;
    if now < head.expires_at {
        return Err(Code::WrongState.into());
    }

    // Nothing below can fail.
    Ok(Decided::Event(Forgotten { expires_at: head.expires_at }.into()))
}
