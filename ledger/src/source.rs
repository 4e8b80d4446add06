//! Sources: how far a reader of something outside has come.

use quipu_core::machines::source as machine;
use quipu_core::words::{Id, Timestamp};

use crate::book::Book;
use crate::call::{Call, Read};
use crate::error::Error;
use crate::shown::{Kind, Parts};
use crate::words::Given;

/// A source: how far a reader of something outside has come. Its cursor never runs back.
#[derive(Clone)]
pub struct Source {
    book: Book,
    id: Result<Id, Error>,
}

/// A source as it stood.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct View {
    /// Which one.
    pub id: Id,
    /// How far its reader has come.
    pub cursor: u64,
    /// When it came there.
    pub updated_at: Timestamp,
}

impl Kind for machine::Source {
    type View = View;

    fn view(parts: Parts<Self>) -> View {
        View { id: parts.name.id, cursor: parts.head.cursor, updated_at: parts.stamp.updated }
    }
}

impl Source {
    pub(crate) fn new(book: &Book, id: impl Given<Id>) -> Self {
        Self { book: book.clone(), id: id.word() }
    }

    /// Its reader has come this far. One that is no further changes nothing.
    pub fn advance(&self, cursor: u64) -> Call<View> {
        let command = Ok(machine::Command::Advance { cursor });
        Call::new::<machine::Source>(&self.book, self.id.clone(), command, |shown| {
            shown.view::<machine::Source>()
        })
    }

    /// Reads it.
    pub fn get(&self) -> Read<View> {
        Read::new::<machine::Source>(&self.book, self.id.clone(), Vec::new(), |shown| {
            shown.view::<machine::Source>().map(Some)
        })
    }
}
