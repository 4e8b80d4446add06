//! A layer: changed rows between two positions, with the index over them.
//!
//! The newest layer takes what is applied; when it is frozen, another one is put above it and
//! it no longer changes. A row hides the same row in every layer below, and with it all index
//! entries that the row below has given.
//!
//! Indexes are made late. An apply only notes which heads and items it has changed; whoever
//! reads an index first brings it up to date, a few rows at a time, so that a row that changes
//! a hundred times between two reads is looked at once, and not on the committer's thread.

use core::ops::Bound;
use std::collections::BTreeSet;
use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use quipu_core::machine::Registry;
use quipu_core::records::{Corrupt, Row, Table};
use quipu_core::store::StoreError;
use quipu_core::words::Position;
use quipu_sync::facade::atomic::{AtomicU64, AtomicUsize, Ordering};
use quipu_sync::facade::{OnceLock, RwLock, RwLockReadGuard, RwLockWriteGuard, read, write};

use crate::index::{check_key, entries};
use crate::table::{Found, Hash, Rows, Sorted};

/// How many rows an index is brought on by before whoever applies may go on.
const ROWS_PER_RUN: usize = 256;

/// How many rows are gathered before they are put in.
const ROWS_PER_PUT: usize = 64;

/// Changed rows between two positions.
pub(crate) struct Layer {
    /// A layer above has a higher number.
    pub(crate) number: u64,
    /// Keys of earlier buckets are gone from every layer below, and from the disk.
    pub(crate) keys_from: u32,
    held: RwLock<Held>,
    /// The rows of each table in the order of keys, once nothing changes here any more and
    /// somebody has asked for them.
    sorted: [OnceLock<Sorted>; Table::ALL.len()],
    index: RwLock<LayerIndex>,
    /// Changes before this one are in the index.
    indexed: AtomicU64,
    byte_len: AtomicUsize,
    index_byte_len: AtomicUsize,
}

/// What a layer holds.
pub(crate) struct Held {
    pub(crate) rows: Rows,
    /// Every row up to here has been applied.
    pub(crate) through: Position,
}

/// The index entries of a layer's rows.
#[derive(Default)]
struct LayerIndex {
    entries: BTreeSet<Arc<[u8]>>,
    /// What each row has given, by its ordinal.
    given: HashMap<u32, Box<[Arc<[u8]>]>, FixedState>,
    /// In which run a row was first looked at, by its ordinal; 0 where it never was.
    first_runs: Vec<u32>,
    run: u32,
    byte_len: usize,
}

/// Entries in order, and the run of the index that they are of.
pub(crate) struct Page {
    pub(crate) entries: Vec<Arc<[u8]>>,
    pub(crate) run: u32,
}

impl Layer {
    pub(crate) fn new(number: u64, keys_from: u32, through: Position) -> Self {
        Self {
            number,
            keys_from,
            held: RwLock::new(Held { rows: Rows::default(), through }),
            sorted: Default::default(),
            index: RwLock::default(),
            indexed: AtomicU64::new(0),
            byte_len: AtomicUsize::new(0),
            index_byte_len: AtomicUsize::new(0),
        }
    }

    /// Two frozen layers as one.
    pub(crate) fn merged(newer: &Self, older: &Self) -> Result<Self, StoreError> {
        let through = newer.read().through;
        let merged = Self::new(newer.number, newer.keys_from.max(older.keys_from), through);
        let mut rows = Rows::default();
        let mut result = Ok(());
        for (layer, keys_from) in [(older, newer.keys_from), (newer, 0)] {
            layer.read().rows.all(|row| {
                let dropped = row.table == Table::Key && bucket_of(row.key) < keys_from;
                if result.is_ok() && !dropped {
                    let row = Row { table: row.table, key: row.key, value: row.value };
                    result = rows.put_all(&[row], 0);
                }
            });
        }
        result?;
        merged.byte_len.store(rows.byte_len(), Ordering::Relaxed);
        merged.write().rows = rows;
        Ok(merged)
    }

    /// Takes rows. A row hides what was there before.
    pub(crate) fn apply(
        &self,
        rows: &mut dyn Iterator<Item = Row<'_>>,
        through: Position,
    ) -> Result<(), StoreError> {
        let mut held = self.write();
        // The index is brought on under a read lock of the same rows, so this stands still.
        let indexed = self.indexed.load(Ordering::Relaxed);
        held.rows.forget_changes(indexed);
        let mut some = Vec::with_capacity(ROWS_PER_PUT);
        loop {
            some.clear();
            some.extend((&mut *rows).take(ROWS_PER_PUT));
            if some.is_empty() {
                break;
            }
            for row in &some {
                check_key(row.table, row.key).map_err(|why| damaged(row.table, row.key, why))?;
            }
            held.rows.put_all(&some, indexed)?;
        }
        held.through = through;
        self.byte_len.store(held.rows.byte_len(), Ordering::Relaxed);
        Ok(())
    }

