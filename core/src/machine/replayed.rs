//! The streams of one kind while a log is replayed over a store.

use hashbrown::HashTable;
use rkyv::ser::allocator::Arena;

use super::cord::{Shown, change, put_head, put_item, put_name, remove_item, remove_stream, show};
use super::cords::item_hash;
use super::indexed::{self, is_indexed};
use super::state::{ItemChanges, Items, Place};
use super::{Answer, ItemKey, Machine, Needs, Stamp};
use crate::records::{Corrupt, HeadRow, ItemRow, Record, Rows, Tag};
use crate::words::{Name, Number, Version};

/// The place of a stream among those of its kind.
pub type ReplaySlot = u32;

/// A part of an event, on its way from the log to its stream.
#[derive(Clone, Copy, Debug)]
pub struct Replaying<'a> {
    /// Where its stream is.
    pub slot: ReplaySlot,
    /// Which struct the payload is.
    pub tag: Tag,
    /// The packed event.
    pub payload: &'a [u8],
    /// Where and when.
    pub place: &'a Place,
    /// The version on which it was decided.
    pub previous: Version,
    /// Whether the stream begins with it.
    pub creates: bool,
}

/// The streams of one kind while a log is replayed, without the kind's types.
///
/// What happens to them is applied in memory and marked. [`write`](Self::write) gives the rows
/// of all that is marked, one for each stream and item, however often it changed: the last of
/// those that shards wrote. Only names and what has ended are written as they happen, because
/// a name may go to another stream.
///
/// Parts are told twice and in one order: first [`read`](Self::read), which says what has to
/// be read from a store, then [`apply`](Self::apply).
pub trait Replayed: Send {
    /// Makes a place for a stream: one that begins, or one that is filled before its events.
    fn add(&mut self, number: Number, name: Option<&Name>) -> ReplaySlot;
    /// Fills a place with what the store has.
    fn fill(&mut self, slot: ReplaySlot, row: &HeadRow<'_>) -> Result<(), Corrupt>;
    /// Unpacks an event and keeps it. `wanted` is told each item that it reads, or that its
    /// answer shows, and that is not at hand. From then on it is: nothing is in its place
    /// until it is [filled](Self::fill_item).
    fn read(
        &mut self,
        part: &Replaying<'_>,
        shown: bool,
        wanted: &mut dyn FnMut(&ItemKey, u32),
    ) -> Result<(), Corrupt>;
    /// Fills the place of an item that was wanted with what the store has.
    fn fill_item(&mut self, index: u32, row: &[u8]) -> Result<(), Corrupt>;
    /// Applies the oldest event that was kept, which is the one of this part.
    fn apply(
        &mut self,
        part: &Replaying<'_>,
        rows: &mut Rows,
        arena: &mut Arena,
        answer: Option<&mut Answer>,
    ) -> Result<(), Corrupt>;
    /// Reads a little of a stream, so that its memory is near when an event is applied to it.
    /// What it gives only keeps the reads from being left out.
    fn touch(&self, slot: ReplaySlot) -> u64;
    /// Writes the rows of what has changed since the last time.
    fn write(&mut self, rows: &mut Rows, arena: &mut Arena);
    /// Lets go of everything. It has been written.
    fn clear(&mut self);
    /// The bytes that all of it takes.
    fn memory(&self) -> usize;
}

/// The streams of machine `M` while a log is replayed.
pub(super) struct ReplayedOf<M: Machine> {
    streams: Vec<Stream<M::Head>>,
    /// What events seldom look at, beside the streams.
    names: Vec<(Number, Option<Name>)>,
    changed: Vec<ReplaySlot>,
    items: Cells<M::Item>,
    /// Events that were read, and how many of them have been applied.
    events: Vec<M::Event>,
    applied: usize,
    needs: Needs,
    heap: usize,
}

struct Stream<H> {
    stamp: Stamp,
    changed: bool,
    head: Option<H>,
}

impl<M: Machine> ReplayedOf<M> {
    pub(super) fn new() -> Self {
        Self {
            streams: Vec::new(),
            names: Vec::new(),
            changed: Vec::new(),
            items: Cells::new(),
            events: Vec::new(),
            applied: 0,
            needs: Needs::default(),
            heap: 0,
        }
    }
}

impl<M: Machine> Replayed for ReplayedOf<M> {
    fn add(&mut self, number: Number, name: Option<&Name>) -> ReplaySlot {
        self.heap += name.map_or(0, |name| name.id.heap_bytes());
        self.streams.push(Stream { stamp: Stamp::default(), changed: false, head: None });
        self.names.push((number, name.cloned()));
        u32::try_from(self.streams.len() - 1).expect("memory is bounded far below 2^32 streams")
    }

    fn fill(&mut self, slot: ReplaySlot, row: &HeadRow<'_>) -> Result<(), Corrupt> {
        if row.name.kind != M::KIND {
            return Err(Corrupt::Range);
        }
        let head = M::Head::unpack(row.tag, row.head)?;
        self.streams[slot as usize] = Stream { stamp: row.stamp, changed: false, head: Some(head) };
        self.heap += row.name.id.heap_bytes();
        self.names[slot as usize].1 = Some(row.name.clone());
        Ok(())
    }

