//! Rows: what the store keeps of streams, names, items, keys and indexes, and the seal on each.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::{Corrupt, Tag};
use crate::machine::{ItemKey, Stamp};
use crate::words::{Book, Id, Kind, Name, Number, Position, Timestamp};

/// The tables of a store. The number is the first byte of a row's key and never changes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Table {
    /// A stream's number → its head.
    Head = 1,
    /// A stream's name → its number.
    Name = 2,
    /// A stream's number and an item's key → the item.
    Item = 3,
    /// Ten minutes, and an idempotency key's hash → what was answered.
    Key = 4,
    /// What an item is listed by, and the item → nothing. Written beside the item.
    Index = 5,
}

impl Table {
    /// Every table, in key order.
    pub const ALL: [Self; 5] = [Self::Head, Self::Name, Self::Item, Self::Key, Self::Index];
}

/// The key of a head's row: big-endian, so that rows lie in order of creation.
#[must_use]
pub fn key_of_head(number: Number) -> [u8; 8] {
    number.get().to_be_bytes()
}

/// The key of a name's row.
pub fn key_of_name(name: &Name, out: &mut Vec<u8>) {
    out.extend_from_slice(&name.book.get().to_be_bytes());
    out.push(name.kind.get());
    out.extend_from_slice(name.id.as_str().as_bytes());
}

/// The key of an item's row: the items of one stream lie together, in the order of their keys.
pub fn key_of_item(number: Number, item: &ItemKey, out: &mut Vec<u8>) {
    out.extend_from_slice(&number.get().to_be_bytes());
    out.extend_from_slice(item.as_bytes());
}

/// Rows that one or many entries changed, in log order, packed into two buffers.
#[derive(Clone, Default, Debug)]
pub struct Rows {
    bytes: Vec<u8>,
    rows: Vec<RowAt>,
}

#[derive(Clone, Copy, Debug)]
struct RowAt {
    table: Table,
    removed: bool,
    key: u32,
    value: u32,
    end: u32,
}

/// One changed row: a value, or its removal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Row<'a> {
    /// Where it lives.
    pub table: Table,
    /// Its key within the table.
    pub key: &'a [u8],
    /// Its unsealed value; `None` where the row is gone.
    pub value: Option<&'a [u8]>,
}

impl Rows {
    /// Adds a row; `key` and `value` append their bytes.
    pub fn put(
        &mut self,
        table: Table,
        key: impl FnOnce(&mut Vec<u8>),
        value: impl FnOnce(&mut Vec<u8>),
    ) {
        let start = self.mark();
        key(&mut self.bytes);
        let middle = self.mark();
        value(&mut self.bytes);
        self.rows.push(RowAt {
            table,
            removed: false,
            key: start,
            value: middle,
            end: self.mark(),
        });
    }

    /// Adds the removal of a row.
    pub fn remove(&mut self, table: Table, key: impl FnOnce(&mut Vec<u8>)) {
        let start = self.mark();
        key(&mut self.bytes);
        let end = self.mark();
        self.rows.push(RowAt { table, removed: true, key: start, value: end, end });
    }

    fn mark(&self) -> u32 {
        u32::try_from(self.bytes.len()).expect("a tick's rows are bounded far below 4 GiB")
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether nothing changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The bytes of all keys and values.
    #[must_use]
    pub fn byte_len(&self) -> usize {
        self.bytes.len()
    }

    /// The bytes of memory that they take.
    #[must_use]
    pub(crate) fn memory(&self) -> usize {
        self.bytes.capacity() + self.rows.capacity() * size_of::<RowAt>()
    }

    /// The rows from one index up to another, in log order.
    pub fn range(&self, range: core::ops::Range<usize>) -> impl Iterator<Item = Row<'_>> {
        self.rows[range].iter().map(|at| Row {
            table: at.table,
            key: &self.bytes[at.key as usize..at.value as usize],
            value: (!at.removed).then(|| &self.bytes[at.value as usize..at.end as usize]),
        })
    }

    /// All rows, in log order.
    pub fn iter(&self) -> impl Iterator<Item = Row<'_>> {
        self.range(0..self.rows.len())
    }

    /// Forgets all rows but the first ones.
    pub fn truncate(&mut self, len: usize) {
        if let Some(at) = self.rows.get(len) {
            self.bytes.truncate(at.key as usize);
        }
        self.rows.truncate(len);
    }

    /// Empty ones with room for as many.
    #[must_use]
    pub(crate) fn same_size(&self) -> Self {
        Self {
            bytes: Vec::with_capacity(self.bytes.len()),
            rows: Vec::with_capacity(self.rows.len()),
        }
    }

    /// Empties it and keeps its memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.rows.clear();
    }
}

/// The bytes that [`seal`] puts before a value.
pub const SEAL_LEN: usize = 8;

/// Appends `value` behind a checksum over table, key and value.
///
/// A row that was moved under another key, or into another table, does not pass either.
pub fn seal(table: Table, key: &[u8], value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&checksum(table, key, value).to_le_bytes());
    out.extend_from_slice(value);
}

/// The value behind a seal, once its checksum has been found right.
pub fn open<'a>(table: Table, key: &[u8], sealed: &'a [u8]) -> Result<&'a [u8], Corrupt> {
    let (sum, value) = sealed.split_first_chunk::<SEAL_LEN>().ok_or(Corrupt::Short)?;
    if u64::from_le_bytes(*sum) == checksum(table, key, value) {
        Ok(value)
    } else {
        Err(Corrupt::Checksum)
    }
}

fn checksum(table: Table, key: &[u8], value: &[u8]) -> u64 {
    xxh3_64_with_seed(value, xxh3_64_with_seed(key, table as u64))
}

