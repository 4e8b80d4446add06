//! The rows of the log in redb: its state, and the parts of its frames. All are sealed.

use quipu_core::log::{Anchor, Frame};
use quipu_core::words::{Epoch, Position, Timestamp};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// How many bytes of a frame one row holds at most, and the block that such a row takes: redb
/// gives out blocks whose lengths are powers of two, and would take twice as much for a frame of
/// a little more than that.
pub(super) const PART_LEN: usize = BLOCK_LEN - 1_024;
pub(super) const BLOCK_LEN: usize = 256 << 10;
/// What stands before the entries of a frame.
pub(super) const HEAD_LEN: usize = 80;

const SEAL_LEN: usize = 8;
const STATE_LEN: usize = 64;
/// Under this a state is sealed; parts of frames under their own keys.
const STATE_KEY: (u64, u32) = (0, u32::MAX);
/// Seeds every seal.
const SEED: u64 = u64::from_le_bytes(*b"redb log");

/// What a log is, but for its frames.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct State {
    /// The last writer's.
    pub(super) epoch: Epoch,
    pub(super) now_limit: Timestamp,
    /// The first position that is kept.
    pub(super) first: Position,
    /// Behind the last frame.
    pub(super) end: Anchor,
}

impl State {
    pub(super) const NEW: Self = Self {
        epoch: Epoch::ZERO,
        now_limit: Timestamp::from_ms(0),
        first: Position::new(1),
        end: Anchor::START,
    };

    pub(super) fn next(&self) -> Position {
        self.end.position.plus(1)
    }

    pub(super) fn to_row(self) -> Vec<u8> {
        let words =
            [self.epoch.get(), self.now_limit.ms(), self.first.get(), self.end.position.get()];
        let mut body = Vec::with_capacity(STATE_LEN);
        words.iter().for_each(|word| body.extend(word.to_le_bytes()));
        body.extend(self.end.hash);
        sealed(STATE_KEY, &body)
    }

    /// The state in a row; `None` where the row is not one.
    pub(super) fn of_row(row: &[u8]) -> Option<Self> {
        let body = unsealed(STATE_KEY, row)?;
        let (words, hash) = body.split_at_checked(STATE_LEN - 32)?;
        let state = Self {
            epoch: Epoch::new(word(words, 0)),
            now_limit: Timestamp::from_ms(word(words, 1)),
            first: Position::new(word(words, 2)),
            end: Anchor { position: Position::new(word(words, 3)), hash: hash.try_into().ok()? },
        };
        // Short of the greatest number, so that there is a next position.
        let is_sound = state.first.get() > 0 && state.end.position.get() < u64::MAX;
        (is_sound && state.first <= state.next()).then_some(state)
    }
}

/// The rows of a frame: their keys, and what lies under each.
pub(super) fn to_rows(
    frame: &Frame,
    before: &Anchor,
) -> impl Iterator<Item = ((u64, u32), Vec<u8>)> {
    let mut bytes = Vec::with_capacity(HEAD_LEN + frame.bytes.len());
    let words = [
        frame.epoch.get(),
        frame.events,
        frame.now.ms(),
        frame.now_limit.ms(),
        frame.watermark.get(),
        frame.bytes.len() as u64,
    ];
    words.iter().for_each(|word| bytes.extend(word.to_le_bytes()));
    bytes.extend(before.hash);
    bytes.extend(&frame.bytes);
    let first = frame.first.get();
    let parts = bytes.len().div_ceil(PART_LEN) as u32;
    (0..parts).map(move |part| {
        let rest = &bytes[part as usize * PART_LEN..];
        let key = (first, part);
        (key, sealed(key, &rest[..rest.len().min(PART_LEN)]))
    })
}

/// Adds what a row holds to the parts of its frame before it. `None` where it is none.
pub(super) fn gather(key: (u64, u32), row: &[u8], into: &mut Vec<u8>) -> Option<()> {
    into.extend(unsealed(key, row)?);
    Some(())
}

/// The frame whose parts these are, and the anchor before it. `None` where they are no frame.
pub(super) fn of_parts(first: Position, mut bytes: Vec<u8>) -> Option<(Frame, Anchor)> {
    let head = bytes.get(..HEAD_LEN)?;
    let (words, hash) = head.split_at(HEAD_LEN - 32);
    let hash = hash.try_into().ok()?;
    let [epoch, events, now, now_limit, watermark, len] =
        [0, 1, 2, 3, 4, 5].map(|at| word(words, at));
    let is_whole = (bytes.len() - HEAD_LEN) as u64 == len;
    // Its last position is one.
    if !is_whole || events == 0 || first.get().checked_add(events).is_none() {
        return None;
    }
    bytes.drain(..HEAD_LEN);
    let frame = Frame {
        epoch: Epoch::new(epoch),
        first,
        events,
        now: Timestamp::from_ms(now),
        now_limit: Timestamp::from_ms(now_limit),
        watermark: Position::new(watermark),
        bytes,
    };
    Some((frame, Anchor { position: Position::new(first.get() - 1), hash }))
}

/// The most bytes of a file that a frame of one entry can take: its blocks, and a page of
/// branches for each.
pub(super) fn room_of(entry_len: usize) -> u64 {
    let branch = 4_096;
    let len = HEAD_LEN + entry_len;
    let last = (len % PART_LEN + 512).next_power_of_two().clamp(4_096, BLOCK_LEN);
    (len / PART_LEN * (BLOCK_LEN + branch) + last + branch) as u64
}

fn sealed(key: (u64, u32), body: &[u8]) -> Vec<u8> {
    let mut row = Vec::with_capacity(SEAL_LEN + body.len());
    row.extend(seal(key, body).to_le_bytes());
    row.extend(body);
    row
}

fn unsealed(key: (u64, u32), row: &[u8]) -> Option<&[u8]> {
    let (known, body) = row.split_at_checked(SEAL_LEN)?;
    (word(known, 0) == seal(key, body)).then_some(body)
}

fn seal((first, part): (u64, u32), body: &[u8]) -> u64 {
    let mut key = [0; 12];
    key[..8].copy_from_slice(&first.to_le_bytes());
    key[8..].copy_from_slice(&part.to_le_bytes());
    xxh3_64_with_seed(body, xxh3_64_with_seed(&key, SEED))
}

fn word(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(*bytes[at * 8..].first_chunk().expect("the caller knows the length"))
}
