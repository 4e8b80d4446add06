//! The suite that every store passes, unchanged. It panics with what a store did wrong.
//!
//! The rows are those of a kind of the suite's own, since stores know no kind by name. Every
//! case holds the store against a plain map of the same rows: what is due and what is listed
//! is worked out anew from that map each time, so an index entry that was left behind, moved
//! wrongly or forgotten shows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rkyv::{Archive, Deserialize, Serialize};

use super::{Checkpoint, Due, ListedItem, Reader, Store, list_items};
use crate::digest::digest;
use crate::machine::{
    Canon, Changes, Context, Decided, ItemKey, Machine, Place as At, Registry, Said, Shows, Stamp,
    View,
};
use crate::record;
use crate::records::{
    HeadRow, INDEX_LEN_MAX, IndexRow, KeyRow, Record, Rows, Table, key_of_head, key_of_index,
    key_of_item, key_of_name, pack_into,
};
use crate::shard::key_row_key;
use crate::words::{Book, Code, Id, Kind, Name, Number, Position, Refusal, Timestamp};

/// A store under test: one place, opened again and again.
pub trait Place {
    /// The store.
    type Store: Store;

    /// Opens the store that lies in this place; the first time, a new one.
    fn open(&mut self, registry: &Registry) -> Self::Store;

    /// Ends a handle as power loss does: whatever no checkpoint covers may be gone.
    fn crash(&mut self, store: Self::Store);
}

/// Runs the whole suite; `place` gives a fresh, empty place for each case.
pub fn check<P: Place>(mut place: impl FnMut() -> P) {
    a_new_store_is_empty(place());
    applied_rows_are_visible_at_once(place());
    later_rows_win(place());
    scans_run_in_key_order(place());
    what_is_due_comes_in_order(place());
    items_are_due_by_stream(place());
    index_entries_follow_their_rows(place());
    lists_run_in_index_order(place());
    items_are_listed_in_the_order_of_their_rows(place());
    a_checkpoint_survives_a_crash(place());
    old_keys_are_dropped_by_bucket(place());
    large_values_fit(place());
    a_reader_sees_what_is_applied_later(place());
    a_snapshot_stays_as_it_was(place());
    rows_applied_after_a_freeze_are_kept(place());
    a_crash_before_the_frozen_is_written_loses_nothing_older(place());
    a_freeze_may_find_nothing_new(place());
    keys_dropped_after_a_freeze_stay_dropped(place());
    upper_rows_hide_the_entries_of_lower_ones(place());
    many_rows_agree_with_a_plain_map(place());
    for seed in 1..=4 {
        any_order_of_steps_agrees_with_a_plain_map(place(), seed);
    }
}

/// The kind whose rows the suite writes. It is never asked for a decision.
struct Sample;

/// Its head, item and event.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
struct Cell {
    due: Timestamp,
    state: u8,
    bytes: Vec<u8>,
}

record!(Cell = (1, 1));

#[derive(Clone, Debug)]
struct Nothing;

impl Said for Nothing {
    fn operation(&self) -> u8 {
        1
    }

    fn canon(&self, _canon: &mut Canon) {}
}

/// By state, one byte. A head whose state is zero is not in it.
const INDEX_STATE: u8 = 1;

impl Machine for Sample {
    const KIND: Kind = Kind::new(Kind::OWN);
    const NAME: &'static str = "sample";
    type Head = Cell;
    type Item = Cell;
    type Event = Cell;
    type Command = Nothing;

    fn decide(
        _view: &View<'_, Self>,
        _command: &Nothing,
        _cx: &mut Context<'_>,
    ) -> Result<Decided<Cell>, Refusal> {
        Err(Code::NotFound.into())
    }

    fn apply(state: &mut Changes<'_, Self>, event: &Cell, _at: &At) {
        state.set(event.clone());
    }

    fn shows(_event: &Cell, _at: &At) -> Shows {
        Shows::head()
    }

    fn due(head: &Cell) -> Timestamp {
        head.due
    }

    fn item_due(item: &Cell) -> Timestamp {
        item.due
    }

    fn indexes(head: &Cell, index: &mut dyn FnMut(u8, &[u8])) {
        if head.state != 0 {
            index(INDEX_STATE, &[head.state]);
        }
    }
}

/// A cell that is due at a time in milliseconds; zero stands for never.
fn cell(due: u64, state: u8) -> Cell {
    let due = if due == 0 { Timestamp::NEVER } else { Timestamp::from_ms(due) };
    Cell { due, state, bytes: vec![state] }
}

/// A stream whose rows the suite writes.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Stream {
    number: Number,
    name: Name,
    created: Timestamp,
}

fn stream(number: u64, book: Book, id: &str, created: u64) -> Stream {
    let id = Id::new(id).expect("a well-formed id");
    let name = Name::new(book, Sample::KIND, id);
    Stream { number: Number::new(number), name, created: Timestamp::from_ms(created) }
}

/// A stream of the default book, by its number alone.
fn plain(number: u64) -> Stream {
    stream(number, Book::DEFAULT, &format!("s{number}"), 1_000 + number)
}

fn item(number: u64) -> ItemKey {
    ItemKey::at(b'I', Position::new(number))
}

fn put_head(rows: &mut Rows, stream: &Stream, cell: &Cell) {
    let stamp = Stamp {
        version: Position::new(stream.number.get()),
        created: stream.created,
        updated: stream.created,
    };
    rows.put(
        Table::Name,
        |out| key_of_name(&stream.name, out),
        |out| out.extend_from_slice(&stream.number.get().to_le_bytes()),
    );
    rows.put(
        Table::Head,
        |out| out.extend_from_slice(&key_of_head(stream.number)),
        |out| HeadRow::write(&stream.name, stamp, cell.tag(), out, |out| pack_into(cell, out)),
    );
}

fn remove_head(rows: &mut Rows, stream: &Stream) {
    rows.remove(Table::Head, |out| out.extend_from_slice(&key_of_head(stream.number)));
    rows.remove(Table::Name, |out| key_of_name(&stream.name, out));
}

