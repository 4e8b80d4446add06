//! Rows by table and key: the newest value of each, or that it is gone.

use core::cmp::Ordering;
use core::hint::black_box;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use quipu_core::records::{Row, Table};
use quipu_core::store::StoreError;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::arena::{Arena, Place};

/// Changed rows. One that is written again is written over where it lies.
///
/// A row lies in the arena as `table u8 | state u8 | key's length u16 | value's length u32 |
/// room of the value u32 | ordinal u32 | change u64 | key | value`.
#[derive(Default)]
pub(crate) struct Rows {
    arena: Arena,
    by_key: HashTable<Slot>,
    changes: Changes,
}

/// Where a row lies, and enough of its hash to grow the table without a look at the row.
#[derive(Clone, Copy)]
struct Slot {
    hash: u32,
    place: Place,
}

/// What has changed, in order, for the index, which looks at it later and elsewhere.
#[derive(Default)]
struct Changes {
    first: u64,
    places: Vec<Place>,
}

/// The hash of a table and a key.
#[derive(Clone, Copy)]
pub(crate) struct Hash(u32);

/// A row that is there: its newest value, or that it is gone.
#[derive(Clone, Copy)]
pub(crate) struct Found<'a> {
    pub(crate) table: Table,
    pub(crate) key: &'a [u8],
    pub(crate) value: Option<&'a [u8]>,
    /// How many rows of this table were there before it. It never changes.
    pub(crate) ordinal: u32,
}

/// So many rows are looked for together.
const SIDE_BY_SIDE: usize = 16;
const HEADER: usize = 24;
/// The row has a value.
const LIVE: u8 = 0;
/// The row is gone.
const REMOVED: u8 = 1;
/// The row has outgrown its place and lies elsewhere.
const MOVED: u8 = 2;

impl Hash {
    pub(crate) fn of(table: Table, key: &[u8]) -> Self {
        Self((xxh3_64_with_seed(key, table as u64) >> 32) as u32)
    }

    /// Its bits where the hash table looks for them: at both ends.
    fn wide(self) -> u64 {
        u64::from(self.0) << 32 | u64::from(self.0)
    }
}

impl Rows {
    /// How many rows there are, also removed ones.
    pub(crate) fn len(&self) -> usize {
        self.by_key.len()
    }

    /// The bytes of memory that all of it takes.
    pub(crate) fn byte_len(&self) -> usize {
        let slots = self.by_key.capacity() * 8 / 7 * (size_of::<Slot>() + 1);
        self.arena.byte_len() + slots + self.changes.places.capacity() * size_of::<Place>()
    }

    /// Takes rows. Changes up to `indexed` have been looked at and are forgotten.
    ///
    /// Looking for a row is two reads of memory that is in no cache, one after the other. Rows
    /// are looked for side by side before the first one is written, so that they wait together.
    pub(crate) fn put_all(&mut self, rows: &[Row<'_>], indexed: u64) -> Result<(), StoreError> {
        for rows in rows.chunks(SIDE_BY_SIDE) {
            let mut hashes = [Hash(0); SIDE_BY_SIDE];
            let mut places = [None; SIDE_BY_SIDE];
            for ((row, hash), place) in rows.iter().zip(&mut hashes).zip(&mut places) {
                *hash = Hash::of(row.table, row.key);
                let slot = self.by_key.find(hash.wide(), |slot| slot.hash == hash.0);
                *place = slot.map(|slot| slot.place);
            }
            let first_bytes = places.iter().flatten().map(|place| self.arena.bytes(*place)[0]);
            black_box(first_bytes.fold(0, u8::wrapping_add));
            for (row, hash) in rows.iter().zip(hashes) {
                self.put(*row, hash, indexed)?;
            }
        }
        Ok(())
    }

    /// Takes a row.
    fn put(&mut self, row: Row<'_>, hash: Hash, indexed: u64) -> Result<(), StoreError> {
        let Self { arena, by_key, changes } = self;
        let ordinal = by_key.len() as u32;
        let value = row.value.unwrap_or_default();
        let state = if row.value.is_some() { LIVE } else { REMOVED };
        let entry = by_key.entry(
            hash.wide(),
            |slot| slot.hash == hash.0 && is(arena.bytes(slot.place), row.table, row.key),
            |slot| Hash(slot.hash).wide(),
        );
        match entry {
            Entry::Occupied(mut entry) => {
                let slot = entry.get_mut();
                let bytes = arena.bytes_mut(slot.place);
                let mut header = Header::read(bytes);
                if value.len() <= header.room as usize {
                    header.state = state;
                    header.value_len = value.len() as u32;
                    changes.note(&mut header, slot.place, indexed);
                    header.write(bytes);
                    let start = header.value_start();
                    bytes[start..start + value.len()].copy_from_slice(value);
                } else {
                    header.state = state;
                    header.value_len = value.len() as u32;
                    header.room = room(value.len());
                    let place = add(arena, &mut header, row.key, value, |header, place| {
                        changes.note(header, place, indexed);
                    })?;
                    arena.bytes_mut(slot.place)[1] = MOVED;
                    slot.place = place;
                }
            }
            Entry::Vacant(entry) => {
                let mut header = Header {
                    table: row.table as u8,
                    state,
                    key_len: row.key.len() as u16,
                    value_len: value.len() as u32,
                    room: room(value.len()),
                    ordinal,
                    change: 0,
                };
                let place = add(arena, &mut header, row.key, value, |header, place| {
                    changes.note(header, place, indexed);
                })?;
                entry.insert(Slot { hash: hash.0, place });
            }
        }
        Ok(())
    }

    /// Finds a row.
    pub(crate) fn find(&self, hash: Hash, table: Table, key: &[u8]) -> Option<Found<'_>> {
        let slot = self.by_key.find(hash.wide(), |slot| {
            slot.hash == hash.0 && is(self.arena.bytes(slot.place), table, key)
        })?;
        Some(self.at(slot.place))
    }

