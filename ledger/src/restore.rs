//! Restores a backup, as a new ledger.
//!
//! The original may still run. So the restored ledger has another id and a higher epoch, and
//! what the backup shows as unfinished (a payout that was planned or sent) becomes *unknown*
//! before it serves anyone: making it again could spend it twice.

use std::io;

use quipu_core::disk::Disk;
use quipu_core::driver::{Driver, Setup};
use quipu_core::log::{Finish, Frame, Log as _, Reader as _};
use quipu_core::machine::Registry;
use quipu_core::restored;
use quipu_core::shard::{Ask, Reply};
use quipu_core::store::Store as _;
use quipu_core::words::{Position, Timestamp};

use crate::backup::Backup;
use crate::error::OpenError;
use crate::files::{Files, Options};
use crate::log::AnyLog;
use crate::manifest::{LedgerId, Origin};

/// How far a restore has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// The history up to this position is there.
    History(Position),
    /// So many rows are there.
    Rows(u64),
    /// So many unfinished things have become unknown.
    Unknown(u64),
}

/// Steps of a restore that are asked for at once.
const PAGE: usize = 256;

/// Makes a new ledger of a backup in an empty folder. It counts once it is whole: power that
/// goes meanwhile leaves a folder in which it can be restored again.
///
/// `now` is the time at which what is unfinished becomes unknown, but no earlier than what the
/// backed-up ledger may have shown.
pub fn restore<D: Disk, R: io::Read>(
    disk: D,
    id: LedgerId,
    mut backup: Backup<R>,
    registry: &Registry,
    options: &Options,
    now: Timestamp,
    progress: &mut dyn FnMut(Step),
) -> Result<Files<D>, OpenError> {
    let of = *backup.manifest();
    if of.ledger == id {
        return Err(OpenError::Restored("it needs an id of its own".into()));
    }
    let origin = Origin { ledger: of.ledger, position: of.position };
    Files::make(disk, id, Some(origin), registry, options, |mut files| {
        backup.frames(|frames| {
            let mut frames = frames.inspect(|frame| {
                if let Ok(frame) = frame {
                    progress(Step::History(frame.last()));
                }
            });
            Ok(files.log.adopt(of.start, of.epoch, &mut frames)?)
        })?;
        // A backup without history begins behind what it is of.
        if files.log.anchor() != of.anchor {
            return Err(OpenError::OtherHistory(of.position));
        }
        let mut count = 0;
        backup.rows(|rows| {
            let mut rows = rows.inspect(|_| {
                count += 1;
                if count % 100_000 == 0 {
                    progress(Step::Rows(count));
                }
            });
            Ok(files.store.fill(&mut rows, of.position)?)
        })?;
        progress(Step::Rows(count));
        keep_time(&mut files.log, of.now_limit)?;
        if of.start.position > Position::ZERO {
            // Of a trimmed ledger: nothing that it dropped can be replayed here either.
            files.write_base()?;
        }
        settle(files, registry, options, now.max(of.now_limit), progress)
    })
}

/// Nothing that was shown as expired comes back.
fn keep_time<D: Disk>(log: &mut AnyLog<D>, now_limit: Timestamp) -> Result<(), OpenError> {
    let epoch = log.take_epoch()?;
    let (_, first) = log.bounds();
    let now_limit = now_limit.max(log.now_limit());
    let watermark = Position::new(first.get() - 1);
    let bytes = Vec::new();
    log.append(Frame { epoch, first, events: 0, now: now_limit, now_limit, watermark, bytes })?;
    loop {
        match log.finish() {
            None => std::thread::yield_now(),
            Some(Finish::Durable) => return Ok(()),
            Some(_) => return Err(OpenError::Log(quipu_core::log::LogError::Closed)),
        }
    }
}

/// Carries out what a restored ledger is told first.
fn settle<D: Disk>(
    files: Files<D>,
    registry: &Registry,
    options: &Options,
    now: Timestamp,
    progress: &mut dyn FnMut(Step),
) -> Result<Files<D>, OpenError> {
    let mut setup = Setup::new(registry.clone(), Vec::new(), 1);
    setup.limits = options.limits;
    files.with_log_and_store(|log, store| {
        let mut driver = Driver::on(setup, log, store, now)?;
        let (mut after, mut told) = (None, 0);
        loop {
            let page = restored::commands(driver.store(), registry, after.as_ref(), PAGE)?;
            for step in page.steps {
                match driver.ask(Ask::Restored(step)) {
                    Reply::Done(_) => told += 1,
                    reply => return Err(OpenError::Restored(format!("{reply:?}"))),
                }
                while driver.log_mut().tend()? {}
            }
            progress(Step::Unknown(told));
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        driver.seal();
        if driver.is_latched() {
            return Err(OpenError::Restored("the log failed".into()));
        }
        let (log, mut store) = driver.into_parts();
        store.checkpoint()?;
        Ok((log, store))
    })
}
