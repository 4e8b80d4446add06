//! A view: layers above what is on the disk, read as one.

use core::ops::Bound;
use std::collections::VecDeque;
use std::sync::Arc;

use quipu_core::machine::Registry;
use quipu_core::records::Table;
use quipu_core::store::{Due, StoreError};
use quipu_core::words::{Book, Kind, Number, Position, Timestamp};

use super::base::{BLOCK, Base, KeyValue};
use crate::index::{
    Index, due_entry, due_from, due_of, due_of_entry, list_after, list_prefix, listed, row_of,
};
use crate::layer::{Layer, bucket_of};
use crate::table::Hash;

/// Layers, newest first, above what the last checkpoint has brought onto the disk.
///
/// The newest layer may still take rows. What is read of an index then is, for each row, as
/// it was at one time not before the read began; of frozen layers it is of their position.
#[derive(Clone)]
pub(crate) struct View {
    pub(crate) layers: Arc<[Arc<Layer>]>,
    pub(crate) base: Arc<Base>,
}

/// Entries of one source, read ahead.
struct Source<'a> {
    of: Of<'a>,
    page: VecDeque<Entry>,
    /// Whether there may be more behind the page.
    has_more: bool,
    run: u32,
}

enum Of<'a> {
    Layer(&'a Layer),
    Base(&'a Base),
}

enum Entry {
    Shared(Arc<[u8]>),
    Own(Vec<u8>),
}

/// The entries of an index that are asked for.
struct Wanted<'a> {
    index: Index,
    from: Bound<&'a [u8]>,
    inside: &'a dyn Fn(&[u8]) -> bool,
    limit: usize,
}

impl View {
    pub(crate) fn position(&self) -> Position {
        self.layers.first().map_or(self.base.meta.position, |layer| layer.read().through)
    }

