//! Reading what is durable: which segment holds a position, and where in it.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use quipu_core::disk::Disk;
use quipu_core::log::{Anchor, Frame, LogError, Reader};
use quipu_core::words::{Epoch, Position, Timestamp};

use crate::footer::{Footer, Index};
use crate::layout::{FrameHeader, LogId, SECTOR};
use crate::segment::{Found, Segment, Window};

/// What of a log is durable, as its writer says, for all that read it.
pub(crate) struct Durable<F> {
    /// Every segment but the last, in order: about one for 64 MiB of log.
    pub(crate) sealed: Vec<Sealed>,
    /// The segment that is being written.
    pub(crate) current: Segment<F>,
    /// The position of its first frame.
    pub(crate) current_first: Position,
    /// Where in it some positions lie.
    pub(crate) index: Index,
    /// Where in it the last durable frame ends.
    pub(crate) end: u64,
    /// The position behind the last durable event.
    pub(crate) next: Position,
    /// What all history hashes to.
    pub(crate) anchor: Anchor,
    /// The greatest durable `now_limit`.
    pub(crate) now_limit: Timestamp,
    /// The last writer's.
    pub(crate) epoch: Epoch,
}

/// A segment that gets no more frames.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Sealed {
    pub(crate) number: u64,
    /// The position of its first frame.
    pub(crate) first: Position,
}

impl<F> Durable<F> {
    /// The first position that is kept.
    pub(crate) fn first(&self) -> Position {
        self.sealed.first().map_or(self.current_first, |segment| segment.first)
    }
}

/// Reads a log from any thread, while its writer goes on.
pub struct FileReader<D: Disk> {
    disk: D,
    dir: PathBuf,
    log: LogId,
    durable: Arc<RwLock<Durable<D::File>>>,
    place: Mutex<Place<D::File>>,
}

/// Where the last read ended, and the files that it used.
struct Place<F> {
    window: Window,
    /// Sealed segments that are open, the latest last, with where their positions lie.
    open: Vec<(Segment<F>, u64, Index)>,
    /// Behind the last frame that was read: its number of segment, position and offset.
    cursor: Option<(u64, Position, u64)>,
}

/// How many sealed segments are kept open.
const OPEN_MAX: usize = 4;

/// A segment in which to look, and where it ends.
struct Within<F> {
    segment: Segment<F>,
    end: u64,
    from: u64,
}

impl<D: Disk> Reader for FileReader<D> {
    fn bounds(&self) -> (Position, Position) {
        let durable = self.durable();
        (durable.first(), durable.next)
    }

    fn now_limit(&self) -> Timestamp {
        self.durable().now_limit
    }

    fn epoch(&self) -> Epoch {
        self.durable().epoch
    }

    fn read(&self, from: Position) -> Result<Option<Frame>, LogError> {
        self.with(from, |header, payload| header.frame(payload))
    }

    fn anchor(&self) -> Anchor {
        self.durable().anchor
    }

    fn anchor_before(&self, at: Position) -> Result<Anchor, LogError> {
        let before = self.with(at, |header, _| header.before())?;
        Ok(before.unwrap_or_else(|| self.durable().anchor))
    }
}

impl<D: Disk> FileReader<D> {
    pub(crate) fn new(
        disk: D,
        dir: PathBuf,
        log: LogId,
        durable: Arc<RwLock<Durable<D::File>>>,
    ) -> Self {
        let place = Place { window: Window::new(), open: Vec::new(), cursor: None };
        Self { disk, dir, log, durable, place: Mutex::new(place) }
    }

    /// Another reader of the same log, with a place of its own.
    #[must_use]
    pub fn another(&self) -> Self {
        let durable = Arc::clone(&self.durable);
        Self::new(self.disk.clone(), self.dir.clone(), self.log, durable)
    }

