//! A store in memory, with a checkpoint that a crash falls back to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::{Checkpoint, Due, Reader, ReadsFrom, Store, StoreError};
use crate::machine::{ItemKey, Registry};
use crate::records::{Corrupt, HeadRow, ItemRow, Row, Table, open, seal};
use crate::words::{Book, Kind, Number, Position, Timestamp};

/// A store in memory. Rows lie there sealed, so damage is found as it is on a disk.
pub struct MemoryStore {
    live: Arc<RwLock<Tables>>,
    checkpoint: Arc<RwLock<Tables>>,
}

#[derive(Clone)]
struct Tables {
    registry: Registry,
    position: Position,
    rows: BTreeMap<(Table, Vec<u8>), Vec<u8>>,
    due: BTreeSet<Due>,
    due_of: BTreeSet<(Number, Timestamp, ItemKey)>,
    lists: BTreeSet<(Book, Kind, u8, Vec<u8>, Number)>,
}

/// What a row adds to the indexes.
#[derive(Default)]
struct Indexed {
    due: Option<Due>,
    lists: Vec<(Book, Kind, u8, Vec<u8>, Number)>,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new(registry: Registry) -> Self {
        let tables = Tables::new(registry);
        Self {
            live: Arc::new(RwLock::new(tables.clone())),
            checkpoint: Arc::new(RwLock::new(tables)),
        }
    }

    /// The same store after a crash: as of its last checkpoint.
    #[must_use]
    pub fn crashed(&self) -> Self {
        let kept = read(&self.checkpoint).clone();
        Self { live: Arc::new(RwLock::new(kept.clone())), checkpoint: Arc::new(RwLock::new(kept)) }
    }

    /// Flips one bit of the `row`-th row, to test what notices. Says which row it was.
    pub fn damage(&mut self, row: usize, bit: usize) -> Option<(Table, Vec<u8>)> {
        let mut live = write(&self.live);
        let index = row % live.rows.len().max(1);
        let (key, sealed) = live.rows.iter_mut().nth(index)?;
        let bit = bit % (sealed.len() * 8);
        sealed[bit / 8] ^= 1 << (bit % 8);
        Some(key.clone())
    }
}

fn read(tables: &RwLock<Tables>) -> RwLockReadGuard<'_, Tables> {
    tables.read().unwrap_or_else(PoisonError::into_inner)
}

fn write(tables: &RwLock<Tables>) -> RwLockWriteGuard<'_, Tables> {
    tables.write().unwrap_or_else(PoisonError::into_inner)
}

impl Tables {
    fn new(registry: Registry) -> Self {
        Self {
            registry,
            position: Position::ZERO,
            rows: BTreeMap::new(),
            due: BTreeSet::new(),
            due_of: BTreeSet::new(),
            lists: BTreeSet::new(),
        }
    }

    fn indexed(&self, table: Table, key: &[u8], value: &[u8]) -> Result<Indexed, Corrupt> {
        match table {
            Table::Head => self.indexed_head(key, value),
            Table::Item => self.indexed_item(key, value),
            Table::Name | Table::Key | Table::Index => Ok(Indexed::default()),
        }
    }

    fn indexed_head(&self, key: &[u8], value: &[u8]) -> Result<Indexed, Corrupt> {
        let number = number_of(key)?;
        let row = HeadRow::read(value)?;
        let rules = self.registry.rules(row.name.kind).ok_or(Corrupt::Tag)?;
        let at = rules.head_due(row.tag, row.head)?;
        let mut lists = Vec::new();
        let mut list = |index: u8, front: &[u8]| {
            let mut key = front.to_vec();
            key.extend_from_slice(&row.stamp.created.ms().to_be_bytes());
            key.extend_from_slice(row.name.id.as_str().as_bytes());
            lists.push((row.name.book, row.name.kind, index, key, number));
        };
        list(0, &[]);
        rules.indexes(row.tag, row.head, &mut list)?;
        Ok(Indexed { due: due(at, number, None), lists })
    }

    fn indexed_item(&self, key: &[u8], value: &[u8]) -> Result<Indexed, Corrupt> {
        let number = number_of(key)?;
        let item = key.get(8..).and_then(ItemKey::from_bytes).ok_or(Corrupt::Range)?;
        let row = ItemRow::read(value)?;
        let rules = self.registry.rules(row.kind).ok_or(Corrupt::Tag)?;
        let at = rules.item_due(row.tag, row.item)?;
        Ok(Indexed { due: due(at, number, Some(item)), lists: Vec::new() })
    }

    fn read(&self, table: Table, key: &[u8], sealed: &[u8]) -> Result<Vec<u8>, StoreError> {
        open(table, key, sealed).map(<[u8]>::to_vec).map_err(|why| damaged(table, key, why))
    }

    fn set(&mut self, row: Row<'_>) -> Result<(), StoreError> {
        let wrong = |why| damaged(row.table, row.key, why);
        let place = (row.table, row.key.to_vec());
        let new = match row.value {
            Some(value) => self.indexed(row.table, row.key, value).map_err(wrong)?,
            None => Indexed::default(),
        };
        if let Some(sealed) = self.rows.remove(&place) {
            let old = self.read(row.table, row.key, &sealed)?;
            let old = self.indexed(row.table, row.key, &old).map_err(wrong)?;
            if let Some(due) = old.due {
                self.due_of.remove(&by_stream(&due));
                self.due.remove(&due);
            }
            for entry in old.lists {
                self.lists.remove(&entry);
            }
        }
        if let Some(due) = new.due {
            self.due_of.insert(by_stream(&due));
            self.due.insert(due);
        }
        self.lists.extend(new.lists);
        if let Some(value) = row.value {
            let mut sealed = Vec::with_capacity(value.len() + 8);
            seal(row.table, row.key, value, &mut sealed);
            self.rows.insert(place, sealed);
        }
        Ok(())
    }
}