fn put_item(rows: &mut Rows, number: Number, key: &ItemKey, cell: &Cell) {
    let tag = cell.tag();
    rows.put(
        Table::Item,
        |out| key_of_item(number, key, out),
        |out| {
            out.extend_from_slice(&[Sample::KIND.get(), tag.number, tag.version, 0, 0, 0, 0, 0]);
            pack_into(cell, out);
        },
    );
}

fn remove_item(rows: &mut Rows, number: Number, key: &ItemKey) {
    rows.remove(Table::Item, |out| key_of_item(number, key, out));
}

fn put_key(rows: &mut Rows, bucket: u32, key: u8) {
    let at = Timestamp::from_ms(u64::from(bucket) * 600_000);
    let row = KeyRow { fingerprint: [key; 16], position: Position::new(1), at, answer: &[key; 24] };
    rows.put(
        Table::Key,
        |out| out.extend_from_slice(&key_row_key(bucket, &[key; 16])),
        |out| row.write(out),
    );
}

/// The row of an index of items, beside an item of whatever value: a store takes it as it is.
fn put_index(rows: &mut Rows, stream: &Stream, item: &ItemKey, bytes: &[u8]) {
    let place = (stream.name.book, Sample::KIND, INDEX_STATE);
    rows.put(Table::Index, |out| key_of_index(place, bytes, stream.number, item, out), |_| {});
}

fn remove_index(rows: &mut Rows, stream: &Stream, item: &ItemKey, bytes: &[u8]) {
    let place = (stream.name.book, Sample::KIND, INDEX_STATE);
    rows.remove(Table::Index, |out| key_of_index(place, bytes, stream.number, item, out));
}

fn key_of(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut key = Vec::new();
    write(&mut key);
    key
}

/// What a store should hold: every row, in a map.
#[derive(Clone, Default)]
struct Model {
    position: Position,
    rows: BTreeMap<(Table, Vec<u8>), Vec<u8>>,
}

type Listed = BTreeMap<(Book, u8), BTreeSet<(Vec<u8>, Number)>>;

impl Model {
    fn apply(&mut self, rows: &Rows, through: Position) {
        for row in rows.iter() {
            let place = (row.table, row.key.to_vec());
            match row.value {
                Some(value) => self.rows.insert(place, value.to_vec()),
                None => self.rows.remove(&place),
            };
        }
        self.position = through;
    }

    fn table(&self, table: Table) -> Vec<(Vec<u8>, Vec<u8>)> {
        let rows = self.rows.iter().filter(|((of, _), _)| *of == table);
        rows.map(|((_, key), value)| (key.clone(), value.clone())).collect()
    }

    fn heads(&self) -> Vec<(Number, HeadRow<'_>, Cell)> {
        let heads = self.rows.iter().filter(|((of, _), _)| *of == Table::Head);
        heads
            .map(|((_, key), value)| {
                let number = u64::from_be_bytes(key[..8].try_into().expect("eight bytes"));
                let row = HeadRow::read(value).expect("the suite wrote it");
                let cell = Cell::unpack(row.tag, row.head).expect("the suite wrote it");
                (Number::new(number), row, cell)
            })
            .collect()
    }

    /// Everything that is ever due, in order.
    fn due(&self) -> BTreeSet<Due> {
        let mut due: BTreeSet<Due> = BTreeSet::new();
        for (number, _, cell) in self.heads() {
            due.insert(Due { at: cell.due, number, item: None });
        }
        for (key, value) in self.table(Table::Item) {
            let number = u64::from_be_bytes(key[..8].try_into().expect("eight bytes"));
            let item = ItemKey::from_bytes(&key[8..]).expect("the suite wrote it");
            let cell = Cell::unpack(cell(0, 0).tag(), &value[8..]).expect("the suite wrote it");
            due.insert(Due { at: cell.due, number: Number::new(number), item: Some(item) });
        }
        due.retain(|due| due.at != Timestamp::NEVER);
        due
    }

    fn lists(&self) -> Listed {
        let mut lists = Listed::new();
        for (number, row, cell) in self.heads() {
            let book = row.name.book;
            let mut behind = row.stamp.created.ms().to_be_bytes().to_vec();
            behind.extend_from_slice(row.name.id.as_str().as_bytes());
            lists.entry((book, 0)).or_default().insert((behind.clone(), number));
            if cell.state != 0 {
                let key = [&[cell.state], &*behind].concat();
                lists.entry((book, INDEX_STATE)).or_default().insert((key, number));
            }
        }
        lists
    }
}

/// A store, its model, and all that both were given.
struct Twin<P: Place> {
    place: P,
    registry: Registry,
    store: Option<P::Store>,
    model: Model,
    history: Vec<(Rows, Position)>,
    checkpoint: Position,
}

impl<P: Place> Twin<P> {
    fn new(mut place: P) -> Self {
        let registry = Registry::empty().with::<Sample>();
        let store = Some(place.open(&registry));
        let (model, history) = (Model::default(), Vec::new());
        Self { place, registry, store, model, history, checkpoint: Position::ZERO }
    }

    fn store(&self) -> &P::Store {
        self.store.as_ref().expect("it is open")
    }

    fn store_mut(&mut self) -> &mut P::Store {
        self.store.as_mut().expect("it is open")
    }

    /// Applies rows as those of the next `events` positions.
    fn apply(&mut self, events: u64, write: impl FnOnce(&mut Rows)) {
        let mut rows = Rows::default();
        write(&mut rows);
        let through = self.model.position.plus(events);
        self.store_mut().apply(&mut rows.iter(), through).expect("the rows apply");
        self.model.apply(&rows, through);
        self.history.push((rows, through));
    }

    fn checkpoint(&mut self) {
        let position = self.store_mut().checkpoint().expect("a checkpoint");
        assert_eq!(position, self.model.position, "a checkpoint covers what was applied");
        self.checkpoint = position;
    }

    /// Sets aside what has been applied. Gives where that stands, too.
    fn freeze(&mut self) -> (Checkpoint, Position) {
        let frozen = self.store_mut().freeze().expect("a freeze");
        (frozen, self.model.position)
    }

    /// Writes what was set aside.
    fn run(&mut self, (frozen, position): (Checkpoint, Position)) {
        let written = frozen.run().expect("a checkpoint");
        assert_eq!(written, position, "a checkpoint covers what was frozen");
        self.checkpoint = position;
    }