    pub(crate) fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        match find(&self.layers, table, key) {
            Some(value) => Ok(value),
            None => self.base.get(table, key),
        }
    }

    /// Visits the rows of a table in key order. All layers must be frozen.
    pub(crate) fn scan(
        &self,
        table: Table,
        from: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), StoreError> {
        let held: Vec<_> = self.layers.iter().map(|layer| layer.read()).collect();
        let sorted: Vec<_> =
            self.layers.iter().zip(&held).map(|(layer, held)| layer.sorted(held, table)).collect();
        let rows = |layer: usize, next: usize| sorted[layer].get(&held[layer].rows, next);
        let mut next: Vec<usize> =
            sorted.iter().zip(&held).map(|(sorted, held)| sorted.first(&held.rows, from)).collect();
        let keys_from = keys_from(&self.layers);
        let mut block = Block::new(&self.base, table, from)?;
        loop {
            let mut key = block.first().map(|(key, _)| key.as_slice());
            for (layer, next) in next.iter().enumerate() {
                if let Some(row) = rows(layer, *next) {
                    key = Some(key.map_or(row.key, |key| key.min(row.key)));
                }
            }
            let Some(key) = key else { return Ok(()) };
            // Newest first: only the first one that has the key is heard.
            let mut newest = None;
            for (layer, next) in next.iter_mut().enumerate() {
                if let Some(row) = rows(layer, *next)
                    && row.key == key
                {
                    *next += 1;
                    newest = newest.or(Some((row.value, keys_from[layer])));
                }
            }
            let in_base = block.first().filter(|(of, _)| of == key);
            let is_in_base = in_base.is_some();
            let (value, keys_from) = newest.unwrap_or_else(|| {
                let value = in_base.map(|(_, value)| value.as_slice());
                (value, keys_from[self.layers.len()])
            });
            let is_dropped = table == Table::Key && bucket_of(key) < keys_from;
            if let Some(value) = value.filter(|_| !is_dropped)
                && !visit(key, value)
            {
                return Ok(());
            }
            if is_in_base {
                block.pass()?;
            }
        }
    }

    pub(crate) fn due(
        &self,
        registry: &Registry,
        until: Timestamp,
        after: Option<&Due>,
        limit: usize,
    ) -> Result<Vec<Due>, StoreError> {
        let after = after.map(due_entry);
        let first = due_from(Timestamp::ZERO);
        let inside = |entry: &[u8]| {
            Index::of(entry) == Some(Index::Due) && due_of(entry).is_none_or(|due| due.at <= until)
        };
        let from = after.as_deref().map_or(Bound::Included(&*first), Bound::Excluded);
        let found =
            self.entries(registry, &Wanted { index: Index::Due, from, inside: &inside, limit })?;
        found.iter().map(|entry| self.due_in(entry)).collect()
    }

    pub(crate) fn next_due(
        &self,
        registry: &Registry,
        after: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        let first = due_from(Timestamp::from_ms(after.ms().saturating_add(1)));
        let inside = |entry: &[u8]| Index::of(entry) == Some(Index::Due);
        let from = Bound::Included(&*first);
        let found =
            self.entries(registry, &Wanted { index: Index::Due, from, inside: &inside, limit: 1 })?;
        found.first().map(|entry| self.due_in(entry).map(|due| due.at)).transpose()
    }

    pub(crate) fn due_items(
        &self,
        registry: &Registry,
        number: Number,
        until: Timestamp,
        after: Option<&Due>,
        limit: usize,
    ) -> Result<(Vec<Due>, Timestamp), StoreError> {
        let first = due_of_entry(number, Timestamp::ZERO, None);
        let after = after.map(|due| due_of_entry(due.number, due.at, due.item.as_ref()));
        let stream = &first[..9];
        let inside = |entry: &[u8]| entry.starts_with(stream);
        let from = after.as_deref().map_or(Bound::Included(&*first), Bound::Excluded);
        // One more than is asked for says when the next one is due.
        let limit_and_next = limit.saturating_add(1);
        let wanted = Wanted { index: Index::DueOf, from, inside: &inside, limit: limit_and_next };
        let mut items = Vec::new();
        for entry in self.entries(registry, &wanted)? {
            let due = self.due_in(&entry)?;
            if due.at > until || items.len() == limit {
                return Ok((items, due.at));
            }
            items.push(due);
        }
        Ok((items, Timestamp::NEVER))
    }

    pub(crate) fn list(
        &self,
        registry: &Registry,
        book: Book,
        kind: Kind,
        index: u8,
        after: &[u8],
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Number)>, StoreError> {
        let first = list_after(book, kind, index, after);
        let prefix = list_prefix(book, kind, index);
        let inside = |entry: &[u8]| entry.starts_with(&prefix);
        let from = Bound::Included(&*first);
        let found =
            self.entries(registry, &Wanted { index: Index::List, from, inside: &inside, limit })?;
        let listed = |entry: &Vec<u8>| listed(entry).ok_or_else(|| self.base.no_entry(entry));
        found.iter().map(listed).collect()
    }

    fn due_in(&self, entry: &[u8]) -> Result<Due, StoreError> {
        due_of(entry).ok_or_else(|| self.base.no_entry(entry))
    }

    /// The entries of an index that count: those whose row no layer above has.
    fn entries(
        &self,
        registry: &Registry,
        wanted: &Wanted<'_>,
    ) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut found = Vec::new();
        if wanted.limit == 0 {
            return Ok(found);
        }
        let mut sources: Vec<Source<'_>> = Vec::with_capacity(self.layers.len() + 1);
        for (place, layer) in self.layers.iter().enumerate() {
            // The newest layer may change under our hands. Nothing hides its entries, so as many
            // as are wanted are all that can be needed, and they are of one time.
            let limit = if place == 0 { wanted.limit } else { wanted.limit.min(BLOCK) };
            let page = layer.page(registry, wanted.from, wanted.inside, limit)?;
            let has_more = place > 0 && page.entries.len() == limit;
            let entries = page.entries.into_iter().map(Entry::Shared).collect();
            sources.push(Source { of: Of::Layer(layer), page: entries, has_more, run: page.run });
        }
        let limit = wanted.limit.min(BLOCK);
        let page = self.base.page(wanted.index, wanted.from, wanted.inside, limit)?;
        let has_more = page.len() == limit;
        let entries = page.into_iter().map(Entry::Own).collect();
        sources.push(Source { of: Of::Base(&self.base), page: entries, has_more, run: 0 });

        while found.len() < wanted.limit {
            let firsts = sources.iter().enumerate();
            let firsts = firsts.filter_map(|(at, source)| Some((source.page.front()?, at)));
            let Some((_, at)) = firsts.min_by_key(|(entry, at)| (entry.bytes(), *at)) else {
                break;
            };
            let entry = sources[at].next(registry, wanted)?;
            let (table, key) =
                row_of(entry.bytes()).ok_or_else(|| self.base.no_entry(entry.bytes()))?;
            let hash = Hash::of(table, &key);
            let mut above = self.layers.iter().zip(&sources).take(at);
            if !above.any(|(layer, source)| layer.hides(hash, table, &key, source.run)) {
                found.push(entry.into_bytes());
            }
        }
        Ok(found)
    }
}