    pub(crate) fn durable(&self) -> RwLockReadGuard<'_, Durable<D::File>> {
        self.durable.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn durable_mut(&self) -> RwLockWriteGuard<'_, Durable<D::File>> {
        self.durable.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(
        &self,
        from: Position,
        show: impl FnOnce(&FrameHeader, &[u8]) -> T,
    ) -> Result<Option<T>, LogError> {
        let place = &mut *self.place.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(within) = self.locate(from, place)? else { return Ok(None) };
        let Within { segment, end, from: mut offset } = within;
        let cursor = place
            .cursor
            .filter(|(number, position, _)| *number == segment.header.number && *position == from);
        let ahead = if cursor.is_some() { Window::AHEAD } else { Window::NEAR };
        if let Some((_, _, behind)) = cursor {
            offset = behind;
        }
        loop {
            let header = match place.window.find(&segment, offset, end, ahead)? {
                Found::Header(header) => header,
                Found::Nothing => {
                    return Err(segment.damaged(offset, "a frame is missing here"));
                }
                Found::Bad(why) => return Err(segment.damaged(offset, why)),
            };
            if header.events == 0 || header.next() <= from {
                offset += header.frame_len();
                continue;
            }
            if header.first > from {
                let why = format!("position {from} should lie here, and {} does", header.first);
                return Err(segment.damaged(offset, why));
            }
            let behind = (segment.header.number, header.next(), offset + header.frame_len());
            let Some(payload) = place.window.payload(&segment, offset, &header, ahead)? else {
                let why = "the payload of the frame is not what was written";
                return Err(segment.damaged(offset, why));
            };
            let shown = show(&header, payload);
            place.cursor = Some(behind);
            return Ok(Some(shown));
        }
    }

    /// The segment that holds a position, and from where on.
    fn locate(
        &self,
        position: Position,
        place: &mut Place<D::File>,
    ) -> Result<Option<Within<D::File>>, LogError> {
        let number = {
            let durable = self.durable();
            if position < durable.first() {
                return Err(LogError::Trimmed(durable.first()));
            }
            if position >= durable.next {
                return Ok(None);
            }
            if position >= durable.current_first {
                let (segment, end) = (durable.current.clone(), durable.end);
                let from = durable.index.look_from(position);
                return Ok(Some(Within { segment, end, from }));
            }
            // Where an opening copied a frame, the copy counts: it is in the later segment.
            let behind = durable.sealed.partition_point(|segment| segment.first <= position);
            durable.sealed[behind - 1].number
        };
        let open = place.open.iter().position(|(segment, ..)| segment.header.number == number);
        let opened = match open {
            Some(index) => place.open.remove(index),
            // The writer may have dropped it a moment ago.
            None => self.open(number, &mut place.window).map_err(|error| {
                let first = self.durable().first();
                if position < first { LogError::Trimmed(first) } else { error }
            })?,
        };
        let within =
            Within { segment: opened.0.clone(), end: opened.1, from: opened.2.look_from(position) };
        if place.open.len() == OPEN_MAX {
            place.open.remove(0);
        }
        place.open.push(opened);
        Ok(Some(within))
    }

    /// Opens a sealed segment: where its positions lie is said by its footer, or else by its
    /// frames.
    fn open(
        &self,
        number: u64,
        window: &mut Window,
    ) -> Result<(Segment<D::File>, u64, Index), LogError> {
        let segment = Segment::open(&self.disk, &self.dir, number, self.log)?;
        if let Some(footer) = Footer::read(&segment)? {
            return Ok((segment, footer.offset, footer.index));
        }
        let end = segment.byte_len()?;
        let mut index = Index::default();
        let mut offset = SECTOR as u64;
        while let Found::Header(header) = window.find(&segment, offset, end, Window::AHEAD)? {
            index.note(header.first, offset);
            offset += header.frame_len();
        }
        // What lies behind is not read: a bad frame is found when its position is asked for.
        Ok((segment, end, index))
    }
}
