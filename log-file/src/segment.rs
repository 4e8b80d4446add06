//! A segment: one file of the log, and how its frames are read.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use quipu_core::damage::Damage;
use quipu_core::disk::{Disk, DiskError, File};
use quipu_core::log::LogError;
use quipu_core::mutant;

use crate::footer::footer_len_max;
use crate::layout::{
    FORMAT, FrameHeader, HEADER_LEN, LogId, NotSegment, SECTOR, SegmentHeader, checksum,
    segment_name,
};

/// An open segment.
pub(crate) struct Segment<F> {
    pub(crate) header: SegmentHeader,
    pub(crate) seed: u64,
    pub(crate) path: PathBuf,
    pub(crate) file: Arc<F>,
}

impl<F> Clone for Segment<F> {
    fn clone(&self) -> Self {
        let Self { header, seed, path, file } = self;
        Self { header: *header, seed: *seed, path: path.clone(), file: Arc::clone(file) }
    }
}

/// What lies at an offset where a frame may begin.
#[derive(Debug)]
pub(crate) enum Found {
    /// A whole header. Its payload has not been looked at.
    Header(FrameHeader),
    /// Zeros: nothing was written there.
    Nothing,
    /// Something else, and why it is no frame.
    Bad(&'static str),
}

impl<F: File> Segment<F> {
    /// Opens a segment, which must belong to this log.
    pub(crate) fn open<D: Disk<File = F>>(
        disk: &D,
        dir: &Path,
        number: u64,
        log: LogId,
    ) -> Result<Self, LogError> {
        let path = dir.join(segment_name(number));
        let file = disk.open(&path).map_err(|error| match error {
            DiskError::NotFound(path) => {
                LogError::Damaged(Damage::new(path, 0, "this segment of the log is missing"))
            }
            other => failed(other),
        })?;
        let mut sector = [0; SECTOR];
        if file.byte_len().map_err(failed)? < SECTOR as u64 {
            return Err(damaged(&path, 0, "the file is too short to be a segment of a log"));
        }
        file.read_at(0, &mut sector).map_err(failed)?;
        let header = SegmentHeader::decode(&sector).map_err(|why| match why {
            NotSegment::Damaged => damaged(&path, 0, "the header of the segment is damaged"),
            NotSegment::Newer(format) => LogError::Failed(format!(
                "{} has format {format}, but this version of Quipu knows formats up to {FORMAT} \
                 only; use a newer version",
                path.display()
            )),
        })?;
        if header.log != log {
            return Err(LogError::Failed(format!(
                "{} belongs to another ledger; put this ledger's own back, or restore a backup",
                path.display()
            )));
        }
        if header.number != number {
            let why = format!("the segment says that it is number {}", header.number);
            return Err(damaged(&path, 0, why));
        }
        Ok(Self { header, seed: header.seed(), path, file: Arc::new(file) })
    }

    /// Up to where frames may lie: behind that is the footer's room.
    pub(crate) fn frames_end(&self) -> u64 {
        self.header.capacity.saturating_sub(footer_len_max(self.header.capacity))
    }

    pub(crate) fn byte_len(&self) -> Result<u64, LogError> {
        self.file.byte_len().map_err(failed)
    }

    pub(crate) fn damaged(&self, offset: u64, why: impl Into<String>) -> LogError {
        damaged(&self.path, offset, why)
    }
}

/// A stretch of a segment in memory, so that many small frames take few reads.
pub(crate) struct Window {
    number: u64,
    start: u64,
    bytes: Vec<u8>,
}

impl Window {
    /// How much is read at once where reading goes on from frame to frame.
    pub(crate) const AHEAD: usize = 1 << 20;
    /// How much is read at once where it does not.
    pub(crate) const NEAR: usize = 16 << 10;

    pub(crate) fn new() -> Self {
        Self { number: 0, start: 0, bytes: Vec::new() }
    }

