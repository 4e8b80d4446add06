//! The suite that every disk passes, unchanged. It panics with what a disk did wrong.

use std::path::{Path, PathBuf};

use super::{AlignedBytes, Disk, DiskError, File};

/// A disk under test: one place, opened again and again.
pub trait Place {
    /// The disk.
    type Disk: Disk;

    /// The disk that lies in this place; the first time, an empty one.
    fn open(&mut self) -> Self::Disk;

    /// Ends a disk as power loss does: whatever was not synced may be gone.
    fn crash(&mut self, disk: Self::Disk);

    /// What the disk's errors call a path; as it is, unless they say where the root lies.
    fn in_errors(&self, path: &Path) -> PathBuf {
        path.to_owned()
    }
}

/// Runs the whole suite; `place` gives a fresh, empty place for each case.
pub fn check<P: Place>(mut place: impl FnMut() -> P) {
    a_new_disk_is_empty(place());
    names_are_taken_once(place());
    bytes_come_back_as_they_were(place());
    direct_writes_mix_with_others(place());
    lengths_change_with_zeros(place());
    a_rename_takes_one_step(place());
    a_removed_file_is_gone(place());
    a_directory_goes_when_it_is_empty(place());
    a_directory_is_locked_once(place());
    what_is_synced_survives_a_crash(place());
    names_survive_once_their_directory_is_synced(place());
    a_file_that_is_replaced_is_old_or_new(place());
}

fn path(text: &str) -> &Path {
    Path::new(text)
}

fn not_found<P: Place>(place: &P, text: &str) -> DiskError {
    DiskError::NotFound(place.in_errors(path(text)))
}

fn exists<P: Place>(place: &P, text: &str) -> DiskError {
    DiskError::AlreadyExists(place.in_errors(path(text)))
}

fn list<D: Disk>(disk: &D, dir: &str) -> Vec<String> {
    disk.list(path(dir)).expect("a directory")
}

fn content<F: File>(file: &F) -> Vec<u8> {
    let len = file.byte_len().expect("a length");
    let mut bytes = vec![0; usize::try_from(len).expect("a short file")];
    file.read_at(0, &mut bytes).expect("as many bytes as the file is long");
    bytes
}

fn content_of<D: Disk>(disk: &D, name: &str) -> Vec<u8> {
    content(&disk.open(path(name)).expect("the file is there"))
}

/// A new file whose bytes are durable, but not its name.
fn write<D: Disk>(disk: &D, name: &str, bytes: &[u8]) -> D::File {
    let file = disk.create(path(name)).expect("a new file");
    file.write_at(0, bytes).expect("written");
    file.sync().expect("synced");
    file
}

fn sync_dir<D: Disk>(disk: &D, dir: &str) {
    disk.sync_dir(path(dir)).expect("synced");
}

fn a_new_disk_is_empty<P: Place>(mut place: P) {
    let disk = place.open();
    assert_eq!(list(&disk, ""), [""; 0]);
    assert_eq!(disk.list(path("no")).expect_err("no such directory"), not_found(&place, "no"));
    assert_eq!(disk.open(path("no")).err(), Some(not_found(&place, "no")));
    assert_eq!(disk.remove(path("no")), Err(not_found(&place, "no")));
    assert_eq!(disk.remove_dir(path("no")), Err(not_found(&place, "no")));
    assert_eq!(disk.rename(path("no"), path("yes")), Err(not_found(&place, "no")));
    assert_eq!(disk.sync_dir(path("no")), Err(not_found(&place, "no")));
    assert_eq!(disk.try_lock(path("no")).err(), Some(not_found(&place, "no")));
    sync_dir(&disk, "");
}

fn names_are_taken_once<P: Place>(mut place: P) {
    let disk = place.open();
    assert!(disk.create(path("dir/b")).is_err(), "its directory is not there");
    assert!(disk.create_dir(path("dir/sub")).is_err(), "its directory is not there");
    disk.create_dir(path("dir")).expect("a directory");
    for name in ["b", "a", "dir/b", "dir/a"] {
        write(&disk, name, name.as_bytes());
    }
    disk.create_dir(path("dir/sub")).expect("a directory");
    for name in ["b", "dir", "dir/a", "dir/sub"] {
        assert_eq!(disk.create(path(name)).err(), Some(exists(&place, name)));
        assert_eq!(disk.create_dir(path(name)), Err(exists(&place, name)));
    }
    assert_eq!(list(&disk, ""), ["a", "b", "dir"]);
    assert_eq!(list(&disk, "dir"), ["a", "b", "sub"]);
    assert_eq!(list(&disk, "dir/sub"), [""; 0]);
    assert_eq!(content_of(&disk, "b"), b"b", "a name that was refused changed nothing");
    assert_eq!(content_of(&disk.clone(), "dir/b"), b"dir/b");
}

