//! What the last checkpoint has brought onto the disk, read within one redb transaction.

use core::ops::Bound;
use std::path::{Path, PathBuf};

use quipu_core::damage::Damage;
use quipu_core::records::Table;
use quipu_core::store::StoreError;
use redb::{ReadOnlyTable, ReadTransaction, TableDefinition, TableHandle};

use super::schema::{
    BadMeta, FORMAT, META, META_KEY, Meta, bucket_name, bucket_named, entries_of, rows_of,
};
use crate::file::RedbFile;
use crate::guard::Guard;
use crate::index::Index;
use crate::layer::{bucket_of, damaged};
use crate::packed::unpacked;

type BytesTable = ReadOnlyTable<&'static [u8], &'static [u8]>;
type EntriesTable = ReadOnlyTable<&'static [u8], ()>;

/// How many rows or entries are read in one go.
pub(crate) const BLOCK: usize = 128;

/// The rows of the last checkpoint. They stay as they are for as long as this is kept.
pub(crate) struct Base {
    pub(crate) meta: Meta,
    /// The buckets that have a table, in order.
    pub(crate) buckets: Vec<u32>,
    path: PathBuf,
    guard: Guard,
    /// There until it is dropped.
    tables: Option<Tables>,
}

/// The open tables of one transaction.
struct Tables {
    rows: [BytesTable; 4],
    entries: [EntriesTable; 3],
    transaction: ReadTransaction,
}

/// A row with its key.
pub(crate) type KeyValue = (Vec<u8>, Vec<u8>);

impl Base {
    /// What a file holds now.
    pub(crate) fn open(file: &RedbFile, path: &Path) -> Result<Self, StoreError> {
        let guard = file.guard().clone();
        let (meta, buckets, tables) = guard.run(|| {
            let transaction = file.begin_read()?;
            let meta = transaction
                .open_table(META)?
                .get(META_KEY)?
                .map(|row| Meta::from_bytes(row.value()));
            let mut buckets: Vec<u32> =
                transaction.list_tables()?.filter_map(|table| bucket_named(table.name())).collect();
            buckets.sort_unstable();
            let of = |table| rows_of(table).expect("only keys have tables by bucket");
            let rows = [
                transaction.open_table(of(Table::Head))?,
                transaction.open_table(of(Table::Name))?,
                transaction.open_table(of(Table::Item))?,
                transaction.open_table(of(Table::Index))?,
            ];
            let entries = [
                transaction.open_table(entries_of(Index::Due))?,
                transaction.open_table(entries_of(Index::DueOf))?,
                transaction.open_table(entries_of(Index::List))?,
            ];
            Ok((meta, buckets, Tables { rows, entries, transaction }))
        })?;
        let wrong = |why: &str| StoreError::Rotten(Damage::new(path, 0, why));
        let meta = match meta.unwrap_or(Err(BadMeta::Damaged)) {
            Ok(meta) => meta,
            Err(BadMeta::Damaged) => return Err(wrong("it does not say which store it is")),
            Err(BadMeta::Format(found)) => {
                return Err(StoreError::Format { found, known: FORMAT });
            }
        };
        Ok(Self { meta, buckets, path: path.to_owned(), guard, tables: Some(tables) })
    }

