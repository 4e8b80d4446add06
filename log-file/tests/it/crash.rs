//! Power is lost at every operation, and again at every operation of the opening behind it.

use std::path::Path;
use std::sync::{Arc, Mutex};

use quipu_core::log::Reader;
use quipu_log_file::ClosedLog;
use quipu_sim::disk::{Act, Keep, SimDisk};

use crate::promise::{Context, ID, Promise, Step, run};
use Step::{Append, Early, Epoch, Open, Tend, Trim};

/// Leaves of the shortest segment less than 64 KiB. It holds no event, so nobody hashes it.
const FILLER: [Step; 2] = [Append(0, 8 << 20), Append(0, 1_000_000)];

/// A frame for which the filler leaves no room.
const WIDE: usize = 60_000;

#[test]
fn a_creation_and_the_first_appends() {
    check(&[Open, Append(1, 40), Append(0, 0), Append(3, 1_500)], 4, 1_000);
}

#[test]
fn a_frame_of_many_sectors() {
    check(&[Open, Append(2, 40_000)], 12, 1_000);
}

#[test]
fn a_segment_made_ahead() {
    check(&[Open, Append(1, 40), Tend, Append(2, 700), Open], 2, 3_000);
}

#[test]
fn a_roll_into_a_segment_that_nobody_made_ahead() {
    check(&[Open, FILLER[0], FILLER[1], Append(2, WIDE)], 2, 1_800);
}

#[test]
fn a_roll_into_a_segment_made_ahead() {
    check(&[Open, FILLER[0], Tend, FILLER[1], Append(2, WIDE)], 2, 1_800);
}

#[test]
fn a_frame_behind_a_roll_that_carries_only_time() {
    check(&[Open, FILLER[0], FILLER[1], Append(0, WIDE), Append(1, 40)], 2, 2_000);
}

#[test]
fn a_roll_does_not_forget_time() {
    check(&[Open, FILLER[0], FILLER[1], Early(WIDE), Append(1, 40)], 2, 2_200);
}

#[test]
fn openings_one_behind_the_other() {
    check(&[Open, Append(1, 40), Open, Open, Append(1, 600), Append(0, 0), Open], 2, 3_500);
}

#[test]
fn history_that_is_dropped() {
    let filled = [Open, Append(1, 40), Open, Append(1, 40), Open, Append(1, 40)];
    check(&[&filled[..], &[Trim(2), Append(1, 40), Trim(4)]].concat(), 2, 3_800);
}

#[test]
fn a_writer_that_takes_over_on_one_handle() {
    check(&[Open, Append(1, 40), Epoch, Append(1, 40), Epoch], 2, 1_200);
}

/// Does the steps, with power lost at each operation of theirs, at each of the opening that
/// follows, and with images of both; of the first so many torn ones.
fn check(steps: &[Step], torn: u64, cases_least: usize) {
    let is_sync = operations(&SimDisk::new(), |disk| {
        run(disk, &mut Promise::new(), steps).expect("without faults all goes well");
    });
    let mut cases = 0;
    for last in 1..=is_sync.len() {
        let disk = SimDisk::new();
        disk.die_at(last as u64);
        let mut promise = Promise::new();
        run(&disk, &mut promise, steps).expect_err("power is lost");
        for keep in images(&disk, &is_sync[..last], torn) {
            let place = format!("power is lost at {last}, which leaves {keep:?}");
            cases += recover_everywhere(&disk.image(keep), &promise, &place);
        }
    }
    assert!(cases >= cases_least, "{cases} cases are fewer than there were");
}

/// Opens what a crash has left, twice; then with power lost at each operation of the opening.
fn recover_everywhere(found: &SimDisk, promise: &Promise, place: &str) -> usize {
    let context = Context(place.to_owned());
    let whole = found.image(Keep::All);
    let is_sync = operations(&whole, |disk| {
        let mut promise = promise.clone();
        let mut log = promise.open(disk).expect("what a crash left can be opened");
        promise.take_epoch(&mut log).expect("its epoch rises");
        drop(log);
        is_sound(disk);
    });
    let mut promise_again = promise.clone();
    let first = promise_again.open(&found.image(Keep::All)).expect("it opens");
    let seen = (first.bounds(), first.anchor());
    let again = promise_again.open(&whole).expect("it opens again");
    assert_eq!(seen, (again.bounds(), again.anchor()), "an opening changes nothing");
    drop(context);

    let mut cases = 2;
    for last in 1..=is_sync.len() {
        let dying = found.image(Keep::All);
        dying.die_at(last as u64);
        let mut promise = promise.clone();
        assert!(promise.open(&dying).is_err(), "power is lost");
        for keep in images(&dying, &is_sync[..last], 1) {
            let context = Context(format!("{place}; then at {last} of the opening, {keep:?}"));
            let mut promise = promise.clone();
            let disk = dying.image(keep);
            let mut log = promise.open(&disk).expect("what two crashes left can be opened");
            promise.take_epoch(&mut log).expect("its epoch rises");
            drop(log);
            is_sound(&disk);
            drop(context);
            cases += 1;
        }
    }
    cases
}

/// No crash leaves what looks like damage.
fn is_sound(disk: &SimDisk) {
    let log = ClosedLog::open(disk.clone(), Path::new(""), ID).expect("it opens");
    log.examine(&mut |damage| panic!("{damage}"), &mut |_| {}).expect("readable");
}

/// The operations, and which of them are syncs.
fn operations(disk: &SimDisk, work: impl FnOnce(&SimDisk)) -> Vec<bool> {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&seen);
    disk.on_operation(move |_, operation| {
        if !matches!(operation.act, Act::Read { .. }) {
            let is_sync = matches!(operation.act, Act::Sync | Act::SyncDir);
            noted.lock().expect("one thread").push(is_sync);
        }
    });
    work(disk);
    disk.on_operation(|_, _| {});
    let seen = seen.lock().expect("one thread");
    seen.clone()
}

/// What power loss may leave. Without a sync between, a prefix of what waits is all of what
/// waited one operation before.
fn images(disk: &SimDisk, is_sync: &[bool], torn: u64) -> Vec<Keep> {
    let mut images = vec![Keep::All];
    let pending = disk.pending();
    if pending == 0 {
        return images;
    }
    if is_sync.len() < 2 || is_sync[is_sync.len() - 2] {
        images.extend((0..pending).map(Keep::First));
    }
    let seed = 1_000 * is_sync.len() as u64;
    images.extend((0..torn).map(|index| Keep::Torn(seed + index)));
    images
}
