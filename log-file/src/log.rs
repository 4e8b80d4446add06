//! The file log: opens, appends, and keeps ahead of itself.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use quipu_core::disk::{AlignedBytes, Disk, File};
use quipu_core::log::{Anchor, Finish, Frame, Log, LogError, Reader, ReadsFrom};
use quipu_core::mutant;
use quipu_core::words::{Epoch, Position, Timestamp};

use crate::ahead::Ahead;
use crate::files::{Numbers, keep_from, numbers, sealed_before};
use crate::footer::{Footer, Index, footer_len_max};
use crate::layout::{
    FRAME_LEN_MAX, FrameHeader, HEADER_LEN, LogId, PAYLOAD_LEN_MAX, SECTOR, SegmentHeader,
    checksum, frame_len, segment_name,
};
use crate::read::{Durable, FileReader, Sealed};
use crate::segment::{Segment, Window, failed, payload_at, unsynced};
use crate::settings::Settings;
use crate::tail::{At, Tail};
use crate::writer::Writer;

/// A log in segmented files below one directory, with one writer.
pub struct FileLog<D: Disk> {
    dir: PathBuf,
    disk: D,
    log: LogId,
    settings: Settings,
    reader: FileReader<D>,
    ahead: Ahead<D>,
    writer: Writer<D::File>,
    /// The segment behind the current one. It has its name and no frame.
    next: Option<Segment<D::File>>,
    /// The segment that is being written, and where its next frame begins.
    current: Segment<D::File>,
    offset: u64,
    /// Behind the last frame that was begun.
    at: At,
    /// The length of the segment that is made next.
    capacity: u64,
    /// Segments that were filled since the log was opened.
    rolled: u64,
    epoch: Option<Epoch>,
    state: State,
    /// Frames that are under way, the oldest first.
    begun: VecDeque<Begun>,
    /// How frames ended that were waited for, and that nobody has asked about.
    ended: VecDeque<Finish>,
    _lock: D::Lock,
}

/// With less than this left of a segment, the next one is made at once, of room that nobody has
/// filled with zeros, rather than later and better: two full frames.
const LEFT_LEAST: u64 = 2 << 20;

/// What is kept back for frames without events, which nobody admits: one may come between the
/// admission of an entry and its own frame, for each second that this takes.
const MARKS_LEN: u64 = 64 * SECTOR as u64;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// Frames can be appended.
    Ready,
    /// Nothing can be appended any more.
    Closed,
}

/// A frame that was begun: what is durable once it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Begun {
    first: Position,
    /// Where it ends in its segment.
    end: u64,
    next: Position,
    anchor: Anchor,
    now_limit: Timestamp,
    epoch: Epoch,
}

impl<D: Disk> FileLog<D> {
    /// Makes a new log in a directory that is there. Power that goes meanwhile leaves a directory
    /// in which it can be made again.
    pub fn create(disk: D, dir: &Path, log: LogId, settings: &Settings) -> Result<Self, LogError> {
        let lock = disk.try_lock(dir).map_err(failed)?;
        if !numbers(&disk, dir)?.is_empty() {
            return Err(LogError::Failed(format!("{} holds a log already", dir.display())));
        }
        let at = At {
            number: 1,
            next: Position::new(1),
            anchor: Anchor::START,
            epoch: Epoch::ZERO,
            now_limit: Timestamp::ZERO,
        };
        Self::begin(disk, dir, log, settings, lock, Opening { at, number: 1, copies: Vec::new() })
    }