fn bytes_come_back_as_they_were<P: Place>(mut place: P) {
    let disk = place.open();
    let file = disk.create(path("file")).expect("a new file");
    assert_eq!(content(&file), []);
    file.write_at(3, b"abcdef").expect("written");
    assert_eq!(content(&file), b"\0\0\0abcdef", "a gap reads as zeros");
    file.write_at(5, b"XY").expect("written");
    file.write_at(8, b"Zz").expect("written");
    let other = disk.open(path("file")).expect("the file is there");
    assert_eq!(content(&other), b"\0\0\0abXYeZz", "handles share the file");
    other.write_at(0, b"123").expect("written");
    let mut bytes = [0; 4];
    file.read_at(1, &mut bytes).expect("readable");
    assert_eq!(&bytes, b"23ab");
    file.read_at(10, &mut []).expect("nothing is there at the end");
    for (offset, len) in [(7, 4), (10, 1), (1 << 40, 1)] {
        let error = file.read_at(offset, &mut vec![0; len]).expect_err("past the end");
        let end = offset + len as u64;
        assert_eq!(error, DiskError::ShortRead { path: place.in_errors(path("file")), end });
    }
    let large: Vec<u8> = (0..3 << 20).map(|index: u32| (index % 251) as u8).collect();
    file.write_at(512, &large).expect("written");
    let mut back = vec![0; large.len()];
    other.read_at(512, &mut back).expect("readable");
    assert!(back == large, "a large write comes back");
}

fn direct_writes_mix_with_others<P: Place>(mut place: P) {
    let disk = place.open();
    let file = disk.create(path("file")).expect("a new file");
    let other = disk.open(path("file")).expect("the file is there");
    sync_dir(&disk, "");
    let mut bytes = AlignedBytes::with_capacity(1 << 20);
    bytes.extend_from_slice(&(0..1 << 20).map(|at: u32| (at % 251) as u8).collect::<Vec<_>>());
    let mut model = Vec::new();
    // Aligned in all three ways, then in all but one each; on, over and past what is there.
    let writes = [
        (0, 0..8_192),
        (4_096, 0..4_096),
        (8_192, 0..512),
        (8_704, 0..512),
        (512, 0..100),
        (8_192, 1..4_097),
        (1_000, 0..4_096),
        (0, 0..512),
        (1 << 16, 0..1 << 20),
        (77, 0..0),
    ];
    for (round, (offset, range)) in writes.into_iter().enumerate() {
        let bytes = &bytes[range];
        file.write_direct(offset as u64, bytes).expect("written");
        let end = offset + bytes.len();
        model.resize(model.len().max(end), 0);
        model[offset..end].copy_from_slice(bytes);
        assert!(content(&other) == model, "direct write {round}");
        // Right over the end of the direct one, and read again before anything is synced.
        let seam = end.saturating_sub(3);
        other.write_at(seam as u64, b"seam").expect("written");
        model.resize(model.len().max(seam + 4), 0);
        model[seam..seam + 4].copy_from_slice(b"seam");
        assert!(content(&file) == model, "write {round}");
    }
    file.forget();
    assert!(content(&other) == model, "what is not durable is not forgotten");
    file.sync().expect("synced");
    file.forget();
    assert!(content(&other) == model, "what is durable is read again");
    place.crash(disk);
    assert!(content_of(&place.open(), "file") == model, "a sync covers both ways");
}

fn lengths_change_with_zeros<P: Place>(mut place: P) {
    let disk = place.open();
    let file = write(&disk, "file", b"abcdef");
    file.set_len(3).expect("cut");
    assert_eq!(content(&file), b"abc");
    file.set_len(5).expect("longer");
    assert_eq!(content(&file), b"abc\0\0", "what was cut does not come back");
    file.allocate(4).expect("it is longer already");
    assert_eq!(content(&file), b"abc\0\0");
    file.allocate(8).expect("longer");
    assert_eq!(content(&file), b"abc\0\0\0\0\0");
    file.sync().expect("synced");
    assert_eq!(file.byte_len(), Ok(8));
}

fn a_rename_takes_one_step<P: Place>(mut place: P) {
    let disk = place.open();
    disk.create_dir(path("dir")).expect("a directory");
    let old = write(&disk, "old", b"old");
    let new = write(&disk, "new", b"new");
    assert!(disk.rename(path("new"), path("dir/new")).is_err(), "another directory");
    assert!(disk.rename(path("new"), path("dir")).is_err(), "a directory's name");
    assert_eq!(list(&disk, ""), ["dir", "new", "old"], "nothing has changed");
    disk.rename(path("new"), path("old")).expect("renamed");
    assert_eq!(list(&disk, ""), ["dir", "old"]);
    assert_eq!(content_of(&disk, "old"), b"new");
    assert_eq!(content(&old), b"old", "whoever has it open may go on reading");
    new.write_at(0, b"N").expect("written");
    assert_eq!(content_of(&disk, "old"), b"New", "a handle follows its file");
}

fn a_removed_file_is_gone<P: Place>(mut place: P) {
    let disk = place.open();
    let file = write(&disk, "file", b"bytes");
    disk.remove(path("file")).expect("removed");
    assert_eq!(disk.open(path("file")).err(), Some(not_found(&place, "file")));
    assert_eq!(list(&disk, ""), [""; 0]);
    assert_eq!(content(&file), b"bytes", "whoever has it open may go on reading");
    let again = disk.create(path("file")).expect("the name is free");
    assert_eq!(content(&again), []);
}