    fn at(&self, place: Place) -> Found<'_> {
        let bytes = self.arena.bytes(place);
        let header = Header::read(bytes);
        let start = header.value_start();
        Found {
            table: header.table(),
            key: &bytes[HEADER..start],
            value: (header.state == LIVE).then(|| &bytes[start..start + header.value_len as usize]),
            ordinal: header.ordinal,
        }
    }

    /// The number of the next change of a head or an item.
    pub(crate) fn changes_end(&self) -> u64 {
        self.changes.end()
    }

    /// The row of a change that no `put` has been told to forget.
    pub(crate) fn change(&self, number: u64) -> Option<Found<'_>> {
        let index = usize::try_from(number.checked_sub(self.changes.first)?).ok()?;
        self.changes.places.get(index).map(|place| self.at(*place))
    }

    /// Forgets the changes up to here, once they are many.
    pub(crate) fn forget_changes(&mut self, indexed: u64) {
        let done = indexed.saturating_sub(self.changes.first) as usize;
        if done >= 1_024 && done >= self.changes.places.len() / 2 {
            self.changes.places.drain(..done);
            self.changes.first = indexed;
        }
    }

    /// The place of each row of a table, by key.
    pub(crate) fn sorted(&self, table: Table) -> Sorted {
        // Keys share how they begin: zeros of a number, a book. What lies behind that fits
        // into eight bytes, nearly always, and then sorting does not look at the rows.
        let mut shared: Option<&[u8]> = None;
        self.each(table, |_, key| {
            let same = shared.map_or(key, |shared| {
                let len = shared.iter().zip(key).take_while(|(one, two)| one == two).count();
                &key[..len]
            });
            shared = Some(same);
        });
        let shared = shared.unwrap_or_default().len();
        let mut order = Vec::new();
        self.each(table, |place, key| {
            let mut front = [0; 8];
            let rest = &key[shared..];
            let len = rest.len().min(8);
            front[..len].copy_from_slice(&rest[..len]);
            order.push((u64::from_be_bytes(front), place));
        });
        order.sort_unstable_by(|(one, at), (two, other)| {
            one.cmp(two).then_with(|| self.key_at(*at).cmp(self.key_at(*other)))
        });
        Sorted(order.into_iter().map(|(_, place)| place).collect())
    }

    fn key_at(&self, place: Place) -> &[u8] {
        let bytes = self.arena.bytes(place);
        &bytes[HEADER..Header::read(bytes).value_start()]
    }

    fn each<'a>(&'a self, table: Table, mut visit: impl FnMut(Place, &'a [u8])) {
        self.arena.each(|place, _| {
            let bytes = self.arena.bytes(place);
            let header = Header::read(bytes);
            if header.table == table as u8 && header.state != MOVED {
                visit(place, &bytes[HEADER..header.value_start()]);
            }
            header.value_start() + header.room as usize
        });
    }

    /// Every row, in no order.
    pub(crate) fn all<'a>(&'a self, mut visit: impl FnMut(Found<'a>)) {
        for table in Table::ALL {
            self.each(table, |place, _| visit(self.at(place)));
        }
    }
}

