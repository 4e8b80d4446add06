//! One directory, one ledger.

use std::path::Path;

use quipu_core::disk::{Disk, DiskError};
use quipu_disk::RealDisk;

#[test]
fn a_lock_holds_against_every_other_handle_until_it_is_dropped() {
    let dir = tempfile::tempdir().expect("a directory");
    let disk = RealDisk::create(dir.path().join("ledger")).expect("a new directory");
    let other = RealDisk::open(disk.root()).expect("a directory");
    let root = Path::new("");
    let lock = disk.try_lock(root).expect("free");
    for handle in [&disk, &other, &disk.clone()] {
        let refused = Some(DiskError::Locked(disk.root().to_owned()));
        assert_eq!(handle.try_lock(root).err(), refused);
    }
    // Refusals and the end of a handle free nothing.
    drop(disk);
    assert!(other.try_lock(root).is_err());
    assert_eq!(other.list(root), Ok(vec![]), "a lock leaves no file behind");
    drop(lock);
    let lock = other.try_lock(root).expect("free again");
    drop(other);
    drop(lock);
}

#[test]
fn a_lock_in_a_thread_holds_against_the_others() {
    let dir = tempfile::tempdir().expect("a directory");
    let disk = RealDisk::open(dir.path()).expect("a directory");
    let locks = std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..8).map(|_| scope.spawn(|| disk.try_lock(Path::new("")).ok())).collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, _>| thread.join().expect("no panic");
        threads.into_iter().map(join).collect::<Vec<_>>()
    });
    assert_eq!(locks.iter().flatten().count(), 1);
}
