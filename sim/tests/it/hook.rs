//! What is called before each operation, and threads.

use std::sync::{Arc, Mutex};

use quipu_core::disk::{Disk, File};
use quipu_sim::disk::{Act, Fault, Keep, Operation, SimDisk, When};

use super::{content, content_of, create, durable, failed, path, sync, sync_root, write};

#[test]
fn every_operation_is_told_before_it_begins() {
    let disk = SimDisk::new();
    let told: Arc<Mutex<Vec<String>>> = Arc::default();
    let trace = Arc::clone(&told);
    disk.on_operation(move |_, Operation { number, path, act }| {
        let line = format!("{number} {} {act:?}", path.display());
        trace.lock().expect("no panic").push(line);
    });
    let file = create(&disk, "file");
    write(&file, 3, b"abc");
    file.read_at(0, &mut [0; 6]).expect("readable");
    file.set_len(9).expect("longer");
    file.allocate(10).expect("longer");
    sync(&file);
    disk.create_dir(path("dir")).expect("a directory");
    disk.rename(path("file"), path("other")).expect("renamed");
    disk.remove(path("other")).expect("removed");
    sync_root(&disk);
    let expected = [
        "1 file Create",
        "2 file Write { offset: 3, len: 3 }",
        "1 file Read { offset: 0, len: 6 }",
        "3 file SetLen { len: 9 }",
        "4 file Allocate { len: 10 }",
        "5 file Sync",
        "6 dir CreateDir",
        "7 file Rename { to: \"other\" }",
        "8 other Remove",
        "9  SyncDir",
    ];
    assert_eq!(*told.lock().expect("no panic"), expected);
}

#[test]
fn one_run_shows_what_power_loss_at_every_operation_would_leave() {
    let disk = SimDisk::new();
    let file = durable(&disk, "file", b"0");
    let found: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
    let images = Arc::clone(&found);
    disk.on_operation(move |disk, operation| {
        if operation.act != (Act::Read { offset: 0, len: 1 }) {
            let bytes = content_of(&disk.image(Keep::Nothing), "file");
            images.lock().expect("no panic").push(bytes);
        }
    });
    for byte in [b"1", b"2"] {
        write(&file, 0, byte);
        sync(&file);
    }
    assert_eq!(*found.lock().expect("no panic"), [b"0", b"0", b"1", b"1"]);
}

#[test]
fn a_hook_may_lose_power_and_schedule_faults() {
    let disk = SimDisk::new();
    let file = durable(&disk, "file", b"old");
    disk.on_operation(|disk, operation| match operation.act {
        Act::Write { offset: 1, .. } => {
            disk.schedule(Fault::FailWrite, When::operation(operation.number));
        }
        Act::Write { offset: 2, .. } => disk.lose_power(),
        _ => {}
    });
    write(&file, 0, b"O");
    assert_eq!(file.write_at(1, b"L"), Err(failed("file", "the write failed")));
    assert_eq!(content(&file), b"Old");
    assert_eq!(file.write_at(2, b"D"), Err(failed("file", "power is lost")));
    assert_eq!(content_of(&disk.image(Keep::All), "file"), b"Old");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a disk is used by several threads")]
fn threads_share_a_disk() {
    let disk = SimDisk::new();
    std::thread::scope(|scope| {
        for thread in 0..4_u8 {
            let disk = &disk;
            scope.spawn(move || {
                let file = create(disk, &format!("file{thread}"));
                for round in 0..200 {
                    write(&file, round * 100, &[thread; 100]);
                    sync(&file);
                }
            });
        }
    });
    sync_root(&disk);
    assert_eq!(disk.operations(), 4 * 401 + 1);
    let found = disk.image(Keep::Nothing);
    for thread in 0..4_u8 {
        assert_eq!(content_of(&found, &format!("file{thread}")), vec![thread; 20_000]);
    }
}
