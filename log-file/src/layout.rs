//! What lies in a segment, byte by byte: its header, and the headers of its frames.
//!
//! ```text
//! segment    0  header, one sector
//!          512  frame, frame, …; each begins at a sector
//!               zeros up to the end of what was made ahead, or a footer in a sealed segment
//! ```
//!
//! Integers are little-endian. A sector is 512 bytes: a disk writes it whole or not at all.

use quipu_core::log::{Anchor, Frame};
use quipu_core::words::{Epoch, Position, Timestamp};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// Every write begins and ends at a multiple of this.
pub(crate) const SECTOR: usize = 512;

/// The format of segments that this code writes, and the newest that it reads.
pub const FORMAT: u32 = 1;

/// The largest payload of a frame: one entry of eight MiB, and its part of a frame.
pub(crate) const PAYLOAD_LEN_MAX: usize = (8 << 20) + (64 << 10);

/// The bytes of a frame's header.
pub(crate) const HEADER_LEN: usize = 128;

/// The most that a frame takes in a segment.
pub(crate) const FRAME_LEN_MAX: u64 = frame_len(PAYLOAD_LEN_MAX);

const SEGMENT_MAGIC: [u8; 8] = *b"QUIPUSEG";
const FRAME_MAGIC: u32 = u32::from_le_bytes(*b"KNOT");
const OPENS: u32 = 1;

/// Which log it is. Restored from a backup, a ledger is another one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct LogId(pub [u8; 16]);

/// The bytes of a frame with a payload of that length, up to the next sector.
pub(crate) const fn frame_len(payload_len: usize) -> u64 {
    (HEADER_LEN + payload_len).next_multiple_of(SECTOR) as u64
}

/// The header of a segment.
///
/// ```text
///   0  "QUIPUSEG" │ format u32 │ 0 u32
///  16  the log's id, 16 bytes
///  32  number of the segment u64 │ epoch of the writer that made it u64
///  48  length that the file was made with u64 │ zeros
/// 504  checksum u64: xxh3 of what lies before
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct SegmentHeader {
    pub(crate) log: LogId,
    pub(crate) number: u64,
    pub(crate) epoch: Epoch,
    /// Only a sealed segment is shorter.
    pub(crate) capacity: u64,
}

/// Why a sector is not the header of a segment that can be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NotSegment {
    /// It is not the header of any segment, or no longer.
    Damaged,
    /// It was written by a newer version.
    Newer(u32),
}

impl SegmentHeader {
    pub(crate) fn encode(&self) -> [u8; SECTOR] {
        let mut out = [0; SECTOR];
        out[..8].copy_from_slice(&SEGMENT_MAGIC);
        out[8..12].copy_from_slice(&FORMAT.to_le_bytes());
        out[16..32].copy_from_slice(&self.log.0);
        out[32..40].copy_from_slice(&self.number.to_le_bytes());
        out[40..48].copy_from_slice(&self.epoch.get().to_le_bytes());
        out[48..56].copy_from_slice(&self.capacity.to_le_bytes());
        let sum = xxh3_64(&out[..504]);
        out[504..].copy_from_slice(&sum.to_le_bytes());
        out
    }

    pub(crate) fn decode(sector: &[u8; SECTOR]) -> Result<Self, NotSegment> {
        let is_whole = u64_at(sector, 504) == xxh3_64(&sector[..504]);
        if sector[..8] != SEGMENT_MAGIC || !is_whole {
            return Err(NotSegment::Damaged);
        }
        match u32_at(sector, 8) {
            FORMAT => {}
            format if format > FORMAT => return Err(NotSegment::Newer(format)),
            _ => return Err(NotSegment::Damaged),
        }
        let log = LogId(sector[16..32].try_into().expect("sixteen bytes"));
        let epoch = Epoch::new(u64_at(sector, 40));
        let (number, capacity) = (u64_at(sector, 32), u64_at(sector, 48));
        // There is always a next one.
        if number == u64::MAX || epoch.get() == u64::MAX {
            return Err(NotSegment::Damaged);
        }
        Ok(Self { log, number, epoch, capacity })
    }

