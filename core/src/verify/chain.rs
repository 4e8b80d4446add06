//! The chain of frames: nothing of what is kept was changed, dropped or put elsewhere.

use core::fmt::{self, Display};

use super::{Error, Flaw, Place, Report};
use crate::log::{self, Anchor, Frame, LogError};
use crate::records::Entries;
use crate::words::{Epoch, Position, Timestamp};

/// What came of following the frames.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Chain {
    /// What the history before the first frame that was read hashes to, as the log says.
    pub start: Anchor,
    /// What the history up to the last frame that was read hashes to.
    pub end: Anchor,
    /// How many frames were read.
    pub frames: u64,
    /// How many entries they hold.
    pub entries: u64,
    /// Whether each anchor is met, in the order in which they were given.
    pub anchors: Vec<Met>,
    /// What is wrong. An anchor that is not met is in it.
    pub report: Report,
}

/// Whether an anchor is met.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Met {
    /// History up to it is what it was, and what was read goes on from there.
    Yes,
    /// History up to it is another.
    Differs,
    /// It lies before the frames that were read: nothing can be said of it.
    Before,
    /// No frame ends at its position: it is no anchor of this history.
    Within,
    /// The log ends before it: history was lost, or it is of another ledger.
    Beyond,
    /// It lies behind damage that could not be passed.
    Unread,
}

impl Display for Met {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Yes => "is met",
            Self::Differs => "is not met: history up to it is another",
            Self::Before => "cannot be checked: history from there on is not kept, or was not read",
            Self::Within => "cannot be met: no frame ends there",
            Self::Beyond => "is not met: the log ends before it",
            Self::Unread => "cannot be checked: it lies behind damage",
        })
    }
}

/// Reads every frame from the one that holds `from` on, or every one that is kept where `from` is
/// earlier, and follows the chain from what the log says lies before.
///
/// Frames are dense. Epochs never fall, nor does the limit of time; a frame's time is not above
/// its limit, and an entry is decided neither after its frame was made nor before the limit that
/// was durable when its writer began. Entries can be read and take the frame's positions. Frames
/// hash to the anchors that are given, and to what the log says of its end. `progress` is told
/// each position that was reached.
pub fn chain(
    log: &dyn log::Reader,
    from: Position,
    anchors: &[Anchor],
    progress: &mut dyn FnMut(Position),
) -> Result<Chain, Error> {
    let (kept, next) = log.bounds();
    let mut at = from.max(kept);
    let start = if at < next { log.anchor_before(at)? } else { log.anchor() };
    let mut pending: Vec<usize> = (0..anchors.len()).collect();
    pending.sort_by_key(|index| core::cmp::Reverse(anchors[*index].position));
    let mut link = Link {
        chain: Chain {
            start,
            end: start,
            frames: 0,
            entries: 0,
            anchors: vec![Met::Unread; anchors.len()],
            report: Report::default(),
        },
        anchors,
        pending,
        epoch: Epoch::ZERO,
        limit: Timestamp::ZERO,
        began: Timestamp::ZERO,
    };
    link.meet_start();
    while at < next {
        let frame = match log.read(at) {
            Ok(Some(frame)) => frame,
            Ok(None) => {
                link.chain.report.add(Place::Log(at), Flaw::NoFrame);
                return Ok(link.unread());
            }
            Err(LogError::Damaged(damage)) => {
                let flaw = Flaw::Rotten(damage.why.clone());
                link.chain.report.add(Place::File(damage), flaw);
                return Ok(link.unread());
            }
            Err(error) => return Err(error.into()),
        };
        let end = frame.first.get().checked_add(frame.events);
        let Some(behind) = end.map(Position::new).filter(|end| frame.events > 0 && *end > at)
        else {
            let flaw = Flaw::NoEnd { events: frame.events };
            link.chain.report.add(Place::Log(frame.first), flaw);
            return Ok(link.unread());
        };
        link.frame(&frame);
        at = behind;
        progress(frame.last());
    }
    Ok(link.end(log.anchor()))
}

