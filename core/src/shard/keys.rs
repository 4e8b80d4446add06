//! Idempotency keys: their hashes, the rows in memory, and the filter that says "never seen".

use core::cell::Cell;

use hashbrown::HashTable;

use super::{Key, Options, name_hash, route};
use crate::machine::{Canon, Command};
use crate::records::{Corrupt, KeyNote, KeyRow};
use crate::words::{Name, Position, Timestamp};

/// For how long a key answers the same.
pub const KEY_LIFE_MS: u64 = 24 * 3_600_000;

/// How long a bucket of keys is; its rows are dropped together.
pub const BUCKET_MS: u64 = 600_000;

/// The bucket of a time.
#[must_use]
pub fn bucket_of(at: Timestamp) -> u32 {
    (at.ms() / BUCKET_MS) as u32
}

/// A key within its scope, and the fingerprint of the command that came with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Keyed {
    pub(super) key: [u8; 16],
    pub(super) fingerprint: [u8; 16],
}

impl Keyed {
    /// Hashes a key with its scope (stream, operation, sub-resource), and the commands in
    /// their canonical form. Both hashes are keyed with the ledger's secret.
    pub(super) fn new(
        secret: &[u8; 32],
        key: &Key,
        home: &Name,
        what: KeyedAs,
        commands: &[(&Name, &Command, &Options)],
    ) -> Self {
        let first = commands.first().map(|(_, command, _)| *command);
        let is_transaction = u8::from(what == KeyedAs::Transaction);
        let mut scope = blake3::Hasher::new_keyed(secret);
        scope.update(&home.book.get().to_le_bytes());
        scope.update(&[is_transaction, home.kind.get(), first.map_or(0, Command::operation)]);
        let sub = first.and_then(Command::sub).map_or("", |sub| sub.as_str());
        for text in [home.id.as_str(), sub, &key.0] {
            scope.update(&(text.len() as u32).to_le_bytes());
            scope.update(text.as_bytes());
        }
        let mut print = blake3::Hasher::new_keyed(secret);
        print.update(&(commands.len() as u32).to_le_bytes());
        for (name, command, options) in commands {
            let mut canon = Canon::default();
            command.canon(&mut canon);
            print.update(&name.book.get().to_le_bytes());
            print.update(&[name.kind.get(), command.operation()]);
            print.update(&[u8::from(options.if_version.is_some())]);
            print.update(&options.if_version.unwrap_or_default().get().to_le_bytes());
            let sub = command.sub().map_or("", |sub| sub.as_str()).as_bytes();
            let id = if options.made { "" } else { name.id.as_str() };
            for bytes in [id.as_bytes(), sub, canon.bytes()] {
                print.update(&(bytes.len() as u32).to_le_bytes());
                print.update(bytes);
            }
        }
        // The key begins with where its stream lives, so that each shard finds its own again.
        let mut key = first_half(&scope);
        key[..4].copy_from_slice(&route(name_hash(home)).to_le_bytes());
        Self { key, fingerprint: first_half(&print) }
    }
}

impl Keyed {
    /// The note of an entry whose events say what was answered.
    pub(super) fn said_by_events(self) -> KeyNote {
        KeyNote { key: self.key, fingerprint: self.fingerprint, answer: None }
    }

    /// The note of an entry whose events do not say what was answered, or not all of it.
    pub(super) fn said_here(self, answer: Vec<u8>) -> KeyNote {
        KeyNote { key: self.key, fingerprint: self.fingerprint, answer: Some(answer) }
    }
}

/// What a key came with: one command, or a transaction, which answers in another form.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum KeyedAs {
    Command,
    Transaction,
}

fn first_half(hasher: &blake3::Hasher) -> [u8; 16] {
    let hash = hasher.finalize();
    let (half, _) = hash.as_bytes().split_first_chunk().expect("a hash has 32 bytes");
    *half
}

/// A key's row in memory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct KeyCell {
    key: [u8; 16],
    pub(super) fingerprint: [u8; 16],
    pub(super) position: Position,
    pub(super) at: Timestamp,
    pub(super) answer: Box<[u8]>,
    used: bool,
}

/// What is known about a key.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Seen<'a> {
    /// Nothing was ever answered under it, or a day ago.
    Never,
    /// This was answered under it.
    Answered(&'a KeyCell),
    /// It may lie in one of these buckets of the store.
    Perhaps(Vec<u32>),
}

