//! Each fault by hand: what it costs, and what it does not.

use std::path::Path;

use quipu::{Files, LogKind, OpenError};
use quipu_core::disk::{Disk as _, DiskError};
use quipu_core::log::{Log as _, LogError};
use quipu_core::machine::Machine;
use quipu_core::machines::account::Account;
use quipu_core::shard::{Ask, Reading, Reply};
use quipu_core::store::{Reader as _, StoreError};
use quipu_core::words::{Book, Fault as Failure, Name};
use quipu_sim::disk::{Act, Fault, Keep, SimDisk, When};
use quipu_store_redb::store::Opened;

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
        pay(ledger, "first", 100);
        Ok(())
    })
    .expect("a sound disk");
    files
}

fn pay(ledger: &mut Ledger<SimDisk>, key: &str, units: u64) {
    done(ledger.ask(keyed::<Account>(key, "ann", deposit(units))));
}

/// What Ann has.
fn has(ledger: &mut Ledger<SimDisk>) -> i128 {
    let stream = Name::new(Book::DEFAULT, Account::KIND, id("ann"));
    match ledger.ask(Ask::Read(Reading { stream, items: Vec::new() })) {
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
