//! The end of a run: nothing fails any more, everything is answered, read, stopped and verified.

use std::rc::Rc;

use quipu_core::shard::{Ask, Reading};

use super::World;
use super::breach::{Breach, ensure};
use super::checks::{self, Replay};
use super::queue::Micros;
use super::workload::{Asked, Question};

/// A stalled append has ended by then.
const STALL_MAX: Micros = 25_000_000;
/// Steps that may have to be taken one after the other.
const STEPS_IN_A_ROW: Micros = 1_000;
/// How often an ask that was turned away is sent again, and how often before a day goes by.
const ROUNDS_MAX: u32 = 400;
const DAY_ROUNDS: u32 = 5;
const DAY_MS: i64 = 25 * 3_600_000;

impl World<'_> {
    /// What is asked first, before anything goes wrong.
    pub(super) fn begin(&mut self) -> Result<(), Breach> {
        let now = self.now();
        for asked in self.workload.begin(&mut self.random, now) {
            self.send(0, &Rc::new(Question::new(asked)), false, false);
            self.engine().run();
            self.look_around()?;
        }
        if self.is_calm {
            self.is_calm = false;
            self.begin_life();
        }
        self.queue.forget_acts();
        self.wake_clients();
        Ok(())
    }

    pub(super) fn finish(&mut self) -> Result<(), Breach> {
        self.chronicle.say(self.time, "world", || "nothing fails any more".to_owned());
        self.is_calm = true;
        self.disk.end_faults();
        self.disk.live_on();
        self.disk.set_capacity(None);
        self.life.is_full = false;
        self.plan.lags.end_stalls();
        self.queue.keep_steps();
        self.answer_all()?;
        self.read_all()?;
        self.rest()?;
        self.stop_and_open()?;
        // Once from the first event, and not from where the last one was.
        self.replay = Replay::new(&self.rules.registry);
        self.check()?;
        self.audit.search()?;
        let ground = self.ground.as_ref().expect("a ledger that is open");
        self.tally.events = ground.next().get() - 1;
        checks::is_sound(&ground.engine, self.plan.troubles.lies)?;
        self.note_faults();
        Ok(())
    }

    /// Every client gets to know what became of its asks, in bounded time.
    fn answer_all(&mut self) -> Result<(), Breach> {
        self.wait()?;
        if self.engine().is_latched() {
            self.restart()?;
        }
        for round in 0..ROUNDS_MAX {
            if !self.clients.has_open_questions() {
                return Ok(());
            }
            if round > 0 && round % DAY_ROUNDS == 0 {
                // So many keys are alive that no more may come: they end a day later.
                self.clock += DAY_MS;
                self.tick_clock();
            }
            drop(self.engine().tend());
            for client in 0..self.clients.count() {
                self.act(client);
            }
            self.wait()?;
        }
        Err(Breach::new("liveness", "asks are turned away for ever, though nothing is under way"))
    }

    /// Waits until nothing is under way.
    fn wait(&mut self) -> Result<(), Breach> {
        self.take_replies()?;
        let until = self.time + STALL_MAX + STEPS_IN_A_ROW * self.plan.lags.longest();
        while !self.clients.calls.is_empty() || !self.engine().moves().is_empty() {
            self.happen_next()?;
            let (time, waiting) = (self.time, self.clients.calls.len());
            ensure("liveness", time <= until, || {
                format!(
                    "{waiting} asks have no answer when all should: {:?}",
                    self.audit.unanswered()
                )
            })?;
        }
        Ok(())
    }

    fn read_all(&mut self) -> Result<(), Breach> {
        for stream in self.workload.streams() {
            let asked = Asked::new(Ask::Read(Reading { stream, items: Vec::new() }));
            self.send(0, &Rc::new(Question::new(asked)), true, false);
            // Small bounds may turn some of them away.
            self.answer_all()?;
        }
        Ok(())
    }

    /// Nothing is left under way, and all room is free again.
    fn rest(&mut self) -> Result<(), Breach> {
        self.engine().run();
        self.take_replies()?;
        let room = self.plan.room;
        let engine = self.engine();
        let is_idle = engine.shards().iter().all(|shard| shard.is_idle());
        ensure("liveness", is_idle, || "a shard still waits for something".to_owned())?;
        let free = engine.ring_mut().free();
        ensure("liveness", free == room, || format!("of {room:?} in the ring {free:?} is free"))
    }
}
