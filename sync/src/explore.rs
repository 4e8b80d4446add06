//! Runs a model: all of it, counted, or until its planted bug is found. Only with
//! `--cfg quipu_loom`.

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crate::planted::{Planted, plant};

/// More threads than a model may have, with its own.
const THREADS: usize = 5;

/// More steps than an execution of a model takes.
const STEPS: usize = 4_000;

/// Runs every execution of a model with at most so many preemptions. There are exactly so many:
/// one that stops early, or has lost its threads, is found by its count.
///
/// `QUIPU_PREEMPTIONS_MORE` raises the bound of every model. Then nobody knows the count.
#[track_caller]
pub fn holds(
    name: &str,
    preemptions: usize,
    executions: usize,
    model: impl Fn() + Send + Sync + 'static,
) {
    let more = std::env::var("QUIPU_PREEMPTIONS_MORE")
        .map_or(0, |more| more.parse().expect("QUIPU_PREEMPTIONS_MORE is a number"));
    let begun = Instant::now();
    let count = run(preemptions + more, model).unwrap_or_else(|(_, why)| panic!("{name}: {why}"));
    say(name, count, begun);
    if more == 0 {
        assert_eq!(count, executions, "executions of: {name}");
    }
}

/// Runs a model that breaks a rule on purpose, and sees it caught with these words.
#[track_caller]
pub fn is_caught(
    name: &str,
    preemptions: usize,
    words: &str,
    model: impl Fn() + Send + Sync + 'static,
) {
    let begun = Instant::now();
    match run(preemptions, model) {
        Ok(count) => panic!("{name}: nothing was caught in {count} executions"),
        Err((count, why)) => {
            assert!(why.contains(words), "{name}: caught by something else: {why}");
            say(&format!("caught: {name}"), count, begun);
        }
    }
}

/// Runs a model with a bug planted in what it uses, and sees it caught.
#[track_caller]
pub fn catches(
    bug: Planted,
    preemptions: usize,
    words: &str,
    model: impl Fn() + Send + Sync + 'static,
) {
    plant(Some(bug));
    is_caught(&format!("{bug:?}"), preemptions, words, model);
    plant(None);
}

/// How many executions there were, or how many it took until one failed, and why it did.
fn run(
    preemptions: usize,
    model: impl Fn() + Send + Sync + 'static,
) -> Result<usize, (usize, String)> {
    let mut explorer = loom::model::Builder::new();
    explorer.max_threads = THREADS;
    explorer.max_branches = STEPS;
    explorer.preemption_bound = Some(preemptions);
    // What stops early looks green.
    explorer.max_permutations = None;
    explorer.max_duration = None;
    explorer.checkpoint_file = None;
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let explored = catch_unwind(AssertUnwindSafe(|| {
        explorer.check(move || {
            counted.fetch_add(1, Ordering::Relaxed);
            model();
        });
    }));
    let count = count.load(Ordering::Relaxed);
    explored.map(|()| count).map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        (count, text.unwrap_or("without a word").to_owned())
    })
}

/// Past what a test harness keeps to itself.
fn say(name: &str, executions: usize, begun: Instant) {
    let seconds = begun.elapsed().as_secs_f64();
    let line = format!("\n{executions:>9} executions {seconds:>7.2} s  {name} ");
    std::io::stdout().write_all(line.as_bytes()).expect("there is somebody to tell");
}
