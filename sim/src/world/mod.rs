//! The simulator: a whole ledger, its disk and its clients on one thread, in the order that a
//! seed wants.
//!
//! One seed is one run. It draws a [`Plan`] first: how large everything is, how long each kind
//! of step takes, and which troubles there are. Then events happen in the order of virtual time:
//! clients ask, the engine takes its steps, checkpoints are made, clocks jump, the disk fails,
//! power goes. Whatever ends, another process opens what is there, and an auditor holds every
//! answer that was ever given against the log that was recovered.
//!
//! ```
//! let end = quipu_sim::world::run(7, &quipu_sim::world::market, None);
//! assert!(end.breach.is_none(), "{:?}", end.breach);
//! ```
//!
//! | module | what it is |
//! |---|---|
//! | `plan` | what a seed draws before anything happens |
//! | `queue` | what is still to happen, by virtual time |
//! | `workload`, `market` | what is asked; the built-in one |
//! | `ground` | the ledger's files on the simulated disk, and the engine over them |
//! | `clients` | who asks, waits, asks again, and goes away |
//! | `troubles` | what goes wrong while a process lives |
//! | `lives` | how processes end, and how the next one finds the ledger |
//! | `checks`, `breach` | what is held against each other then, and what came of it |
//! | `finish` | everything is answered, read, stopped and verified |
//! | `chronicle`, `sites`, `report` | what happened: its hash, its lines, its counts |

mod breach;
mod checks;
mod chronicle;
mod clients;
mod finish;
mod ground;
mod lives;
mod market;
mod plan;
mod queue;
mod report;
mod sites;
mod troubles;
mod workload;

pub use breach::Breach;
#[cfg(feature = "mutants")]
pub use breach::leave_out;
pub use chronicle::Listener;
pub use market::Market;
pub use plan::{Crowd, Ends, Failing, Habits, Lags, LogPlace, Plan, Troubles, Upkeep};
pub use report::{End, Tally};
pub use sites::{Site, Sites};
pub use workload::{Asked, Happened, MakeWorkload, Model, Workload};

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use quipu_core::driver::Move;
use quipu_core::log::{MemoryLog, Settle};
use quipu_core::shard::{CallId, Reply};
use quipu_core::words::{Position, Timestamp};

use self::checks::Replay;
use self::chronicle::Chronicle;
use self::clients::Clients;
use self::ground::{Ground, Rules};
use self::lives::Life;
use self::queue::{Event, Micros, Queue};
use self::workload::Question;
use crate::Random;
use crate::audit::Audit;
use crate::disk::SimDisk;

/// The built-in workload.
pub fn market(crowd: &Crowd, _random: &mut Random) -> Box<dyn Workload> {
    Box::new(Market::new(crowd))
}

/// Runs one seed to its end, or to the first promise that is not kept. A panic on the way is
/// such an end. `listener` is told everything that happens.
#[must_use]
pub fn run<'a>(
    seed: u64,
    workload: &MakeWorkload<'_>,
    listener: Option<&'a mut Listener<'a>>,
) -> End {
    let mut random = Random::new(seed);
    let plan = Plan::draw(&mut random);
    run_plan(plan, random, workload, listener)
}

/// The same with a plan that was drawn, or made, before.
#[must_use]
pub fn run_plan<'a>(
    plan: Plan,
    mut random: Random,
    workload: &MakeWorkload<'_>,
    listener: Option<&'a mut Listener<'a>>,
) -> End {
    let workload = workload(&plan.crowd, &mut random);
    let mut world = World::new(plan, random, workload, Chronicle::new(listener));
    let ended = catch_unwind(AssertUnwindSafe(|| world.run()));
    let breach = match ended {
        Ok(ended) => ended.err(),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            Some(Breach::new("panic", text.unwrap_or("without words")))
        }
    };
    if let Some(breach) = &breach {
        world.chronicle.say(world.time, "auditor", || breach.to_string());
    }
    world.tally.seeds = 1;
    world.tally.audited = world.audit.counts();
    world.tally.micros = world.time;
    End { hash: world.chronicle.hash(), breach, tally: world.tally }
}

/// The time at which a run begins.
const START: Timestamp = Timestamp::from_ms(1_800_000_000_000);

struct World<'a> {
    plan: Plan,
    rules: Rules,
    workload: Box<dyn Workload>,
    clients: Clients,
    audit: Audit,
    /// What is shown to a model, where there is one.
    answers: Vec<(Rc<Question>, Reply)>,
    replay: Replay,
    disk: SimDisk,
    /// The ledger, while a process has it open.
    ground: Option<Ground>,
    life: Life,
    queue: Queue,
    /// Steps that have their place in the queue.
    due: BTreeSet<Move>,
    /// Draws how long things take, and what goes wrong.
    random: Random,
    time: Micros,
    /// How far the wall clock is from virtual time, in milliseconds.
    clock: i64,
    call_last: u64,
    /// A process goes on that another has taken over from.
    is_late: bool,
    /// Nothing goes wrong yet, or any more.
    is_calm: bool,
    has_model: bool,
    /// Streams in memory when they were last counted.
    resident: usize,
    chronicle: Chronicle<'a>,
    tally: Tally,
}

