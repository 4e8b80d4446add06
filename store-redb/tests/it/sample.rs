//! A kind whose rows the tests write, and a store in memory to hold a store against.

use std::path::Path;
use std::sync::Arc;

use quipu_core::disk::Disk;
use quipu_core::machine::{
    Canon, Changes, Context, Decided, ItemKey, Machine, Place, Registry, Said, Shows, Stamp, View,
};
use quipu_core::record;
use quipu_core::records::{
    HeadRow, KeyRow, Record, Rows, Table, key_of_head, key_of_index, key_of_item, key_of_name,
    pack_into,
};
use quipu_core::shard::key_row_key;
use quipu_core::store::{MemoryStore, Reader, Store, StoreError};
use quipu_core::words::{Book, Code, Id, Kind, Name, Number, Position, Refusal, Timestamp};
use quipu_store_redb::store::{Opened, RedbStore, Settings};
use rkyv::{Archive, Deserialize, Serialize};

/// The kind. It is never asked for a decision.
struct Sample;

/// Its head, item and event.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
struct Cell {
    due: Timestamp,
    state: u8,
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

    fn apply(state: &mut Changes<'_, Self>, event: &Cell, _at: &Place) {
        state.set(event.clone());
    }

    fn shows(_event: &Cell, _at: &Place) -> Shows {
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
            index(1, &[head.state]);
        }
    }
}

/// The registry of the kind.
pub(crate) fn registry() -> Registry {
    Registry::empty().with::<Sample>()
}

/// Where the stores of the tests lie.
pub(crate) const PATH: &str = "store.redb";

/// Opens the store of a disk.
pub(crate) fn open<D: Disk>(disk: &D) -> Result<(RedbStore<D>, Opened), StoreError> {
    open_with(disk, &Settings { cache_bytes: 1 << 20, ..Settings::default() })
}

pub(crate) fn open_with<D: Disk>(
    disk: &D,
    settings: &Settings,
) -> Result<(RedbStore<D>, Opened), StoreError> {
    RedbStore::open(disk, Path::new(PATH), [7; 16], &registry(), settings)
}

pub(crate) fn item(number: u64) -> ItemKey {
    ItemKey::at(b'I', Position::new(number))
}

pub(crate) fn put_head(rows: &mut Rows, number: u64, due: u64, state: u8) {
    let (cell, number) = (Cell { due: Timestamp::from_ms(due), state }, Number::new(number));
    let id = Id::new(&format!("stream-{number}")).expect("a well-formed id");
    let name = Name::new(Book::DEFAULT, Sample::KIND, id);
    let at = Timestamp::from_ms(1_000 + number.get());
    let stamp = Stamp { version: Position::new(number.get()), created: at, updated: at };
    rows.put(
        Table::Name,
        |out| key_of_name(&name, out),
        |out| out.extend_from_slice(&number.get().to_le_bytes()),
    );
    rows.put(
        Table::Head,
        |out| out.extend_from_slice(&key_of_head(number)),
        |out| HeadRow::write(&name, stamp, cell.tag(), out, |out| pack_into(&cell, out)),
    );
}

pub(crate) fn put_item(rows: &mut Rows, number: u64, key: u64, due: u64) {
    let cell = Cell { due: Timestamp::from_ms(due), state: 1 };
    let tag = cell.tag();
    rows.put(
        Table::Item,
        |out| key_of_item(Number::new(number), &item(key), out),
        |out| {
            out.extend_from_slice(&[Sample::KIND.get(), tag.number, tag.version, 0, 0, 0, 0, 0]);
            pack_into(&cell, out);
        },
    );
}

pub(crate) fn remove_item(rows: &mut Rows, number: u64, key: u64) {
    rows.remove(Table::Item, |out| key_of_item(Number::new(number), &item(key), out));
}

/// Lists an item by a byte, or no more. What its own row says is nothing to a store.
pub(crate) fn list_item(rows: &mut Rows, number: u64, key: u64, by: u8, is_listed: bool) {
    let place = (Book::DEFAULT, Sample::KIND, 1);
    let key = |out: &mut Vec<u8>| {
        key_of_index(place, &[by], Number::new(number), &item(key), out);
    };
    if is_listed {
        rows.put(Table::Index, key, |_| {});
    } else {
        rows.remove(Table::Index, key);
    }
}

pub(crate) fn put_key(rows: &mut Rows, bucket: u32, key: u8) {
    let at = Timestamp::from_ms(u64::from(bucket) * 600_000);
    let row = KeyRow { fingerprint: [key; 16], position: Position::new(1), at, answer: &[key; 24] };
    rows.put(
        Table::Key,
        |out| out.extend_from_slice(&key_row_key(bucket, &[key; 16])),
        |out| row.write(out),
    );
}

/// Rows that were applied, and through where.
pub(crate) type History = Vec<(Rows, Position)>;

/// Rows of a small ledger in motion, as those of one apply.
pub(crate) fn round(round: u64) -> Rows {
    let mut rows = Rows::default();
    for number in 1 + round % 3..12 {
        put_head(&mut rows, number, 50 * round + number, (round % 4) as u8);
        put_item(&mut rows, number, round, 70 * round);
        list_item(&mut rows, number, round, (number % 4) as u8, true);
        list_item(&mut rows, number, round - 1, (number % 4) as u8, number % 2 == 0);
    }
    if round > 1 {
        remove_item(&mut rows, 5, round - 1);
    }
    put_key(&mut rows, round as u32, 1);
    rows
}

/// A store in memory that was given the same, up to a position.
pub(crate) fn model(history: &History, position: Position) -> MemoryStore {
    let mut model = MemoryStore::new(registry());
    for (rows, through) in history.iter().filter(|(_, through)| *through <= position) {
        model.apply(&mut rows.iter(), *through).expect("the rows apply");
    }
    model
}

/// Everything that a reader can be asked, in one value.
pub(crate) fn everything(reader: &dyn Reader) -> Result<Everything, StoreError> {
    let mut rows = Vec::new();
    for table in Table::ALL {
        reader.scan(table, &[], &mut |key, value| {
            rows.push((table, key.to_vec(), value.to_vec()));
            true
        })?;
    }
    let due = reader.due(Timestamp::LAST, None, usize::MAX)?;
    let mut items = Vec::new();
    for number in 1..12 {
        let number = Number::new(number);
        items.push(reader.due_items(number, Timestamp::LAST, None, usize::MAX)?);
    }
    let mut lists = Vec::new();
    for index in [0, 1] {
        lists.push(reader.list(Book::DEFAULT, Sample::KIND, index, &[], usize::MAX)?);
    }
    Ok(format!("{:?}", (reader.position(), rows, due, items, lists)).into())
}

pub(crate) type Everything = Arc<str>;
