//! A write or sync that fails is the last one of its file.

use quipu_core::disk::Disk;
use quipu_core::records::Table;
use quipu_core::store::{Reader, Store, StoreError};
use quipu_core::words::Position;
use quipu_sim::disk::{Fault, Keep, SimDisk, When};
use quipu_store_redb::store::{Opened, RedbStore};

use crate::sample::{History, PATH, everything, model, open, round};

/// A store with one checkpoint, and rows behind it.
fn filled(disk: &SimDisk) -> (RedbStore<SimDisk>, History) {
    let (mut store, opened) = open(disk).expect("a store");
    assert_eq!(opened, Opened::New);
    let mut history = History::new();
    for number in 1..=2 {
        let through = Position::new(number);
        store.apply(&mut round(number).iter(), through).expect("the rows apply");
        history.push((round(number), through));
        if number == 1 {
            store.checkpoint().expect("a checkpoint");
        }
    }
    (store, history)
}

/// What must hold once a checkpoint has failed.
fn is_final(disk: &SimDisk, mut store: RedbStore<SimDisk>, history: &History, place: &str) {
    let error = store.health().expect_err(place);
    assert_eq!(store.checkpoint(), Err(error), "{place}: there is no second try");
    assert!(!disk.list("".as_ref()).expect(place).contains(&PATH.to_owned()), "{place}");
    // Rows that wait in memory are still read, and more are taken.
    store.apply(&mut round(3).iter(), Position::new(3)).expect("the rows apply");
    assert_eq!(store.position(), Position::new(3));
    let mut whole = model(history, Position::new(2));
    whole.apply(&mut round(3).iter(), Position::new(3)).expect("the rows apply");
    for row in round(3).iter().chain(round(2).iter()) {
        assert_eq!(store.get(row.table, row.key), whole.get(row.table, row.key), "{place}");
    }
    drop(store);
    for keep in [Keep::Nothing, Keep::All, Keep::Torn(7)] {
        let (again, opened) = open(&disk.image(keep)).expect(place);
        assert_eq!(opened, Opened::New, "{place}: recovery fills it from the log");
        assert_eq!(again.position(), Position::ZERO, "{place}");
    }
}

#[test]
fn a_failed_operation_of_a_checkpoint_is_final() {
    let disk = SimDisk::new();
    let (mut store, _) = filled(&disk);
    let before = disk.operations();
    store.checkpoint().expect("a checkpoint");
    let after = disk.operations();
    let mut failed = 0;
    for operation in before + 1..=after {
        for fault in [Fault::FailSync, Fault::FailWrite, Fault::ShortWrite(None)] {
            let disk = SimDisk::new();
            let (mut store, history) = filled(&disk);
            let place = format!("{fault:?} at operation {operation} of {after}");
            disk.schedule(fault, When::operation(operation));
            if store.checkpoint().is_err() {
                failed += 1;
                is_final(&disk, store, &history, &place);
            } else {
                assert_eq!(store.health(), Ok(()), "{place}: a fault that could not strike");
                assert_eq!(everything(&store), everything(&model(&history, Position::new(2))));
            }
        }
    }
    assert!(failed as u64 > after - before, "{failed} of {} failed", 3 * (after - before));
}

#[test]
fn a_checkpoint_that_finds_no_room_does_no_harm() {
    let disk = SimDisk::new();
    let (mut store, mut history) = filled(&disk);
    let mut full = 0;
    for round_number in 3..40 {
        // Rows for some hundred pages, and room for a part of them.
        let through = Position::new(round_number);
        let mut rows = round(round_number);
        for number in 0..500 {
            crate::sample::put_item(&mut rows, 1, 1_000 * round_number + number, 9);
        }
        store.apply(&mut rows.iter(), through).expect("the rows apply");
        history.push((rows, through));
        // The least room with which it says that it can go on has to be enough.
        let before = disk.used();
        for room in (0..).map(|step| step * (256 << 10)) {
            disk.set_capacity(Some(before + room));
            match store.checkpoint() {
                Ok(position) => {
                    assert_eq!(position, through);
                    break;
                }
                Err(error) => {
                    full += 1;
                    assert!(matches!(error, StoreError::Full(_)), "{error}");
                    assert_eq!(disk.used(), before, "nothing was taken");
                }
            }
        }
        assert_eq!(store.health(), Ok(()));
        let known = round(round_number);
        for row in known.iter().filter(|row| row.value.is_some()) {
            assert_eq!(store.get(row.table, row.key), Ok(row.value.map(<[u8]>::to_vec)));
        }
    }
    assert!(full > 37, "{full} found no room");
    disk.set_capacity(None);
    assert_eq!(store.checkpoint(), Ok(Position::new(39)));
    let whole = model(&history, Position::new(39));
    assert_eq!(everything(&store), everything(&whole));
    drop(store);
    let (store, opened) = open(&disk.image(Keep::Nothing)).expect("a store");
    assert_eq!(opened, Opened::At(Position::new(39)));
    assert_eq!(everything(&store), everything(&whole));
}

#[test]
fn no_checkpoint_is_made_of_rows_that_did_not_all_apply() {
    let disk = SimDisk::new();
    let (mut store, history) = filled(&disk);
    let mut rows = round(3);
    rows.put(Table::Head, |out| out.push(1), |out| out.push(1));
    let error = store.apply(&mut rows.iter(), Position::new(3)).expect_err("no key of a head");
    assert_eq!(store.health(), Err(error.clone()));
    assert_eq!(store.checkpoint(), Err(error));
    drop(store);
    let (store, opened) = open(&disk.image(Keep::All)).expect("a store");
    assert_eq!(opened, Opened::At(Position::new(1)));
    assert_eq!(everything(&store), everything(&model(&history, Position::new(1))));
}

#[test]
fn a_file_that_is_damaged_never_gives_a_wrong_answer() {
    let disk = SimDisk::new();
    let (mut store, history) = filled(&disk);
    store.checkpoint().expect("a checkpoint");
    drop(store);
    let wanted = everything(&model(&history, Position::new(2))).expect("readable");
    let (_, len) = disk.files().into_iter().find(|(path, _)| path.ends_with(PATH)).expect("a file");
    let mut noticed = 0;
    for number in 0..400_u64 {
        let image = disk.image(Keep::All);
        // Spread over all of the file, a prime apart.
        let offset = number * 7_919 * 13 % len;
        image.flip(PATH.as_ref(), offset, (number % 8) as u8).expect("a bit to flip");
        match open(&image) {
            Ok((store, Opened::At(position))) => {
                assert_eq!(position, Position::new(2), "byte {offset}");
                match everything(&store) {
                    Ok(found) => assert_eq!(found, wanted, "byte {offset}"),
                    Err(StoreError::Rotten(_) | StoreError::Damaged { .. }) => noticed += 1,
                    Err(error) => panic!("byte {offset}: {error}"),
                }
            }
            Ok((store, Opened::SetAside { to, .. })) => {
                noticed += 1;
                assert_eq!(store.position(), Position::ZERO);
                assert!(
                    image.list("".as_ref()).expect("names").contains(&to.display().to_string())
                );
            }
            Ok((_, Opened::New)) => panic!("byte {offset}: the store is gone"),
            Err(error) => panic!("byte {offset}: {error}"),
        }
    }
    assert!(noticed > 0, "no flip was noticed");
}