    /// Opens a log. Whatever no later frame vouches for is copied into a new segment and synced
    /// before it counts: the cache may show what the disk never got.
    pub fn open(disk: D, dir: &Path, log: LogId, settings: &Settings) -> Result<Self, LogError> {
        let lock = disk.try_lock(dir).map_err(failed)?;
        let Numbers { kept: numbers, dropped } = Numbers::list(&disk, dir, log)?;
        let tail = Tail::find(&disk, dir, &numbers, log)?;
        let last = tail.segment.header.number;
        let opening = Opening::after(&tail)?;
        let (replaces, made) = (opening.number == last, opening.number);
        let sealed = sealed_before(&disk, dir, log, &numbers, made)?;
        if let (Some(first), false) = (numbers.first(), dropped.is_empty()) {
            // What says so may have a name that is not durable, though its directory showed it.
            keep_from(&disk, dir, log, *first)?;
        }
        // Those behind were made ahead and never written to.
        let behind = numbers.iter().rev().filter(|number| **number > made);
        for number in dropped.iter().chain(behind) {
            let path = dir.join(segment_name(*number));
            disk.remove(&path).map_err(failed)?;
        }
        let proven = tail.unproven.first().map_or(tail.end, |(offset, _)| *offset);
        let footer = Footer {
            offset: proven,
            next: opening.at.next,
            last_number: opening.at.number - 1,
            hash: opening.at.anchor.hash,
            index: tail.index.before(proven),
        };
        let this = Self::begin(disk, dir, log, settings, lock, opening)?;
        this.reader.durable_mut().sealed = sealed;
        if !replaces {
            seal(&tail.segment, &footer)?;
        }
        Ok(this)
    }

    /// Makes the segment with which an opening begins.
    fn begin(
        disk: D,
        dir: &Path,
        log: LogId,
        settings: &Settings,
        lock: D::Lock,
        opening: Opening,
    ) -> Result<Self, LogError> {
        let settings = settings.sane();
        let mut ahead = Ahead::open(disk.clone(), dir, settings.fill_bytes)?;
        let first = opening.at.next;
        let Opened { current, offset, index, at } = opening.write(&mut ahead, log, &settings)?;
        let durable = Durable {
            sealed: Vec::new(),
            current: current.clone(),
            current_first: first,
            index,
            end: offset,
            next: at.next,
            anchor: at.anchor,
            now_limit: at.now_limit,
            epoch: at.epoch,
        };
        let durable = Arc::new(RwLock::new(durable));
        Ok(Self {
            reader: FileReader::new(disk.clone(), dir.to_owned(), log, durable),
            dir: dir.to_owned(),
            disk,
            log,
            writer: Writer::new(settings.beside_bytes),
            capacity: settings.segment_bytes_min,
            settings,
            ahead,
            next: None,
            current,
            offset,
            at,
            rolled: 0,
            epoch: None,
            state: State::Ready,
            begun: VecDeque::new(),
            ended: VecDeque::new(),
            _lock: lock,
        })
    }

    /// Makes the segment behind the current one.
    fn make_next(&mut self) -> Result<(), LogError> {
        let header = SegmentHeader {
            log: self.log,
            number: self.current.header.number + 1,
            epoch: self.at.epoch,
            capacity: self.capacity,
        };
        let least = Settings::SEGMENT_BYTES_LEAST;
        self.next = Some(self.ahead.make(header, least, |_| Ok(()))?);
        Ok(())
    }

    /// Goes on in the next segment, because the current one is too full for a frame.
    fn roll(&mut self) -> Result<(), LogError> {
        self.settle()?;
        if self.next.is_none() {
            self.make_next()?;
        }
        let footer = {
            let durable = self.reader.durable();
            Footer {
                offset: self.offset,
                next: durable.next,
                last_number: self.at.number - 1,
                hash: durable.anchor.hash,
                index: durable.index.clone(),
            }
        };
        // Readers keep to the frames before the footer until all of it is there.
        seal(&self.current, &footer)?;
        let Some(next) = self.next.take() else { return Err(LogError::Closed) };
        let full = core::mem::replace(&mut self.current, next);
        let durable = &mut *self.reader.durable_mut();
        let first = core::mem::replace(&mut durable.current_first, durable.next);
        durable.sealed.push(Sealed { number: full.header.number, first });
        durable.current = self.current.clone();
        durable.end = SECTOR as u64;
        durable.index = Index::default();
        self.offset = SECTOR as u64;
        self.rolled += 1;
        self.capacity = (self.capacity * 2).min(self.settings.segment_bytes_max);
        Ok(())
    }

    fn begin_append(&mut self, frame: &Frame) -> Result<(), LogError> {
        self.make_place(frame)?;
        self.begin_frame(frame);
        Ok(())
    }

