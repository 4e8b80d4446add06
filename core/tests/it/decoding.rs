//! Bytes that nobody wrote, and bytes that changed after they were written: every reader gives
//! a value or an error, and never panics.

mod feed;

use std::path::{Path, PathBuf};

use feed::feed;
use proptest::prelude::*;
use quipu_core::machine::{Answer, ItemKey, Machine, Piece, Registry, Rules, Stamp, What};
use quipu_core::machines::record::{Deleted, Event, Head, INDEX_FIELD, Put, Record, by_field};
use quipu_core::machines::ticket::{self, Ticket};
use quipu_core::records::{
    Corrupt, Entries, EntryWriter, HeadRow, ItemRow, KeyNote, KeyRow, Record as _, Table, Tag,
    key_of_index, open, pack_into, seal,
};
use quipu_core::words::{Book, Id, Name, Number, Position, Timestamp, Trace};
use rkyv::ser::allocator::Arena;

fn registry() -> Registry {
    quipu_core::machines::registry()
}

const NOW: Timestamp = Timestamp::from_ms(1_795_156_245_678);

fn name() -> Name {
    let id = |text| Id::new(text).expect("well formed");
    Name::new(Book::DEFAULT, Record::KIND, Id::pair(&id("nodes"), &id("n1")))
}

fn put() -> Event {
    let field = (Id::new("zone").expect("well formed"), "eu".to_owned());
    Put { value: r#"{"zone":"eu"}"#.to_owned(), fields: vec![field], expires_at: Some(NOW) }.into()
}

fn head() -> Head {
    Head { expires_at: Some(NOW), value_len: 13, field_count: 1 }
}

fn stamp() -> Stamp {
    Stamp { version: Position::new(9), created: NOW, updated: NOW }
}

/// Two entries: one with a note and a stream that it creates, one with one event over two
/// streams.
pub(crate) fn entries() -> Vec<u8> {
    let (mut bytes, mut arena) = (Vec::new(), Arena::new());
    let note = KeyNote { key: [1; 16], fingerprint: [2; 16], answer: Some(answer()) };
    let mut entry = EntryWriter::begin(&mut bytes, &mut arena, NOW);
    entry.event();
    entry.part(Record::KIND, Number::new(1), Position::ZERO, Some(&name()), false, &put());
    entry.note(&note);
    entry.finish();
    let mut entry = EntryWriter::begin(&mut bytes, &mut arena, NOW);
    entry.event();
    let (number, previous) = (Number::new(1), Position::new(1));
    entry.part(Record::KIND, number, previous, None, false, &put());
    entry.part(Record::KIND, Number::new(7), previous, None, true, &Event::from(Deleted));
    entry.finish();
    bytes
}

/// Two entries that say what led to them: the event of one, and the note of the other.
pub(crate) fn traced_entries() -> Vec<u8> {
    let (mut bytes, mut arena) = (Vec::new(), Arena::new());
    let mut entry = EntryWriter::begin(&mut bytes, &mut arena, NOW);
    entry.event();
    entry.part(Record::KIND, Number::new(1), Position::new(1), None, false, &put());
    entry.trace(&trace());
    entry.finish();
    let mut entry = EntryWriter::begin(&mut bytes, &mut arena, NOW);
    entry.note(&KeyNote { key: [1; 16], fingerprint: [2; 16], answer: Some(answer()) });
    entry.trace(&trace());
    entry.finish();
    bytes
}

pub(crate) fn trace() -> Trace {
    Trace::new([0xa1; 16], [0xb2; 8], 1).expect("no id is all zeros")
}

pub(crate) fn head_row() -> Vec<u8> {
    let mut bytes = Vec::new();
    HeadRow::write(&name(), stamp(), head().tag(), &mut bytes, |out| pack_into(&head(), out));
    bytes
}

pub(crate) fn key_row() -> Vec<u8> {
    let (mut bytes, answer) = (Vec::new(), answer());
    KeyRow { fingerprint: [5; 16], position: Position::new(3), at: NOW, answer: &answer }
        .write(&mut bytes);
    bytes
}

/// The key of a row of the index of fields, as the format's page draws it.
pub(crate) fn index_row() -> Vec<u8> {
    let by = by_field("things", &Id::new("colour").expect("well formed"), "a\0b");
    let by = [&by[..], b"cup"].concat();
    let mut bytes = Vec::new();
    let place = (Book::DEFAULT, Record::KIND, INDEX_FIELD);
    key_of_index(place, &by, Number::new(7), &ItemKey::only(b'F'), &mut bytes);
    bytes
}

/// A head and an item, by hand: the pieces as the format's page draws them.
pub(crate) fn answer() -> Vec<u8> {
    let mut record = Vec::new();
    pack_into(&head(), &mut record);
    let len = u32::try_from(record.len()).expect("small").to_le_bytes();
    let kind = Record::KIND.get();
    let mut bytes = vec![2, kind, 1, 1];
    bytes.extend(len);
    bytes.extend(7_u64.to_le_bytes());
    for word in [9, NOW.ms(), NOW.ms()] {
        bytes.extend(word.to_le_bytes());
    }
    bytes.extend(&record);
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    bytes.extend([3, kind, 1, 1]);
    bytes.extend(len);
    bytes.extend(7_u64.to_le_bytes());
    bytes.extend(1_u64.to_le_bytes());
    bytes.extend([b'V', 0, 0, 0, 0, 0, 0, 0]);
    bytes.extend(&record);
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    bytes
}

/// A key of eight bytes, and a row under it, as `feed` splits them.
pub(crate) fn sealed() -> Vec<u8> {
    let key = 7_u64.to_be_bytes();
    let mut bytes = vec![8];
    bytes.extend(key);
    seal(Table::Head, &key, &head_row(), &mut bytes);
    bytes
}

#[expect(clippy::disallowed_methods, reason = "golden files lie on a disk")]
fn golden() -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let files = std::fs::read_dir(folder).expect("the golden files are there");
    let mut files: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    files.sort();
    files.into_iter().map(|file| (file.clone(), std::fs::read(file).expect("a file"))).collect()
}

