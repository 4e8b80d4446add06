//! How processes end, and how the next one finds the ledger.

use std::path::Path;

use quipu_core::commit::Published;
use quipu_core::disk::{Disk as _, DiskError};
use quipu_core::log::{Anchor, Reader as _};
use quipu_core::shard::CallId;
use quipu_core::words::{Position, Timestamp};
use quipu_ledger::OpenError;

use super::breach::{Breach, ensure};
use super::checks::{self, Trouble};
use super::ground::{Cause, Ground, cause_of, of_store};
use super::plan::LogPlace;
use super::queue::Event;
use super::{Site, World};
use crate::disk::Keep;

/// Openings in a row that may fail before the disk is left alone.
const TRIES: u32 = 4;
/// Openings in a row, of which the last are on a sound disk.
const TRIES_MAX: u32 = 8;
/// An opening that does not come to its end ends at one of its first operations.
const OPENING_FAR: u64 = 70;

/// What is known about the process that runs, and what earlier ones have shown.
#[derive(Default)]
pub(super) struct Life {
    /// How it ends at an operation of the disk.
    armed: Option<How>,
    pub(super) is_full: bool,
    pub(super) may_latch: bool,
    /// What the last opening has shown; none before the first.
    shown: Option<(Anchor, Timestamp)>,
}

/// How a process ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum How {
    /// Power is lost.
    Power,
    /// It is killed, and the machine goes on.
    Killed,
    /// It is stopped as it should be.
    Stopped,
    /// It does not: another one takes over, and only then it goes on.
    TakenOver,
}