/// A chain that is being followed.
struct Link<'a> {
    chain: Chain,
    anchors: &'a [Anchor],
    /// The anchors that lie ahead, the next one last.
    pending: Vec<usize>,
    epoch: Epoch,
    limit: Timestamp,
    /// The durable limit at which the writer of this epoch began.
    began: Timestamp,
}

impl Link<'_> {
    fn meet_start(&mut self) {
        let start = self.chain.start;
        self.pass(start.position, Met::Before, start);
    }

    fn frame(&mut self, frame: &Frame) {
        let place = || Place::Log(frame.first);
        let report = &mut self.chain.report;
        let next = self.chain.end.position.plus(1);
        if frame.first != next {
            report.add(place(), Flaw::NotNext { next });
        }
        if frame.epoch < self.epoch {
            report.add(place(), Flaw::StaleWriter { before: self.epoch, found: frame.epoch });
        }
        if frame.epoch > self.epoch {
            (self.epoch, self.began) = (frame.epoch, self.limit);
        }
        if frame.watermark >= frame.first {
            report.add(place(), Flaw::Unborn(frame.watermark));
        }
        if frame.now > frame.now_limit {
            report.add(place(), Flaw::AboveLimit { now: frame.now, limit: frame.now_limit });
        }
        if frame.now_limit < self.limit {
            let flaw = Flaw::LimitFell { before: self.limit, found: frame.now_limit };
            report.add(place(), flaw);
        }
        self.limit = self.limit.max(frame.now_limit);
        self.entries(frame);
        self.chain.frames += 1;
        self.chain.end = self.chain.end.then(frame);
        self.pass(frame.last(), Met::Within, self.chain.end);
    }

    fn entries(&mut self, frame: &Frame) {
        let report = &mut self.chain.report;
        let mut taken = 0;
        for entry in Entries::new(&frame.bytes, frame.first) {
            let entry = match entry {
                Ok(entry) => entry,
                Err(why) => {
                    let at = Position::new(frame.first.get().saturating_add(taken));
                    report.add(Place::Log(at), why.into());
                    return;
                }
            };
            taken += u64::from(entry.events);
            self.chain.entries += 1;
            if entry.now < self.began || entry.now > frame.now {
                let (now, from, until) = (entry.now, self.began, frame.now);
                report.add(Place::Log(entry.first), Flaw::OutOfTime { now, from, until });
            }
        }
        if taken != frame.events {
            let flaw = Flaw::NotFilled { events: frame.events, found: taken };
            report.add(Place::Log(frame.first), flaw);
        }
    }

    /// Judges the anchors up to a position where a frame ends; those before it are `before`.
    fn pass(&mut self, last: Position, before: Met, end: Anchor) {
        while let Some(index) = self.pending.last().copied() {
            let anchor = self.anchors[index];
            if anchor.position > last {
                return;
            }
            self.pending.pop();
            self.judge(
                index,
                match anchor {
                    anchor if anchor == end => Met::Yes,
                    anchor if anchor.position == last => Met::Differs,
                    _ => before,
                },
            );
        }
    }

    fn judge(&mut self, index: usize, met: Met) {
        self.chain.anchors[index] = met;
        if met != Met::Yes {
            let place = Place::Log(self.anchors[index].position);
            self.chain.report.add(place, Flaw::Anchor(met));
        }
    }

    /// The log has been read up to its end.
    fn end(mut self, end: Anchor) -> Chain {
        while let Some(index) = self.pending.pop() {
            self.judge(index, Met::Beyond);
        }
        if end != self.chain.end {
            self.chain.report.add(Place::Log(self.chain.end.position), Flaw::End);
        }
        self.chain
    }

    /// Damage ends the chain before the log ends.
    fn unread(mut self) -> Chain {
        while let Some(index) = self.pending.pop() {
            self.judge(index, Met::Unread);
        }
        self.chain
    }
}
