//! What goes wrong while a process lives, and what it does by itself now and then.

use std::path::Path;

use quipu_core::disk::Disk as _;
use quipu_core::disk::DiskError;
use quipu_core::store::StoreError;

use super::breach::{Breach, ensure};
use super::plan::Failing;
use super::queue::{Event, Micros};
use super::{Site, World};
use crate::disk::{Fault, When};

const HOUR_MS: i64 = 3_600_000;

impl World<'_> {
    /// The first of each kind gets its time.
    pub(super) fn begin_troubles(&mut self) {
        let (upkeep, troubles) = (self.plan.upkeep.clone(), self.plan.troubles.clone());
        for (every, event) in [
            (upkeep.checkpoints, Event::Freeze),
            (Some(upkeep.tends), Event::Tend),
            (upkeep.seals, Event::Seal),
            (troubles.jumps, Event::Jump),
            (troubles.full, Event::Fill),
            (troubles.intruders, Event::Intrude),
        ] {
            self.again_in(every, event);
        }
    }

    fn again_in(&mut self, every: Option<Micros>, event: Event) {
        if let Some(every) = every {
            let lag = every / 2 + self.random.below(every + 1);
            self.queue.push(self.time + lag.max(1), event);
        }
    }

    pub(super) fn trouble(&mut self, event: Event) -> Result<(), Breach> {
        let (upkeep, troubles) = (&self.plan.upkeep, &self.plan.troubles);
        let every = match event {
            Event::Freeze => upkeep.checkpoints,
            Event::Tend => Some(upkeep.tends),
            Event::Seal => upkeep.seals,
            Event::Jump => troubles.jumps,
            Event::Fill => troubles.full,
            Event::Intrude => troubles.intruders,
            _ => None,
        };
        self.again_in(every, event);
        match event {
            Event::Freeze => self.freeze(),
            Event::Write => return self.write_checkpoint(),
            // Without room nobody is admitted, which callers are told.
            Event::Tend => drop(self.engine().tend()),
            Event::Seal => drop(self.engine().begin_seal()),
            Event::Jump => self.jump(),
            Event::Fill => self.fill(),
            Event::Intrude => return self.intrude(),
            Event::Step(_) | Event::Act(_) | Event::Impatient(_) | Event::End => {}
        }
        Ok(())
    }

    fn freeze(&mut self) {
        let writing = self.plan.upkeep.writing;
        let ground = self.ground.as_mut().expect("a ledger that is open");
        if ground.store_failed || ground.frozen.is_some() {
            return;
        }
        let durable = ground.engine.durable().watermark;
        match ground.engine.drop_old_keys().and_then(|()| ground.engine.freeze()) {
            Ok(frozen) => {
                ground.frozen = Some((frozen, durable));
                let lag = 1 + self.random.below(2 * writing);
                self.queue.push(self.time + lag, Event::Write);
            }
            Err(_) => ground.store_failed = true,
        }
    }

    fn write_checkpoint(&mut self) -> Result<(), Breach> {
        let ground = self.ground.as_mut().expect("a ledger that is open");
        let Some((frozen, frozen_at)) = ground.frozen.take() else { return Ok(()) };
        let within = ground.engine.durable().watermark > frozen_at;
        match frozen.run() {
            Ok(_) => {
                self.tally.sites.met(Site::Checkpoint);
                self.tally.sites.add(Site::CommitWithinCheckpoint, u64::from(within));
                Ok(())
            }
            Err(error) => {
                ground.store_failed |= !matches!(error, StoreError::Full(_));
                self.tally.sites.met(Site::CheckpointFailed);
                let may_fail = self.plan.is_faulty() || !self.disk.is_alive();
                ensure("answer", may_fail, || format!("a checkpoint on a sound disk: {error}"))
            }
        }
    }

    fn jump(&mut self) {
        let hours = 1 + self.random.below(30) as i64;
        if self.random.one_in(2) {
            self.clock += hours * HOUR_MS;
            self.tally.sites.met(Site::ClockForward);
        } else {
            self.clock -= hours * HOUR_MS;
            self.tally.sites.met(Site::ClockBack);
        }
        self.tick_clock();
    }

    fn fill(&mut self) {
        self.life.is_full = !self.life.is_full;
        let room = self.random.below(2) * self.random.below(3_000) * 4_096;
        let capacity = self.life.is_full.then(|| self.disk.used() + room);
        self.disk.set_capacity(capacity);
        let full = self.life.is_full;
        self.chronicle.say(self.time, "disk", || format!("is full: {full}"));
    }

    /// A directory opens once.
    fn intrude(&mut self) -> Result<(), Breach> {
        self.tally.sites.met(Site::SecondOpening);
        let locked = self.disk.try_lock(Path::new(""));
        ensure("fencing", matches!(locked, Err(DiskError::Locked(_))), || {
            "a ledger that is open was opened again".to_owned()
        })
    }

    /// The log has failed: whatever it was, it must have been the disk. Somebody restarts it soon.
    pub(super) fn has_latched(&mut self) {
        self.tally.sites.met(Site::Latch);
        self.life.may_latch = self.plan.is_faulty() || !self.disk.is_alive();
        let soon = 1 + self.random.below(10 * self.plan.habits.think);
        self.queue.push(self.time + soon, Event::End);
    }

    /// Switches the plan's faults on.
    pub(super) fn arm_faults(&mut self) {
        self.disk.end_faults();
        for (failing, rate, only) in self.plan.troubles.faults.clone() {
            let fault = match failing {
                Failing::Sync => Fault::FailSync,
                Failing::SyncDir => Fault::FailSyncDir,
                Failing::Write => Fault::FailWrite,
                // A write that stops short stops between two sectors, as a page cache and a disk
                // do: within one, redb's header is no more.
                Failing::Short => Fault::ShortWrite(Some(512 * self.random.below(8) as usize)),
                Failing::Read => Fault::FailRead,
                Failing::Name => Fault::FailName,
                Failing::Space => Fault::NoSpace,
                Failing::Misdirected => Fault::MisdirectWrite { file: None, offset: None },
                Failing::Stale => Fault::StaleSector(None),
            };
            let when = When::one_in(rate, self.random.draw());
            let when = match only {
                Some(part) => when.of(part),
                None => when,
            };
            self.disk.schedule(fault, when);
        }
    }
}
