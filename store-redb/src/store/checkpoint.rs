//! The writing of a checkpoint: the newest row of every key, in key order, in one transaction.

use std::sync::Arc;

use quipu_core::machine::Registry;
use quipu_core::records::Table;
use quipu_core::store::StoreError;
use quipu_sync::facade::RwLockReadGuard;
use redb::{TableDefinition, WriteTransaction};

use super::schema::{META, META_KEY, Meta, bucket_name, entries_of, rows_of};
use super::view::keys_from;
use crate::index::{Index, entries};
use crate::layer::{Held, Layer, bucket_of, damaged};
use crate::packed::{pack, unpack};
use crate::table::{Found, Sorted};

/// Changes of indexes are sorted and written when they have come to so much.
const ENTRY_BYTES_MAX: usize = 16 << 20;

/// Why a transaction was given up.
pub(crate) enum Stopped {
    Store(StoreError),
    Redb(redb::Error),
}

impl<E: Into<redb::Error>> From<E> for Stopped {
    fn from(error: E) -> Self {
        Self::Redb(error.into())
    }
}

/// Writes frozen layers, newest first, and what the file then says of itself.
pub(crate) fn write(
    transaction: &WriteTransaction,
    layers: &[Arc<Layer>],
    buckets: &[u32],
    registry: &Registry,
    meta: Meta,
) -> Result<(), Stopped> {
    let keys_from = keys_from(layers);
    let gone = keys_from[layers.len()];
    for bucket in buckets.iter().filter(|bucket| **bucket < gone) {
        let name = bucket_name(*bucket);
        let table: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new(&name);
        transaction.delete_table(table)?;
    }
    let newest = Newest::new(layers);
    let mut indexes = Indexes::new(transaction, registry);
    for table in [Table::Head, Table::Item, Table::Name, Table::Index] {
        rows(transaction, &newest, table, &mut indexes)?;
    }
    indexes.flush()?;
    keys(transaction, &newest, &keys_from)?;
    transaction.open_table(META)?.insert(META_KEY, &meta.to_bytes()[..])?;
    Ok(())
}

/// Writes the rows of a table, and notes what that changes in the indexes.
fn rows(
    transaction: &WriteTransaction,
    newest: &Newest<'_>,
    table: Table,
    indexes: &mut Indexes<'_>,
) -> Result<(), Stopped> {
    let mut on_disk = transaction.open_table(rows_of(table).expect("keys are written apart"))?;
    let mut sealed = Vec::new();
    newest.each(table, |_, row| {
        let old = match row.value {
            Some(value) => {
                sealed.clear();
                pack(table, row.key, value, &mut sealed);
                on_disk.insert(row.key, sealed.as_slice())?
            }
            None => on_disk.remove(row.key)?,
        };
        if matches!(table, Table::Head | Table::Item) {
            let old = old.as_ref().map(redb::AccessGuard::value);
            indexes.changed(table, row.key, old, row.value)?;
        }
        Ok(())
    })
}

/// Writes the rows of keys, each bucket into a table of its own.
fn keys(
    transaction: &WriteTransaction,
    newest: &Newest<'_>,
    keys_from: &[u32],
) -> Result<(), Stopped> {
    let mut on_disk = None;
    let mut sealed = Vec::new();
    newest.each(Table::Key, |layer, row| {
        let bucket = bucket_of(row.key);
        if bucket < keys_from[layer] {
            return Ok(());
        }
        if on_disk.as_ref().is_none_or(|(of, _)| *of != bucket) {
            // A table is closed before the next one is opened.
            drop(on_disk.take());
            let name = bucket_name(bucket);
            let table: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new(&name);
            on_disk = Some((bucket, transaction.open_table(table)?));
        }
        let (_, table) = on_disk.as_mut().expect("it was opened just now");
        match row.value {
            Some(value) => {
                sealed.clear();
                pack(Table::Key, row.key, value, &mut sealed);
                table.insert(&row.key[4..], sealed.as_slice())?;
            }
            None => {
                table.remove(&row.key[4..])?;
            }
        }
        Ok(())
    })
}

/// The newest row of every key in layers.
struct Newest<'a> {
    layers: Vec<(RwLockReadGuard<'a, Held>, &'a Layer)>,
}

impl<'a> Newest<'a> {
    fn new(layers: &'a [Arc<Layer>]) -> Self {
        Self { layers: layers.iter().map(|layer| (layer.read(), &**layer)).collect() }
    }

