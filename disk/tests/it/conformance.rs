//! The suite that every disk passes, on this one.

use std::path::{Path, PathBuf};

use quipu_core::disk;
use quipu_disk::RealDisk;
use tempfile::TempDir;

/// A directory. No test can take the power away, so a crash only ends the disk.
struct Place {
    dir: TempDir,
}

impl disk::conformance::Place for Place {
    type Disk = RealDisk;

    fn open(&mut self) -> RealDisk {
        RealDisk::open(self.dir.path()).expect("a directory")
    }

    fn crash(&mut self, disk: RealDisk) {
        drop(disk);
    }

    fn in_errors(&self, path: &Path) -> PathBuf {
        self.dir.path().canonicalize().expect("a directory").join(path)
    }
}

#[test]
fn the_real_disk_is_a_disk() {
    disk::conformance::check(|| Place { dir: tempfile::tempdir().expect("a directory") });
}

/// The directory for temporary files is often in memory, where nothing is direct.
#[test]
fn the_real_disk_is_a_disk_where_the_build_lies() {
    let target = env!("CARGO_TARGET_TMPDIR");
    disk::conformance::check(|| Place { dir: tempfile::tempdir_in(target).expect("a directory") });
}
