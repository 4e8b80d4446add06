//! Bits that flip in the files of a ledger at rest. Each is named by file and place, or made
//! good from the log, or changes nothing that anybody can see.

use super::rest::{Fates, Rest, backup_of, large, stopped, trimmed};
use super::rich;
use super::say::*;
use quipu::{Files, LedgerId, LogKind, OpenError, backup, restore};
use quipu_core::disk::Disk as _;
use quipu_core::store::Store as _;
use quipu_sim::disk::{Keep, SimDisk};
use std::path::Path;

/// Where bits are turned over in so many bytes: all of the first and the last, and a stride
/// over the rest, which is odd and so comes to every place within a sector and a page.
fn places(len: u64, stride: u64) -> impl Iterator<Item = (u64, u8)> {
    let (front, back) = (len.min(160), len.saturating_sub(96));
    let rest = (front..back).step_by(stride as usize);
    let all = (0..front).chain(rest).chain(front.max(back)..len);
    assert!(stride % 2 == 1);
    all.enumerate().map(|(index, at)| (at, ((index as u64 + at) % 8) as u8))
}

/// Turns bits over in the first `len` bytes of a file, one at a time.
fn rot(rest: &Rest, path: &str, len: u64, stride: u64) -> Fates {
    let mut fates = Fates::default();
    for (at, bit) in places(len, stride) {
        let harmed = rest.image();
        harmed.flip(Path::new(path), at, bit).expect("the byte is there");
        fates.add(rest.fate(&harmed, path, at));
    }
    assert!(fates.all() >= len / stride, "{fates}");
    println!("{:<24} {:>6} flips {fates}", path, fates.all());
    fates
}

/// Where the zeros begin with which a file ends.
fn used(rest: &Rest, path: &str) -> u64 {
    rest.bytes(path).iter().rposition(|byte| *byte != 0).map_or(0, |last| last as u64 + 1)
}

/// So that nothing is taken for rot which is what power leaves of a ledger at work.
#[test]
fn what_power_leaves_is_sound() {
    for log in [LogKind::Files, LogKind::Redb] {
        let disk = SimDisk::new();
        let mut files = drive(create_or_open(&disk, log).expect("it is made"), rich::begin);
        files.store.checkpoint().expect("a checkpoint");
        let files = drive(files, rich::go_on);
        for seed in 0..8 {
            Rest::of(disk.image(Keep::Torn(seed)), options(log));
        }
        drop(files);
    }
}

#[test]
fn rot_in_the_manifest_is_named() {
    let rest = stopped(LogKind::Files);
    let fates = rot(&rest, "LEDGER", 512, 1);
    assert_eq!(fates.named, 512);
}

#[test]
fn rot_in_a_sealed_segment_is_named() {
    let rest = stopped(LogKind::Files);
    let sealed = &rest.segments()[0];
    // It has no byte that a verification does not look at.
    let fates = rot(&rest, sealed, rest.len(sealed), 7);
    assert_eq!((fates.harmless, fates.rebuilt), (0, 0));
}

#[test]
fn rot_in_the_last_segment_is_named_or_harmless() {
    let rest = stopped(LogKind::Files);
    let segments = rest.segments();
    let last = segments.last().expect("there is one");
    let end = used(&rest, last).next_multiple_of(512);
    let fates = rot(&rest, last, end, 23);
    assert!(fates.named > 500, "{fates}");
    // Behind the last frame, and in the spare, nothing was ever promised.
    let mut fates = Fates::default();
    let behind = (end..rest.len(last)).step_by(81_921).chain([rest.len(last) - 1]);
    let spare = "log/ahead.spare";
    let all = behind.map(|at| (last.as_str(), at));
    for (path, at) in all.chain((0..rest.len(spare)).step_by(163_841).map(|at| (spare, at))) {
        let harmed = rest.image();
        harmed.flip(Path::new(path), at, (at % 8) as u8).expect("the byte is there");
        fates.add(rest.fate(&harmed, path, at));
    }
    println!("{:<24} {:>6} flips {fates}", "zeros made ahead", fates.all());
    assert_eq!(fates.harmless, fates.all());
}

