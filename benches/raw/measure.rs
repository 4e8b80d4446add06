//! What one write and its sync take on a disk, without a log around them.

use std::path::Path;
use std::time::{Duration, Instant};

use quipu_core::disk::{AlignedBytes, Disk, DiskError, File};

/// What is there of a file before it is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ahead {
    /// Zeros, and they are durable.
    Zeros,
    /// Room, in extents that nobody has written.
    Room,
    /// Nothing: each write makes the file longer.
    Nothing,
}

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Case {
    /// The bytes of one write.
    pub(crate) size: usize,
    /// What is there before.
    pub(crate) ahead: Ahead,
    /// Past the cache, or through it.
    pub(crate) direct: bool,
}

impl Case {
    /// Writes a file from its beginning, each write followed by a sync, and says what each
    /// pair took, in the order in which they were made. The file is made for this and removed.
    pub(crate) fn run(self, disk: &impl Disk, count: usize) -> Result<Vec<Duration>, DiskError> {
        let name = Path::new("measured");
        let file = disk.create(name)?;
        let mut bytes = AlignedBytes::with_capacity(self.size);
        self.prepare(&file, &mut bytes, count)?;
        disk.sync_dir(Path::new(""))?;
        bytes.clear();
        bytes.resize(self.size, 7);
        let mut took = Vec::with_capacity(count);
        for index in 0..count {
            let offset = (index * self.size) as u64;
            let start = Instant::now();
            if self.direct {
                file.write_direct(offset, &bytes)?;
            } else {
                file.write_at(offset, &bytes)?;
            }
            file.sync()?;
            took.push(start.elapsed());
        }
        disk.remove(name)?;
        Ok(took)
    }

    fn prepare(
        self,
        file: &impl File,
        zeros: &mut AlignedBytes,
        count: usize,
    ) -> Result<(), DiskError> {
        if self.ahead != Ahead::Nothing {
            file.allocate((count * self.size) as u64)?;
        }
        if self.ahead == Ahead::Zeros {
            zeros.resize(self.size, 0);
            for index in 0..count {
                file.write_at((index * self.size) as u64, zeros)?;
            }
        }
        file.sync()
    }
}

/// The time that so many percent stay below; of sorted times.
pub(crate) fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}
