//! Bytes of one open file.

use std::fs::File as OsFile;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::{OnceLock, PoisonError, RwLock};

use quipu_core::disk::{DiskError, File};
use rustix::io::Errno;

use crate::direct::Direct;
use crate::error::{disk_error, failed};
use crate::os;

/// No file is longer, since offsets of the system are signed.
const END_MAX: u64 = i64::MAX as u64;

/// How much is written at once where room is taken with zeros.
const FILL: usize = 1 << 20;

/// An open file of a [`RealDisk`](crate::RealDisk).
///
/// Two handles on one file may read and write as they like. They may not both make it longer:
/// where one finds the disk full while it allocates, it cuts the file back to what it was.
#[derive(Debug)]
pub struct RealFile {
    file: OsFile,
    path: PathBuf,
    /// Opened by the first direct write; most files never see one.
    direct: OnceLock<Option<Direct>>,
    /// Writers share it. Who may have to cut the file back has it alone, so that no cut takes
    /// what a writer has added.
    growth: RwLock<()>,
}

impl RealFile {
    pub(crate) fn new(file: OsFile, path: PathBuf) -> Self {
        Self { file, path, direct: OnceLock::new(), growth: RwLock::new(()) }
    }

    /// What offset, length and address of a direct write must be multiples of to pass by the
    /// cache. `None` where none does: the file system has no way past it, or has refused one.
    #[must_use]
    pub fn direct_granule(&self) -> Option<u64> {
        self.direct()?.granule()
    }

    fn direct(&self) -> Option<&Direct> {
        self.direct.get_or_init(|| Direct::of(&self.file)).as_ref()
    }

    /// Does what may make the file longer, up to an end.
    fn grow(
        &self,
        end: Option<u64>,
        change: impl FnOnce() -> io::Result<()>,
    ) -> Result<(), DiskError> {
        self.reaches(end)?;
        let _shared = self.growth.read().unwrap_or_else(PoisonError::into_inner);
        change().map_err(|error| self.error(error))
    }

    fn reaches(&self, end: Option<u64>) -> Result<(), DiskError> {
        match end {
            Some(0..=END_MAX) => Ok(()),
            _ => Err(failed(&self.path, "no file can be that long")),
        }
    }

    /// Takes room by writing zeros, where nothing else takes it. Without a sync: if that failed,
    /// the caller's own would no longer say so.
    fn fill(&self, old_len: u64, len: u64) -> io::Result<()> {
        let inside = old_len.min(len);
        let mut at = 0;
        while let Some((start, end)) = os::hole(&self.file, at, inside) {
            self.zero(start, end)?;
            at = end;
        }
        self.zero(old_len, len)
    }

    fn zero(&self, start: u64, end: u64) -> io::Result<()> {
        let zeros = vec![0; FILL];
        let mut at = start;
        while at < end {
            let count = (end - at).min(FILL as u64);
            self.file.write_all_at(&zeros[..count as usize], at)?;
            at += count;
        }
        Ok(())
    }

    fn error(&self, error: impl Into<io::Error>) -> DiskError {
        disk_error(&self.path, error)
    }
}

