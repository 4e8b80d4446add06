//! What a failed sync leaves: it is seen, and it is not on the disk.

use quipu_core::disk::{Disk, File};
use quipu_sim::disk::{Fault, Keep, SimDisk, When};

use super::{content, content_of, create, durable, failed, names, path, sync, sync_root, write};

/// A file with "old" on the disk, "new" in the cache, and nothing that waits.
fn after_a_failed_sync() -> (SimDisk, quipu_sim::disk::SimFile) {
    let disk = SimDisk::new();
    let file = durable(&disk, "file", b"old");
    write(&file, 0, b"new");
    disk.schedule(Fault::FailSync, When::nth(1));
    assert_eq!(file.sync(), Err(failed("file", "the sync failed")));
    assert_eq!(disk.fired()["failed_sync"], 1);
    assert_eq!(disk.pending(), 0);
    (disk, file)
}

#[test]
fn what_a_failed_sync_left_is_readable_until_power_is_lost() {
    let (disk, file) = after_a_failed_sync();
    assert_eq!(content(&file), b"new");
    let disk = disk.reopen();
    assert_eq!(content_of(&disk, "file"), b"new", "also for the next process");
    for keep in [Keep::All, Keep::Nothing, Keep::Torn(1)] {
        assert_eq!(content_of(&disk.image(keep), "file"), b"old");
    }
}

#[test]
fn a_later_sync_does_not_write_what_a_failed_one_lost() {
    let (disk, file) = after_a_failed_sync();
    write(&file, 2, b"t");
    sync(&file);
    assert_eq!(content(&file), b"net");
    assert_eq!(content_of(&disk.image(Keep::All), "file"), b"olt");
    let again = disk.reopen().open(path("file")).expect("there");
    sync(&again);
    assert_eq!(content_of(&disk.image(Keep::All), "file"), b"olt");
}

#[test]
fn a_new_write_of_the_same_bytes_reaches_the_disk() {
    let (disk, file) = after_a_failed_sync();
    write(&file, 0, b"new");
    sync(&file);
    assert_eq!(content_of(&disk.image(Keep::Nothing), "file"), b"new");
}

#[test]
fn a_cache_that_forgets_shows_what_is_on_the_disk() {
    let (disk, file) = after_a_failed_sync();
    write(&file, 3, b"er");
    file.forget();
    assert_eq!(content(&file), b"older", "what waits for a sync is kept");
    sync(&file);
    assert_eq!(content_of(&disk.image(Keep::Nothing), "file"), b"older");

    let (disk, file) = after_a_failed_sync();
    disk.forget();
    assert_eq!(content(&file), b"old");
}

#[test]
fn a_length_that_a_failed_sync_lost_is_lost() {
    let disk = SimDisk::new();
    let file = durable(&disk, "file", b"abcdef");
    file.set_len(2).expect("cut");
    disk.schedule(Fault::FailSync, When::always().of("file"));
    file.sync().expect_err("it fails");
    file.sync().expect_err("it fails again");
    disk.end_faults();
    sync(&file);
    assert_eq!(content(&file), b"ab");
    file.forget();
    assert_eq!(content(&file), b"ab", "the length stays in the cache");
    assert_eq!(content_of(&disk.image(Keep::All), "file"), b"abcdef");
    file.set_len(9).expect("longer");
    sync(&file);
    assert_eq!(content_of(&disk.image(Keep::All), "file"), b"abcdef\0\0\0");
}

#[test]
fn a_failed_sync_is_of_one_file() {
    let disk = SimDisk::new();
    let [one, other] = ["one", "other"].map(|name| durable(&disk, name, b"old"));
    write(&one, 0, b"new");
    write(&other, 0, b"new");
    disk.schedule(Fault::FailSync, When::nth(1).of("oth"));
    sync(&one);
    other.sync().expect_err("it fails");
    let found = disk.image(Keep::All);
    assert_eq!([content_of(&found, "one"), content_of(&found, "other")], [b"new", b"old"]);
}

#[test]
fn names_that_a_failed_sync_lost_are_seen_until_power_is_lost() {
    let disk = SimDisk::new();
    durable(&disk, "old", b"old");
    durable(&disk, "removed", b"removed");
    disk.create_dir(path("dir")).expect("a directory");
    sync_root(&disk);
    sync(&create(&disk, "dir/other"));
    sync(&create(&disk, "created"));
    disk.rename(path("old"), path("renamed")).expect("renamed");
    disk.remove(path("removed")).expect("removed");
    disk.schedule(Fault::FailSyncDir, When::nth(1));
    assert_eq!(disk.sync_dir(path("")), Err(failed("", "the sync failed")));
    assert_eq!(disk.fired()["failed_sync_dir"], 1);

    sync_root(&disk);
    let disk = disk.reopen();
    assert_eq!(names(&disk), ["created", "dir", "renamed"]);
    let found = disk.image(Keep::All);
    assert_eq!(names(&found), ["dir", "old", "removed"]);
    assert_eq!(content_of(&found, "old"), b"old");
    assert_eq!(content_of(&found, "dir/other"), b"", "another directory's names still waited");

    disk.rename(path("created"), path("again")).expect("renamed");
    sync_root(&disk);
    assert_eq!(names(&disk.image(Keep::Nothing)), ["again", "dir", "old", "removed"]);
}