    /// Makes sure that a frame has its place, in this segment or the next.
    fn make_place(&mut self, frame: &Frame) -> Result<(), LogError> {
        let len = frame_len(frame.bytes.len());
        if frame.bytes.len() > PAYLOAD_LEN_MAX {
            let len = frame.bytes.len();
            return Err(LogError::Full(format!("a frame of {len} bytes is too large")));
        }
        if self.offset + len > self.current.frames_end() {
            self.roll()?;
            if frame.now_limit < self.at.now_limit {
                self.carry_time(frame.epoch)?;
            }
        }
        Ok(())
    }

    /// A segment that goes on from another says itself up to when time was promised, so that an
    /// opening need not look further back.
    fn carry_time(&mut self, epoch: Epoch) -> Result<(), LogError> {
        let mark = self.mark(epoch);
        self.begin_frame(&mark);
        match self.wait_for_oldest() {
            Finish::Durable => Ok(()),
            _ => Err(LogError::Failed("the first frame of a segment was not written".into())),
        }
    }

    /// How many appends there are whose end nobody was told.
    fn under_way(&self) -> usize {
        self.begun.len() + self.ended.len()
    }

    /// Waits for every frame under way. How they ended is told later.
    fn settle(&mut self) -> Result<(), LogError> {
        while !self.begun.is_empty() {
            let finish = self.wait_for_oldest();
            self.ended.push_back(finish);
        }
        if self.state == State::Closed { Err(LogError::Closed) } else { Ok(()) }
    }

    /// Waits for the oldest frame under way.
    fn wait_for_oldest(&mut self) -> Finish {
        self.writer.wait();
        self.poll().unwrap_or(Finish::Unknown)
    }

    /// How the oldest frame under way ended, once it has.
    fn poll(&mut self) -> Option<Finish> {
        let finish = self.writer.poll()?;
        match self.begun.pop_front() {
            Some(begun) if finish == Finish::Durable => self.is_durable(begun),
            _ => self.state = State::Closed,
        }
        Some(finish)
    }

    /// A frame without events.
    fn mark(&self, epoch: Epoch) -> Frame {
        let (first, now_limit) = (self.at.next, self.at.now_limit);
        let watermark = Position::new(first.get() - 1);
        Frame { epoch, first, events: 0, now: now_limit, now_limit, watermark, bytes: Vec::new() }
    }

    fn begin_frame(&mut self, frame: &Frame) {
        let header = self.pack(frame);
        self.writer.begin(&self.current.file, self.offset - frame_len(frame.bytes.len()));
        self.pass(&header, frame);
    }

    /// Packs a frame for its place, which there is.
    fn pack(&mut self, frame: &Frame) -> FrameHeader {
        let header = FrameHeader::of(frame, self.at.number, self.at.number - 1, &self.at.anchor);
        pack(&header, &frame.bytes, self.current.seed, self.offset, self.writer.buffer());
        self.offset += frame_len(frame.bytes.len());
        header
    }

    /// Goes on behind a frame that was begun.
    fn pass(&mut self, header: &FrameHeader, frame: &Frame) {
        self.at.pass_frame(header, frame);
        let At { next, anchor, now_limit, epoch, .. } = self.at;
        let (first, end) = (frame.first, self.offset);
        self.begun.push_back(Begun { first, end, next, anchor, now_limit, epoch });
    }

    fn is_durable(&mut self, begun: Begun) {
        let durable = &mut *self.reader.durable_mut();
        durable.index.note(begun.first, durable.end);
        durable.end = begun.end;
        durable.next = begun.next;
        durable.anchor = begun.anchor;
        durable.now_limit = begun.now_limit;
        durable.epoch = begun.epoch;
    }

