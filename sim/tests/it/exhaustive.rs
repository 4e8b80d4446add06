//! Small workloads that power ends everywhere: the smallest of them, and what a breach looks like.

use quipu_core::machine::{Command, Machine as _};
use quipu_core::machines::ticket::{self, Ticket};
use quipu_core::shard::{Ask, Leg, Options};
use quipu_core::words::{Book, Id, Metadata, Name};
use quipu_ledger::LogKind;
use quipu_sim::exhaustive::explore::{Depth, Start, Workload, explore};
use quipu_sim::exhaustive::life::{Step, small};
use quipu_sim::exhaustive::{Case, Report, Settings, Share, replay, run};

fn share(log: LogKind, asks: usize, chores: usize, recoveries: usize) -> Share {
    Share { log, asks, chores, depth: Depth { torn: 2, torn_again: 1, recoveries } }
}

#[test]
fn the_smallest_workloads_survive_a_crash_anywhere() {
    let shares = vec![
        share(LogKind::Files, 1, 0, 1),
        share(LogKind::Files, 0, 1, 10),
        share(LogKind::Redb, 1, 0, 40),
    ];
    let mut told = Vec::new();
    let looked = run(&Settings { shares, threads: 2 }, &mut |report: &Report| {
        told.push(report.workloads);
    });
    let report = looked.unwrap_or_else(|failure| panic!("{failure}"));
    println!("{report}");
    // The making of a ledger, its opening, and five asks; and besides a checkpoint and a stop.
    assert_eq!(report.workloads, 7 + 4 + 7);
    assert_eq!(told, (1..=18).collect::<Vec<_>>());
    let counts = report.counts;
    assert!(counts.different > 300 && counts.images > 3 * counts.different, "{counts:?}");
    assert!(counts.crashes_again > 10 * counts.crashes, "{counts:?}");
    assert!(counts.different_again > 500, "{counts:?}");
}

#[test]
fn how_many_threads_look_makes_no_difference() {
    let report = |threads| {
        let shares = vec![share(LogKind::Files, 1, 0, 20)];
        let report = run(&Settings { shares, threads }, &mut |_| {});
        let report = report.unwrap_or_else(|failure| panic!("{failure}"));
        (report.workloads, report.counts)
    };
    assert_eq!(report(1), report(3));
}

#[test]
fn one_crash_can_be_looked_at_again() {
    let sound = |before: &str, after: &str| {
        let replay = |operation: &u64| {
            let case = format!("{before}@{operation}:{after}");
            let case: Case = case.parse().expect("a case");
            replay(&case)
        };
        (1..60).filter(|operation| replay(operation).is_ok()).count()
    };
    // The frame before its sync, and all that comes before a new ledger is there.
    assert_eq!(sound("files:m", "first-1"), 1);
    assert!(sound("files:new", "first-1") > 3);
    assert!(sound("redb:.", "torn-0") > 3);
    let case: Case = "files:m@9999:first-0".parse().expect("a case");
    let failure = replay(&case).expect_err("no workload has so many operations");
    assert!(failure.to_string().contains("no such moment"), "{failure}");
}

/// What is asked without a key is done twice by whoever asks again.
#[test]
fn what_does_not_hold_is_told_with_its_crash() {
    let issue = || {
        let (amount, reference, expires_at) = (None, None, None);
        let (asset, metadata, batch) = (None, Metadata::default(), false);
        let issue =
            ticket::Command::Issue { amount, asset, reference, expires_at, metadata, batch };
        let id = Id::new("t9").expect("a well-formed id");
        let stream = Name::new(Book::DEFAULT, Ticket::KIND, id);
        let (command, options) = (Command::of::<Ticket>(issue), Options::default());
        Step::Ask(Ask::Command(Leg { stream, command, options }, None))
    };
    let options = small(LogKind::Files);
    let start = Start::after(&options, &[Step::Leave]).expect("it is made");
    let depth = Depth { torn: 1, torn_again: 1, recoveries: 1 };
    let work = Workload { options: &options, start: &start, steps: &[issue()], from: 1 };
    let broken = explore(work, depth).expect_err("the ticket is issued already");
    let text = broken.to_string();
    assert!(text.starts_with("power lost at "), "{text}");
    assert!(text.contains("not known any more") || text.contains("done twice"), "{text}");
}
