//! Where a log ends: the last frame that counts, and what stands in for a later one.
//!
//! Every frame's header says which frames were durable when it was written. So a bad frame that a
//! later header vouches for is damage, and opening stops. A bad frame that none vouches for is an
//! append that power cut short: nobody was told of it, and it is cut. "A good frame follows" would
//! be no proof, since a disk may write what was not synced in any order.

use std::path::Path;

use quipu_core::damage::Damage;
use quipu_core::disk::{Disk, File};
use quipu_core::log::{Anchor, Frame, LogError};
use quipu_core::mutant;
use quipu_core::words::{Epoch, Position, Timestamp};

use crate::footer::{Footer, Index};
use crate::layout::{FrameHeader, LogId, SECTOR, segment_name};
use crate::segment::{Found, Segment, Window, damaged};

/// The end of a log as its files show it.
pub(crate) struct Tail<F> {
    /// The last segment that holds a frame.
    pub(crate) segment: Segment<F>,
    /// Where its last frame ends.
    pub(crate) end: u64,
    /// Where in it some positions lie.
    pub(crate) index: Index,
    /// The frames that no later header vouches for.
    pub(crate) unproven: Vec<(u64, FrameHeader)>,
    /// Whether it holds nothing but what an opening wrote, before the segment had a name.
    pub(crate) only_opened: bool,
    /// The position of its first frame.
    pub(crate) first: Position,
    /// Behind its last frame.
    pub(crate) at: At,
}

/// A place between two frames.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct At {
    /// The number of the next frame.
    pub(crate) number: u64,
    /// The position of the next event.
    pub(crate) next: Position,
    /// All history before.
    pub(crate) anchor: Anchor,
    /// The epoch of the frame before.
    pub(crate) epoch: Epoch,
    /// The greatest `now_limit` before.
    pub(crate) now_limit: Timestamp,
}

impl At {
    /// Before a frame, as it says itself.
    pub(crate) fn before(header: &FrameHeader) -> Self {
        Self {
            number: header.number,
            next: header.first,
            anchor: header.before(),
            epoch: header.epoch,
            now_limit: Timestamp::ZERO,
        }
    }

    /// Why a whole frame cannot follow here.
    pub(crate) fn refuses(&self, header: &FrameHeader) -> Option<&'static str> {
        if header.number != self.number || header.first != self.next {
            Some("the frame does not continue the one before")
        } else if header.epoch < self.epoch {
            Some("the frame is of an older writer than the one before")
        } else if header.link != self.anchor.hash {
            Some("the frame follows another history")
        } else if header.proves >= header.number || header.watermark >= header.next() {
            Some("the frame vouches for itself")
        } else {
            None
        }
    }

    /// Goes on behind a frame.
    pub(crate) fn pass(&mut self, header: &FrameHeader, payload: &[u8]) {
        self.pass_frame(header, &header.frame(payload));
    }

    /// The same, for a frame that is at hand.
    pub(crate) fn pass_frame(&mut self, header: &FrameHeader, frame: &Frame) {
        self.anchor = self.anchor.then(frame);
        self.number += 1;
        self.next = header.next();
        self.epoch = header.epoch;
        self.now_limit = self.now_limit.max(header.now_limit);
    }
}

impl<F: File> Tail<F> {
    /// Finds the end of the log whose segments have these numbers, in order.
    pub(crate) fn find<D: Disk<File = F>>(
        disk: &D,
        dir: &Path,
        numbers: &[u64],
        log: LogId,
    ) -> Result<Self, LogError> {
        let mut window = Window::new();
        let mut later = Vec::new();
        for number in numbers.iter().rev() {
            let segment = Segment::open(disk, dir, *number, log)?;
            let end = segment.byte_len()?;
            if let Found::Header(first) =
                window.find(&segment, SECTOR as u64, end, Window::AHEAD)?
                && window.payload(&segment, SECTOR as u64, &first, Window::AHEAD)?.is_some()
            {
                later.reverse();
                return Self::walk(segment, first, &later, &mut window);
            }
            later.push(segment);
        }
        // The first segment gets its name with a frame in it.
        Err(later.pop().map_or_else(
            || LogError::Failed(format!("{} holds no log", dir.display())),
            |segment| segment.damaged(SECTOR as u64, "the first frame of the log is damaged"),
        ))
    }

    /// The frames that the next opening copies: those that no later frame vouches for, or all,
    /// where the name of the segment may not be durable.
    pub(crate) fn to_copy(&self) -> Result<Vec<(u64, FrameHeader)>, LogError> {
        if !self.only_opened {
            return Ok(self.unproven.clone());
        }
        let mut window = Window::new();
        let mut frames = Vec::new();
        let mut offset = SECTOR as u64;
        while offset < self.end
            && let Found::Header(header) =
                window.find(&self.segment, offset, self.end, Window::AHEAD)?
        {
            let len = header.frame_len();
            frames.push((offset, header));
            offset += len;
        }
        Ok(frames)
    }

