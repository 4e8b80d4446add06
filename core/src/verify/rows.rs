//! Every row of a store: that it can be read, and that rows agree with each other.

use std::collections::{BTreeMap, BTreeSet};

use super::indexes::{Expected, check_indexes};
use super::walk::Walk;
use super::{Error, Finding, Flaw, Place, Report, found};
use crate::machine::{ItemKey, Registry};
use crate::records::{
    Corrupt, HeadRow, IndexRow, ItemRow, KeyRow, Table, key_of_head, key_of_index, key_of_item,
    key_of_name,
};
use crate::shard::{bucket_of, check_kept};
use crate::store::{Due, Reader};
use crate::words::{Book, Id, Kind, Name, Number, Position, Timestamp};

/// The longest head, packed.
const HEAD_LEN_MAX: usize = 256;

/// What came of reading every row.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Rows {
    /// How many heads there are.
    pub heads: u64,
    /// How many names.
    pub names: u64,
    /// How many items.
    pub items: u64,
    /// How many idempotency keys.
    pub keys: u64,
    /// How many index rows of items.
    pub indexed: u64,
    /// How many entries the indexes list.
    pub listed: u64,
    /// How many things are listed as due, some day.
    pub due: u64,
    /// What is wrong.
    pub report: Report,
}

/// Reads every row, and every entry of every index.
///
/// A row can be read by its tag and its machine's rules, and names no position that the store
/// has not reached. A head has a name which leads to it, and a name leads to a head of that name:
/// so no two names share a stream. An item's stream exists and is of the item's kind. Index rows,
/// indexes and what is due list what rows say and nothing else. `progress` is told how many rows
/// and entries have been looked at.
///
/// `reader` is a [snapshot](crate::store::Store::snapshot), or a store that nobody writes. An index
/// that no row of any book uses is not looked at, nor is one of a book without any stream.
pub fn rows(
    reader: &dyn Reader,
    registry: &Registry,
    progress: &mut dyn FnMut(u64),
) -> Result<Rows, Error> {
    let mut check = Check {
        reader,
        registry,
        position: reader.position(),
        expected: Expected::default(),
        rows: Rows::default(),
        stream: None,
    };
    let mut seen = 0;
    for table in Table::ALL {
        let mut walk = Walk::new(reader, table);
        loop {
            match walk.next() {
                Ok(None) => break,
                Ok(Some((key, value))) => check.row(table, &key, &value)?,
                Err(error) => {
                    let (place, flaw) = found(error)?;
                    check.rows.report.add(place, flaw);
                }
            }
            seen += 1;
            if seen % 256 == 0 {
                progress(seen);
            }
        }
    }
    let Check { expected, mut rows, .. } = check;
    check_indexes(reader, registry, &expected, &mut rows, &mut |listed| progress(seen + listed))?;
    Ok(rows)
}

struct Check<'a> {
    reader: &'a dyn Reader,
    registry: &'a Registry,
    position: Position,
    expected: Expected,
    rows: Rows,
    /// The stream whose items are being read, and its name if it exists.
    stream: Option<(Number, Option<Name>)>,
}

