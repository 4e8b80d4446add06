//! The raw log: the frames of Quipu's file log and nothing above them. One write and one sync into
//! a file of zeros: what the disk gives to anybody who must be durable.

use std::path::Path;
use std::thread;

use anyhow::{Result, bail};
use quipu_core::log::{Finish, Frame, Log, Reader};
use quipu_core::words::{Epoch, Position, Timestamp};
use quipu_disk::RealDisk;
use quipu_log_file::{FileLog, LogId, Settings};

use super::{Contestant, Entrant, Promise, now_ms};
use crate::round::{Desk, Round, Tally};
use crate::workload::{Answer, Ask, Stock};

pub(super) const ENTRANTS: &[Entrant] = &[
    Entrant {
        name: "raw-log",
        promise: Promise::Floor,
        sync: "a sync of the log at each frame",
        clients: &[1],
        batch: 1,
        open: RawLog::open,
    },
    Entrant {
        name: "raw-log-batch",
        promise: Promise::Floor,
        sync: "a sync of the log at each frame",
        clients: &[1],
        batch: 1_000,
        open: RawLog::open,
    },
];

/// What a claim takes on a log.
const CLAIM_BYTES: usize = 96;

struct RawLog {
    log: FileLog<RealDisk>,
    epoch: Epoch,
}

impl RawLog {
    fn open(dir: &Path) -> Result<Box<dyn Contestant>> {
        let settings = Settings { segment_bytes_min: 64 << 20, ..Settings::default() };
        let disk = RealDisk::open(dir)?;
        let mut log = FileLog::create(disk, Path::new(""), LogId([1; 16]), &settings)?;
        let epoch = log.take_epoch()?;
        Ok(Box::new(Self { log, epoch }))
    }
}

impl Contestant for RawLog {
    fn about(&self) -> String {
        format!("quipu-log-file, {CLAIM_BYTES} bytes for each claim, checked by nobody")
    }

    fn prepare(&mut self, _stock: Stock) -> Result<()> {
        Ok(())
    }

    fn run(&mut self, round: &Round) -> Result<Tally> {
        // Zeros ahead of need, as in any pause.
        while self.log.tend()? {}
        round.run(vec![Writer { log: &mut self.log, epoch: self.epoch }])
    }

    fn claims(&mut self) -> Result<u64> {
        Ok(self.log.bounds().1.get() - 1)
    }

    fn stop(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

/// The one client.
struct Writer<'a> {
    log: &'a mut FileLog<RealDisk>,
    epoch: Epoch,
}

impl Desk for Writer<'_> {
    fn answer(&mut self, asks: &[Ask], answers: &mut Vec<Answer>) -> Result<()> {
        let mut bytes = Vec::with_capacity(asks.len() * CLAIM_BYTES);
        for ask in asks {
            let from = bytes.len();
            match ask {
                Ask::Claim { ticket, claimant } => {
                    bytes.extend_from_slice(ticket.as_str().as_bytes());
                    bytes.extend_from_slice(claimant.as_str().as_bytes());
                }
                Ask::Take { drop } => bytes.extend_from_slice(drop.as_bytes()),
            }
            bytes.resize(from + CLAIM_BYTES, 0);
        }
        let first = self.log.bounds().1;
        let now = Timestamp::from_ms(now_ms());
        self.log.append(Frame {
            epoch: self.epoch,
            first,
            events: asks.len() as u64,
            now,
            now_limit: now,
            watermark: Position::new(first.get() - 1),
            bytes,
        })?;
        loop {
            match self.log.finish() {
                Some(Finish::Durable) => break,
                Some(end) => bail!("an append ended as {end:?}"),
                None => thread::yield_now(),
            }
        }
        answers.resize(asks.len(), Answer::Written);
        Ok(())
    }
}
