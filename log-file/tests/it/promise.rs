//! What callers of a log were told, and that the log keeps to it.

use std::path::Path;

use quipu_core::disk::{Disk, DiskError};
use quipu_core::log::{Anchor, Finish, Frame, Log, LogError, Reader};
use quipu_core::words::{Epoch, Position, Timestamp};
use quipu_log_file::{FileLog, LogId, Settings};
use quipu_sim::disk::SimDisk;

pub(crate) const ID: LogId = LogId([7; 16]);

/// The shortest segments that there are, filled in the fewest steps, and all on one thread.
pub(crate) fn settings() -> Settings {
    Settings { segment_bytes_min: 0, segment_bytes_max: 0, fill_bytes: 8 << 20, beside_bytes: None }
}

/// What was acknowledged, and the one append of which nobody knows.
#[derive(Clone, Debug)]
pub(crate) struct Promise {
    /// Every durable frame that holds events.
    pub(crate) kept: Vec<Frame>,
    /// The append that was begun last, while its end is not known.
    pub(crate) begun: Option<Frame>,
    /// The highest epoch that anybody has taken.
    pub(crate) epoch: Epoch,
    /// The greatest durable `now_limit`.
    pub(crate) now_limit: Timestamp,
    /// From here on nothing may be dropped.
    pub(crate) keep_from: Position,
    /// Makes the bytes of each frame others than those of every other.
    pub(crate) salt: u64,
}

impl Promise {
    pub(crate) fn new() -> Self {
        Self {
            kept: Vec::new(),
            begun: None,
            epoch: Epoch::ZERO,
            now_limit: Timestamp::ZERO,
            keep_from: Position::new(1),
            salt: 0,
        }
    }

    pub(crate) fn next(&self) -> Position {
        self.kept.last().map_or(Position::new(1), |frame| frame.last().plus(1))
    }

    /// A frame that continues the log.
    pub(crate) fn frame(&mut self, events: u64, len: usize) -> Frame {
        self.salt += 1;
        let (salt, first) = (self.salt.wrapping_mul(0x9e37_79b9_7f4a_7c15), self.next());
        Frame {
            epoch: self.epoch,
            first,
            events,
            now: Timestamp::from_ms(1_000 + self.salt),
            now_limit: Timestamp::from_ms(2_000 + self.salt),
            watermark: Position::new(first.get() - 1),
            bytes: if events == 0 {
                vec![salt as u8; len]
            } else {
                (0..len).map(|at| (salt >> (at % 57)) as u8 ^ (at >> 9) as u8).collect()
            },
        }
    }

    /// Appends a frame. Whether it is durable, and if not, why.
    pub(crate) fn append<L: Log>(&mut self, log: &mut L, frame: Frame) -> Result<(), LogError> {
        self.begun = Some(frame.clone());
        let begun = log.append(frame.clone());
        if matches!(begun, Err(LogError::Full(_))) {
            // Nothing was done.
            self.begun = None;
        }
        begun?;
        match log.finish() {
            Some(Finish::Durable) => self.acknowledge(frame),
            other => return Err(LogError::Failed(format!("the append ended as {other:?}"))),
        }
        Ok(())
    }

    fn acknowledge(&mut self, frame: Frame) {
        self.begun = None;
        self.now_limit = self.now_limit.max(frame.now_limit);
        if frame.events > 0 {
            self.kept.push(frame);
        }
    }

    /// Takes the epoch of a handle, which is above every other.
    pub(crate) fn take_epoch<L: Log>(&mut self, log: &mut L) -> Result<(), LogError> {
        let epoch = log.take_epoch()?;
        assert!(epoch > self.epoch, "epoch {epoch} is taken after {}", self.epoch);
        self.epoch = epoch;
        Ok(())
    }

    /// Opens the log, or makes it where no segment has a name yet, and checks all that it shows.
    pub(crate) fn open(&mut self, disk: &SimDisk) -> Result<FileLog<SimDisk>, LogError> {
        let log = open_or_create(disk, &settings())?;
        self.check(&log);
        Ok(log)
    }

    /// What was acknowledged is there, at most the one append beyond it, and nothing else. From
    /// then on that one is there for good, or for good it is not.
    pub(crate) fn check<R: Reader>(&mut self, log: &R) {
        let (first, next) = log.bounds();
        if let Some(begun) = self.begun.take()
            && begun.events > 0
            && next != self.next()
        {
            assert_eq!(next, begun.last().plus(1), "no part of a frame is shown");
            self.kept.push(begun);
        }
        assert_eq!(next, self.next(), "what was acknowledged is there, and no more");
        assert!(first <= self.keep_from, "what was to be kept is kept");
        assert!(log.now_limit() >= self.now_limit, "time runs back");
        // What is shown counts from now on, also the time of a frame that holds no events.
        self.now_limit = log.now_limit();
        let mut anchor = Anchor::START;
        for frame in &self.kept {
            if frame.first >= first {
                let before = log.anchor_before(frame.last());
                assert_eq!(before.as_ref(), Ok(&anchor), "before {}", frame.first);
                let read = log.read(frame.last()).expect("readable").expect("kept");
                assert!(read == *frame, "the frame at {} is as it was", frame.first);
            }
            anchor = anchor.then(frame);
        }
        assert_eq!(log.anchor(), anchor);
        assert_eq!(log.read(next), Ok(None));
    }
}

pub(crate) fn open_or_create(
    disk: &SimDisk,
    settings: &Settings,
) -> Result<FileLog<SimDisk>, LogError> {
    let dir = Path::new("");
    let names = disk.list(dir).map_err(|error: DiskError| LogError::Failed(error.to_string()))?;
    if names.iter().any(|name| name.ends_with(".seg")) {
        FileLog::open(disk.clone(), dir, ID, settings)
    } else {
        FileLog::create(disk.clone(), dir, ID, settings)
    }
}

/// What a workload does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    /// Opens the log, after a clean stop if it is open.
    Open,
    /// Takes an epoch, again if need be.
    Epoch,
    /// Appends so many events in so many bytes.
    Append(u64, usize),
    /// Appends an event in so many bytes, whose time lies before that of others.
    Early(usize),
    /// Appends a frame that only vouches for those before.
    Seal,
    /// Does what can be done ahead, to its end.
    Tend,
    /// Drops history before a position.
    Trim(u64),
}

/// Does the steps up to the first error.
pub(crate) fn run(disk: &SimDisk, promise: &mut Promise, steps: &[Step]) -> Result<(), LogError> {
    let mut log = None;
    for step in steps {
        if *step == Step::Open {
            drop(log.take());
            log = Some(promise.open(disk)?);
        }
        let log = log.as_mut().expect("a workload begins with an opening");
        match *step {
            Step::Open | Step::Epoch => promise.take_epoch(log)?,
            Step::Append(events, len) => {
                let frame = promise.frame(events, len);
                promise.append(log, frame)?;
            }
            Step::Early(len) => {
                let mut frame = promise.frame(1, len);
                frame.now_limit = Timestamp::from_ms(1);
                promise.append(log, frame)?;
            }
            Step::Seal => {
                let mut frame = promise.frame(0, 0);
                frame.now_limit = promise.now_limit;
                promise.append(log, frame)?;
            }
            Step::Tend => while log.tend()? {},
            Step::Trim(before) => {
                promise.keep_from = promise.keep_from.max(Position::new(before));
                log.trim(Position::new(before))?;
            }
        }
    }
    Ok(())
}

/// Says where it was when a check fails.
pub(crate) struct Context(pub(crate) String);

impl Drop for Context {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.0);
        }
    }
}
