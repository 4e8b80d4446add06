//! What can be set, with its defaults.

use crate::footer::footer_len_max;
use crate::layout::{FRAME_LEN_MAX, SECTOR};

/// How a log lays out its files.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// The length of the first two segments after an opening. Each one that is filled makes the
    /// next to be made twice as long, up to `segment_bytes_max`. So a ledger that does little takes
    /// little.
    pub segment_bytes_min: u64,
    /// The length beyond which segments do not grow.
    pub segment_bytes_max: u64,
    /// How much of a segment is filled with zeros at a time while the log is idle.
    pub fill_bytes: usize,
    /// From which length on a frame is written by a thread of its own, so that its hash is made
    /// and the next one is gathered meanwhile; `None` where all are written by the caller. A
    /// thread costs a wake-up, which a small frame never earns back.
    pub beside_bytes: Option<usize>,
}

impl Settings {
    /// The shortest that a segment can be: the largest frame fits into every one, with what
    /// stands before and behind it.
    pub const SEGMENT_BYTES_LEAST: u64 =
        (FRAME_LEN_MAX + 2 * SECTOR as u64 + footer_len_max(FRAME_LEN_MAX + SEGMENT_STEP))
            .next_multiple_of(SEGMENT_STEP);

    /// The settings with lengths that can be had.
    pub(crate) fn sane(&self) -> Self {
        let least = Self::SEGMENT_BYTES_LEAST;
        let segment_bytes_min = self.segment_bytes_min.max(least).next_multiple_of(SEGMENT_STEP);
        let segment_bytes_max =
            self.segment_bytes_max.max(segment_bytes_min).next_multiple_of(SEGMENT_STEP);
        let fill_bytes = self.fill_bytes.next_multiple_of(4_096).clamp(4_096, 8 << 20);
        Self { segment_bytes_min, segment_bytes_max, fill_bytes, beside_bytes: self.beside_bytes }
    }
}

/// Lengths of segments are multiples of this.
const SEGMENT_STEP: u64 = 1 << 20;

impl Default for Settings {
    fn default() -> Self {
        Self {
            segment_bytes_min: Self::SEGMENT_BYTES_LEAST,
            segment_bytes_max: 64 << 20,
            fill_bytes: 256 << 10,
            beside_bytes: Some(64 << 10),
        }
    }
}
