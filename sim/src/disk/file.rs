//! What a process holds: open files and locked directories.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use quipu_core::disk::{DiskError, File};

use super::tree::FileId;
use super::{Act, SimDisk};

/// An open file of a [`SimDisk`]. It ends with its process, and with power.
#[derive(Debug)]
pub struct SimFile {
    disk: SimDisk,
    file: FileId,
}

/// A locked directory of a [`SimDisk`], until it is dropped or its process ends.
#[derive(Debug)]
pub struct SimLock {
    disk: SimDisk,
    dir: PathBuf,
}

impl SimFile {
    pub(super) fn new(disk: SimDisk, file: FileId) -> Self {
        Self { disk, file }
    }

    fn path(&self) -> Arc<Path> {
        self.disk.state().path_of(self.file)
    }
}

impl File for SimFile {
    /// What a failed sync or a lying write left in the cache is read from the disk again. The
    /// length stays.
    fn forget(&self) {
        if let Ok(mut state) = self.disk.alive(&self.path()) {
            state.forget(self.file);
        }
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<(), DiskError> {
        let path = self.path();
        let act = Act::Read { offset, len: into.len() };
        self.disk.operate(&path, act, |state, at| state.read(at, self.file, offset, into))
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
        let path = self.path();
        let act = Act::Write { offset, len: bytes.len() };
        self.disk.operate(&path, act, |state, at| state.write(at, self.file, offset, bytes))
    }

    fn byte_len(&self) -> Result<u64, DiskError> {
        Ok(self.disk.alive(&self.path())?.live.len(self.file) as u64)
    }

    fn set_len(&self, len: u64) -> Result<(), DiskError> {
        let path = self.path();
        self.disk.operate(&path, Act::SetLen { len }, |state, at| state.set_len(at, self.file, len))
    }

    fn allocate(&self, len: u64) -> Result<(), DiskError> {
        let path = self.path();
        self.disk
            .operate(&path, Act::Allocate { len }, |state, at| state.allocate(at, self.file, len))
    }

    fn sync(&self) -> Result<(), DiskError> {
        let path = self.path();
        self.disk.operate(&path, Act::Sync, |state, at| state.sync(at, self.file))
    }
}

impl SimLock {
    pub(super) fn new(disk: SimDisk, dir: &Path) -> Self {
        Self { disk, dir: dir.to_owned() }
    }
}

impl Drop for SimLock {
    fn drop(&mut self) {
        if let Ok(mut state) = self.disk.alive(&self.dir) {
            state.locks.remove(&self.dir);
        }
    }
}
