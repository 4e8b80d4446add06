//! Each fault by hand: what it costs, and what it does not.

use std::path::Path;

use quipu::{Files, LogKind, OpenError};
use quipu_core::disk::{Disk as _, DiskError};
use quipu_core::log::{Log as _, LogError};
use quipu_core::machine::Machine;
use quipu_core::machines::account::Account;
use quipu_core::shard::{Ask, Reading, Reply};
use quipu_core::store::StoreError;
use quipu_core::words::{Book, Fault as Failure, Name};
use quipu_sim::disk::{Fault, Keep, SimDisk, When};
use quipu_store_redb::store::Opened;

use super::audit::bulky;
use super::found::fits_together;
use super::work::{enter, small, with_engine};
use crate::say::*;

const LOGS: [LogKind; 2] = [LogKind::Files, LogKind::Redb];
const IMAGES: [Keep; 4] = [Keep::Nothing, Keep::All, Keep::First(1), Keep::Torn(5)];

/// A ledger in which Ann has 100.
fn filled(disk: &SimDisk, log: LogKind) -> Files<SimDisk> {
    let files = enter(disk, &small(log)).expect("it is made").0;
    let (files, ()) = with_engine(files, |ledger| {
        done(ledger.ask(open("ann")));
        done(ledger.ask(open("bo")));
        pay(ledger, "first", 100);
        Ok(())
    })
    .expect("a sound disk");
    files
}

fn pay(ledger: &mut Ledger<SimDisk>, key: &str, units: u64) {
    done(ledger.ask(keyed::<Account>(key, "ann", deposit(units))));
}

fn read(ledger: &mut Ledger<SimDisk>, who: &str) -> Reply {
    let stream = Name::new(Book::DEFAULT, Account::KIND, id(who));
    ledger.ask(Ask::Read(Reading { stream, items: Vec::new() }))
}

/// What Ann has.
fn has(ledger: &mut Ledger<SimDisk>) -> i128 {
    match read(ledger, "ann") {
        Reply::Done(outcome) => outcome.answer.head::<Account>().expect("a head").balance.get(),
        other => panic!("{other:?}"),
    }
}

/// What Ann has, to whoever opens the ledger on a disk, and how its store was found.
fn found(disk: &SimDisk, log: LogKind) -> (i128, Opened) {
    let (files, is_new) = enter(disk, &small(log)).expect("it opens");
    assert!(!is_new, "the ledger is gone");
    let opened = files.found.clone();
    let (_, balance) = with_engine(files, |ledger| {
        fits_together(ledger);
        Ok(has(ledger))
    })
    .expect("it opens");
    (balance, opened)
}

/// A directory's sync fails once, at each place of a creation, and the process tries again: what
/// is acknowledged then is there once power is lost, though the cache has shown a name before
/// that was not on the disk.
#[test]
fn a_creation_after_a_failed_sync_of_names_is_durable() {
    for log in LOGS {
        let mut failed = 0;
        loop {
            let disk = SimDisk::new();
            disk.schedule(Fault::FailSyncDir, When::nth(failed + 1));
            let made = enter(&disk, &small(log));
            if disk.fired()["failed_sync_dir"] == 0 {
                break;
            }
            failed += 1;
            assert!(made.is_err(), "{log:?}: sync {failed}");
            drop(made);
            let disk = disk.reopen();
            drop(filled(&disk, log));
            for keep in IMAGES {
                let image = disk.image(keep);
                assert_eq!(found(&image, log).0, 100, "{log:?}: sync {failed}, {keep:?}");
            }
        }
        assert!(failed >= 4, "{failed} directories were synced");
    }
}

