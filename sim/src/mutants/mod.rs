//! Every planted bug against whatever can see it, until it is found.
//!
//! A bug is planted in the thread that hunts it, and whatever hunts it runs in that thread.

mod hunt;
mod suites;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

pub use quipu_core::Mutant;

use crate::audit::Check;
use crate::spread::{spread, timed};

/// How far a bug is hunted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settings {
    /// A bug that so many seeds do not find lives.
    pub seeds: u64,
    /// A bug is hunted without the check that has found it for so many seeds more.
    pub seeds_without: u64,
    /// On so many threads.
    pub threads: usize,
}

impl Settings {
    /// What each run of CI does, in less than two minutes of two cores.
    #[must_use]
    pub fn ci(threads: usize) -> Self {
        Self { seeds: 2_000, seeds_without: 100, threads }
    }
}

/// What is run until it finds a bug.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ground {
    /// Seeds of the simulator.
    Seeds,
    /// Single bits that flip.
    Flips,
    /// The suites that every log passes.
    Suites,
}

impl Ground {
    /// What of it is counted.
    #[must_use]
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Seeds => "seeds",
            Self::Flips => "bits",
            Self::Suites => "suites",
        }
    }

    /// Where a bug is hunted: seeds see all but those that only others can.
    fn of(mutant: Mutant) -> Self {
        match mutant {
            // A crash spoils nothing that was synced, and seldom tears what looks whole.
            Mutant::ProvenFrameCut | Mutant::PageSumIgnored | Mutant::TornFrameAccepted => {
                Self::Flips
            }
            // A disk lets nobody go on whose directory another has opened. Logs elsewhere do.
            Mutant::EpochIgnored => Self::Suites,
            _ => Self::Seeds,
        }
    }
}

/// How a bug was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Kill {
    /// The check that found it.
    pub by: String,
    /// After how many seeds, bits or suites.
    pub after: u64,
    /// What it said.
    pub what: String,
}

/// What came of a bug once the check that had found it was left out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Without {
    /// It was not one of the auditor's eight checks that found it.
    NotAsked,
    /// Another check found it.
    Found(Kill),
    /// Nothing did.
    Lives,
}

/// What came of one bug.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fate {
    /// The bug.
    pub mutant: Mutant,
    /// Where it was hunted.
    pub ground: Ground,
    /// How it was found; none where it lives.
    pub kill: Option<Kill>,
    /// How it was found without that check.
    pub without: Without,
}

/// What came of all bugs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// One by one, in the order in which they are listed.
    pub fates: Vec<Fate>,
    /// How long it took.
    pub took: Duration,
}

impl Report {
    /// The bugs that nothing has found.
    pub fn alive(&self) -> impl Iterator<Item = Mutant> + '_ {
        self.fates.iter().filter(|fate| fate.kill.is_none()).map(|fate| fate.mutant)
    }

    /// Of each of the auditor's checks, the bugs that it found first, and of these the ones that
    /// live without it.
    #[must_use]
    pub fn by_check(&self) -> Vec<(Check, Vec<Mutant>, Vec<Mutant>)> {
        let found_by = |check: Check| {
            let fates = self.fates.iter().filter(move |fate| {
                fate.without != Without::NotAsked
                    && fate.kill.as_ref().is_some_and(|kill| kill.by == check.as_str())
            });
            let found: Vec<_> = fates.clone().map(|fate| fate.mutant).collect();
            let needs = fates.filter(|fate| fate.without == Without::Lives);
            (check, found, needs.map(|fate| fate.mutant).collect())
        };
        Check::ALL.into_iter().map(found_by).collect()
    }
}

/// Hunts these bugs. `progress` is told what came of each.
pub fn run(
    settings: &Settings,
    mutants: &[Mutant],
    progress: &mut (dyn FnMut(&Fate) + Send),
) -> Report {
    let found = Mutex::new((BTreeMap::new(), progress));
    let (_, took) = timed(|| {
        spread(settings.threads, mutants.iter().copied(), |mutant| -> Result<(), ()> {
            let fate = hunt::fate(settings, mutant);
            let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
            let (fates, progress) = &mut *found;
            progress(&fate);
            fates.insert(mutant, fate);
            Ok(())
        })
    });
    let (fates, _) = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    Report { fates: fates.into_values().collect(), took }
}
