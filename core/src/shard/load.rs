//! What a shard asks of the store, and what it gets.

use crate::machine::ItemKey;
use crate::records::{Corrupt, HeadRow, Table, key_of_head, key_of_item, key_of_name};
use crate::store::{Due, Reader, StoreError};
use crate::words::{Book, Kind, Name, Number, Timestamp};

/// A question to the store. The answer goes back with the same ticket.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Load {
    /// Tells the answer apart.
    pub ticket: u64,
    /// The question.
    pub what: Wanted,
}

/// What is wanted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Wanted {
    /// A stream by name, with these of its items.
    Stream(Name, Vec<ItemKey>),
    /// Items of a stream.
    Items(Number, Vec<ItemKey>),
    /// The items of a stream that are due, behind one of them.
    DueItems(Number, Timestamp, Option<Due>),
    /// An idempotency key in any of these buckets.
    Key([u8; 16], Vec<u32>),
    /// The names of streams of one shard that are due.
    Due {
        /// Up to when.
        until: Timestamp,
        /// Only those of this book and kind.
        only: Option<(Book, Kind)>,
        /// Only those of this shard.
        shard: usize,
        /// Of that many.
        shards: usize,
    },
}

/// What the store had.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Found {
    /// A stream, or none; its items; and when the first item not among these is due.
    Stream(Option<(Number, Vec<u8>)>, Vec<FoundItem>, Timestamp),
    /// Items.
    Items(Vec<FoundItem>),
    /// Items that are due; when the first one beyond them is; and the last one of these,
    /// where there may be more.
    DueItems(Vec<FoundItem>, Timestamp, Option<Due>),
    /// The key's row.
    Key(Option<Vec<u8>>),
    /// Streams that are due; when the next one is; and whether there may be more due now.
    Due(Vec<Name>, Timestamp, bool),
}

/// An item's key and its row, if there is one.
pub type FoundItem = (ItemKey, Option<Vec<u8>>);

/// How many due things one question brings.
pub const DUE_BATCH: usize = 64;

/// Answers a question from a store.
pub fn find(store: &dyn Reader, wanted: &Wanted) -> Result<Found, StoreError> {
    match wanted {
        Wanted::Stream(name, keys) => stream(store, name, keys),
        Wanted::Items(number, keys) => Ok(Found::Items(items(store, *number, keys)?)),
        Wanted::DueItems(number, until, after) => {
            let (due, next) = store.due_items(*number, *until, after.as_ref(), DUE_BATCH)?;
            let keys: Vec<ItemKey> = due.iter().filter_map(|due| due.item.clone()).collect();
            let last = if due.len() == DUE_BATCH { due.into_iter().last() } else { None };
            Ok(Found::DueItems(items(store, *number, &keys)?, next, last))
        }
        Wanted::Key(key, buckets) => {
            for bucket in buckets {
                if let Some(row) = store.get(Table::Key, &key_row_key(*bucket, key))? {
                    return Ok(Found::Key(Some(row)));
                }
            }
            Ok(Found::Key(None))
        }
        Wanted::Due { until, only, shard, shards } => {
            let is_wanted = |name: &Name| {
                let mine = super::Shard::of(name, *shards) == *shard;
                mine && only.is_none_or(|only| only == (name.book, name.kind))
            };
            due(store, *until, is_wanted)
        }
    }
}

fn stream(store: &dyn Reader, name: &Name, keys: &[ItemKey]) -> Result<Found, StoreError> {
    let mut key = Vec::new();
    key_of_name(name, &mut key);
    let Some(row) = store.get(Table::Name, &key)? else {
        return Ok(Found::Stream(None, Vec::new(), Timestamp::NEVER));
    };
    let number = row.try_into().map_err(|_| damaged(Table::Name, &key, Corrupt::Short))?;
    let number = Number::new(u64::from_le_bytes(number));
    let head = store.get(Table::Head, &key_of_head(number))?;
    let head = head.ok_or_else(|| damaged(Table::Head, &key_of_head(number), Corrupt::Missing))?;
    let (_, next) = store.due_items(number, Timestamp::ZERO, None, 0)?;
    let next = if mutant!(DueLostOnLoad) { Timestamp::NEVER } else { next };
    Ok(Found::Stream(Some((number, head)), items(store, number, keys)?, next))
}

fn items(
    store: &dyn Reader,
    number: Number,
    keys: &[ItemKey],
) -> Result<Vec<FoundItem>, StoreError> {
    let mut found = Vec::with_capacity(keys.len());
    for item in keys {
        let mut key = Vec::new();
        key_of_item(number, item, &mut key);
        found.push((item.clone(), store.get(Table::Item, &key)?));
    }
    Ok(found)
}

fn due(
    store: &dyn Reader,
    until: Timestamp,
    is_wanted: impl Fn(&Name) -> bool,
) -> Result<Found, StoreError> {
    let mut names = Vec::new();
    let mut after: Option<Due> = None;
    let mut more = true;
    while more && names.len() < DUE_BATCH {
        let page = store.due(until, after.as_ref(), DUE_BATCH)?;
        more = page.len() == DUE_BATCH;
        for Due { number, .. } in &page {
            let key = key_of_head(*number);
            let Some(row) = store.get(Table::Head, &key)? else { continue };
            let name = HeadRow::read(&row).map_err(|why| damaged(Table::Head, &key, why))?.name;
            if is_wanted(&name) && !names.contains(&name) {
                names.push(name);
            }
        }
        after = page.into_iter().last();
    }
    let next = store.next_due(until)?.unwrap_or(Timestamp::NEVER);
    Ok(Found::Due(names, next, more))
}

fn damaged(table: Table, key: &[u8], why: Corrupt) -> StoreError {
    StoreError::Damaged { table, key: key.to_vec(), why }
}

/// The key of an idempotency key's row.
#[must_use]
pub fn key_row_key(bucket: u32, key: &[u8; 16]) -> [u8; 20] {
    let mut bytes = [0; 20];
    bytes[..4].copy_from_slice(&bucket.to_be_bytes());
    bytes[4..].copy_from_slice(key);
    bytes
}
