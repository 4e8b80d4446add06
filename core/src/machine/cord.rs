//! One stream in memory, and what an event does to it wherever it lies.

use rkyv::ser::allocator::Arena;

use super::indexed::{self, is_indexed};
use super::state::{Changes, ItemChanges, Items, Place};
use super::{Answer, ItemKey, Machine, Postings, Shows, Stamp};
use crate::records::{
    EntryWriter, HeadRow, Packer, Record, Rows, Table, key_of_head, key_of_item, key_of_name,
};
use crate::store::Due;
use crate::words::{Name, Number, Position, Timestamp};

/// What the engine keeps of a stream in memory, whatever its kind.
#[derive(Clone, Debug)]
pub struct CordState {
    /// The hash of the name.
    pub hash: u64,
    /// The name.
    pub name: Name,
    /// The number; zero where the stream does not exist.
    pub number: Number,
    /// Version and times. The version of a stream that has ended is that of its last event,
    /// for as long as it is in memory.
    pub stamp: Stamp,
    /// A lower bound of when the stream or any of its items is next due.
    pub due: Timestamp,
    /// A lower bound of when an item that is not in memory is due.
    pub due_stored: Timestamp,
    /// The last item of a page of due items that the store gave, while more pages follow.
    pub due_page: Option<Box<Due>>,
    /// How many transactions and waiting commands keep it in memory.
    pub pins: u32,
    /// Whether one of the pins is that of a question to the store.
    pub loading: bool,
    /// How many of its items are in memory.
    pub cells: u32,
    /// Whether it is certain what the stream is: it was read, or it was never there.
    pub known: bool,
    /// Whether commands wait for it.
    pub busy: bool,
    /// Whether a transaction has reserved it.
    pub reserved: bool,
    /// Whether it was used since the clock hand last passed.
    pub used: bool,
    /// The last batch of legs that it was part of, to see one that names it twice.
    pub mark: u64,
}

impl CordState {
    /// Whether anything under way counts on what is in memory of it.
    #[must_use]
    pub fn in_use(&self) -> bool {
        self.busy || self.reserved || self.pins > 0
    }

    /// Whether a transaction counts on what is in memory of it.
    #[must_use]
    pub fn is_pinned(&self) -> bool {
        self.reserved || self.pins > u32::from(self.loading)
    }
}

/// Where the records of an entry go while its events are carried out.
pub struct Out<'a> {
    /// The entry.
    pub entry: EntryWriter<'a>,
    /// The rows that it changes.
    pub rows: &'a mut Rows,
    /// The postings of the entry so far. Only kept where assertions are checked.
    pub postings: &'a mut Postings,
    /// Whether answers show nothing but which legs changed something.
    pub brief: bool,
}

/// Items of one stream, as an event changes them: `None` marks one that is not there.
pub(super) trait ItemStore<I>: Items<I> {
    /// Sets an item. `weight` is the length of its record, which stands for its memory.
    fn set(&mut self, key: ItemKey, item: Option<I>, at: Position, weight: usize);

    /// Whether an item that is not found here is none.
    fn is_certain(&self, key: &ItemKey) -> bool;
}

struct Recorder<'a, 'o, M: Machine> {
    store: &'a mut dyn ItemStore<M::Item>,
    name: &'a Name,
    number: Number,
    at: Position,
    /// Whether the stream begins: then it has no item yet.
    begins: bool,
    rows: &'o mut Rows,
    arena: &'o mut Arena,
}

impl<M: Machine> Items<M::Item> for Recorder<'_, '_, M> {
    fn get(&self, key: &ItemKey) -> Option<&M::Item> {
        self.store.get(key)
    }
}

impl<M: Machine> Recorder<'_, '_, M> {
    /// Writes what an item's change changes in the index.
    fn index(&mut self, key: &ItemKey, new: Option<&M::Item>) {
        if !is_indexed::<M>(key) {
            return;
        }
        let old = self.store.get(key);
        debug_assert!(
            old.is_some()
                || self.begins
                || key.position() == Some(self.at)
                || self.store.is_certain(key),
            "{} changes the indexed item {key:?} and does not name it",
            M::NAME
        );
        indexed::change::<M>(self.name, self.number, key, (old, new), self.rows);
    }
}

