//! Many seeds on as many threads as there are cores.

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use quipu_sim::world::{self, Breach, Tally};
use rustix::time::{ClockId, clock_gettime};

use super::progress::Progress;
use super::{Arguments, report};

/// One in so many seeds is run twice, and must do the same.
const TWICE: u64 = 100;
/// So many seeds meet everything that can go wrong.
const ALL_SITES: u64 = 1_000;
/// With so many breaches no more are looked for.
const BREACHES_MAX: usize = 10;

/// What a soak reaches.
const SOAK: Goal = Goal { seeds: 1_000_000, crashes: 5_000_000, operations: 500_000_000 };

struct Goal {
    seeds: u64,
    crashes: u64,
    operations: u64,
}

/// What all threads have found so far.
#[derive(Default)]
pub(super) struct Found {
    pub(super) tally: Tally,
    /// How long cores have run seeds, all together.
    pub(super) busy: Duration,
    pub(super) twice: u64,
    pub(super) breaches: Vec<(u64, Breach)>,
}

struct Runs {
    next: AtomicU64,
    /// The first seed that is not run.
    end: u64,
    goal: Option<Goal>,
    until: Option<Instant>,
    is_over: AtomicBool,
    found: Mutex<Found>,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    // A panic ends one run, which says so; and the store catches those of its file.
    std::panic::set_hook(Box::new(|_| {}));
    let begun = Instant::now();
    let threads = arguments.threads();
    let minutes =
        |minutes: f64| Duration::try_from_secs_f64(minutes * 60.0).unwrap_or(Duration::MAX);
    let runs = Runs {
        next: AtomicU64::new(arguments.from),
        end: if arguments.soak { u64::MAX } else { arguments.from.saturating_add(arguments.seeds) },
        goal: arguments.soak.then_some(SOAK),
        until: arguments.minutes.and_then(|given| begun.checked_add(minutes(given))),
        is_over: AtomicBool::new(false),
        found: Mutex::default(),
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(|| runs.work())).collect();
        runs.watch(|| workers.iter().all(thread::ScopedJoinHandle::is_finished));
    });
    let found = runs.found.into_inner().unwrap_or_else(PoisonError::into_inner);
    let missing = match found.tally.seeds {
        ALL_SITES.. => found.tally.sites.missing(),
        _ => Vec::new(),
    };
    let lasted = begun.elapsed();
    if arguments.json {
        println!("{:#}", report::json_of_many(&found, &missing, lasted));
    } else {
        print!("{}", report::table(&found, &missing, lasted));
    }
    let is_well = found.breaches.is_empty() && missing.is_empty();
    if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// How long this thread has had a core: whoever else is at work on the machine does not count.
fn worked() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

impl Runs {
    fn work(&self) {
        while !self.is_over() {
            let seed = self.next.fetch_add(1, Ordering::Relaxed);
            if seed >= self.end {
                return;
            }
            let begun = worked();
            let end = world::run(seed, &world::market, None);
            let busy = worked().saturating_sub(begun);
            let mut breach = end.breach;
            let twice = seed.is_multiple_of(TWICE);
            if twice {
                let other = world::run(seed, &world::market, None).hash;
                if other != end.hash {
                    let what = format!("one seed has two hashes: {:x} and {other:x}", end.hash);
                    breach.get_or_insert(Breach { check: "determinism", what });
                }
            }
            let mut found = self.found();
            found.tally.merge(&end.tally);
            found.busy += busy;
            found.twice += u64::from(twice);
            found.breaches.extend(breach.map(|breach| (seed, breach)));
        }
    }

    fn is_over(&self) -> bool {
        let found = self.found();
        let tally = &found.tally;
        let is_reached = self.goal.as_ref().is_some_and(|goal| {
            tally.seeds >= goal.seeds
                && tally.crashes() >= goal.crashes
                && tally.operations >= goal.operations
        });
        is_reached || found.breaches.len() >= BREACHES_MAX || self.is_over.load(Ordering::Relaxed)
    }

    fn found(&self) -> MutexGuard<'_, Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says how far it is, until all is over.
    fn watch(&self, is_finished: impl Fn() -> bool) {
        let mut progress = Progress::new();
        while !is_finished() {
            thread::sleep(Duration::from_millis(20));
            if self.until.is_some_and(|until| Instant::now() >= until) {
                self.is_over.store(true, Ordering::Relaxed);
            }
            progress.say(|| report::progress(&self.found()));
        }
    }
}
