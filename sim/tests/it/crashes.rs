//! Power loss at an operation, and the plain images of what survives.

use quipu_core::disk::{Disk, DiskError, File};
use quipu_sim::disk::{Keep, SimDisk};

use super::{content, content_of, create, durable, failed, names, path, sync, sync_root, write};

/// Two operations that change names, two that change bytes, two syncs.
fn workload(disk: &SimDisk) -> Result<(), DiskError> {
    disk.create_dir(path("dir"))?;
    let file = disk.create(path("file"))?;
    file.write_at(0, b"bytes")?;
    file.sync()?;
    disk.sync_dir(path(""))?;
    file.write_at(5, b" more")
}

#[test]
fn every_operation_can_be_the_last() {
    let whole = SimDisk::new();
    workload(&whole).expect("nothing fails");
    assert_eq!(whole.operations(), 6);
    for last in 1..=6 {
        let disk = SimDisk::new();
        disk.die_at(last);
        let error = workload(&disk).expect_err("it dies");
        assert!(matches!(&error, DiskError::Failed { why, .. } if why == "power is lost"));
        assert_eq!(disk.operations(), last);
        assert_eq!(disk.fired()["lost_power"], 1);
        let found = disk.image(Keep::Nothing);
        if last == 6 {
            assert_eq!(names(&found), ["dir", "file"]);
            assert_eq!(content_of(&found, "file"), b"bytes");
        } else {
            assert_eq!(names(&found), [""; 0], "no sync of the names has ended");
        }
    }
    let disk = SimDisk::new();
    disk.die_at(7);
    workload(&disk).expect("it ends before");
}

#[test]
fn the_last_operation_may_have_reached_the_disk_or_not() {
    let disk = SimDisk::new();
    let file = durable(&disk, "file", b"old");
    disk.die_at(disk.operations() + 1);
    assert_eq!(file.write_at(0, b"new"), Err(failed("file", "power is lost")));
    assert_eq!(disk.pending(), 1);
    assert_eq!(content_of(&disk.image(Keep::Nothing), "file"), b"old");
    assert_eq!(content_of(&disk.image(Keep::All), "file"), b"new");

    let disk = disk.image(Keep::Nothing);
    disk.die_at(1);
    assert_eq!(disk.rename(path("file"), path("other")), Err(failed("file", "power is lost")));
    assert_eq!(names(&disk.image(Keep::Nothing)), ["file"]);
    assert_eq!(names(&disk.image(Keep::All)), ["other"]);

    let disk = disk.image(Keep::Nothing);
    disk.die_at(1);
    assert_eq!(disk.remove(path("none")), Err(failed("none", "power is lost")), "not: not found");
    assert_eq!(disk.pending(), 0, "there was nothing to do");
}

#[test]
fn a_sync_that_power_loss_ends_makes_nothing_durable() {
    let disk = SimDisk::new();
    let file = durable(&disk, "file", b"old");
    write(&file, 0, b"new");
    disk.die_at(disk.operations() + 1);
    assert_eq!(file.sync(), Err(failed("file", "power is lost")));
    assert_eq!(content_of(&disk.image(Keep::Nothing), "file"), b"old");
    assert_eq!(content_of(&disk.image(Keep::All), "file"), b"new");
}

#[test]
fn a_dead_disk_stays_dead_for_a_handle_that_is_dropped_later() {
    struct LastWord(quipu_sim::disk::SimFile, std::sync::Arc<std::sync::Mutex<Vec<DiskError>>>);
    impl Drop for LastWord {
        fn drop(&mut self) {
            let said = [self.0.write_at(0, b"late"), self.0.sync()];
            self.1.lock().expect("no panic").extend(said.into_iter().filter_map(Result::err));
        }
    }

    let disk = SimDisk::new();
    let said = std::sync::Arc::default();
    let file = LastWord(durable(&disk, "file", b"here"), std::sync::Arc::clone(&said));
    disk.lose_power();
    let found = disk.image(Keep::All);
    drop(file);
    let dead = failed("file", "power is lost");
    assert_eq!(*said.lock().expect("no panic"), [dead.clone(), dead.clone()]);
    assert_eq!(disk.pending(), 0);
    for image in [found, disk.image(Keep::All)] {
        assert_eq!(content_of(&image, "file"), b"here");
    }
    assert_eq!(disk.open(path("file")).err(), Some(dead.clone()));
    assert_eq!(disk.reopen().open(path("file")).err(), Some(dead), "no process brings power back");
    let dead_root = failed("", "power is lost");
    assert_eq!(disk.list(path("")), Err(dead_root.clone()));
    assert_eq!(disk.try_lock(path("")).err(), Some(dead_root));
}

#[test]
fn a_prefix_keeps_the_oldest_changes() {
    let disk = SimDisk::new();
    let file = create(&disk, "file");
    write(&file, 0, b"abc");
    file.set_len(2).expect("cut");
    file.allocate(5).expect("longer");
    write(&file, 1, b"x");
    assert_eq!(disk.pending(), 5);
    let after: [&[u8]; 5] = [b"", b"abc", b"ab", b"ab\0\0\0", b"ax\0\0\0"];
    for (count, bytes) in (1..).zip(after) {
        assert_eq!(content_of(&disk.image(Keep::First(count)), "file"), bytes);
    }
    assert_eq!(names(&disk.image(Keep::First(0))), [""; 0]);
    assert_eq!(content_of(&disk.image(Keep::First(99)), "file"), b"ax\0\0\0");
}

