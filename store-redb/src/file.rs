//! A redb file: made in one step, opened, committed to, set aside.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use quipu_core::disk::{Disk, DiskError, File};
use redb::{Database, ReadTransaction, ReadableDatabase as _, WriteTransaction};

use crate::backend::{Pacing, PagedFile};
use crate::guard::{Guard, Trouble};

/// How a redb file is opened.
#[derive(Clone)]
pub struct Settings {
    /// What the owner calls the file, as no other of its files is called.
    pub id: u64,
    /// What redb may keep in memory, in bytes.
    pub cache_bytes: usize,
    /// How it writes.
    pub pacing: Pacing,
}

/// An open redb file. Its directory is locked by whoever owns it.
pub struct RedbFile {
    /// There until it is dropped.
    database: Option<Database>,
    guard: Guard,
    room: Arc<dyn Room>,
}

/// What takes room for redb ahead of need.
trait Room: Send + Sync {
    fn has(&self, bytes: u64, largest: u64) -> bool;
    fn reserve(&self, bytes: u64, largest: u64) -> Result<(), Trouble>;
    fn release(&self) -> Result<(), Trouble>;
    fn redb_len(&self) -> u64;
}

impl<F: File> Room for PagedFile<F> {
    fn has(&self, bytes: u64, largest: u64) -> bool {
        self.has_room(bytes, largest)
    }

    fn reserve(&self, bytes: u64, largest: u64) -> Result<(), Trouble> {
        Self::reserve(self, bytes, largest)
    }

    fn release(&self) -> Result<(), Trouble> {
        Self::release(self)
    }

    fn redb_len(&self) -> u64 {
        Self::redb_len(self)
    }
}

impl RedbFile {
    /// Opens the file of this name, or makes one, in which `first` is committed. A new file
    /// gets its name once it is whole and durable: a crash before that leaves another one, which
    /// goes with the next attempt.
    pub fn open<D: Disk>(
        disk: &D,
        path: &Path,
        settings: &Settings,
        first: impl FnOnce(&WriteTransaction) -> Result<(), redb::Error>,
    ) -> Result<Self, Trouble> {
        let file = match disk.open(path) {
            Err(DiskError::NotFound(_)) => {
                Self::create(disk, path, settings, first)?;
                disk.open(path)?
            }
            file => file?,
        };
        let paged = PagedFile::open(file, path, settings.id, settings.pacing.clone())?;
        Self::start(paged, path, settings)
    }

    fn create<D: Disk>(
        disk: &D,
        path: &Path,
        settings: &Settings,
        first: impl FnOnce(&WriteTransaction) -> Result<(), redb::Error>,
    ) -> Result<(), Trouble> {
        let new = beside(path, "new");
        match disk.remove(&new) {
            Err(DiskError::NotFound(_)) => {}
            removed => removed?,
        }
        let file = disk.create(&new)?;
        let paged = PagedFile::create(file, &new, settings.id, settings.pacing.clone())?;
        let made = Self::start(paged, &new, settings)?;
        made.commit(first)?;
        made.close()?;
        disk.rename(&new, path)?;
        Ok(disk.sync_dir(dir_of(path))?)
    }

    fn start<F: File>(
        paged: PagedFile<F>,
        path: &Path,
        settings: &Settings,
    ) -> Result<Self, Trouble> {
        let guard = Guard::new(path, paged.first());
        let room = Arc::new(paged.clone());
        let mut builder = Database::builder();
        builder.set_cache_size(settings.cache_bytes);
        let database = guard.run(|| Ok(builder.create_with_backend(paged)?))?;
        Ok(Self { database: Some(database), guard, room })
    }

    /// What runs everything that calls redb with something of this file.
    #[must_use]
    pub fn guard(&self) -> &Guard {
        &self.guard
    }

    /// The last commit, as it stays for as long as this is kept. Call it within the guard, and
    /// drop what it gives there.
    pub fn begin_read(&self) -> Result<ReadTransaction, redb::Error> {
        Ok(self.database().begin_read()?)
    }