    /// Visits the rows of a table in key order, each with the place of its layer.
    fn each(
        &self,
        table: Table,
        mut visit: impl FnMut(usize, Found<'_>) -> Result<(), Stopped>,
    ) -> Result<(), Stopped> {
        let sorted: Vec<&Sorted> =
            self.layers.iter().map(|(held, layer)| layer.sorted(held, table)).collect();
        let row = |layer: usize, at: usize| sorted[layer].get(&self.layers[layer].0.rows, at);
        let mut next = vec![0; sorted.len()];
        let mut firsts: Vec<Option<Found<'_>>> = (0..sorted.len()).map(|at| row(at, 0)).collect();
        loop {
            let newest = firsts.iter().enumerate();
            let newest = newest.filter_map(|(layer, row)| Some((row.as_ref()?.key, layer))).min();
            let Some((key, layer)) = newest else { return Ok(()) };
            let found = firsts[layer].expect("it was found just now");
            for of in layer..firsts.len() {
                if firsts[of].is_some_and(|row| row.key == key) {
                    next[of] += 1;
                    firsts[of] = row(of, next[of]);
                }
            }
            visit(layer, found)?;
        }
    }
}

/// What rows change in the indexes, gathered so that it is written in order.
pub(crate) struct Indexes<'a> {
    transaction: &'a WriteTransaction,
    registry: &'a Registry,
    bytes: Vec<u8>,
    changes: Vec<Change>,
    /// The value that a row had.
    value: Vec<u8>,
    old: Flat,
    new: Flat,
}

/// An entry that comes or goes.
#[derive(Clone, Copy)]
struct Change {
    at: u32,
    len: u32,
    is_new: bool,
}

/// Entries of one row, one behind the other.
#[derive(Default)]
struct Flat {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl<'a> Indexes<'a> {
    pub(crate) fn new(transaction: &'a WriteTransaction, registry: &'a Registry) -> Self {
        let (old, new) = (Flat::default(), Flat::default());
        let (bytes, changes, value) = (Vec::new(), Vec::new(), Vec::new());
        Self { transaction, registry, bytes, changes, value, old, new }
    }

    /// Notes that a row has changed: from what lay sealed on the disk to a value.
    pub(crate) fn changed(
        &mut self,
        table: Table,
        key: &[u8],
        old: Option<&[u8]>,
        new: Option<&[u8]>,
    ) -> Result<(), Stopped> {
        let wrong = |why| Stopped::Store(damaged(table, key, why));
        self.old.clear();
        self.new.clear();
        if let Some(sealed) = old {
            let value = unpack(table, key, sealed, &mut self.value).map_err(wrong)?;
            let out = &mut |entry: &[u8]| self.old.push(entry);
            entries(self.registry, table, key, value, out).map_err(wrong)?;
        }
        if let Some(value) = new {
            let out = &mut |entry: &[u8]| self.new.push(entry);
            entries(self.registry, table, key, value, out).map_err(wrong)?;
        }
        if self.old.bytes == self.new.bytes && self.old.ends == self.new.ends {
            return Ok(());
        }
        for (these, others, is_new) in [(&self.old, &self.new, false), (&self.new, &self.old, true)]
        {
            for entry in these.each().filter(|entry| others.each().all(|other| other != *entry)) {
                let (at, len) = (self.bytes.len() as u32, entry.len() as u32);
                self.bytes.extend_from_slice(entry);
                self.changes.push(Change { at, len, is_new });
            }
        }
        if self.bytes.len() >= ENTRY_BYTES_MAX { self.flush() } else { Ok(()) }
    }

    /// Writes what was noted.
    pub(crate) fn flush(&mut self) -> Result<(), Stopped> {
        let Self { transaction, bytes, changes, .. } = self;
        let entry = |change: &Change| &bytes[change.at as usize..][..change.len as usize];
        // No two rows share an entry, so it does not matter what was noted first.
        changes.sort_unstable_by(|one, two| entry(one).cmp(entry(two)));
        let mut rest = &changes[..];
        for index in Index::ALL {
            let len = rest.partition_point(|change| entry(change)[0] == index as u8);
            let (of_index, behind) = rest.split_at(len);
            rest = behind;
            if of_index.is_empty() {
                continue;
            }
            let mut on_disk = transaction.open_table(entries_of(index))?;
            for change in of_index {
                if change.is_new {
                    on_disk.insert(&entry(change)[1..], ())?;
                } else {
                    on_disk.remove(&entry(change)[1..])?;
                }
            }
        }
        changes.clear();
        bytes.clear();
        Ok(())
    }
}

impl Flat {
    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    fn push(&mut self, entry: &[u8]) {
        self.bytes.extend_from_slice(entry);
        self.ends.push(self.bytes.len());
    }

    fn each(&self) -> impl Iterator<Item = &[u8]> {
        let starts = core::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.bytes[start..*end])
    }
}