/// The keys of one shard.
pub(super) struct Keys {
    index: HashTable<u32>,
    cells: Vec<Option<KeyCell>>,
    free: Vec<u32>,
    hand: usize,
    heap: usize,
    filter: KeyFilter,
    steps: Cell<u64>,
}

impl Keys {
    pub(super) fn new(rows_max: usize) -> Self {
        Self {
            index: HashTable::new(),
            cells: Vec::new(),
            free: Vec::new(),
            hand: 0,
            heap: 0,
            filter: KeyFilter::new(rows_max),
            steps: Cell::new(0),
        }
    }

    /// How many places of the table in memory were looked at, ever, for tests.
    pub(super) fn steps(&self) -> u64 {
        self.steps.get()
    }

    fn step(&self) {
        self.steps.set(self.steps.get() + 1);
    }

    pub(super) fn seen(&mut self, key: &[u8; 16], now: Timestamp) -> Seen<'_> {
        if let Some(index) = self.find(key) {
            let cell = self.cells[index].as_mut().expect("an index leads to a cell");
            cell.used = true;
            let lives = mutant!(KeyNeverExpires) || now.ms_since(cell.at) < KEY_LIFE_MS;
            return if lives { Seen::Answered(cell) } else { Seen::Never };
        }
        let buckets = self.filter.buckets(hash(key), now);
        if buckets.is_empty() { Seen::Never } else { Seen::Perhaps(buckets) }
    }

    /// Whether the filter has room for one key more.
    pub(super) fn has_room(&self, key: &[u8; 16], now: Timestamp) -> bool {
        self.filter.place(hash(key), bucket_of(now).max(self.filter.newest)).is_some()
    }

    pub(super) fn answered(
        &mut self,
        keyed: Keyed,
        position: Position,
        at: Timestamp,
        answer: &[u8],
    ) {
        self.filter.insert(hash(&keyed.key), bucket_of(at));
        self.set(keyed, position, at, answer);
    }

    /// Takes a row out of the store into memory. One that is not there leaves nothing.
    pub(super) fn add(&mut self, key: [u8; 16], row: &[u8]) -> Result<(), Corrupt> {
        let row = KeyRow::read(row)?;
        if self.find(&key).is_none() {
            let keyed = Keyed { key, fingerprint: row.fingerprint };
            self.set(keyed, row.position, row.at, row.answer);
        }
        Ok(())
    }

    /// Notes a row of the store, without taking it into memory. One that is over by now would
    /// only take room.
    pub(super) fn note(&mut self, key: &[u8; 16], bucket: u32) {
        if self.filter.newest < bucket.saturating_add(BUCKETS_LIVE) {
            self.filter.insert(hash(key), bucket);
        }
    }

    /// All rows of the store have been noted.
    pub(super) fn complete(&mut self) {
        self.filter.complete = true;
    }

    fn set(&mut self, keyed: Keyed, position: Position, at: Timestamp, answer: &[u8]) {
        let Keyed { key, fingerprint } = keyed;
        self.heap += answer.len();
        let cell =
            Some(KeyCell { key, fingerprint, position, at, answer: answer.into(), used: true });
        if let Some(index) = self.find(&key) {
            let old = core::mem::replace(&mut self.cells[index], cell);
            self.heap -= old.map_or(0, |old| old.answer.len());
            return;
        }
        let index = if let Some(index) = self.free.pop() {
            self.cells[index as usize] = cell;
            index
        } else {
            self.cells.push(cell);
            u32::try_from(self.cells.len() - 1).expect("a shard holds fewer than 2^32 keys")
        };
        let (cells, steps) = (&self.cells, &self.steps);
        self.index.insert_unique(hash(&key), index, |&other| {
            // Asked for every key that is there, when the table grows.
            steps.set(steps.get() + 1);
            cells[other as usize].as_ref().map_or(0, |cell| hash(&cell.key))
        });
        self.step();
    }

    fn find(&self, key: &[u8; 16]) -> Option<usize> {
        let is_it = |&index: &u32| {
            self.step();
            self.cells[index as usize].as_ref().is_some_and(|cell| cell.key == *key)
        };
        self.index.find(hash(key), is_it).map(|&index| index as usize)
    }

    pub(super) fn evict(&mut self, durable: Position, steps: usize) {
        for _ in 0..steps.min(self.cells.len()) {
            self.step();
            self.hand = (self.hand + 1) % self.cells.len();
            let Some(cell) = &mut self.cells[self.hand] else { continue };
            if cell.position > durable || core::mem::take(&mut cell.used) {
                continue;
            }
            let index = self.hand as u32;
            let hash = hash(&cell.key);
            self.heap -= cell.answer.len();
            self.cells[self.hand] = None;
            self.free.push(index);
            let entry = self.index.find_entry(hash, |&other| other == index);
            entry.expect("every key in memory has its place in the index").remove();
        }
    }

    pub(super) fn memory(&self) -> usize {
        (self.cells.len() - self.free.len()) * (size_of::<Option<KeyCell>>() + 5) + self.heap
    }

    pub(super) fn filter_bytes(&self) -> usize {
        self.filter.slots.len() * 4
    }
}