impl<M: Machine> ItemChanges<M::Item> for Recorder<'_, '_, M> {
    fn put(&mut self, key: ItemKey, item: M::Item) {
        self.index(&key, Some(&item));
        let before = self.rows.byte_len();
        put_item::<M>(self.number, &key, &item, self.rows, self.arena);
        let weight = self.rows.byte_len() - before;
        self.store.set(key, Some(item), self.at, weight);
    }

    fn remove(&mut self, key: &ItemKey) {
        self.index(key, None);
        remove_item(self.number, key, self.rows);
        self.store.set(key.clone(), None, self.at, 0);
    }
}

/// An item's row: `kind, type, version, 5 zeros | item`
fn write_item<M: Machine>(item: &M::Item, arena: &mut Arena, out: &mut Vec<u8>) {
    let tag = item.tag();
    out.extend_from_slice(&[M::KIND.get(), tag.number, tag.version, 0, 0, 0, 0, 0]);
    item.pack(&mut Packer::new(out, arena));
}

/// One event on one stream: what, where and when, and whether it is a part of the event
/// that the part before belongs to.
pub(super) struct Happening<'a, E> {
    pub(super) event: &'a E,
    pub(super) place: &'a Place,
    pub(super) same_event: bool,
}

/// Carries out one event on one stream: encodes it, applies it, writes the rows it changes.
pub(super) fn perform<M: Machine>(
    state: &mut CordState,
    head: &mut Option<M::Head>,
    items: &mut dyn ItemStore<M::Item>,
    happening: &Happening<'_, M::Event>,
    out: &mut Out<'_>,
    answer: Option<&mut Answer>,
) {
    let Happening { event, place, same_event } = *happening;
    let creates = head.is_none();
    if creates {
        state.number = Number::new(place.position.get());
    }
    let (kind, number) = (M::KIND, state.number);
    let created = creates.then_some(&state.name);
    let range = out.entry.part(kind, number, previous(state, creates), created, same_event, event);
    let packed = apply::<M>(state, head, items, event, place, out.rows, out.entry.arena());
    if cfg!(debug_assertions)
        && let Some(head) = &*head
    {
        M::postings(head, event, out.postings);
    }
    let Some(answer) = answer.filter(|_| !out.brief) else { return };
    let shows = M::shows(event, place);
    if shows.event {
        answer.add_event(kind, number, event.tag(), out.entry.payload(range));
    }
    let shown = shown(head.as_ref(), out.rows, packed);
    show::<M>((state.number, state.stamp), shown, &*items, &shows, out.entry.arena(), answer);
}

/// The position of the event before, of the same life of the stream.
fn previous(state: &CordState, creates: bool) -> Position {
    if creates { Position::ZERO } else { state.stamp.version }
}

/// Applies one event to one stream and writes the rows it changes.
/// Gives the length of the packed head, which then ends the last row.
fn apply<M: Machine>(
    state: &mut CordState,
    head: &mut Option<M::Head>,
    items: &mut dyn ItemStore<M::Item>,
    event: &M::Event,
    place: &Place,
    rows: &mut Rows,
    arena: &mut Arena,
) -> usize {
    let (name, number) = (&state.name, state.number);
    let (at, begins) = (place.position, head.is_none());
    let mut recorder = Recorder::<M> { store: items, name, number, at, begins, rows, arena };
    let begins = change::<M>(name, &mut state.stamp, head, &mut recorder, event, place);
    if let Some(head) = head {
        if begins {
            put_name(name, number, rows);
        }
        put_head::<M>(name, number, state.stamp, head, rows, arena)
    } else {
        remove_stream(name, number, rows);
        state.number = Number::ZERO;
        0
    }
}

