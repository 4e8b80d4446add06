//! Planted bugs: each must turn the random orders red, and says after how many seeds.

use quipu_core::{Mutant, plant};

use super::seeds::run;

/// Every planted bug, with the seeds that it may survive.
const PLANTED: [Mutant; 20] = [
    Mutant::AnswerBeforeSync,
    Mutant::RefusalNotHeld,
    Mutant::ReadNotHeld,
    Mutant::WatermarkEarly,
    Mutant::KeyIgnored,
    Mutant::KeyLostOnReplay,
    Mutant::KeyNeverExpires,
    Mutant::EpochIgnored,
    Mutant::TailTooShort,
    Mutant::AppliedTwice,
    Mutant::NowLimitIgnored,
    Mutant::TimeRunsBack,
    Mutant::EvictDirty,
    Mutant::LegAlone,
    Mutant::NoReservation,
    Mutant::HoldFreedTwice,
    Mutant::ClaimWithoutStock,
    Mutant::TimersSkipped,
    Mutant::IndexLeftBehind,
    Mutant::IndexLostOnReplay,
];

const SEEDS_MAX: u64 = 400;

#[test]
fn every_planted_bug_is_caught() {
    std::panic::set_hook(Box::new(|_| {}));
    let mut alive = Vec::new();
    println!("{:<20} {:>5}  caught by", "mutant", "seeds");
    for mutant in PLANTED {
        plant(Some(mutant));
        let caught = (0..SEEDS_MAX).find_map(|seed| {
            let why = std::panic::catch_unwind(|| run(seed, 600)).err()?;
            let text = why.downcast_ref::<String>().cloned();
            let text = text.or_else(|| why.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            Some((seed + 1, text.unwrap_or_default()))
        });
        plant(None);
        match caught {
            Some((seeds, text)) => {
                let text: String =
                    text.chars().filter(|letter| *letter != '\n').take(110).collect();
                println!("{:<20} {seeds:>5}  {text}", format!("{mutant:?}"));
            }
            None => alive.push(mutant),
        }
    }
    let _ = std::panic::take_hook();
    assert!(alive.is_empty(), "these planted bugs live: {alive:?}");
}