    /// The bytes from an offset on, `len` of them or fewer where `end` comes first. Where they
    /// are not at hand, `ahead` bytes are read.
    pub(crate) fn get<F: File>(
        &mut self,
        segment: &Segment<F>,
        offset: u64,
        len: usize,
        end: u64,
        ahead: usize,
    ) -> Result<&[u8], LogError> {
        let len = clamp(end.saturating_sub(offset), len);
        let held = self.number == segment.header.number
            && offset >= self.start
            && offset + len as u64 <= self.start + self.bytes.len() as u64;
        if !held {
            let wanted = clamp(end.saturating_sub(offset), len.max(ahead));
            self.bytes.resize(wanted, 0);
            (self.number, self.start) = (segment.header.number, offset);
            if let Err(error) = segment.file.read_at(offset, &mut self.bytes) {
                self.bytes.clear();
                return Err(failed(error));
            }
        }
        let from = (offset - self.start) as usize;
        Ok(&self.bytes[from..from + len])
    }

    /// What lies at an offset where a frame may begin.
    pub(crate) fn find<F: File>(
        &mut self,
        segment: &Segment<F>,
        offset: u64,
        end: u64,
        ahead: usize,
    ) -> Result<Found, LogError> {
        let bytes = self.get(segment, offset, HEADER_LEN, end, ahead)?;
        let Some(bytes) = bytes.first_chunk() else { return Ok(Found::Nothing) };
        Ok(match FrameHeader::decode(bytes, segment.seed, offset) {
            Some(header) if header.frame_len() > end - offset => {
                Found::Bad("the frame reaches beyond the end of the segment")
            }
            Some(header) => Found::Header(header),
            None if bytes.iter().all(|byte| *byte == 0) => Found::Nothing,
            None => Found::Bad("no frame begins here"),
        })
    }

    /// The payload of the frame at an offset, once its checksum has been found right.
    pub(crate) fn payload<F: File>(
        &mut self,
        segment: &Segment<F>,
        offset: u64,
        header: &FrameHeader,
        ahead: usize,
    ) -> Result<Option<&[u8]>, LogError> {
        let len = header.frame_len() as usize;
        let bytes = self.get(segment, offset, len, offset + len as u64, ahead.max(len))?;
        let payload = &bytes[HEADER_LEN..HEADER_LEN + header.payload_len];
        let is_whole = checksum(payload, segment.seed, payload_at(offset)) == header.payload_sum
            || mutant!(TornFrameAccepted);
        Ok(is_whole.then_some(payload))
    }

    /// Whether only zeros lie between the payload of a frame and the next sector.
    pub(crate) fn is_padded<F: File>(
        &mut self,
        segment: &Segment<F>,
        offset: u64,
        header: &FrameHeader,
    ) -> Result<bool, LogError> {
        let len = header.frame_len() as usize;
        let bytes = self.get(segment, offset, len, offset + len as u64, len)?;
        Ok(bytes[HEADER_LEN + header.payload_len..].iter().all(|byte| *byte == 0))
    }
}

/// What seeds the checksum of the payload of a frame at an offset.
pub(crate) fn payload_at(offset: u64) -> u64 {
    offset + HEADER_LEN as u64
}

fn clamp(most: u64, len: usize) -> usize {
    usize::try_from(most).unwrap_or(usize::MAX).min(len)
}

pub(crate) fn damaged(path: &Path, offset: u64, why: impl Into<String>) -> LogError {
    LogError::Damaged(Damage::new(path, offset, why))
}

/// A sync that failed, for whatever reason: also where there was no room it is final.
pub(crate) fn unsynced(error: DiskError) -> LogError {
    LogError::Failed(error.to_string())
}

pub(crate) fn failed(error: DiskError) -> LogError {
    match error {
        DiskError::NoSpace(_) => LogError::Full(error.to_string()),
        _ => LogError::Failed(error.to_string()),
    }
}