    /// What is applied now, and what that should be for as long as it is kept.
    fn snapshot(&mut self) -> (Arc<dyn Reader>, Model) {
        let snapshot = self.store_mut().snapshot().expect("a snapshot");
        (snapshot, self.model.clone())
    }

    fn drop_keys_before(&mut self, bucket: u32) {
        self.store_mut().drop_keys_before(bucket).expect("droppable");
        let end = bucket.to_be_bytes();
        let is_old = |(table, key): &(Table, Vec<u8>)| *table == Table::Key && key[..4] < end[..];
        let old: Vec<_> = self.model.rows.keys().filter(|place| is_old(place)).cloned().collect();
        for (table, key) in old {
            assert_eq!(self.get(table, &key), None, "a key before bucket {bucket} is dropped");
            self.model.rows.remove(&(table, key));
        }
    }

    /// Crashes and opens again; the model goes back to where the store has come to.
    fn crash(&mut self) {
        let store = self.store.take().expect("it is open");
        self.place.crash(store);
        let store = self.place.open(&self.registry);
        let position = store.position();
        assert!(
            (self.checkpoint..=self.model.position).contains(&position),
            "after a crash the store is at {position}, with a checkpoint at {} and rows up to {}",
            self.checkpoint,
            self.model.position
        );
        self.store = Some(store);
        self.model = Model::default();
        for (rows, through) in &self.history {
            if *through <= position {
                self.model.apply(rows, *through);
            }
        }
        assert_eq!(position, self.model.position, "a store stands where an apply ended");
    }

    /// Applies again what the crash has taken.
    fn reapply(&mut self) {
        for (rows, through) in &self.history {
            if *through > self.model.position {
                let store = self.store.as_mut().expect("it is open");
                store.apply(&mut rows.iter(), *through).expect("the rows apply");
                self.model.apply(rows, *through);
            }
        }
    }

    fn seen(&self) -> Seen<'_> {
        Seen { reader: self.store(), model: &self.model }
    }

    fn get(&self, table: Table, key: &[u8]) -> Option<Vec<u8>> {
        self.seen().get(table, key)
    }

    fn scan(&self, table: Table, from: &[u8], rows_max: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.seen().scan(table, from, rows_max)
    }

    fn due(&self, until: u64, after: Option<&Due>, limit: usize) -> Vec<Due> {
        self.seen().due(until, after, limit)
    }

    fn due_items(&self, number: u64, until: u64, limit: usize) -> (Vec<ItemKey>, Timestamp) {
        self.seen().due_items(number, until, limit)
    }

    fn list(&self, book: Book, index: u8, after: &[u8], limit: usize) -> Vec<(Vec<u8>, Number)> {
        self.seen().list(book, index, after, limit)
    }

    fn digest(&self) -> [u8; 32] {
        digest(self.store(), &self.registry, Timestamp::ZERO).expect("readable")
    }

    fn agree(&self) {
        self.seen().agree();
    }
}

/// What somebody reads, and what that should be.
struct Seen<'a> {
    reader: &'a dyn Reader,
    model: &'a Model,
}

impl Seen<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Option<Vec<u8>> {
        self.reader.get(table, key).expect("readable")
    }

    fn scan(&self, table: Table, from: &[u8], rows_max: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut rows = Vec::new();
        let mut visit = |key: &[u8], value: &[u8]| {
            assert!(rows.len() < rows_max, "a scan goes on after it was told to stop");
            rows.push((key.to_vec(), value.to_vec()));
            rows.len() < rows_max
        };
        self.reader.scan(table, from, &mut visit).expect("readable");
        rows
    }

    fn due(&self, until: u64, after: Option<&Due>, limit: usize) -> Vec<Due> {
        self.reader.due(Timestamp::from_ms(until), after, limit).expect("readable")
    }

    fn due_items(&self, number: u64, until: u64, limit: usize) -> (Vec<ItemKey>, Timestamp) {
        let until = Timestamp::from_ms(until);
        let (due, next) =
            self.reader.due_items(Number::new(number), until, None, limit).expect("readable");
        (due.into_iter().filter_map(|due| due.item).collect(), next)
    }

    fn list(&self, book: Book, index: u8, after: &[u8], limit: usize) -> Vec<(Vec<u8>, Number)> {
        self.reader.list(book, Sample::KIND, index, after, limit).expect("readable")
    }

    fn items(
        &self,
        book: Book,
        prefix: &[u8],
        after: Option<&ListedItem>,
        limit: usize,
    ) -> Vec<ListedItem> {
        let place = (book, Sample::KIND, INDEX_STATE);
        list_items(self.reader, place, prefix, after, limit).expect("readable")
    }

    /// Holds all that the reader can be asked against the model.
    fn agree(&self) {
        assert_eq!(self.reader.position(), self.model.position, "position");
        for table in Table::ALL {
            let rows = self.model.table(table);
            assert_eq!(self.scan(table, &[], usize::MAX), rows, "rows of {table:?}");
            for (key, value) in rows {
                assert_eq!(self.get(table, &key), Some(value), "{}", key.escape_ascii());
            }
        }
        self.agree_on_due();
        self.agree_on_lists();
        self.agree_on_items();
    }

    fn agree_on_items(&self) {
        let mut lists: BTreeMap<Book, BTreeSet<(Vec<u8>, Number, ItemKey)>> = BTreeMap::new();
        for (key, _) in self.model.table(Table::Index) {
            let row = IndexRow::read(&key).expect("the suite wrote it");
            lists.entry(row.book).or_default().insert((row.bytes, row.number, row.item));
        }
        for (book, items) in lists {
            let fronts: BTreeSet<&[u8]> =
                items.iter().filter_map(|(bytes, ..)| bytes.get(..1)).chain([&[][..]]).collect();
            for front in fronts {
                let within = items.iter().filter(|(bytes, ..)| bytes.starts_with(front));
                let within =
                    within.cloned().map(|(bytes, number, item)| ListedItem { bytes, number, item });
                let within = Vec::from_iter(within);
                assert_eq!(self.items(book, front, None, usize::MAX), within, "items of {book:?}");
                let mut paged: Vec<ListedItem> = Vec::new();
                loop {
                    let page = self.items(book, front, paged.last(), 3);
                    if page.is_empty() {
                        break;
                    }
                    paged.extend(page);
                    assert!(paged.len() <= within.len(), "pages overlap");
                }
                assert_eq!(paged, within, "items of {book:?}, page by page");
            }
        }
    }

    fn agree_on_due(&self) {
        let model = self.model.due();
        let everything = self.due(Timestamp::LAST.ms(), None, usize::MAX);
        assert_eq!(everything, Vec::from_iter(model.clone()), "what is due");
        let mut paged: Vec<Due> = Vec::new();
        loop {
            let page = self.due(Timestamp::LAST.ms(), paged.last(), 3);
            if page.is_empty() {
                break;
            }
            paged.extend(page);
            assert!(paged.len() <= everything.len(), "pages overlap");
        }
        assert_eq!(paged, everything, "what is due, page by page");

        let times: BTreeSet<Timestamp> = model.iter().map(|due| due.at).collect();
        let mut now = Timestamp::ZERO;
        for at in times {
            let next = self.reader.next_due(now).expect("readable");
            assert_eq!(next, Some(at), "what is next due after {now}");
            now = at;
        }
        assert_eq!(self.reader.next_due(now).expect("readable"), None, "nothing after {now}");

        let mut by_stream: BTreeMap<Number, BTreeSet<(Timestamp, ItemKey)>> = BTreeMap::new();
        by_stream.extend(self.model.heads().iter().map(|(number, ..)| (*number, BTreeSet::new())));
        for Due { at, number, item } in model {
            let items = by_stream.entry(number).or_default();
            items.extend(item.map(|key| (at, key)));
        }
        for (number, items) in by_stream {
            let (found, next) = self.due_items(number.get(), Timestamp::LAST.ms(), usize::MAX);
            let keys: Vec<_> = items.into_iter().map(|(_, key)| key).collect();
            assert_eq!((found, next), (keys, Timestamp::NEVER), "due items of stream {number}");
        }
    }

    fn agree_on_lists(&self) {
        let lists = self.model.lists();
        for book in [Book::SYSTEM, Book::DEFAULT, OTHER] {
            for index in [0, INDEX_STATE, INDEX_STATE + 1] {
                let rows = lists.get(&(book, index)).cloned().unwrap_or_default();
                let all = self.list(book, index, &[], usize::MAX);
                assert_eq!(all, Vec::from_iter(rows), "list {index} of {book:?}");
                let mut paged: Vec<(Vec<u8>, Number)> = Vec::new();
                loop {
                    let after = paged.last().map_or(&[][..], |(key, _)| key);
                    let page = self.list(book, index, after, 3);
                    if page.is_empty() {
                        break;
                    }
                    paged.extend(page);
                    assert!(paged.len() <= all.len(), "pages overlap");
                }
                assert_eq!(paged, all, "list {index} of {book:?}, page by page");
            }
        }
    }
}