    /// What seeds every checksum in the segment, so that bytes of another segment, of another
    /// log, or of a file that lay in this place before never pass.
    pub(crate) fn seed(&self) -> u64 {
        let mut bytes = [0; 32];
        bytes[..16].copy_from_slice(&self.log.0);
        bytes[16..24].copy_from_slice(&self.number.to_le_bytes());
        bytes[24..].copy_from_slice(&self.epoch.get().to_le_bytes());
        xxh3_64_with_seed(&bytes, u64::from(FORMAT))
    }
}

/// The header of a frame.
///
/// ```text
///   0  "KNOT" │ flags u32 (1: written when the log was opened)
///   8  number of the frame u64, from 1 │ number of the last frame known to be durable u64
///  24  epoch u64
///  32  first position u64 │ number of events u64
///  48  now u64 │ now_limit u64
///  64  watermark u64
///  72  hash of all history before, 32 bytes
/// 104  length of the payload u64
/// 112  checksum of the payload u64: xxh3, seeded by the segment and the offset
/// 120  checksum of the header u64: likewise, over what lies before
/// 128  payload, and zeros up to the next sector
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct FrameHeader {
    /// Whether it was written when the log was opened, before its segment had a name.
    pub(crate) opens: bool,
    /// Frames are numbered without gaps, those without events as well.
    pub(crate) number: u64,
    /// Every frame up to this one was durable when this one was written.
    pub(crate) proves: u64,
    pub(crate) epoch: Epoch,
    pub(crate) first: Position,
    pub(crate) events: u64,
    pub(crate) now: Timestamp,
    pub(crate) now_limit: Timestamp,
    pub(crate) watermark: Position,
    /// The hash of all history before.
    pub(crate) link: [u8; 32],
    pub(crate) payload_len: usize,
    pub(crate) payload_sum: u64,
}

impl FrameHeader {
    /// The header of a frame, without what belongs to its place.
    pub(crate) fn of(frame: &Frame, number: u64, proves: u64, before: &Anchor) -> Self {
        Self {
            opens: false,
            number,
            proves,
            epoch: frame.epoch,
            first: frame.first,
            events: frame.events,
            now: frame.now,
            now_limit: frame.now_limit,
            watermark: frame.watermark,
            link: before.hash,
            payload_len: frame.bytes.len(),
            payload_sum: 0,
        }
    }

    pub(crate) fn encode(&self, seed: u64, offset: u64) -> [u8; HEADER_LEN] {
        let mut out = [0; HEADER_LEN];
        out[..4].copy_from_slice(&FRAME_MAGIC.to_le_bytes());
        out[4..8].copy_from_slice(&(if self.opens { OPENS } else { 0 }).to_le_bytes());
        let mut put = |at: usize, word: u64| {
            out[at..at + 8].copy_from_slice(&word.to_le_bytes());
        };
        put(8, self.number);
        put(16, self.proves);
        put(24, self.epoch.get());
        put(32, self.first.get());
        put(40, self.events);
        put(48, self.now.ms());
        put(56, self.now_limit.ms());
        put(64, self.watermark.get());
        put(104, self.payload_len as u64);
        put(112, self.payload_sum);
        out[72..104].copy_from_slice(&self.link);
        let sum = checksum(&out[..120], seed, offset);
        out[120..].copy_from_slice(&sum.to_le_bytes());
        out
    }

