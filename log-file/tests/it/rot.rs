//! Bits that turn over, files that are cut, lost, swapped or of another log: found, or harmless.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use quipu_core::disk::{Disk, File};
use quipu_core::log::{Log, LogError, Reader};
use quipu_core::words::Position;
use quipu_log_file::{FORMAT, FileLog, LogId};
use quipu_sim::Random;
use quipu_sim::disk::{Fault, Keep, SimDisk, When};
use xxhash_rust::xxh3::xxh3_64;

use crate::promise::{ID, Promise, Step, run, settings};
use crate::truth::{Truth, Verdict, check_named};
use Step::{Append, Open, Tend};

/// Frames are of one event each, so that each is one position.
const STEPS: &[Step] = &[
    Open,
    Append(1, 40),
    Append(1, 384),
    Append(1, 700),
    Append(0, 0),
    Open,
    Append(1, 1),
    Append(1, 3_000),
    Open,
    Append(1, 40),
    Append(0, 100),
    Open,
    Append(1, 1_200),
    Tend,
    Append(1, 60),
];

fn segment(number: u64) -> PathBuf {
    PathBuf::from(format!("{number:012}.seg"))
}

/// What was made ahead when a log was closed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ahead {
    Spare,
    Segment,
}

/// Five segments, the last with a seal, and what was made ahead.
fn closed(ahead: Ahead) -> (SimDisk, Truth) {
    let disk = SimDisk::new();
    let mut promise = Promise::new();
    run(&disk, &mut promise, STEPS).expect("without faults all goes well");
    let mut log = FileLog::open(disk.reopen(), Path::new(""), ID, &settings()).expect("it opens");
    promise.check(&log);
    promise.take_epoch(&mut log).expect("its epoch");
    let last = promise.frame(1, 900);
    promise.append(&mut log, last.clone()).expect("durable");
    let mut seal = promise.frame(0, 0);
    seal.now_limit = last.now_limit;
    promise.append(&mut log, seal).expect("durable");
    while log.tend().expect("room is made") {
        let has_spare = |(path, _): &(PathBuf, u64)| path == Path::new("ahead.spare");
        if ahead == Ahead::Spare && disk.files().iter().any(has_spare) {
            break;
        }
    }
    drop(log);
    let disk = disk.image(Keep::All);
    let truth = Truth::of(&disk);
    (disk, truth)
}

#[test]
fn every_flipped_bit_is_found_or_harmless() {
    let (disk, truth) = closed(Ahead::Spare);
    assert_eq!(truth.judge(&disk), Verdict::Same);
    let (mut random, mut picked) = (Random::new(11), Random::new(12));
    let mut verdicts: BTreeMap<String, usize> = BTreeMap::new();
    for (path, len) in disk.files() {
        // Of all that was ever written three bytes in five, and of the zeros behind it some.
        let written = written(&disk, &path, len);
        let zeros = (0..100).map(|_| written + random.below(len - written));
        let zeros: Vec<u64> = if written < len { zeros.collect() } else { Vec::new() };
        for offset in (0..written).filter(|_| picked.below(5) < 3).chain(zeros) {
            let damaged = disk.image(Keep::All);
            damaged.flip(&path, offset, random.below(8) as u8).expect("there is a byte");
            let verdict = truth.judge(&damaged);
            *verdicts.entry(format!("{verdict:?}")).or_default() += 1;
        }
    }
    let flips: usize = verdicts.values().sum();
    assert!(flips >= 10_000, "{verdicts:?}");
    assert!(verdicts.values().all(|count| *count >= 100), "{verdicts:?}");
    assert_eq!(verdicts.len(), 4, "{verdicts:?}");
}

/// Up to where a file is not zero.
fn written(disk: &SimDisk, path: &Path, len: u64) -> u64 {
    let mut bytes = vec![0; len as usize];
    disk.open(path).expect("it is there").read_at(0, &mut bytes).expect("readable");
    let last = bytes.iter().rposition(|byte| *byte != 0);
    last.map_or(0, |last| (last as u64 + 1).next_multiple_of(512).min(len))
}

