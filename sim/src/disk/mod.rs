//! A disk in memory that fails on purpose, in every way that a ledger promises to survive.
//!
//! It keeps apart what the cache shows (*live*), what is on the disk (*durable*), and the
//! changes between the two (*pending*), in their order. A sync makes those of its file, or the
//! names of its directory, durable. Three things can then go wrong:
//!
//! - **Power is lost**, at an operation that was named before ([`SimDisk::die_at`]) or now
//!   ([`SimDisk::lose_power`]). From then on everything fails, whoever still has it open.
//!   [`SimDisk::image`] builds the disk that is found afterwards, as often as wanted, and also
//!   of a disk that lives on.
//! - **An operation fails or lies** ([`SimDisk::schedule`], [`Fault`]). After a failed sync
//!   live is no longer durable and pending together: the cache shows what the disk never got.
//! - **Bytes rot** ([`SimDisk::flip`]).
//!
//! A disk is no clock and draws nothing that no seed gave it. Used from one thread it does the
//! same in every run.

mod content;
mod faults;
mod file;
mod image;
mod operations;
mod place;
mod state;
mod tree;

use std::collections::BTreeMap;
use std::fmt;
use std::hash::Hasher;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quipu_core::disk::{Disk, DiskError};

pub use faults::{Fault, When};
pub use file::{SimFile, SimLock};
pub use image::Keep;

use state::{Power, State, failed};
use tree::FileId;

/// A simulated disk. Clones are the same disk, in the hands of the same process.
#[derive(Clone)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
    life: u64,
}

/// One operation, as it is about to begin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Operation<'a> {
    /// Reads are counted from 1, and apart from them everything else.
    pub number: u64,
    /// The file or directory. A file's path is what it was last called.
    pub path: &'a Path,
    /// What is done.
    pub act: Act<'a>,
}

/// What an operation does. Looking for names or lengths, and locks, are none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Act<'a> {
    /// Reads bytes of a file.
    Read {
        /// From here.
        offset: u64,
        /// So many.
        len: usize,
    },
    /// Writes bytes of a file.
    Write {
        /// From here.
        offset: u64,
        /// So many.
        len: usize,
    },
    /// Cuts a file or makes it longer.
    SetLen {
        /// To this length.
        len: u64,
    },
    /// Takes room for a file.
    Allocate {
        /// Up to this length.
        len: u64,
    },
    /// Makes a file's content durable.
    Sync,
    /// Makes a directory's names durable.
    SyncDir,
    /// Makes a file.
    Create,
    /// Makes a directory.
    CreateDir,
    /// Gives a file another name.
    Rename {
        /// This one.
        to: &'a Path,
    },
    /// Takes a file's name away.
    Remove,
    /// Takes an empty directory's name away.
    RemoveDir,
}

/// What is called before each operation.
pub(crate) type Hook = dyn Fn(&SimDisk, &Operation<'_>) + Send + Sync;

impl Default for SimDisk {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for SimDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("SimDisk")
            .field("files", &state.live.names.len())
            .field("pending", &state.pending.len())
            .field("operations", &state.operations)
            .field("power", &state.power)
            .finish_non_exhaustive()
    }
}

/// What a test does to it.
impl SimDisk {
    /// An empty disk without an end and without faults.
    #[must_use]
    pub fn new() -> Self {
        Self::of(State::default())
    }

    /// The process ends and another one begins, while the machine goes on: what was written is
    /// still seen, what no sync has covered still waits, and open files, locks, and this and
    /// every other clone of the disk end. Faults that are to come stay.
    #[must_use]
    pub fn reopen(&self) -> Self {
        let mut state = self.state();
        state.end_process();
        Self { state: Arc::clone(&self.state), life: state.life }
    }

    /// The disk as power loss now, or earlier if power is lost already, would leave it. This
    /// one stays as it is.
    ///
    /// The new disk has the capacity of this one, but no faults, counts or hook.
    #[must_use]
    pub fn image(&self, keep: Keep) -> Self {
        Self::of(self.state().image(keep))
    }

    /// Power is lost at this operation: it is not done, though an image may have all of it or
    /// a part, and it and everything after it fails. If it has gone by, the next one is it.
    pub fn die_at(&self, operation: u64) {
        self.state().die_at = Some(operation);
    }

    /// Power is lost now.
    pub fn lose_power(&self) {
        self.state().lose_power();
    }