    fn read(
        &mut self,
        part: &Replaying<'_>,
        shown: bool,
        wanted: &mut dyn FnMut(&ItemKey, u32),
    ) -> Result<(), Corrupt> {
        let event = M::Event::unpack(part.tag, part.payload)?;
        self.needs.clear();
        M::reads(&event, &mut self.needs);
        if shown {
            let shows = M::shows(&event, part.place);
            shows.items.into_iter().for_each(|key| self.needs.item(key));
        }
        let (number, _) = self.names[part.slot as usize];
        for key in self.needs.keys() {
            if self.items.find(number, key).is_none() {
                wanted(key, self.items.add(number, key.clone()));
            }
        }
        if self.applied == self.events.len() {
            self.events.clear();
            self.applied = 0;
        }
        self.events.push(event);
        Ok(())
    }

    fn fill_item(&mut self, index: u32, row: &[u8]) -> Result<(), Corrupt> {
        let weight = row.len();
        let row = ItemRow::read(row)?;
        if row.kind != M::KIND {
            return Err(Corrupt::Tag);
        }
        let item = M::Item::unpack(row.tag, row.item)?;
        self.items.fill(index, Some(item), weight);
        Ok(())
    }

    fn apply(
        &mut self,
        part: &Replaying<'_>,
        rows: &mut Rows,
        arena: &mut Arena,
        answer: Option<&mut Answer>,
    ) -> Result<(), Corrupt> {
        let &Replaying { slot, tag, payload, place, previous, creates } = part;
        let event = self.events.get(self.applied).expect("what is applied was read before");
        self.applied += 1;
        let (number, name) = &self.names[slot as usize];
        let (number, name) = (*number, name.as_ref().ok_or(Corrupt::Missing)?);
        let stream = &mut self.streams[slot as usize];
        let at = stream.stamp.version;
        // The second part of one event on one stream finds the first one's position.
        let within = at == place.position;
        if !creates && stream.head.is_none() {
            return Err(Corrupt::Missing);
        }
        if at != previous && !within && !mutant!(AppliedTwice) {
            return Err(Corrupt::Range);
        }
        let weight = payload.len();
        let mut items = Kept::<M> { cells: &mut self.items, slot, number, place, creates, weight };
        let Stream { stamp, head, changed } = stream;
        let begins = change::<M>(name, stamp, head, &mut items, event, place);
        if head.is_none() {
            if creates {
                return Err(Corrupt::Missing);
            }
            remove_stream(name, number, rows);
        } else {
            if begins {
                put_name(name, number, rows);
            }
            if !core::mem::replace(changed, true) {
                self.changed.push(slot);
            }
        }
        if let Some(answer) = answer {
            let shows = M::shows(event, place);
            if shows.event {
                answer.add_event(M::KIND, number, tag, payload);
            }
            let head = head.as_ref().map(|head| Shown { head, packed: None });
            show::<M>((number, *stamp), head, &items, &shows, arena, answer);
        }
        Ok(())
    }

    fn touch(&self, slot: ReplaySlot) -> u64 {
        let stream = &self.streams[slot as usize];
        // A comparison of the head with what may be another one reads all of it.
        let same = stream.head == *core::hint::black_box(&stream.head);
        stream.stamp.version.get() ^ u64::from(same)
    }

    fn write(&mut self, rows: &mut Rows, arena: &mut Arena) {
        let Self { streams, names, changed, items, .. } = self;
        // In the order of their keys, which a store finds its own places faster by.
        changed.sort_unstable_by_key(|slot| names[*slot as usize].0);
        for slot in changed.drain(..) {
            let stream = &mut streams[slot as usize];
            stream.changed = false;
            let (number, name) = &names[slot as usize];
            if let (Some(head), Some(name)) = (&stream.head, name) {
                put_head::<M>(name, *number, stream.stamp, head, rows, arena);
            }
        }
        items.write::<M>(names, rows, arena);
    }

    fn clear(&mut self) {
        *self = Self::new();
    }

    fn memory(&self) -> usize {
        self.streams.capacity() * size_of::<Stream<M::Head>>()
            + self.names.capacity() * size_of::<(Number, Option<Name>)>()
            + self.changed.capacity() * size_of::<ReplaySlot>()
            + self.events.capacity() * size_of::<M::Event>()
            + self.heap
            + self.items.memory()
    }
}

/// Items of all streams of one kind. One that is known not to exist is there too.
struct Cells<I> {
    index: HashTable<u32>,
    cells: Vec<Cell<I>>,
    changed: Vec<u32>,
    /// Of those that changed, the indexed ones, as they were when they were written last.
    written: Vec<Written<I>>,
    heap: usize,
}

/// An item whose index rows are those of another state of it.
struct Written<I> {
    slot: ReplaySlot,
    index: u32,
    item: Option<I>,
    weight: u32,
}

struct Cell<I> {
    number: Number,
    key: ItemKey,
    hash: u64,
    item: Option<I>,
    weight: u32,
    changed: bool,
}

impl<I: Record> Cells<I> {
    fn new() -> Self {
        let (cells, changed, written) = (Vec::new(), Vec::new(), Vec::new());
        Self { index: HashTable::new(), cells, changed, written, heap: 0 }
    }

