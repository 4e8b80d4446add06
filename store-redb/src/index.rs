//! Index entries: what a row adds to the indexes, and the row that an entry came from.
//!
//! An entry is a run of bytes whose order is the order of its index. Its first byte says which
//! index it belongs to:
//!
//! ```text
//! due     1 │ when u64 │ number u64 │ item's key, or nothing for the stream itself
//! due of  2 │ number u64 │ when u64 │ item's key
//! list    3 │ book u64 │ kind u8 │ index u8 │ index key, escaped │ 0 0 │ number u64
//! ```
//!
//! Integers are big-endian. In an escaped key a zero is followed by 255, so that the two zeros
//! behind it sort it before every longer key that begins with it.

use quipu_core::machine::{ItemKey, Registry};
use quipu_core::records::{Corrupt, HeadRow, ItemRow, Table, escape, unescape};
use quipu_core::store::Due;
use quipu_core::words::{Book, Kind, Number, Timestamp};

/// Which index an entry belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Index {
    Due = 1,
    DueOf = 2,
    List = 3,
}

impl Index {
    pub(crate) const ALL: [Self; 3] = [Self::Due, Self::DueOf, Self::List];

    /// The index of an entry.
    pub(crate) fn of(entry: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|index| entry.first() == Some(&(*index as u8)))
    }
}

/// Book, kind and index; the end of what an item is listed by; the item.
const INDEX_KEY_LEN_MIN: usize = 8 + 2 + 2 + 8 + 1;

/// The bytes before an index key in an entry of a list.
const LIST_FRONT: usize = 11;

/// Gives every entry of a row to `out`; the bytes are in its hands only during the call.
pub(crate) fn entries(
    registry: &Registry,
    table: Table,
    key: &[u8],
    value: &[u8],
    out: &mut dyn FnMut(&[u8]),
) -> Result<(), Corrupt> {
    match table {
        Table::Head => entries_of_head(registry, key, value, out),
        Table::Item => entries_of_item(registry, key, value, out),
        Table::Name | Table::Key | Table::Index => Ok(()),
    }
}

fn entries_of_head(
    registry: &Registry,
    key: &[u8],
    value: &[u8],
    out: &mut dyn FnMut(&[u8]),
) -> Result<(), Corrupt> {
    let number = number_of(key)?;
    let row = HeadRow::read(value)?;
    let rules = registry.rules(row.name.kind).ok_or(Corrupt::Tag)?;
    let at = rules.head_due(row.tag, row.head)?;
    let mut bytes = Vec::with_capacity(96);
    if at != Timestamp::NEVER {
        due_into(at, number, &[], &mut bytes);
        out(&bytes);
    }
    let created = row.stamp.created.ms().to_be_bytes();
    let mut list = |index: u8, front: &[u8]| {
        list_front(row.name.book, row.name.kind, index, &mut bytes);
        escape(front, &mut bytes);
        escape(&created, &mut bytes);
        escape(row.name.id.as_str().as_bytes(), &mut bytes);
        bytes.extend_from_slice(&[0, 0]);
        bytes.extend_from_slice(&number.get().to_be_bytes());
        out(&bytes);
    };
    list(0, &[]);
    rules.indexes(row.tag, row.head, &mut list)
}

fn entries_of_item(
    registry: &Registry,
    key: &[u8],
    value: &[u8],
    out: &mut dyn FnMut(&[u8]),
) -> Result<(), Corrupt> {
    let number = number_of(key)?;
    let item = ItemKey::from_bytes(&key[8..]).ok_or(Corrupt::Range)?;
    let row = ItemRow::read(value)?;
    let rules = registry.rules(row.kind).ok_or(Corrupt::Tag)?;
    let at = rules.item_due(row.tag, row.item)?;
    if at != Timestamp::NEVER {
        let mut bytes = Vec::with_capacity(48);
        due_into(at, number, item.as_bytes(), &mut bytes);
        out(&bytes);
        due_of_into(number, at, item.as_bytes(), &mut bytes);
        out(&bytes);
    }
    Ok(())
}

/// Whether a table takes such a key: what index entries and layers rest on.
pub(crate) fn check_key(table: Table, key: &[u8]) -> Result<(), Corrupt> {
    let least = match table {
        Table::Head => return if key.len() == 8 { Ok(()) } else { Err(Corrupt::Range) },
        Table::Item => 9,
        Table::Name => 1,
        Table::Key => 4,
        Table::Index => INDEX_KEY_LEN_MIN,
    };
    if key.len() < least {
        return Err(Corrupt::Short);
    }
    if u16::try_from(key.len()).is_err() { Err(Corrupt::Range) } else { Ok(()) }
}

/// The row that an entry came from. `None` where these bytes are no entry.
pub(crate) fn row_of(entry: &[u8]) -> Option<(Table, Vec<u8>)> {
    match Index::of(entry)? {
        Index::Due => match entry.len() {
            0..17 => None,
            17 => Some((Table::Head, entry[9..].to_vec())),
            _ => Some((Table::Item, entry[9..].to_vec())),
        },
        Index::DueOf if entry.len() > 17 => {
            Some((Table::Item, [&entry[1..9], &entry[17..]].concat()))
        }
        Index::List if entry.len() >= LIST_FRONT + 10 => {
            Some((Table::Head, entry[entry.len() - 8..].to_vec()))
        }
        Index::DueOf | Index::List => None,
    }
}

