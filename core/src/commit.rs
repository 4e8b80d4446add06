//! The committer: takes entries in the order of positions, makes frames, moves the watermark.

use core::ops::Range;
use std::collections::VecDeque;
use std::sync::Arc;

use crate::batch::{Batch, Merge};
use crate::log::{Finish, Frame};
use crate::records::Row;
use crate::words::{Epoch, Position, Timestamp};

/// How far ahead of a frame's own time its `now_limit` lies.
pub const NOW_LIMIT_AHEAD_MS: u64 = 1_000;

/// The most bytes of a frame that holds more than one entry.
pub const FRAME_BYTES_MAX: usize = 1 << 20;

/// The one writer of a log, without the log.
///
/// Call [`add`](Self::add) with every batch, [`gather`](Self::gather) while fewer appends are
/// under way than the log takes, append the frame, and [`finish`](Self::finish) with how the
/// oldest one ended. Apply the rows that it gives to the store, and only then show
/// [`Published`] to the shards.
#[derive(Debug)]
pub struct Committer {
    merge: Merge,
    epoch: Epoch,
    published: Published,
    asked: Timestamp,
    /// Whether a later frame says that the last one is durable.
    sealed: bool,
    /// What is under way, the oldest first.
    flights: VecDeque<Flight>,
    failed: Option<Finish>,
}

/// What is durable.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Published {
    /// Everything at or below this position survives power loss.
    pub watermark: Position,
    /// Answers may show times up to here.
    pub now_limit: Timestamp,
}

#[derive(Debug)]
struct Flight {
    last: Position,
    now_limit: Timestamp,
    rows: Vec<(Arc<Batch>, Range<usize>)>,
    slots: u64,
    reserved: u64,
}

/// A frame that became durable.
#[derive(Debug)]
pub struct Committed {
    /// What may be shown once the rows are applied.
    pub published: Published,
    /// Slots of the ring that are free again.
    pub slots: u64,
    /// Bytes of the log's reservation that are used or free again.
    pub reserved: u64,
    rows: Vec<(Arc<Batch>, Range<usize>)>,
}

impl Committed {
    /// The changed rows, in log order.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.rows.iter().flat_map(|(batch, range)| batch.rows.range(range.clone()))
    }
}

impl Committer {
    /// A committer that continues a log behind what is published.
    #[must_use]
    pub fn new(shards: usize, epoch: Epoch, published: Published) -> Self {
        let merge = Merge::new(shards, published.watermark.plus(1));
        Self {
            merge,
            epoch,
            published,
            asked: Timestamp::ZERO,
            sealed: true,
            flights: VecDeque::new(),
            failed: None,
        }
    }

    /// Takes over what a shard did in a tick.
    pub fn add(&mut self, shard: usize, batch: Batch) {
        self.merge.add(shard, batch);
    }

    /// Asks for a durable time that covers this one, because an answer waits for it.
    pub fn ask_time(&mut self, now: Timestamp) {
        self.asked = self.asked.max(now);
    }

    /// Whether the log says that all of it is durable, and nothing is under way.
    #[must_use]
    pub fn is_sealed(&self) -> bool {
        self.sealed && self.flights.is_empty()
    }

    /// What is durable.
    #[must_use]
    pub fn published(&self) -> Published {
        self.published
    }

    /// How many appends are under way.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.flights.len()
    }

    /// How the log failed, once it has. Nothing is acknowledged from then on.
    #[must_use]
    pub fn failed(&self) -> Option<Finish> {
        self.failed
    }

    /// Whether [`gather`](Self::gather) would make a frame.
    #[must_use]
    pub fn can_gather(&self) -> bool {
        let wanted = self.merge.peek().is_some() || self.asked > self.limit();
        self.failed.is_none() && wanted
    }

    /// Whether so much is there that the next frame will be a full one. While an append is under
    /// way only such a frame gains by being made: any other can still grow.
    #[must_use]
    pub fn can_fill(&self) -> bool {
        self.failed.is_none() && self.merge.byte_len() >= FRAME_BYTES_MAX
    }

    /// The `now_limit` of the last frame that was made.
    fn limit(&self) -> Timestamp {
        self.flights.back().map_or(self.published.now_limit, |flight| flight.now_limit)
    }

    /// Makes the next frame: all that is there in order, up to [`FRAME_BYTES_MAX`] or one
    /// larger entry. A frame without events where only a time is asked for; else `None`.
    pub fn gather(&mut self, now: Timestamp) -> Option<Frame> {
        if self.failed.is_some() {
            return None;
        }
        let first = self.merge.next();
        let mut bytes = Vec::with_capacity(self.merge.byte_len().min(FRAME_BYTES_MAX));
        let (mut slots, mut reserved, mut rows) = (0, 0, Vec::new());
        let mut latest = now.max(self.asked);
        while let Some((_, len)) = self.merge.peek() {
            if !bytes.is_empty() && bytes.len() + len > FRAME_BYTES_MAX {
                break;
            }
            let Some((batch, index)) = self.merge.pop() else { break };
            let (entry, range) = batch.entry(index);
            bytes.extend_from_slice(entry);
            latest = latest.max(now_of(entry));
            slots += batch.entries[index].slots;
            reserved += batch.entries[index].reserved;
            rows.push((Arc::clone(&batch), range));
        }
        if bytes.is_empty() && self.asked <= self.limit() {
            return None;
        }
        let events = self.merge.next().get() - first.get();
        let last = Position::new(first.get() + events - 1);
        let ahead = Timestamp::from_ms(latest.ms() + NOW_LIMIT_AHEAD_MS);
        let now_limit = self.limit().max(ahead);
        self.flights.push_back(Flight { last, now_limit, rows, slots, reserved });
        self.sealed = false;
        let (epoch, watermark) = (self.epoch, self.published.watermark);
        Some(Frame { epoch, first, events, now: latest, now_limit, watermark, bytes })
    }

    /// Makes a frame that says no more than that the one before it is durable, so that rot in
    /// that one is not taken for an append that power cut short. `None` where that was said, or
    /// where there is something better to append. It is for an idle log, and a clean stop.
    pub fn seal(&mut self, now: Timestamp) -> Option<Frame> {
        let is_busy = !self.flights.is_empty() || self.can_gather();
        if self.sealed || is_busy || self.failed.is_some() {
            return None;
        }
        self.sealed = true;
        let Published { watermark, now_limit } = self.published;
        let (rows, slots, reserved) = (Vec::new(), 0, 0);
        self.flights.push_back(Flight { last: watermark, now_limit, rows, slots, reserved });
        let (epoch, first) = (self.epoch, self.merge.next());
        let now = now.min(now_limit);
        Some(Frame { epoch, first, events: 0, now, now_limit, watermark, bytes: Vec::new() })
    }

    /// Takes note of how the oldest append under way ended. Anything but durable is final.
    pub fn finish(&mut self, finish: Finish) -> Option<Committed> {
        let flight = self.flights.pop_front()?;
        if finish != Finish::Durable || self.failed.is_some() {
            self.failed.get_or_insert(finish);
            return None;
        }
        self.published = Published { watermark: flight.last, now_limit: flight.now_limit };
        let Flight { slots, reserved, rows, .. } = flight;
        Some(Committed { published: self.published, slots, reserved, rows })
    }
}

/// The time in an entry's header.
fn now_of(entry: &[u8]) -> Timestamp {
    let word: [u8; 8] = entry[8..16].try_into().expect("an entry begins with its header");
    Timestamp::from_ms(u64::from_le_bytes(word) >> 16)
}
