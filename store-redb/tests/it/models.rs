//! A model: layers go to the disk while others are applied and read, in every order of steps.
//!
//! It is the whole store over a disk in memory. Only what this crate's threads share is loom's:
//! redb's own locks are held by one thread at a time, and no step of the model lies within.

use std::sync::Arc;

use loom::thread::{Builder, JoinHandle};
use quipu_core::disk::MemoryDisk;
use quipu_core::records::{Rows, Table, key_of_head};
use quipu_core::store::{Reader, Store};
use quipu_core::words::{Number, Position};
use quipu_sync::explore::{catches, holds};
use quipu_sync::planted::Planted;

use crate::sample::{open, put_head};

/// Every apply changes these streams, both of them.
const STREAMS: [u64; 2] = [1, 2];

/// The position of the last apply.
const LAST: u64 = 3;

fn rows(position: u64) -> Rows {
    let mut rows = Rows::default();
    STREAMS.into_iter().for_each(|number| put_head(&mut rows, number, position, 0));
    rows
}

/// Which apply a head is of.
fn applied_by(key: &[u8], value: &[u8]) -> u64 {
    let wrote = |position: &u64| {
        let rows = rows(*position);
        rows.iter().any(|row| {
            row.table == Table::Head && row.key == key && row.value.is_some_and(|of| of == value)
        })
    };
    (1..=LAST).find(wrote).expect("it was applied")
}

/// What a scan shows: every row once, and all of one apply, which it gives.
fn scanned(reader: &dyn Reader) -> u64 {
    let mut seen = Vec::new();
    let mut visit = |key: &[u8], value: &[u8]| {
        seen.push(applied_by(key, value));
        true
    };
    reader.scan(Table::Head, &[], &mut visit).expect("readable");
    assert_eq!(seen.len(), STREAMS.len(), "every row is there once");
    assert_eq!(seen[0], seen[1], "half an apply");
    seen[0]
}

/// Loom's threads have little room for the calls of a database.
fn spawn(run: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    Builder::new().stack_size(1 << 16).spawn(run).expect("a model may have this one")
}

/// The committer applies while a checkpoint brings what was there onto the disk, and a reader
/// reads and scans.
fn checkpoint() {
    let committer = spawn(|| {
        let (mut store, _) = open(&MemoryDisk::new()).expect("a store");
        store.apply(&mut rows(1).iter(), Position::new(1)).expect("the rows apply");
        let frozen = store.freeze().expect("a freeze");
        let reader = store.reader();
        let writing = spawn(move || {
            assert_eq!(frozen.run().expect("a checkpoint"), Position::new(1));
        });
        let reading = spawn({
            let reader = Arc::clone(&reader);
            move || {
                let key = key_of_head(Number::new(STREAMS[1]));
                let value = reader.get(Table::Head, &key).expect("readable");
                let before = applied_by(&key, &value.expect("every row is there once"));
                assert!(scanned(&*reader) >= before, "a row runs back");
            }
        });
        for position in 2..=LAST {
            let through = Position::new(position);
            store.apply(&mut rows(position).iter(), through).expect("the rows apply");
        }
        writing.join().expect("it ends");
        reading.join().expect("it ends");
        assert_eq!(reader.position(), Position::new(LAST), "an apply is lost");
        assert_eq!(scanned(&*reader), LAST, "an apply is lost");
    });
    committer.join().expect("it ends");
}

#[test]
fn a_checkpoint_under_way_hides_no_row_and_shows_none_twice() {
    holds("checkpoint", 3, 1_668, checkpoint);
}

#[test]
fn a_freeze_under_an_apply_is_caught() {
    catches(Planted::FreezeUnderApply, 2, "an apply is lost", checkpoint);
}

#[test]
fn layers_let_go_of_before_the_disk_is_shown_are_caught() {
    catches(Planted::LayersFirst, 2, "every row is there once", checkpoint);
}