/// Packed records, each valid for one tag.
fn records() -> Vec<Vec<u8>> {
    golden().into_iter().map(|(_, bytes)| bytes).collect()
}

/// What packed records are wrapped in, each valid for one reader.
fn wrapped() -> Vec<Vec<u8>> {
    vec![entries(), traced_entries(), head_row(), key_row(), index_row(), answer(), sealed()]
}

#[test]
fn what_was_written_is_read() {
    let whole = entries();
    let read: Result<Vec<_>, _> = Entries::new(&whole, Position::new(1)).collect();
    let read = read.expect("both entries are whole");
    let shape: Vec<_> = read
        .iter()
        .map(|entry| (entry.first.get(), entry.events, entry.parts.len(), entry.note.is_some()))
        .collect();
    assert_eq!(shape, [(1, 1, 1, true), (2, 1, 2, false)]);
    assert_eq!((read[0].trace, read[1].trace), (None, None));
    assert_eq!(read[0].parts[0].head.created, Some(name()));
    let part = &read[0].parts[0];
    assert_eq!(Event::unpack(part.head.tag, part.payload), Ok(put()));

    let row = head_row();
    let row = HeadRow::read(&row).expect("it is whole");
    assert_eq!((&row.name, row.stamp), (&name(), stamp()));
    assert_eq!(Head::unpack(row.tag, row.head), Ok(head()));
    assert_eq!(KeyRow::read(&key_row()).expect("it is whole").answer, answer());

    let answer = Answer::from_bytes(&answer());
    let pieces: Result<Vec<Piece<'_>>, Corrupt> = answer.pieces().collect();
    let what: Vec<_> =
        pieces.expect("both are whole").into_iter().map(|piece| piece.what).collect();
    assert_eq!(what, [What::Head(stamp()), What::Item(ItemKey::only(b'V'))]);
    assert_eq!(answer.head::<Record>(), Ok(head()));
}

#[test]
fn every_golden_file_of_a_machine_is_described_by_its_rules() {
    let registry = registry();
    let mut count = 0;
    for (file, bytes) in golden() {
        let stem = file.file_stem().and_then(|stem| stem.to_str()).expect("a name");
        let [machine, part, number, version] = stem.split('-').collect::<Vec<_>>()[..] else {
            panic!("{stem} is machine-part-type-version")
        };
        let Some(rules) = registry.all().find(|rules| rules.name() == machine) else { continue };
        let byte = |text: &str| text.parse().expect("a byte");
        let tag = Tag { number: byte(number), version: byte(version) };
        let (place, text) = match part {
            "head" => (0, rules.describe_head(tag, &bytes)),
            "item" => (1, rules.describe_item(tag, &bytes)),
            "event" => (2, rules.describe_event(tag, &bytes)),
            _ => panic!("{part} is no part of a machine"),
        };
        assert!(text.is_ok(), "{stem}: {text:?}");
        assert!(rules.tags()[place].contains(&tag), "{stem}: {tag:?}");
        count += 1;
    }
    // A machine without items names its head in their place.
    let itemless = ["source", "key"];
    let tags_of = |rules: &dyn Rules| {
        let [heads, items, events] = rules.tags().map(<[Tag]>::len);
        heads + events + if itemless.contains(&rules.name()) { 0 } else { items }
    };
    let tags: usize = registry.all().map(tags_of).sum();
    assert_eq!(count, tags, "one file for every tag");
}