impl Changes {
    fn end(&self) -> u64 {
        self.first + self.places.len() as u64
    }

    /// Notes that a row has changed, unless that is noted already and nobody has looked yet.
    fn note(&mut self, header: &mut Header, place: Place, indexed: u64) {
        if header.table != Table::Head as u8 && header.table != Table::Item as u8 {
            return;
        }
        if header.change > indexed.max(self.first) {
            let index = header.change - 1 - self.first;
            self.places[index as usize] = place;
        } else {
            self.places.push(place);
            header.change = self.end();
        }
    }
}

/// The room of a value: a head or an item that grows a little stays where it is.
fn room(len: usize) -> u32 {
    (len + len / 8).next_multiple_of(8) as u32
}

/// Adds a row to an arena, once `note` has seen where it lies.
fn add(
    arena: &mut Arena,
    header: &mut Header,
    key: &[u8],
    value: &[u8],
    note: impl FnOnce(&mut Header, Place),
) -> Result<Place, StoreError> {
    let len = HEADER + key.len() + header.room as usize;
    let full = || StoreError::Full("32 GiB of rows wait for a checkpoint".into());
    let place = arena.add(len).ok_or_else(full)?;
    note(header, place);
    let bytes = arena.bytes_mut(place);
    header.write(bytes);
    let start = header.value_start();
    bytes[HEADER..start].copy_from_slice(key);
    bytes[start..start + value.len()].copy_from_slice(value);
    Ok(place)
}

fn is(bytes: &[u8], table: Table, key: &[u8]) -> bool {
    bytes[0] == table as u8
        && u16::from_le_bytes([bytes[2], bytes[3]]) as usize == key.len()
        && &bytes[HEADER..HEADER + key.len()] == key
}

/// What stands before a row's key.
struct Header {
    table: u8,
    state: u8,
    key_len: u16,
    value_len: u32,
    room: u32,
    ordinal: u32,
    /// One more than the number of its last change.
    change: u64,
}

impl Header {
    fn read(bytes: &[u8]) -> Self {
        let bytes = bytes.first_chunk::<HEADER>().expect("a row begins with its header");
        let four = |at: usize| {
            u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        Self {
            table: bytes[0],
            state: bytes[1],
            key_len: u16::from_le_bytes([bytes[2], bytes[3]]),
            value_len: four(4),
            room: four(8),
            ordinal: four(12),
            change: u64::from(four(16)) | u64::from(four(20)) << 32,
        }
    }

    fn write(&self, bytes: &mut [u8]) {
        let bytes = bytes.first_chunk_mut::<HEADER>().expect("a row begins with its header");
        bytes[0] = self.table;
        bytes[1] = self.state;
        bytes[2..4].copy_from_slice(&self.key_len.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.value_len.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.room.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.ordinal.to_le_bytes());
        bytes[16..].copy_from_slice(&self.change.to_le_bytes());
    }

    fn table(&self) -> Table {
        let table = Table::ALL.into_iter().find(|table| *table as u8 == self.table);
        table.expect("a row was written with its table")
    }

    fn value_start(&self) -> usize {
        HEADER + self.key_len as usize
    }
}

/// The places of the rows of one table, by key.
pub(crate) struct Sorted(Vec<Place>);

impl Sorted {
    /// The bytes of memory that it takes.
    pub(crate) fn byte_len(&self) -> usize {
        self.0.capacity() * size_of::<Place>()
    }

    /// The index of the first row whose key is not below this one.
    pub(crate) fn first(&self, rows: &Rows, from: &[u8]) -> usize {
        self.0.partition_point(|place| rows.key_at(*place).cmp(from) == Ordering::Less)
    }

    /// A row by its index.
    pub(crate) fn get<'a>(&self, rows: &'a Rows, index: usize) -> Option<Found<'a>> {
        self.0.get(index).map(|place| rows.at(*place))
    }
}
