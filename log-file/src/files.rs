//! Which files a log has: the numbers of its segments, without gaps, and where each begins.

use std::path::Path;

use quipu_core::disk::Disk;
use quipu_core::log::LogError;

use crate::layout::{HEADER_LEN, LogId, SECTOR, segment_name, segment_number};
use crate::read::Sealed;
use crate::segment::{Found, Segment, Window, damaged, failed};

/// The numbers of all segments in a directory, in order.
pub(crate) fn numbers<D: Disk>(disk: &D, dir: &Path) -> Result<Vec<u64>, LogError> {
    let names = disk.list(dir).map_err(failed)?;
    let mut numbers: Vec<_> = names.iter().filter_map(|name| segment_number(name)).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

pub(crate) fn check_gaps(dir: &Path, numbers: &[u64]) -> Result<(), LogError> {
    for pair in numbers.windows(2) {
        if pair[1] != pair[0] + 1 {
            let path = dir.join(segment_name(pair[0] + 1));
            let why = "this segment of the log is missing";
            return Err(damaged(&path, 0, why));
        }
    }
    Ok(())
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
