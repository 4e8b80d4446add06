//! Power that is lost while room is made ahead, and while the log goes on in its next segment: at
//! every operation, and again at every one of the recovery. The simulator does the same to every
//! small workload.

use quipu::LogKind;
use quipu_core::machines::account::Account;
use quipu_core::shard::{Ask, Key};
use quipu_sim::exhaustive::explore::{Depth, Start, Workload, explore};
use quipu_sim::exhaustive::life::Step;

use super::audit::bulky;
use super::work::small;
use crate::say::*;

#[test]
fn while_room_is_made_ahead() {
    let mut options = small(LogKind::Files);
    // Two fills are a segment.
    options.files.fill_bytes = 8 << 20;
    let begun = [Step::Ask(open("ann")), Step::Ask(command::<Account>("ann", deposit(100)))];
    let start = Start::after(&options, &begun).expect("it is made");
    let mut steps = vec![Step::Tend; 5];
    steps.insert(3, Step::Ask(keyed::<Account>("fund-2", "ann", deposit(1))));
    let work = Workload { options: &options, start: &start, steps: &steps, from: 0 };
    let counts = explore(work, Depth { torn: 4, torn_again: 2, recoveries: 1 });
    let counts = counts.unwrap_or_else(|broken| panic!("{broken}"));
    println!("{counts:?}");
    assert!(counts.crashes > 10, "{counts:?}");
}

/// The log goes on in its next segment, made ahead or not. Images are large here, so fewer
/// recoveries are cut short.
#[test]
fn while_the_log_goes_on_in_another_segment() {
    let step = |number: usize| {
        let Ask::Command(leg, _) = bulky("bulk", 65_000) else { unreachable!("it is a command") };
        let key = Key::new(&format!("bulk-{number}")).expect("well-formed");
        Step::Ask(Ask::Command(leg, Some(key)))
    };
    let fill = quipu_log_file::Settings::SEGMENT_BYTES_LEAST as usize / 65_700;
    for ahead in [0, 4] {
        let mut options = small(LogKind::Files);
        options.files.fill_bytes = 8 << 20;
        let start = Start::after(&options, &[Step::Leave]).expect("it is made");
        let mut steps: Vec<Step> = (0..fill + 3).map(step).collect();
        for _ in 0..ahead {
            steps.insert(fill - 10, Step::Tend);
        }
        let work =
            Workload { options: &options, start: &start, steps: &steps, from: fill - 1 + ahead };
        let counts = explore(work, Depth { torn: 2, torn_again: 1, recoveries: 40 });
        let counts = counts.unwrap_or_else(|broken| panic!("{broken}"));
        println!("{counts:?}");
        assert!(counts.crashes > 12, "{counts:?}");
    }
}