    /// The header that lies at an offset; `None` where none of this segment does.
    pub(crate) fn decode(bytes: &[u8; HEADER_LEN], seed: u64, offset: u64) -> Option<Self> {
        if u32_at(bytes, 0) != FRAME_MAGIC
            || u64_at(bytes, 120) != checksum(&bytes[..120], seed, offset)
        {
            return None;
        }
        let payload_len = usize::try_from(u64_at(bytes, 104)).ok()?;
        let flags = u32_at(bytes, 4);
        let (first, events) = (u64_at(bytes, 32), u64_at(bytes, 40));
        let (number, epoch) = (u64_at(bytes, 8), u64_at(bytes, 24));
        // There is one before, or it is the first; and there is always a next one.
        let is_numbered = number > 0 && number < u64::MAX && epoch < u64::MAX;
        if payload_len > PAYLOAD_LEN_MAX
            || flags & !OPENS != 0
            || first == 0
            || first.checked_add(events).is_none()
            || !is_numbered
        {
            return None;
        }
        Some(Self {
            opens: flags == OPENS,
            number,
            proves: u64_at(bytes, 16),
            epoch: Epoch::new(epoch),
            first: Position::new(first),
            events,
            now: Timestamp::from_ms(u64_at(bytes, 48)),
            now_limit: Timestamp::from_ms(u64_at(bytes, 56)),
            watermark: Position::new(u64_at(bytes, 64)),
            link: bytes[72..104].try_into().expect("thirty-two bytes"),
            payload_len,
            payload_sum: u64_at(bytes, 112),
        })
    }

    /// How far the frame reaches in its segment.
    pub(crate) fn frame_len(&self) -> u64 {
        frame_len(self.payload_len)
    }

    /// The position behind its last event.
    pub(crate) fn next(&self) -> Position {
        self.first.plus(self.events)
    }

    /// All history before the frame.
    pub(crate) fn before(&self) -> Anchor {
        Anchor { position: Position::new(self.first.get() - 1), hash: self.link }
    }

    /// The frame with its payload.
    pub(crate) fn frame(&self, payload: &[u8]) -> Frame {
        Frame {
            epoch: self.epoch,
            first: self.first,
            events: self.events,
            now: self.now,
            now_limit: self.now_limit,
            watermark: self.watermark,
            bytes: payload.to_vec(),
        }
    }
}

/// The checksum of bytes in a segment: of a frame's header, or of its payload.
pub(crate) fn checksum(bytes: &[u8], seed: u64, offset: u64) -> u64 {
    xxh3_64_with_seed(bytes, seed ^ offset.rotate_left(32))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

/// The name of a segment's file.
pub(crate) fn segment_name(number: u64) -> String {
    format!("{number:012}.seg")
}

/// The number of the segment that a file holds by its name.
pub(crate) fn segment_number(name: &str) -> Option<u64> {
    let number = name.strip_suffix(".seg")?.parse().ok()?;
    (segment_name(number) == name).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: FrameHeader = FrameHeader {
        opens: false,
        number: 1,
        proves: 0,
        epoch: Epoch::new(1),
        first: Position::new(1),
        events: 1,
        now: Timestamp::ZERO,
        now_limit: Timestamp::ZERO,
        watermark: Position::ZERO,
        link: [0; 32],
        payload_len: 0,
        payload_sum: 0,
    };

    #[test]
    fn a_header_that_nothing_can_follow_is_none() {
        let decode = |header: &FrameHeader| FrameHeader::decode(&header.encode(7, 512), 7, 512);
        assert_eq!(decode(&FIRST), Some(FIRST));
        let wrong = [
            FrameHeader { number: 0, ..FIRST },
            FrameHeader { number: u64::MAX, ..FIRST },
            FrameHeader { epoch: Epoch::new(u64::MAX), ..FIRST },
            FrameHeader { first: Position::ZERO, ..FIRST },
            FrameHeader { events: u64::MAX, ..FIRST },
            FrameHeader { payload_len: PAYLOAD_LEN_MAX + 1, ..FIRST },
        ];
        for header in wrong {
            assert_eq!(decode(&header), None, "{header:?}");
        }
        let segment =
            SegmentHeader { log: LogId([1; 16]), number: 1, epoch: Epoch::new(1), capacity: 512 };
        assert_eq!(SegmentHeader::decode(&segment.encode()), Ok(segment));
        for segment in [
            SegmentHeader { number: u64::MAX, ..segment },
            SegmentHeader { epoch: Epoch::new(u64::MAX), ..segment },
        ] {
            assert_eq!(SegmentHeader::decode(&segment.encode()), Err(NotSegment::Damaged));
        }
    }
}