    /// Whether there is power, and the process that has this disk in its hands still runs.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        let state = self.state();
        state.power == Power::On && state.life == self.life
    }

    /// The process ends at this operation, as by [`reopen`](Self::reopen): it is not done, and it
    /// and everything after it fails for whoever has this disk in its hands. If it has gone by,
    /// the next one is it.
    pub fn end_process_at(&self, operation: u64) {
        self.state().end_at = Some(operation);
    }

    /// Neither power nor the process ends at any operation that was named before.
    pub fn live_on(&self) {
        let mut state = self.state();
        (state.die_at, state.end_at) = (None, None);
    }

    /// How many operations have begun, without reads. The next one's number is one more.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    /// How many reads have begun.
    #[must_use]
    pub fn reads(&self) -> u64 {
        self.state().reads
    }

    /// How many changes no sync has covered yet.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.state().pending.len()
    }

    /// Lets a fault strike. Faults that are due at once strike in the order in which they were
    /// scheduled, one per operation.
    pub fn schedule(&self, fault: Fault, when: When) {
        self.state().faults.schedule(fault, when);
    }

    /// No scheduled fault strikes any more.
    pub fn end_faults(&self) {
        self.state().faults.end();
    }

    /// How often each fault has struck this disk or, for what power loss takes, made it; also
    /// the faults that never have.
    #[must_use]
    pub fn fired(&self) -> BTreeMap<&'static str, u64> {
        self.state().fired.by_name()
    }

    /// Sets how many bytes of room there are; `None` is no end. Room is taken by pages of
    /// 4 KiB, as they are written to or allocated, and one for each name.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.state().capacity = bytes;
    }

    /// How many bytes of room are taken.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.state().used()
    }

    /// The files that have a name, and how long each is.
    #[must_use]
    pub fn files(&self) -> Vec<(PathBuf, u64)> {
        let state = self.state();
        let named = state.live.file_names();
        named.map(|(path, file)| (path.to_owned(), state.live.len(file) as u64)).collect()
    }

    /// Feeds what the cache shows, all names and all bytes, into a hasher. Of a fresh image that
    /// is all there is: two that are equal here behave alike until their room ends.
    pub fn hash_into(&self, into: &mut impl Hasher) {
        self.state().live.hash(into);
    }

    /// Turns a bit (0 to 7) of a byte over, on the disk and in the cache. A change of that byte
    /// that still waits for its sync will undo it.
    pub fn flip(&self, path: &Path, offset: u64, bit: u8) -> Result<(), DiskError> {
        self.state().flip(path, offset, bit)
    }

    /// The cache forgets what needs no sync, of all files. What a failed sync or a lying write
    /// left in it is read from the disk again: as it never was, or as it was before.
    pub fn forget(&self) {
        let mut state = self.state();
        let files: Vec<FileId> = state.live.files.keys().copied().collect();
        for file in files {
            state.forget(file);
        }
    }

    /// Calls this before each operation, which then takes place with whatever the hook has done
    /// to the disk: it may lose power, schedule faults, take images. It must not begin an
    /// operation itself.
    pub fn on_operation(&self, hook: impl Fn(&Self, &Operation<'_>) + Send + Sync + 'static) {
        self.state().hook = Some(Arc::new(hook));
    }
}

impl SimDisk {
    fn of(state: State) -> Self {
        Self { life: state.life, state: Arc::new(Mutex::new(state)) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state, if this process still runs and there is power.
    fn alive(&self, path: &Path) -> Result<MutexGuard<'_, State>, DiskError> {
        let state = self.state();
        if state.power == Power::Off {
            return Err(failed(path, "power is lost"));
        }
        if state.life != self.life {
            return Err(failed(path, "its process has ended"));
        }
        Ok(state)
    }

    /// Counts an operation, calls the hook, and does it, unless power is lost before or by it.
    fn operate<T>(
        &self,
        path: &Path,
        act: Act<'_>,
        effect: impl FnOnce(&mut State, &Operation<'_>) -> Result<T, DiskError>,
    ) -> Result<T, DiskError> {
        let mut state = self.alive(path)?;
        let operation = Operation { number: state.count(act), path, act };
        if let Some(hook) = state.hook.clone() {
            drop(state);
            hook(self, &operation);
            state = self.alive(path)?;
        }
        if state.ends_process(&operation) {
            state.end_process();
            return Err(failed(path, "its process has ended"));
        }
        if state.is_last(&operation) {
            state.power = Power::Going;
            if !matches!(act, Act::Sync | Act::SyncDir) {
                // It leaves a pending change, if there was anything to do. Nobody hears of it.
                let _ = effect(&mut state, &operation);
            }
            state.lose_power();
            return Err(failed(path, "power is lost"));
        }
        effect(&mut state, &operation)
    }

    fn file(&self, file: FileId) -> SimFile {
        SimFile::new(self.clone(), file)
    }
}

impl Disk for SimDisk {
    type File = SimFile;
    type Lock = SimLock;

    fn create(&self, path: &Path) -> Result<SimFile, DiskError> {
        self.operate(path, Act::Create, State::create).map(|file| self.file(file))
    }

    fn open(&self, path: &Path) -> Result<SimFile, DiskError> {
        let file = self.alive(path)?.file_at(path)?;
        Ok(self.file(file))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), DiskError> {
        self.operate(from, Act::Rename { to }, |state, at| state.rename(at, to))
    }

    fn remove(&self, path: &Path) -> Result<(), DiskError> {
        self.operate(path, Act::Remove, State::remove)
    }

    fn create_dir(&self, path: &Path) -> Result<(), DiskError> {
        self.operate(path, Act::CreateDir, State::create_dir)
    }

    fn remove_dir(&self, path: &Path) -> Result<(), DiskError> {
        self.operate(path, Act::RemoveDir, State::remove_dir)
    }

    fn list(&self, dir: &Path) -> Result<Vec<String>, DiskError> {
        self.alive(dir)?.list(dir)
    }

    fn sync_dir(&self, dir: &Path) -> Result<(), DiskError> {
        self.operate(dir, Act::SyncDir, State::sync_dir)
    }

    fn try_lock(&self, dir: &Path) -> Result<SimLock, DiskError> {
        self.alive(dir)?.lock(dir)?;
        Ok(SimLock::new(self.clone(), dir))
    }
}