#[test]
fn nothing_is_no_record_of_any_other_length() {
    feed(&registry(), &[]);
    for bytes in records().into_iter().chain(wrapped()) {
        for len in 0..bytes.len() {
            feed(&registry(), &bytes[..len]);
        }
    }
}

#[test]
fn a_seal_notices_every_flipped_bit_and_every_other_place() {
    let (key, value) = ([1, 2, 3], head_row());
    let mut sealed = Vec::new();
    seal(Table::Head, &key, &value, &mut sealed);
    assert_eq!(open(Table::Head, &key, &sealed), Ok(&*value));
    for at in 0..sealed.len() * 8 {
        let mut flipped = sealed.clone();
        flipped[at / 8] ^= 1 << (at % 8);
        assert_eq!(open(Table::Head, &key, &flipped), Err(Corrupt::Checksum), "bit {at}");
    }
    assert_eq!(open(Table::Head, &[1, 2, 4], &sealed), Err(Corrupt::Checksum));
    assert_eq!(open(Table::Item, &key, &sealed), Err(Corrupt::Checksum));
    assert_eq!(open(Table::Head, &key, &sealed[..7]), Err(Corrupt::Short));
}

/// Every place that is reserved or padding, one byte of it at a time.
#[test]
fn bytes_that_say_nothing_are_zero() {
    let (mut entry, mut arena) = (Vec::new(), Arena::new());
    let id = Id::new("nodes").expect("well formed");
    let named = Name::new(Book::DEFAULT, Ticket::KIND, id.clone());
    let event = ticket::Event::from(ticket::Revoked { reason: "a mistake".to_owned() });
    let mut writer = EntryWriter::begin(&mut entry, &mut arena, NOW);
    writer.event();
    let part =
        writer.part(Ticket::KIND, Number::new(1), Position::ZERO, Some(&named), false, &event);
    writer.note(&KeyNote { key: [1; 16], fingerprint: [2; 16], answer: Some(vec![3; 3]) });
    writer.trace(&trace());
    writer.finish();
    let note = part.end.next_multiple_of(8);
    // Behind the id of five letters, the event, the note's mode, its answer of three, and the
    // trace context.
    let in_entry = (61..64).chain(part.end..note).chain(note + 33..note + 36);
    let in_entry = in_entry.chain(note + 43..note + 48).chain(note + 73..entry.len());
    assert!(part.end < note && note + 80 == entry.len(), "there is padding to look at");
    let read_entry = |bytes: &[u8]| match Entries::new(bytes, Position::new(1)).next() {
        Some(read) => read.map(|_| ()),
        None => Err(Corrupt::Short),
    };
    zeros_are_checked(&entry, in_entry, read_entry);

    let mut row = Vec::new();
    HeadRow::write(&named, stamp(), head().tag(), &mut row, |out| pack_into(&head(), out));
    zeros_are_checked(&row, [3].into_iter().chain(45..48), |row| HeadRow::read(row).map(|_| ()));

    let item = [Ticket::KIND.get(), 1, 1, 0, 0, 0, 0, 0, 9];
    zeros_are_checked(&item, 3..8, |row| ItemRow::read(row).map(|_| ()));

    let shown = answer();
    let key = shown.iter().rposition(|byte| *byte == b'V').expect("the key of an item");
    zeros_are_checked(&shown, key + 1..key + 8, |bytes| {
        Answer::from_bytes(bytes).pieces().try_for_each(|piece| piece.map(|_| ()))
    });
}