    fn walk(
        segment: Segment<F>,
        first: FrameHeader,
        later: &[Segment<F>],
        window: &mut Window,
    ) -> Result<Self, LogError> {
        let file_len = segment.byte_len()?;
        let mut at = At::before(&first);
        let first = first.first;
        let mut offset = SECTOR as u64;
        let mut index = Index::default();
        let mut unproven: Vec<(u64, FrameHeader)> = Vec::new();
        let mut only_opened = true;
        let (mut opened, mut stop) = (false, "nothing was written here");
        loop {
            let header = match window.find(&segment, offset, file_len, Window::AHEAD)? {
                Found::Header(header) => header,
                Found::Nothing => break,
                Found::Bad(why) => {
                    stop = why;
                    break;
                }
            };
            if let Some(why) = at.refuses(&header) {
                // It is whole and was written for this very place, so power has not cut it.
                return Err(segment.damaged(offset, why));
            }
            let Some(payload) = window.payload(&segment, offset, &header, Window::AHEAD)? else {
                stop = "the payload of the frame is not what was written";
                break;
            };
            at.pass(&header, payload);
            index.note(header.first, offset);
            unproven.retain(|(_, before)| before.number > header.proves);
            // Behind the opening's own frame the segment had a name that was durable.
            only_opened &= !opened;
            opened |= header.opens;
            let len = header.frame_len();
            unproven.push((offset, header));
            offset += len;
        }
        // A footer is written once all before it is durable, and the next segment has its name.
        let footer = Footer::at(&segment, offset)?;
        let is_sealed = footer.is_some_and(|footer| footer.last_number + 1 == at.number);
        if is_sealed {
            unproven.clear();
            if later.is_empty() {
                let next = segment.header.number + 1;
                let path = segment.path.with_file_name(segment_name(next));
                return Err(damaged(&path, 0, "this segment of the log is missing"));
            }
        }
        only_opened &= opened;
        if mutant!(UnprovenTrusted) {
            unproven.clear();
        }
        if file_len < segment.header.capacity && !is_sealed {
            return Err(too_short(&segment, file_len));
        }
        let tail = Self { segment, end: offset, index, unproven, only_opened, first, at };
        tail.check_cut(file_len, later, stop, window)?;
        Ok(tail)
    }

    /// Whether it is right that the log ends here.
    fn check_cut(
        &self,
        file_len: u64,
        later: &[Segment<F>],
        why: &str,
        window: &mut Window,
    ) -> Result<(), LogError> {
        let number = self.at.number;
        let rest = proof_behind(&self.segment, self.end, file_len, number, window)?;
        if rest && !mutant!(ProvenFrameCut) {
            let why = format!("{why}, and a later frame says that one was durable");
            return Err(self.segment.damaged(self.end, why));
        }
        for segment in later {
            let len = segment.byte_len()?;
            if len < segment.header.capacity {
                return Err(too_short(segment, len));
            }
            // What an opening makes has its frame before it has its name, and an epoch above all.
            let is_opened = segment.header.epoch > self.at.epoch;
            if is_opened {
                return Err(segment.damaged(SECTOR as u64, "the first frame is damaged"));
            }
            if proof_behind(segment, SECTOR as u64, len, number, window)? {
                let why = "the first frame is damaged, and a later one says that it was durable";
                return Err(segment.damaged(SECTOR as u64, why));
            }
        }
        Ok(())
    }
}

fn too_short<F>(segment: &Segment<F>, len: u64) -> LogError {
    LogError::Damaged(Damage::new(
        &segment.path,
        len,
        format!("the file ends here, but it was made {} bytes long", segment.header.capacity),
    ))
}

/// Whether any header from an offset on says that the frame of this number was durable.
fn proof_behind<F: File>(
    segment: &Segment<F>,
    from: u64,
    end: u64,
    number: u64,
    window: &mut Window,
) -> Result<bool, LogError> {
    let mut offset = from;
    while offset < end {
        let bytes = window.get(segment, offset, Window::AHEAD, end, Window::AHEAD)?;
        let sectors = (offset..).step_by(SECTOR).zip(bytes.chunks(SECTOR));
        for (at, sector) in sectors {
            let front = sector.first_chunk();
            let header = front.and_then(|front| FrameHeader::decode(front, segment.seed, at));
            if header.is_some_and(|header| header.proves >= number) {
                return Ok(true);
            }
        }
        offset += bytes.len() as u64;
    }
    Ok(false)
}
