//! The keys of index rows: what lists items of many streams in an order of their machine's own.

use super::Corrupt;
use crate::machine::ItemKey;
use crate::words::{Book, Kind, Number};

/// The most bytes that an item is listed by in one index row.
pub const INDEX_LEN_MAX: usize = 1_024;

/// An index row: an item, and what it is listed by. All of it is the row's key; its value is
/// empty.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IndexRow {
    /// The book of the item's stream.
    pub book: Book,
    /// Its kind.
    pub kind: Kind,
    /// Which index of the kind.
    pub index: u8,
    /// What the machine lists the item by.
    pub bytes: Vec<u8>,
    /// The item's stream.
    pub number: Number,
    /// The item.
    pub item: ItemKey,
}

impl IndexRow {
    /// Reads a row's key.
    pub fn read(key: &[u8]) -> Result<Self, Corrupt> {
        let (book, rest) = key.split_first_chunk::<8>().ok_or(Corrupt::Short)?;
        let ([kind, index], rest) = rest.split_first_chunk::<2>().ok_or(Corrupt::Short)?;
        let (bytes, rest) = unescape(rest).ok_or(Corrupt::Range)?;
        let (number, item) = rest.split_first_chunk::<8>().ok_or(Corrupt::Short)?;
        if bytes.len() > INDEX_LEN_MAX {
            return Err(Corrupt::Range);
        }
        Ok(Self {
            book: Book::new(Number::new(u64::from_be_bytes(*book))),
            kind: Kind::new(*kind),
            index: *index,
            bytes,
            number: Number::new(u64::from_be_bytes(*number)),
            item: ItemKey::from_bytes(item).ok_or(Corrupt::Range)?,
        })
    }
}

/// Appends the key of an index row:
/// `book u64 | kind u8 | index u8 | bytes, escaped | 0 0 | number u64 | item's key`, big-endian.
///
/// Rows of one index lie in the order of these bytes, then of streams and their items.
pub fn key_of_index(
    (book, kind, index): (Book, Kind, u8),
    bytes: &[u8],
    number: Number,
    item: &ItemKey,
    out: &mut Vec<u8>,
) {
    prefix_of_index((book, kind, index), bytes, out);
    out.extend_from_slice(&[0, 0]);
    out.extend_from_slice(&number.get().to_be_bytes());
    out.extend_from_slice(item.as_bytes());
}

/// Appends what the keys of those rows of an index begin with whose bytes begin with `prefix`.
pub fn prefix_of_index((book, kind, index): (Book, Kind, u8), prefix: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&book.get().to_be_bytes());
    out.extend_from_slice(&[kind.get(), index]);
    escape(prefix, out);
}

/// Appends bytes with each zero of them followed by 255. Two zeros behind them then end them,
/// and sort them before all longer bytes that begin with them.
pub fn escape(bytes: &[u8], out: &mut Vec<u8>) {
    let mut rest = bytes;
    while let Some(zero) = rest.iter().position(|byte| *byte == 0) {
        out.extend_from_slice(&rest[..=zero]);
        out.push(255);
        rest = &rest[zero + 1..];
    }
    out.extend_from_slice(rest);
}

/// The bytes that were [escaped](escape), and what follows the two zeros behind them.
#[must_use]
pub fn unescape(escaped: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let (mut bytes, mut rest) = (Vec::new(), escaped);
    loop {
        let zero = rest.iter().position(|byte| *byte == 0)?;
        bytes.extend_from_slice(&rest[..zero]);
        let (mark, behind) = rest[zero + 1..].split_first()?;
        rest = behind;
        match mark {
            0 => return Some((bytes, rest)),
            255 => bytes.push(0),
            _ => return None,
        }
    }
}