/// A second book.
const OTHER: Book = Book::new(Number::new(2));

fn a_new_store_is_empty<P: Place>(place: P) {
    let twin = Twin::new(place);
    assert_eq!(twin.store().position(), Position::ZERO);
    assert_eq!(twin.get(Table::Head, &key_of_head(Number::new(1))), None);
    twin.agree();
}

fn applied_rows_are_visible_at_once<P: Place>(place: P) {
    let mut twin = Twin::new(place);
    twin.apply(3, |rows| put_head(rows, &plain(1), &cell(0, 1)));
    assert_eq!(twin.store().position(), Position::new(3));
    let name = key_of(|out| key_of_name(&plain(1).name, out));
    assert_eq!(twin.get(Table::Name, &name), Some(1_u64.to_le_bytes().to_vec()));
    assert_eq!(twin.get(Table::Item, &key_of_head(Number::new(1))), None, "tables are apart");
    twin.agree();
    // Events that change no row take positions as well.
    twin.apply(1, |_| {});
    assert_eq!(twin.store().position(), Position::new(4));
    twin.agree();
}

fn later_rows_win<P: Place>(place: P) {
    let mut twin = Twin::new(place);
    let (one, two) = (plain(1), plain(2));
    twin.apply(1, |rows| {
        put_item(rows, one.number, &item(1), &cell(10, 1));
        put_item(rows, one.number, &item(1), &cell(20, 2));
        put_item(rows, one.number, &item(2), &cell(0, 1));
        remove_item(rows, one.number, &item(2));
        remove_item(rows, one.number, &item(3));
        put_item(rows, one.number, &item(3), &cell(30, 3));
    });
    twin.agree();
    assert_eq!(twin.scan(Table::Item, &[], usize::MAX).len(), 2);
    twin.apply(1, |rows| {
        remove_item(rows, one.number, &item(1));
        remove_item(rows, two.number, &item(1));
        put_item(rows, one.number, &item(3), &cell(0, 4));
    });
    twin.agree();
    // A name that is free again is taken by another stream, under one and the same time.
    let again = Stream { number: two.number, ..one.clone() };
    twin.apply(1, |rows| put_head(rows, &one, &cell(7, 1)));
    twin.apply(1, |rows| {
        remove_head(rows, &one);
        put_head(rows, &again, &cell(7, 1));
    });
    twin.agree();
    assert_eq!(twin.list(Book::DEFAULT, 0, &[], 10).len(), 1);
}

fn scans_run_in_key_order<P: Place>(place: P) {
    let mut twin = Twin::new(place);
    twin.apply(1, |rows| {
        for number in [300, 2, 1, 256, 255] {
            put_head(rows, &plain(number), &cell(0, 1));
            put_item(rows, Number::new(number), &item(9), &cell(0, 1));
            put_item(rows, Number::new(number), &ItemKey::only(b'I'), &cell(0, 1));
        }
    });
    twin.agree();
    let numbers = |from: u64, rows_max| -> Vec<u64> {
        let rows = twin.scan(Table::Head, &from.to_be_bytes(), rows_max);
        let number = |key: &[u8]| u64::from_be_bytes(key.try_into().expect("eight bytes"));
        rows.iter().map(|(key, _)| number(key)).collect()
    };
    assert_eq!(numbers(0, usize::MAX), [1, 2, 255, 256, 300]);
    assert_eq!(numbers(2, usize::MAX), [2, 255, 256, 300], "the first key is included");
    assert_eq!(numbers(3, usize::MAX), [255, 256, 300], "the first key need not be there");
    assert_eq!(numbers(301, usize::MAX), [0; 0]);
    assert_eq!(numbers(2, 2), [2, 255], "a scan stops when it is told");
    let items = twin.scan(Table::Item, &key_of_head(Number::new(255)), 3);
    let keys: Vec<_> = items.iter().map(|(key, _)| key.len()).collect();
    assert_eq!(keys, [9, 17, 9], "a shorter key comes before those that begin with it");
}