/// The key is a keyed hash already; any eight bytes do, behind the four that route it.
fn hash(key: &[u8; 16]) -> u64 {
    let (_, half) = key.split_last_chunk().expect("a key has 16 bytes");
    u64::from_le_bytes(*half)
}

/// For each key 24 bits of its hash and 8 bits of its bucket, in groups of sixteen slots.
///
/// Each key has two groups that it may lie in, and goes into the emptier one: then none is
/// refused before the table is three quarters full. A slot is free again once its bucket is
/// older than a day. Where both groups are full, a keyed command is refused as `overloaded`:
/// a key is never forgotten early.
struct KeyFilter {
    slots: Vec<u32>,
    complete: bool,
    /// The newest bucket at which a live key had to be overwritten. Until that bucket is a
    /// day old the filter denies nothing.
    overflowed: Option<u32>,
    newest: u32,
}

const GROUP: usize = 16;
const EMPTY: u32 = 0;
/// The buckets in which a live key can lie.
const BUCKETS_LIVE: u32 = (KEY_LIFE_MS / BUCKET_MS) as u32 + 1;

impl KeyFilter {
    fn new(rows_max: usize) -> Self {
        let groups = (rows_max / GROUP).max(1);
        Self { slots: vec![EMPTY; groups * GROUP], complete: false, overflowed: None, newest: 0 }
    }

    fn groups(&self, hash: u64) -> [usize; 2] {
        let count = (self.slots.len() / GROUP) as u64;
        let other = hash.rotate_left(29).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        [hash, other].map(|hash| (((hash >> 32) * count) >> 32) as usize * GROUP)
    }

    fn print(hash: u64) -> u32 {
        (hash as u32 & 0x00ff_ffff).max(1)
    }

    /// The bucket that a slot names, if it is still alive at `now`.
    fn bucket(slot: u32, now: u32) -> Option<u32> {
        let age = (now as u8).wrapping_sub((slot >> 24) as u8);
        (slot != EMPTY && u32::from(age) < BUCKETS_LIVE).then(|| now.saturating_sub(age.into()))
    }

    fn buckets(&self, hash: u64, now: Timestamp) -> Vec<u32> {
        let now = bucket_of(now);
        if !self.complete || self.overflowed.is_some_and(|bucket| now < bucket + BUCKETS_LIVE) {
            return (0..BUCKETS_LIVE).filter_map(|age| now.checked_sub(age)).collect();
        }
        let print = Self::print(hash);
        let mut found: Vec<u32> = Vec::new();
        for group in self.groups(hash) {
            for &slot in &self.slots[group..group + GROUP] {
                if slot & 0x00ff_ffff == print
                    && let Some(bucket) = Self::bucket(slot, now)
                    && !found.contains(&bucket)
                {
                    found.push(bucket);
                }
            }
        }
        // Newest first: a key that was used again after its day has two rows for a while.
        found.sort_unstable_by(|left, right| right.cmp(left));
        found
    }

    fn place(&self, hash: u64, now: u32) -> Option<usize> {
        let is_free = |slot: &usize| Self::bucket(self.slots[*slot], now).is_none();
        let free = |group: usize| (group..group + GROUP).filter(is_free);
        let emptier = self.groups(hash).into_iter().max_by_key(|&group| free(group).count())?;
        free(emptier).next()
    }