/// Each sync of an append fails once. The ledger latches, reads go on, and whatever a restart
/// shows, with power still on, is there when power is lost after that.
#[test]
fn a_failed_sync_of_the_log_is_final_and_what_is_shown_next_stays() {
    for log in LOGS {
        for sync in 1..=if log == LogKind::Files { 1 } else { 2 } {
            let disk = SimDisk::new();
            let files = filled(&disk, log);
            let (files, ()) = with_engine(files, |ledger| {
                disk.schedule(Fault::FailSync, When::nth(sync).of("log"));
                let second = keyed::<Account>("second", "ann", deposit(50));
                assert_eq!(ledger.ask(second.clone()), Reply::Failed(Failure::LogFailed));
                assert!(ledger.is_latched());
                assert_eq!(ledger.ask(second), Reply::Failed(Failure::LogFailed));
                done(read(ledger, "bo"));
                let unknown = read(ledger, "ann");
                assert_eq!(unknown, Reply::Failed(Failure::LogFailed), "it rests on the second");
                let operations = disk.operations();
                assert_eq!(ledger.ask(open("cy")), Reply::Failed(Failure::LogFailed));
                assert_eq!(disk.operations(), operations, "nothing is tried again");
                Ok(())
            })
            .expect("it is driven");
            drop(files);
            for keep in IMAGES {
                let balance = found(&disk.image(keep), log).0;
                assert!([100, 150].contains(&balance), "{log:?}, {keep:?}: {balance}");
            }
            let disk = disk.reopen();
            let shown = found(&disk, log).0;
            for keep in IMAGES {
                assert_eq!(found(&disk.image(keep), log).0, shown, "{log:?}, {sync}, {keep:?}");
            }
            let disk = disk.reopen();
            let files = enter(&disk, &small(log)).expect("it opens").0;
            with_engine(files, |ledger| {
                pay(ledger, "second", 50);
                assert_eq!(has(ledger), 150, "once, whatever had become of the first");
                Ok(())
            })
            .expect("a sound disk");
            for keep in IMAGES {
                assert_eq!(found(&disk.image(keep), log).0, 150, "{log:?}, {sync}, {keep:?}");
            }
        }
    }
}

/// Each sync of a checkpoint fails once. Commands go on, checkpoints do not, and the next start
/// fills another store from the log.
#[test]
fn a_failed_sync_of_the_store_costs_the_store_and_nothing_else() {
    for log in LOGS {
        for sync in 1.. {
            let disk = SimDisk::new();
            let files = filled(&disk, log);
            let mut failed = false;
            let (files, ()) = with_engine(files, |ledger| {
                ledger.checkpoint()?;
                pay(ledger, "second", 10);
                disk.schedule(Fault::FailSync, When::nth(sync).of("store"));
                failed = ledger.checkpoint().is_err();
                disk.end_faults();
                pay(ledger, "third", 1);
                assert_eq!(ledger.checkpoint().is_err(), failed, "there is no second try");
                assert_eq!(has(ledger), 111);
                Ok(())
            })
            .expect("it is driven");
            drop(files);
            if !failed {
                assert!(sync > 2, "a checkpoint syncs");
                break;
            }
            let disk = disk.reopen();
            let names = disk.list(Path::new("store")).expect("names");
            assert!(names.contains(&"store.redb.damaged-1".to_owned()), "{names:?}");
            for keep in IMAGES {
                assert_eq!(found(&disk.image(keep), log), (111, Opened::New), "{log:?}, {sync}");
            }
            assert_eq!(found(&disk, log), (111, Opened::New), "{log:?}, {sync}");
        }
    }
}