/// A reader over the fixed front of a value.
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl<'a> Fields<'a> {
    pub(crate) fn bytes(&mut self, len: usize) -> Result<&'a [u8], Corrupt> {
        let (head, tail) = self.0.split_at_checked(len).ok_or(Corrupt::Short)?;
        self.0 = tail;
        Ok(head)
    }

    /// Takes the padding behind this many bytes. It is all zeros, so that what was written has
    /// one form only.
    pub(crate) fn padding_of(&mut self, len: usize) -> Result<(), Corrupt> {
        let is_zero = self.bytes(padding(len))?.iter().all(|byte| *byte == 0);
        if is_zero { Ok(()) } else { Err(Corrupt::Range) }
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Corrupt> {
        let (head, tail) = self.0.split_first_chunk::<N>().ok_or(Corrupt::Short)?;
        self.0 = tail;
        Ok(*head)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Corrupt> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Corrupt> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Corrupt> {
        self.array().map(u64::from_le_bytes)
    }
}

/// A head's row: who the stream is, where it stands, and its packed head.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HeadRow<'a> {
    /// The stream's whole name.
    pub name: Name,
    /// Its version, and when it was created and last changed.
    pub stamp: Stamp,
    /// Which struct the head is.
    pub tag: Tag,
    /// The packed head.
    pub head: &'a [u8],
}

impl<'a> HeadRow<'a> {
    /// `kind, type, version, 0, id's length | book | version | created | updated | id, padded | head`
    pub fn write(
        name: &Name,
        stamp: Stamp,
        tag: Tag,
        out: &mut Vec<u8>,
        head: impl FnOnce(&mut Vec<u8>),
    ) {
        let id = name.id.as_str().as_bytes();
        let mut front = [0; 40];
        front[..4].copy_from_slice(&[name.kind.get(), tag.number, tag.version, 0]);
        front[4..8].copy_from_slice(&(id.len() as u32).to_le_bytes());
        front[8..16].copy_from_slice(&name.book.get().to_le_bytes());
        front[16..24].copy_from_slice(&stamp.version.get().to_le_bytes());
        front[24..32].copy_from_slice(&stamp.created.ms().to_le_bytes());
        front[32..].copy_from_slice(&stamp.updated.ms().to_le_bytes());
        out.extend_from_slice(&front);
        out.extend_from_slice(id);
        out.extend_from_slice(&[0; 8][..padding(id.len())]);
        head(out);
    }

    /// Reads a row's value.
    pub fn read(value: &'a [u8]) -> Result<Self, Corrupt> {
        let mut fields = Fields(value);
        let [kind, number, tag_version, 0] = fields.array()? else { return Err(Corrupt::Range) };
        let id_len = fields.u32()? as usize;
        let book = Book::new(Number::new(fields.u64()?));
        let stamp = Stamp {
            version: Position::new(fields.u64()?),
            created: Timestamp::from_ms(fields.u64()?),
            updated: Timestamp::from_ms(fields.u64()?),
        };
        let id = text(fields.bytes(id_len)?)?;
        fields.padding_of(id_len)?;
        let name = Name::new(book, Kind::new(kind), id);
        Ok(Self { name, stamp, tag: Tag { number, version: tag_version }, head: fields.0 })
    }
}

/// An item's row: its kind and tag, and the packed item.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ItemRow<'a> {
    /// The kind of the stream that it belongs to.
    pub kind: Kind,
    /// Which struct the item is.
    pub tag: Tag,
    /// The packed item.
    pub item: &'a [u8],
}

impl<'a> ItemRow<'a> {
    /// Reads a row's value: `kind, type, version, 5 zeros | item`
    pub fn read(value: &'a [u8]) -> Result<Self, Corrupt> {
        let mut fields = Fields(value);
        let [kind, number, version, 0, 0, 0, 0, 0] = fields.array()? else {
            return Err(Corrupt::Range);
        };
        Ok(Self { kind: Kind::new(kind), tag: Tag { number, version }, item: fields.0 })
    }
}

/// An idempotency key's row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyRow<'a> {
    /// The keyed fingerprint of the command it belongs to.
    pub fingerprint: [u8; 16],
    /// The position of the entry that answered.
    pub position: Position,
    /// When that was.
    pub at: Timestamp,
    /// The answer: what was accepted or refused, the version that was shown, the pieces.
    pub answer: &'a [u8],
}

impl<'a> KeyRow<'a> {
    /// Appends the value: `fingerprint | position | at | answer`
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.fingerprint);
        out.extend_from_slice(&self.position.get().to_le_bytes());
        out.extend_from_slice(&self.at.ms().to_le_bytes());
        out.extend_from_slice(self.answer);
    }

    /// Reads a row's value.
    pub fn read(value: &'a [u8]) -> Result<Self, Corrupt> {
        let mut fields = Fields(value);
        Ok(Self {
            fingerprint: fields.array()?,
            position: Position::new(fields.u64()?),
            at: Timestamp::from_ms(fields.u64()?),
            answer: fields.0,
        })
    }
}

/// The zeros that bring a length to a multiple of eight.
pub(crate) const fn padding(len: usize) -> usize {
    len.next_multiple_of(8) - len
}

/// An id out of a record. Pairs with a slash are ids too.
pub(crate) fn text(bytes: &[u8]) -> Result<Id, Corrupt> {
    let text = core::str::from_utf8(bytes).map_err(|_| Corrupt::Shape)?;
    if text.is_empty() || text.len() > 2 * Id::LEN_MAX + 1 {
        return Err(Corrupt::Range);
    }
    Ok(Id::trusted(text))
}