    fn adopt_all(
        &mut self,
        start: Anchor,
        epoch: Epoch,
        frames: &mut dyn Iterator<Item = Result<Frame, LogError>>,
    ) -> Result<(), LogError> {
        let at = At {
            number: 1,
            next: start.position.plus(1),
            anchor: start,
            epoch: Epoch::ZERO,
            now_limit: Timestamp::ZERO,
        };
        let opening = Opening { at, number: self.current.header.number, copies: Vec::new() };
        let Opened { current, offset, index, at } =
            opening.write(&mut self.ahead, self.log, &self.settings)?;
        (self.current, self.offset, self.at) = (current, offset, at);
        {
            let durable = &mut *self.reader.durable_mut();
            durable.current = self.current.clone();
            (durable.current_first, durable.next) = (self.at.next, self.at.next);
            (durable.index, durable.end, durable.anchor) = (index, offset, start);
        }
        for frame in frames {
            let frame = frame?;
            if frame.first != self.at.next {
                return Err(LogError::NotNext { next: self.at.next, found: frame.first });
            }
            self.at.epoch = self.at.epoch.max(frame.epoch);
            // A segment is synced when it is full, and the last one by what is said at the end.
            self.make_place(&frame)?;
            let header = self.pack(&frame);
            let offset = self.offset - frame_len(frame.bytes.len());
            self.writer.write_only(&self.current.file, offset);
            self.pass(&header, &frame);
            if self.wait_for_oldest() != Finish::Durable {
                return Err(LogError::Closed);
            }
        }
        // Whoever writes next is above every writer that was adopted.
        self.at.epoch = self.at.epoch.max(epoch).plus(1);
        self.begin_append(&self.mark(self.at.epoch))?;
        if self.wait_for_oldest() == Finish::Durable { Ok(()) } else { Err(LogError::Closed) }
    }

    fn drop_segments(&self, dropped: &[u64], first: u64) -> Result<(), LogError> {
        keep_from(&self.disk, &self.dir, self.log, first)?;
        for number in dropped {
            self.disk.remove(&self.dir.join(segment_name(*number))).map_err(failed)?;
        }
        self.disk.sync_dir(&self.dir).map_err(unsynced)
    }

    /// Whether an error leaves the log as it was.
    fn close_unless_full<T>(&mut self, result: Result<T, LogError>) -> Result<T, LogError> {
        if matches!(result, Err(ref error) if !matches!(error, LogError::Full(_))) {
            self.state = State::Closed;
        }
        result
    }
}

/// What an opening writes before anything else.
struct Opening {
    /// Behind the last frame that is proven.
    at: At,
    /// The number of the segment that is made.
    number: u64,
    /// The frames that count from this opening on.
    copies: Vec<Frame>,
}

/// What an opening wrote.
struct Opened<F> {
    current: Segment<F>,
    /// Where its frames end.
    offset: u64,
    index: Index,
    at: At,
}

impl Opening {
    /// Makes a segment that begins with what is to be copied, and a frame which says that the
    /// log was opened.
    fn write<D: Disk>(
        self,
        ahead: &mut Ahead<D>,
        log: LogId,
        settings: &Settings,
    ) -> Result<Opened<D::File>, LogError> {
        let Self { mut at, number, copies } = self;
        let epoch = at.epoch.plus(1);
        let copied: u64 = copies.iter().map(|frame| frame_len(frame.bytes.len())).sum();
        // No rounding: a spare of the shortest length holds some copies as well.
        let frames = copied + FRAME_LEN_MAX + 2 * SECTOR as u64;
        let least = frames + footer_len_max(2 * frames);
        let capacity = settings.segment_bytes_min.max(least);
        let header = SegmentHeader { log, number, epoch, capacity };
        let mut offset = SECTOR as u64;
        let mut index = Index::default();
        let mut buffer = AlignedBytes::default();
        let current = ahead.make(header, least, |segment| {
            let proves = at.number - 1;
            let mut write = |frame: &Frame, header: &FrameHeader, at: &mut At| {
                pack(header, &frame.bytes, segment.seed, offset, &mut buffer);
                index.note(frame.first, offset);
                at.pass_frame(header, frame);
                let at_offset = offset;
                offset += buffer.len() as u64;
                segment.file.write_direct(at_offset, &buffer).map_err(failed)
            };
            for frame in &copies {
                let header = FrameHeader::of(frame, at.number, proves, &at.anchor);
                write(frame, &header, &mut at)?;
            }
            let opens = Frame {
                epoch,
                first: at.next,
                events: 0,
                now: at.now_limit,
                now_limit: at.now_limit,
                watermark: Position::new(at.next.get() - 1),
                bytes: Vec::new(),
            };
            // It has no name before the sync has ended well, so it vouches for what it copies.
            let mut header = FrameHeader::of(&opens, at.number, at.number - 1, &at.anchor);
            header.opens = true;
            write(&opens, &header, &mut at)
        })?;
        Ok(Opened { current, offset, index, at })
    }