#[test]
fn a_trace_context_is_one_that_can_be_and_lies_where_the_flag_says() {
    let whole = traced_entries();
    let read = |bytes: &[u8]| {
        Entries::new(bytes, Position::new(1)).collect::<Result<Vec<_>, _>>().map(drop)
    };
    let entries: Result<Vec<_>, _> = Entries::new(&whole, Position::new(1)).collect();
    let entries = entries.expect("both are whole");
    assert_eq!([entries[0].trace, entries[1].trace], [Some(trace()); 2]);
    assert!(entries[0].note.is_none() && entries[1].note.is_some());

    let len = u32::from_le_bytes(*whole.first_chunk().expect("a length")) as usize;
    let at = len - 32;
    assert_eq!(whole[at..len], [&[0xa1; 16][..], &[0xb2; 8], &[1], &[0; 7]].concat());
    for zeros in [at..at + 16, at + 16..at + 24] {
        let mut none = whole.clone();
        none[zeros].fill(0);
        assert_eq!(read(&none), Err(Corrupt::Range));
    }
    // Without its flag it is bytes that nobody can explain; with a flag that nobody knows, too.
    for flags in [0, 4, 6, 2 | 1 << 15] {
        let mut other = whole.clone();
        other[8..10].copy_from_slice(&u16::to_le_bytes(flags));
        assert_eq!(read(&other), Err(Corrupt::Range), "flags {flags}");
    }
    // A flag without what it announces.
    let mut bare = entries_without_trace();
    bare[8] |= 2;
    assert_eq!(read(&bare), Err(Corrupt::Short));
}

/// One entry with an event and nothing behind it.
fn entries_without_trace() -> Vec<u8> {
    let (mut bytes, mut arena) = (Vec::new(), Arena::new());
    let mut entry = EntryWriter::begin(&mut bytes, &mut arena, NOW);
    entry.event();
    entry.part(Record::KIND, Number::new(1), Position::new(1), None, false, &put());
    entry.finish();
    bytes
}

fn zeros_are_checked(
    bytes: &[u8],
    places: impl Iterator<Item = usize>,
    read: impl Fn(&[u8]) -> Result<(), Corrupt>,
) {
    assert_eq!(read(bytes), Ok(()));
    for place in places {
        assert_eq!(bytes[place], 0, "byte {place}");
        let mut changed = bytes.to_vec();
        changed[place] = 1;
        assert_eq!(read(&changed), Err(Corrupt::Range), "byte {place}");
    }
}

/// How valid bytes change. Places are taken modulo the length.
#[derive(Clone, Debug)]
enum Change {
    Flip(usize),
    Set(usize, u8),
    /// A length or an offset in the middle of it all.
    Word(usize, u32),
    Truncate(usize),
    Extend(Vec<u8>),
    /// Bytes from one place again in another.
    Copy(usize, usize, usize),
}

fn changed(mut bytes: Vec<u8>, changes: &[Change]) -> Vec<u8> {
    for change in changes {
        let len = bytes.len();
        let place = |at: usize| at.checked_rem(len).unwrap_or(0);
        match change {
            Change::Extend(more) => bytes.extend(more),
            _ if len == 0 => {}
            Change::Flip(at) => bytes[place(at / 8)] ^= 1 << (at % 8),
            Change::Set(at, byte) => bytes[place(*at)] = *byte,
            Change::Word(at, word) => {
                let start = place(*at) / 4 * 4;
                for (to, from) in bytes.iter_mut().skip(start).zip(word.to_le_bytes()) {
                    *to = from;
                }
            }
            Change::Truncate(at) => bytes.truncate(place(*at)),
            Change::Copy(from, to, count) => {
                let (from, to) = (place(*from), place(*to));
                let copy: Vec<u8> = bytes.iter().skip(from).take(*count).copied().collect();
                for (to, from) in bytes.iter_mut().skip(to).zip(copy) {
                    *to = from;
                }
            }
        }
    }
    bytes
}

fn any_change() -> impl Strategy<Value = Change> {
    let words = [0, 1, 7, 8, 255, 0x7fff_ffff, 0x8000_0000, 0xffff_fff8, u32::MAX];
    let at = 0..4096_usize;
    prop_oneof![
        any::<usize>().prop_map(Change::Flip),
        (at.clone(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        (at.clone(), prop::sample::select(words.to_vec()))
            .prop_map(|(at, word)| Change::Word(at, word)),
        at.clone().prop_map(Change::Truncate),
        prop::collection::vec(any::<u8>(), 1..40).prop_map(Change::Extend),
        (at.clone(), at, 1..64_usize).prop_map(|(from, to, count)| Change::Copy(from, to, count)),
    ]
}

proptest! {
    #![proptest_config(crate::cases(10_000))]

    #[test]
    fn bytes_that_nobody_wrote_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        feed(&registry(), &bytes);
    }
}

proptest! {
    // Most bytes that nobody wrote end at the first length; these come further, so more of them.
    #![proptest_config(crate::cases(100_000))]

    #[test]
    fn bytes_that_changed_do_no_harm(
        bytes in prop_oneof![prop::sample::select(records()), prop::sample::select(wrapped())],
        changes in prop::collection::vec(any_change(), 1..6),
    ) {
        feed(&registry(), &changed(bytes, &changes));
    }
}
