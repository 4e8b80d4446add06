//! What a shard hands to the committer at the end of a tick, and the ring that orders it.

use std::sync::Arc;

use crate::records::Rows;
use crate::words::{Fault, Position};

/// The sequencer between shards and committer: a slot is a position.
///
/// A command reserves slots and log bytes before it is decided, so a shard never has to
/// refuse after it has applied. Positions are taken at decide time, which gives every entry
/// a later place than all that it rests on, on whatever shard that was decided.
pub trait Ring {
    /// The most room that an entry of that many bytes can take on the log, framed all by itself.
    /// It never falls as the length grows.
    fn room_of(&self, entry_len: usize) -> u64;

    /// Sets slots and room aside, or says what there is too little of; then nothing is set aside.
    fn reserve(&mut self, slots: u64, room: u64) -> Result<(), Fault>;

    /// Gives back slots and room that were reserved and are not needed.
    fn release(&mut self, slots: u64, room: u64);

    /// Takes that many consecutive positions, out of slots that were reserved.
    fn take(&mut self, slots: u64) -> Position;
}

/// Where one entry lies in its batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EntryAt {
    /// The position of its first event.
    pub first: Position,
    /// How many positions it takes.
    pub events: u16,
    /// Where its bytes end; they begin where the entry before ends.
    pub end: u32,
    /// Where its rows end, likewise.
    pub rows_end: u32,
    /// The slots that were reserved for it.
    pub slots: u64,
    /// The room that is reserved for it.
    pub reserved: u64,
}

/// The entries of one tick of one shard, in order, with the rows that they changed.
#[derive(Clone, Default, Debug)]
pub struct Batch {
    /// The packed entries, one behind the other.
    pub bytes: Vec<u8>,
    /// The changed rows.
    pub rows: Rows,
    /// Where each entry lies.
    pub entries: Vec<EntryAt>,
}

impl Batch {
    /// Whether nothing happened.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// An empty one with room for as much: ticks are alike, and what grows is copied.
    #[must_use]
    pub(crate) fn same_size(&self) -> Self {
        Self {
            bytes: Vec::with_capacity(self.bytes.len()),
            rows: self.rows.same_size(),
            entries: Vec::with_capacity(self.entries.len()),
        }
    }

    /// The bytes and the rows of one entry.
    #[must_use]
    pub fn entry(&self, index: usize) -> (&[u8], core::ops::Range<usize>) {
        let at = self.entries[index];
        let (start, rows_start) = match index.checked_sub(1) {
            Some(before) => (self.entries[before].end, self.entries[before].rows_end),
            None => (0, 0),
        };
        (&self.bytes[start as usize..at.end as usize], rows_start as usize..at.rows_end as usize)
    }
}

/// What a frame takes beside its entry: every log counts something of that kind.
const FRAMED_BYTES: u64 = 64;

/// A ring without threads, for drivers that run one step at a time.
#[derive(Clone, Debug)]
pub struct MemoryRing {
    next: Position,
    slots: u64,
    bytes: u64,
    /// How much is set aside.
    drawn: u64,
    /// What the log has room for, where anybody says; and whether the disk gives no more.
    room: (u64, bool),
    /// What an entry takes, where a log says.
    rule: fn(usize) -> u64,
    disk_full: bool,
}

impl MemoryRing {
    /// A ring whose next position is this, with room for that many slots and bytes.
    #[must_use]
    pub fn new(next: Position, slots: u64, bytes: u64) -> Self {
        let rule = |entry_len| FRAMED_BYTES + entry_len as u64;
        Self { next, slots, bytes, drawn: 0, room: (u64::MAX, false), rule, disk_full: false }
    }

    /// Counts what an entry takes as a log does.
    pub fn follow(&mut self, rule: fn(usize) -> u64) {
        self.rule = rule;
    }

    /// Says how much the log has room for, what is set aside included, and whether the disk gives
    /// no more than that.
    pub fn set_room(&mut self, room: u64, full: bool) {
        self.room = (room, full);
    }

    /// The position that the next event will take.
    #[must_use]
    pub fn next(&self) -> Position {
        self.next
    }

    /// Says whether the disk can give another segment: where it cannot, nothing is admitted.
    pub fn set_disk_full(&mut self, full: bool) {
        self.disk_full = full;
    }

    /// What is free.
    #[must_use]
    pub fn free(&self) -> (u64, u64) {
        (self.slots, self.bytes)
    }
}

impl Ring for MemoryRing {
    fn room_of(&self, entry_len: usize) -> u64 {
        (self.rule)(entry_len)
    }

    fn reserve(&mut self, slots: u64, bytes: u64) -> Result<(), Fault> {
        if self.disk_full {
            return Err(Fault::DiskFull);
        }
        if slots > self.slots || bytes > self.bytes {
            return Err(Fault::Overloaded);
        }
        let (room, is_full) = self.room;
        if self.drawn + bytes > room {
            return Err(if is_full { Fault::DiskFull } else { Fault::Overloaded });
        }
        self.slots -= slots;
        self.bytes -= bytes;
        self.drawn += bytes;
        Ok(())
    }

    fn release(&mut self, slots: u64, bytes: u64) {
        self.slots += slots;
        self.bytes += bytes;
        self.drawn -= bytes;
    }

    fn take(&mut self, slots: u64) -> Position {
        let first = self.next;
        self.next = first.plus(slots);
        first
    }
}

/// Batches of several shards, read in the order of positions.
#[derive(Debug)]
pub struct Merge {
    lanes: Vec<std::collections::VecDeque<(Arc<Batch>, usize)>>,
    next: Position,
    byte_len: usize,
}

/// One entry of a [`Merge`]: its batch, and its index there.
pub type Merged = (Arc<Batch>, usize);

impl Merge {
    /// Batches of that many shards, beginning at a position.
    #[must_use]
    pub fn new(shards: usize, next: Position) -> Self {
        Self { lanes: vec![std::collections::VecDeque::new(); shards], next, byte_len: 0 }
    }

    /// Adds what a shard did, in the shard's order.
    pub fn add(&mut self, shard: usize, batch: Batch) {
        if !batch.is_empty() {
            self.byte_len += batch.bytes.len();
            self.lanes[shard].push_back((Arc::new(batch), 0));
        }
    }

    /// The length of all entries that wait.
    #[must_use]
    pub fn byte_len(&self) -> usize {
        self.byte_len
    }

    /// The position of the next entry.
    #[must_use]
    pub fn next(&self) -> Position {
        self.next
    }

    /// The next entry and its length, if the shard that took its position has handed it over.
    #[must_use]
    pub fn peek(&self) -> Option<(usize, usize)> {
        self.lanes.iter().enumerate().find_map(|(lane, queue)| {
            let (batch, index) = queue.front()?;
            (batch.entries[*index].first == self.next).then(|| (lane, batch.entry(*index).0.len()))
        })
    }

    /// Takes the next entry.
    pub fn pop(&mut self) -> Option<Merged> {
        let (lane, _) = self.peek()?;
        let (batch, index) = self.lanes[lane].front_mut()?;
        let merged = (Arc::clone(batch), *index);
        self.next = self.next.plus(u64::from(batch.entries[*index].events));
        self.byte_len -= batch.entry(*index).0.len();
        *index += 1;
        if *index == batch.entries.len() {
            self.lanes[lane].pop_front();
        }
        Some(merged)
    }
}
