//! How a page of a list is read.

use std::collections::VecDeque;

use quipu_core::machine::ItemKey;
use quipu_core::records::{Corrupt, Table, key_of_head, key_of_item, key_of_name};
use quipu_core::store::{self, ListedItem};
use quipu_core::words::{self, Id, Name, Number};

use super::{Found, Listed, Of, PAGE, What};
use crate::call::Seen;
use crate::error::Error;
use crate::shown::Rows;
use crate::snapshot::{Snapshot, number_of};

type Page<R> = (VecDeque<(Vec<u8>, Seen<<R as Listed>::View>)>, Vec<u8>, bool);

/// Reads the rows behind a key. Gives the key of the last one, and whether it ends the list.
pub(super) fn page<R: Listed>(
    snapshot: &Snapshot,
    book: words::Book,
    of: &Of,
    after: Vec<u8>,
) -> Result<Page<R>, Error> {
    let (found, is_last) = match of {
        Of::Streams { index, front } => streams_behind::<R>(snapshot, book, *index, front, &after)?,
        Of::Items { id, letter } => items_behind::<R>(snapshot, book, id, *letter, &after)?,
        Of::Ids { front } => ids_behind::<R>(snapshot, book, front, &after)?,
        Of::Indexed { index, front, .. } => {
            indexed_behind::<R>(snapshot, book, *index, front, &after)?
        }
    };
    let mut page = VecDeque::with_capacity(found.len());
    let mut read = after;
    for (key, number, item) in found {
        read.clone_from(&key);
        let Some(rows) = Rows::read(snapshot.store(), number, &[])? else { continue };
        let what = item.as_ref().map_or(What::Stream, |(key, row)| What::Item(key, row));
        let found = Found { snapshot, number, name: &rows.name, what };
        if let Some(value) = R::view(found)? {
            let version = rows.stamp.version;
            let (at, position) = (snapshot.at(), snapshot.position());
            page.push_back((key, Seen { value, version, at, position }));
        }
    }
    Ok((page, read, is_last))
}

/// A key, whose stream it is of, and the item where it is one.
type Entry = (Vec<u8>, Number, Option<(ItemKey, Vec<u8>)>);

fn streams_behind<R: Listed>(
    snapshot: &Snapshot,
    book: words::Book,
    index: u8,
    front: &[u8],
    after: &[u8],
) -> Result<(Vec<Entry>, bool), Error> {
    // A key lies behind the one that it begins with.
    let after = if after.is_empty() { front } else { after };
    let listed = snapshot.store().list(book, R::KIND, index, after, PAGE)?;
    let is_full = listed.len() == PAGE;
    let inside = listed.into_iter().take_while(|(key, _)| key.starts_with(front));
    let found: Vec<Entry> = inside.map(|(key, number)| (key, number, None)).collect();
    let is_last = !is_full || found.len() < PAGE;
    Ok((found, is_last))
}

fn items_behind<R: Listed>(
    snapshot: &Snapshot,
    book: words::Book,
    id: &Id,
    letter: u8,
    after: &[u8],
) -> Result<(Vec<Entry>, bool), Error> {
    let Some(number) = snapshot.number(&Name::new(book, R::KIND, id.clone()))? else {
        return Ok((Vec::new(), true));
    };
    let mut front = key_of_head(number).to_vec();
    front.push(letter);
    let rows = rows_behind(snapshot, Table::Item, &front, after)?;
    let is_last = rows.len() < PAGE;
    let entry = |(key, row): RawRow| {
        let item = key.get(8..).and_then(ItemKey::from_bytes).ok_or(Corrupt::Range)?;
        Ok((key, number, Some((item, row))))
    };
    Ok((rows.into_iter().map(entry).collect::<Result<_, Error>>()?, is_last))
}

fn ids_behind<R: Listed>(
    snapshot: &Snapshot,
    book: words::Book,
    ids: &str,
    after: &[u8],
) -> Result<(Vec<Entry>, bool), Error> {
    let mut front = Vec::new();
    // Only the bytes before an id: what an id begins with need not be one.
    key_of_name(&Name::new(book, R::KIND, Id::new("x")?), &mut front);
    front.pop();
    front.extend_from_slice(ids.as_bytes());
    let rows = rows_behind(snapshot, Table::Name, &front, after)?;
    let is_last = rows.len() < PAGE;
    let entry = |(key, row): RawRow| Ok((key, number_of(&row)?, None));
    Ok((rows.into_iter().map(entry).collect::<Result<_, Error>>()?, is_last))
}

fn indexed_behind<R: Listed>(
    snapshot: &Snapshot,
    book: words::Book,
    index: u8,
    front: &[u8],
    after: &[u8],
) -> Result<(Vec<Entry>, bool), Error> {
    let after = if after.is_empty() { None } else { Some(listed_of(after)?) };
    let of = (book, R::KIND, index);
    let listed = store::list_items(snapshot.store(), of, front, after.as_ref(), PAGE)?;
    let is_last = listed.len() < PAGE;
    let mut found = Vec::with_capacity(listed.len());
    for row in listed {
        let mut key = Vec::new();
        key_of_item(row.number, &row.item, &mut key);
        let item = snapshot.store().get(Table::Item, &key)?.ok_or(Corrupt::Missing)?;
        found.push((key_of_listed(&row), row.number, Some((row.item, item))));
    }
    Ok((found, is_last))
}

/// A row of an index as the key of a cursor: `length u32 │ bytes │ stream u64 │ item`.
fn key_of_listed(row: &ListedItem) -> Vec<u8> {
    let len = (row.bytes.len() as u32).to_be_bytes();
    [&len[..], &row.bytes, &row.number.get().to_be_bytes(), row.item.as_bytes()].concat()
}

/// The row of such a key, which may come from anywhere.
fn listed_of(key: &[u8]) -> Result<ListedItem, Error> {
    let read = || {
        let (len, rest) = key.split_first_chunk::<4>()?;
        let (bytes, rest) = rest.split_at_checked(u32::from_be_bytes(*len) as usize)?;
        let (number, item) = rest.split_first_chunk::<8>()?;
        let number = Number::new(u64::from_be_bytes(*number));
        Some(ListedItem { bytes: bytes.to_vec(), number, item: ItemKey::from_bytes(item)? })
    };
    read().ok_or_else(|| Error::form("the cursor is one of another list"))
}

/// A row's key and its value.
type RawRow = (Vec<u8>, Vec<u8>);

/// A page of rows whose keys begin so, behind a key.
fn rows_behind(
    snapshot: &Snapshot,
    table: Table,
    front: &[u8],
    after: &[u8],
) -> Result<Vec<RawRow>, Error> {
    let mut from = front.to_vec();
    if !after.is_empty() {
        from = after.to_vec();
        // The next key there can be.
        from.push(0);
    }
    let mut rows = Vec::new();
    snapshot.store().scan(table, &from, &mut |key, row| {
        let is_inside = key.starts_with(front);
        if is_inside {
            rows.push((key.to_vec(), row.to_vec()));
        }
        is_inside && rows.len() < PAGE
    })?;
    Ok(rows)
}
