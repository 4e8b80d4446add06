//! What a disk says when it cannot.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use quipu_core::disk::{AlignedBytes, Disk, DiskError, File};
use quipu_disk::RealDisk;

fn failed(path: impl Into<PathBuf>, why: &str) -> DiskError {
    DiskError::Failed { path: path.into(), why: why.to_owned() }
}

#[test]
fn a_disk_is_made_once_and_opened_where_it_is() {
    let dir = tempfile::tempdir().expect("a directory");
    let outer = dir.path().canonicalize().expect("a directory");
    let root = outer.join("ledger");
    assert_eq!(RealDisk::open(&root).err(), Some(DiskError::NotFound(root.clone())));
    let disk = RealDisk::create(&root).expect("a new directory");
    assert_eq!(disk.root(), root);
    assert_eq!(RealDisk::create(&root).err(), Some(DiskError::AlreadyExists(root.clone())));
    let far = root.join("no").join("far");
    assert_eq!(RealDisk::create(&far).err(), Some(DiskError::NotFound(far)));
    disk.create(Path::new("file")).expect("a new file");
    let file = root.join("file");
    assert_eq!(RealDisk::open(&file).err(), Some(failed(file, "Not a directory (os error 20)")));

    std::os::unix::fs::symlink(&root, outer.join("link")).expect("a link");
    let linked = RealDisk::open(outer.join("link")).expect("a directory");
    assert_eq!(linked.root(), root, "a link is followed once");
}

#[test]
fn nothing_outside_of_the_root_is_touched() {
    let dir = tempfile::tempdir().expect("a directory");
    fs::write(dir.path().join("secret"), "outside").expect("written");
    let disk = RealDisk::create(dir.path().join("root")).expect("a new directory");
    disk.create_dir(Path::new("dir")).expect("a directory");
    disk.create(Path::new("file")).expect("a new file");
    let absolute = dir.path().join("secret");
    let why = format!("not a path below {}", disk.root().display());
    for path in [Path::new("../secret"), Path::new("dir/../../secret"), Path::new("."), &absolute] {
        let refused = failed(path, &why);
        assert_eq!(disk.create(path).err(), Some(refused.clone()));
        assert_eq!(disk.open(path).err(), Some(refused.clone()));
        assert_eq!(disk.rename(path, Path::new("file")), Err(refused.clone()));
        assert_eq!(disk.rename(Path::new("file"), path), Err(refused.clone()));
        assert_eq!(disk.remove(path), Err(refused.clone()));
        assert_eq!(disk.create_dir(path), Err(refused.clone()));
        assert_eq!(disk.list(path), Err(refused.clone()));
        assert_eq!(disk.sync_dir(path), Err(refused.clone()));
        assert_eq!(disk.try_lock(path).err(), Some(refused));
    }
    assert_eq!(fs::read(&absolute).expect("still there"), b"outside");
}

#[test]
fn an_error_names_the_directory_that_is_missing() {
    let dir = tempfile::tempdir().expect("a directory");
    let disk = RealDisk::open(dir.path()).expect("a directory");
    let missing = DiskError::NotFound(disk.root().join("dir"));
    assert_eq!(disk.create(Path::new("dir/file")).err(), Some(missing.clone()));
    assert_eq!(disk.create_dir(Path::new("dir/sub")), Err(missing.clone()));
    assert_eq!(disk.list(Path::new("dir")), Err(missing));
}

#[test]
fn a_directory_is_no_file_and_a_file_no_directory() {
    let dir = tempfile::tempdir().expect("a directory");
    let disk = RealDisk::open(dir.path()).expect("a directory");
    let (sub, file) = (Path::new("sub"), Path::new("file"));
    disk.create_dir(sub).expect("a directory");
    disk.create(file).expect("a new file");
    let no_file = failed(disk.root().join(sub), "a directory, not a file");
    assert_eq!(disk.rename(sub, Path::new("other")), Err(no_file));
    assert!(disk.open(sub).is_err());
    assert!(disk.remove(sub).is_err());
    assert!(disk.remove(Path::new("")).is_err());
    assert!(disk.rename(file, sub).is_err());
    assert!(disk.list(file).is_err());
    assert!(disk.sync_dir(file).is_err());
    assert!(disk.try_lock(file).is_err());
    assert_eq!(disk.list(Path::new("")), Ok(vec!["file".to_owned(), "sub".to_owned()]));
}

#[test]
fn a_directory_without_rights_says_so() {
    let dir = tempfile::tempdir().expect("a directory");
    let disk = RealDisk::open(dir.path()).expect("a directory");
    let sub = disk.root().join("sub");
    disk.create_dir(Path::new("sub")).expect("a directory");
    disk.create(Path::new("sub/file")).expect("a new file");
    fs::set_permissions(&sub, fs::Permissions::from_mode(0o500)).expect("its owner may");
    // An administrator may do it all the same, and then the disk lets it happen.
    let may = fs::write(sub.join("probe"), "").is_ok();
    let (made, path) = (disk.create(Path::new("sub/new")), sub.join("new"));
    let why = "permission denied to the user that this program runs as";
    assert_eq!(made.err(), (!may).then(|| failed(path, why)));
    let (removed, path) = (disk.remove(Path::new("sub/file")), sub.join("file"));
    assert_eq!(removed.err(), (!may).then(|| failed(path, why)));
    fs::set_permissions(&sub, fs::Permissions::from_mode(0o700)).expect("its owner may");
}

/// A device that is always full.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_takes_no_write_of_either_kind() {
    let disk = RealDisk::open("/dev").expect("devices");
    let file = disk.open(Path::new("full")).expect("the device");
    let full = DiskError::NoSpace("/dev/full".into());
    let mut bytes = AlignedBytes::default();
    bytes.resize(4_096, 7);
    assert_eq!(file.write_at(0, &bytes), Err(full.clone()));
    assert_eq!(file.write_direct(0, &bytes), Err(full));
}

#[test]
fn offsets_past_the_end_of_all_files_are_errors() {
    let dir = tempfile::tempdir().expect("a directory");
    let disk = RealDisk::open(dir.path()).expect("a directory");
    let file = disk.create(Path::new("file")).expect("a new file");
    file.write_at(0, b"abc").expect("written");
    let path = disk.root().join("file");
    let far = i64::MAX as u64;
    for offset in [far, far + 1, u64::MAX - 1, u64::MAX] {
        let short = DiskError::ShortRead { path: path.clone(), end: offset.saturating_add(2) };
        assert_eq!(file.read_at(offset, &mut [0; 2]), Err(short));
        let refused = failed(&path, "no file can be that long");
        assert_eq!(file.write_at(offset, b"xy"), Err(refused.clone()));
        assert_eq!(file.write_direct(offset, b"xy"), Err(refused.clone()));
        if offset > far {
            assert_eq!(file.set_len(offset), Err(refused.clone()));
            assert_eq!(file.allocate(offset), Err(refused));
        }
    }
    assert_eq!(fs::read(&path).expect("a file"), b"abc", "it is what it was");
    assert_eq!(file.write_direct(0, b"x"), Ok(()), "a refusal changes nothing later");
}