impl File for RealFile {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<(), DiskError> {
        let end = offset.saturating_add(into.len() as u64);
        let short = || DiskError::ShortRead { path: self.path.clone(), end };
        if end > END_MAX {
            return Err(short());
        }
        self.file.read_exact_at(into, offset).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => short(),
            _ => self.error(error),
        })
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
        let end = offset.checked_add(bytes.len() as u64);
        self.grow(end, || self.file.write_all_at(bytes, offset))
    }

    fn write_direct(&self, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
        let end = offset.checked_add(bytes.len() as u64);
        self.grow(end, || {
            let written = match self.direct() {
                Some(direct) => direct.write(offset, bytes)?,
                None => 0,
            };
            self.file.write_all_at(&bytes[written..], offset + written as u64)
        })
    }

    fn byte_len(&self) -> Result<u64, DiskError> {
        Ok(self.file.metadata().map_err(|error| self.error(error))?.len())
    }

    fn set_len(&self, len: u64) -> Result<(), DiskError> {
        self.grow(Some(len), || self.file.set_len(len))
    }

    fn allocate(&self, len: u64) -> Result<(), DiskError> {
        self.reaches(Some(len))?;
        if len == 0 {
            return Ok(()); // which the system takes for a mistake
        }
        let _alone = self.growth.write().unwrap_or_else(PoisonError::into_inner);
        let old_len = self.byte_len()?;
        let taken = match os::allocate(&self.file, len) {
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => self.fill(old_len, len),
            taken => taken.map_err(io::Error::from),
        };
        taken.or_else(|error| {
            // What there was room for goes back, also what lies behind the end already.
            self.file.set_len(old_len).map_err(|error| self.error(error))?;
            Err(self.error(error))
        })
    }

    fn sync(&self) -> Result<(), DiskError> {
        os::sync_file(&self.file).map_err(|error| self.error(error))
    }

    fn forget(&self) {
        os::forget(&self.file);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use quipu_core::disk::AlignedBytes;

    use super::*;

    /// Bytes, a hole of a megabyte and a half that is not aligned, bytes.
    fn with_a_hole() -> RealFile {
        let file = RealFile::new(tempfile::tempfile().expect("a file"), "file".into());
        file.write_at(0, &[7; 10_000]).expect("written");
        file.write_at(1_600_000, &[8; 10_000]).expect("written");
        file
    }

    fn bytes(file: &RealFile) -> Vec<u8> {
        let mut bytes = vec![0; file.byte_len().expect("a length") as usize];
        file.read_at(0, &mut bytes).expect("readable");
        bytes
    }

    #[test]
    fn zeros_take_the_room_of_holes_and_harm_no_byte() {
        for len in [5_000, 10_000, 1_000_000, 1_605_000, 1_610_000, 3_000_001] {
            let file = with_a_hole();
            let mut wanted = bytes(&file);
            wanted.resize(wanted.len().max(len as usize), 0);
            file.fill(1_610_000, len).expect("filled");
            file.sync().expect("synced");
            assert!(bytes(&file) == wanted, "{len}");
            let room = file.file.metadata().expect("metadata").blocks() * 512;
            assert!(room >= len, "{room} of {len}");
        }
    }

    #[test]
    fn only_a_direct_write_opens_the_way_past_the_cache() {
        let file = with_a_hole();
        file.sync().expect("synced");
        bytes(&file);
        assert!(file.direct.get().is_none(), "most files never need it");
        file.write_direct(0, b"abc").expect("written");
        assert!(file.direct.get().is_some());
        assert_eq!(&bytes(&file)[..4], b"abc\x07");
    }

    #[test]
    fn a_direct_write_takes_the_way_past_the_cache_and_no_other_does() {
        // The way leads into another file here, so that it shows who takes it.
        let (file, elsewhere) = (with_a_hole(), tempfile::tempfile().expect("a file"));
        file.direct.set(Direct::of(&elsewhere)).expect("nobody has looked for it");
        let mut passing = AlignedBytes::default();
        passing.resize(4_096, 9);
        file.write_direct(4_096, &passing).expect("written");
        if file.direct_granule().is_none_or(|granule| granule > 4_096) {
            return; // There is no such way on this file system.
        }
        assert_eq!(elsewhere.metadata().expect("metadata").len(), 8_192);
        assert_eq!(bytes(&file)[..10_000], [7; 10_000]);
        file.write_at(4_096, &passing).expect("written");
        assert_eq!(bytes(&file)[4_096..8_192], [9; 4_096]);
    }

    #[test]
    fn without_a_way_past_the_cache_every_write_goes_through_it() {
        let file = with_a_hole();
        file.direct.set(None).expect("nobody has looked for it");
        assert_eq!(file.direct_granule(), None);
        file.write_direct(512, &[9; 1_024]).expect("written");
        assert_eq!(bytes(&file)[511..1_537], [&[7][..], &[9; 1_024], &[7]].concat());
    }
}
