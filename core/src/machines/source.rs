//! The source machine: how far a reader of something outside has come.
//!
//! A source is made by the first advance. Its cursor never runs back: a lower or equal one is
//! accepted and changes nothing, so a batch that comes again is no error. Nothing is refused.

use rkyv::{Archive, Deserialize, Serialize};

use crate::machine::{Canon, Changes, Context, Decided, Machine, Place, Said, Shows, View};
use crate::words::{Kind, Refusal};
use crate::{record, records};

/// The source machine.
#[derive(Clone, Copy, Debug)]
pub struct Source;

/// What can be asked of a source.
#[derive(Clone, PartialEq, Debug)]
pub enum Command {
    /// The reader has come this far.
    Advance {
        /// How far.
        cursor: u64,
    },
}

impl Said for Command {
    fn operation(&self) -> u8 {
        match self {
            Self::Advance { .. } => 1,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Advance { .. } => "advance",
        }
    }

    fn canon(&self, canon: &mut Canon) {
        match self {
            Self::Advance { cursor } => canon.field(1, cursor),
        }
    }
}

/// A source's head.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Head {
    /// How far its reader has come.
    pub cursor: u64,
}

record!(Head = (1, 1));

records! {
    /// What can happen to a source.
    pub enum Event {
        /// Its reader came further.
        Advanced = (1, 1),
    }
}

/// Its reader came further.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Advanced {
    /// How far.
    pub cursor: u64,
}

impl Machine for Source {
    const KIND: Kind = Kind::new(9);
    const NAME: &'static str = "source";
    type Head = Head;
    /// It has no items.
    type Item = Head;
    type Event = Event;
    type Command = Command;

    fn decide(
        view: &View<'_, Self>,
        command: &Command,
        _cx: &mut Context<'_>,
    ) -> Result<Decided<Event>, Refusal> {
        let Command::Advance { cursor } = *command;

        // Nothing below can fail.
        if view.head.is_some_and(|head| cursor <= head.cursor) {
            return Ok(Decided::Already(Shows::head()));
        }
        Ok(Decided::Event(Advanced { cursor }.into()))
    }

    fn apply(state: &mut Changes<'_, Self>, event: &Event, _at: &Place) {
        match event {
            Event::Advanced(event) => state.set(Head { cursor: event.cursor }),
        }
    }

    fn shows(_event: &Event, _at: &Place) -> Shows {
        Shows::head()
    }
}
