//! Writes that pass by the cache, and those beside them.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use quipu_core::disk::{AlignedBytes, Disk, File};
use quipu_disk::{RealDisk, RealFile};
use tempfile::TempDir;

fn disk() -> (TempDir, RealDisk) {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let disk = RealDisk::open(dir.path()).expect("a directory");
    (dir, disk)
}

fn file(disk: &RealDisk, name: &str) -> RealFile {
    disk.create(Path::new(name)).expect("a new file")
}

fn aligned(len: usize, value: u8) -> AlignedBytes {
    let mut bytes = AlignedBytes::default();
    bytes.resize(len, value);
    bytes
}

/// Bytes as somebody else reads them.
fn on_disk(disk: &RealDisk, name: &str) -> Vec<u8> {
    fs::read(disk.root().join(name)).expect("a file")
}

#[test]
fn direct_and_other_writes_change_the_same_bytes() {
    let (_dir, disk) = disk();
    let file = file(&disk, "log");
    file.allocate(1 << 20).expect("allocated");
    let mut model = vec![0; 1 << 20];
    // Frames one behind the other, some of them not aligned, each behind a sector that the
    // one before has left half full.
    let mut at = 0;
    for round in 0..120_u8 {
        let len = [512, 8_192, 700, 4_096, 1_536, 12_288, 100][usize::from(round) % 7];
        let bytes = aligned(len, round + 1);
        match round % 3 {
            0 => file.write_at(at as u64, &bytes).expect("written"),
            _ => file.write_direct(at as u64, &bytes).expect("written"),
        }
        model[at..at + len].fill(round + 1);
        assert!(on_disk(&disk, "log") == model, "round {round}");
        if round % 5 == 0 {
            file.sync().expect("synced");
            file.forget();
            assert!(on_disk(&disk, "log") == model, "round {round}, from the disk");
        }
        at = (at + len).next_multiple_of(512);
    }
}

#[test]
fn a_direct_write_follows_its_file_to_another_name() {
    let (_dir, disk) = disk();
    let old = file(&disk, "new");
    disk.rename(Path::new("new"), Path::new("old")).expect("renamed");
    let new = file(&disk, "new");
    old.write_direct(0, &aligned(4_096, 1)).expect("written");
    new.write_direct(0, &aligned(4_096, 2)).expect("written");
    assert_eq!(on_disk(&disk, "old"), [1; 4_096]);
    assert_eq!(on_disk(&disk, "new"), [2; 4_096]);
    disk.remove(Path::new("old")).expect("removed");
    old.write_direct(4_096, &aligned(4_096, 3)).expect("written");
    let mut bytes = [0; 4_096];
    old.read_at(4_096, &mut bytes).expect("readable");
    assert_eq!(bytes, [3; 4_096]);
}

#[test]
fn threads_write_side_by_side() {
    let (_dir, disk) = disk();
    let file = file(&disk, "log");
    std::thread::scope(|scope| {
        for thread in 0..4_u8 {
            let file = &file;
            scope.spawn(move || {
                let bytes = aligned(4_096, thread + 1);
                for round in 0..64 {
                    let at = (round * 4 + u64::from(thread)) * 4_096;
                    let end = at + 4_096;
                    match round % 4 {
                        0 => file.write_at(at, &bytes).expect("written"),
                        1 => file.allocate(end).expect("allocated"),
                        _ => {}
                    }
                    file.write_direct(at, &bytes).expect("written");
                }
            });
        }
    });
    let pages = on_disk(&disk, "log");
    assert_eq!(pages.len(), 4 * 64 * 4_096);
    for (index, page) in pages.chunks(4_096).enumerate() {
        assert!(page.iter().all(|byte| usize::from(*byte) == index % 4 + 1), "page {index}");
    }
}

#[test]
fn room_is_taken_before_anything_is_written() {
    let (_dir, disk) = disk();
    let file = file(&disk, "log");
    let room = || fs::metadata(disk.root().join("log")).expect("a file").blocks() * 512;
    file.allocate(0).expect("nothing to do");
    file.set_len(1 << 20).expect("longer");
    assert!(room() < 1 << 20, "a longer file has no room yet");
    file.allocate(1 << 19).expect("allocated");
    assert!((1 << 19..1 << 20).contains(&room()), "{} below a half", room());
    assert_eq!(file.byte_len(), Ok(1 << 20), "a longer file stays as long as it is");
    file.allocate(3 << 20).expect("allocated");
    assert!(room() >= 3 << 20);
    assert!(on_disk(&disk, "log") == vec![0; 3 << 20]);
}
