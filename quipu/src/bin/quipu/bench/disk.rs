//! What the disk alone does: the log's own frames, with nothing decided.

use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

use quipu_core::log::{Finish, Frame, Log as _, Reader as _};
use quipu_core::words::{Position, Timestamp};
use quipu_disk::RealDisk;
use quipu_log_file::{FileLog, LogId, Settings};

use super::times::Times;

/// For how long each size is written.
const LASTS: Duration = Duration::from_secs(2);

/// How long syncs take, and how many bytes a second large frames come to.
pub(super) struct Disk {
    /// One event in a frame: median and 99 of 100.
    pub(super) p50: Duration,
    pub(super) p99: Duration,
    /// Frames of a mebibyte.
    pub(super) bytes_a_second: f64,
}

pub(super) fn measure(folder: &tempfile::TempDir) -> Result<Disk, Box<dyn Error>> {
    let disk = RealDisk::open(folder.path())?;
    let settings = Settings { segment_bytes_min: 64 << 20, ..Settings::default() };
    let mut log = FileLog::create(disk, Path::new(""), LogId([1; 16]), &settings)?;
    let epoch = log.take_epoch()?;
    let mut write = |len: usize| -> Result<(Times, Duration), Box<dyn Error>> {
        while log.tend()? {}
        let (begun, mut took) = (Instant::now(), Times::default());
        while begun.elapsed() < LASTS {
            let first = log.bounds().1;
            let now = Timestamp::from_ms(0);
            let watermark = Position::new(first.get() - 1);
            let bytes = vec![7; len];
            let each = Instant::now();
            let frame = Frame { epoch, first, events: 1, now, now_limit: now, watermark, bytes };
            log.append(frame)?;
            match log.wait() {
                Some(Finish::Durable) => took.record(each.elapsed()),
                end => return Err(format!("an append ended as {end:?}").into()),
            }
        }
        Ok((took, begun.elapsed()))
    };
    let (small, _) = write(96)?;
    let (large, lasted) = write(1 << 20)?;
    Ok(Disk {
        p50: small.within(0.5),
        p99: small.within(0.99),
        bytes_a_second: (large.len() << 20) as f64 / lasted.as_secs_f64(),
    })
}
