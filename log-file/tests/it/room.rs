//! Room that was promised to entries, while frames without events come in between.

use std::path::Path;

use quipu_core::log::{Finish, Frame, Log, Reader};
use quipu_core::words::{Epoch, Position, Timestamp};
use quipu_log_file::FileLog;
use quipu_sim::disk::SimDisk;

use crate::promise::{ID, settings};

fn append(log: &mut FileLog<SimDisk>, epoch: Epoch, events: u64, len: usize) {
    let (first, now) = (log.bounds().1, Timestamp::from_ms(1_000));
    let (watermark, bytes) = (Position::new(first.get() - 1), vec![7; len]);
    let frame = Frame { epoch, first, events, now, now_limit: now, watermark, bytes };
    log.append(frame).expect("there is room for it");
    assert_eq!(log.finish(), Some(Finish::Durable));
}

#[test]
fn frames_without_events_take_nothing_of_what_entries_were_promised() {
    for is_tended in [false, true] {
        let disk = SimDisk::new();
        let mut log = FileLog::create(disk.clone(), Path::new(""), ID, &settings()).expect("made");
        let epoch = log.take_epoch().expect("an epoch");
        append(&mut log, epoch, 1, 8 << 20);
        while is_tended && log.tend().expect("room is made") {}
        disk.set_capacity(Some(disk.used()));
        let promised = log.room().min(log.room_of(8 << 20));
        assert!(promised > 100_000);
        // Time goes on while what was admitted is on its way.
        for _ in 0..60 {
            append(&mut log, epoch, 0, 0);
        }
        let len = promised as usize - log.room_of(0) as usize;
        assert!(log.room_of(len) <= promised);
        append(&mut log, epoch, 1, len);
    }
}
