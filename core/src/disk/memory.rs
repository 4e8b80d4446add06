//! A disk in memory, which keeps apart what was written and what is durable.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Disk, DiskError, File};

/// How much of what was not synced a crash leaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Keep {
    /// Nothing.
    Nothing,
    /// The oldest so many of the [pending](MemoryDisk::pending) operations.
    First(usize),
    /// Everything.
    All,
}

/// A disk in memory. Clones are the same disk.
#[derive(Clone, Debug)]
pub struct MemoryDisk {
    state: Arc<Mutex<State>>,
}

/// An open file of a [`MemoryDisk`]. A crash ends it.
#[derive(Debug)]
pub struct MemoryFile {
    state: Arc<Mutex<State>>,
    crashes: u64,
    file: FileId,
    path: PathBuf,
}

/// A locked directory of a [`MemoryDisk`]. A crash ends it.
#[derive(Debug)]
pub struct MemoryLock {
    state: Arc<Mutex<State>>,
    crashes: u64,
    dir: PathBuf,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct FileId(u64);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Node {
    File(FileId),
    Dir,
}

/// Invariant: `live` is `durable` after all of `pending`.
#[derive(Default, Debug)]
struct State {
    live: Tree,
    durable: Tree,
    pending: Vec<Change>,
    locks: BTreeSet<PathBuf>,
    capacity: Option<u64>,
    crashes: u64,
    file_last: u64,
}

/// What is in the files, and what they are called. A file without a name is still open
/// somewhere, or its name is not durable yet.
#[derive(Clone, Default, Debug)]
struct Tree {
    bytes: BTreeMap<FileId, Vec<u8>>,
    names: BTreeMap<PathBuf, Node>,
}

#[derive(Clone, Debug)]
enum Change {
    Write { file: FileId, offset: usize, bytes: Vec<u8> },
    SetLen { file: FileId, len: usize },
    Name { path: PathBuf, node: Node },
    Unname { path: PathBuf },
    Rename { from: PathBuf, to: PathBuf },
}

impl Change {
    fn is_of_file(&self, id: FileId) -> bool {
        match self {
            Self::Write { file, .. } | Self::SetLen { file, .. } => *file == id,
            _ => false,
        }
    }

    fn is_of_dir(&self, dir: &Path) -> bool {
        match self {
            Self::Write { .. } | Self::SetLen { .. } => false,
            Self::Name { path, .. } | Self::Unname { path } => parent(path) == dir,
            Self::Rename { to, .. } => parent(to) == dir,
        }
    }
}

impl Tree {
    fn apply(&mut self, change: &Change) {
        match change {
            Change::Write { file, offset, bytes } => {
                let content = self.bytes.entry(*file).or_default();
                let end = offset + bytes.len();
                content.resize(content.len().max(end), 0);
                content[*offset..end].copy_from_slice(bytes);
            }
            Change::SetLen { file, len } => self.bytes.entry(*file).or_default().resize(*len, 0),
            Change::Name { path, node } => {
                if let Node::File(file) = node {
                    self.bytes.entry(*file).or_default();
                }
                self.names.insert(path.clone(), *node);
            }
            Change::Unname { path } => {
                self.names.remove(path);
            }
            Change::Rename { from, to } => {
                if let Some(node) = self.names.remove(from) {
                    self.names.insert(to.clone(), node);
                }
            }
        }
    }

    /// The bytes of all files that have a name.
    fn used(&self) -> usize {
        let len = |node: &Node| match node {
            Node::File(file) => self.bytes.get(file).map_or(0, Vec::len),
            Node::Dir => 0,
        };
        self.names.values().map(len).sum()
    }

    fn has_dir(&self, dir: &Path) -> bool {
        dir == Path::new("") || self.names.get(dir) == Some(&Node::Dir)
    }

    /// Forgets names in directories that are not there, and files without a name.
    fn forget_unreachable(&mut self) {
        let mut reached = Self::default();
        // A directory's path sorts before the paths below it.
        for (path, node) in core::mem::take(&mut self.names) {
            if !reached.has_dir(parent(&path)) {
                continue;
            }
            if let Node::File(file) = node {
                reached.bytes.insert(file, self.bytes.remove(&file).unwrap_or_default());
            }
            reached.names.insert(path, node);
        }
        *self = reached;
    }
}

impl State {
    fn change(&mut self, change: Change) {
        self.live.apply(&change);
        self.pending.push(change);
    }