#[test]
fn a_damaged_store_is_set_aside_and_filled_from_the_log() {
    for log in LOGS {
        let disk = SimDisk::new();
        let (files, digest) = with_engine(filled(&disk, log), |ledger| {
            ledger.checkpoint()?;
            pay(ledger, "second", 10);
            Ok(fits_together(ledger))
        })
        .expect("a sound disk");
        files.stop().expect("a clean stop");
        let path = Path::new("store/store.redb");
        let disk = disk.image(Keep::All);
        // redb's header, which every opening reads.
        disk.flip(path, 8_192 + 100, 3).expect("a bit to flip");
        let (files, _) = enter(&disk, &small(log)).expect("it opens");
        assert!(matches!(&files.found, Opened::SetAside { .. }), "{:?}", files.found);
        let (files, again) = with_engine(files, |ledger| {
            pay(ledger, "second", 10);
            assert_eq!(has(ledger), 110, "the key is known again");
            Ok(fits_together(ledger))
        })
        .expect("it is driven");
        assert_eq!(digest, again);
        drop(files);
        for keep in IMAGES {
            assert_eq!(found(&disk.image(keep), log).0, 110, "{log:?}, {keep:?}");
        }
    }
}

/// Whether an error says that there is no room.
fn is_full(error: &OpenError) -> bool {
    matches!(
        error,
        OpenError::Disk(DiskError::NoSpace(_))
            | OpenError::Log(LogError::Full(_) | LogError::Failed(_))
            | OpenError::Store(StoreError::Full(_) | StoreError::Failed(_))
    ) && error.to_string().contains("no space left")
}

/// Every operation that takes room finds none once: while a ledger is made, and opened.
#[test]
fn a_full_disk_while_a_ledger_is_made_or_opened_is_an_error_and_no_harm() {
    for log in LOGS {
        for is_there in [false, true] {
            for at in 1.. {
                let disk = SimDisk::new();
                if is_there {
                    drop(filled(&disk, log));
                }
                disk.schedule(Fault::NoSpace, When::nth(at));
                let made = enter(&disk, &small(log));
                if disk.fired()["no_space"] == 0 {
                    assert!(at > 1, "something takes room");
                    break;
                }
                match made {
                    Ok(_) => panic!("{log:?}: it did without room {at}"),
                    Err(error) => assert!(is_full(&error), "{log:?}: {error}"),
                }
                let disk = disk.reopen();
                if is_there {
                    assert_eq!(found(&disk, log).0, 100, "{log:?}: room {at}");
                } else {
                    let opened = Files::open(disk.clone(), &machines(), &small(log)).err();
                    assert_eq!(opened, Some(OpenError::NoLedger), "{log:?}: room {at}");
                    drop(filled(&disk, log));
                }
                assert_eq!(found(&disk.image(Keep::Nothing), log).0, 100, "{log:?}: room {at}");
            }
        }
    }
}

/// Nothing that was admitted finds the disk full, and what is not admitted is once there is room.
#[test]
fn a_full_disk_refuses_what_has_no_room_and_loses_nothing() {
    for log in LOGS {
        let disk = SimDisk::new();
        let files = filled(&disk, log);
        let mut taken = 0_i128;
        let (files, ()) = with_engine(files, |ledger| {
            // The room ahead is made once, and then there is no more.
            while ledger.log().room() == 0 {
                ledger.log_mut().tend()?;
            }
            disk.set_capacity(Some(disk.used()));
            let mut full = false;
            for number in 0..10_000 {
                let ask = bulky(&format!("bulk-{}", number % 3), 60_000);
                let is_admitted = ledger.log().room() >= ledger.log().room_of(64 << 10);
                ledger.ring_mut().set_disk_full(!is_admitted);
                match ledger.ask(ask) {
                    Reply::Failed(Failure::DiskFull) => {
                        full = true;
                        break;
                    }
                    reply => done(reply),
                }
                taken += 1;
            }
            assert!(full && taken > 10, "{log:?}: {taken}");
            let tended = ledger.log_mut().tend();
            assert!(matches!(tended, Err(LogError::Full(_))), "{log:?}: {tended:?}");
            assert_eq!(has(ledger), 100, "reads go on");
            assert!(matches!(ledger.checkpoint(), Err(StoreError::Full(_))), "{log:?}");
            assert!(!ledger.is_latched());
            // Somebody makes room.
            disk.set_capacity(None);
            while ledger.log().room() < ledger.log().room_of(64 << 10) {
                ledger.log_mut().tend()?;
            }
            ledger.ring_mut().set_disk_full(false);
            pay(ledger, "second", 10);
            ledger.checkpoint()?;
            Ok(())
        })
        .expect("it is driven");
        drop(files);
        assert_eq!(found(&disk.image(Keep::Nothing), log).0, 110, "{log:?}");
    }
}