impl Check<'_> {
    fn row(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<(), Error> {
        match table {
            Table::Head => self.rows.heads += 1,
            Table::Name => self.rows.names += 1,
            Table::Item => self.rows.items += 1,
            Table::Key => self.rows.keys += 1,
            Table::Index => self.rows.indexed += 1,
        }
        let flaw = match table {
            Table::Head => self.head(key, value),
            Table::Name => self.name(key, value),
            Table::Item => self.item(key, value),
            Table::Key => self.key(key, value),
            Table::Index => self.index(key, value),
        };
        match flaw {
            Ok(()) => {}
            Err(Wrong::Flaw(flaw)) => self.rows.report.add(Place::Row(table, key.to_vec()), flaw),
            Err(Wrong::At(finding)) => self.rows.report.take(*finding),
            Err(Wrong::Elsewhere) => {}
            Err(Wrong::Error(error)) => return Err(error),
        }
        Ok(())
    }

    fn head(&mut self, key: &[u8], value: &[u8]) -> Result<(), Wrong> {
        let said = said_by_head(self.registry, key, value)?;
        self.expected.head(&said);
        self.reached(said.version)?;
        if said.number == Number::ZERO
            || Position::new(said.number.get()) > said.version
            || said.created > said.updated
        {
            return Err(Flaw::Disorder.into());
        }
        if said.len > HEAD_LEN_MAX {
            return Err(Flaw::TooLarge(said.len).into());
        }
        let mut name = Vec::new();
        key_of_name(&said.name, &mut name);
        match self.get(Table::Name, &name)? {
            None => Err(Flaw::NoName(said.name).into()),
            Some(value) => match number_of(&value)? {
                number if number == said.number => Ok(()),
                number => Err(Flaw::OtherNumber(said.name, number).into()),
            },
        }
    }

    fn name(&mut self, key: &[u8], value: &[u8]) -> Result<(), Wrong> {
        let number = number_of(value)?;
        let name = name_of(key)?;
        self.expected.books.insert(name.book);
        let Some(head) = self.get(Table::Head, &key_of_head(number))? else {
            return Err(Flaw::NoHead(number).into());
        };
        // A head that cannot be read is a finding of its own.
        match HeadRow::read(&head) {
            Ok(row) if row.name != name => Err(Flaw::OtherName(number, row.name).into()),
            _ => Ok(()),
        }
    }

    fn item(&mut self, key: &[u8], value: &[u8]) -> Result<(), Wrong> {
        let said = said_by_item(self.registry, key, value)?;
        self.expected.item(&said);
        let Some(name) = self.name_of(said.number)? else { return Err(Flaw::Orphan.into()) };
        if name.kind != said.kind {
            return Err(Flaw::OtherKind { stream: name.kind, found: said.kind }.into());
        }
        for row in indexed(self.registry, &name, key, value)? {
            match self.get(Table::Index, &row) {
                Ok(Some(_)) | Err(Wrong::Elsewhere) => {}
                Ok(None) => {
                    self.rows.report.add(Place::Row(Table::Index, row), Flaw::NotIndexed);
                }
                Err(wrong) => return Err(wrong),
            }
        }
        Ok(())
    }

    /// An index row is one of those that its item says.
    fn index(&mut self, key: &[u8], value: &[u8]) -> Result<(), Wrong> {
        let IndexRow { number, item, .. } = IndexRow::read(key)?;
        if !value.is_empty() {
            return Err(Corrupt::Range.into());
        }
        let mut of_item = Vec::new();
        key_of_item(number, &item, &mut of_item);
        let value = self.get(Table::Item, &of_item)?;
        let (Some(value), Some(name)) = (value, self.name_of(number)?) else {
            return Err(Flaw::Indexed.into());
        };
        let said = indexed(self.registry, &name, &of_item, &value);
        // An item that cannot be read is a finding of its own.
        let said = said.map_err(|_| Wrong::Elsewhere)?;
        if said.contains(key) { Ok(()) } else { Err(Flaw::Indexed.into()) }
    }

    /// The name of a stream, if that exists.
    fn name_of(&mut self, number: Number) -> Result<Option<Name>, Wrong> {
        if let Some((of, name)) = &self.stream
            && *of == number
        {
            return Ok(name.clone());
        }
        let head = self.get(Table::Head, &key_of_head(number))?;
        let row = head.as_deref().map(HeadRow::read).transpose();
        let name = row.map_err(|_| Wrong::Elsewhere)?.map(|row| row.name);
        self.stream = Some((number, name.clone()));
        Ok(name)
    }

    fn key(&self, key: &[u8], value: &[u8]) -> Result<(), Wrong> {
        let (bucket, hash) = key.split_first_chunk::<4>().ok_or(Corrupt::Short)?;
        if hash.len() != 16 {
            return Err(Corrupt::Range.into());
        }
        let row = KeyRow::read(value)?;
        check_kept(row.answer, row.position)?;
        self.reached(row.position)?;
        if bucket_of(row.at) != u32::from_be_bytes(*bucket) {
            return Err(Flaw::OtherBucket(row.at).into());
        }
        Ok(())
    }

    fn reached(&self, position: Position) -> Result<(), Wrong> {
        if position > self.position { Err(Flaw::Ahead(position).into()) } else { Ok(()) }
    }

    /// Another row, where it can be had.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, Wrong> {
        self.reader.get(table, key).map_err(|error| match found(error) {
            Ok((Place::Row(..), _)) => Wrong::Elsewhere,
            Ok((place, flaw)) => Wrong::At(Box::new(Finding { place, flaw })),
            Err(error) => Wrong::Error(error),
        })
    }
}

/// Why a row does not pass.
enum Wrong {
    Flaw(Flaw),
    /// Something else is wrong that it depends on.
    At(Box<Finding>),
    /// A row that it depends on cannot be read, which is found where that row lies.
    Elsewhere,
    Error(Error),
}

impl From<Flaw> for Wrong {
    fn from(flaw: Flaw) -> Self {
        Self::Flaw(flaw)
    }
}

impl From<Corrupt> for Wrong {
    fn from(why: Corrupt) -> Self {
        Self::Flaw(why.into())
    }
}

/// What a head's row says.
pub(super) struct SaidByHead {
    pub(super) number: Number,
    pub(super) name: Name,
    pub(super) due: Option<Due>,
    /// The indexes that list it, and its key in each.
    pub(super) listed: BTreeSet<(u8, Vec<u8>)>,
    version: Position,
    created: Timestamp,
    updated: Timestamp,
    len: usize,
}

