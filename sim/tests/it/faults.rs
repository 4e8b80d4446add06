//! Operations that fail: which, when, how often, and what they leave.

use quipu_core::disk::{Disk, DiskError, File};
use quipu_sim::disk::{Fault, Keep, SimDisk, When};

use super::{content, content_of, create, durable, failed, names, path, sync, write};

const PAGE: u64 = 4_096;

#[test]
fn a_failed_write_does_nothing() {
    let disk = SimDisk::new();
    let file = durable(&disk, "file", b"old");
    disk.schedule(Fault::FailWrite, When::always());
    assert_eq!(file.write_at(0, b"new"), Err(failed("file", "the write failed")));
    assert_eq!(file.set_len(1), Err(failed("file", "the length was not changed")));
    assert_eq!(file.allocate(9), Err(failed("file", "the room was not taken")));
    assert_eq!((content(&file), disk.pending()), (b"old".to_vec(), 0));
    assert_eq!(disk.fired()["failed_write"], 3);
    disk.end_faults();
    write(&file, 0, b"new");
}

#[test]
fn a_short_write_leaves_its_first_bytes() {
    let disk = SimDisk::new();
    let file = durable(&disk, "file", b"......");
    disk.schedule(Fault::ShortWrite(Some(4)), When::always());
    assert_eq!(file.write_at(1, b"abcde"), Err(failed("file", "the write stopped short")));
    assert_eq!(content(&file), b".abcd.");
    write(&file, 0, b"ABCD");
    assert_eq!(disk.fired()["short_write"], 1, "a write of four bytes is not short");
    sync(&file);
    assert_eq!(content_of(&disk.image(Keep::Nothing), "file"), b"ABCDd.");
}

#[test]
fn a_drawn_short_write_is_always_short_and_differs() {
    let disk = SimDisk::new();
    disk.schedule(Fault::ShortWrite(None), When::one_in(1, 5));
    let mut landed = std::collections::BTreeSet::new();
    for index in 0..200 {
        let file = create(&disk, &format!("file{index}"));
        file.write_at(0, b"abcd").expect_err("it is short");
        landed.insert(content(&file));
    }
    assert_eq!(landed, [&b""[..], b"a", b"ab", b"abc"].map(<[u8]>::to_vec).into());
}

#[test]
fn a_failed_read_is_an_error_and_only_that() {
    let disk = SimDisk::new();
    let [one, other] = ["one", "other"].map(|name| durable(&disk, name, name.as_bytes()));
    disk.schedule(Fault::FailRead, When::nth(2).of("one"));
    disk.schedule(Fault::FailRead, When::operation(5));
    let mut bytes = [0; 3];
    one.read_at(0, &mut bytes).expect("the first");
    other.read_at(0, &mut bytes).expect("of another file");
    assert_eq!(one.read_at(0, &mut bytes), Err(failed("one", "the read failed")));
    one.read_at(0, &mut bytes).expect("the third");
    assert_eq!(disk.reads(), 4);
    assert_eq!(other.read_at(0, &mut bytes), Err(failed("other", "the read failed")));
    other.read_at(0, &mut bytes).expect("it was one read");
    assert_eq!(disk.fired()["failed_read"], 2);
}

#[test]
fn a_failed_name_changes_nothing() {
    let disk = SimDisk::new();
    durable(&disk, "file", b"");
    disk.schedule(Fault::FailName, When::always());
    disk.create(path("new")).expect_err("it fails");
    disk.create_dir(path("dir")).expect_err("it fails");
    disk.rename(path("file"), path("new")).expect_err("it fails");
    disk.remove(path("file")).expect_err("it fails");
    assert_eq!((names(&disk), disk.pending()), (vec!["file".to_owned()], 0));
    assert_eq!(disk.fired()["failed_name"], 4);
    assert_eq!(disk.remove(path("none")), Err(DiskError::NotFound("none".into())));
}

#[test]
fn a_fault_strikes_the_operation_with_its_number() {
    let disk = SimDisk::new();
    let file = create(&disk, "file");
    disk.schedule(Fault::FailWrite, When::operation(3));
    disk.schedule(Fault::FailSync, When::operation(4));
    write(&file, 0, b"2");
    file.write_at(0, b"3").expect_err("the third");
    write(&file, 0, b"4, and no sync");
    sync(&file);
}