    fn after<F: File>(tail: &Tail<F>) -> Result<Self, LogError> {
        let last = tail.segment.header.number;
        // A segment that holds nothing but an opening may have a name that is not durable, though
        // its directory could be listed. So it is made anew, of what it shows. So is one of whose
        // frames none is proven: a footer would take the place of its first.
        let is_proven = tail.unproven.first().is_none_or(|(offset, _)| *offset > SECTOR as u64);
        let number = if tail.only_opened || !is_proven { last } else { last + 1 };
        let mut window = Window::new();
        let mut copies = Vec::new();
        let mut at = None;
        for (offset, header) in tail.to_copy()? {
            at.get_or_insert_with(|| At::before(&header));
            if header.events == 0 {
                continue;
            }
            let payload = window.payload(&tail.segment, offset, &header, Window::AHEAD)?;
            let payload = payload.ok_or_else(|| {
                tail.segment.damaged(offset, "the frame changed while it was read")
            })?;
            copies.push(header.frame(payload));
        }
        let mut at = at.unwrap_or_else(|| tail.at.clone());
        // Whoever opened before has a lower epoch, and time was promised up to the last limit.
        at.epoch = tail.at.epoch.max(tail.segment.header.epoch);
        at.now_limit = tail.at.now_limit;
        Ok(Self { at, number, copies })
    }
}

impl<D: Disk> ReadsFrom for FileLog<D> {
    fn source(&self) -> &dyn Reader {
        &self.reader
    }
}

impl<D: Disk> Log for FileLog<D> {
    fn take_epoch(&mut self) -> Result<Epoch, LogError> {
        if let Some(taken) = self.epoch {
            if self.under_way() > 0 {
                return Err(LogError::Closed);
            }
            // Another writer on this handle: its first frame says so, durably.
            let epoch = taken.plus(1);
            self.epoch = Some(epoch);
            let begun = self.append(self.mark(epoch));
            if begun.is_err() {
                self.epoch = Some(taken);
            }
            begun?;
            if self.wait_for_oldest() != Finish::Durable {
                return Err(LogError::Closed);
            }
        }
        self.epoch = Some(self.at.epoch);
        Ok(self.at.epoch)
    }

    fn depth(&self) -> usize {
        self.writer.depth()
    }

    fn append(&mut self, frame: Frame) -> Result<(), LogError> {
        if self.state != State::Ready || self.under_way() == self.depth() {
            return Err(LogError::Closed);
        }
        if self.epoch != Some(frame.epoch) && !mutant!(EpochIgnored) {
            self.state = State::Closed;
            return Err(LogError::Fenced);
        }
        if frame.first != self.at.next {
            return Err(LogError::NotNext { next: self.at.next, found: frame.first });
        }
        let begun = self.begin_append(&frame);
        self.close_unless_full(begun)
    }

    fn finish(&mut self) -> Option<Finish> {
        self.ended.pop_front().or_else(|| self.poll())
    }

    fn wait(&mut self) -> Option<Finish> {
        if self.ended.is_empty() && !self.begun.is_empty() {
            return Some(self.wait_for_oldest());
        }
        self.finish()
    }

    fn synced(&mut self) -> Option<Duration> {
        self.writer.synced()
    }