#[test]
fn a_file_whose_name_is_not_durable_is_gone() {
    let disk = SimDisk::new();
    disk.create_dir(path("dir")).expect("a directory");
    sync(&create(&disk, "file"));
    sync(&create(&disk, "dir/file"));
    disk.sync_dir(path("dir")).expect("synced");
    assert_eq!(names(&disk.image(Keep::Nothing)), [""; 0], "its directory's name is not durable");
    sync_root(&disk);
    let found = disk.image(Keep::Nothing);
    assert_eq!(names(&found), ["dir", "file"]);
    assert_eq!(content_of(&found, "dir/file"), b"");
}

#[test]
fn a_lost_length_is_the_old_one() {
    let disk = SimDisk::new();
    let file = durable(&disk, "file", b"abcdef");
    file.set_len(3).expect("cut");
    let found = disk.image(Keep::Nothing);
    assert_eq!(content_of(&found, "file"), b"abcdef");
    assert_eq!(found.fired()["lost_length"], 1);
}

#[test]
fn an_image_leaves_its_disk_as_it_is() {
    let disk = SimDisk::new();
    let file = durable(&disk, "file", &[1; 10_000]);
    write(&file, 4_000, &[2; 1_000]);
    let mut expected = content(&file);
    let [before, lost] = [disk.image(Keep::All), disk.image(Keep::Nothing)];
    write(&file, 0, &[3; 10]);
    write(&lost.open(path("file")).expect("there"), 9_000, &[4; 1_000]);
    assert_eq!(content_of(&before, "file"), expected);
    expected[..10].fill(3);
    assert_eq!(content(&file), expected);
}

#[test]
fn a_process_that_ends_leaves_what_it_wrote_and_nothing_open() {
    let disk = SimDisk::new();
    let file = durable(&disk, "file", b"old");
    let lock = disk.try_lock(path("")).expect("free");
    write(&file, 0, b"new");
    let again = disk.reopen();
    assert_eq!(file.read_at(0, &mut [0; 3]), Err(failed("file", "its process has ended")));
    assert_eq!(disk.open(path("file")).err(), Some(failed("file", "its process has ended")));
    let own = again.try_lock(path("")).expect("the lock has ended too");
    drop(lock);
    assert!(again.try_lock(path("")).is_err(), "an ended lock frees nothing");
    drop(own);
    assert_eq!(content_of(&again, "file"), b"new");
    assert_eq!(content_of(&again.image(Keep::Nothing), "file"), b"old", "no sync has covered it");
    sync(&again.open(path("file")).expect("there"));
    assert_eq!(content_of(&again.image(Keep::Nothing), "file"), b"new");
}

#[test]
fn a_removed_file_is_there_again_after_power_loss_whoever_restarted_before() {
    let disk = SimDisk::new();
    durable(&disk, "file", b"bytes");
    disk.remove(path("file")).expect("removed");
    let disk = disk.reopen();
    assert_eq!(names(&disk), [""; 0]);
    assert_eq!(content_of(&disk.image(Keep::Nothing), "file"), b"bytes");
    sync_root(&disk);
    assert_eq!(names(&disk.reopen().image(Keep::Nothing)), [""; 0]);
}

#[test]
fn a_file_that_came_and_went_may_be_there_after_power_loss_whoever_restarted_before() {
    let disk = SimDisk::new();
    let file = create(&disk, "file");
    write(&file, 0, b"bytes");
    sync(&file);
    disk.remove(path("file")).expect("removed");
    let disk = disk.reopen();
    assert_eq!(content_of(&disk.image(Keep::First(1)), "file"), b"bytes");
    assert_eq!(names(&disk.image(Keep::First(2))), [""; 0]);
}

#[test]
fn disks_that_show_the_same_are_told_from_those_that_do_not() {
    let print_of = |disk: &SimDisk| {
        let mut bytes = Bytes(Vec::new());
        disk.hash_into(&mut bytes);
        bytes.0
    };
    let disk = SimDisk::new();
    workload(&disk).expect("nothing fails");
    let whole = print_of(&disk);
    assert_eq!(print_of(&disk.image(Keep::All)), whole);
    assert_ne!(print_of(&disk.image(Keep::Nothing)), whole);
    let file = disk.open(path("file")).expect("it is there");
    let len = file.byte_len().expect("a length");
    // Room that was taken holds zeros, as a hole does, and so do zeros that were written.
    file.set_len(20_000).expect("longer");
    let hole = print_of(&disk);
    assert_ne!(hole, whole);
    file.allocate(20_000).expect("room");
    assert_eq!(print_of(&disk), hole);
    write(&file, 8_192, &[0; 4_096]);
    assert_eq!(print_of(&disk), hole);
    write(&file, 8_192, &[1]);
    assert_ne!(print_of(&disk), hole);
    file.set_len(len).expect("cut");
    assert_eq!(print_of(&disk), whole);
    disk.rename(path("file"), path("other")).expect("renamed");
    assert_ne!(print_of(&disk), whole);
}

/// Keeps what others would hash.
struct Bytes(Vec<u8>);

impl std::hash::Hasher for Bytes {
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}
