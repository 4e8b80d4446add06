//! Power is lost at every operation, and every sync fails once: what was acknowledged stays.

use quipu_core::log::{Finish, Frame, Log, LogError, Reader};
use quipu_core::words::Position;
use quipu_sim::disk::{Fault, Keep, SimDisk, When};

use super::log::{append, frames, next_frame, open};

/// What somebody was told.
#[derive(Default, Debug)]
struct Told {
    /// Every frame that was appended, in order.
    durable: Vec<Frame>,
    /// The one whose end nobody was told.
    unknown: Option<Frame>,
    /// What is kept at least, and at most.
    trimmed: (Position, Position),
    /// How long the file has been.
    len_max: u64,
}

/// Opens a log, appends frames so that the file grows and its sums take several pages, trims,
/// makes room, closes, and opens again; until the disk fails.
fn work(disk: &SimDisk, told: &mut Told) {
    for _ in 0..2 {
        let Ok(mut log) = open(disk) else { return };
        let Ok(epoch) = log.take_epoch() else { return };
        for len in [40, 700, 900_000, 4_000, 40] {
            let frame = Frame { epoch, ..next_frame(&log, 2, len) };
            match append(&mut log, frame.clone()) {
                Some(Finish::Durable) => told.durable.push(frame),
                _ => return told.unknown = Some(frame),
            }
        }
        told.len_max = told.len_max.max(disk.files()[0].1);
        let until = log.bounds().1.get() - 4;
        told.trimmed.1 = Position::new(until);
        let Ok(first) = log.trim(Position::new(until)) else { return };
        told.trimmed.0 = first;
        if log.tend().is_err() {
            return;
        }
    }
}

/// That a log holds what was told, and nothing else. Gives its frames.
fn check(disk: &SimDisk, told: &Told) -> Vec<Frame> {
    let log = open(disk).expect("it opens");
    let found = frames(&log).expect("readable");
    let (first, next) = log.bounds();
    assert!(first >= told.trimmed.0 && first <= told.trimmed.1.max(Position::new(1)), "{first}");
    let all: Vec<_> = told.durable.iter().chain(&told.unknown).collect();
    let kept = all.iter().copied().filter(|frame| frame.first >= first && frame.first < next);
    assert!(found.iter().eq(kept), "frames from {first} to {next}");
    let end = told.durable.last().map_or(Position::new(1), |frame| frame.last().plus(1));
    assert!(next >= end, "{next}, though all before {end} was acknowledged");
    found
}

/// That whoever opens it again finds the same, also after power is lost once more, and can go on.
fn check_twice(disk: &SimDisk, told: &Told, seed: u64) {
    let found = check(disk, told);
    let again = disk.image(Keep::Torn(seed));
    let mut log = open(&again).expect("it opens again");
    assert!(frames(&log).expect("readable") == found, "two openings find two things");
    let epoch = log.take_epoch().expect("an epoch");
    let more = Frame { epoch, ..next_frame(&log, 1, 5_000) };
    assert_eq!(append(&mut log, more.clone()), Some(Finish::Durable));
    again.lose_power();
    drop(log);
    let log = open(&again.image(Keep::Nothing)).expect("it opens a third time");
    let mut expected = found;
    expected.push(more);
    assert!(frames(&log).expect("readable") == expected, "it cannot go on");
}

#[test]
fn power_is_lost_at_every_operation() {
    let (disk, mut told) = (SimDisk::new(), Told::default());
    work(&disk, &mut told);
    let operations = disk.operations();
    assert!(operations > 100 && told.len_max > 2 << 20, "{operations}, {}", told.len_max);
    for at in 1..=operations {
        let (disk, mut told) = (SimDisk::new(), Told::default());
        disk.die_at(at);
        work(&disk, &mut told);
        disk.lose_power();
        let pending = disk.pending();
        for keep in [Keep::Nothing, Keep::All, Keep::First(pending / 2), Keep::Torn(!at)] {
            check(&disk.image(keep), &told);
        }
        check_twice(&disk.image(Keep::Torn(at)), &told, at);
    }
}

/// After a failed sync the cache shows what the disk never got, also to the next process. What
/// that one finds and builds on must be there once power is lost.
#[test]
fn a_sync_fails_and_power_is_lost_later() {
    let mut failed = 0;
    loop {
        let (disk, mut told) = (SimDisk::new(), Told::default());
        disk.schedule(Fault::FailSync, When::nth(failed + 1));
        work(&disk, &mut told);
        if disk.fired()["failed_sync"] == 0 {
            break;
        }
        failed += 1;
        let disk = disk.reopen();
        let mut log = open(&disk).expect("it opens");
        let shown = frames(&log).expect("readable");
        // Once it was shown it counts.
        told.durable.extend(told.unknown.take_if(|frame| shown.contains(frame)));
        told.unknown = None;
        for keep in [Keep::Nothing, Keep::Torn(failed), Keep::Torn(!failed)] {
            check(&disk.image(keep), &told);
        }
        // And the same where the next process has built on it when power goes.
        let epoch = log.take_epoch().expect("an epoch");
        let more = Frame { epoch, ..next_frame(&log, 1, 400_000) };
        assert_eq!(append(&mut log, more.clone()), Some(Finish::Durable));
        told.durable.push(more);
        let last = Frame { epoch, ..next_frame(&log, 1, 400_000) };
        disk.die_at(disk.operations() + 1 + failed % 8);
        match append(&mut log, last.clone()) {
            Some(Finish::Durable) => told.durable.push(last),
            _ => told.unknown = Some(last),
        }
        disk.lose_power();
        drop(log);
        for keep in [Keep::Nothing, Keep::All, Keep::Torn(!failed)] {
            check(&disk.image(keep), &told);
        }
        check_twice(&disk.image(Keep::Torn(failed)), &told, failed);
    }
    assert!(failed > 20, "{failed}");
}

/// A write that fails, in whole or in part, is as final as a sync that does. Only where a part
/// of a sector lands can nobody tell what was in it before: that is damage, and no answer.
#[test]
fn a_write_fails_and_nothing_is_tried_again() {
    for fault in [Fault::FailWrite, Fault::ShortWrite(None), Fault::NoSpace] {
        let (mut failed, mut torn) = (0, 0);
        loop {
            let (disk, mut told) = (SimDisk::new(), Told::default());
            disk.schedule(fault.clone(), When::nth(failed + 1));
            work(&disk, &mut told);
            let sites = ["failed_write", "short_write", "no_space"];
            if sites.iter().all(|site| disk.fired()[*site] == 0) {
                break;
            }
            failed += 1;
            let disk = disk.reopen();
            match open(&disk).err() {
                None => drop(check(&disk, &told)),
                Some(LogError::Damaged(damage)) => {
                    assert!(fault == Fault::ShortWrite(None), "{damage}");
                    assert!([0, 8_192].contains(&damage.offset), "{damage}");
                    torn += 1;
                }
                Some(error) => panic!("{error}"),
            }
        }
        assert!(failed > 2 && torn < failed, "{fault:?}: {torn} of {failed}");
    }
}