pub(super) fn said_by_head(
    registry: &Registry,
    key: &[u8],
    value: &[u8],
) -> Result<SaidByHead, Flaw> {
    let number = Number::new(u64::from_be_bytes(key.try_into().map_err(|_| Corrupt::Short)?));
    let row = HeadRow::read(value)?;
    let rules = registry.rules(row.name.kind).ok_or(Flaw::UnknownKind(row.name.kind))?;
    let at = rules.head_due(row.tag, row.head)?;
    let mut listed = BTreeSet::new();
    let mut list = |index: u8, front: &[u8]| {
        let mut key = front.to_vec();
        key.extend_from_slice(&row.stamp.created.ms().to_be_bytes());
        key.extend_from_slice(row.name.id.as_str().as_bytes());
        listed.insert((index, key));
    };
    list(0, &[]);
    rules.indexes(row.tag, row.head, &mut list)?;
    Ok(SaidByHead {
        number,
        due: due(at, number, None),
        listed,
        version: row.stamp.version,
        created: row.stamp.created,
        updated: row.stamp.updated,
        len: row.head.len(),
        name: row.name,
    })
}

/// What an item's row says.
pub(super) struct SaidByItem {
    pub(super) number: Number,
    pub(super) due: Option<Due>,
    kind: Kind,
}

pub(super) fn said_by_item(
    registry: &Registry,
    key: &[u8],
    value: &[u8],
) -> Result<SaidByItem, Flaw> {
    let (number, item) = key.split_first_chunk::<8>().ok_or(Corrupt::Short)?;
    let number = Number::new(u64::from_be_bytes(*number));
    let item = ItemKey::from_bytes(item).ok_or(Corrupt::Range)?;
    let row = ItemRow::read(value)?;
    let rules = registry.rules(row.kind).ok_or(Flaw::UnknownKind(row.kind))?;
    let at = rules.item_due(row.tag, row.item)?;
    Ok(SaidByItem { number, due: due(at, number, Some(item)), kind: row.kind })
}

/// The keys of the index rows that an item's row says.
fn indexed(
    registry: &Registry,
    name: &Name,
    key: &[u8],
    value: &[u8],
) -> Result<BTreeSet<Vec<u8>>, Flaw> {
    let (number, item) = key.split_first_chunk::<8>().ok_or(Corrupt::Short)?;
    let number = Number::new(u64::from_be_bytes(*number));
    let item = ItemKey::from_bytes(item).ok_or(Corrupt::Range)?;
    let row = ItemRow::read(value)?;
    let rules = registry.rules(row.kind).ok_or(Flaw::UnknownKind(row.kind))?;
    let mut keys = BTreeSet::new();
    rules.item_indexes(name, &item, (row.tag, row.item), &mut |index, bytes| {
        let mut row_key = Vec::new();
        key_of_index((name.book, row.kind, index), bytes, number, &item, &mut row_key);
        keys.insert(row_key);
    })?;
    Ok(keys)
}

fn due(at: Timestamp, number: Number, item: Option<ItemKey>) -> Option<Due> {
    (at != Timestamp::NEVER).then_some(Due { at, number, item })
}

/// What a name's row leads to.
fn number_of(value: &[u8]) -> Result<Number, Corrupt> {
    let value = value.try_into().map_err(|_| Corrupt::Short)?;
    Ok(Number::new(u64::from_le_bytes(value)))
}

/// The name that a name's row is the row of.
fn name_of(key: &[u8]) -> Result<Name, Corrupt> {
    let (book, rest) = key.split_first_chunk::<8>().ok_or(Corrupt::Short)?;
    let (kind, id) = rest.split_first().ok_or(Corrupt::Short)?;
    let book = Book::new(Number::new(u64::from_be_bytes(*book)));
    let id: Id = crate::records::text(id)?;
    Ok(Name::new(book, Kind::new(*kind), id))
}

impl Expected {
    fn head(&mut self, said: &SaidByHead) {
        let Name { book, kind, .. } = said.name;
        self.books.insert(book);
        for (index, _) in &said.listed {
            *self.listed.entry((book, kind, *index)).or_default() += 1;
            let highest: &mut u8 = self.indexes.entry(kind).or_default();
            *highest = (*highest).max(*index);
        }
        self.due += u64::from(said.due.is_some());
    }

    fn item(&mut self, said: &SaidByItem) {
        self.due += u64::from(said.due.is_some());
        self.due_items += u64::from(said.due.is_some());
    }
}

/// How many entries each list has, by book, kind and index.
pub(super) type Counts = BTreeMap<(Book, Kind, u8), u64>;
