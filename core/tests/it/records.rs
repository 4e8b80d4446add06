//! What is packed comes back as it was: entries, rows and seals, and what older structs wrote.

use proptest::prelude::*;
use quipu_core::machine::{ItemKey, Stamp};
use quipu_core::records::{
    Corrupt, Entries, EntryWriter, HeadRow, IndexRow, KeyNote, KeyRow, Record, Rows, Table, Tag,
    key_of_head, key_of_index, key_of_item, key_of_name, open, pack_into, prefix_of_index, seal,
};
use quipu_core::words::{Book, Id, Kind, Name, Number, Position, Timestamp, Trace};
use quipu_core::{record, records};
use rkyv::ser::allocator::Arena;
use rkyv::{Archive, Deserialize, Serialize};

records! {
    /// What happens to a seat.
    pub enum Event {
        /// Somebody took it.
        Taken = (1, 3) from [TakenV1 = (1, 1), TakenV2 = (1, 2)],
        /// It is free again.
        Freed = (2, 1),
        /// It is in another place now.
        Moved = (3, 1),
    }
}

/// Today's struct.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Taken {
    who: String,
    price: Option<u64>,
    extras: Vec<u8>,
}

/// The first release knew a number only.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct TakenV1 {
    who: u32,
}

/// The second one had a price that was never absent.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct TakenV2 {
    who: String,
    price: u64,
}

impl From<TakenV1> for Taken {
    fn from(old: TakenV1) -> Self {
        Self { who: old.who.to_string(), price: None, extras: Vec::new() }
    }
}

impl From<TakenV2> for Taken {
    fn from(old: TakenV2) -> Self {
        Self { who: old.who, price: Some(old.price), extras: Vec::new() }
    }
}

/// A struct without fields packs to no bytes.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Freed;

/// Its length is no multiple of eight.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Moved {
    to: [u8; 3],
}

/// A head.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Seat {
    row: u64,
    place: u64,
}

record!(Seat = (1, 2) from [SeatV1 = (1, 1)]);

/// As it was before rows and places were told apart.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct SeatV1 {
    number: u32,
}

record!(SeatV1 = (1, 1));

impl From<SeatV1> for Seat {
    fn from(old: SeatV1) -> Self {
        Self { row: u64::from(old.number / 100), place: u64::from(old.number % 100) }
    }
}

records! {
    /// The events of the first release.
    pub enum EventV1 {
        /// As it was then.
        TakenV1 = (1, 1),
    }
}

records! {
    /// The events of the second release.
    pub enum EventV2 {
        /// As it was then.
        TakenV2 = (1, 2),
    }
}

fn packed(record: &impl Record) -> Vec<u8> {
    let mut bytes = Vec::new();
    pack_into(record, &mut bytes);
    bytes
}

#[test]
fn what_older_structs_wrote_is_read_as_todays() {
    let first = EventV1::from(TakenV1 { who: 7 });
    let taken = Taken { who: "7".to_owned(), price: None, extras: vec![] };
    assert_eq!(Event::unpack(first.tag(), &packed(&first)), Ok(taken.into()));

    let second = EventV2::from(TakenV2 { who: "ann".to_owned(), price: 5 });
    let taken = Taken { who: "ann".to_owned(), price: Some(5), extras: vec![] };
    assert_eq!(Event::unpack(second.tag(), &packed(&second)), Ok(taken.clone().into()));

    // What is read is written under today's tag.
    let event = Event::from(taken);
    assert_eq!(event.tag(), Tag { number: 1, version: 3 });
    assert_eq!(Event::unpack(event.tag(), &packed(&event)), Ok(event));

    let old = SeatV1 { number: 1_207 };
    let seat = Seat { row: 12, place: 7 };
    assert_eq!(Seat::unpack(old.tag(), &packed(&old)), Ok(seat.clone()));
    assert_eq!(Seat::unpack(seat.tag(), &packed(&seat)), Ok(seat));
}