fn what_is_due_comes_in_order<P: Place>(place: P) {
    let mut twin = Twin::new(place);
    let due = |at, number, item: Option<u64>| Due {
        at: Timestamp::from_ms(at),
        number: Number::new(number),
        item: item.map(self::item),
    };
    twin.apply(1, |rows| {
        put_item(rows, Number::new(2), &item(2), &cell(50, 1));
        put_item(rows, Number::new(2), &item(1), &cell(50, 1));
        put_item(rows, Number::new(3), &item(1), &cell(0, 1));
        put_head(rows, &plain(2), &cell(50, 1));
        put_head(rows, &plain(1), &cell(300, 1));
        put_head(rows, &plain(3), &cell(50, 1));
        put_head(rows, &plain(4), &cell(0, 1));
    });
    twin.agree();
    let order = [
        due(50, 2, None),
        due(50, 2, Some(1)),
        due(50, 2, Some(2)),
        due(50, 3, None),
        due(300, 1, None),
    ];
    assert_eq!(twin.due(49, None, 10), []);
    assert_eq!(twin.due(50, None, 10), order[..4], "due at a time includes that time");
    assert_eq!(twin.due(300, None, 2), order[..2], "the limit holds");
    assert_eq!(twin.due(300, None, 0), []);
    assert_eq!(twin.due(300, Some(&order[1]), 2), order[2..4]);
    assert_eq!(twin.due(50, Some(&order[3]), 10), [], "a page does not pass the time");
    let next = |after| twin.store().next_due(Timestamp::from_ms(after)).expect("readable");
    assert_eq!(next(0), Some(Timestamp::from_ms(50)));
    assert_eq!(next(49), Some(Timestamp::from_ms(50)));
    assert_eq!(next(50), Some(Timestamp::from_ms(300)), "what is due now is not next");
    assert_eq!(next(300), None);
    assert_eq!(twin.store().next_due(Timestamp::NEVER).expect("readable"), None);
    // The last of a page may be fired before the next page is asked for.
    twin.apply(1, |rows| remove_item(rows, Number::new(2), &item(1)));
    assert_eq!(twin.due(300, Some(&order[1]), 2), order[2..4]);
    twin.agree();
}

fn items_are_due_by_stream<P: Place>(place: P) {
    let mut twin = Twin::new(place);
    twin.apply(1, |rows| {
        put_head(rows, &plain(2), &cell(5, 1));
        for (number, key, due) in
            [(1, 1, 10), (2, 4, 10), (2, 3, 20), (2, 2, 20), (2, 1, 90), (2, 5, 0), (3, 1, 10)]
        {
            put_item(rows, Number::new(number), &item(key), &cell(due, 1));
        }
    });
    twin.agree();
    let at = Timestamp::from_ms;
    assert_eq!(twin.due_items(2, 9, 10), (vec![], at(10)), "the stream itself is no item");
    assert_eq!(twin.due_items(2, 10, 10), (vec![item(4)], at(20)));
    assert_eq!(twin.due_items(2, 50, 10), (vec![item(4), item(2), item(3)], at(90)));
    assert_eq!(twin.due_items(2, 50, 2), (vec![item(4), item(2)], at(20)), "what is left is due");
    assert_eq!(twin.due_items(2, 50, 3), (vec![item(4), item(2), item(3)], at(90)));
    let (page, _) = twin.store().due_items(Number::new(2), at(50), None, 2).expect("readable");
    let after = twin.store().due_items(Number::new(2), at(50), page.last(), 2).expect("readable");
    let keys: Vec<_> = after.0.iter().filter_map(|due| due.item.clone()).collect();
    assert_eq!((keys, after.1), (vec![item(3)], at(90)), "the page behind a due item");
    assert_eq!(twin.due_items(2, 90, 4).1, Timestamp::NEVER);
    assert_eq!(twin.due_items(4, 90, 4), (vec![], Timestamp::NEVER));
}

fn index_entries_follow_their_rows<P: Place>(place: P) {
    let mut twin = Twin::new(place);
    let one = plain(1);
    for (head, hold) in [(10, 20), (30, 5), (30, 5), (0, 0), (40, 40), (7, 0)] {
        twin.apply(1, |rows| {
            put_head(rows, &one, &cell(head, head as u8 % 3));
            put_item(rows, one.number, &item(1), &cell(hold, 1));
        });
        twin.agree();
        let wanted = usize::from(head != 0) + usize::from(hold != 0);
        assert_eq!(twin.due(1_000, None, 10).len(), wanted, "one entry per row that is due");
        let listed = usize::from(head % 3 != 0);
        assert_eq!(twin.list(Book::DEFAULT, INDEX_STATE, &[], 10).len(), listed);
    }
    // Twice within one apply, and from the one before.
    twin.apply(2, |rows| {
        put_head(rows, &one, &cell(11, 1));
        put_head(rows, &one, &cell(12, 2));
        put_item(rows, one.number, &item(1), &cell(13, 1));
        put_item(rows, one.number, &item(1), &cell(14, 1));
    });
    twin.agree();
    twin.checkpoint();
    twin.apply(1, |rows| {
        put_head(rows, &one, &cell(15, 1));
        remove_item(rows, one.number, &item(1));
    });
    twin.agree();
    twin.apply(1, |rows| remove_head(rows, &one));
    twin.agree();
    assert_eq!(twin.due(1_000, None, 10), []);
    assert_eq!(twin.list(Book::DEFAULT, 0, &[], 10), []);
}