#[test]
fn rot_in_the_store_is_named_and_made_good_from_the_log() {
    let rest = stopped(LogKind::Files);
    let path = "store/store.redb";
    let fates = rot(&rest, path, rest.len(path), 89);
    assert!(fates.named + fates.rebuilt > 500, "{fates}");
}

/// redb reads all of its pages when it opens where it is built with debug assertions, and else
/// few: then it is whoever reads who finds most of this.
#[test]
fn rot_in_a_large_store_is_named_and_made_good_from_the_log() {
    let rest = large();
    let (path, mut fates) = ("store/store.redb", Fates::default());
    for at in (8_191..rest.len(path)).step_by(8_193) {
        let harmed = rest.image();
        harmed.flip(Path::new(path), at, (at % 8) as u8).expect("the byte is there");
        fates.add(rest.fate(&harmed, path, at));
    }
    println!("{path} (large) {:>6} flips {fates}", fates.all());
    assert!(fates.named + fates.rebuilt > 20, "{fates}");
}

#[test]
fn rot_in_a_log_in_redb_is_named_or_harmless() {
    let rest = stopped(LogKind::Redb);
    let path = "log/log.redb";
    let fates = rot(&rest, path, rest.len(path), 211);
    assert!(fates.named > 200, "{fates}");
    assert_eq!(fates.rebuilt, 0);
}

#[test]
fn rot_in_what_stands_in_for_trimmed_history_is_named() {
    let rest = trimmed(LogKind::Files);
    let fates = rot(&rest, "log/kept", 512, 5);
    assert_eq!(fates.named, fates.all());
    let path = "base.quipu";
    let fates = rot(&rest, path, rest.len(path), 31);
    assert_eq!(fates.harmless, 0, "all of it is looked at");
    // Without a store it is needed, down to its last byte.
    let image = rest.image();
    image.remove(Path::new("store/store.redb")).expect("removed");
    let rest = Rest::of(image, rest.options.clone());
    let fates = rot(&rest, path, rest.len(path), 7);
    assert_eq!(fates.named, fates.all());
    for path in rest.segments() {
        rot(&rest, &path, used(&rest, &path), 37);
    }
}

/// Restores from these bytes on a disk that is empty.
fn restored(bytes: &[u8], options: &quipu::Options) -> (SimDisk, Result<(), OpenError>) {
    let disk = SimDisk::new();
    let restored = backup::Backup::open(bytes, "a.backup").and_then(|backup| {
        let other = LedgerId([8; 16]);
        restore(disk.clone(), other, backup, &machines(), options, START, &mut |_| {})
    });
    (disk, restored.map(drop))
}

#[test]
fn rot_in_a_backup_is_named_and_nothing_is_restored() {
    let rest = stopped(LogKind::Files);
    let bytes = backup_of(&rest);
    let (_, sound) = restored(&bytes, &rest.options);
    assert_eq!(sound, Ok(()));
    let mut flips = 0;
    for (at, bit) in places(bytes.len() as u64, 9) {
        let mut harmed = bytes.clone();
        harmed[at as usize] ^= 1 << bit;
        let checked = backup::Backup::open(&harmed[..], "a.backup")
            .and_then(|backup| backup.check(&mut |_| {}))
            .expect_err("a check finds it");
        check_named(&checked, at, bytes.len() as u64);
        let (disk, restored) = restored(&harmed, &rest.options);
        check_named(&restored.expect_err("it is not restored"), at, bytes.len() as u64);
        let left = Files::open(disk.clone(), &machines(), &rest.options).err();
        assert_eq!(left, Some(OpenError::NoLedger), "byte {at}");
        flips += 1;
    }
    println!("a backup                 {flips:>6} flips, each refused by check and by restore");
}

fn check_named(error: &OpenError, at: u64, len: u64) {
    match error {
        // Of a length that is wrong nothing else shows than that the file ends too early.
        OpenError::BackupCut { file, byte } => assert!(file == "a.backup" && *byte == len),
        OpenError::NotBackup(file) => assert!(file == "a.backup" && at < 8, "byte {at}"),
        error => {
            let damage = error.damage().unwrap_or_else(|| panic!("byte {at}: {error}"));
            assert!(damage.file == Path::new("a.backup") && damage.offset <= at, "byte {at}");
        }
    }
}