fn a_directory_goes_when_it_is_empty<P: Place>(mut place: P) {
    let disk = place.open();
    disk.create_dir(path("dir")).expect("a directory");
    write(&disk, "dir/file", b"bytes");
    sync_dir(&disk, "dir");
    sync_dir(&disk, "");
    assert!(disk.remove_dir(path("dir")).is_err(), "something is in it");
    assert!(disk.remove_dir(path("dir/file")).is_err(), "a file");
    assert_eq!(content_of(&disk, "dir/file"), b"bytes", "nothing has changed");
    disk.remove(path("dir/file")).expect("removed");
    disk.remove_dir(path("dir")).expect("removed");
    assert_eq!(list(&disk, ""), [""; 0]);
    assert!(disk.create(path("dir/file")).is_err(), "its directory is not there");
    disk.create_dir(path("dir")).expect("the name is free");
    write(&disk, "dir/other", b"other");
    sync_dir(&disk, "dir");
    sync_dir(&disk, "");
    place.crash(disk);
    let disk = place.open();
    assert_eq!(list(&disk, "dir"), ["other"]);
}

fn a_directory_is_locked_once<P: Place>(mut place: P) {
    let disk = place.open();
    disk.create_dir(path("dir")).expect("a directory");
    sync_dir(&disk, "");
    let lock = disk.try_lock(path("dir")).expect("free");
    for _ in 0..2 {
        let refused = disk.clone().try_lock(path("dir")).err();
        assert_eq!(refused, Some(DiskError::Locked(place.in_errors(path("dir")))));
    }
    let root = disk.try_lock(path("")).expect("another directory");
    drop(lock);
    let lock = disk.try_lock(path("dir")).expect("free again");
    drop((lock, root));
    place.crash(disk);
    let disk = place.open();
    let lock = disk.try_lock(path("dir")).expect("free after a crash");
    assert!(disk.try_lock(path("dir")).is_err());
    drop(lock);
}

fn what_is_synced_survives_a_crash<P: Place>(mut place: P) {
    let mut disk = place.open();
    let file = disk.create(path("file")).expect("a new file");
    // Either order of the two syncs will do.
    sync_dir(&disk, "");
    file.write_at(0, &[7; 4_096]).expect("written");
    file.sync().expect("synced");
    for round in 0..3_u8 {
        place.crash(disk);
        disk = place.open();
        let file = disk.open(path("file")).expect("its name is durable");
        let bytes = content(&file);
        assert!(bytes.len() >= 4_096, "its length is durable");
        assert!(bytes[..2_048].iter().all(|byte| *byte == 7), "its bytes are durable");
        let whole = |range: &[u8]| range.iter().all(|byte| *byte <= 7);
        assert!(whole(&bytes[2_048..]), "bytes that nobody wrote");
        // What is not synced is there or not; what lies beside it is not harmed.
        file.write_at(2_048, &[round; 4_096]).expect("written");
    }
    let file = disk.open(path("file")).expect("the file is there");
    file.set_len(100).expect("cut");
    file.sync().expect("synced");
    place.crash(disk);
    assert_eq!(content_of(&place.open(), "file"), [7; 100], "a cut is durable");
}

fn names_survive_once_their_directory_is_synced<P: Place>(mut place: P) {
    let disk = place.open();
    disk.create_dir(path("dir")).expect("a directory");
    sync_dir(&disk, "");
    for name in ["dir/kept", "dir/removed", "dir/renamed"] {
        write(&disk, name, name.as_bytes());
    }
    sync_dir(&disk, "dir");
    place.crash(disk);
    let disk = place.open();
    assert_eq!(list(&disk, "dir"), ["kept", "removed", "renamed"]);
    disk.remove(path("dir/removed")).expect("removed");
    disk.rename(path("dir/renamed"), path("dir/new")).expect("renamed");
    sync_dir(&disk, "dir");
    place.crash(disk);
    let disk = place.open();
    assert_eq!(list(&disk, "dir"), ["kept", "new"]);
    assert_eq!(content_of(&disk, "dir/kept"), b"dir/kept");
    assert_eq!(content_of(&disk, "dir/new"), b"dir/renamed");
}

fn a_file_that_is_replaced_is_old_or_new<P: Place>(mut place: P) {
    let disk = place.open();
    write(&disk, "file", b"old");
    sync_dir(&disk, "");
    write(&disk, "file.new", b"new, and longer");
    disk.rename(path("file.new"), path("file")).expect("renamed");
    place.crash(disk);
    let disk = place.open();
    let bytes = content_of(&disk, "file");
    assert!(bytes == b"old" || bytes == b"new, and longer", "{}", bytes.escape_ascii());
    if list(&disk, "").len() > 1 {
        disk.remove(path("file.new")).expect("removed");
    }
    write(&disk, "file.new", b"newest");
    disk.rename(path("file.new"), path("file")).expect("renamed");
    sync_dir(&disk, "");
    place.crash(disk);
    assert_eq!(content_of(&place.open(), "file"), b"newest");
}