fn lists_run_in_index_order<P: Place>(place: P) {
    let mut twin = Twin::new(place);
    let streams = [
        (stream(1, Book::DEFAULT, "zoe", 300), 2),
        (stream(2, Book::DEFAULT, "bob", 256), 1),
        (stream(3, Book::DEFAULT, "ann", 256), 2),
        (stream(4, Book::DEFAULT, "ann2", 256), 0),
        (stream(5, Book::DEFAULT, "eve", 255), 2),
        (stream(6, OTHER, "ann", 256), 2),
    ];
    twin.apply(1, |rows| {
        for (stream, state) in &streams {
            put_head(rows, stream, &cell(0, *state));
        }
    });
    twin.agree();
    let numbers = |rows: &[(Vec<u8>, Number)]| -> Vec<u64> {
        rows.iter().map(|(_, number)| number.get()).collect()
    };
    let created = twin.list(Book::DEFAULT, 0, &[], 10);
    assert_eq!(numbers(&created), [5, 3, 4, 2, 1], "by creation, then by id");
    let states = twin.list(Book::DEFAULT, INDEX_STATE, &[], 10);
    assert_eq!(numbers(&states), [2, 5, 3, 1], "by state, then by creation and id");
    let two = twin.list(Book::DEFAULT, INDEX_STATE, &[2], 10);
    assert_eq!(numbers(&two), [5, 3, 1], "a value finds the keys that begin with it");
    assert_eq!(twin.list(OTHER, 0, &[], 10).len(), 1, "books are apart");
    let page = twin.list(Book::DEFAULT, 0, &created[1].0, 2);
    assert_eq!(numbers(&page), [4, 2], "strictly after, at most the limit");
    assert_eq!(twin.list(Book::DEFAULT, 0, &created[4].0, 2), []);
    for kind in [Kind::OWN - 1, Kind::OWN + 1] {
        let other = twin.store().list(Book::DEFAULT, Kind::new(kind), 0, &[], 10);
        assert_eq!(other.expect("readable"), [], "kinds are apart");
    }
    // The last of a page may be gone before the next page is asked for.
    twin.apply(1, |rows| remove_head(rows, &streams[2].0));
    assert_eq!(numbers(&twin.list(Book::DEFAULT, 0, &created[1].0, 2)), [4, 2]);
    twin.agree();
}

fn items_are_listed_in_the_order_of_their_rows<P: Place>(place: P) {
    let mut twin = Twin::new(place);
    let (one, two) = (plain(1), plain(2));
    let other = stream(3, OTHER, "s3", 1_003);
    let longest = ItemKey::only(b'L').then(&[0; ItemKey::LEN_MAX - 1]);
    // Bytes that begin with others, that hold zeros, and that are as long as can be.
    let zeros = [0; INDEX_LEN_MAX];
    let rows: [(&Stream, ItemKey, &[u8]); 9] = [
        (&two, item(1), b"a"),
        (&one, item(2), b"a"),
        (&one, item(1), b"a"),
        (&one, item(1), b"a\0"),
        (&two, item(2), b"a\0\0b"),
        (&one, item(3), b"ab"),
        (&two, longest.clone(), &zeros),
        (&one, item(4), b""),
        (&other, item(1), b"a"),
    ];
    twin.apply(1, |out| rows.iter().for_each(|(of, item, bytes)| put_index(out, of, item, bytes)));
    twin.agree();
    let listed = |twin: &Twin<P>, prefix: &[u8]| -> Vec<(u64, Vec<u8>)> {
        let items = twin.seen().items(Book::DEFAULT, prefix, None, 9);
        items.into_iter().map(|item| (item.number.get(), item.bytes)).collect()
    };
    let of = |number, bytes: &[u8]| (number, bytes.to_vec());
    let a = [of(1, b"a"), of(1, b"a"), of(2, b"a"), of(1, b"a\0"), of(2, b"a\0\0b"), of(1, b"ab")];
    assert_eq!(listed(&twin, b"a"), a, "by bytes, then by stream and item");
    assert_eq!(listed(&twin, b"a\0"), a[3..5]);
    assert_eq!(listed(&twin, b"b"), []);
    assert_eq!(listed(&twin, &zeros[..7]), [of(2, &zeros)]);
    assert_eq!(listed(&twin, b"").len(), 8, "books are apart");
    assert_eq!(twin.seen().items(Book::DEFAULT, b"a", None, 0), []);
    let page = twin.seen().items(Book::DEFAULT, b"a", None, 2);
    twin.checkpoint();
    twin.crash();
    twin.agree();
    // The last of a page may be gone before the next page is asked for.
    twin.apply(1, |rows| {
        remove_index(rows, &one, &item(2), b"a");
        put_index(rows, &one, &item(2), b"b");
        remove_index(rows, &one, &item(9), b"a");
    });
    twin.agree();
    let behind = twin.seen().items(Book::DEFAULT, b"a", page.last(), 1);
    assert_eq!(behind, [ListedItem { bytes: b"a".to_vec(), number: two.number, item: item(1) }]);
    assert_eq!(listed(&twin, b"b"), [of(1, b"b")]);
}

fn a_checkpoint_survives_a_crash<P: Place>(place: P) {
    let mut twin = Twin::new(place);
    twin.crash();
    twin.agree();
    twin.reapply();
    for round in 1..5 {
        let stream = plain(round);
        twin.apply(1, |rows| {
            put_head(rows, &stream, &cell(10 * round, 1));
            put_item(rows, stream.number, &item(1), &cell(100 * round, 1));
            put_key(rows, 7, round as u8);
        });
        twin.apply(2, |rows| put_head(rows, &plain(99), &cell(round, 2)));
        let before = twin.digest();
        twin.checkpoint();
        twin.agree();
        assert_eq!(twin.digest(), before, "a checkpoint changes nothing that can be seen");

        // What lies behind the checkpoint may be lost, and comes again from the log.
        twin.apply(1, |rows| {
            put_head(rows, &stream, &cell(11 * round, 2));
            remove_item(rows, stream.number, &item(1));
        });
        twin.apply(1, |rows| put_item(rows, stream.number, &item(2), &cell(0, round as u8)));
        let full = twin.digest();
        assert_ne!(full, before);
        twin.crash();
        twin.agree();
        twin.crash();
        twin.agree();
        twin.reapply();
        twin.agree();
        assert_eq!(twin.digest(), full, "reapplying gives the same state");
    }
}

