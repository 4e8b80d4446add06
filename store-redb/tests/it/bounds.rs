//! What a store keeps in memory stays within what it was told.

use quipu_core::disk::MemoryDisk;
use quipu_core::records::{Rows, Table, key_of_head};
use quipu_core::shard::key_row_key;
use quipu_core::store::{MemoryStore, Reader, Store};
use quipu_core::words::{Number, Position, Timestamp};
use quipu_store_redb::store::{RedbStore, Settings};

use crate::sample::{everything, open_with, put_head, put_item, put_key, registry, remove_item};

const CHECKPOINT_BYTES: usize = 256 << 10;
const ROWS_PER_APPLY: u64 = 200;

fn small(disk: &MemoryDisk) -> RedbStore<MemoryDisk> {
    let settings = Settings {
        cache_bytes: 1 << 20,
        checkpoint_bytes: CHECKPOINT_BYTES,
        ..Settings::default()
    };
    open_with(disk, &settings).expect("a store").0
}

#[test]
fn memory_stays_bounded_while_many_times_as_much_is_applied() {
    let mut store = small(&MemoryDisk::new());
    let (mut position, mut applied, mut checkpoints) = (0, 0, 0);
    let mut frozen = None;
    while applied < 20 * CHECKPOINT_BYTES {
        let mut rows = Rows::default();
        for number in 0..ROWS_PER_APPLY {
            let number = 1 + (position + number) * 7 % 20_000;
            put_head(&mut rows, number, 5 + position, (number % 3) as u8);
            put_item(&mut rows, number, position, 9 + position);
        }
        position += ROWS_PER_APPLY;
        applied += rows.byte_len();
        let one = rows.byte_len();
        store.apply(&mut rows.iter(), Position::new(position)).expect("the rows apply");
        // Index entries are memory as well, once they have been asked for.
        let due = store.due(Timestamp::LAST, None, 3).expect("readable");
        assert_eq!(due.len(), 3);
        // One half is written while the other is filled.
        let pending = store.pending_bytes();
        assert!(pending > 0, "what waits takes memory");
        // What a table doubles, and what entries take beside their rows.
        let most = 2 * CHECKPOINT_BYTES + 16 * one;
        assert!(pending <= most, "{pending} bytes wait, {most} are the most");
        if store.wants_checkpoint() && frozen.is_none() {
            frozen = Some(store.freeze().expect("a freeze"));
        } else if store.pending_bytes() >= 2 * CHECKPOINT_BYTES
            && let Some(frozen) = frozen.take()
        {
            frozen.run().expect("a checkpoint");
            checkpoints += 1;
        }
    }
    assert!(checkpoints >= 5, "{checkpoints} checkpoints");
    frozen.map(|frozen| frozen.run().expect("a checkpoint"));
    store.checkpoint().expect("a checkpoint");
    assert_eq!(store.pending_bytes(), 0, "nothing waits");
    assert!(!store.wants_checkpoint());
}

#[test]
fn a_row_that_is_written_again_takes_no_more_memory() {
    let mut store = small(&MemoryDisk::new());
    let mut most = 0;
    for position in 1..2_000 {
        let mut rows = Rows::default();
        for number in 1..20 {
            put_head(&mut rows, number, position, (position % 200) as u8);
        }
        store.apply(&mut rows.iter(), Position::new(position)).expect("the rows apply");
        if position % 3 == 0 {
            let due = store.next_due(Timestamp::ZERO).expect("readable");
            assert_eq!(due, Some(Timestamp::from_ms(position)));
        }
        if position == 100 {
            most = store.pending_bytes();
        }
    }
    // What is noted for the index is forgotten once the index has it.
    assert!(store.pending_bytes() <= most + (64 << 10), "{} bytes wait", store.pending_bytes());
}

#[test]
fn many_snapshots_are_few_layers() {
    let mut store = small(&MemoryDisk::new());
    let mut snapshots = Vec::new();
    for position in 1..200 {
        let mut rows = Rows::default();
        put_head(&mut rows, position % 50, position, 1);
        store.apply(&mut rows.iter(), Position::new(position)).expect("the rows apply");
        snapshots.push(store.snapshot().expect("a snapshot"));
    }
    // Each layer has a chunk of 4 KiB at least.
    assert!(store.pending_bytes() < 9 * (16 << 10), "{} bytes wait", store.pending_bytes());
    for (snapshot, position) in snapshots.iter().zip(1..) {
        assert_eq!(snapshot.position(), Position::new(position));
        let next = snapshot.next_due(Timestamp::ZERO).expect("readable");
        let oldest = if position < 50 { 1 } else { position - 49 };
        assert_eq!(next, Some(Timestamp::from_ms(oldest)));
    }
    let key = key_of_head(Number::new(7));
    assert!(store.get(Table::Head, &key).expect("readable").is_some());
}

#[test]
fn layers_that_become_one_say_what_they_said_apart() {
    let mut store = small(&MemoryDisk::new());
    let mut model = MemoryStore::new(registry());
    let mut snapshots = Vec::new();
    let mut frozen = None;
    for position in 1..120 {
        let mut rows = Rows::default();
        put_head(&mut rows, 1 + position % 11, position, (position % 3) as u8);
        put_item(&mut rows, 1 + position % 7, position, 2 * position);
        if position > 5 {
            remove_item(&mut rows, 1 + (position - 5) % 7, position - 5);
        }
        put_key(&mut rows, position as u32, 1);
        // A late one, of a bucket that may have been dropped.
        put_key(&mut rows, position as u32 / 2, 2);
        let through = Position::new(position);
        store.apply(&mut rows.iter(), through).expect("the rows apply");
        model.apply(&mut rows.iter(), through).expect("the rows apply");
        if position % 13 == 0 {
            let bucket = position as u32 - 6;
            store.drop_keys_before(bucket).expect("droppable");
            model.drop_keys_before(bucket).expect("droppable");
        }
        let wanted = everything(&model).expect("readable");
        snapshots.push((store.snapshot().expect("a snapshot"), wanted.clone()));
        assert_eq!(everything(&store), Ok(wanted), "at {position}");
        for key in 1..=position as u32 {
            let key = key_row_key(key, &[1; 16]);
            let known = model.get(Table::Key, &key);
            assert_eq!(store.get(Table::Key, &key), known, "{key:?} at {position}");
        }
        // A checkpoint is under way while layers above and below its freeze become one.
        match position % 40 {
            10 => frozen = Some(store.freeze().expect("a freeze")),
            35 => {
                let written = frozen.take().expect("it was frozen").run();
                assert_eq!(written, Ok(Position::new(position - 25)));
            }
            _ => {}
        }
    }
    for (snapshot, wanted) in &snapshots {
        assert_eq!(everything(&**snapshot).as_ref(), Ok(wanted));
    }
    store.checkpoint().expect("a checkpoint");
    assert_eq!(everything(&store), everything(&model));
}