    fn sync(&mut self, is_meant: impl Fn(&Change) -> bool) {
        for change in self.pending.extract_if(.., |change| is_meant(change)) {
            self.durable.apply(&change);
        }
    }

    /// Refuses where `more` bytes do not fit.
    fn take_room(&self, path: &Path, more: usize) -> Result<(), DiskError> {
        let used = self.live.used();
        match self.capacity {
            Some(capacity) if more > 0 && (used + more) as u64 > capacity => {
                Err(DiskError::NoSpace(path.to_owned()))
            }
            _ => Ok(()),
        }
    }

    fn file(&self, path: &Path) -> Result<FileId, DiskError> {
        match self.live.names.get(path) {
            Some(Node::File(file)) => Ok(*file),
            Some(Node::Dir) => Err(failed(path, "a directory, not a file")),
            None => Err(DiskError::NotFound(path.to_owned())),
        }
    }

    fn dir(&self, dir: &Path) -> Result<(), DiskError> {
        if self.live.has_dir(dir) { Ok(()) } else { Err(DiskError::NotFound(dir.to_owned())) }
    }

    fn free_name(&self, path: &Path) -> Result<(), DiskError> {
        self.dir(parent(path))?;
        if self.live.has_dir(path) || self.live.names.contains_key(path) {
            return Err(DiskError::AlreadyExists(path.to_owned()));
        }
        Ok(())
    }
}

impl Default for MemoryDisk {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryDisk {
    /// An empty disk without an end.
    #[must_use]
    pub fn new() -> Self {
        Self { state: Arc::default() }
    }

    /// Sets how many bytes all files together may have; `None` where there is no end.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.state().capacity = bytes;
    }

    /// How many operations no sync has covered yet.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.state().pending.len()
    }

    /// Power is lost and comes back: open files and locks end, and of what was not synced
    /// stays as much as `keep` says.
    pub fn crash(&self, keep: Keep) {
        let mut guard = self.state();
        let state = &mut *guard;
        let kept = match keep {
            Keep::Nothing => 0,
            Keep::First(count) => count,
            Keep::All => usize::MAX,
        };
        for change in state.pending.drain(..).take(kept) {
            state.durable.apply(&change);
        }
        state.durable.forget_unreachable();
        state.live = state.durable.clone();
        state.locks.clear();
        state.crashes += 1;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn file(&self, state: &State, file: FileId, path: &Path) -> MemoryFile {
        let (path, crashes) = (path.to_owned(), state.crashes);
        MemoryFile { state: Arc::clone(&self.state), crashes, file, path }
    }
}

impl Disk for MemoryDisk {
    type File = MemoryFile;
    type Lock = MemoryLock;

    fn create(&self, path: &Path) -> Result<MemoryFile, DiskError> {
        let mut state = self.state();
        state.free_name(path)?;
        state.file_last += 1;
        let file = FileId(state.file_last);
        state.change(Change::Name { path: path.to_owned(), node: Node::File(file) });
        Ok(self.file(&state, file, path))
    }

    fn open(&self, path: &Path) -> Result<MemoryFile, DiskError> {
        let state = self.state();
        let file = state.file(path)?;
        Ok(self.file(&state, file, path))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), DiskError> {
        let mut state = self.state();
        state.file(from)?;
        if parent(from) != parent(to) {
            return Err(failed(to, "a rename stays in its directory"));
        }
        if state.live.has_dir(to) {
            return Err(DiskError::AlreadyExists(to.to_owned()));
        }
        state.change(Change::Rename { from: from.to_owned(), to: to.to_owned() });
        Ok(())
    }

    fn remove(&self, path: &Path) -> Result<(), DiskError> {
        let mut state = self.state();
        state.file(path)?;
        state.change(Change::Unname { path: path.to_owned() });
        Ok(())
    }

    fn create_dir(&self, path: &Path) -> Result<(), DiskError> {
        let mut state = self.state();
        state.free_name(path)?;
        state.change(Change::Name { path: path.to_owned(), node: Node::Dir });
        Ok(())
    }

