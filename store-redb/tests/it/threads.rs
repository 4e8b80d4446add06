//! Readers, a checkpoint and the one who applies, on threads of their own.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use quipu_core::disk::MemoryDisk;
use quipu_core::records::{HeadRow, Rows, Table, key_of_head};
use quipu_core::store::{Reader, Store};
use quipu_core::words::{Number, Position, Timestamp};

use crate::sample::{open, put_head, put_item};

/// Every apply gives all of these streams one and the same time.
const STREAMS: u64 = 40;
const ROUNDS: u64 = 300;

/// What holds at every position of a ledger whose streams all move at once.
fn is_of_one_position(reader: &dyn Reader) {
    let position = reader.position().get();
    let due = reader.due(Timestamp::LAST, None, usize::MAX).expect("readable");
    let wanted = if position == 0 { 0 } else { 2 * STREAMS as usize };
    assert_eq!(due.len(), wanted, "at {position}");
    assert!(due.iter().all(|due| due.at.ms() == position), "at {position}");
    let mut heads = 0;
    let mut visit = |_: &[u8], value: &[u8]| {
        let row = HeadRow::read(value).expect("the test wrote it");
        heads += u64::from(row.stamp.version.get() > 0);
        true
    };
    reader.scan(Table::Head, &[], &mut visit).expect("readable");
    assert_eq!(heads, if position == 0 { 0 } else { STREAMS });
}

/// What holds for a scan, also of what goes on: it is of one position, where all heads are alike.
fn scans_one_position(reader: &dyn Reader) {
    let mut heads = Vec::new();
    let mut visit = |_: &[u8], value: &[u8]| {
        heads.push(HeadRow::read(value).expect("the test wrote it").head.to_vec());
        true
    };
    reader.scan(Table::Head, &[], &mut visit).expect("readable");
    assert!(heads.is_empty() || heads.len() == STREAMS as usize, "{} heads", heads.len());
    heads.dedup();
    assert!(heads.len() <= 1, "a scan shows {} positions", heads.len());
}

/// What holds for a reader of what goes on: nothing is ever missing, and nothing runs back.
fn goes_on(reader: &dyn Reader, seen: &mut [u64]) {
    let position = reader.position().get();
    if position == 0 {
        return;
    }
    let due = reader.due(Timestamp::LAST, None, usize::MAX).expect("readable");
    for number in 1..=STREAMS {
        let of: Vec<u64> = due
            .iter()
            .filter(|due| due.number.get() == number && due.item.is_none())
            .map(|due| due.at.ms())
            .collect();
        assert_eq!(of.len(), 1, "stream {number} is due once at {position}: {of:?}");
        assert!(of[0] >= position, "stream {number} is due at {of:?}, and {position} was read");
        assert!(of[0] >= seen[number as usize], "stream {number} runs back");
        seen[number as usize] = of[0];
    }
    let key = key_of_head(Number::new(1 + position % STREAMS));
    assert!(reader.get(Table::Head, &key).expect("readable").is_some());
}

/// Says that it is over, also where a check has failed.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

#[test]
fn readers_see_every_row_once_while_checkpoints_are_written() {
    let (mut store, _) = open(&MemoryDisk::new()).expect("a store");
    let reader = store.reader();
    let over = AtomicBool::new(false);
    let begin = Barrier::new(4);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                begin.wait();
                let mut seen = vec![0; 1 + STREAMS as usize];
                while !over.load(Ordering::Acquire) {
                    goes_on(&*reader, &mut seen);
                }
            });
        }
        scope.spawn(|| {
            begin.wait();
            while !over.load(Ordering::Acquire) {
                scans_one_position(&*reader);
            }
        });
        let _over = Over(&over);
        begin.wait();
        let mut writing = None;
        for round in 1..=ROUNDS {
            let mut rows = Rows::default();
            for number in 1..=STREAMS {
                put_head(&mut rows, number, round, (round % 3) as u8);
                put_item(&mut rows, number, 1, round);
            }
            store.apply(&mut rows.iter(), Position::new(round)).expect("the rows apply");
            if round % 7 == 0 {
                let snapshot = store.snapshot().expect("a snapshot");
                scope.spawn(move || is_of_one_position(&*snapshot));
            }
            if round % 20 == 0 {
                let before: Option<thread::ScopedJoinHandle<'_, ()>> = writing.take();
                if let Some(before) = before {
                    before.join().expect("a checkpoint");
                }
                let frozen = store.freeze().expect("a freeze");
                writing = Some(scope.spawn(move || {
                    let position = frozen.run().expect("a checkpoint");
                    assert_eq!(position, Position::new(round));
                }));
            }
        }
    });
    is_of_one_position(&*store.snapshot().expect("a snapshot"));
}
