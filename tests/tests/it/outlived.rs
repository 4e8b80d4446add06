//! What is left of a ledger that was closed, while another handle opens it.

use super::say::*;
use quipu::LogKind;
use quipu_core::disk::MemoryDisk;
use quipu_core::machines::account::Account;
use quipu_core::store::{Reader as _, Store as _};
use quipu_store_redb::store::Opened;

fn more(ledger: &mut Ledger<MemoryDisk>, count: usize) {
    for _ in 0..count {
        for who in ["ann", "bo", "cy"] {
            done(ledger.ask(command::<Account>(who, deposit(1))));
        }
    }
}

#[test]
fn what_outlives_a_ledger_writes_nothing_into_the_next_one() {
    let log = LogKind::Files;
    let disk = MemoryDisk::new();
    let mut files = drive(create_or_open(&disk, log).expect("it is made"), |ledger| {
        for who in ["ann", "bo", "cy"] {
            done(ledger.ask(open(who)));
        }
        more(ledger, 20);
    });
    files.store.checkpoint().expect("a checkpoint");
    let (reader, snapshot) = (files.store.reader(), files.store.snapshot().expect("a snapshot"));
    files = drive(files, |ledger| more(ledger, 1));
    let frozen = files.store.freeze().expect("frozen");
    drop(files);

    // Another handle writes many checkpoints, and uses room again that the first one knew.
    let mut files = create_or_open(&disk, log).expect("it opens");
    for _ in 0..6 {
        files = drive(files, |ledger| more(ledger, 20));
        files.store.checkpoint().expect("a checkpoint");
    }
    let (before, position) = (digest_of(&files), files.store.position());
    files.stop().expect("a clean stop");
    let left = frozen.run();
    assert!(left.is_err(), "it is of a store that is closed: {left:?}");
    drop((reader, snapshot));

    let mut files = create_or_open(&disk, log).expect("it opens");
    assert_eq!(files.found, Opened::At(position), "it is as the last handle left it");
    files.recover(&machines(), &options(log), &mut |_| {}).expect("recovered");
    assert!(digest_of(&files) == before, "nothing came back");
}
