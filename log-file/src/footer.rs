//! The footer of a sealed segment: where its positions lie. It is a hint; frames say the same.
//!
//! ```text
//!   0  "QUIPUEND" │ number of places u64
//!  16  position behind the last event u64 │ number of the last frame u64
//!  32  hash of all history up to there, 32 bytes
//!  64  place, place, …: position u64 │ offset u64
//!      zeros
//! -16  offset of the footer u64 │ checksum u64 of all of it before, seeded by the segment
//! ```
//!
//! The file ends with the footer's last sector.

use quipu_core::disk::File;
use quipu_core::log::LogError;
use quipu_core::words::Position;

use crate::layout::{SECTOR, checksum};
use crate::segment::{Segment, failed};

const MAGIC: [u8; 8] = *b"QUIPUEND";
const FRONT: usize = 64;
const BACK: usize = 16;

/// One place for so many bytes of a segment.
const STEP: u64 = 64 << 10;

/// The most that a footer takes in a segment of this length, and a sector: so a segment that has
/// its footer is always cut.
pub(crate) const fn footer_len_max(capacity: u64) -> u64 {
    let len = (capacity / STEP + 2) * 16 + (FRONT + BACK + SECTOR) as u64;
    len.next_multiple_of(SECTOR as u64)
}

/// Where in a segment some of its positions lie, in order. Its size follows from the segment's.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Index(Vec<(Position, u64)>);

impl Index {
    /// Takes note of a frame, unless one shortly before is noted.
    pub(crate) fn note(&mut self, first: Position, offset: u64) {
        if self.0.last().is_none_or(|(_, last)| offset >= last + STEP) {
            self.0.push((first, offset));
        }
    }

    /// The places before an offset.
    pub(crate) fn before(&self, offset: u64) -> Self {
        Self(self.0.iter().copied().filter(|(_, at)| *at < offset).collect())
    }

    /// Where to look for a position: the frame that holds it lies here or behind.
    pub(crate) fn look_from(&self, position: Position) -> u64 {
        // A frame without events has the same first position as the one behind it.
        let before = self.0.partition_point(|(first, _)| *first <= position);
        before.checked_sub(1).map_or(SECTOR as u64, |index| self.0[index].1)
    }
}

/// What a footer says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Footer {
    /// Where it begins, which is where the last frame ends.
    pub(crate) offset: u64,
    pub(crate) next: Position,
    pub(crate) last_number: u64,
    pub(crate) hash: [u8; 32],
    pub(crate) index: Index,
}

impl Footer {
    pub(crate) fn encode(&self, seed: u64) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&(self.index.0.len() as u64).to_le_bytes());
        out.extend_from_slice(&self.next.get().to_le_bytes());
        out.extend_from_slice(&self.last_number.to_le_bytes());
        out.extend_from_slice(&self.hash);
        for (position, offset) in &self.index.0 {
            out.extend_from_slice(&position.get().to_le_bytes());
            out.extend_from_slice(&offset.to_le_bytes());
        }
        out.resize((out.len() + BACK).next_multiple_of(SECTOR) - BACK, 0);
        out.extend_from_slice(&self.offset.to_le_bytes());
        let sum = checksum(&out, seed, self.offset);
        out.extend_from_slice(&sum.to_le_bytes());
        out
    }

    /// The footer that begins at an offset, if one does. The file need not end with it.
    pub(crate) fn at<F: File>(segment: &Segment<F>, offset: u64) -> Result<Option<Self>, LogError> {
        let room = segment.byte_len()?.saturating_sub(offset);
        let mut bytes = vec![0; room.min(footer_len_max(segment.header.capacity)) as usize];
        segment.file.read_at(offset, &mut bytes).map_err(failed)?;
        if bytes.len() < SECTOR || bytes[..8] != MAGIC {
            return Ok(None);
        }
        let count = usize::try_from(word(&bytes, 8)).unwrap_or(usize::MAX);
        let len = count.saturating_mul(16).saturating_add(FRONT + BACK);
        let len = len.checked_next_multiple_of(SECTOR);
        let footer = len.and_then(|len| Self::decode(bytes.get(..len)?, segment.seed, offset));
        Ok(footer)
    }

    /// The footer with which a segment ends, if it ends with one.
    pub(crate) fn read<F: File>(segment: &Segment<F>) -> Result<Option<Self>, LogError> {
        let len = segment.byte_len()?;
        let mut back = [0; BACK];
        let Some(back_at) = len.checked_sub(BACK as u64) else { return Ok(None) };
        segment.file.read_at(back_at, &mut back).map_err(failed)?;
        let offset = word(&back, 0);
        let bounds = SECTOR as u64..=len.saturating_sub(SECTOR as u64);
        if !bounds.contains(&offset) || !(len - offset).is_multiple_of(SECTOR as u64) {
            return Ok(None);
        }
        if len - offset > footer_len_max(len) {
            return Ok(None);
        }
        let mut bytes = vec![0; (len - offset) as usize];
        segment.file.read_at(offset, &mut bytes).map_err(failed)?;
        Ok(Self::decode(&bytes, segment.seed, offset))
    }

    fn decode(bytes: &[u8], seed: u64, offset: u64) -> Option<Self> {
        let (all, sum) = bytes.split_last_chunk::<8>()?;
        if all.len() < FRONT
            || all[..8] != MAGIC
            || u64::from_le_bytes(*sum) != checksum(all, seed, offset)
        {
            return None;
        }
        let count = usize::try_from(word(all, 8)).ok()?;
        let places = all[FRONT..].get(..count.checked_mul(16)?)?;
        let places = places.chunks_exact(16);
        let places = places.map(|place| (Position::new(word(place, 0)), word(place, 8)));
        Some(Self {
            offset,
            next: Position::new(word(all, 16)),
            last_number: word(all, 24),
            hash: all[32..64].try_into().expect("thirty-two bytes"),
            index: Index(places.collect()),
        })
    }
}

fn word(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}