    /// Reads one row's value.
    pub(crate) fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let value_of = |rows: &BytesTable, in_table: &[u8]| -> Result<_, redb::Error> {
            let Some(sealed) = rows.get(in_table)? else { return Ok(None) };
            Ok(Some(unpacked(table, key, sealed.value())))
        };
        let found = self.guard.run(|| match self.rows_of(table) {
            Some(rows) => value_of(rows, key),
            None if self.buckets.binary_search(&bucket_of(key)).is_ok() => {
                value_of(&self.bucket(bucket_of(key))?, key.get(4..).unwrap_or_default())
            }
            None => Ok(None),
        })?;
        found.transpose().map_err(|why| damaged(table, key, why))
    }

    /// The next rows of a table from a key on, up to [`BLOCK`] of them.
    pub(crate) fn block(
        &self,
        table: Table,
        from: Bound<&[u8]>,
    ) -> Result<Vec<KeyValue>, StoreError> {
        let mut block = Vec::new();
        let mut bad = None;
        let mut read = |rows: &BytesTable, front: &[u8], from: Bound<&[u8]>| {
            for row in rows.range::<&[u8]>((from, Bound::Unbounded))? {
                let (key, sealed) = row?;
                let key = [front, key.value()].concat();
                match unpacked(table, &key, sealed.value()) {
                    Ok(value) => block.push((key, value)),
                    Err(why) => bad = Some(damaged(table, &key, why)),
                }
                if block.len() == BLOCK || bad.is_some() {
                    return Ok(true);
                }
            }
            Ok::<bool, redb::Error>(false)
        };
        self.guard.run(|| {
            if let Some(rows) = self.rows_of(table) {
                read(rows, &[], from)?;
                return Ok(());
            }
            let (Bound::Included(key) | Bound::Excluded(key)) = from else { return Ok(()) };
            let start = first_bucket(key);
            for bucket in &self.buckets[self.buckets.partition_point(|bucket| *bucket < start)..] {
                let front = bucket.to_be_bytes();
                let within = match (key.strip_prefix(&front), from) {
                    (Some(rest), Bound::Excluded(_)) => Bound::Excluded(rest),
                    (Some(rest), _) => Bound::Included(rest),
                    (None, _) => Bound::Unbounded,
                };
                if read(&self.bucket(*bucket)?, &front, within)? {
                    break;
                }
            }
            Ok(())
        })?;
        bad.map_or(Ok(block), Err)
    }

    /// The next entries of an index from one on while they are `inside`, at most so many.
    pub(crate) fn page(
        &self,
        index: Index,
        from: Bound<&[u8]>,
        inside: &dyn Fn(&[u8]) -> bool,
        limit: usize,
    ) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut page = Vec::new();
        let entries = &self.tables().entries[index as usize - 1];
        // Within its own table an entry needs no word on which index it belongs to.
        let from = from.map(|entry| entry.get(1..).unwrap_or_default());
        self.guard.run(|| {
            for entry in entries.range::<&[u8]>((from, Bound::Unbounded))? {
                let (entry, ()) = entry.map(|(entry, _)| (entry, ()))?;
                let entry = [&[index as u8], entry.value()].concat();
                if page.len() == limit || !inside(&entry) {
                    break;
                }
                page.push(entry);
            }
            Ok(())
        })?;
        Ok(page)
    }

    /// An entry of an index that is none.
    pub(crate) fn no_entry(&self, entry: &[u8]) -> StoreError {
        self.rotten(format!("{} is no entry of an index", entry.escape_ascii()))
    }

    /// Bytes of the file that are not what was written.
    pub(crate) fn rotten(&self, why: String) -> StoreError {
        StoreError::Rotten(Damage::new(&self.path, 0, why))
    }

    /// The file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn rows_of(&self, table: Table) -> Option<&BytesTable> {
        match table {
            Table::Head => Some(&self.tables().rows[0]),
            Table::Name => Some(&self.tables().rows[1]),
            Table::Item => Some(&self.tables().rows[2]),
            Table::Index => Some(&self.tables().rows[3]),
            Table::Key => None,
        }
    }

    fn bucket(&self, bucket: u32) -> Result<BytesTable, redb::Error> {
        let name = bucket_name(bucket);
        Ok(self.tables().transaction.open_table(TableDefinition::new(&name))?)
    }

    fn tables(&self) -> &Tables {
        self.tables.as_ref().expect("they are there until they are dropped")
    }
}

impl Drop for Base {
    fn drop(&mut self) {
        let tables = self.tables.take();
        // The end of a transaction calls redb as well. What it cannot do shows at the next call.
        let _ = self.guard.run(|| {
            drop(tables);
            Ok(())
        });
    }
}

/// The first bucket that can hold a key from this one on. It may be cut short.
fn first_bucket(key: &[u8]) -> u32 {
    let mut bytes = [0; 4];
    let len = key.len().min(4);
    bytes[..len].copy_from_slice(&key[..len]);
    u32::from_be_bytes(bytes)
}
