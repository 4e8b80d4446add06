//! An empty store is filled with rows in order, or not at all.

use quipu_core::records::Table;
use quipu_core::store::{Reader, Store, StoreError};
use quipu_core::words::Position;
use quipu_sim::disk::{Keep, SimDisk};
use quipu_store_redb::store::{Opened, WholeRow};

use crate::sample::{History, everything, model, open, round};

/// The rows of a small ledger, as a backup gives them.
fn rows() -> (Vec<WholeRow>, History) {
    let history: History = (1..6).map(|number| (round(number), Position::new(number))).collect();
    let whole = model(&history, Position::new(5));
    let mut rows = Vec::new();
    for table in Table::ALL {
        let mut keep = |key: &[u8], value: &[u8]| {
            rows.push((table, key.to_vec(), value.to_vec()));
            true
        };
        whole.scan(table, &[], &mut keep).expect("readable");
    }
    (rows, history)
}

#[test]
fn a_filled_store_is_the_one_that_its_rows_came_from() {
    let (rows, mut history) = rows();
    let disk = SimDisk::new();
    let (mut store, _) = open(&disk).expect("a store");
    let reader = store.reader();
    store.fill(&mut rows.into_iter().map(Ok), Position::new(5)).expect("it is empty");
    let wanted = everything(&model(&history, Position::new(5)));
    assert_eq!(everything(&store), wanted);
    assert_eq!(everything(&*reader), wanted);
    drop((store, reader));
    // It is durable, and it goes on from there as any other.
    let (mut store, opened) = open(&disk.image(Keep::Nothing)).expect("a store");
    assert_eq!(opened, Opened::At(Position::new(5)));
    store.apply(&mut round(6).iter(), Position::new(6)).expect("the rows apply");
    store.checkpoint().expect("a checkpoint");
    history.push((round(6), Position::new(6)));
    assert_eq!(everything(&store), everything(&model(&history, Position::new(6))));
}

#[test]
fn only_an_empty_store_is_filled_and_only_in_order() {
    let (rows, _) = rows();
    let (mut store, _) = open(&SimDisk::new()).expect("a store");
    store.apply(&mut round(1).iter(), Position::new(1)).expect("the rows apply");
    let filled = store.fill(&mut rows.clone().into_iter().map(Ok), Position::new(5));
    assert!(matches!(filled, Err(StoreError::Failed(_))), "{filled:?}");
    assert_eq!(store.health(), Ok(()));
    assert_eq!(store.checkpoint(), Ok(Position::new(1)), "it is as it was");

    let disk = SimDisk::new();
    let (mut store, _) = open(&disk).expect("a store");
    let mut wrong = rows;
    wrong.swap(1, 2);
    let filled = store.fill(&mut wrong.into_iter().map(Ok), Position::new(5));
    assert!(matches!(filled, Err(StoreError::Failed(_))), "{filled:?}");
    assert!(store.health().is_err());
    drop(store);
    let (store, opened) = open(&disk.reopen()).expect("a store");
    assert_eq!((opened, store.position()), (Opened::New, Position::ZERO));
}

#[test]
fn a_store_that_is_not_whole_is_set_aside() {
    let (rows, _) = rows();
    // More than one transaction takes, of keys that have no index, at the very end.
    let mut large = rows;
    large.retain(|(table, ..)| *table != Table::Index);
    for number in 0..66_u32 {
        let key = [&9_000_000_u32.to_be_bytes()[..], &number.to_be_bytes()].concat();
        large.push((Table::Key, key, vec![7; 1 << 20]));
    }
    let mut asides = 0;
    for part in 0..3 {
        let disk = SimDisk::new();
        let (mut store, _) = open(&disk).expect("a store");
        // The backup ends with an error, near its end.
        let cut = large.len() - 1 - part;
        let lost = || StoreError::Failed("the backup is gone".into());
        let before = disk.clone();
        let mut given = large.iter().take(cut).cloned().map(Ok).chain([Err(lost())]);
        let mut watched = given.by_ref().inspect(|row| {
            if row.is_err() {
                // And power is lost at once, so that nobody sets anything aside.
                before.lose_power();
            }
        });
        let filled = store.fill(&mut watched, Position::new(5));
        assert!(filled.is_err(), "{filled:?}");
        drop(store);
        let (store, opened) = open(&disk.image(Keep::All)).expect("a store");
        assert_eq!(store.position(), Position::ZERO);
        asides += usize::from(matches!(opened, Opened::SetAside { .. }));
    }
    assert!(asides > 0, "some end behind the first transaction");
}