/// What an event does to a stream: to its head, its items and its stamp. Whatever happens to a
/// stream, when it is decided and when it is replayed, happens here. Says whether it begins.
pub(super) fn change<M: Machine>(
    name: &Name,
    stamp: &mut Stamp,
    head: &mut Option<M::Head>,
    items: &mut dyn ItemChanges<M::Item>,
    event: &M::Event,
    place: &Place,
) -> bool {
    let existed = head.is_some();
    M::apply(&mut Changes { name, head: &mut *head, items }, event, place);
    stamp.version = place.position;
    stamp.updated = place.now;
    let begins = !existed && head.is_some();
    if begins {
        stamp.created = place.now;
    }
    begins
}

/// Writes the row of a stream's name.
pub(super) fn put_name(name: &Name, number: Number, rows: &mut Rows) {
    rows.put(
        Table::Name,
        |out| key_of_name(name, out),
        |out| out.extend_from_slice(&number.get().to_le_bytes()),
    );
}

/// Writes a head's row, and gives the length of the packed head, which ends it.
pub(super) fn put_head<M: Machine>(
    name: &Name,
    number: Number,
    stamp: Stamp,
    head: &M::Head,
    rows: &mut Rows,
    arena: &mut Arena,
) -> usize {
    let mut packed = 0;
    rows.put(
        Table::Head,
        |out| out.extend_from_slice(&key_of_head(number)),
        |out| {
            HeadRow::write(name, stamp, head.tag(), out, |out| {
                let start = out.len();
                head.pack(&mut Packer::new(out, arena));
                packed = out.len() - start;
            });
        },
    );
    packed
}

/// Removes the rows of a stream that has ended.
pub(super) fn remove_stream(name: &Name, number: Number, rows: &mut Rows) {
    rows.remove(Table::Head, |out| out.extend_from_slice(&key_of_head(number)));
    rows.remove(Table::Name, |out| key_of_name(name, out));
}

/// Writes an item's row.
pub(super) fn put_item<M: Machine>(
    number: Number,
    key: &ItemKey,
    item: &M::Item,
    rows: &mut Rows,
    arena: &mut Arena,
) {
    rows.put(
        Table::Item,
        |out| key_of_item(number, key, out),
        |out| write_item::<M>(item, arena, out),
    );
}

/// Removes an item's row.
pub(super) fn remove_item(number: Number, key: &ItemKey, rows: &mut Rows) {
    rows.remove(Table::Item, |out| key_of_item(number, key, out));
}

/// A head to be shown: what it is, and its packed record where that was just written.
#[derive(Clone, Copy)]
pub(super) struct Shown<'a, H> {
    pub(super) head: &'a H,
    pub(super) packed: Option<&'a [u8]>,
}

/// The head that [`apply`] left, with the record that it wrote into the last row.
fn shown<'a, H>(head: Option<&'a H>, rows: &'a Rows, packed: usize) -> Option<Shown<'a, H>> {
    let head = head?;
    let last = rows.range(rows.len().saturating_sub(1)..rows.len()).next();
    let value = last.and_then(|row| row.value);
    let packed = value.and_then(|value| value.get(value.len().checked_sub(packed)?..));
    Some(Shown { head, packed })
}

/// Adds the pieces of state that an answer shows.
pub(super) fn show<M: Machine>(
    (number, stamp): (Number, Stamp),
    head: Option<Shown<'_, M::Head>>,
    items: &dyn Items<M::Item>,
    shows: &Shows,
    arena: &mut Arena,
    answer: &mut Answer,
) {
    let kind = M::KIND;
    if let Some(Shown { head, packed }) = head
        && shows.head
    {
        let len = packed.map_or(size_of::<M::Head>(), <[u8]>::len);
        answer.add_head(kind, number, stamp, head.tag(), len, |out| match packed {
            Some(packed) => out.extend_from_slice(packed),
            None => head.pack(&mut Packer::new(out, arena)),
        });
    }
    for key in &shows.items {
        if let Some(item) = items.get(key) {
            let pack = |out: &mut Vec<u8>| item.pack(&mut Packer::new(out, arena));
            answer.add_item(kind, number, key, item.tag(), size_of::<M::Item>(), pack);
        }
    }
}
