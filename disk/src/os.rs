//! What every operating system does in its own way.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

/// Opens a directory, and nothing that is no directory.
pub(crate) fn open_dir(path: &Path) -> Result<OwnedFd, Errno> {
    rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

/// Makes a file's bytes and length durable. One call of the system: the standard library
/// would try again after a signal, and what a second sync says is not to be trusted.
#[cfg(not(target_vendor = "apple"))]
pub(crate) fn sync_file(file: &File) -> Result<(), Errno> {
    rustix::fs::fdatasync(file)
}

/// Makes a directory's names durable.
#[cfg(not(target_vendor = "apple"))]
pub(crate) fn sync_dir(dir: &OwnedFd) -> Result<(), Errno> {
    // Names are no data, so fdatasync need not write them.
    rustix::fs::fsync(dir)
}

#[cfg(target_vendor = "apple")]
pub(crate) fn sync_file(file: &File) -> Result<(), Errno> {
    rustix::fs::fcntl_fullfsync(file)
}

#[cfg(target_vendor = "apple")]
pub(crate) fn sync_dir(dir: &OwnedFd) -> Result<(), Errno> {
    rustix::fs::fcntl_fullfsync(dir)
}

/// Takes room up to a length, all of it or some; `OPNOTSUPP` where the file system cannot.
#[cfg(target_os = "linux")]
pub(crate) fn allocate(file: &File, len: u64) -> Result<(), Errno> {
    let mode = rustix::fs::FallocateFlags::empty();
    rustix::io::retry_on_intr(|| rustix::fs::fallocate(file, mode, 0, len))
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn allocate(_file: &File, _len: u64) -> Result<(), Errno> {
    Err(Errno::OPNOTSUPP)
}

#[cfg(target_os = "linux")]
pub(crate) fn forget(file: &File) {
    // A hint: where it fails, the cache still holds what it held, and that is allowed.
    let _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed);
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn forget(_file: &File) {}

/// The first hole of a file from an offset on, and where bytes begin again; none below `end`
/// where the file system knows of none. Moves the file's own offset, which nobody uses.
pub(crate) fn hole(file: &File, from: u64, end: u64) -> Option<(u64, u64)> {
    use rustix::fs::{SeekFrom, seek};
    let start = seek(file.as_fd(), SeekFrom::Hole(from)).ok().filter(|start| *start < end)?;
    let next = seek(file.as_fd(), SeekFrom::Data(start)).unwrap_or(end);
    Some((start, next.min(end)))
}