fn old_keys_are_dropped_by_bucket<P: Place>(place: P) {
    let mut twin = Twin::new(place);
    let buckets = [1, 255, 256, 257, 3_000_000];
    twin.apply(1, |rows| {
        put_head(rows, &plain(1), &cell(5, 1));
        put_item(rows, Number::new(1), &item(1), &cell(5, 1));
        for bucket in buckets {
            put_key(rows, bucket, 1);
            put_key(rows, bucket, 255);
        }
    });
    twin.agree();
    for (before, left) in [(0, 10), (1, 10), (2, 8), (256, 6), (257, 4), (3_000_000, 2)] {
        twin.drop_keys_before(before);
        twin.agree();
        assert_eq!(twin.scan(Table::Key, &[], usize::MAX).len(), left, "before {before}");
    }
    // A dropped row is gone for good once a checkpoint has covered that.
    let kept = twin.model.clone();
    twin.checkpoint();
    twin.crash();
    twin.model = kept;
    twin.agree();
    twin.store_mut().drop_keys_before(u32::MAX).expect("droppable");
    assert_eq!(twin.scan(Table::Key, &[], usize::MAX), []);
}

fn large_values_fit<P: Place>(place: P) {
    let mut twin = Twin::new(place);
    let mut large = cell(50, 3);
    large.bytes = (0..64 << 10).map(|index: u32| (index % 251) as u8).collect();
    let longest = ItemKey::only(b'L').then(&[255; ItemKey::LEN_MAX - 1]);
    twin.apply(1, |rows| {
        put_item(rows, Number::new(1), &item(1), &large);
        put_item(rows, Number::new(1), &longest, &large);
        put_item(rows, Number::new(2), &item(1), &cell(60, 1));
    });
    twin.agree();
    twin.checkpoint();
    twin.crash();
    twin.agree();
    twin.apply(1, |rows| put_item(rows, Number::new(1), &item(1), &cell(70, 1)));
    twin.agree();
}

fn a_reader_sees_what_is_applied_later<P: Place>(place: P) {
    let mut twin = Twin::new(place);
    let reader = twin.store().reader();
    for round in 1..4 {
        twin.apply(2, |rows| {
            put_head(rows, &plain(round), &cell(10 * round, 1));
            put_head(rows, &plain(9), &cell(50 * round, round as u8));
            put_item(rows, Number::new(9), &item(round), &cell(7, 1));
        });
        Seen { reader: &*reader, model: &twin.model }.agree();
        twin.checkpoint();
        Seen { reader: &*reader, model: &twin.model }.agree();
    }
}

fn a_snapshot_stays_as_it_was<P: Place>(place: P) {
    let mut twin = Twin::new(place);
    let mut kept = vec![twin.snapshot()];
    for round in 1..12 {
        twin.apply(3, |rows| {
            put_head(rows, &plain(round), &cell(10 * round, 1));
            put_head(rows, &plain(99), &cell(20 * round, round as u8));
            put_item(rows, Number::new(99), &item(round % 3), &cell(30 * round, 1));
            put_key(rows, round as u32, 1);
            if round > 4 {
                remove_head(rows, &plain(round - 4));
            }
        });
        kept.push(twin.snapshot());
        match round {
            3 | 9 => twin.checkpoint(),
            5 | 8 => twin.drop_keys_before(round as u32 - 1),
            _ => {}
        }
        kept.push(twin.snapshot());
        for (snapshot, model) in &kept {
            Seen { reader: &**snapshot, model }.agree();
        }
        twin.agree();
    }
}

fn rows_applied_after_a_freeze_are_kept<P: Place>(place: P) {
    let mut twin = Twin::new(place);
    let one = plain(1);
    for round in 1..5 {
        twin.apply(1, |rows| {
            put_head(rows, &one, &cell(10 * round, round as u8));
            put_head(rows, &plain(10 + round), &cell(5, 1));
            put_item(rows, one.number, &item(1), &cell(20 * round, 1));
        });
        let frozen = twin.freeze();
        twin.agree();
        twin.apply(1, |rows| {
            put_head(rows, &one, &cell(11 * round, 0));
            remove_head(rows, &plain(10 + round));
            remove_item(rows, one.number, &item(1));
            put_item(rows, one.number, &item(2), &cell(round, 1));
        });
        twin.agree();
        let full = twin.digest();
        twin.run(frozen);
        twin.agree();
        assert_eq!(twin.digest(), full);
        if round == 3 {
            // What was applied after the freeze is not part of that checkpoint.
            twin.crash();
            twin.agree();
            twin.reapply();
            assert_eq!(twin.digest(), full);
        }
    }
    twin.checkpoint();
    twin.crash();
    twin.agree();
}

fn a_crash_before_the_frozen_is_written_loses_nothing_older<P: Place>(place: P) {
    let mut twin = Twin::new(place);
    twin.apply(3, |rows| put_head(rows, &plain(1), &cell(10, 1)));
    twin.checkpoint();
    for round in 1..4 {
        twin.apply(2, |rows| put_head(rows, &plain(1), &cell(20 * round, 2)));
        let (frozen, _) = twin.freeze();
        twin.apply(2, |rows| put_item(rows, Number::new(1), &item(round), &cell(5, 2)));
        let full = twin.digest();
        if round == 2 {
            // Never written, and no crash either: the next one takes it along.
            drop(frozen);
            twin.checkpoint();
            twin.agree();
            continue;
        }
        twin.crash();
        drop(frozen);
        twin.agree();
        twin.reapply();
        assert_eq!(twin.digest(), full);
    }
}

fn a_freeze_may_find_nothing_new<P: Place>(place: P) {
    let mut twin = Twin::new(place);
    twin.checkpoint();
    twin.agree();
    twin.apply(3, |rows| put_head(rows, &plain(1), &cell(10, 1)));
    for _ in 0..3 {
        twin.checkpoint();
        twin.agree();
    }
    // Positions without rows are new all the same.
    twin.apply(5, |_| {});
    let frozen = twin.freeze();
    twin.apply(1, |_| {});
    twin.run(frozen);
    twin.agree();
    twin.crash();
    twin.agree();
}

