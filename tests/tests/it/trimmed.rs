//! Trimmed ledgers: what stands in for dropped history, after crashes and restores.

use std::path::Path;

use super::say::*;
use quipu::{Files, LedgerId, LogKind, backup, restore, verify};
use quipu_core::disk::{Disk, MemoryDisk};
use quipu_core::log::Reader as _;
use quipu_core::machines::account::Account;
use quipu_core::store::Store as _;
use quipu_core::words::Position;
use quipu_sim::disk::{Fault, SimDisk, When};

/// A ledger whose log has several pieces, with a checkpoint in the first.
fn worked<D: Disk>(disk: &D, log: LogKind) -> Files<D> {
    let mut files = drive(create_or_open(disk, log).expect("it is made"), |ledger| {
        for who in ["ann", "bo", "cy"] {
            done(ledger.ask(open(who)));
        }
    });
    files.store.checkpoint().expect("a checkpoint");
    for _ in 0..3 {
        drop(files);
        files = drive(create_or_open(disk, log).expect("it opens"), |ledger| {
            for who in ["ann", "bo", "cy"] {
                done(ledger.ask(command::<Account>(who, deposit(1_000))));
            }
        });
    }
    files
}

fn sound(disk: &MemoryDisk, log: LogKind) {
    let scratch = MemoryDisk::new();
    let found = verify(disk.clone(), Some(&scratch), &[], &machines(), &options(log), &mut |_| {})
        .expect("it can be looked at");
    assert!(found.is_sound(), "{:?}", found.findings);
}

#[test]
fn a_store_that_history_was_trimmed_beyond_is_made_anew() {
    for log in [LogKind::Files, LogKind::Redb] {
        let disk = MemoryDisk::new();
        let mut files = worked(&disk, log);
        let before = digest_of(&files);
        let (_, next) = files.log.bounds();
        let kept = files.trim(next).expect("trimmed");
        assert!(kept.get() > 5, "more is dropped than the last checkpoint had: {kept}");
        // Power goes before another checkpoint.
        drop(files);
        sound(&disk, log);
        let mut files = create_or_open(&disk, log).expect("it opens");
        files.recover(&machines(), &options(log), &mut |_| {}).expect("recovered");
        assert_eq!(digest_of(&files), before);
        files.stop().expect("a clean stop");
        sound(&disk, log);
    }
}

#[test]
fn what_was_restored_from_a_trimmed_ledger_opens_again() {
    for log in [LogKind::Files, LogKind::Redb] {
        let disk = MemoryDisk::new();
        let mut files = worked(&disk, log);
        files.trim(Position::new(9)).expect("trimmed");
        let before = digest_of(&files);
        let mut bytes = Vec::new();
        let job = files.begin_backup().expect("a snapshot");
        job.write(&mut bytes, &mut |_| {}).expect("written");
        let backup = backup::Backup::open(&bytes[..], "a backup").expect("readable");
        let other = MemoryDisk::new();
        let (id, machines, options) = (LedgerId([8; 16]), machines(), options(log));
        let restored = restore(other.clone(), id, backup, &machines, &options, START, &mut |_| {});
        restored.expect("restored").stop().expect("a clean stop");
        sound(&other, log);
        let mut files = Files::open(other.clone(), &machines, &options).expect("it opens");
        files.recover(&machines, &options, &mut |_| {}).expect("recovered");
        assert_eq!(digest_of(&files), before);
        files.stop().expect("a clean stop");
        // Its store is lost as well.
        other.remove(Path::new("store/store.redb")).expect("removed");
        let mut files = Files::open(other.clone(), &machines, &options).expect("it opens");
        files.recover(&machines, &options, &mut |_| {}).expect("recovered");
        assert_eq!(digest_of(&files), before);
        files.stop().expect("a clean stop");
        sound(&other, log);
    }
}

#[test]
fn a_copy_that_went_wrong_replaces_no_good_one() {
    let log = LogKind::Redb;
    let disk = SimDisk::new();
    let mut files = worked(&disk, log);
    let kept = files.trim(Position::new(9)).expect("trimmed");
    let before = digest_of(&files);
    disk.schedule(Fault::StaleSector(Some(0)), When::nth(1).of("base"));
    let wrong = files.trim(Position::new(12)).err();
    assert!(wrong.is_some(), "the new copy lacks a sector");
    assert_eq!(files.log.bounds().0, kept, "nothing more was dropped");
    files.stop().expect("a clean stop");
    // Now the good copy is needed.
    disk.remove(Path::new("store/store.redb")).expect("removed");
    let mut files = create_or_open(&disk, log).expect("it opens");
    files.recover(&machines(), &options(log), &mut |_| {}).expect("recovered");
    assert_eq!(digest_of(&files), before);
}

#[test]
fn one_trim_drops_all_that_it_may() {
    let log = LogKind::Redb;
    let disk = MemoryDisk::new();
    let files = drive(create_or_open(&disk, log).expect("it is made"), |ledger| {
        done(ledger.ask(open("ann")));
        // More frames than a log in redb drops at a time.
        for _ in 0..1_200 {
            done(ledger.ask(command::<Account>("ann", deposit(1))));
        }
    });
    let mut files = files;
    let (_, next) = files.log.bounds();
    assert_eq!(files.trim(next).expect("trimmed"), next);
    assert_eq!(files.log.bounds(), (next, next));
    files.stop().expect("a clean stop");
    sound(&disk, log);
}

#[test]
fn a_copy_alone_is_a_backup_without_history() {
    for log in [LogKind::Files, LogKind::Redb] {
        let disk = MemoryDisk::new();
        let mut files = worked(&disk, log);
        let (_, next) = files.log.bounds();
        files.trim(next).expect("trimmed");
        let before = digest_of(&files);
        let copy = backup::open_file(&disk, "base.quipu").expect("readable");
        let (other, id) = (MemoryDisk::new(), LedgerId([8; 16]));
        let (machines, options) = (machines(), options(log));
        let restored = restore(other.clone(), id, copy, &machines, &options, START, &mut |_| {});
        drop(restored.expect("restored"));
        let mut files = Files::open(other.clone(), &machines, &options).expect("it opens");
        files.recover(&machines, &options, &mut |_| {}).expect("recovered");
        assert_eq!(digest_of(&files), before);
        let files = drive(files, |ledger| {
            done(ledger.ask(command::<Account>("ann", deposit(7))));
        });
        files.stop().expect("a clean stop");
        sound(&other, log);
    }
}
