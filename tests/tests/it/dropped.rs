//! History that is dropped from a log in files while something else goes on or goes wrong.

use std::path::Path;
use std::sync::{Arc, Mutex};

use quipu_core::log::{Finish, Frame, Log, LogError, Reader};
use quipu_core::words::{Epoch, Position, Timestamp};
use quipu_log_file::{FileLog, LogId, Settings};
use quipu_sim::disk::{Act, Fault, Keep, SimDisk, When};

const ID: LogId = LogId([7; 16]);

fn settings() -> Settings {
    Settings {
        segment_bytes_min: 0,
        segment_bytes_max: 0,
        beside_bytes: None,
        ..Settings::default()
    }
}

fn create(disk: &SimDisk) -> (FileLog<SimDisk>, Epoch) {
    let mut log = FileLog::create(disk.clone(), Path::new(""), ID, &settings()).expect("made");
    let epoch = log.take_epoch().expect("an epoch");
    (log, epoch)
}

fn open(disk: &SimDisk) -> Result<FileLog<SimDisk>, LogError> {
    FileLog::open(disk.clone(), Path::new(""), ID, &settings())
}

/// Appends a frame of one event and three megabytes, of which a segment holds two.
fn append(log: &mut FileLog<SimDisk>, epoch: Epoch) -> Option<Finish> {
    let first = log.bounds().1;
    let (now, now_limit) = (Timestamp::from_ms(first.get()), Timestamp::from_ms(first.get() + 9));
    let (watermark, bytes) = (Position::new(first.get() - 1), vec![first.get() as u8; 3 << 20]);
    log.append(Frame { epoch, first, events: 1, now, now_limit, watermark, bytes }).expect("begun");
    log.finish()
}

#[test]
fn the_end_of_a_log_is_not_dropped_before_a_later_frame_is_durable() {
    let disk = SimDisk::new();
    let (mut log, epoch) = create(&disk);
    for _ in 0..2 {
        assert_eq!(append(&mut log, epoch), Some(Finish::Durable));
    }
    let (end, now_limit) = (log.anchor(), log.now_limit());
    disk.schedule(Fault::FailSync, When::nth(1).of("000000000002"));
    assert_eq!(append(&mut log, epoch), Some(Finish::Failed), "in the second segment");
    assert_eq!(log.trim(Position::new(3)), Ok(Position::new(1)));
    drop(log);
    let disk = disk.image(Keep::Nothing);
    let log = open(&disk).expect("it opens");
    assert_eq!((log.bounds().1, log.anchor()), (Position::new(3), end));
    assert_eq!(log.now_limit(), now_limit);
}

#[test]
fn a_reader_does_not_take_what_is_dropped_for_lost() {
    let disk = SimDisk::new();
    let (mut log, epoch) = create(&disk);
    for _ in 0..5 {
        assert_eq!(append(&mut log, epoch), Some(Finish::Durable));
    }
    let reader = log.reader();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let watching = Arc::clone(&seen);
    disk.on_operation(move |_, operation| {
        if operation.act == Act::SyncDir {
            watching.lock().expect("whole").push(reader.read(Position::new(1)).map(drop));
        }
    });
    assert_eq!(log.trim(Position::new(5)), Ok(Position::new(5)));
    let seen = core::mem::take(&mut *seen.lock().expect("whole"));
    assert_eq!(seen.len(), 2);
    assert!(seen.iter().all(|read| matches!(read, Ok(()) | Err(LogError::Trimmed(_)))), "{seen:?}");
}

#[test]
fn nothing_more_is_dropped_once_that_has_failed() {
    let disk = SimDisk::new();
    let (mut log, epoch) = create(&disk);
    for _ in 0..5 {
        assert_eq!(append(&mut log, epoch), Some(Finish::Durable));
    }
    disk.schedule(Fault::FailSyncDir, When::nth(1));
    assert!(matches!(log.trim(Position::new(5)), Err(LogError::Failed(_))));
    let operations = disk.operations();
    let _ = log.trim(Position::new(5));
    assert_eq!(disk.operations(), operations, "nothing is tried twice");
    drop(log);
    let disk = disk.image(Keep::Nothing);
    assert_eq!(open(&disk).expect("it opens").bounds(), (Position::new(1), Position::new(6)));
}