/// The manifest is written at a clean stop; where that finds no room, nothing else suffers.
#[test]
fn a_clean_stop_that_finds_no_room_is_an_error_and_no_harm() {
    for log in LOGS {
        let disk = SimDisk::new();
        let files = filled(&disk, log);
        disk.set_capacity(Some(disk.used()));
        let stopped = files.stop().expect_err("no room");
        assert!(stopped.to_string().contains("no space left"), "{stopped}");
        disk.set_capacity(None);
        assert_eq!(found(&disk.reopen(), log).0, 100);
        let disk = SimDisk::new();
        let files = filled(&disk, log);
        disk.schedule(Fault::NoSpace, When::nth(1).of("LEDGER"));
        let stopped = files.stop().expect_err("no room");
        assert!(is_full(&stopped), "{stopped}");
        assert_eq!(found(&disk.image(Keep::Nothing), log).0, 100);
    }
}

#[test]
fn a_second_opening_is_refused_while_the_first_one_lives() {
    for log in LOGS {
        let disk = SimDisk::new();
        let first = filled(&disk, log);
        for _ in 0..2 {
            let second = Files::open(disk.clone(), &machines(), &small(log)).err();
            assert_eq!(second, Some(OpenError::InUse));
            let made = Files::create(disk.clone(), ID, &machines(), &small(log)).err();
            assert_eq!(made, Some(OpenError::InUse));
        }
        drop(first);
        let second = Files::open(disk.clone(), &machines(), &small(log)).expect("it is free");
        drop(second);
        let made = Files::create(disk, ID, &machines(), &small(log)).err();
        assert_eq!(made, Some(OpenError::Exists));
    }
}

/// Each read of an opening and of what follows fails once: it is an error, and never an answer
/// that is wrong.
#[test]
fn a_failed_read_is_an_error_and_never_a_wrong_answer() {
    for log in LOGS {
        let disk = SimDisk::new();
        let (files, ()) = with_engine(filled(&disk, log), |ledger| {
            ledger.checkpoint()?;
            pay(ledger, "second", 10);
            Ok(())
        })
        .expect("a sound disk");
        drop(files);
        let mut failed = 0;
        for at in 1.. {
            let disk = disk.image(Keep::All);
            disk.schedule(Fault::FailRead, When::nth(at));
            let opened = enter(&disk, &small(log)).and_then(|(files, is_new)| {
                assert!(!is_new, "a ledger that cannot be read is not none");
                with_engine(files, |ledger| {
                    let asked = ledger.ask(keyed::<Account>("second", "ann", deposit(10)));
                    match asked {
                        Reply::Done(outcome) => assert!(outcome.replayed, "{log:?}: {at}"),
                        Reply::Failed(_) => return Ok(None),
                        Reply::Refused(_) => panic!("{log:?}: {at}: {asked:?}"),
                    }
                    Ok(Some(has(ledger)))
                })
            });
            match opened {
                Ok((_, balance)) => assert!(balance.is_none_or(|units| units == 110), "{at}"),
                Err(OpenError::Disk(_) | OpenError::Recovery(_)) => {}
                Err(OpenError::Log(LogError::Failed(_))) => {}
                Err(OpenError::Store(StoreError::Failed(_))) => {}
                Err(error) => panic!("{log:?}: read {at}: {error:?}"),
            }
            if disk.fired()["failed_read"] == 0 {
                break;
            }
            failed += 1;
            assert_eq!(found(&disk.reopen(), log).0, 110, "{log:?}: read {at}");
        }
        assert!(failed > 5, "{failed} reads");
    }
}
