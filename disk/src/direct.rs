//! Writes that pass by the page cache: a second way into a file, opened with `O_DIRECT`.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{AtFlags, Mode, OFlags, StatxFlags, statx};

/// The smallest sector that a disk has.
const SECTOR: u64 = 512;

/// No disk asks for more than a page, so a file that refuses this refuses all.
const PAGE: u64 = 4_096;

#[derive(Debug)]
pub(crate) struct Direct {
    file: File,
    /// What offset, length and address must be multiples of. Zero: nothing goes this way any
    /// more.
    granule: AtomicU64,
}

impl Direct {
    /// The way past the cache, where the file system has one.
    pub(crate) fn of(file: &File) -> Option<Self> {
        let granule = AtomicU64::new(granule(file)?);
        let file = reopen(file).ok()?;
        Some(Self { file, granule })
    }

    pub(crate) fn granule(&self) -> Option<u64> {
        Some(self.granule.load(Ordering::Relaxed)).filter(|granule| *granule > 0)
    }

    /// Writes as much as may go this way, and says how much that is; the rest is for the page
    /// cache.
    pub(crate) fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        let mut written = 0;
        while written < bytes.len() {
            let (at, rest) = (offset + written as u64, &bytes[written..]);
            let numbers = [at, rest.len() as u64, rest.as_ptr().addr() as u64];
            let fits = |granule: &u64| numbers.iter().all(|number| number.is_multiple_of(*granule));
            let Some(granule) = self.granule().filter(fits) else { break };
            match self.file.write_at(rest, at) {
                Ok(0) => break,
                Ok(count) => written += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::InvalidInput => self.refused(granule),
                Err(error) => return Err(error),
            }
        }
        Ok(written)
    }

    /// The granule was too fine, or this file never goes this way. Whoever comes second with
    /// the same finding changes nothing.
    fn refused(&self, granule: u64) {
        let next = if granule < PAGE { PAGE } else { 0 };
        let order = Ordering::Relaxed;
        let _ = self.granule.compare_exchange(granule, next, order, order);
    }
}

/// What the file system says; where it says nothing, the least, and writes will tell.
fn granule(file: &File) -> Option<u64> {
    let said = statx(file, c"", AtFlags::EMPTY_PATH, StatxFlags::DIOALIGN).ok();
    match said.filter(|said| said.stx_mask & StatxFlags::DIOALIGN.bits() != 0) {
        None => Some(SECTOR),
        Some(said) if said.stx_dio_offset_align == 0 => None,
        Some(said) => {
            let least = said.stx_dio_offset_align.max(said.stx_dio_mem_align);
            Some(u64::from(least).max(SECTOR))
        }
    }
}

/// By the open file and not by its name, which may be another file's by now.
fn reopen(file: &File) -> Result<File, rustix::io::Errno> {
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let flags = OFlags::WRONLY | OFlags::DIRECT | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?.into())
}

#[cfg(test)]
mod tests {
    use quipu_core::disk::AlignedBytes;

    use super::{AtomicU64, Direct, PAGE, reopen};

    #[test]
    fn what_is_aligned_passes_whole_and_nothing_else_does() {
        let file = tempfile::tempfile().expect("a file");
        let Some(direct) = Direct::of(&file) else { return };
        let mut bytes = AlignedBytes::default();
        bytes.resize(1 << 20, 7);
        direct.write(0, &bytes[..512]).expect("written, or refused where a sector is larger");
        let Some(granule) = direct.granule() else { return };
        let size = granule as usize;
        for (offset, range) in [(0, 0..1 << 20), (granule, size..3 * size), (5 * granule, 0..size)]
        {
            let written = direct.write(offset, &bytes[range.clone()]).expect("written");
            assert_eq!(written, range.len(), "{range:?} at {offset}");
        }
        let misaligned = [
            (granule - 1, 0..size),
            (granule / 2, 0..size),
            (0, 1..size + 1),
            (0, 0..size - 1),
            (0, 0..size + size / 2),
        ];
        for (offset, range) in misaligned {
            let written = direct.write(offset, &bytes[range.clone()]).expect("not asked");
            assert_eq!(written, 0, "{range:?} at {offset}");
        }
        assert_eq!(direct.granule(), Some(granule), "what fits is not refused");
    }

    #[test]
    fn a_write_that_is_refused_goes_through_the_cache_and_is_not_asked_for_again() {
        let file = tempfile::tempfile().expect("a file");
        // A file system that goes through the cache in any case takes everything.
        let Ok(reopened) = reopen(&file) else { return };
        let takes_all = Direct { file: reopened, granule: AtomicU64::new(1) }
            .write(0, &[7])
            .is_ok_and(|written| written == 1);
        // Granules that no disk has let through what every other one refuses.
        for (granule, left) in [(100, Some(PAGE)), (PAGE + 1, None)] {
            let file = reopen(&file).expect("once more");
            let direct = Direct { file, granule: AtomicU64::new(granule) };
            let size = granule as usize;
            let bytes = vec![7; 2 * size];
            let start = (size - bytes.as_ptr().addr() % size) % size;
            let written = direct.write(0, &bytes[start..start + size]).expect("no other error");
            let after = (written, direct.granule());
            assert_eq!(after, if takes_all { (size, Some(granule)) } else { (0, left) });
            for _ in 0..3 {
                direct.refused(granule);
                assert_eq!(direct.granule(), left, "found out again, it is no news");
            }
        }
    }
}
