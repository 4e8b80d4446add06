//! Power that goes while history is dropped, while a copy stands in for it, and while it is
//! restored.

use super::say::*;
use quipu::{Files, LedgerId, LogKind, OpenError, backup, restore};
use quipu_core::log::Reader as _;
use quipu_core::machines::account::Account;
use quipu_core::store::Store as _;
use quipu_sim::disk::{Fault, Keep, SimDisk, When};

const KINDS: [LogKind; 2] = [LogKind::Files, LogKind::Redb];

/// A ledger at rest whose log has several pieces, and whose store has the first of them only.
fn worked(log: LogKind) -> SimDisk {
    let disk = SimDisk::new();
    let mut files = drive(create_or_open(&disk, log).expect("it is made"), |ledger| {
        for who in ["ann", "bo", "cy"] {
            done(ledger.ask(open(who)));
        }
    });
    files.store.checkpoint().expect("a checkpoint");
    for _ in 0..3 {
        drop(files);
        files = drive(create_or_open(&disk, log).expect("it opens"), |ledger| {
            for who in ["ann", "bo", "cy"] {
                done(ledger.ask(command::<Account>(who, deposit(1_000))));
            }
        });
    }
    drop(files);
    disk.image(Keep::All)
}

fn opened(disk: &SimDisk, log: LogKind) -> Result<Files<SimDisk>, OpenError> {
    let mut files = Files::open(disk.clone(), &machines(), &options(log))?;
    files.recover(&machines(), &options(log), &mut |_| {})?;
    Ok(files)
}

/// Loses power at every operation of `act`, or every few, and gives what that leaves to `check`.
fn cut(
    from: &SimDisk,
    act: impl Fn(&SimDisk) -> Result<(), OpenError>,
    check: impl Fn(&SimDisk, u64),
) {
    let whole = from.image(Keep::All);
    act(&whole).expect("nothing goes wrong");
    let count = whole.operations();
    for at in (1..=count).step_by(1 + count as usize / 60) {
        let disk = from.image(Keep::All);
        disk.die_at(at);
        // What a file does when it is closed fails without a word.
        let _ = act(&disk);
        for keep in [Keep::Nothing, Keep::All, Keep::Torn(at)] {
            check(&disk.image(keep), at);
        }
    }
}

fn trim(disk: &SimDisk, log: LogKind) -> Result<(), OpenError> {
    let mut files = opened(disk, log)?;
    let (_, next) = files.log.bounds();
    files.trim(next)?;
    Ok(())
}

#[test]
fn power_goes_while_history_is_dropped() {
    for log in KINDS {
        let disk = worked(log);
        let before = digest_of(&opened(&disk.image(Keep::All), log).expect("it opens"));
        cut(
            &disk,
            |disk| trim(disk, log),
            |left, at| {
                let files = opened(left, log).unwrap_or_else(|error| panic!("{at}: {error}"));
                assert!(digest_of(&files) == before, "cut at operation {at}");
            },
        );
    }
}

#[test]
fn power_goes_while_a_copy_stands_in() {
    for log in KINDS {
        let disk = worked(log);
        let before = digest_of(&opened(&disk.image(Keep::All), log).expect("it opens"));
        trim(&disk, log).expect("trimmed");
        cut(
            &disk.image(Keep::Nothing),
            |disk| opened(disk, log)?.stop(),
            |left, at| {
                let files = opened(left, log).unwrap_or_else(|error| panic!("{at}: {error}"));
                assert!(digest_of(&files) == before, "cut at operation {at}");
            },
        );
    }
}

#[test]
fn power_goes_while_a_trimmed_ledger_is_restored() {
    for log in KINDS {
        let disk = worked(log);
        trim(&disk, log).expect("trimmed");
        let mut files = opened(&disk.image(Keep::All), log).expect("it opens");
        let before = digest_of(&files);
        let mut bytes = Vec::new();
        let job = files.begin_backup().expect("a snapshot");
        job.write(&mut bytes, &mut |_| {}).expect("written");
        let restored = |disk: &SimDisk| {
            let backup = backup::Backup::open(&bytes[..], "a backup")?;
            let (disk, id) = (disk.clone(), LedgerId([8; 16]));
            restore(disk, id, backup, &machines(), &options(log), START, &mut |_| {}).map(drop)
        };
        cut(&SimDisk::new(), restored, |left, at| {
            match restored(left) {
                Ok(()) | Err(OpenError::Exists) => {}
                Err(error) => panic!("cut at operation {at}: {error}"),
            }
            let files = opened(left, log).unwrap_or_else(|error| panic!("{at}: {error}"));
            assert!(digest_of(&files) == before, "cut at operation {at}");
        });
    }
}

#[test]
fn a_sync_fails_while_history_is_dropped_and_power_is_lost_later() {
    for log in KINDS {
        let disk = worked(log);
        let before = digest_of(&opened(&disk.image(Keep::All), log).expect("it opens"));
        let whole = disk.image(Keep::All);
        trim(&whole, log).expect("nothing goes wrong");
        let mut struck = 0;
        for at in 1..=whole.operations() {
            let disk = disk.image(Keep::All);
            disk.schedule(Fault::FailSync, When::operation(at));
            disk.schedule(Fault::FailSyncDir, When::operation(at));
            struck += u32::from(trim(&disk, log).is_err());
            disk.end_faults();
            // Another process trims again, and trusts what the first one left no more than it may.
            let disk = disk.reopen();
            trim(&disk, log).unwrap_or_else(|error| panic!("{at}: {error}"));
            let disk = disk.image(Keep::Nothing);
            let files = opened(&disk, log).unwrap_or_else(|error| panic!("{at}: {error}"));
            assert!(digest_of(&files) == before, "a sync failed at operation {at}");
        }
        assert!(struck > 4, "{struck}");
    }
}