fn due(at: Timestamp, number: Number, item: Option<ItemKey>) -> Option<Due> {
    (at != Timestamp::NEVER).then_some(Due { at, number, item })
}

fn by_stream(due: &Due) -> (Number, Timestamp, ItemKey) {
    (due.number, due.at, due.item.clone().unwrap_or_else(|| ItemKey::only(0)))
}

fn number_of(key: &[u8]) -> Result<Number, Corrupt> {
    let bytes = key.first_chunk::<8>().ok_or(Corrupt::Short)?;
    Ok(Number::new(u64::from_be_bytes(*bytes)))
}

fn damaged(table: Table, key: &[u8], why: Corrupt) -> StoreError {
    StoreError::Damaged { table, key: key.to_vec(), why }
}

impl Reader for RwLock<Tables> {
    fn position(&self) -> Position {
        read(self).position
    }

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let tables = read(self);
        let sealed = tables.rows.get(&(table, key.to_vec()));
        sealed.map(|sealed| tables.read(table, key, sealed)).transpose()
    }

    fn scan(
        &self,
        table: Table,
        from: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), StoreError> {
        let tables = read(self);
        for ((of, key), sealed) in tables.rows.range((table, from.to_vec())..) {
            if *of != table || !visit(key, &tables.read(table, key, sealed)?) {
                break;
            }
        }
        Ok(())
    }

    fn due(
        &self,
        until: Timestamp,
        after: Option<&Due>,
        limit: usize,
    ) -> Result<Vec<Due>, StoreError> {
        use core::ops::Bound::{Excluded, Unbounded};
        let start = after.map_or(Unbounded, Excluded);
        let tables = read(self);
        let due = tables.due.range::<Due, _>((start, Unbounded));
        Ok(due.take_while(|due| due.at <= until).take(limit).cloned().collect())
    }

    fn next_due(&self, after: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let start = Due {
            at: Timestamp::from_ms(after.ms().saturating_add(1)),
            number: Number::ZERO,
            item: None,
        };
        Ok(read(self).due.range(start..).next().map(|due| due.at))
    }

    fn due_items(
        &self,
        number: Number,
        until: Timestamp,
        after: Option<&Due>,
        limit: usize,
    ) -> Result<(Vec<Due>, Timestamp), StoreError> {
        use core::ops::Bound::{Excluded, Included, Unbounded};
        let start = match after {
            Some(due) => Excluded(by_stream(due)),
            None => Included((number, Timestamp::ZERO, ItemKey::only(0))),
        };
        let mut items = Vec::new();
        let tables = read(self);
        for (of, at, key) in tables.due_of.range((start, Unbounded)) {
            if *of != number {
                break;
            }
            if key.letter() == 0 {
                continue;
            }
            if *at > until || items.len() == limit {
                return Ok((items, *at));
            }
            items.push(Due { at: *at, number, item: Some(key.clone()) });
        }
        Ok((items, Timestamp::NEVER))
    }

    fn list(
        &self,
        book: Book,
        kind: Kind,
        index: u8,
        after: &[u8],
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Number)>, StoreError> {
        let start = (book, kind, index, after.to_vec(), Number::ZERO);
        let tables = read(self);
        let rows = tables.lists.range(start..);
        let here = rows.take_while(|row| (row.0, row.1, row.2) == (book, kind, index));
        let behind = here.filter(|row| row.3 != after);
        Ok(behind.take(limit).map(|row| (row.3.clone(), row.4)).collect())
    }
}

impl ReadsFrom for MemoryStore {
    fn source(&self) -> &dyn Reader {
        &*self.live
    }
}

impl Store for MemoryStore {
    fn apply(
        &mut self,
        rows: &mut dyn Iterator<Item = Row<'_>>,
        through: Position,
    ) -> Result<(), StoreError> {
        let mut live = write(&self.live);
        for row in rows {
            live.set(row)?;
        }
        live.position = through;
        Ok(())
    }

    fn reader(&self) -> Arc<dyn Reader> {
        Arc::clone(&self.live) as Arc<dyn Reader>
    }

    fn snapshot(&mut self) -> Result<Arc<dyn Reader>, StoreError> {
        Ok(Arc::new(RwLock::new(read(&self.live).clone())))
    }

    fn freeze(&mut self) -> Result<Checkpoint, StoreError> {
        let frozen = read(&self.live).clone();
        let place = Arc::clone(&self.checkpoint);
        Ok(Checkpoint::new(move || {
            let position = frozen.position;
            *write(&place) = frozen;
            Ok(position)
        }))
    }

    fn pending_bytes(&self) -> usize {
        0
    }

    fn drop_keys_before(&mut self, bucket: u32) -> Result<(), StoreError> {
        let mut live = write(&self.live);
        let end = (Table::Key, bucket.to_be_bytes().to_vec());
        let old = live.rows.range((Table::Key, Vec::new())..end);
        let old: Vec<_> = old.map(|(place, _)| place.clone()).collect();
        for place in old {
            live.rows.remove(&place);
        }
        Ok(())
    }
}