impl World<'_> {
    /// Opens the ledger, as often as it takes.
    pub(super) fn open(&mut self) -> Result<(), Breach> {
        for tries in 0..TRIES_MAX {
            let may_fail = !self.is_calm && tries < TRIES;
            if may_fail {
                self.arm_faults();
            } else {
                self.calm_disk();
            }
            if may_fail && self.random.chance(self.plan.ends.openings) {
                self.arm_end(OPENING_FAR);
            }
            let (now, last) = (self.now(), CallId(self.call_last));
            let entered = Ground::enter(&self.disk, &self.rules, &self.plan, now, last);
            let is_alive = self.disk.is_alive();
            self.disk.live_on();
            match entered {
                _ if !is_alive => {
                    self.tally.sites.met(Site::EndedInOpening);
                    self.tally.sites.add(Site::EndedTwice, u64::from(tries > 0));
                    let how = self.life.armed.take().unwrap_or(How::Killed);
                    self.chronicle
                        .say(self.time, "process", || format!("opens, and ends: {how:?}"));
                    drop(entered);
                    self.next_process(how);
                }
                Ok(ground) => {
                    self.ground = Some(ground);
                    return self.opened();
                }
                Err(error) => {
                    self.chronicle.say(self.time, "process", || format!("opens: {error}"));
                    self.tally.sites.met(Site::NotOpened);
                    self.not_opened(&error)?;
                    self.disk = self.disk.reopen();
                }
            }
            self.life.armed = None;
            self.time += 1_000 + self.random.below(500_000);
        }
        Err(Breach::new("liveness", "the ledger does not open, on a sound disk"))
    }

    /// Power or the process ends at one of so many operations from here on.
    fn arm_end(&mut self, far: u64) {
        let how = if self.random.chance(self.plan.ends.power) { How::Power } else { How::Killed };
        let last = self.disk.operations() + 1 + self.random.below(far);
        match how {
            How::Power => self.disk.die_at(last),
            _ => self.disk.end_process_at(last),
        }
        self.life.armed = Some(how);
    }

    fn calm_disk(&mut self) {
        self.disk.end_faults();
        self.disk.set_capacity(None);
        self.life.is_full = false;
    }

    /// An error of an opening says that the disk failed, and never that the ledger is damaged. A
    /// store that lies have damaged is moved away, which is what the error says to do.
    fn not_opened(&mut self, error: &OpenError) -> Result<(), Breach> {
        let cause = cause_of(error);
        let may_be = match cause {
            Cause::Disk => self.plan.is_faulty(),
            Cause::Store => self.plan.troubles.lies,
            Cause::Ledger => false,
        };
        ensure("durability", may_be, || format!("an opening: {error:?}"))?;
        if cause == Cause::Store {
            self.calm_disk();
            self.disk = self.disk.reopen();
            let path = Path::new(match self.plan.log {
                LogPlace::Elsewhere => "store.redb",
                LogPlace::Files | LogPlace::Redb => "store/store.redb",
            });
            match self.disk.remove(path) {
                Ok(()) | Err(DiskError::NotFound(_)) => {}
                Err(error) => return Err(Breach::new("durability", error.to_string())),
            }
        }
        Ok(())
    }

    /// Holds what was found against everything that was ever shown.
    fn opened(&mut self) -> Result<(), Breach> {
        self.tally.openings += 1;
        // The auditor reads on a disk that does as it is told.
        self.disk.end_faults();
        self.life.armed = None;
        self.due.clear();
        self.resident = 0;
        let ground = self.ground.as_ref().expect("it was opened just now");
        let found_at = ground.found_at;
        self.chronicle.words(&[102, found_at.get()]);
        self.chronicle.say(self.time, "process", || format!("opens the ledger at {found_at}"));
        let is_gone = ground.is_new && self.life.shown.is_some();
        ensure("durability", !is_gone, || "a ledger is gone".to_owned())?;
        if ground.has_set_aside() {
            self.tally.sites.met(Site::StoreSetAside);
            ensure("recovery", self.plan.is_faulty(), || {
                "a store was set aside that nothing has damaged".to_owned()
            })?;
        }
        let log = self.engine().log();
        let (anchor, now_limit) = (log.anchor(), log.now_limit());
        if let Some((shown, limit)) = self.life.shown {
            let before = self.engine().log().anchor_before(shown.position.plus(1));
            ensure("durability", before == Ok(shown), || {
                format!("what was shown once is gone: {shown:?} is {before:?}")
            })?;
            ensure("durability", now_limit >= limit, || {
                format!("time ran back from {limit} to {now_limit}")
            })?;
        }
        self.life.shown = Some((anchor, now_limit));
        let state = self.check()?;
        if self.random.one_in(10) {
            self.recover_once_more(now_limit, anchor.position, state)?;
        }
        if !self.is_calm {
            self.begin_life();
        }
        Ok(())
    }

    /// Holds log, store and answers against each other. Gives the digest of the state, where all
    /// of the store can be read.
    pub(super) fn check(&mut self) -> Result<Option<[u8; 32]>, Breach> {
        let ground = self.ground.as_ref().expect("a ledger that is open");
        let log = ground.engine.log();
        let frames = match checks::frames(log) {
            Ok(frames) => frames,
            Err(error) => return Err(Breach::new("durability", format!("the log: {error}"))),
        };
        self.audit.check(&frames, &self.rules.registry)?;
        if let Some(mut model) = self.workload.model() {
            checks::show(&mut *model, &frames, &self.answers, &self.rules.registry)?;
        }
        match self.replay.hold(&ground.engine, &frames, log.now_limit()) {
            Ok(state) => Ok(Some(state)),
            Err(Trouble::Breach(breach)) => Err(breach),
            Err(Trouble::Log(error)) => Err(Breach::new("durability", format!("the log: {error}"))),
            Err(Trouble::Store(error)) => {
                let may_be = self.plan.troubles.lies && of_store(&error) == Cause::Store;
                ensure("recovery", may_be, || format!("the store: {error}"))?;
                self.tally.sites.met(Site::Corrupt);
                Ok(None)
            }
        }
    }

    /// Recovering what was recovered changes nothing.
    fn recover_once_more(
        &mut self,
        at: Timestamp,
        last: Position,
        state: Option<[u8; 32]>,
    ) -> Result<(), Breach> {
        let how = if self.random.one_in(2) { How::Power } else { How::Killed };
        self.calm_disk();
        self.end_process(how);
        self.next_process(how);
        let (now, calls) = (self.now(), CallId(self.call_last));
        let entered = Ground::enter(&self.disk, &self.rules, &self.plan, now, calls);
        let ground = match entered {
            Ok(ground) => ground,
            Err(error) if cause_of(&error) == Cause::Store && self.plan.troubles.lies => {
                self.not_opened(&error)?;
                return self.open();
            }
            Err(error) => return Err(Breach::new("recovery", format!("once more: {error:?}"))),
        };
        let engine = &ground.engine;
        let position = engine.log().anchor().position;
        let again = match checks::frames(engine.log()) {
            Ok(frames) => self.replay.hold(engine, &frames, at),
            Err(error) => Err(Trouble::Log(error)),
        };
        self.ground = Some(ground);
        self.tally.sites.met(Site::RecoveredTwice);
        ensure("recovery", position == last, || {
            format!("a second recovery ends at {position}, the first at {last}")
        })?;
        match (state, again) {
            (Some(one), Ok(other)) => ensure("recovery", one == other, || {
                "a second recovery gives another state".to_owned()
            }),
            (_, Err(Trouble::Breach(breach))) => Err(breach),
            (_, Err(trouble)) => ensure("recovery", self.plan.troubles.lies, || {
                format!("a second recovery cannot be read: {trouble:?}")
            }),
            (None, Ok(_)) => Ok(()),
        }
    }

    /// Draws how this process ends, and lets clients and troubles at it.
    pub(super) fn begin_life(&mut self) {
        self.arm_faults();
        if let Some(every) = self.plan.ends.every {
            let at = self.time + 1 + self.random.below(2 * every);
            self.queue.push(at, Event::End);
            if self.random.chance(self.plan.ends.within) {
                let far = self.plan.ends.far;
                self.arm_end(far);
            }
        }
    }

    /// The process ends, between two steps.
    pub(super) fn end(&mut self) -> Result<(), Breach> {
        let ends = &self.plan.ends;
        let ground = self.ground.as_ref().expect("a ledger that is open");
        let latched = ground.engine.is_latched();
        ensure("durability", !latched || self.life.may_latch, || {
            "a log failed on a sound disk".to_owned()
        })?;
        let how = if self.random.chance(ends.power) {
            How::Power
        } else if !latched && self.random.chance(ends.stops) {
            How::Stopped
        } else if self.random.chance(ends.takeovers) {
            How::TakenOver
        } else {
            How::Killed
        };
        let how = match how {
            How::TakenOver => return self.take_over(),
            // Where it cannot be stopped it is killed.
            How::Stopped => self.stop()?.unwrap_or(How::Killed),
            how => how,
        };
        if self.ground.is_some() {
            self.end_process(how);
        }
        self.reborn(how)
    }

    /// The process has ended in the middle of a step.
    pub(super) fn died(&mut self) -> Result<(), Breach> {
        self.tally.sites.met(Site::EndedInStep);
        let how = self.life.armed.take().unwrap_or(How::Killed);
        self.ground = None;
        self.reborn(how)
    }

    /// The process ends before what it has open is closed: closing writes.
    fn end_process(&mut self, how: How) {
        match how {
            How::Power => self.disk.lose_power(),
            _ => self.disk = self.disk.reopen(),
        }
        self.ground = None;
    }

    /// Another process follows.
    fn reborn(&mut self, how: How) -> Result<(), Breach> {
        self.chronicle.say(self.time, "process", || format!("ends: {how:?}"));
        self.tally.ends += 1;
        self.next_process(how);
        self.forget_process();
        self.open()?;
        self.revive_clients();
        Ok(())
    }

    /// Nobody hears of what was under way.
    fn forget_process(&mut self) {
        self.audit.crashed();
        self.tally.lost += self.clients.lose_calls();
        self.queue.end_process();
        self.due.clear();
        self.time += 1_000 + self.random.below(2_000_000);
    }

    /// The disk as the next process finds it.
    fn next_process(&mut self, how: How) {
        self.disk.live_on();
        self.life.armed = None;
        match how {
            How::Power => {
                self.tally.power += 1;
                let keep = match self.random.below(5) {
                    0 => Keep::Nothing,
                    1 => Keep::All,
                    2 => {
                        let pending = self.disk.pending() as u64;
                        Keep::First(self.random.below(pending + 1) as usize)
                    }
                    _ => Keep::Torn(self.random.draw()),
                };
                self.chronicle.say(self.time, "disk", || format!("power is lost: {keep:?}"));
                self.disk.lose_power();
                self.note_faults();
                self.disk = self.disk.image(keep);
                self.life.is_full = false;
                self.disk.set_capacity(None);
            }
            How::Killed | How::TakenOver => {
                self.tally.sites.met(Site::Killed);
                self.disk = self.disk.reopen();
            }
            How::Stopped => self.disk = self.disk.reopen(),
        }
    }

    /// Counts what the disk has done, once for each disk.
    pub(super) fn note_faults(&mut self) {
        self.tally.sites.of_disk(&self.disk.fired());
    }

    /// Ends what is under way, and stops. Says how the process has ended by that, if it has.
    pub(super) fn stop(&mut self) -> Result<Option<How>, Breach> {
        for seals in [false, true] {
            if seals {
                self.engine().seal();
            } else {
                self.engine().run();
            }
            if !self.disk.is_alive() {
                return Ok(Some(self.died_stopping()));
            }
            self.take_replies()?;
        }
        if self.engine().is_latched() {
            ensure("durability", self.plan.is_faulty(), || {
                "a log failed on a sound disk".to_owned()
            })?;
            return Ok(None);
        }
        let mut ground = self.ground.take().expect("a ledger that is open");
        ground.frozen = None;
        match ground.stop() {
            Ok(()) if self.disk.is_alive() => self.tally.sites.met(Site::Stopped),
            _ if !self.disk.is_alive() => return Ok(Some(self.died_stopping())),
            stopped => {
                let may_be = self.plan.is_faulty();
                ensure("durability", may_be, || format!("a stop on a sound disk: {stopped:?}"))?;
            }
        }
        Ok(Some(How::Stopped))
    }

    fn died_stopping(&mut self) -> How {
        self.tally.sites.met(Site::EndedInStep);
        self.ground = None;
        self.life.armed.take().unwrap_or(How::Killed)
    }

    /// A process that nothing keeps from it any more stops, and another one opens the ledger.
    pub(super) fn stop_and_open(&mut self) -> Result<(), Breach> {
        let stopped = self.stop()?;
        ensure("liveness", stopped == Some(How::Stopped), || "it does not stop".to_owned())?;
        self.next_process(How::Stopped);
        self.forget_process();
        self.open()
    }

    /// A ledger that has latched is restarted.
    pub(super) fn restart(&mut self) -> Result<(), Breach> {
        self.end_process(How::Killed);
        self.reborn(How::Killed)
    }

    /// Another process takes over while this one goes on, and comes to late: what it has still to
    /// say is true, and it can append nothing.
    fn take_over(&mut self) -> Result<(), Breach> {
        self.chronicle.say(self.time, "process", || "stands still, and another takes over".into());
        self.tally.ends += 1;
        let mut late = self.ground.take().expect("a ledger that is open");
        let (_, next) = late.engine.log().bounds();
        let power = self.tally.power;
        self.next_process(How::TakenOver);
        self.queue.end_process();
        self.open()?;
        if self.tally.power == power {
            let log = self.engine().log();
            let (now_limit, epoch, from) = (log.now_limit(), log.epoch(), log.bounds().1);
            let durable = Published { watermark: self.watermark(), now_limit };
            self.audit.fenced(from, epoch);
            self.is_late = true;
            let count = self.random.below(60);
            for _ in 0..count {
                let moves = late.engine.moves();
                if moves.is_empty() {
                    break;
                }
                let step = self.random.pick(&moves);
                late.engine.step(step);
                while let Some((call, reply)) = late.engine.reply() {
                    self.hear(call, reply, durable)?;
                }
            }
            self.is_late = false;
            let fenced = late.engine.is_latched();
            self.tally.sites.add(Site::SecondWriterFenced, u64::from(fenced));
            let (_, wrote) = late.engine.log().bounds();
            // What was synced before is known to it only now.
            ensure("fencing", wrote >= next && wrote <= self.watermark().plus(1), || {
                format!("a writer that was taken over from went on from {next} to {wrote}")
            })?;
        }
        drop(late);
        self.audit.crashed();
        self.tally.lost += self.clients.lose_calls();
        self.revive_clients();
        Ok(())
    }
}
