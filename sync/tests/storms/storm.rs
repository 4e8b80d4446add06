//! Runs a storm: so many schedules of it, or until its planted bug is found.

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use quipu_sync::planted::{Planted, plant};
use shuttle::scheduler::PctScheduler;
use shuttle::{Config, FailurePersistence, Runner};

/// How many changes of priority a schedule has, and one more. With none of them no bug of order
/// is found.
const DEPTH: usize = 3;

/// Schedules of all storms together, unless `QUIPU_SCHEDULES` says how many.
const SCHEDULES: usize = 100_000;

/// So many storms share them.
const STORMS: usize = 4;

/// A planted bug is found within so many.
const SCHEDULES_TO_CATCH: usize = 20_000;

/// Where chance begins, unless `QUIPU_SEED` says so.
const SEED: u64 = 20_260_701;

/// Runs a storm for its share of the schedules.
pub(crate) fn holds(name: &str, storm: impl Fn() + Send + Sync + 'static) {
    let schedules = number("QUIPU_SCHEDULES").map_or(SCHEDULES, |all| all as usize) / STORMS;
    let begun = Instant::now();
    let count = run(schedules, storm).unwrap_or_else(|(at, why)| panic!("{name}, {at}: {why}"));
    assert_eq!(count, schedules, "schedules of: {name}");
    say(name, count, begun);
}

/// Runs a storm that breaks a rule on purpose, and sees it caught with these words.
pub(crate) fn is_caught(name: &str, words: &str, storm: impl Fn() + Send + Sync + 'static) {
    let begun = Instant::now();
    match run(SCHEDULES_TO_CATCH, storm) {
        Ok(count) => panic!("{name}: nothing was caught in {count} schedules"),
        Err((count, why)) => {
            assert!(why.contains(words), "{name}: caught by something else: {why}");
            say(&format!("caught: {name}"), count, begun);
        }
    }
}

/// Runs a storm with a bug planted in what it uses, and sees it caught.
pub(crate) fn catches(bug: Planted, words: &str, storm: impl Fn() + Send + Sync + 'static) {
    plant(Some(bug));
    is_caught(&format!("{bug:?}"), words, storm);
    plant(None);
}

fn run(
    schedules: usize,
    storm: impl Fn() + Send + Sync + 'static,
) -> Result<usize, (usize, String)> {
    let mut config = Config::new();
    config.failure_persistence = FailurePersistence::None;
    config.silence_warnings = true;
    let seed = number("QUIPU_SEED").unwrap_or(SEED);
    let scheduler = PctScheduler::new_from_seed(seed, DEPTH, schedules);
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let explored = catch_unwind(AssertUnwindSafe(|| {
        Runner::new(scheduler, config).run(move || {
            counted.fetch_add(1, Ordering::Relaxed);
            storm();
        });
    }));
    let count = count.load(Ordering::Relaxed);
    explored.map(|()| count).map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        (count, text.unwrap_or("without a word").to_owned())
    })
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// Past what a test harness keeps to itself.
fn say(name: &str, schedules: usize, begun: Instant) {
    let seconds = begun.elapsed().as_secs_f64();
    let line = format!("\n{schedules:>9} schedules  {seconds:>7.2} s  {name} ");
    std::io::stdout().write_all(line.as_bytes()).expect("there is somebody to tell");
}