    fn insert(&mut self, hash: u64, bucket: u32) {
        self.age(bucket);
        let print = Self::print(hash);
        let place = self.place(hash, self.newest).unwrap_or_else(|| {
            // Admission asked for room; only rows found at recovery can come here.
            self.overflowed = Some(self.newest);
            self.groups(hash)[0]
        });
        self.slots[place] = print | u32::from(bucket as u8) << 24;
    }

    /// Clears slots before their bucket's number could come round again: with each new
    /// bucket one part in 64 of the table, so the whole of it well within 256 buckets.
    fn age(&mut self, bucket: u32) {
        if bucket <= self.newest {
            return;
        }
        let passed = (bucket - self.newest).min(64);
        self.newest = bucket;
        let part = self.slots.len().div_ceil(64);
        for step in 0..passed {
            let start = (bucket.wrapping_sub(step) % 64) as usize * part;
            let end = (start + part).min(self.slots.len());
            for slot in self.slots.get_mut(start..end).unwrap_or_default() {
                if Self::bucket(*slot, bucket).is_none() {
                    *slot = EMPTY;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u64) -> [u8; 16] {
        let mut key = [0; 16];
        key[8..].copy_from_slice(&xxhash_rust::xxh3::xxh3_64(&number.to_le_bytes()).to_le_bytes());
        key
    }

    fn keyed(number: u64) -> Keyed {
        Keyed { key: key(number), fingerprint: [1; 16] }
    }

    #[test]
    fn a_key_lives_for_a_day_and_no_longer() {
        let mut keys = Keys::new(64);
        keys.complete();
        let start = Timestamp::from_ms(1_000_000_000_000);
        keys.answered(keyed(1), Position::new(7), start, b"answer");
        let last = Timestamp::from_ms(start.ms() + KEY_LIFE_MS - 1);
        assert!(matches!(keys.seen(&key(1), last), Seen::Answered(_)));
        let over = Timestamp::from_ms(start.ms() + KEY_LIFE_MS);
        assert_eq!(keys.seen(&key(1), over), Seen::Never);
        assert_eq!(keys.seen(&key(2), start), Seen::Never);
        keys.evict(Position::new(7), 10);
        keys.evict(Position::new(7), 10);
        assert_eq!(keys.seen(&key(1), start), Seen::Perhaps(vec![bucket_of(start)]));
    }

    #[test]
    fn a_full_filter_has_no_room_and_forgets_nothing_until_a_day_has_passed() {
        let mut keys = Keys::new(256);
        keys.complete();
        let start = Timestamp::from_ms(1_000_000_000_000);
        let mut kept = Vec::new();
        for number in 0..2_000 {
            if keys.has_room(&key(number), start) {
                keys.answered(keyed(number), Position::new(number), start, b"");
                kept.push(number);
            }
        }
        assert!(kept.len() > 200 && kept.len() <= 256, "{} of 256 slots used", kept.len());
        assert!(
            kept.iter().all(|&number| matches!(keys.seen(&key(number), start), Seen::Answered(_)))
        );
        let next_day = Timestamp::from_ms(start.ms() + KEY_LIFE_MS + BUCKET_MS);
        assert!((5_000..5_050).all(|number| keys.has_room(&key(number), next_day)));
    }

    #[test]
    fn three_quarters_of_the_slots_are_used_before_any_key_is_refused() {
        let slots = 1 << 18;
        let mut keys = Keys::new(slots);
        let start = Timestamp::from_ms(1_000_000_000_000);
        for number in 0..slots as u64 / 4 * 3 {
            assert!(keys.has_room(&key(number), start), "key {number} of {slots}");
            keys.note(&key(number), bucket_of(start));
        }
    }

    #[test]
    fn buckets_do_not_come_round_again() {
        let mut filter = KeyFilter::new(64);
        filter.complete = true;
        let start = 1_000_000;
        filter.insert(77, start);
        for bucket in start..start + 300 {
            filter.insert(78 + u64::from(bucket), bucket);
            let at = Timestamp::from_ms(u64::from(bucket) * BUCKET_MS);
            let found = filter.buckets(77, at).contains(&start);
            assert_eq!(found, bucket - start < BUCKETS_LIVE, "{} buckets on", bucket - start);
        }
    }
}
