//! Idempotency keys, and the streams that keep those of asks without a stream of their own.

use quipu_core::machine::{Command, Machine, Piece, What};
use quipu_core::machines::key;
use quipu_core::records::{Corrupt, Record};
use quipu_core::shard::{Key, Leg, Options};
use quipu_core::words::{self, Id, Name};

use crate::book::Book;
use crate::error::Error;

/// A key, and its text: the one is for the engine, the other names the stream that keeps it.
#[derive(Clone)]
pub(crate) struct KeyText {
    key: Key,
    text: String,
}

impl KeyText {
    pub(crate) fn new(text: &str) -> Result<Self, Error> {
        let malformed = || Error::form("an idempotency key is 1 to 255 visible characters");
        let key = Key::new(text).map_err(|_| malformed())?;
        Ok(Self { key, text: text.to_owned() })
    }

    /// What the engine takes.
    pub(crate) fn key(&self) -> Key {
        self.key.clone()
    }

    /// The leg that keeps it, and the id that was made for what is asked: the first leg, since
    /// the key belongs to the book and the operation, whichever streams the others are on.
    pub(crate) fn kept(
        &self,
        book: &Book,
        number: words::Book,
        operation: &str,
        made: Option<Id>,
    ) -> Result<Leg, Error> {
        // A key has no blank in it, so an operation and a key never read as another two.
        let text = format!("{operation} {}", self.text);
        let hash = blake3::keyed_hash(book.ledger().secret(), text.as_bytes());
        let stream = Name::new(number, key::Key::KIND, Id::new(&hash.to_hex())?);
        let command = Command::of::<key::Key>(key::Command::Keep { made });
        Ok(Leg { stream, command, options: Options::default() })
    }
}

/// The id that is kept with a key, out of what the leg that keeps it shows.
pub(crate) fn made_id(pieces: &[Piece<'_>]) -> Result<Id, Corrupt> {
    let is_head = |piece: &&Piece<'_>| matches!(piece.what, What::Head(_));
    let piece = pieces.iter().find(is_head).ok_or(Corrupt::Missing)?;
    key::Head::unpack(piece.tag, piece.record)?.made.ok_or(Corrupt::Missing)
}