/// A row in layers, newest first; `None` where none of them knows of it.
pub(crate) fn find(layers: &[Arc<Layer>], table: Table, key: &[u8]) -> Option<Option<Vec<u8>>> {
    let hash = Hash::of(table, key);
    for layer in layers {
        if let Some(value) = layer.get(hash, table, key) {
            return Some(value);
        }
        if table == Table::Key && bucket_of(key) < layer.keys_from {
            return Some(None);
        }
    }
    None
}

/// For each layer and for what lies on the disk: keys of earlier buckets are gone from it.
pub(crate) fn keys_from(layers: &[Arc<Layer>]) -> Vec<u32> {
    let mut from = vec![0];
    for layer in layers {
        from.push(layer.keys_from.max(*from.last().expect("there is a first one")));
    }
    from
}

impl Source<'_> {
    /// Takes the first entry, and reads on behind it where it was the last of a page.
    fn next(&mut self, registry: &Registry, wanted: &Wanted<'_>) -> Result<Entry, StoreError> {
        let entry = self.page.pop_front().expect("the caller has seen it");
        if self.page.is_empty() && self.has_more {
            let from = Bound::Excluded(entry.bytes());
            match self.of {
                Of::Layer(layer) => {
                    let page = layer.page(registry, from, wanted.inside, BLOCK)?;
                    self.page.extend(page.entries.into_iter().map(Entry::Shared));
                }
                Of::Base(base) => {
                    let page = base.page(wanted.index, from, wanted.inside, BLOCK)?;
                    self.page.extend(page.into_iter().map(Entry::Own));
                }
            }
            self.has_more = self.page.len() == BLOCK;
        }
        Ok(entry)
    }
}

impl Entry {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Shared(bytes) => bytes,
            Self::Own(bytes) => bytes,
        }
    }

    fn into_bytes(self) -> Vec<u8> {
        match self {
            Self::Shared(bytes) => bytes.to_vec(),
            Self::Own(bytes) => bytes,
        }
    }
}

/// Rows on the disk, read ahead.
struct Block<'a> {
    base: &'a Base,
    table: Table,
    rows: Vec<KeyValue>,
    next: usize,
}

impl<'a> Block<'a> {
    fn new(base: &'a Base, table: Table, from: &[u8]) -> Result<Self, StoreError> {
        let rows = base.block(table, Bound::Included(from))?;
        Ok(Self { base, table, rows, next: 0 })
    }

    fn first(&self) -> Option<&KeyValue> {
        self.rows.get(self.next)
    }

    fn pass(&mut self) -> Result<(), StoreError> {
        self.next += 1;
        if self.next == BLOCK {
            let last = self.rows.last().map(|(key, _)| key.as_slice()).unwrap_or_default();
            self.rows = self.base.block(self.table, Bound::Excluded(last))?;
            self.next = 0;
        }
        Ok(())
    }
}
