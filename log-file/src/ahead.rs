//! Room ahead of need: the next segment, filled with zeros while there is time for it.
//!
//! ```text
//! ahead.tmp   being filled ── full, synced ──► ahead.spare   zeros, nobody's
//! ahead.spare ── renamed first, so that a spare always holds zeros ──► next.tmp
//! next.tmp    header written, synced ──► 000000000007.seg, which has no frame yet
//! ```
//!
//! A write into zeros that are on the disk already changes nothing but bytes, so its sync is
//! the cheapest there is. When the log outruns the filling, room is taken without it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use quipu_core::disk::{AlignedBytes, Disk, DiskError, File};
use quipu_core::log::LogError;
use quipu_core::mutant;

use crate::layout::{SegmentHeader, segment_name};
use crate::segment::{Segment, failed, unsynced};

const FILLING: &str = "ahead.tmp";
const SPARE: &str = "ahead.spare";
const NEXT: &str = "next.tmp";

/// Whether a file is one that was not finished, which the next opening removes.
pub(crate) fn is_unfinished(name: &str) -> bool {
    name == FILLING || name == NEXT
}

/// Makes segments.
pub(crate) struct Ahead<D: Disk> {
    disk: D,
    dir: PathBuf,
    fill_bytes: usize,
    /// Of that length once the first spare is begun.
    zeros: AlignedBytes,
    filling: Option<Filling<D::File>>,
    /// The length of the spare, where there is one.
    spare: Option<u64>,
}

struct Filling<F> {
    file: F,
    filled: u64,
    capacity: u64,
}

impl<D: Disk> Ahead<D> {
    /// Takes over what an earlier opening left.
    pub(crate) fn open(disk: D, dir: &Path, fill_bytes: usize) -> Result<Self, LogError> {
        let mut spare = None;
        for name in disk.list(dir).map_err(failed)? {
            let path = dir.join(&name);
            if is_unfinished(&name) {
                disk.remove(&path).map_err(failed)?;
            } else if name == SPARE {
                spare = Some(disk.open(&path).and_then(|file| file.byte_len()).map_err(failed)?);
            }
        }
        let (dir, zeros) = (dir.to_owned(), AlignedBytes::default());
        Ok(Self { disk, dir, fill_bytes, zeros, filling: None, spare })
    }

    /// Whether a spare is at hand.
    pub(crate) fn has_spare(&self) -> bool {
        self.spare.is_some()
    }

    /// Fills the next bit of a spare of this length with zeros. Says whether one is ready.
    pub(crate) fn fill(&mut self, capacity: u64) -> Result<bool, LogError> {
        if self.spare.is_some() {
            return Ok(true);
        }
        let result = self.fill_some(capacity);
        if result.is_err() {
            // Half a spare is of no use, and it may be what there is no room for.
            self.filling = None;
            self.remove(FILLING)?;
        }
        result
    }

    fn fill_some(&mut self, capacity: u64) -> Result<bool, LogError> {
        let path = self.dir.join(FILLING);
        let filling = match &mut self.filling {
            Some(filling) => filling,
            empty => {
                let file = self.disk.create(&path).map_err(failed)?;
                file.allocate(capacity).map_err(failed)?;
                self.zeros.resize(self.fill_bytes, 0);
                empty.insert(Filling { file, filled: 0, capacity })
            }
        };
        if filling.filled < filling.capacity {
            let len = self.zeros.len().min((filling.capacity - filling.filled) as usize);
            filling.file.write_direct(filling.filled, &self.zeros[..len]).map_err(failed)?;
            filling.file.sync().map_err(failed)?;
            filling.filled += len as u64;
            return Ok(false);
        }
        let capacity = filling.capacity;
        self.filling = None;
        self.disk.rename(&path, &self.dir.join(SPARE)).map_err(failed)?;
        self.disk.sync_dir(&self.dir).map_err(unsynced)?;
        self.spare = Some(capacity);
        Ok(true)
    }

    /// Makes a segment under a name that does not count yet: of the spare where there is one of at
    /// least this length, else of room that the disk gives now. `fill` writes its frames. Then syncs it and gives
    /// it its name, in place of a segment that has that name.
    pub(crate) fn make(
        &mut self,
        mut header: SegmentHeader,
        least: u64,
        fill: impl FnOnce(&Segment<D::File>) -> Result<(), LogError>,
    ) -> Result<Segment<D::File>, LogError> {
        let made = self.make_unnamed(&mut header, least, fill);
        if made.is_err() {
            self.remove(NEXT)?;
        }
        let mut segment = made?;
        let path = self.dir.join(segment_name(header.number));
        self.disk.rename(&segment.path, &path).map_err(failed)?;
        if !mutant!(SegmentNameNotSynced) {
            self.disk.sync_dir(&self.dir).map_err(unsynced)?;
        }
        segment.path = path;
        Ok(segment)
    }

    fn make_unnamed(
        &mut self,
        header: &mut SegmentHeader,
        least: u64,
        fill: impl FnOnce(&Segment<D::File>) -> Result<(), LogError>,
    ) -> Result<Segment<D::File>, LogError> {
        let path = self.dir.join(NEXT);
        let file = match self.spare.take() {
            Some(capacity) if capacity >= least => {
                header.capacity = capacity;
                self.disk.rename(&self.dir.join(SPARE), &path).map_err(failed)?;
                self.disk.sync_dir(&self.dir).map_err(unsynced)?;
                self.disk.open(&path).map_err(failed)?
            }
            too_short => {
                if too_short.is_some() {
                    self.remove(SPARE)?;
                }
                let file = self.disk.create(&path).map_err(failed)?;
                file.allocate(header.capacity).map_err(failed)?;
                file
            }
        };
        let segment = Segment { header: *header, seed: header.seed(), path, file: Arc::new(file) };
        let mut first = AlignedBytes::with_capacity(AlignedBytes::ALIGNMENT);
        first.extend_from_slice(&header.encode());
        segment.file.write_direct(0, &first).map_err(failed)?;
        fill(&segment)?;
        if !mutant!(SegmentNotSynced) {
            segment.file.sync().map_err(unsynced)?;
        }
        Ok(segment)
    }

    fn remove(&self, name: &str) -> Result<(), LogError> {
        match self.disk.remove(&self.dir.join(name)) {
            Ok(()) | Err(DiskError::NotFound(_)) => Ok(()),
            Err(other) => Err(failed(other)),
        }
    }
}