fn keys_dropped_after_a_freeze_stay_dropped<P: Place>(place: P) {
    let mut twin = Twin::new(place);
    twin.apply(1, |rows| {
        for bucket in 1..5 {
            put_key(rows, bucket, 1);
        }
    });
    twin.checkpoint();
    twin.apply(1, |rows| put_key(rows, 2, 2));
    let frozen = twin.freeze();
    twin.drop_keys_before(4);
    twin.agree();
    // A late key of a bucket that was dropped is a new one.
    twin.apply(1, |rows| put_key(rows, 2, 3));
    twin.agree();
    twin.run(frozen);
    twin.agree();
    // A crash may undo the drop, which is done again, and then comes what the log has.
    twin.crash();
    twin.drop_keys_before(4);
    twin.agree();
    twin.reapply();
    twin.agree();
    let kept = twin.model.clone();
    twin.checkpoint();
    twin.agree();
    twin.crash();
    twin.model = kept;
    twin.agree();
}

fn upper_rows_hide_the_entries_of_lower_ones<P: Place>(place: P) {
    let mut twin = Twin::new(place);
    let mut kept = Vec::new();
    // So many streams that no page holds all of them, in all layers that there can be.
    for round in 0..6_u64 {
        twin.apply(1, |rows| {
            for number in (1..400).filter(|number| (number + round) % (round + 1) == 0) {
                match (number + round) % 5 {
                    0 => remove_head(rows, &plain(number)),
                    state => {
                        put_head(rows, &plain(number), &cell(number + 40 * round, state as u8));
                    }
                }
                put_item(rows, Number::new(1 + number % 7), &item(number), &cell(3 + round, 1));
            }
        });
        match round {
            0 | 3 => twin.checkpoint(),
            _ => kept.push(twin.snapshot()),
        }
        twin.agree();
        let three = twin.list(Book::DEFAULT, INDEX_STATE, &[], 3);
        assert_eq!(twin.list(Book::DEFAULT, INDEX_STATE, &[], usize::MAX)[..3], three);
        let (_, next) = twin.due_items(3, Timestamp::LAST.ms(), 2);
        assert_ne!(next, Timestamp::NEVER, "there are more than two");
    }
    for (snapshot, model) in &kept {
        Seen { reader: &**snapshot, model }.agree();
    }
}

/// How many rows are written when many are.
const MANY: u64 = 10_000;

fn many_rows_agree_with_a_plain_map<P: Place>(place: P) {
    let mut twin = Twin::new(place);
    let mut dice = 0x9e37_79b9_7f4a_7c15_u64;
    let mut roll = |sides: u64| {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        dice % sides
    };
    for round in 0..8 {
        twin.apply(MANY / 8, |rows| {
            for _ in 0..MANY / 8 {
                let number = 1 + roll(1_500);
                let (due, state) = (roll(400), roll(4) as u8);
                let stream = plain(number);
                match roll(8) {
                    0 => remove_head(rows, &stream),
                    1 => remove_item(rows, stream.number, &item(roll(3))),
                    2 if state == 0 => put_key(rows, roll(50) as u32, roll(200) as u8),
                    2 if state == 1 => remove_index(rows, &stream, &item(1), &[due as u8 % 5]),
                    2 => put_index(rows, &stream, &item(1), &[due as u8 % 5]),
                    3..6 => put_head(rows, &stream, &cell(due, state)),
                    _ => put_item(rows, stream.number, &item(roll(3)), &cell(due, state)),
                }
            }
        });
        match round {
            2 | 5 => twin.checkpoint(),
            3 | 6 => {
                let full = twin.digest();
                twin.crash();
                twin.agree();
                twin.reapply();
                assert_eq!(twin.digest(), full, "reapplying gives the same state");
            }
            _ => {}
        }
    }
    twin.agree();
    twin.checkpoint();
    twin.crash();
    twin.agree();
}

fn any_order_of_steps_agrees_with_a_plain_map<P: Place>(place: P, seed: u64) {
    let mut twin = Twin::new(place);
    let mut dice = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut roll = |sides: u64| {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        dice % sides
    };
    let mut frozen = None;
    let mut kept: Vec<(Arc<dyn Reader>, Model)> = Vec::new();
    for _ in 0..120 {
        match roll(16) {
            0 | 1 if frozen.is_none() => frozen = Some(twin.freeze()),
            0..=3 => {
                if let Some(frozen) = frozen.take() {
                    twin.run(frozen);
                }
            }
            4 | 5 => kept.push(twin.snapshot()),
            6 => {
                if let Some((snapshot, model)) = kept.pop() {
                    Seen { reader: &*snapshot, model: &model }.agree();
                }
            }
            7 if roll(3) == 0 => {
                kept.clear();
                twin.crash();
                frozen = None;
                twin.reapply();
            }
            8 => twin.agree(),
            9 => {
                let reader = twin.store().reader();
                let until = Timestamp::from_ms(roll(300));
                let due = reader.due(until, None, 5).expect("readable");
                let model = twin.model.due();
                let wanted = model.into_iter().filter(|due| due.at <= until).take(5);
                assert_eq!(due, Vec::from_iter(wanted), "what is due until {until:?}");
            }
            _ => {
                let count = 1 + roll(30);
                twin.apply(count, |rows| {
                    for _ in 0..count {
                        let stream = plain(1 + roll(40));
                        let (due, state) = (roll(300), roll(4) as u8);
                        match roll(8) {
                            0 => remove_head(rows, &stream),
                            1 => remove_item(rows, stream.number, &item(roll(3))),
                            2 if state == 0 => put_key(rows, roll(20) as u32, roll(200) as u8),
                            2 if state == 1 => {
                                remove_index(rows, &stream, &item(1), &[due as u8 % 5]);
                            }
                            2 => put_index(rows, &stream, &item(1), &[due as u8 % 5]),
                            3..6 => put_head(rows, &stream, &cell(due, state)),
                            _ => {
                                put_item(rows, stream.number, &item(roll(3)), &cell(due, state));
                            }
                        }
                    }
                });
            }
        }
    }
    twin.agree();
    for (snapshot, model) in &kept {
        Seen { reader: &**snapshot, model }.agree();
    }
}