    fn find(&self, number: Number, key: &ItemKey) -> Option<u32> {
        let is_it = |&index: &u32| {
            let cell = &self.cells[index as usize];
            cell.number == number && cell.key == *key
        };
        self.index.find(item_hash(number, key), is_it).copied()
    }

    fn add(&mut self, number: Number, key: ItemKey) -> u32 {
        let hash = item_hash(number, &key);
        self.heap += key.heap_bytes();
        self.cells.push(Cell { number, key, hash, item: None, weight: 0, changed: false });
        let index = u32::try_from(self.cells.len() - 1);
        let index = index.expect("memory is bounded far below 2^32 items");
        let cells = &self.cells;
        self.index.insert_unique(hash, index, |&other| cells[other as usize].hash);
        index
    }

    fn fill(&mut self, index: u32, item: Option<I>, weight: usize) -> &mut Cell<I> {
        let cell = &mut self.cells[index as usize];
        // What a record holds beside its own size lies on the heap.
        let weight = weight.saturating_sub(size_of::<I>()) as u32;
        self.heap = self.heap + weight as usize - cell.weight as usize;
        (cell.item, cell.weight) = (item, weight);
        cell
    }

    /// Sets an item. Where it has index rows, what was written of it last is kept for
    /// [`write`](Self::write), which takes the old rows away.
    fn set(
        &mut self,
        number: Number,
        key: ItemKey,
        item: Option<I>,
        weight: usize,
        indexed_in: Option<ReplaySlot>,
    ) {
        let index = match self.find(number, &key) {
            Some(index) => index,
            None => self.add(number, key),
        };
        let cell = &mut self.cells[index as usize];
        if let Some(slot) = indexed_in
            && !cell.changed
        {
            let item = cell.item.take().filter(|_| !mutant!(IndexLostOnReplay));
            let weight = cell.weight;
            self.heap += weight as usize;
            self.written.push(Written { slot, index, item, weight });
        }
        let cell = self.fill(index, item, weight);
        if !core::mem::replace(&mut cell.changed, true) {
            self.changed.push(index);
        }
    }

    fn write<M: Machine<Item = I>>(
        &mut self,
        names: &[(Number, Option<Name>)],
        rows: &mut Rows,
        arena: &mut Arena,
    ) {
        let Self { cells, changed, written, heap, .. } = self;
        for Written { slot, index, item, weight } in written.drain(..) {
            *heap -= weight as usize;
            let (number, name) = &names[slot as usize];
            let name = name.as_ref().expect("an event has changed the stream, which has a name");
            let cell = &cells[index as usize];
            let items = (item.as_ref(), cell.item.as_ref());
            indexed::change::<M>(name, *number, &cell.key, items, rows);
        }
        changed.sort_unstable_by(|left, right| {
            let [left, right] = [left, right].map(|index| &cells[*index as usize]);
            (left.number, &left.key).cmp(&(right.number, &right.key))
        });
        for index in changed.drain(..) {
            let cell = &mut cells[index as usize];
            cell.changed = false;
            match &cell.item {
                Some(item) => put_item::<M>(cell.number, &cell.key, item, rows, arena),
                None => remove_item(cell.number, &cell.key, rows),
            }
        }
    }

    fn memory(&self) -> usize {
        self.cells.capacity() * size_of::<Cell<I>>()
            + self.index.capacity() * 5
            + self.changed.capacity() * size_of::<u32>()
            + self.written.capacity() * size_of::<Written<I>>()
            + self.heap
    }
}

/// Items of one stream, as an event changes them. What a record holds on the heap is not
/// more than the event that put it there.
struct Kept<'a, M: Machine> {
    cells: &'a mut Cells<M::Item>,
    slot: ReplaySlot,
    number: Number,
    place: &'a Place,
    creates: bool,
    weight: usize,
}

impl<M: Machine> Kept<'_, M> {
    fn set(&mut self, key: ItemKey, item: Option<M::Item>, weight: usize) {
        let indexed_in = is_indexed::<M>(&key).then_some(self.slot);
        debug_assert!(
            indexed_in.is_none()
                || self.creates
                || key.position() == Some(self.place.position)
                || self.cells.find(self.number, &key).is_some(),
            "an event of {} changes the indexed item {key:?} and does not name it",
            M::NAME
        );
        self.cells.set(self.number, key, item, weight, indexed_in);
    }
}

impl<M: Machine> Items<M::Item> for Kept<'_, M> {
    fn get(&self, key: &ItemKey) -> Option<&M::Item> {
        let index = self.cells.find(self.number, key)?;
        self.cells.cells[index as usize].item.as_ref()
    }
}

impl<M: Machine> ItemChanges<M::Item> for Kept<'_, M> {
    fn put(&mut self, key: ItemKey, item: M::Item) {
        self.set(key, Some(item), self.weight);
    }

    fn remove(&mut self, key: &ItemKey) {
        self.set(key.clone(), None, 0);
    }
}