#[test]
fn tags_that_no_struct_has_are_refused() {
    let tag = |number, version| Tag { number, version };
    assert_eq!(Event::TAGS, [tag(1, 3), tag(1, 1), tag(1, 2), tag(2, 1), tag(3, 1)]);
    assert_eq!(Seat::TAGS, [tag(1, 2), tag(1, 1)]);
    for wrong in [tag(0, 1), tag(1, 0), tag(1, 4), tag(2, 2), tag(4, 1), tag(255, 255)] {
        assert_eq!(Event::unpack(wrong, &[]), Err(Corrupt::Tag), "{wrong:?}");
        assert_eq!(Seat::unpack(wrong, &[]), Err(Corrupt::Tag), "{wrong:?}");
    }
    assert_eq!(Event::unpack(tag(1, 3), &[]), Err(Corrupt::Shape));
}

#[test]
fn packing_counts_from_the_start_of_the_record_wherever_it_lies() {
    let event =
        Event::from(Taken { who: "somebody".to_owned(), price: Some(1), extras: vec![3; 9] });
    for before in 0..17 {
        let mut bytes = vec![0xee; before];
        pack_into(&event, &mut bytes);
        assert_eq!(bytes[before..], packed(&event), "behind {before} bytes");
        assert_eq!(Event::unpack(event.tag(), &bytes[before..]).as_ref(), Ok(&event));
    }
    assert_eq!(packed(&Event::from(Freed)), [0; 0]);
}

fn name() -> Name {
    Name::new(Book::DEFAULT, Kind::new(64), Id::new("seat-1").expect("well formed"))
}

fn stamp() -> Stamp {
    let [created, updated] = [5_000, 6_000].map(Timestamp::from_ms);
    Stamp { version: Position::new(9), created, updated }
}

/// One row of each table, unsealed.
fn rows() -> Rows {
    let mut rows = Rows::default();
    let number = Number::new(7);
    let seat = Seat { row: 1, place: 2 };
    rows.put(
        Table::Head,
        |out| out.extend_from_slice(&key_of_head(number)),
        |out| HeadRow::write(&name(), stamp(), seat.tag(), out, |out| pack_into(&seat, out)),
    );
    rows.put(
        Table::Name,
        |out| key_of_name(&name(), out),
        |out| out.extend_from_slice(&number.get().to_le_bytes()),
    );
    rows.put(
        Table::Item,
        |out| key_of_item(number, &ItemKey::only(b'I'), out),
        |out| {
            out.extend_from_slice(&[64, 1, 2, 0, 0, 0, 0, 0]);
            pack_into(&seat, out);
        },
    );
    rows.put(
        Table::Key,
        |out| out.extend_from_slice(&[3; 20]),
        |out| key_row(&[1, 2, 3]).write(out),
    );
    rows.put(
        Table::Index,
        |out| {
            let place = (Book::DEFAULT, Kind::new(64), 1);
            key_of_index(place, &[9, 0], number, &ItemKey::only(b'I'), out);
        },
        |_| {},
    );
    rows
}

fn key_row(answer: &[u8]) -> KeyRow<'_> {
    let (position, at) = (Position::new(3), Timestamp::from_ms(4));
    KeyRow { fingerprint: [5; 16], position, at, answer }
}

