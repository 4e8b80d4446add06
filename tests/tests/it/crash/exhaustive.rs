//! Small workloads: power is lost at every operation, and again at every one of the recovery.
//!
//! One run gives every point: before each operation the disk is copied as power loss would leave
//! it then, with all of what waits for a sync, nothing of it, each of its beginnings, and some of
//! its sectors. Recovery is run on each copy, and is cut short at each of its operations in the
//! same way. Copies that are alike in every byte are looked at once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use quipu::{LogKind, Options};
use quipu_core::log::Anchor;
use quipu_core::machines::account::{self, Account};
use quipu_core::machines::key::{self, Key as Home};
use quipu_core::machines::ticket::Ticket;
use quipu_core::shard::{Ask, Key};
use quipu_sim::disk::{Act, Keep, SimDisk};

use super::found::*;
use super::work::*;
use crate::say::*;

/// How a workload is cut short.
struct Cut {
    /// How many torn images are taken at each operation: of the workload, and of a recovery.
    torn: (u64, u64),
    /// Recovery is cut short for one in so many images of the workload.
    recoveries: usize,
}

/// What was looked at.
#[derive(Default, Debug)]
struct Counts {
    operations: usize,
    images: usize,
    different: usize,
    recovery_operations: usize,
    recovery_images: usize,
    recovery_different: usize,
}

/// Every image of a disk that loses power while it works, with its fingerprint.
#[derive(Default)]
struct Images {
    operations: usize,
    taken: usize,
    /// By fingerprint: what callers knew when it was first and last the image.
    by_print: BTreeMap<u64, (SimDisk, Told, Told)>,
    is_over: bool,
}

impl Images {
    /// Takes those of power loss now.
    fn take(&mut self, disk: &SimDisk, told: &Told, torn: u64) {
        if self.is_over {
            return;
        }
        self.operations += 1;
        let pending = disk.pending();
        let seeds = (0..torn).map(|seed| Keep::Torn(seed << 32 | self.operations as u64));
        let keeps = (0..=pending).map(Keep::First).chain(seeds.filter(|_| pending > 0));
        for keep in keeps {
            self.taken += 1;
            let image = disk.image(keep);
            let known = self.by_print.entry(print_of(&image));
            known.or_insert_with(|| (image, told.clone(), told.clone())).2 = told.clone();
        }
    }
}

/// Takes the images of a disk before each of its operations.
fn watch(disk: &SimDisk, callers: &Callers, torn: u64) -> Arc<Mutex<Images>> {
    let images: Arc<Mutex<Images>> = Arc::default();
    let (taken, callers) = (Arc::clone(&images), callers.clone());
    disk.on_operation(move |disk, operation| {
        if !matches!(operation.act, Act::Read { .. }) {
            let told = callers.told().clone();
            taken.lock().expect("no panic").take(disk, &told, torn);
        }
    });
    images
}

/// A crash at every operation of `steps`, which follow `before`, and of each recovery.
fn explore(options: &Options, before: &[Step], steps: &[Step], cut: &Cut) -> Counts {
    let (disk, callers) = (SimDisk::new(), Callers::default());
    if !before.is_empty() {
        live(&disk, options, before, &callers).expect("a sound disk");
    }
    let images = watch(&disk, &callers, cut.torn.0);
    live(&disk, options, steps, &callers).expect("a sound disk");
    let told = callers.told().clone();
    let mut images = images.lock().expect("no panic");
    images.take(&disk, &told, cut.torn.0);
    images.is_over = true;

    let asked = before.iter().chain(steps);
    let asks: Vec<Ask> = asked
        .filter_map(|step| match step {
            Step::Ask(ask) => Some(ask.clone()),
            _ => None,
        })
        .collect();
    let whole = enter(&disk.image(Keep::All), options).expect("it opens").0;
    let reference = anchors(&frames(&whole.log).expect("a readable log"));
    drop(whole);
    let (operations, taken, different) = (images.operations, images.taken, images.by_print.len());
    let mut counts = Counts { operations, images: taken, different, ..Counts::default() };
    let mut known = BTreeMap::new();
    for (number, (image, first, last)) in images.by_print.values().enumerate() {
        let is_cut = number % cut.recoveries == 0;
        let torn = if is_cut { Some(cut.torn.1) } else { None };
        let (found, recovery) = recovered(image, options, &asks, torn);
        check(&found, &reference, first, last);
        counts.recovery_operations += recovery.operations;
        counts.recovery_images += recovery.taken;
        for (print, (image, ..)) in &recovery.by_print {
            let again = known.entry(*print).or_insert_with(|| {
                counts.recovery_different += 1;
                recovered(image, options, &asks, None).0
            });
            check_again(&found, again);
            check(again, &with_genesis(&reference, again), first, last);
        }
    }
    counts
}

/// What is found on an image, and the images of power loss while it is recovered.
fn recovered(
    image: &SimDisk,
    options: &Options,
    asks: &[Ask],
    torn: Option<u64>,
) -> (Found, Images) {
    let disk = image.image(Keep::All);
    let images = torn.map(|torn| (torn, watch(&disk, &Callers::default(), torn)));
    let end = || {
        if let Some((torn, images)) = &images {
            let mut images = images.lock().expect("no panic");
            images.take(&disk, &Told::default(), *torn);
            images.is_over = true;
        }
    };
    let found = find(&disk, options, asks, end).expect("what power loss leaves opens");
    let images = images.map(|(_, images)| core::mem::take(&mut *images.lock().expect("no panic")));
    (found, images.unwrap_or_default())
}

