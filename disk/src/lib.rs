//! The real disk: files, directories, locks and syncs of the operating system.
//!
//! [`RealDisk`] is the [`Disk`](quipu_core::disk::Disk) that a ledger lives on: one directory,
//! and what lies below it. It adds nothing to what the operating system promises and hides
//! nothing of it: what fails has failed, and no sync is ever tried twice.
//!
//! ```
//! use std::path::Path;
//!
//! use quipu_core::disk::{Disk, DiskError, File};
//! use quipu_disk::RealDisk;
//!
//! # let place = tempfile::tempdir().expect("a directory for the example");
//! # let place = place.path().join("ledger");
//! let disk = RealDisk::create(&place)?;
//! let _lock = disk.try_lock(Path::new(""))?;
//!
//! let file = disk.create(Path::new("knots"))?;
//! file.write_at(0, b"one")?;
//! file.sync()?; // the bytes are durable,
//! disk.sync_dir(Path::new(""))?; // and now their name
//!
//! let taken = disk.try_lock(Path::new("")).expect_err("somebody has it");
//! assert_eq!(taken, DiskError::Locked(disk.root().to_owned()));
//! # Ok::<(), DiskError>(())
//! ```
//!
//! # What becomes what
//!
//! | call | on Linux | on macOS |
//! |---|---|---|
//! | `read_at`, `write_at` | `pread`, `pwrite`, through the page cache | the same |
//! | `write_direct` | `pwrite` with `O_DIRECT`, see below | as `write_at` |
//! | `sync` | `fdatasync`, which keeps the length | `F_FULLFSYNC`, the only one that reaches the disk |
//! | `sync_dir` | `fsync` of the directory | `F_FULLFSYNC` of the directory |
//! | `allocate` | `fallocate`; zeros where the file system has none | zeros |
//! | `forget` | `posix_fadvise` | nothing |
//! | `try_lock` | `flock` on the directory itself | the same |
//!
//! **Locks** leave no file behind, end with their process however it ends, and hold against
//! a second handle of the same process too. They are the operating system's, so they hold
//! among the programs that ask for them, on one machine; a network file system may have none.
//!
//! **Errors** name the whole path. No room and no quota are both `NoSpace`.
//!
//! **Rights** of what is made here are those that the process gives by its umask. Who shares
//! the machine with others sets it, or the rights of the root.
//!
//! # Direct writes
//!
//! A log writes each byte once, syncs at once and reads it seldom. Through the page cache that
//! costs a copy and evicts what others need. So `write_direct` passes by the cache where three
//! numbers are multiples of what the file system asks for: the offset, the length and the
//! address of the bytes. That is mostly 512, and [`RealFile::direct_granule`] says it;
//! [`AlignedBytes`](quipu_core::disk::AlignedBytes) begin at such an address.
//!
//! Every other write goes through the cache, and so does each one on a file system that has no
//! `O_DIRECT`, or that refuses a write which should have been aligned well enough; such a file
//! is not asked again. Both ways mix in one file, and a read sees either. Neither is durable
//! before a `sync`: a disk has a cache of its own, and a new extent lies in the file system's
//! journal.

mod disk;
mod error;
mod file;
mod os;

#[cfg(target_os = "linux")]
mod direct;
#[cfg(not(target_os = "linux"))]
#[path = "no_direct.rs"]
mod direct;

pub use disk::{RealDisk, RealLock};
pub use file::RealFile;

#[cfg(not(unix))]
compile_error!("the real disk needs an operating system with flock, pread and pwrite");