    /// Runs `write` and commits, durably. After a failure it may or may not be there once the
    /// file is opened again, and nothing more can be committed.
    ///
    /// The commit is of two steps, without which [`PagedFile`] could not trust what a failed
    /// sync leaves; and it keeps the list of free pages, so that an opening need not make one.
    pub fn commit<T>(
        &self,
        write: impl FnOnce(&WriteTransaction) -> Result<T, redb::Error>,
    ) -> Result<T, Trouble> {
        self.guard.run(|| {
            let mut transaction = self.database().begin_write()?;
            transaction.set_two_phase_commit(true);
            transaction.set_quick_repair(true);
            let written = write(&transaction)?;
            transaction.commit()?;
            Ok(written)
        })
    }

    /// Whether commits can take so many bytes without asking the disk for room, in blocks of at
    /// most `largest`.
    #[must_use]
    pub fn has_room(&self, bytes: u64, largest: u64) -> bool {
        self.room.has(bytes, largest)
    }

    /// Takes the room for that ahead of need. [`Trouble::Full`] harms nothing, unlike a disk
    /// that a commit finds full.
    pub fn reserve(&self, bytes: u64, largest: u64) -> Result<(), Trouble> {
        self.room.reserve(bytes, largest)
    }

    /// Gives back what was taken ahead of need and not used.
    pub fn release(&self) -> Result<(), Trouble> {
        self.room.release()
    }

    /// How long redb takes the file to be, in bytes.
    #[must_use]
    pub fn redb_len(&self) -> u64 {
        self.room.redb_len()
    }

    /// Closes the file, and says whether that went well. Dropping it does not say.
    pub fn close(mut self) -> Result<(), Trouble> {
        self.end()
    }

    fn end(&mut self) -> Result<(), Trouble> {
        let database = self.database.take();
        // redb writes when it is dropped, and does not say how that went.
        self.guard.run(|| {
            drop(database);
            Ok(())
        })?;
        self.guard.first().map_or(Ok(()), Err)
    }

    fn database(&self) -> &Database {
        self.database.as_ref().expect("it is there until the file is closed")
    }
}

impl Drop for RedbFile {
    fn drop(&mut self) {
        // What failed here is found out by opening again.
        let _ = self.end();
    }
}

/// Reads every page of a file that its last commit refers to, also those in which redb keeps its
/// own accounts and to which no reader of rows comes, but the next commit does. It may write, so
/// what must stay as it is is checked through a disk that keeps nothing.
pub fn check<D: Disk>(disk: &D, path: &Path, settings: &Settings) -> Result<(), Trouble> {
    let file = disk.open(path)?;
    let paged = PagedFile::open(file, path, settings.id, settings.pacing.clone())?;
    let mut file = RedbFile::start(paged, path, settings)?;
    let guard = file.guard.clone();
    let database = file.database.as_mut().expect("it was just opened");
    // Whether redb has had to count its free pages anew says nothing of what was written.
    let _counted = guard.run(|| Ok(database.check_integrity()?))?;
    file.close()
}

/// Gives a file that cannot be used a name under which nobody opens it, so that another one can
/// be made in its place. Gives that name.
pub fn set_aside<D: Disk>(disk: &D, path: &Path) -> Result<PathBuf, DiskError> {
    let dir = dir_of(path);
    let names = disk.list(dir)?;
    let is_free = |aside: &PathBuf| !names.iter().any(|name| dir.join(name) == *aside);
    let mut asides = (1_u64..).map(|number| beside(path, &format!("damaged-{number}")));
    let aside = asides.find(is_free).expect("a directory has not that many names");
    disk.rename(path, &aside)?;
    disk.sync_dir(dir)?;
    Ok(aside)
}

fn beside(path: &Path, what: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(what);
    name.into()
}

fn dir_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}