/// The entry of something that is due.
pub(crate) fn due_entry(due: &Due) -> Vec<u8> {
    let mut bytes = Vec::new();
    due_into(due.at, due.number, due.item.as_ref().map_or(&[], ItemKey::as_bytes), &mut bytes);
    bytes
}

/// Where what is due from a time on begins.
pub(crate) fn due_from(at: Timestamp) -> Vec<u8> {
    due_entry(&Due { at, number: Number::ZERO, item: None })
}

/// The same entry among those of its stream.
pub(crate) fn due_of_entry(number: Number, at: Timestamp, item: Option<&ItemKey>) -> Vec<u8> {
    let mut bytes = Vec::new();
    due_of_into(number, at, item.map_or(&[], ItemKey::as_bytes), &mut bytes);
    bytes
}

/// What an entry says is due, and when.
pub(crate) fn due_of(entry: &[u8]) -> Option<Due> {
    let (&[index], rest) = entry.split_first_chunk::<1>()?;
    let (one, rest) = rest.split_first_chunk::<8>()?;
    let (two, item) = rest.split_first_chunk::<8>()?;
    let (at, number) = if index == Index::Due as u8 { (one, two) } else { (two, one) };
    let at = Timestamp::from_ms(u64::from_be_bytes(*at));
    let number = Number::new(u64::from_be_bytes(*number));
    let item = if item.is_empty() { None } else { Some(ItemKey::from_bytes(item)?) };
    Some(Due { at, number, item })
}

/// What all entries of a list begin with.
pub(crate) fn list_prefix(book: Book, kind: Kind, index: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    list_front(book, kind, index, &mut bytes);
    bytes
}

/// Where the entries of a list begin that lie behind an index key, whosesoever they are.
pub(crate) fn list_after(book: Book, kind: Kind, index: u8, after: &[u8]) -> Vec<u8> {
    let mut bytes = list_prefix(book, kind, index);
    if !after.is_empty() {
        escape(after, &mut bytes);
        bytes.extend_from_slice(&[0, 1]);
    }
    bytes
}

/// An entry's index key, and its stream.
pub(crate) fn listed(entry: &[u8]) -> Option<(Vec<u8>, Number)> {
    let (key, number) = unescape(entry.get(LIST_FRONT..)?)?;
    Some((key, Number::new(u64::from_be_bytes(number.try_into().ok()?))))
}

fn due_into(at: Timestamp, number: Number, item: &[u8], bytes: &mut Vec<u8>) {
    bytes.clear();
    bytes.push(Index::Due as u8);
    bytes.extend_from_slice(&at.ms().to_be_bytes());
    bytes.extend_from_slice(&number.get().to_be_bytes());
    bytes.extend_from_slice(item);
}

fn due_of_into(number: Number, at: Timestamp, item: &[u8], bytes: &mut Vec<u8>) {
    bytes.clear();
    bytes.push(Index::DueOf as u8);
    bytes.extend_from_slice(&number.get().to_be_bytes());
    bytes.extend_from_slice(&at.ms().to_be_bytes());
    bytes.extend_from_slice(item);
}

fn list_front(book: Book, kind: Kind, index: u8, bytes: &mut Vec<u8>) {
    bytes.clear();
    bytes.push(Index::List as u8);
    bytes.extend_from_slice(&book.get().to_be_bytes());
    bytes.extend_from_slice(&[kind.get(), index]);
}

fn number_of(key: &[u8]) -> Result<Number, Corrupt> {
    let bytes = key.first_chunk::<8>().ok_or(Corrupt::Short)?;
    Ok(Number::new(u64::from_be_bytes(*bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_a_list_sort_by_key_and_then_by_number() {
        let keys: [&[u8]; 9] =
            [b"", b"\0", b"\0\0", b"\0\xff", b"a", b"a\0", b"a\0\0\0\0\0\0\0\0", b"a\x01", b"ab"];
        let mut entries = Vec::new();
        for key in keys {
            for number in [0, 7, u64::MAX] {
                let mut entry = list_prefix(Book::DEFAULT, Kind::new(9), 3);
                escape(key, &mut entry);
                entry.extend_from_slice(&[0, 0]);
                entry.extend_from_slice(&number.to_be_bytes());
                assert_eq!(listed(&entry), Some((key.to_vec(), Number::new(number))));
                if !key.is_empty() {
                    let after = list_after(Book::DEFAULT, Kind::new(9), 3, key);
                    assert!(entry < after, "{number} under {key:?} lies before what is behind");
                    assert!(entries.iter().all(|before| *before < after));
                }
                entries.push(entry);
            }
        }
        assert!(entries.is_sorted(), "the order of bytes is the order of the list");
        for (index, key) in keys.iter().enumerate().skip(1) {
            let after = list_after(Book::DEFAULT, Kind::new(9), 3, key);
            assert_eq!(entries.partition_point(|entry| *entry < after), 3 * (index + 1));
        }
    }
}