/// What was found against what callers knew when it was the image for the first and last time.
fn check(found: &Found, reference: &[Anchor], first: &Told, last: &Told) {
    assert!(!(found.is_new && last.is_made), "a ledger is gone: {last:?}");
    assert!(reference.contains(&found.anchor), "{found:?} is no part of what happened");
    assert!(found.anchor.position >= last.position, "{found:?}: lost what {last:?} rests on");
    assert!(found.now_limit >= last.at, "{found:?}: time runs back, {last:?}");
    // Each ask is one frame here, behind the first entry of all.
    let place = reference.iter().position(|anchor| *anchor == found.anchor).unwrap_or_default();
    assert!(place <= 1 + first.begun, "{found:?}: more than {first:?} began");
    for (told, (is_kept, answer)) in last.replies.iter().zip(&found.answers) {
        assert!(*is_kept, "{told:?} is not known any more");
        assert_eq!(*answer, essence(told), "the same key, another answer");
    }
}

/// A recovery that was cut short against one that was not, of the same disk.
fn check_again(found: &Found, again: &Found) {
    assert!(found.is_new || !again.is_new, "a recovery that was cut short lost a ledger");
    assert!(again.now_limit >= found.now_limit, "time runs back: {found:?}, {again:?}");
    if found.anchor == Anchor::START {
        assert!(again.anchor.position <= BEGUN, "{again:?}");
        return;
    }
    assert_eq!(found.anchor, again.anchor, "a second recovery finds another history");
    assert_eq!(found.digest, again.digest, "a second recovery finds another state");
    for (one, other) in found.answers.iter().zip(&again.answers).filter(|(one, _)| one.0) {
        assert_eq!(one, other);
    }
}

/// The history that a recovery began by itself is none of the workload's.
fn with_genesis(reference: &[Anchor], again: &Found) -> Vec<Anchor> {
    let began = Some(again.anchor).filter(|anchor| anchor.position == BEGUN);
    began.into_iter().chain(reference.iter().copied()).collect()
}

/// Every operation of `steps`, and of each recovery. With a log in redb, whose own crashes are
/// tested beside it, one recovery in five is cut short, unless `QUIPU_EXHAUSTIVE` is set.
fn at_every_operation(before: &[Step], steps: &[Step]) {
    let is_all = std::env::var_os("QUIPU_EXHAUSTIVE").is_some();
    for log in [LogKind::Files, LogKind::Redb] {
        let recoveries = if is_all || log == LogKind::Files { 1 } else { 5 };
        let cut = Cut { torn: (4, 2), recoveries };
        let counts = explore(&small(log), before, steps, &cut);
        println!("{log:?}: {counts:?}");
        assert!(counts.operations > 10 && counts.images > 4 * counts.operations, "{counts:?}");
        let cut_short = counts.different / recoveries;
        assert!(counts.recovery_operations > 10 * cut_short, "{counts:?}");
        assert!(counts.recovery_images > 4 * counts.recovery_operations, "{counts:?}");
    }
}

fn account(key: &str, who: &str, command: account::Command) -> Step {
    Step::Ask(keyed::<Account>(key, who, command))
}

/// Ann has 100, Bo has nothing, and there is a ticket.
fn something() -> Vec<Step> {
    vec![
        account("open-ann", "ann", opening()),
        account("open-bo", "bo", opening()),
        account("fund", "ann", deposit(100)),
        Step::Ask(keyed::<Ticket>("issue", "t1", issue())),
        Step::Leave,
    ]
}

#[test]
fn while_a_ledger_is_made() {
    at_every_operation(&[], &[Step::Leave]);
}

#[test]
fn while_an_account_is_opened_and_filled() {
    let steps = [account("open", "ann", opening()), account("fund", "ann", deposit(5))];
    at_every_operation(&[Step::Leave], &steps);
}

#[test]
fn while_money_moves_around_a_checkpoint() {
    let one = account("one", "ann", transfer("bo", 30));
    let two = account("two", "bo", transfer("ann", 10));
    let late = account("late", "ann", transfer("bo", 200));
    let steps = [one, Step::Checkpoint, two, late, Step::Seal];
    at_every_operation(&something(), &steps);
}

#[test]
fn while_a_ticket_is_claimed_and_the_ledger_stopped() {
    let claim = |key, who| Step::Ask(keyed::<Ticket>(key, "t1", claim(who)));
    let steps = [claim("one", "ann"), Step::Seal, Step::Stop, claim("two", "bo")];
    at_every_operation(&something(), &steps);
}

#[test]
fn while_a_transaction_moves_what_it_claims() {
    let legs = vec![
        leg::<Home>("home", key::Command::Keep { made: None }),
        leg::<Ticket>("t1", claim("bo")),
        leg::<Account>("ann", transfer("bo", 60)),
    ];
    let both = Ask::Transaction(legs, Some(Key::new("both").expect("well-formed")));
    let steps = [Step::Ask(both), Step::Checkpoint, Step::Leave];
    at_every_operation(&something(), &steps);
}

#[test]
fn while_room_is_made_ahead() {
    let mut options = small(LogKind::Files);
    // Two fills are a segment.
    options.files.fill_bytes = 8 << 20;
    let mut steps = vec![Step::Tend; 5];
    steps.insert(3, account("fund-2", "ann", deposit(1)));
    let cut = Cut { torn: (4, 2), recoveries: 1 };
    let counts = explore(&options, &something(), &steps, &cut);
    println!("{counts:?}");
    assert!(counts.operations > 10, "{counts:?}");
}