#[test]
fn every_cut_is_found_or_harmless() {
    let (disk, truth) = closed(Ahead::Segment);
    for (path, len) in disk.files() {
        let near = written(&disk, &path, len) + 1_024;
        let sectors = (0..near.min(len)).step_by(512);
        let lens = sectors.flat_map(|at| [at.saturating_sub(1), at, at + 1]);
        for cut in lens.chain((near..len).step_by(1_234_567)).filter(|cut| *cut < len) {
            let damaged = disk.image(Keep::All);
            let file = damaged.open(&path).expect("it is there");
            file.set_len(cut).expect("cut");
            let verdict = truth.judge(&damaged);
            if path.to_string_lossy().ends_with(".seg") {
                assert_ne!(verdict, Verdict::Same, "{} cut to {cut}", path.display());
            }
        }
    }
}

#[test]
fn a_missing_segment_is_found() {
    let (disk, truth) = closed(Ahead::Segment);
    let numbers: Vec<u64> =
        (1..).take_while(|number| disk.open(&segment(*number)).is_ok()).collect();
    // The last one is made ahead: empty.
    let last_written = numbers[numbers.len() - 2];
    for number in &numbers {
        let damaged = disk.image(Keep::All);
        damaged.remove(&segment(*number)).expect("removed");
        let expected = if *number > last_written { Verdict::Same } else { Verdict::Refused };
        assert_eq!(truth.judge(&damaged), expected, "segment {number}");
    }
    // Nor can the newest be lost together with what was made ahead.
    let damaged = disk.image(Keep::All);
    for number in [last_written, last_written + 1] {
        damaged.remove(&segment(number)).expect("removed");
    }
    assert_eq!(truth.judge(&damaged), Verdict::Refused);
}

#[test]
fn a_segment_elsewhere_is_found() {
    let (disk, truth) = closed(Ahead::Segment);
    for (from, to) in [(1, 2), (2, 1), (2, 3), (3, 2), (4, 5), (5, 4), (1, 5), (5, 3), (1, 7)] {
        let damaged = disk.image(Keep::All);
        copy(&disk, &damaged, &segment(from), &segment(to));
        assert_eq!(truth.judge(&damaged), Verdict::Refused, "{from} at the place of {to}");
    }
}

#[test]
fn a_segment_of_another_log_is_found() {
    let (disk, truth) = closed(Ahead::Segment);
    let other = SimDisk::new();
    let mut log = FileLog::create(other.clone(), Path::new(""), LogId([8; 16]), &settings())
        .expect("it is made");
    let mut promise = Promise::new();
    promise.take_epoch(&mut log).expect("its epoch");
    let frame = promise.frame(1, 40);
    promise.append(&mut log, frame).expect("durable");
    drop(log);
    for number in 1..=6 {
        let damaged = disk.image(Keep::All);
        copy(&other, &damaged, &segment(1), &segment(number));
        assert_eq!(truth.judge(&damaged), Verdict::Refused, "in place of {number}");
    }
    let error = FileLog::open(other.reopen(), Path::new(""), ID, &settings());
    assert!(matches!(error, Err(LogError::Failed(_))), "a whole log of another ledger");
}

#[test]
fn a_newer_format_is_refused_and_nothing_is_changed() {
    let (disk, truth) = closed(Ahead::Segment);
    for number in 1..=5 {
        let damaged = disk.image(Keep::All);
        let file = damaged.open(&segment(number)).expect("it is there");
        let mut header = [0; 512];
        file.read_at(0, &mut header).expect("readable");
        header[8..12].copy_from_slice(&(FORMAT + 1).to_le_bytes());
        let sum = xxh3_64(&header[..504]);
        header[504..].copy_from_slice(&sum.to_le_bytes());
        file.write_at(0, &header).expect("written");
        file.sync().expect("synced");
        assert_eq!(truth.judge(&damaged), Verdict::Refused, "segment {number}");
        let before = contents(&damaged);
        let operations = damaged.operations();
        let opened = FileLog::open(damaged.clone(), Path::new(""), ID, &settings());
        let error = opened.err().expect("it is refused");
        check_named(&error);
        assert!(error.to_string().contains("newer"), "{error}");
        assert_eq!(damaged.operations(), operations, "nothing was done");
        assert!(contents(&damaged) == before);
    }
}

