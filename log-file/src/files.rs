//! Which files a log has: the numbers of its segments, without gaps, and where each begins.

use std::path::Path;

use quipu_core::disk::{Disk, DiskError, File};
use quipu_core::log::LogError;
use xxhash_rust::xxh3::xxh3_64;

use crate::layout::{FORMAT, HEADER_LEN, LogId, SECTOR, segment_name, segment_number};
use crate::read::Sealed;
use crate::segment::{Found, Segment, Window, damaged, failed, unsynced};

/// The file that says which segment is the first one that is kept, where some were dropped.
///
/// ```text
///   0  "QUIPUKEP" │ format u32 │ 0 u32
///  16  the log's id, 16 bytes
///  32  number of the segment u64 │ zeros
/// 504  checksum u64: xxh3 of what lies before
/// ```
///
/// It is there, durably, before any segment goes. So segments may come back after a crash, in any
/// order, and none is missed that was dropped.
const KEPT: &str = "kept";
const KEPT_NEW: &str = "kept.tmp";
const MAGIC: [u8; 8] = *b"QUIPUKEP";

/// The numbers of the segments in a directory, in order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Numbers {
    /// Those that are kept, without gaps.
    pub(crate) kept: Vec<u64>,
    /// Those that were dropped and are there still, or again.
    pub(crate) dropped: Vec<u64>,
}

impl Numbers {
    /// Lists a directory.
    pub(crate) fn list<D: Disk>(disk: &D, dir: &Path, log: LogId) -> Result<Self, LogError> {
        let mut all = numbers(disk, dir)?;
        let first = first_kept(disk, dir, log)?;
        let kept = all.split_off(all.partition_point(|number| *number < first));
        for (number, found) in (first..).zip(&kept) {
            if number != *found {
                return Err(missing(dir, number));
            }
        }
        if kept.is_empty() && (first > 1 || !all.is_empty()) {
            return Err(missing(dir, first));
        }
        Ok(Self { kept, dropped: all })
    }
}

fn missing(dir: &Path, number: u64) -> LogError {
    damaged(&dir.join(segment_name(number)), 0, "this segment of the log is missing")
}

/// The numbers of all segments in a directory, in order.
pub(crate) fn numbers<D: Disk>(disk: &D, dir: &Path) -> Result<Vec<u64>, LogError> {
    let names = disk.list(dir).map_err(failed)?;
    let mut numbers: Vec<_> = names.iter().filter_map(|name| segment_number(name)).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

fn first_kept<D: Disk>(disk: &D, dir: &Path, log: LogId) -> Result<u64, LogError> {
    let path = dir.join(KEPT);
    let file = match disk.open(&path) {
        Err(DiskError::NotFound(_)) => return Ok(1),
        file => file.map_err(failed)?,
    };
    let mut sector = [0; SECTOR];
    match file.read_at(0, &mut sector) {
        Err(DiskError::ShortRead { .. }) => {
            return Err(damaged(&path, 0, "the file is shorter than it was made"));
        }
        read => read.map_err(failed)?,
    }
    let number = u64::from_le_bytes(sector[32..40].try_into().expect("eight bytes"));
    if sector != encode(log, number) {
        let why = "it does not say which segment is the first that is kept";
        return Err(damaged(&path, 0, why));
    }
    Ok(number)
}

/// Says, durably, which segment is the first that is kept.
pub(crate) fn keep_from<D: Disk>(
    disk: &D,
    dir: &Path,
    log: LogId,
    number: u64,
) -> Result<(), LogError> {
    let new = dir.join(KEPT_NEW);
    match disk.remove(&new) {
        Err(DiskError::NotFound(_)) => {}
        removed => removed.map_err(failed)?,
    }
    let file = disk.create(&new).map_err(failed)?;
    file.write_at(0, &encode(log, number)).map_err(failed)?;
    file.sync().map_err(unsynced)?;
    disk.rename(&new, &dir.join(KEPT)).map_err(failed)?;
    disk.sync_dir(dir).map_err(unsynced)
}

fn encode(log: LogId, number: u64) -> [u8; SECTOR] {
    let mut out = [0; SECTOR];
    out[..8].copy_from_slice(&MAGIC);
    out[8..12].copy_from_slice(&FORMAT.to_le_bytes());
    out[16..32].copy_from_slice(&log.0);
    out[32..40].copy_from_slice(&number.to_le_bytes());
    let sum = xxh3_64(&out[..504]);
    out[504..].copy_from_slice(&sum.to_le_bytes());
    out
}

/// The segments before one, with their first positions.
pub(crate) fn sealed_before<D: Disk>(
    disk: &D,
    dir: &Path,
    log: LogId,
    numbers: &[u64],
    made: u64,
) -> Result<Vec<Sealed>, LogError> {
    let mut window = Window::new();
    let mut sealed: Vec<Sealed> = Vec::new();
    for number in numbers.iter().copied().filter(|number| *number < made) {
        let segment = Segment::open(disk, dir, number, log)?;
        let end = segment.byte_len()?;
        let found = window.find(&segment, SECTOR as u64, end, HEADER_LEN)?;
        let Found::Header(header) = found else {
            return Err(segment.damaged(SECTOR as u64, "the first frame is damaged"));
        };
        let first = header.first;
        if sealed.last().is_some_and(|before| before.first > first) {
            return Err(segment.damaged(SECTOR as u64, "the segment does not continue the log"));
        }
        sealed.push(Sealed { number, first });
    }
    Ok(sealed)
}
