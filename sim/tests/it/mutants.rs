//! Planted bugs: who finds them, what is needed for it, and what is said of one that lives.

use quipu_sim::mutants::{Mutant, Settings, Without, run};

const FEW: Settings = Settings { seeds: 20, seeds_without: 5, threads: 2 };

#[test]
fn a_planted_bug_is_found_by_the_promise_that_it_breaks() {
    let mutants = [Mutant::AnswerBeforeSync, Mutant::TimersSkipped, Mutant::FenceIgnored];
    let mut told = 0;
    let report = run(&FEW, &mutants, &mut |_| told += 1);
    assert_eq!((told, report.alive().count()), (3, 0));
    let found_by = |fate: &quipu_sim::mutants::Fate| fate.kill.clone().map(|kill| kill.by);
    let found: Vec<_> = report.fates.iter().filter_map(found_by).collect();
    assert_eq!(found, ["durability", "linearizability", "double spend"]);
    // Only who looks at the time of each event sees what should have ended before.
    assert_eq!(report.fates[1].without, Without::Lives);
}

#[test]
fn a_bug_that_nothing_finds_lives() {
    let report = run(&Settings { seeds: 0, ..FEW }, &[Mutant::KeyIgnored], &mut |_| {});
    assert_eq!(report.alive().collect::<Vec<_>>(), [Mutant::KeyIgnored]);
    assert!(report.by_check().iter().all(|(_, found, _)| found.is_empty()));
}
