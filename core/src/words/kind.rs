//! What a stream is called: its book, its kind and its id.

use core::fmt;

use super::{Id, Number};

/// The number of a kind of stream. Below 64 are the built-in kinds; own machines take the rest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind(u8);

impl Kind {
    /// The first number that an own machine may take.
    pub const OWN: u8 = 64;

    /// A kind by its number, which never changes once it is on a disk.
    #[must_use]
    pub const fn new(number: u8) -> Self {
        Self(number)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "kind {}", self.0)
    }
}

/// A book, by the number of its stream. Streams of different books never meet.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Book(u64);

impl Book {
    /// The book of books: it holds the streams of the books themselves.
    pub const SYSTEM: Self = Self(0);
    /// The book `default`, which the first entry of every ledger creates.
    pub const DEFAULT: Self = Self(1);

    /// The book whose stream has this number.
    #[must_use]
    pub const fn new(number: Number) -> Self {
        Self(number.get())
    }

    /// The number of its stream.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Debug for Book {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "book {}", self.0)
    }
}

/// A stream's whole name. The order is the one in which reservations are taken within a shard.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    /// The book it lives in.
    pub book: Book,
    /// What it is.
    pub kind: Kind,
    /// Which one.
    pub id: Id,
}

impl Name {
    /// A name of these three.
    #[must_use]
    pub fn new(book: Book, kind: Kind, id: Id) -> Self {
        Self { book, kind, id }
    }

    /// The same book and id space, another stream.
    #[must_use]
    pub fn beside(&self, kind: Kind, id: Id) -> Self {
        Self { book: self.book, kind, id }
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}/{}", self.book.0, self.kind.0, self.id)
    }
}