    fn room(&self) -> u64 {
        if self.state == State::Closed {
            return 0;
        }
        let left = self.current.frames_end().saturating_sub(self.offset);
        // A frame that does not fit into what is left of a segment wastes it. The next one begins
        // with its header and, where time has to be carried over, with a frame for that.
        let behind = self.next.as_ref().map_or(0, |next| {
            next.frames_end() - 2 * SECTOR as u64 + left.saturating_sub(FRAME_LEN_MAX)
        });
        left.max(behind).saturating_sub(MARKS_LEN)
    }

    fn room_rule(&self) -> fn(usize) -> u64 {
        frame_len
    }

    fn tend(&mut self) -> Result<bool, LogError> {
        if self.state == State::Closed {
            return Err(LogError::Closed);
        }
        let left = self.current.frames_end().saturating_sub(self.offset);
        let result = if self.next.is_some() {
            // A log that fills segments gets a second one ahead.
            match self.rolled {
                0 => Ok(false),
                _ => self.ahead.fill(self.capacity).map(|is_ready| !is_ready),
            }
        } else if self.ahead.has_spare() || left < LEFT_LEAST {
            self.make_next().map(|()| true)
        } else {
            self.ahead.fill(self.capacity).map(|_| true)
        };
        self.close_unless_full(result)
    }

    fn adopt(
        &mut self,
        start: Anchor,
        epoch: Epoch,
        frames: &mut dyn Iterator<Item = Result<Frame, LogError>>,
    ) -> Result<(), LogError> {
        let (first, next) = self.bounds();
        if self.epoch.is_some() || self.state != State::Ready || first != next || next.get() > 1 {
            return Err(LogError::NotEmpty);
        }
        let adopted = self.adopt_all(start, epoch, frames);
        if adopted.is_err() {
            self.state = State::Closed;
        }
        adopted
    }

    fn trim(&mut self, before: Position) -> Result<Position, LogError> {
        let (dropped, first, kept) = {
            let durable = self.reader.durable();
            let sealed = &durable.sealed;
            let behind = |index: usize| {
                sealed.get(index + 1).map_or(durable.current_first, |next| next.first)
            };
            // The last segment with a durable frame stays: an opening finds the end by it.
            let most =
                sealed.len() - usize::from(durable.end == SECTOR as u64 && !sealed.is_empty());
            let count = (0..most).take_while(|index| behind(*index) <= before).count();
            let first = sealed.get(count).map_or(self.current.header.number, |next| next.number);
            let dropped: Vec<_> = sealed[..count].iter().map(|segment| segment.number).collect();
            let kept = count.checked_sub(1).map_or(durable.first(), behind);
            (dropped, first, kept)
        };
        if dropped.is_empty() {
            return Ok(kept);
        }
        if self.state == State::Closed {
            return Err(LogError::Closed);
        }
        // First, so that no reader takes what is dropped for lost.
        self.reader.durable_mut().sealed.drain(..dropped.len());
        let removed = self.drop_segments(&dropped, first);
        self.close_unless_full(removed)?;
        Ok(kept)
    }

    fn reader(&self) -> Arc<dyn Reader + Send + Sync> {
        Arc::new(self.reader.another())
    }
}

/// Ends a segment with its footer, and gives back what of it was not used. The footer is durable
/// before the file is cut, so one that is cut and has none is damaged.
fn seal<F: File>(segment: &Segment<F>, footer: &Footer) -> Result<(), LogError> {
    let bytes = footer.encode(segment.seed);
    let len = footer.offset + bytes.len() as u64;
    segment.file.write_at(footer.offset, &bytes).map_err(failed)?;
    segment.file.sync().map_err(unsynced)?;
    if len < segment.header.capacity {
        segment.file.set_len(len).map_err(failed)?;
    }
    Ok(())
}

/// Packs a frame for its place.
fn pack(header: &FrameHeader, payload: &[u8], seed: u64, offset: u64, out: &mut AlignedBytes) {
    out.clear();
    out.extend_from_slice(&[0; HEADER_LEN]);
    out.extend_from_slice(payload);
    out.resize(frame_len(payload.len()) as usize, 0);
    let payload_sum = checksum(payload, seed, payload_at(offset));
    let header = FrameHeader { payload_sum, ..header.clone() };
    out[..HEADER_LEN].copy_from_slice(&header.encode(seed, offset));
}
