//! Looks at a log that nobody has open, and changes nothing: every byte that counts is checked,
//! and segments and frames are told.

use core::cmp::Ordering;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

use quipu_core::damage::Damage;
use quipu_core::disk::Disk;
use quipu_core::log::{LogError, Reader as _};
use quipu_core::words::{Epoch, Position, Timestamp};

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
    dir: PathBuf,
    log: LogId,
    end: End,
    _lock: D::Lock,
}

/// Where the log ends.
struct End {
    segment: u64,
    number: u64,
}

/// What a segment is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SegmentFacts {
    /// Its number.
    pub number: u64,
    /// Its file.
    pub path: PathBuf,
    /// How long the file is.
    pub bytes: u64,
    /// The epoch of the writer that made it.
    pub epoch: Epoch,
    /// What it is to the log.
    pub state: SegmentState,
    /// The first position that counts in it, and the last; none where it holds no event.
    pub positions: Option<(Position, Position)>,
}

/// What a segment is to its log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SegmentState {
    /// It gets no more frames.
    Sealed,
    /// The log ends in it.
    Open,
    /// It was made ahead of need, and holds nothing yet.
    Ahead,
}

/// What a frame says of itself. Its payload was not looked at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FrameFacts {
    /// Its number.
    pub number: u64,
    /// The byte of its segment at which it begins.
    pub offset: u64,
    /// How many bytes of the segment it takes.
    pub bytes: u64,
    /// Its writer.
    pub epoch: Epoch,
    /// The position of its first event; of the next one where it has none.
    pub first: Position,
    /// How many positions it takes. None where it only vouches for the frames before it.
    pub events: u64,
    /// The time at which it was made.
    pub now: Timestamp,
    /// Up to here answers could show times once it was durable.
    pub now_limit: Timestamp,
    /// The hash of all history before it.
    pub link: [u8; 32],
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

    /// Its segments, those that were made ahead included.
    pub fn segments(&self) -> Result<Vec<SegmentFacts>, LogError> {
        let (firsts, next) = {
            let durable = self.reader.durable();
            let mut firsts: Vec<_> = durable.sealed.iter().map(|sealed| sealed.first).collect();
            firsts.push(durable.current_first);
            (firsts, durable.next)
        };
        let mut facts = Vec::with_capacity(self.numbers.len());
        for (index, number) in self.numbers.iter().copied().enumerate() {
            let state = match number.cmp(&self.end.segment) {
                Ordering::Less => SegmentState::Sealed,
                Ordering::Equal => SegmentState::Open,
                Ordering::Greater => SegmentState::Ahead,
            };
            let segment = Segment::open(&self.disk, &self.dir, number, self.log)?;
            let behind = firsts.get(index + 1).copied().unwrap_or(next);
            let first = firsts.get(index).copied().filter(|first| *first < behind);
            let positions = first.map(|first| (first, Position::new(behind.get() - 1)));
            let (bytes, epoch) = (segment.byte_len()?, segment.header.epoch);
            facts.push(SegmentFacts { number, path: segment.path, bytes, epoch, state, positions });
        }
        Ok(facts)
    }

    /// The number of the segment that holds a position.
    #[must_use]
    pub fn segment_of(&self, position: Position) -> Option<u64> {
        let (first, next) = self.reader.bounds();
        if position < first || position >= next {
            return None;
        }
        let durable = self.reader.durable();
        if position >= durable.current_first {
            return Some(self.end.segment);
        }
        let behind = durable.sealed.partition_point(|segment| segment.first <= position);
        behind.checked_sub(1).map(|index| durable.sealed[index].number)
    }

    /// Tells `visit` of the frames of a segment that count, in their order, until it says `false`.
    /// Says whether there is such a segment.
    pub fn frames(
        &self,
        number: u64,
        visit: &mut dyn FnMut(FrameFacts) -> bool,
    ) -> Result<bool, LogError> {
        let Ok(index) = self.numbers.binary_search(&number) else { return Ok(false) };
        let mut window = Window::new();
        let until = match self.numbers.get(index + 1) {
            Some(next) if number < self.end.segment => {
                self.first_frame(*next, &mut window)?.map(|header| header.number)
            }
            _ => Some(self.end.number),
        };
        let segment = Segment::open(&self.disk, &self.dir, number, self.log)?;
        let end = segment.byte_len()?;
        let mut offset = SECTOR as u64;
        loop {
            let header = match window.find(&segment, offset, end, Window::NEAR)? {
                Found::Header(header) => header,
                // A frame that nothing proves was copied into the next segment.
                Found::Nothing | Found::Bad(_) => return Ok(true),
            };
            let bytes = header.frame_len();
            let FrameHeader { number, epoch, first, events, now, now_limit, link, .. } = header;
            if until.is_some_and(|until| number >= until) {
                return Ok(true);
            }
            let facts =
                FrameFacts { number, offset, bytes, epoch, first, events, now, now_limit, link };
            if !visit(facts) {
                return Ok(true);
            }
            offset += bytes;
        }
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
