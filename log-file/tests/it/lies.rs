//! Writes that end well and never arrive, or arrive elsewhere: found, or harmless.

use std::path::PathBuf;

use quipu_sim::disk::{Fault, Keep, SimDisk, When};

use crate::promise::{Context, Promise, Step, run};
use crate::truth::{Truth, Verdict};
use Step::{Append, Open, Seal, Tend};

/// Each ends with what vouches for the last event.
const WORKLOADS: &[&[Step]] = &[
    &[Open, Append(1, 40), Append(1, 700), Append(1, 40), Seal],
    &[Open, Append(1, 40), Open, Append(1, 3_000), Tend, Append(1, 40), Seal],
    &[Open, Append(1, 40), Append(0, 8 << 20), Tend, Append(1, 1 << 20), Append(1, 40), Seal],
    &[Open, Append(1, 40), Seal, Open],
];

#[test]
fn a_sector_that_never_arrived_is_found_or_harmless() {
    check(|seed| {
        let index = [None, Some(0), Some(1), Some(2)][seed as usize % 4];
        Fault::StaleSector(index)
    });
}

#[test]
fn a_write_that_arrived_elsewhere_is_found_or_harmless() {
    check(|seed| {
        let file = |number: u64| Some(PathBuf::from(format!("{number:012}.seg")));
        let file = [None, file(1), None, file(2)][seed as usize % 4].clone();
        let offset = [None, Some(512), Some(1_024), Some(0), None][seed as usize % 5];
        Fault::MisdirectWrite { file, offset }
    });
}

/// One write of a workload lies, each in turn; then all is read from the disk itself.
fn check(fault: impl Fn(u64) -> Fault) {
    let mut verdicts = [0; 4];
    for steps in WORKLOADS {
        let disk = SimDisk::new();
        let mut promise = Promise::new();
        run(&disk, &mut promise, steps).expect("all goes well");
        let truth = Truth::of(&disk.image(Keep::All));
        for write in 1..40 {
            for seed in 0..3 {
                let disk = SimDisk::new();
                disk.schedule(fault(seed), When::nth(write));
                let mut promise = Promise::new();
                // A process that opens the log itself reads what the cache shows.
                run(&disk, &mut promise, steps).expect("nobody notices yet");
                disk.end_faults();
                let struck = disk.fired();
                if struck["stale_sector"] + struck["misdirected_write"] == 0 {
                    continue;
                }
                let context = format!("{steps:?}: write {write}, {:?}", fault(seed));
                let _context = Context(context);
                let verdict = truth.judge(&disk.image(Keep::All));
                verdicts[verdict as usize] += 1;
            }
        }
    }
    assert!(verdicts[Verdict::Refused as usize] >= 20, "{verdicts:?}");
}
