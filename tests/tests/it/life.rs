//! The life of a ledger's files: made, driven, stopped, opened, backed up, restored, verified.

use super::say::*;
use quipu::{Files, LedgerId, LogKind, OpenError, backup, restore, verify};
use quipu_core::disk::MemoryDisk;
use quipu_core::log::Reader as _;
use quipu_core::machines::account::Account;
use quipu_core::store::{Reader as _, Store as _};
use quipu_core::words::Position;

fn work(ledger: &mut Ledger<MemoryDisk>) {
    for who in ["ann", "bo", "cy"] {
        done(ledger.ask(open(who)));
        done(ledger.ask(command::<Account>(who, deposit(1_000))));
    }
    for (index, (from, to)) in [("ann", "bo"), ("bo", "cy"), ("cy", "ann")].iter().enumerate() {
        done(ledger.ask(keyed::<Account>(&format!("k{index}"), from, transfer(to, 10))));
    }
}

fn sound(disk: &MemoryDisk, log: LogKind) -> Position {
    let scratch = MemoryDisk::new();
    let found = verify(disk.clone(), Some(&scratch), &[], &machines(), &options(log), &mut |_| {})
        .expect("it can be looked at");
    assert!(found.is_sound(), "{:?}", found.findings);
    let balance = found.balance.expect("it was made");
    assert!(balance.is_whole && !balance.lines.is_empty());
    assert!(balance.lines.iter().all(|line| line.difference == Some(0)));
    found.kept.1
}

#[test]
fn a_ledger_is_made_driven_stopped_and_opened_again() {
    for log in [LogKind::Files, LogKind::Redb] {
        let disk = MemoryDisk::new();
        let files = drive(create_or_open(&disk, log).expect("it is made"), work);
        let (before, last) = (digest_of(&files), files.store.position());
        files.stop().expect("a clean stop");
        assert_eq!(sound(&disk, log), last);
        for _ in 0..3 {
            let mut files = create_or_open(&disk, log).expect("it opens");
            assert_eq!(files.store.position(), last, "a clean stop leaves nothing to replay");
            files.recover(&machines(), &options(log), &mut |_| {}).expect("recovered");
            assert_eq!(digest_of(&files), before);
        }
        // Without a stop the tail is replayed.
        let files = drive(create_or_open(&disk, log).expect("it opens"), |ledger| {
            done(ledger.ask(command::<Account>("ann", deposit(5))));
        });
        drop(files);
        let mut files = create_or_open(&disk, log).expect("it opens");
        assert_eq!(files.store.position(), last);
        files.recover(&machines(), &options(log), &mut |_| {}).expect("recovered");
        assert!(files.store.position() > last);
        drop(files);
        sound(&disk, log);
    }
}

#[test]
fn a_backup_is_made_while_writing_goes_on_and_restored_as_another_ledger() {
    for log in [LogKind::Files, LogKind::Redb] {
        let disk = MemoryDisk::new();
        let mut files = drive(create_or_open(&disk, log).expect("it is made"), work);
        files.store.checkpoint().expect("a checkpoint");
        let files = drive(files, |ledger| {
            done(ledger.ask(command::<Account>("ann", deposit(7))));
        });
        let mut files = files;
        let job = files.begin_backup().expect("a snapshot");
        let at_backup = digest_of(&files);
        let files = drive(files, |ledger| {
            done(ledger.ask(command::<Account>("bo", deposit(1))));
        });
        let mut bytes = Vec::new();
        job.write(&mut bytes, &mut |_| {}).expect("written");
        assert_ne!(digest_of(&files), at_backup, "writing went on");

        let read = || backup::Backup::open(&bytes[..], "a backup").expect("readable");
        let contents = read().check(&mut |_| {}).expect("whole");
        assert!(contents.frames > 0 && contents.rows > 0);
        let other = MemoryDisk::new();
        let same =
            restore(other.clone(), ID, read(), &machines(), &options(log), START, &mut |_| {});
        assert!(matches!(same, Err(OpenError::Restored(_))), "a restored ledger is another one");
        let restored = restore(
            other.clone(),
            LedgerId([8; 16]),
            read(),
            &machines(),
            &options(log),
            START,
            &mut |_| {},
        )
        .expect("restored");
        assert_eq!(restored.manifest.origin.expect("it has one").position, job.manifest.position);
        assert_eq!(digest_of(&restored), at_backup, "nothing was unfinished");
        assert_eq!(restored.log.anchor(), job.manifest.anchor);
        drop(restored);
        sound(&other, log);
    }
}

#[test]
fn trimmed_history_is_stood_in_for_by_a_copy() {
    let log = LogKind::Redb;
    let disk = MemoryDisk::new();
    let mut files = drive(create_or_open(&disk, log).expect("it is made"), work);
    let kept = files.trim(Position::new(9)).expect("trimmed");
    assert!(kept > Position::new(1) && kept <= Position::new(9));
    let files = drive(files, |ledger| {
        done(ledger.ask(command::<Account>("ann", deposit(7))));
    });
    let before = digest_of(&files);
    files.stop().expect("a clean stop");
    // The store is lost: the copy and the rest of the log make it anew.
    use quipu_core::disk::Disk as _;
    disk.remove(std::path::Path::new("store/store.redb")).expect("removed");
    let mut files = Files::open(disk.clone(), &machines(), &options(log)).expect("it opens");
    files.recover(&machines(), &options(log), &mut |_| {}).expect("recovered");
    assert_eq!(digest_of(&files), before);
    files.stop().expect("a clean stop");
    let found = verify(
        disk.clone(),
        Some(&MemoryDisk::new()),
        &[],
        &machines(),
        &options(log),
        &mut |_| {},
    )
    .expect("it can be looked at");
    assert!(found.is_sound(), "{:?}", found.findings);
    disk.remove(std::path::Path::new("base.quipu")).expect("removed");
    let lost = Files::open(disk, &machines(), &options(log)).err();
    assert_eq!(lost, Some(OpenError::HistoryMissing { first: kept }));
}

#[test]
fn a_store_that_is_behind_what_was_trimmed_is_made_of_the_copy() {
    for log in [LogKind::Files, LogKind::Redb] {
        let disk = MemoryDisk::new();
        let mut files = drive(create_or_open(&disk, log).expect("it is made"), |ledger| {
            done(ledger.ask(open("ann")));
        });
        files.store.checkpoint().expect("a checkpoint");
        let behind = files.store.position();
        drop(files);
        // A segment more, so that the one before it can go.
        drop(drive(create_or_open(&disk, log).expect("it opens"), |ledger| {
            done(ledger.ask(command::<Account>("ann", deposit(7))));
            done(ledger.ask(command::<Account>("ann", deposit(8))));
        }));
        let mut files = create_or_open(&disk, log).expect("it opens");
        files.recover(&machines(), &options(log), &mut |_| {}).expect("recovered");
        let (before, last) = (digest_of(&files), files.store.position());
        let kept = files.trim(last.plus(1)).expect("trimmed");
        assert!(kept > behind.plus(1), "the store lacks what is gone");
        // Power goes before the next checkpoint.
        drop(files);
        let (scratch, options) = (MemoryDisk::new(), options(log));
        let found = verify(disk.clone(), Some(&scratch), &[], &machines(), &options, &mut |_| {});
        let found = found.expect("it can be looked at");
        assert!(found.is_sound(), "{:?}", found.findings);
        let mut files = create_or_open(&disk, log).expect("it opens");
        files.recover(&machines(), &options, &mut |_| {}).expect("recovered");
        assert_eq!(digest_of(&files), before);
    }
}