#[test]
fn a_file_is_struck_by_what_it_is_called_now() {
    let disk = SimDisk::new();
    let file = create(&disk, "file.new");
    disk.rename(path("file.new"), path("file")).expect("renamed");
    disk.schedule(Fault::FailWrite, When::always().of(".new"));
    write(&file, 0, b"it has another name");
}

#[test]
fn of_two_faults_at_once_the_first_strikes_and_the_other_waits() {
    let disk = SimDisk::new();
    let file = create(&disk, "file");
    disk.schedule(Fault::FailWrite, When::nth(2));
    disk.schedule(Fault::ShortWrite(Some(1)), When::nth(2));
    write(&file, 0, b"ab");
    assert_eq!(file.write_at(0, b"cd"), Err(failed("file", "the write failed")));
    assert_eq!(file.write_at(0, b"ef"), Err(failed("file", "the write stopped short")));
    write(&file, 0, b"gh");
}

#[test]
fn a_rate_strikes_as_often_as_it_says_and_at_the_same_operations_in_every_run() {
    let run = |seed| {
        let disk = SimDisk::new();
        let file = create(&disk, "file");
        disk.schedule(Fault::FailWrite, When::one_in(10, seed));
        let run: Vec<bool> = (0..2_000).map(|_| file.write_at(0, b"x").is_err()).collect();
        let failed = run.iter().filter(|failed| **failed).count();
        assert!((140..260).contains(&failed), "{failed}");
        assert_eq!(disk.fired()["failed_write"], failed as u64);
        run
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn a_full_disk_refuses_what_takes_room_and_nothing_else() {
    let disk = SimDisk::new();
    let file = durable(&disk, "file", b"old");
    assert_eq!(disk.used(), 2 * PAGE, "its name and its first bytes");
    disk.set_capacity(Some(2 * PAGE));
    let full = |name: &str| DiskError::NoSpace(name.into());
    assert_eq!(file.write_at(PAGE, b"x"), Err(full("file")));
    assert_eq!(file.write_at(PAGE - 1, b"xx"), Err(full("file")), "all or nothing");
    assert_eq!(file.allocate(PAGE + 1), Err(full("file")));
    assert_eq!(disk.create(path("new")).err(), Some(full("new")));
    assert_eq!(disk.create_dir(path("new")), Err(full("new")));
    assert_eq!(disk.fired()["no_space"], 5);
    assert_eq!(content(&file), b"old");
    write(&file, PAGE - 1, b"x");
    file.set_len(9 * PAGE).expect("zeros without room");
    assert_eq!(file.write_at(PAGE, b"x"), Err(full("file")), "a length is no room");
    disk.rename(path("file"), path("new")).expect("a name for a name");
    sync(&file);
    disk.set_capacity(Some(3 * PAGE));
    write(&file, PAGE, b"x");
    assert_eq!(disk.image(Keep::Nothing).used(), 2 * PAGE, "the second page was not synced");
    disk.remove(path("new")).expect("removed");
    assert_eq!(disk.used(), 0);
}

#[test]
fn room_that_was_taken_is_there_for_writes() {
    let disk = SimDisk::new();
    disk.set_capacity(Some(4 * PAGE));
    let file = create(&disk, "file");
    file.allocate(3 * PAGE).expect("there is room");
    assert_eq!(disk.used(), 4 * PAGE);
    write(&file, 100, &[7; 2 * 4_096]);
    assert_eq!(disk.used(), 4 * PAGE);
    file.set_len(PAGE + 1).expect("cut");
    assert_eq!(disk.used(), 3 * PAGE);
    write(&create(&disk, "other"), 0, b"");
    assert_eq!(disk.used(), 4 * PAGE);
}

#[test]
fn the_nth_operation_that_takes_room_finds_none() {
    let disk = SimDisk::new();
    let file = create(&disk, "file");
    disk.schedule(Fault::NoSpace, When::nth(2));
    write(&file, 0, b"takes a page");
    write(&file, 0, b"has it");
    file.set_len(PAGE * 5).expect("takes none");
    assert_eq!(file.write_at(PAGE, b"x"), Err(DiskError::NoSpace("file".into())));
    write(&file, PAGE, b"x");
    assert_eq!(disk.fired()["no_space"], 1);
}

#[test]
fn every_fault_has_a_count_from_the_start() {
    let fired = SimDisk::new().fired();
    assert_eq!(fired.len(), 16);
    assert!(fired.values().all(|count| *count == 0));
}
