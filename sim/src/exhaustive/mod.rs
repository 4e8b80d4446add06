//! Every small workload: power is lost at every operation of the disk, and again at every one of
//! the recovery, and leaves every beginning of what waits for a sync, or torn sectors of it.
//!
//! | module | what it is |
//! |---|---|
//! | [`word`] | small workloads, all of them, as words |
//! | [`life`] | what a ledger is made to do, and what its callers were told |
//! | [`mod@explore`] | one workload, cut short everywhere |
//! | `images` | what power loss leaves, each that differs once |
//! | [`found`] | what is found of a ledger on a disk, and that all of it fits together |
//! | [`case`] | one crash as text |
//!
//! What power loss leaves while the first letters of a word are done is what it leaves of a
//! shorter word, and is looked at there: of each word it is the last letter that is cut short.

pub(crate) mod asks;
pub mod case;
pub mod explore;
pub mod found;
mod images;
pub mod life;
pub mod word;

use core::fmt;
use core::time::Duration;
use std::sync::{Mutex, PoisonError};

use quipu_ledger::LogKind;

use crate::spread::{spread, timed};

pub use case::Case;
use explore::{Broken, Counts, Depth, Start, Workload, explore};
use life::{Step, small};
use word::{Word, Words, beginning};

/// Which workloads, and how closely.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Share {
    /// What keeps the log.
    pub log: LogKind,
    /// At most so many asks in a workload, each of which is a transaction on the log.
    pub asks: usize,
    /// At most so many chores among them.
    pub chores: usize,
    /// How closely each is looked at.
    pub depth: Depth,
}

/// What is looked at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// The workloads.
    pub shares: Vec<Share>,
    /// On so many threads.
    pub threads: usize,
}

impl Settings {
    /// What each run of CI looks at, in less than a minute of two cores. Over a log in files: every
    /// workload of three asks, and of two asks and a chore. Over a log in redb, whose own crashes
    /// are tested beside it: of one ask, and of one ask and a chore, of which one recovery in ten
    /// is cut short.
    #[must_use]
    pub fn ci(threads: usize) -> Self {
        let share = |log, asks, chores, recoveries| Share {
            log,
            asks,
            chores,
            depth: Depth { torn: 2, torn_again: 1, recoveries },
        };
        let shares = vec![
            share(LogKind::Files, 3, 0, 1),
            share(LogKind::Files, 2, 1, 1),
            share(LogKind::Redb, 1, 0, 1),
            share(LogKind::Redb, 1, 1, 10),
        ];
        Self { shares, threads }
    }

    /// What a long run looks at: every workload of five asks and a chore, and of three asks and two
    /// chores; over a log in redb of three asks and a chore. Every recovery is cut short.
    #[must_use]
    pub fn soak(threads: usize) -> Self {
        let depth = Depth { torn: 16, torn_again: 4, recoveries: 1 };
        let share = |log, asks, chores| Share { log, asks, chores, depth };
        let shares = vec![
            share(LogKind::Files, 5, 1),
            share(LogKind::Files, 3, 2),
            share(LogKind::Redb, 3, 1),
        ];
        Self { shares, threads }
    }
}

/// What was looked at, and found sound.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Report {
    /// Workloads.
    pub workloads: u64,
    /// Crashes of workloads and of recoveries.
    pub counts: Counts,
    /// How long it took.
    pub took: Duration,
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { workloads, counts, took } = self;
        writeln!(out, "workloads        {workloads:>12}")?;
        let Counts { crashes, images, different, .. } = counts;
        writeln!(out, "crash points     {crashes:>12}  {images} images, {different} different")?;
        let Counts { crashes_again: crashes, images_again: images, .. } = counts;
        let different = counts.different_again;
        writeln!(out, "recovery points  {crashes:>12}  {images} images, {different} different")?;
        writeln!(out, "breaches         {:>12}", 0)?;
        write!(out, "seconds          {:>12.1}", took.as_secs_f64())
    }
}

/// A crash after which something did not hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// What keeps the log, and the workload; none where the ledger is made.
    pub log: LogKind,
    /// The workload; none where the ledger is made.
    pub word: Option<Word>,
    /// What does not hold.
    pub broken: Broken,
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { log, word, broken } = self;
        let Some(crash) = broken.crash else {
            let word = word.as_ref().map_or("new".to_owned(), Word::to_string);
            return write!(out, "breach: workload `{word}` over {log:?}: {}", broken.breach);
        };
        let case = Case { log: *log, word: word.clone(), crash };
        writeln!(out, "breach: {}", broken.breach)?;
        write!(out, "cargo run --release -p quipu-sim -- --exhaustive --case \"{case}\"")
    }
}

/// Looks at every workload of every share. `progress` is told after each workload.
pub fn run(
    settings: &Settings,
    progress: &mut (dyn FnMut(&Report) + Send),
) -> Result<Report, Failure> {
    let mut grounds = Vec::new();
    for share in &settings.shares {
        grounds.push(Ground::of(share.log).map_err(|broken| Failure {
            log: share.log,
            word: None,
            broken,
        })?);
    }
    let shares = settings.shares.iter().zip(&grounds);
    let pieces = shares.flat_map(|(share, ground)| {
        let words = Words::new(share.asks, share.chores).map(Some);
        std::iter::once(None).chain(words).map(move |word| (share, ground, word))
    });
    let sum = Mutex::new((Report::default(), progress));
    let (done, took) = timed(|| {
        spread(settings.threads, pieces, |(share, ground, word)| {
            let counts = ground.explore(word.as_ref(), share.depth);
            let counts = counts.map_err(|broken| Failure { log: share.log, word, broken })?;
            let mut sum = sum.lock().unwrap_or_else(PoisonError::into_inner);
            let (report, progress) = &mut *sum;
            report.workloads += 1;
            report.counts.add(&counts);
            progress(report);
            Ok(())
        })
    });
    done?;
    let (report, _) = sum.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(Report { took, ..report })
}

/// Looks at one crash again.
pub fn replay(case: &Case) -> Result<(), Failure> {
    let Case { log, word, crash } = case;
    let ground = Ground::of(*log);
    let replayed =
        ground.and_then(|ground| ground.with(word.as_ref(), |work| explore::replay(work, *crash)));
    replayed.map_err(|broken| Failure { log: *log, word: word.clone(), broken })
}

/// Where all workloads over one log begin.
struct Ground {
    options: quipu_ledger::Options,
    start: Start,
}

impl Ground {
    fn of(log: LogKind) -> Result<Self, Broken> {
        let options = small(log);
        let steps: Vec<Step> = beginning().into_iter().map(Step::Ask).collect();
        let start = Start::after(&options, &steps);
        Ok(Self { start: start.map_err(|breach| Broken { crash: None, breach })?, options })
    }

    fn explore(&self, word: Option<&Word>, depth: Depth) -> Result<Counts, Broken> {
        self.with(word, |work| explore(work, depth))
    }

    fn with<T>(&self, word: Option<&Word>, act: impl FnOnce(Workload<'_>) -> T) -> T {
        let options = &self.options;
        match word {
            None => act(Workload { options, start: &Start::empty(), steps: &[], from: 0 }),
            Some(word) => {
                let steps = word.steps();
                act(Workload { options, start: &self.start, steps: &steps, from: steps.len() })
            }
        }
    }
}
