//! Recovery: brings a store up to its log, by applying what the log has and the store has not.

use std::collections::BTreeMap;

use rkyv::ser::allocator::Arena;

use crate::commit::Published;
use crate::log::{Log, LogError};
use crate::machine::{Answer, Cords, ItemKey, Needs, Place, Registry, Slot};
use crate::records::{
    Corrupt, Entries, Entry, HeadRow, KeyNote, KeyRow, Part, Rows, Table, key_of_head, key_of_item,
};
use crate::shard::{Shard, bucket_of, kept_accepted, key_row_key};
use crate::store::{Reader, Store, StoreError};
use crate::words::{Kind, Name, Number, Position};

/// Why a ledger could not be recovered. Nothing was changed on the log.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RecoveryError {
    /// The log could not be read.
    #[error("the log: {0}")]
    Log(#[from] LogError),
    /// The store could not be read or written.
    #[error("the store: {0}")]
    Store(#[from] StoreError),
    /// An entry of the log is not what any shard would have written.
    #[error("the entry at position {at}: {why}")]
    Entry {
        /// Its first position.
        at: Position,
        /// What is wrong with it.
        why: Corrupt,
    },
    /// The first entry of a new ledger could not be written.
    #[error("a new ledger could not begin: {0}")]
    Begin(String),
    /// The store is ahead of the log: it belongs to another, or the log lost its end.
    #[error("the store is at position {store}, but the log ends at {log}")]
    StoreAhead {
        /// The store's position.
        store: Position,
        /// The log's last one.
        log: Position,
    },
}

/// The bytes of streams and items that are kept in memory before they are let go of again.
const CACHED_BYTES_MAX: usize = 32 << 20;

/// Applies the log's tail to the store. Gives what is durable: the log's end, and its time.
///
/// Replay fires no timers and decides nothing. It is idempotent: a second one finds nothing
/// to do. `progress` is told each position that has been reached.
pub fn recover(
    log: &dyn Log,
    store: &mut dyn Store,
    registry: &Registry,
    progress: &mut dyn FnMut(Position),
) -> Result<Published, RecoveryError> {
    let (_, next) = log.bounds();
    let last = Position::new(next.get() - 1);
    if store.position() > last {
        return Err(RecoveryError::StoreAhead { store: store.position(), log: last });
    }
    let mut replay = Replay::new(registry);
    while let Some(frame) = log.read(store.position().plus(1))? {
        if mutant!(TailTooShort) && frame.last() == last {
            break;
        }
        let mut rows = Rows::default();
        for entry in Entries::new(&frame.bytes, frame.first) {
            let entry = entry.map_err(|why| RecoveryError::Entry { at: frame.first, why })?;
            // A store that stands within a frame has the entries before already.
            if entry.first <= store.position() {
                continue;
            }
            let twice = mutant!(AppliedTwice) && entry.first == last;
            for _ in 0..1 + usize::from(twice) {
                replay.entry(store, &entry, &mut rows)?;
            }
        }
        store.apply(&mut rows.iter(), frame.last())?;
        replay.bound(frame.last());
        progress(frame.last());
    }
    Ok(Published { watermark: last, now_limit: log.now_limit() })
}

/// Streams by number while the log is replayed.
struct Replay {
    cords: BTreeMap<Kind, Box<dyn Cords>>,
    places: BTreeMap<Number, (Kind, Slot)>,
    arena: Arena,
}

impl Replay {
    fn new(registry: &Registry) -> Self {
        let cords = registry.all().map(|rules| (rules.kind(), rules.cords())).collect();
        Self { cords, places: BTreeMap::new(), arena: Arena::new() }
    }

    fn entry(
        &mut self,
        store: &dyn Reader,
        entry: &Entry<'_>,
        rows: &mut Rows,
    ) -> Result<(), RecoveryError> {
        let wrong = |why| RecoveryError::Entry { at: entry.first, why };
        let wants_answer = entry.note.as_ref().is_some_and(|note| note.answer.is_none());
        let mut answer = wants_answer.then(Answer::default);
        for part in &entry.parts {
            let place = Place { position: part.head.position, now: entry.now };
            let slot = self.place(store, part, entry.first)?;
            self.read_items(store, slot, part, &place, wants_answer)
                .map_err(|error| error.at(entry.first))?;
            let cords = self.cords.get_mut(&part.head.kind).ok_or(wrong(Corrupt::Tag))?;
            let event = (part.head.tag, part.payload);
            cords
                .replay(slot, event, &place, rows, &mut self.arena, answer.as_mut())
                .map_err(wrong)?;
            if !cords.exists(slot) {
                self.places.remove(&part.head.number);
            }
        }
        if let Some(note) = &entry.note
            && !mutant!(KeyLostOnReplay)
        {
            keep_key(entry, note, answer.as_ref(), rows);
        }
        Ok(())
    }

    /// The stream of a part: at hand, created by the part, or read from the store.
    fn place(
        &mut self,
        store: &dyn Reader,
        part: &Part<'_>,
        entry: Position,
    ) -> Result<Slot, RecoveryError> {
        let wrong = |why| RecoveryError::Entry { at: entry, why };
        let head = &part.head;
        let cords = self.cords.get_mut(&head.kind).ok_or(wrong(Corrupt::Tag))?;
        if let Some((kind, slot)) = self.places.get(&head.number) {
            if *kind != head.kind || head.created.is_some() {
                return Err(wrong(Corrupt::Range));
            }
            let version = cords.state(*slot).stamp.version;
            let continues = version == head.previous;
            // The second part of one event on one stream finds the first one's position.
            let within = version == head.position;
            return if continues || within || mutant!(AppliedTwice) {
                Ok(*slot)
            } else {
                Err(wrong(Corrupt::Range))
            };
        }
        let slot = if let Some(name) = &head.created {
            if head.number.get() != head.position.get() {
                return Err(wrong(Corrupt::Range));
            }
            cords.add(hash_of(name), name.clone(), true)
        } else {
            let row = store.get(Table::Head, &key_of_head(head.number))?;
            let row = row.ok_or(wrong(Corrupt::Missing))?;
            let row = HeadRow::read(&row).map_err(wrong)?;
            if row.stamp.version != head.previous && !mutant!(AppliedTwice) {
                return Err(wrong(Corrupt::Range));
            }
            let slot = cords.add(hash_of(&row.name), row.name.clone(), false);
            cords.fill(slot, Some((head.number, &row))).map_err(wrong)?;
            slot
        };
        self.places.insert(head.number, (head.kind, slot));
        Ok(slot)
    }

    fn read_items(
        &mut self,
        store: &dyn Reader,
        slot: Slot,
        part: &Part<'_>,
        place: &Place,
        shown: bool,
    ) -> Result<(), ItemError> {
        let cords = self.cords.get_mut(&part.head.kind).ok_or(Corrupt::Tag)?;
        let mut needs = Needs::default();
        cords.reads((part.head.tag, part.payload), place, shown, &mut needs)?;
        for key in needs.keys() {
            let row = store.get(Table::Item, &item_key(part.head.number, key))?;
            cords.add_item(slot, key.clone(), row.as_deref())?;
        }
        Ok(())
    }

    /// Lets go of everything once there is much of it: all of it is in the store's table.
    fn bound(&mut self, applied: Position) {
        let bytes: usize = self.cords.values().map(|cords| cords.memory()).sum();
        if bytes < CACHED_BYTES_MAX {
            return;
        }
        self.places.clear();
        for cords in self.cords.values_mut() {
            while !cords.is_empty() {
                cords.evict(applied, 1 << 16);
            }
        }
    }
}

/// Why the items of a part could not be had.
enum ItemError {
    Corrupt(Corrupt),
    Store(StoreError),
}

impl ItemError {
    fn at(self, at: Position) -> RecoveryError {
        match self {
            Self::Corrupt(why) => RecoveryError::Entry { at, why },
            Self::Store(error) => RecoveryError::Store(error),
        }
    }
}

impl From<Corrupt> for ItemError {
    fn from(why: Corrupt) -> Self {
        Self::Corrupt(why)
    }
}

impl From<StoreError> for ItemError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

fn hash_of(name: &Name) -> u64 {
    crate::shard::name_hash(name)
}

fn item_key(number: Number, key: &ItemKey) -> Vec<u8> {
    let mut bytes = Vec::new();
    key_of_item(number, key, &mut bytes);
    bytes
}

/// The row of an idempotency key, as the shard that wrote the entry wrote it.
fn keep_key(entry: &Entry<'_>, note: &KeyNote, answer: Option<&Answer>, rows: &mut Rows) {
    let last = entry.first.plus(u64::from(entry.events) - 1);
    let kept = match (&note.answer, answer) {
        (Some(kept), _) => kept.clone(),
        (None, Some(answer)) => kept_accepted(last, answer),
        (None, None) => return,
    };
    let row =
        KeyRow { fingerprint: note.fingerprint, position: last, at: entry.now, answer: &kept };
    rows.put(
        Table::Key,
        |out| out.extend_from_slice(&key_row_key(bucket_of(entry.now), &note.key)),
        |out| row.write(out),
    );
}

/// Tells a shard which of its streams, items and keys the store has, so that its filters may
/// answer "never seen" without a read.
pub fn note_all(
    store: &dyn Reader,
    shard: &mut Shard,
    of: usize,
    shards: usize,
) -> Result<(), StoreError> {
    let mut mine = std::collections::BTreeSet::new();
    store.scan(Table::Head, &[], &mut |key, value| {
        if let (Ok(number), Ok(row)) = (<[u8; 8]>::try_from(key), HeadRow::read(value))
            && Shard::of(&row.name, shards) == of
        {
            mine.insert(Number::new(u64::from_be_bytes(number)));
            shard.note_stream(&row.name);
        }
        true
    })?;
    store.scan(Table::Item, &[], &mut |key, _| {
        if let Some((number, item)) = key.split_first_chunk::<8>()
            && let Some(item) = ItemKey::from_bytes(item)
            && mine.contains(&Number::new(u64::from_be_bytes(*number)))
        {
            shard.note_item(Number::new(u64::from_be_bytes(*number)), &item);
        }
        true
    })?;
    store.scan(Table::Key, &[], &mut |key, _| {
        if let Some((bucket, hash)) = key.split_first_chunk::<4>()
            && let Ok(hash) = hash.try_into()
            && Shard::of_key(&hash, shards) == of
        {
            shard.note_key(&hash, u32::from_be_bytes(*bucket));
        }
        true
    })?;
    shard.noted_all();
    Ok(())
}