    fn remove_dir(&self, path: &Path) -> Result<(), DiskError> {
        let mut state = self.state();
        match state.live.names.get(path) {
            Some(Node::Dir) => {}
            Some(Node::File(_)) => return Err(failed(path, "a file, not a directory")),
            None => return Err(DiskError::NotFound(path.to_owned())),
        }
        if state.live.names.keys().any(|name| parent(name) == path) {
            return Err(failed(path, "the directory is not empty"));
        }
        state.change(Change::Unname { path: path.to_owned() });
        Ok(())
    }

    fn list(&self, dir: &Path) -> Result<Vec<String>, DiskError> {
        let state = self.state();
        state.dir(dir)?;
        let here = state.live.names.keys().filter(|path| parent(path) == dir);
        let names = here.filter_map(|path| path.file_name()?.to_str().map(str::to_owned));
        let mut names: Vec<_> = names.collect();
        names.sort_unstable();
        Ok(names)
    }

    fn sync_dir(&self, dir: &Path) -> Result<(), DiskError> {
        let mut state = self.state();
        state.dir(dir)?;
        state.sync(|change| change.is_of_dir(dir));
        Ok(())
    }

    fn try_lock(&self, dir: &Path) -> Result<MemoryLock, DiskError> {
        let mut state = self.state();
        state.dir(dir)?;
        if !state.locks.insert(dir.to_owned()) {
            return Err(DiskError::Locked(dir.to_owned()));
        }
        let (dir, crashes) = (dir.to_owned(), state.crashes);
        Ok(MemoryLock { state: Arc::clone(&self.state), crashes, dir })
    }
}

impl MemoryFile {
    fn state(&self) -> Result<MutexGuard<'_, State>, DiskError> {
        let state = lock(&self.state);
        if state.crashes == self.crashes {
            Ok(state)
        } else {
            Err(failed(&self.path, "it was open when power was lost"))
        }
    }

    fn end(&self, offset: u64, len: usize) -> Result<(usize, usize), DiskError> {
        let start = usize::try_from(offset).ok();
        let range = start.and_then(|start| Some((start, start.checked_add(len)?)));
        range.ok_or_else(|| failed(&self.path, "an offset past all memory"))
    }

    fn len_in(&self, state: &State) -> usize {
        state.live.bytes.get(&self.file).map_or(0, Vec::len)
    }

    fn resize(&self, state: &mut State, len: usize) -> Result<(), DiskError> {
        state.take_room(&self.path, len.saturating_sub(self.len_in(state)))?;
        state.change(Change::SetLen { file: self.file, len });
        Ok(())
    }
}

impl File for MemoryFile {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<(), DiskError> {
        let state = self.state()?;
        let (start, end) = self.end(offset, into.len())?;
        let bytes = state.live.bytes.get(&self.file).and_then(|bytes| bytes.get(start..end));
        let short = || DiskError::ShortRead { path: self.path.clone(), end: end as u64 };
        into.copy_from_slice(bytes.ok_or_else(short)?);
        Ok(())
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
        let mut state = self.state()?;
        if bytes.is_empty() {
            return Ok(());
        }
        let (offset, end) = self.end(offset, bytes.len())?;
        state.take_room(&self.path, end.saturating_sub(self.len_in(&state)))?;
        state.change(Change::Write { file: self.file, offset, bytes: bytes.to_vec() });
        Ok(())
    }

    fn byte_len(&self) -> Result<u64, DiskError> {
        Ok(self.len_in(&*self.state()?) as u64)
    }

    fn set_len(&self, len: u64) -> Result<(), DiskError> {
        let mut state = self.state()?;
        self.resize(&mut state, self.end(len, 0)?.0)
    }

    fn allocate(&self, len: u64) -> Result<(), DiskError> {
        let mut state = self.state()?;
        let len = self.end(len, 0)?.0.max(self.len_in(&state));
        self.resize(&mut state, len)
    }

    fn sync(&self) -> Result<(), DiskError> {
        self.state()?.sync(|change| change.is_of_file(self.file));
        Ok(())
    }
}

impl Drop for MemoryLock {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        if state.crashes == self.crashes {
            state.locks.remove(&self.dir);
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

fn failed(path: &Path, why: &str) -> DiskError {
    DiskError::Failed { path: path.to_owned(), why: why.to_owned() }
}
