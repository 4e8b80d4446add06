//! The disk: files and directories, as little of them as a ledger needs, and what survives.
//!
//! Two things are durable apart from each other: what is in a file, and what it is called.
//! [`File::sync`] makes a file's bytes and length durable, [`Disk::sync_dir`] the names in a
//! directory. So a new file is there after power loss once both have ended well, in either
//! order; a renamed one under its new name once its directory is synced.

mod aligned;
pub mod conformance;
mod memory;

use std::path::{Path, PathBuf};

pub use aligned::AlignedBytes;
pub use memory::{Keep, MemoryDisk, MemoryFile, MemoryLock};

/// Why a disk could not do what it was asked for.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DiskError {
    /// There is no such file or directory.
    #[error("{}: not found", .0.display())]
    NotFound(PathBuf),
    /// The name is taken.
    #[error("{}: exists already", .0.display())]
    AlreadyExists(PathBuf),
    /// Another handle has locked the directory.
    #[error("{}: in use by another", .0.display())]
    Locked(PathBuf),
    /// There is no room left. What was there before is unharmed.
    #[error("{}: no space left", .0.display())]
    NoSpace(PathBuf),
    /// The file ends before the bytes that were to be read.
    #[error("{}: ends before byte {end}", .path.display())]
    ShortRead {
        /// The file.
        path: PathBuf,
        /// The first byte behind those that were asked for.
        end: u64,
    },
    /// The world failed.
    #[error("{}: {why}", .path.display())]
    Failed {
        /// The file or directory.
        path: PathBuf,
        /// How.
        why: String,
    },
}

/// Files and directories below one root.
///
/// Paths are relative to the root, which is the empty path and always there. Errors name a
/// path so that a user finds it, so a disk may put its root before it. Clones are the same
/// disk. Every disk passes [`conformance`].
pub trait Disk: Clone + Send + Sync + 'static {
    /// An open file.
    type File: File;
    /// A locked directory, for as long as it is kept.
    type Lock: Send + Sync;

    /// Makes an empty file and opens it. Fails where the name is taken.
    fn create(&self, path: &Path) -> Result<Self::File, DiskError>;

    /// Opens a file that is there.
    fn open(&self, path: &Path) -> Result<Self::File, DiskError>;

    /// Gives a file another name in the same directory, in one step, in place of a file that
    /// has that name. Between two directories a crash could come between their syncs, so
    /// that fails.
    fn rename(&self, from: &Path, to: &Path) -> Result<(), DiskError>;

    /// Takes a file's name away. Whoever has it open may go on reading.
    fn remove(&self, path: &Path) -> Result<(), DiskError>;

    /// Makes a directory in one that is there. Fails where the name is taken.
    fn create_dir(&self, path: &Path) -> Result<(), DiskError>;

    /// Takes an empty directory's name away. Fails where anything is in it.
    fn remove_dir(&self, path: &Path) -> Result<(), DiskError>;

    /// The names in a directory, sorted. Those that are not UTF-8 are nobody's here.
    fn list(&self, dir: &Path) -> Result<Vec<String>, DiskError>;

    /// Makes every name that was given or taken in this directory durable, though not what
    /// the files hold. A failure is final: what survives is found out by opening again.
    fn sync_dir(&self, dir: &Path) -> Result<(), DiskError>;

    /// Locks a directory against every other handle, also those of other processes, until
    /// the lock is dropped or its process ends. Fails at once where another has it.
    fn try_lock(&self, dir: &Path) -> Result<Self::Lock, DiskError>;
}

/// An open file. Calls may come from several threads.
pub trait File: Send + Sync + 'static {
    /// Fills `into` from an offset on, or fails. What another thread writes meanwhile is read
    /// as it was, as it is, or in part.
    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<(), DiskError>;

    /// Writes all bytes from an offset on; the file grows where they reach past its end, and
    /// a gap reads as zeros. Not atomic: after a failure or a crash any part may be there.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), DiskError>;

    /// As [`write_at`](Self::write_at), for bytes that are synced at once and not read soon:
    /// what is aligned well enough may pass by the cache, which saves a copy. Offset, length
    /// and the place in memory are then multiples of a sector; [`AlignedBytes`] begin at one.
    /// Durable, as any write, with the next [`sync`](Self::sync) and not before.
    fn write_direct(&self, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
        self.write_at(offset, bytes)
    }

    /// The length in bytes.
    fn byte_len(&self) -> Result<u64, DiskError>;

    /// Cuts the file, or makes it longer with zeros that may not have their room yet.
    fn set_len(&self, len: u64) -> Result<(), DiskError>;

    /// Takes room up to a length, so that no write below it finds the disk full. A shorter
    /// file grows with zeros; a longer one stays as it is. All or nothing.
    fn allocate(&self, len: u64) -> Result<(), DiskError>;

    /// Makes every write and the length durable that were there when it was called.
    ///
    /// A failure is final: what a read shows may never have reached the disk, and a second
    /// sync may say that all is well. Nobody syncs or trusts this file again.
    fn sync(&self) -> Result<(), DiskError>;

    /// Drops what the cache holds of this file, so that the next reads come from the disk
    /// itself. A hint: what is not durable yet may stay, and so may the rest.
    fn forget(&self) {}
}