#[test]
fn frames_of_a_file_that_was_there_before_never_pass() {
    let (disk, _) = closed(Ahead::Segment);
    // Whole frames at their own offsets, but in the file of another segment.
    let mut promise = Promise::new();
    let fresh = SimDisk::new();
    drop(promise.open(&fresh).expect("it is made"));
    let stale = disk.image(Keep::All);
    let old = stale.open(&segment(4)).expect("it is there");
    let new = fresh.open(&segment(1)).expect("it is there");
    let mut bytes = vec![0; old.byte_len().expect("a length") as usize - 1_024];
    old.read_at(1_024, &mut bytes).expect("readable");
    new.write_at(1_024, &bytes).expect("written");
    let log = promise.open(&fresh.reopen()).expect("they are no frames of this segment");
    assert_eq!(log.bounds().1, Position::new(1));
}

#[test]
fn a_frame_of_another_segment_of_the_same_writer_never_passes() {
    // The second segment ends where in the first one a small frame begins.
    let first = [Open, Append(0, 59_776), Append(1, 40), Append(0, 8 << 20), Append(0, 940_000)];
    let disk = SimDisk::new();
    let mut promise = Promise::new();
    let steps = [&first[..], &[Append(0, 60_000)]].concat();
    run(&disk, &mut promise, &steps).expect("all goes well");
    let mut bytes = vec![0; 512];
    disk.open(&segment(1)).expect("it is there").read_at(60_928, &mut bytes).expect("readable");
    assert_eq!(bytes[..4], *b"KNOT");
    let file = disk.open(&segment(2)).expect("it is there");
    file.write_at(60_928, &bytes).expect("written");
    file.sync().expect("synced");
    promise.open(&disk.reopen()).expect("it is no frame of this segment");
}

#[test]
fn a_frame_inside_a_payload_never_passes() {
    let disk = SimDisk::new();
    let mut promise = Promise::new();
    run(&disk, &mut promise, &[Open, Append(1, 40), Append(1, 900)]).expect("all goes well");
    let disk = disk.reopen();
    // All that lies in the segment, so that its frames begin at sectors of the next one again,
    // as the payload of a frame whose own header is lost.
    let mut bytes = vec![0; 8_192];
    disk.open(&segment(1)).expect("it is there").read_at(0, &mut bytes).expect("readable");
    let mut log = promise.open(&disk).expect("it opens");
    promise.take_epoch(&mut log).expect("its epoch");
    disk.schedule(Fault::StaleSector(Some(0)), When::nth(1));
    let mut frame = promise.frame(1, 0);
    frame.bytes = bytes.split_off(128);
    let log_time = promise.now_limit;
    promise.append(&mut log, frame).expect("it seems so");
    drop(log);
    // Had anything vouched for it, this would be damage.
    promise.begun = promise.kept.pop();
    promise.now_limit = log_time;
    promise.open(&disk.image(Keep::All)).expect("nothing vouches for it");
    assert_eq!(promise.kept.len(), 2);
}

#[test]
fn a_rotten_last_frame_is_found_once_a_seal_is_behind_it() {
    let (disk, truth) = closed(Ahead::Segment);
    let path = segment(5);
    // The header of the segment, the copy or opening, the last event, the seal.
    let len =
        written(&disk, &path, disk.open(&path).and_then(|file| file.byte_len()).expect("len"));
    let seal = len - 512;
    let event = seal - 1_536;
    for offset in event..event + 128 + 900 {
        let damaged = disk.image(Keep::All);
        damaged.flip(&path, offset, 3).expect("there is a byte");
        assert_eq!(truth.judge(&damaged), Verdict::Refused, "byte {offset}");
    }
}

fn contents(disk: &SimDisk) -> Vec<(PathBuf, Vec<u8>)> {
    let files = disk.files().into_iter();
    let read = files.map(|(path, len)| {
        let mut bytes = vec![0; len as usize];
        disk.open(&path).expect("it is there").read_at(0, &mut bytes).expect("readable");
        (path, bytes)
    });
    read.collect()
}

fn copy(from: &SimDisk, to: &SimDisk, path: &Path, name: &Path) {
    let file = from.open(path).expect("it is there");
    let mut bytes = vec![0; file.byte_len().expect("a length") as usize];
    file.read_at(0, &mut bytes).expect("readable");
    if to.open(name).is_ok() {
        to.remove(name).expect("removed");
    }
    to.create(name).expect("made").write_at(0, &bytes).expect("written");
}