#[test]
fn every_flipped_bit_of_a_sealed_row_is_found() {
    for row in rows().iter() {
        let (table, key, value) = (row.table, row.key, row.value.expect("a value"));
        let mut sealed = Vec::new();
        seal(table, key, value, &mut sealed);
        assert_eq!(open(table, key, &sealed), Ok(value));
        for bit in 0..sealed.len() * 8 {
            sealed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(open(table, key, &sealed), Err(Corrupt::Checksum), "{table:?}, bit {bit}");
            sealed[bit / 8] ^= 1 << (bit % 8);
        }
        for len in 0..sealed.len() {
            assert!(open(table, key, &sealed[..len]).is_err(), "{table:?}, cut to {len}");
        }
        let mut key = key.to_vec();
        for bit in 0..key.len() * 8 {
            key[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(open(table, &key, &sealed), Err(Corrupt::Checksum), "under another key");
            key[bit / 8] ^= 1 << (bit % 8);
        }
        for other in Table::ALL.into_iter().filter(|other| *other != table) {
            assert_eq!(open(other, &key, &sealed), Err(Corrupt::Checksum), "in another table");
        }
    }
}

/// One stream's part of an event, as it is given to a writer.
#[derive(Clone, Debug)]
struct GivenPart {
    kind: Kind,
    number: Number,
    previous: Position,
    created: Option<(u64, Id)>,
    event: Event,
}

/// An entry, as it is given to a writer: the parts of each of its events.
#[derive(Clone, Debug)]
struct GivenEntry {
    now: Timestamp,
    events: Vec<Vec<GivenPart>>,
    note: Option<KeyNote>,
    trace: Option<Trace>,
}

impl GivenPart {
    fn created(&self) -> Option<Name> {
        let (book, id) = self.created.clone()?;
        Some(Name::new(Book::new(Number::new(book)), self.kind, id))
    }
}

impl GivenEntry {
    /// An entry without events, which holds a note alone, takes one position as well.
    fn positions(&self) -> u64 {
        self.events.len().max(1) as u64
    }

    fn write(&self, bytes: &mut Vec<u8>, arena: &mut Arena) {
        let start = bytes.len();
        let mut entry = EntryWriter::begin(bytes, arena, self.now);
        for parts in &self.events {
            entry.event();
            for (index, part) in parts.iter().enumerate() {
                let created = part.created();
                let (kind, number, previous) = (part.kind, part.number, part.previous);
                let same = index > 0;
                let range = entry.part(kind, number, previous, created.as_ref(), same, &part.event);
                assert_eq!(entry.payload(range), packed(&part.event));
            }
        }
        if let Some(note) = &self.note {
            entry.note(note);
        }
        if let Some(trace) = &self.trace {
            entry.trace(trace);
        }
        let (len, events) = entry.finish();
        assert_eq!((len, u64::from(events)), (bytes.len() - start, self.positions()));
    }
}

fn any_id() -> impl Strategy<Value = Id> {
    let id = "[A-Za-z0-9._:@-]{1,128}".prop_map(|text| Id::new(&text).expect("well formed"));
    let id = id.boxed();
    prop_oneof![3 => id.clone(), 1 => (id.clone(), id).prop_map(|(a, b)| Id::pair(&a, &b))]
}

fn any_event() -> impl Strategy<Value = Event> {
    let taken = (".{0,20}", any::<Option<u64>>(), prop::collection::vec(any::<u8>(), 0..40));
    let taken = taken.prop_map(|(who, price, extras)| Taken { who, price, extras }.into());
    let moved = any::<[u8; 3]>().prop_map(|to| Moved { to }.into());
    prop_oneof![3 => taken, 1 => Just(Freed.into()), 1 => moved]
}

prop_compose! {
    fn any_part()(
        kind in any::<u8>(),
        number in any::<u64>(),
        previous in any::<u64>(),
        created in prop::option::of((any::<u64>(), any_id())),
        event in any_event(),
    ) -> GivenPart {
        let (kind, previous) = (Kind::new(kind), Position::new(previous));
        GivenPart { kind, number: Number::new(number), previous, created, event }
    }
}

prop_compose! {
    fn any_note()(
        key in any::<[u8; 16]>(),
        fingerprint in any::<[u8; 16]>(),
        answer in prop::option::of(prop::collection::vec(any::<u8>(), 0..40)),
    ) -> KeyNote {
        KeyNote { key, fingerprint, answer }
    }
}

prop_compose! {
    fn any_trace()(
        trace_id in 1..=u128::MAX,
        parent_id in 1..=u64::MAX,
        flags in any::<u8>(),
    ) -> Trace {
        let (trace_id, parent_id) = (trace_id.to_be_bytes(), parent_id.to_be_bytes());
        Trace::new(trace_id, parent_id, flags).expect("no id is all zeros")
    }
}

prop_compose! {
    fn any_entry()(
        now in 0..=Timestamp::LAST.ms(),
        events in prop::collection::vec(prop::collection::vec(any_part(), 1..4), 0..4),
        note in prop::option::of(any_note()),
        trace in prop::option::of(any_trace()),
    ) -> GivenEntry {
        GivenEntry { now: Timestamp::from_ms(now), events, note, trace }
    }
}

fn any_time() -> impl Strategy<Value = Timestamp> {
    any::<u64>().prop_map(Timestamp::from_ms)
}

/// So few different bytes that one often begins like another.
fn few_bytes() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop::sample::select(&[0, 1, b'a', 254, 255][..]), 0..5)
}

