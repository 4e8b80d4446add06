//! What a log holds, and whether a damaged copy of it is found out or says the same.

use std::path::Path;

use quipu_core::log::{Anchor, Frame, Log, LogError, Reader};
use quipu_core::words::{Epoch, Position, Timestamp};
use quipu_log_file::{ClosedLog, FileLog};
use quipu_sim::disk::{Keep, SimDisk};

use crate::promise::{ID, settings};

/// All that a log says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Truth {
    bounds: (Position, Position),
    anchor: Anchor,
    now_limit: Timestamp,
    frames: Vec<Frame>,
    /// What the next writer would be.
    epoch: Epoch,
}

/// How a damaged log shows itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// It does not open, and says why.
    Refused,
    /// It opens, and what is damaged is not shown.
    Withheld,
    /// It says what it said before, though an examination finds something.
    Noted,
    /// It says what it said before.
    Same,
}

impl Truth {
    pub(crate) fn of(disk: &SimDisk) -> Self {
        let disk = disk.image(Keep::All);
        let log = FileLog::open(disk, Path::new(""), ID, &settings()).expect("it is whole");
        Self::shown(log, |error| panic!("{error}"))
    }

    /// What an opening shows. Frames that cannot be read are told, and left out.
    fn shown(mut log: FileLog<SimDisk>, mut told: impl FnMut(LogError)) -> Self {
        Self {
            bounds: log.bounds(),
            anchor: log.anchor(),
            now_limit: log.now_limit(),
            frames: frames(&log, &mut told),
            epoch: log.take_epoch().expect("an epoch"),
        }
    }

    /// Opens a damaged copy, in both ways, and panics where it says anything that is not true.
    pub(crate) fn judge(&self, damaged: &SimDisk) -> Verdict {
        let closed = ClosedLog::open(damaged.image(Keep::All), Path::new(""), ID);
        let mut noted = 0;
        let looked = closed.map(|closed| {
            let mut errors = Vec::new();
            let reader = closed.reader();
            let shown = frames(reader, &mut |error| errors.push(error));
            assert_eq!((reader.bounds(), reader.anchor()), (self.bounds, self.anchor));
            assert_eq!(reader.now_limit(), self.now_limit);
            self.check_frames(&shown, &errors);
            let examined = closed.examine(
                &mut |damage| {
                    assert!(damage.file.to_string_lossy().ends_with(".seg"), "{damage}");
                    noted += 1;
                },
                &mut |_| {},
            );
            noted += usize::from(examined.is_err());
            assert!(errors.is_empty() || noted > 0, "an examination finds what reading finds");
            errors.len()
        });
        if let Err(error) = &looked {
            check_named(error);
        }

        let opened = FileLog::open(damaged.image(Keep::All), Path::new(""), ID, &settings());
        let opened = opened.map(|log| {
            let mut errors = Vec::new();
            let shown = Self::shown(log, |error| errors.push(error));
            self.check_frames(&shown.frames, &errors);
            assert_eq!(Self { frames: self.frames.clone(), ..shown }, *self);
            errors.len()
        });
        if let Err(error) = &opened {
            check_named(error);
        }
        match (looked, opened) {
            (Ok(0), Ok(0)) if noted == 0 => Verdict::Same,
            (Ok(0), Ok(0)) => Verdict::Noted,
            (Ok(_), Ok(_)) => Verdict::Withheld,
            (Err(_), Err(_)) => Verdict::Refused,
            (looked, opened) => panic!("the two ways differ: {looked:?} and {opened:?}"),
        }
    }

    /// What is shown is true, and whatever is missing was told.
    fn check_frames(&self, shown: &[Frame], errors: &[LogError]) {
        assert!(shown.iter().all(|frame| self.frames.contains(frame)), "another frame is shown");
        assert_eq!(shown.len() + errors.len(), self.frames.len(), "each frame, or an error");
        errors.iter().for_each(check_named);
    }
}

/// An error that names a file of the log.
pub(crate) fn check_named(error: &LogError) {
    match error {
        LogError::Damaged(damage) => {
            assert!(damage.file.to_string_lossy().ends_with(".seg"), "{error}");
        }
        other => assert!(other.to_string().contains(".seg"), "{other}"),
    }
}

/// Every frame that can be read; a position that cannot is told once, and the next one tried.
fn frames<R: Reader>(log: &R, told: &mut impl FnMut(LogError)) -> Vec<Frame> {
    let (mut at, next) = log.bounds();
    let mut frames = Vec::new();
    while at < next {
        match log.read(at) {
            Ok(frame) => {
                let frame = frame.expect("below the end there is a frame");
                at = frame.last().plus(1);
                frames.push(frame);
            }
            Err(error) => {
                told(error);
                at = at.plus(1);
            }
        }
    }
    frames
}
