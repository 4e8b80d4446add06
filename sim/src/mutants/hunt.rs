//! One bug, until something finds it.

use quipu_core::{Mutant, plant};

use super::{Fate, Ground, Kill, Settings, Without, suites};
use crate::audit::Check;
use crate::{flips, world};

/// How many bits are turned over for a bug at most.
const FLIPS: u64 = 4_000;

/// What came of a bug.
pub(super) fn fate(settings: &Settings, mutant: Mutant) -> Fate {
    plant(Some(mutant));
    let ground = Ground::of(mutant);
    let kill = match ground {
        Ground::Seeds => by_seeds(mutant, 0..settings.seeds),
        Ground::Flips => by_flips(),
        Ground::Suites => suites::broken(),
    };
    let without = match (&kill, ground) {
        (Some(kill), Ground::Seeds) => without(settings, mutant, kill),
        _ => Without::NotAsked,
    };
    plant(None);
    Fate { mutant, ground, kill, without }
}

fn by_seeds(mutant: Mutant, seeds: core::ops::Range<u64>) -> Option<Kill> {
    seeds.into_iter().find_map(|seed| {
        let breach = world::run(seed, &world::market, None).breach?;
        // It is the bug that was found only where nothing is found without it.
        plant(None);
        let is_sound = world::run(seed, &world::market, None).breach.is_none();
        plant(Some(mutant));
        let kill = || Kill { by: breach.check.to_owned(), after: seed + 1, what: breach.what };
        is_sound.then(kill)
    })
}

/// The same without the check that has found it. Every seed before was clean with it, and so it is
/// without.
fn without(settings: &Settings, mutant: Mutant, kill: &Kill) -> Without {
    let Some(check) = Check::ALL.into_iter().find(|check| check.as_str() == kill.by) else {
        return Without::NotAsked;
    };
    let first = kill.after - 1;
    world::leave_out(Some(check));
    let found = by_seeds(mutant, first..first + settings.seeds_without);
    world::leave_out(None);
    found.map_or(Without::Lives, Without::Found)
}

fn by_flips() -> Option<Kill> {
    let settings = flips::Settings { flips: FLIPS, ..flips::Settings::ci(1) };
    let mut after = 1;
    let looked = flips::run(&settings, &mut |report| after = report.flips() + 1);
    let what = looked.err()?.to_string();
    Some(Kill { by: "flips".to_owned(), after, what })
}