fn any_index_row() -> impl Strategy<Value = IndexRow> {
    let place = (1..3_u64, 64..66_u8, 1..3_u8);
    (place, few_bytes(), 0..300_u64, few_bytes()).prop_map(
        |((book, kind, index), bytes, number, item)| IndexRow {
            book: Book::new(Number::new(book)),
            kind: Kind::new(kind),
            index,
            bytes,
            number: Number::new(number),
            item: ItemKey::only(b'I').then(&item),
        },
    )
}

proptest! {
    #![proptest_config(crate::cases(500))]

    #[test]
    fn entries_come_back_as_they_were(
        given in prop::collection::vec(any_entry(), 0..5),
        first in 1..u64::MAX / 2,
    ) {
        let (mut bytes, mut arena) = (Vec::new(), Arena::new());
        given.iter().for_each(|entry| entry.write(&mut bytes, &mut arena));
        prop_assert_eq!(bytes.len() % 8, 0);

        let mut read = Entries::new(&bytes, Position::new(first));
        let mut next = first;
        for given in &given {
            let entry = read.next().expect("as many entries as were written").expect("readable");
            prop_assert_eq!(entry.first, Position::new(next));
            prop_assert_eq!(u64::from(entry.events), given.positions());
            prop_assert_eq!((entry.now, &entry.note), (given.now, &given.note));
            prop_assert_eq!(entry.trace, given.trace);
            let numbered = (next..).zip(&given.events);
            let parts = numbered.flat_map(|(at, parts)| parts.iter().map(move |part| (at, part)));
            let parts: Vec<_> = parts.collect();
            prop_assert_eq!(entry.parts.len(), parts.len());
            for (read, (at, given)) in entry.parts.iter().zip(parts) {
                prop_assert_eq!(read.head.position, Position::new(at));
                prop_assert_eq!((read.head.kind, read.head.number), (given.kind, given.number));
                prop_assert_eq!(read.head.previous, given.previous);
                prop_assert_eq!(&read.head.created, &given.created());
                let event = Event::unpack(read.head.tag, read.payload);
                prop_assert_eq!(event.as_ref(), Ok(&given.event));
            }
            next += given.positions();
        }
        prop_assert!(read.next().is_none());

        // Every end within an entry is found: by the length in its header, before anything else.
        if let Some(cut) = bytes.len().checked_sub(1 + (first as usize % 15)) {
            let ends = Entries::new(&bytes[..cut], Position::new(first));
            prop_assert!(ends.last().is_some_and(|entry| entry.is_err()));
        }
    }

    #[test]
    fn head_rows_come_back_as_they_were(
        (book, kind, id) in (any::<u64>(), any::<u8>(), any_id()),
        (version, created, updated) in (any::<u64>(), any_time(), any_time()),
        tag in any::<(u8, u8)>().prop_map(|(number, version)| Tag { number, version }),
        head in prop::collection::vec(any::<u8>(), 0..256),
    ) {
        let name = Name::new(Book::new(Number::new(book)), Kind::new(kind), id);
        let stamp = Stamp { version: Position::new(version), created, updated };
        let mut bytes = Vec::new();
        HeadRow::write(&name, stamp, tag, &mut bytes, |out| out.extend_from_slice(&head));
        prop_assert_eq!(HeadRow::read(&bytes), Ok(HeadRow { name, stamp, tag, head: &head }));
        let front = bytes.len() - head.len();
        for len in 0..front {
            prop_assert!(HeadRow::read(&bytes[..len]).is_err(), "cut to {}", len);
        }
    }

    #[test]
    fn key_rows_come_back_as_they_were(
        fingerprint in any::<[u8; 16]>(),
        position in any::<u64>().prop_map(Position::new),
        at in any_time(),
        answer in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        let row = KeyRow { fingerprint, position, at, answer: &answer };
        let mut bytes = Vec::new();
        row.write(&mut bytes);
        prop_assert_eq!(KeyRow::read(&bytes), Ok(row));
    }

    #[test]
    fn changed_rows_come_back_in_order(
        changes in prop::collection::vec(
            (0..Table::ALL.len(), any::<[u8; 5]>(), prop::option::of(any::<Vec<u8>>())),
            0..20,
        ),
    ) {
        let mut rows = Rows::default();
        for (table, key, value) in &changes {
            let key = |out: &mut Vec<u8>| out.extend_from_slice(key);
            match value {
                Some(value) => rows.put(Table::ALL[*table], key, |out| out.extend_from_slice(value)),
                None => rows.remove(Table::ALL[*table], key),
            }
        }
        prop_assert_eq!(rows.len(), changes.len());
        for (row, (table, key, value)) in rows.iter().zip(&changes) {
            prop_assert_eq!((row.table, row.key), (Table::ALL[*table], &key[..]));
            prop_assert_eq!(row.value, value.as_deref());
        }
        let half = changes.len() / 2;
        prop_assert_eq!(
            rows.range(half..changes.len()).collect::<Vec<_>>(),
            rows.iter().skip(half).collect::<Vec<_>>()
        );
    }

    #[test]
    fn index_rows_come_back_and_lie_in_the_order_of_what_they_list_by(
        one in any_index_row(),
        two in any_index_row(),
        prefix in few_bytes(),
    ) {
        let key = |row: &IndexRow| {
            let mut key = Vec::new();
            key_of_index((row.book, row.kind, row.index), &row.bytes, row.number, &row.item, &mut key);
            key
        };
        let order = |row: &IndexRow| {
            let place = (row.book, row.kind, row.index);
            (place, row.bytes.clone(), row.number, row.item.clone())
        };
        prop_assert_eq!(IndexRow::read(&key(&one)), Ok(one.clone()));
        prop_assert_eq!(key(&one).cmp(&key(&two)), order(&one).cmp(&order(&two)));
        let mut within = Vec::new();
        prefix_of_index((one.book, one.kind, one.index), &prefix, &mut within);
        prop_assert_eq!(key(&one).starts_with(&within), one.bytes.starts_with(&prefix));
        for len in 0..key(&one).len() {
            // The end of an item's key says nothing of where it ends.
            let read = IndexRow::read(&key(&one)[..len]);
            prop_assert!(read.is_err() || len > key(&one).len() - one.item.as_bytes().len());
        }
    }

    #[test]
    fn keys_lie_in_the_order_of_what_they_name(a in any::<u64>(), b in any::<u64>()) {
        let numbers = (Number::new(a), Number::new(b));
        prop_assert_eq!(key_of_head(numbers.0).cmp(&key_of_head(numbers.1)), a.cmp(&b));
        let (mut one, mut two) = (Vec::new(), Vec::new());
        key_of_item(numbers.0, &ItemKey::at(b'I', Position::new(b)), &mut one);
        key_of_item(numbers.0, &ItemKey::at(b'I', Position::new(a)), &mut two);
        prop_assert_eq!(one.cmp(&two), b.cmp(&a));
    }
}
