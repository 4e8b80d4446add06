//! Names and directories below one root.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use quipu_core::disk::{Disk, DiskError};
use rustix::fs::FlockOperation;
use rustix::io::Errno;

use crate::error::{disk_error, failed};
use crate::file::RealFile;
use crate::os;

/// A directory of the operating system, and what lies below it. Clones are the same disk.
#[derive(Clone, Debug)]
pub struct RealDisk {
    root: Arc<Path>,
}

/// A locked directory of a [`RealDisk`].
#[derive(Debug)]
pub struct RealLock {
    /// The lock belongs to this open directory and ends with it.
    _dir: OwnedFd,
}

impl RealDisk {
    /// The disk whose root is this directory, which is there.
    pub fn open(root: impl AsRef<Path>) -> Result<Self, DiskError> {
        let root = root.as_ref();
        // Found once: a working directory that changes, or a link, changes nothing later.
        let found = fs::canonicalize(root).map_err(|error| disk_error(&absolute(root), error))?;
        os::open_dir(&found).map_err(|error| disk_error(&found, error))?;
        Ok(Self { root: found.into() })
    }

    /// Makes the root, in a directory that is there, and makes its name durable. Fails where
    /// the name is taken.
    pub fn create(root: impl AsRef<Path>) -> Result<Self, DiskError> {
        let root = root.as_ref();
        fs::create_dir(root).map_err(|error| disk_error(&absolute(root), error))?;
        let disk = Self::open(root)?;
        let parent = disk.root.parent().expect("a directory that was made lies in another");
        sync_dir(parent)?;
        Ok(disk)
    }

    /// Where it lies, as a full path without links.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The full path of what lies below the root.
    fn inside(&self, path: &Path) -> Result<PathBuf, DiskError> {
        let mut full = self.root.to_path_buf();
        for component in path.components() {
            let Component::Normal(name) = component else {
                let root = self.root.display();
                return Err(failed(path, format!("not a path below {root}")));
            };
            full.push(name);
        }
        Ok(full)
    }
}

impl Disk for RealDisk {
    type File = RealFile;
    type Lock = RealLock;

    fn create(&self, path: &Path) -> Result<RealFile, DiskError> {
        let path = self.inside(path)?;
        // What a ledger says is its owner's business.
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(0o600);
        let file = options.open(&path);
        match file {
            Ok(file) => Ok(RealFile::new(file, path)),
            Err(error) => Err(not_made(&path, error)),
        }
    }

    fn open(&self, path: &Path) -> Result<RealFile, DiskError> {
        let path = self.inside(path)?;
        let file = OpenOptions::new().read(true).write(true).open(&path);
        match file {
            Ok(file) => Ok(RealFile::new(file, path)),
            Err(error) => Err(disk_error(&path, error)),
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), DiskError> {
        let (from, to) = (self.inside(from)?, self.inside(to)?);
        if from.parent() != to.parent() {
            return Err(failed(&to, "a rename stays in its directory"));
        }
        let old = fs::symlink_metadata(&from).map_err(|error| disk_error(&from, error))?;
        if old.is_dir() {
            return Err(failed(&from, "a directory, not a file"));
        }
        fs::rename(&from, &to).map_err(|error| disk_error(&to, error))
    }

    fn remove(&self, path: &Path) -> Result<(), DiskError> {
        let path = self.inside(path)?;
        fs::remove_file(&path).map_err(|error| disk_error(&path, error))
    }

    fn create_dir(&self, path: &Path) -> Result<(), DiskError> {
        let path = self.inside(path)?;
        fs::create_dir(&path).map_err(|error| not_made(&path, error))
    }

    fn remove_dir(&self, path: &Path) -> Result<(), DiskError> {
        let path = self.inside(path)?;
        fs::remove_dir(&path).map_err(|error| disk_error(&path, error))
    }

    fn list(&self, dir: &Path) -> Result<Vec<String>, DiskError> {
        let dir = self.inside(dir)?;
        let read = || -> io::Result<Vec<String>> {
            let mut names = Vec::new();
            for entry in fs::read_dir(&dir)? {
                names.extend(entry?.file_name().into_string());
            }
            Ok(names)
        };
        let mut names = read().map_err(|error| disk_error(&dir, error))?;
        names.sort_unstable();
        Ok(names)
    }

    fn sync_dir(&self, dir: &Path) -> Result<(), DiskError> {
        sync_dir(&self.inside(dir)?)
    }

    fn try_lock(&self, dir: &Path) -> Result<RealLock, DiskError> {
        let dir = self.inside(dir)?;
        // A lock belongs to what was opened, so a second opening is refused in this process too.
        let open = os::open_dir(&dir).map_err(|error| disk_error(&dir, error))?;
        match rustix::fs::flock(&open, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(RealLock { _dir: open }),
            Err(Errno::WOULDBLOCK) => Err(DiskError::Locked(dir)),
            Err(error) => Err(disk_error(&dir, error)),
        }
    }
}

fn sync_dir(dir: &Path) -> Result<(), DiskError> {
    let sync = || os::sync_dir(&os::open_dir(dir)?);
    sync().map_err(|error| disk_error(dir, error))
}

/// What is not found where something is made is the directory that it was to be in.
fn not_made(path: &Path, error: io::Error) -> DiskError {
    match error.kind() {
        io::ErrorKind::NotFound => disk_error(path.parent().unwrap_or(path), error),
        _ => disk_error(path, error),
    }
}

/// So that an error about a relative path says where that was looked for.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