    /// The rows, to be read. Nobody writes them once the layer is frozen, so then a reader may
    /// keep this for as long as it likes.
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Held> {
        read(&self.held)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Held> {
        write(&self.held)
    }

    /// The order of the rows that a frozen layer has of a table.
    pub(crate) fn sorted(&self, held: &Held, table: Table) -> &Sorted {
        self.sorted[table as usize - 1].get_or_init(|| held.rows.sorted(table))
    }

    /// Whether anything is said here about what lies below.
    pub(crate) fn is_empty(&self) -> bool {
        self.keys_from == 0 && self.read().rows.len() == 0
    }

    /// The bytes of memory that all of it takes.
    pub(crate) fn byte_len(&self) -> usize {
        self.byte_len.load(Ordering::Relaxed)
            + self.index_byte_len.load(Ordering::Relaxed)
            + self.sorted.iter().filter_map(OnceLock::get).map(Sorted::byte_len).sum::<usize>()
    }

    /// One row's newest value here; `Some(None)` where the row is gone, `None` where this
    /// layer does not know of it.
    pub(crate) fn get(&self, hash: Hash, table: Table, key: &[u8]) -> Option<Option<Vec<u8>>> {
        let held = self.read();
        held.rows.find(hash, table, key).map(|found| found.value.map(<[u8]>::to_vec))
    }

    /// Whether a row was known here to the index as it was at a run: then the entries that it
    /// has given below no longer count.
    pub(crate) fn hides(&self, hash: Hash, table: Table, key: &[u8], run: u32) -> bool {
        let held = self.read();
        let Some(found) = held.rows.find(hash, table, key) else { return false };
        let index = read(&self.index);
        let first = index.first_runs.get(found.ordinal as usize).copied().unwrap_or(0);
        (1..=run).contains(&first)
    }

    /// The first entries from a place on for as long as they are `inside`, of every row that
    /// was here when this was called, or newer.
    pub(crate) fn page(
        &self,
        registry: &Registry,
        from: Bound<&[u8]>,
        inside: &dyn Fn(&[u8]) -> bool,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let goal = self.read().rows.changes_end();
        while self.indexed.load(Ordering::Acquire) < goal {
            self.index_some(registry)?;
        }
        let index = read(&self.index);
        let entries = index.entries.range::<[u8], _>((from, Bound::Unbounded));
        let entries = entries.take_while(|entry| inside(entry)).take(limit).cloned().collect();
        Ok(Page { entries, run: index.run })
    }

    /// Brings the index on by a few rows.
    fn index_some(&self, registry: &Registry) -> Result<(), StoreError> {
        // Rows before the index, here and everywhere: a waiting apply can stand between two
        // readers of the rows, and so nobody who has the index may still ask for the rows.
        let held = self.read();
        let mut index = write(&self.index);
        index.run = index.run.saturating_add(1);
        let mut next = self.indexed.load(Ordering::Relaxed);
        for _ in 0..ROWS_PER_RUN {
            let Some(row) = held.rows.change(next) else { break };
            let result = index.take(registry, &row);
            result.map_err(|why| damaged(row.table, row.key, why))?;
            next += 1;
        }
        self.indexed.store(next, Ordering::Release);
        let byte_len = index.byte_len + index.first_runs.capacity() * size_of::<u32>();
        self.index_byte_len.store(byte_len, Ordering::Relaxed);
        Ok(())
    }
}

impl LayerIndex {
    /// Takes a row as it is now.
    fn take(&mut self, registry: &Registry, row: &Found<'_>) -> Result<(), Corrupt> {
        let ordinal = row.ordinal as usize;
        let old = self.given.get(&row.ordinal).map(|old| &**old).unwrap_or_default();
        let mut same = 0;
        let mut new: Vec<Arc<[u8]>> = Vec::new();
        if let Some(value) = row.value {
            entries(registry, row.table, row.key, value, &mut |entry| {
                // Most changes of a row change no entry: nothing is allocated for those.
                if new.is_empty() && old.get(same).is_some_and(|old| **old == *entry) {
                    same += 1;
                } else {
                    if new.is_empty() {
                        new.extend_from_slice(&old[..same]);
                    }
                    new.push(entry.into());
                }
            })?;
        }
        if self.first_runs.len() <= ordinal {
            self.first_runs.resize(ordinal + 1, 0);
        }
        if self.first_runs[ordinal] == 0 {
            self.first_runs[ordinal] = self.run;
        }
        if new.is_empty() && same == old.len() {
            return Ok(());
        }
        if new.is_empty() {
            new.extend_from_slice(&old[..same]);
        }
        for entry in self.given.remove(&row.ordinal).unwrap_or_default() {
            if self.entries.remove(&entry) {
                self.byte_len -= entry_bytes(&entry);
            }
        }
        for entry in &new {
            if self.entries.insert(Arc::clone(entry)) {
                self.byte_len += entry_bytes(entry);
            }
        }
        if !new.is_empty() {
            self.given.insert(row.ordinal, new.into());
        }
        Ok(())
    }
}

/// What an entry takes: its bytes and counts, its places in the set and beside its row.
fn entry_bytes(entry: &[u8]) -> usize {
    entry.len() + 32 + 24 + 40
}

/// The bucket of the key of a key's row.
pub(crate) fn bucket_of(key: &[u8]) -> u32 {
    key.first_chunk::<4>().map_or(0, |bytes| u32::from_be_bytes(*bytes))
}

pub(crate) fn damaged(table: Table, key: &[u8], why: Corrupt) -> StoreError {
    StoreError::Damaged { table, key: key.to_vec(), why }
}