impl<'a> World<'a> {
    fn new(
        plan: Plan,
        mut random: Random,
        workload: Box<dyn Workload>,
        chronicle: Chronicle<'a>,
    ) -> Self {
        let options = plan.options();
        let registry = workload.registry();
        let is_elsewhere = plan.log == LogPlace::Elsewhere;
        let elsewhere = is_elsewhere.then(|| MemoryLog::new(Settle::AtOnce));
        let rules =
            Rules { registry: registry.clone(), genesis: workload.genesis(), options, elsewhere };
        Self {
            is_late: false,
            is_calm: !random.one_in(4),
            has_model: workload.model().is_some(),
            clients: Clients::new(plan.clients, &mut random),
            rules,
            workload,
            audit: breach::auditor().hearing_all(),
            answers: Vec::new(),
            replay: Replay::new(&registry),
            disk: SimDisk::new(),
            ground: None,
            life: Life::default(),
            queue: Queue::new(random.fork()),
            due: BTreeSet::new(),
            random,
            time: 0,
            clock: 0,
            call_last: 0,
            resident: 0,
            chronicle,
            tally: Tally::default(),
            plan,
        }
    }

    fn run(&mut self) -> Result<(), Breach> {
        let plan = &self.plan;
        self.chronicle.say(0, "plan", || format!("{plan:#?}"));
        self.open()?;
        self.begin()?;
        self.begin_troubles();
        while self.tally.asks < self.plan.asks {
            self.happen_next()?;
        }
        self.finish()
    }

    /// The next event happens, and whatever it makes possible gets its time.
    fn happen_next(&mut self) -> Result<(), Breach> {
        self.look_for_steps();
        let Some((time, event)) = self.queue.pop() else {
            return Err(Breach::new("liveness", "nothing is left to happen"));
        };
        self.time = self.time.max(time);
        self.tick_clock();
        self.chronicle.event(self.time, &event);
        self.happen(event)?;
        self.look_around()
    }

    /// A process may have ended in the middle of what happened: then nobody hears of it.
    fn look_around(&mut self) -> Result<(), Breach> {
        if self.ground.is_some() && !self.disk.is_alive() {
            return self.died();
        }
        if let Some(ground) = &mut self.ground
            && ground.engine.is_latched()
            && !ground.latched
        {
            ground.latched = true;
            self.has_latched();
        }
        self.take_replies()
    }

    fn happen(&mut self, event: Event) -> Result<(), Breach> {
        match event {
            Event::Step(step) => self.step(step),
            Event::Act(client) => self.act(client),
            Event::Impatient(call) => self.ask_again(CallId(call)),
            Event::End => return self.end(),
            trouble => return self.trouble(trouble),
        }
        Ok(())
    }

    fn step(&mut self, step: Move) {
        self.due.remove(&step);
        self.tally.steps += 1;
        self.tally.sites.add(Site::Due, u64::from(matches!(step, Move::Tick(_))));
        let ground = self.ground.as_mut().expect("steps are those of a ledger that is open");
        ground.engine.step(step);
        if matches!(step, Move::Publish(_)) {
            let shards = ground.engine.shards().iter();
            let resident = shards.map(|shard| shard.streams_resident()).sum();
            self.tally.sites.add(Site::Eviction, u64::from(resident < self.resident));
            self.resident = resident;
        }
    }

    /// Gives every step that has become possible the time at which it is taken.
    fn look_for_steps(&mut self) {
        let Some(ground) = &self.ground else { return };
        for step in ground.engine.moves() {
            if self.due.insert(step) {
                let (lag, stalls) = self.plan.lags.of(step, &mut self.random);
                self.tally.sites.add(Site::Stall, u64::from(stalls));
                self.queue.push(self.time + lag, Event::Step(step));
            }
        }
    }

    /// What the clock of the process shows.
    fn now(&self) -> Timestamp {
        let passed = (self.time / 1_000) as i64 + self.clock;
        Timestamp::from_ms(START.ms().saturating_add_signed(passed))
    }

    fn tick_clock(&mut self) {
        let now = self.now();
        if let Some(ground) = &mut self.ground {
            ground.engine.set_now(now);
        }
    }

    fn engine(&mut self) -> &mut ground::Engine {
        &mut self.ground.as_mut().expect("a ledger that is open").engine
    }

    /// The last position that is durable, as the log says.
    fn watermark(&self) -> Position {
        let next = self.ground.as_ref().map_or(Position::new(1), Ground::next);
        Position::new(next.get() - 1)
    }
}
