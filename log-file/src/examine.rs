//! Looks at a log that nobody has open, and changes nothing: every byte that counts is checked.

use std::path::Path;
use std::sync::{Arc, RwLock};

use quipu_core::damage::Damage;
use quipu_core::disk::Disk;
use quipu_core::log::LogError;
use quipu_core::words::Position;

use crate::files::{Numbers, sealed_before};
use crate::footer::Footer;
use crate::layout::{FrameHeader, LogId, SECTOR};
use crate::read::{Durable, FileReader};
use crate::segment::{Found, Segment, Window, failed};
use crate::tail::{At, Tail};

/// A log that is read and not written, as an opening would find it.
pub struct ClosedLog<D: Disk> {
    reader: FileReader<D>,
    numbers: Vec<u64>,
    disk: D,
    dir: std::path::PathBuf,
    log: LogId,
    end: End,
    _lock: D::Lock,
}

/// Where the log ends.
struct End {
    segment: u64,
    number: u64,
}

impl<D: Disk> ClosedLog<D> {
    /// Opens a log for reading alone. Nobody may have it open for writing.
    pub fn open(disk: D, dir: &Path, log: LogId) -> Result<Self, LogError> {
        let lock = disk.try_lock(dir).map_err(failed)?;
        let Numbers { kept: numbers, .. } = Numbers::list(&disk, dir, log)?;
        let tail = Tail::find(&disk, dir, &numbers, log)?;
        let last = tail.segment.header.number;
        let end = End { segment: last, number: tail.at.number };
        let durable = Durable {
            sealed: sealed_before(&disk, dir, log, &numbers, last)?,
            current: tail.segment,
            current_first: tail.first,
            index: tail.index,
            end: tail.end,
            next: tail.at.next,
            anchor: tail.at.anchor,
            now_limit: tail.at.now_limit,
            epoch: tail.at.epoch,
        };
        let durable = Arc::new(RwLock::new(durable));
        let reader = FileReader::new(disk.clone(), dir.to_owned(), log, durable);
        Ok(Self { reader, numbers, disk, dir: dir.to_owned(), log, end, _lock: lock })
    }

    /// Reads it.
    #[must_use]
    pub fn reader(&self) -> &FileReader<D> {
        &self.reader
    }

    /// Checks every segment from end to end: every frame, whatever it holds, its place in the
    /// chain, its padding, and the footers. `found` is told of damage, after which the next
    /// segment is looked at; `progress` of each position that was reached.
    ///
    /// An error is a disk that could not be read.
    pub fn examine(
        &self,
        found: &mut dyn FnMut(Damage),
        progress: &mut dyn FnMut(Position),
    ) -> Result<(), LogError> {
        let mut window = Window::new();
        let mut at: Option<At> = None;
        for (index, number) in self.numbers.iter().enumerate() {
            if *number > self.end.segment {
                break;
            }
            let next = match self.numbers.get(index + 1) {
                Some(next) if *number < self.end.segment => {
                    self.first_frame(*next, &mut window)?.map(|header| header.number)
                }
                _ => Some(self.end.number),
            };
            let walked = self.walk(*number, next, at.take(), &mut window, found, progress);
            match walked {
                Ok(behind) => at = behind,
                Err(LogError::Damaged(damage)) => found(damage),
                Err(other) => return Err(other),
            }
        }
        Ok(())
    }

    fn first_frame(
        &self,
        number: u64,
        window: &mut Window,
    ) -> Result<Option<FrameHeader>, LogError> {
        // Damage is told when this segment's turn comes.
        let Ok(segment) = Segment::open(&self.disk, &self.dir, number, self.log) else {
            return Ok(None);
        };
        let end = segment.byte_len()?;
        match window.find(&segment, SECTOR as u64, end, Window::NEAR)? {
            Found::Header(header) => Ok(Some(header)),
            _ => Ok(None),
        }
    }

    /// Walks a segment up to the frame with which the next one begins. `at` is where the segment
    /// before ended, unless that was damaged.
    fn walk(
        &self,
        number: u64,
        until: Option<u64>,
        at: Option<At>,
        window: &mut Window,
        found: &mut dyn FnMut(Damage),
        progress: &mut dyn FnMut(Position),
    ) -> Result<Option<At>, LogError> {
        let segment = Segment::open(&self.disk, &self.dir, number, self.log)?;
        let file_len = segment.byte_len()?;
        let mut offset = SECTOR as u64;
        let mut at = at;
        loop {
            if let (Some(at), Some(until)) = (&at, until)
                && at.number >= until
                && offset > SECTOR as u64
            {
                break;
            }
            let header = match window.find(&segment, offset, file_len, Window::AHEAD)? {
                Found::Header(header) => header,
                // Where the next segment is damaged itself, nobody says where this one ends.
                Found::Nothing if until.is_none() => break,
                Found::Nothing => return Err(segment.damaged(offset, "a frame is missing here")),
                Found::Bad(why) => return Err(segment.damaged(offset, why)),
            };
            let before = at.get_or_insert_with(|| At::before(&header));
            if let Some(why) = before.refuses(&header) {
                return Err(segment.damaged(offset, why));
            }
            let Some(payload) = window.payload(&segment, offset, &header, Window::AHEAD)? else {
                let why = "the payload of the frame is not what was written";
                return Err(segment.damaged(offset, why));
            };
            before.pass(&header, payload);
            if !window.is_padded(&segment, offset, &header)? {
                found(Damage::new(
                    &segment.path,
                    offset,
                    "the padding behind the frame is not zero; the frame itself is whole",
                ));
            }
            progress(Position::new(header.next().get() - 1));
            offset += header.frame_len();
        }
        if file_len < segment.header.capacity {
            self.check_footer(&segment, offset, file_len, at.as_ref(), found)?;
        }
        Ok(at)
    }

    /// A segment is cut only behind a footer.
    fn check_footer(
        &self,
        segment: &Segment<D::File>,
        offset: u64,
        file_len: u64,
        at: Option<&At>,
        found: &mut dyn FnMut(Damage),
    ) -> Result<(), LogError> {
        let footer = Footer::read(segment)?;
        let fits = footer.is_some_and(|footer| {
            footer.offset == offset
                && at.is_none_or(|at| {
                    footer.next == at.next
                        && footer.last_number + 1 == at.number
                        && footer.hash == at.anchor.hash
                })
        });
        if !fits {
            found(Damage::new(
                &segment.path,
                offset.min(file_len),
                "the footer of the segment is damaged; no frame needs it",
            ));
        }
        Ok(())
    }
}
