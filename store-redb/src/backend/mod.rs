//! A file for redb that keeps a sum of every page, and checks it on every read.
//!
//! redb checks its own checksums when it repairs, and not when it reads. A bit that flips in a
//! branch makes a lookup say that there is no such row, and for a ledger that is a wrong
//! answer: a key that was used, a ticket that was claimed. Rows carry their own seals, but a row
//! that is not found has none. So nothing reaches redb here that is not what it wrote.
//!
//! **What a crash can do.** redb copies on write: no page that its last commit refers to is
//! written again before the next commit is durable. The one exception is its header, the first
//! 320 bytes. That shares a sector with its own sum, and a sector is written whole or not at all.
//! The sums of a group are written in place, and a crash may leave some sectors of them old and
//! others new. The two differ only in the sums of pages that the last commit does not refer to:
//! those are the only ones that were written since. The sums reach the file before the sync that
//! makes their pages durable; so once a commit counts, so do its sums.
//!
//! **What a failed sync can do.** From then on a read may show what the disk never got, also to
//! another process, until power is lost. But redb commits in two steps here: its header names a
//! commit as the last one only after a sync of all that the commit refers to has ended well, and
//! after a failure nothing is written any more. So whatever the header shows, its pages and their
//! sums are durable. Only the header itself may not be, nor the front. Every opening writes both
//! again and syncs, before redb can write a page that an older header may still need.

mod growth;
mod layout;
mod spread;
mod sums;

use std::fmt::{self, Debug};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use quipu_core::damage::Damage;
use quipu_core::disk::{DiskError, File};
use quipu_core::mutant;
use redb::StorageBackend;

use crate::guard::{First, Trouble};
use layout::{FORMAT, Front, GROUP, NotFront, PAGE, PAGE_LEN, SEALED_LEN, SECTOR_LEN};
use spread::Spread;
use sums::Sums;

/// What is done after each portion, which took its sync so long.
pub type Pace = Arc<dyn Fn(Duration) + Send + Sync>;

/// How a [`PagedFile`] writes, so that a large commit is no burst which the syncs of another file
/// on the same disk have to wait for.
#[derive(Clone)]
pub struct Pacing {
    /// So many bytes are held back, to leave in order. Zero: writes leave as they come, and are
    /// synced when redb asks for it.
    pub window_bytes: usize,
    /// After so many bytes the file is synced.
    pub portion_bytes: usize,
    /// Is called after each such sync.
    pub pace: Pace,
}

impl Pacing {
    /// Writes as they come.
    #[must_use]
    pub fn none() -> Self {
        Self { window_bytes: 0, portion_bytes: 0, pace: Arc::new(|_| ()) }
    }

    /// Portions of 256 KiB out of 16 MiB, each followed by a rest as long as its sync took: half
    /// of the disk's time is left for others.
    #[must_use]
    pub fn spread() -> Self {
        Self {
            window_bytes: 16 << 20,
            portion_bytes: 256 << 10,
            pace: Arc::new(|took| {
                if took > Duration::from_micros(50) {
                    std::thread::sleep(took);
                }
            }),
        }
    }
}

/// A file of pages with their sums. Clones are the same file.
///
/// Once anything went wrong, also a read or in redb itself, it writes and syncs nothing any more:
/// no sync is ever tried twice, and what redb does when it is closed after a panic, a commit in
/// one step, comes to nothing.
pub struct PagedFile<F> {
    shared: Arc<Shared<F>>,
}

struct Shared<F> {
    file: Spread<F>,
    path: PathBuf,
    id: u64,
    state: Mutex<State>,
    first: First,
}

/// Invariant: the file has a place for every page below `pages`.
struct State {
    pages: u64,
    /// Shrinking leaves the room of this many pages.
    reserved: u64,
    sums: Sums,
}

impl<F> Clone for PagedFile<F> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<F> Debug for PagedFile<F> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "PagedFile({})", self.shared.path.display())
    }
}

impl<F: File> PagedFile<F> {
    /// Makes a paged file of an empty one. `id` is what nobody else's file is called: bytes of
    /// another one do not pass here.
    pub fn create(file: F, path: &Path, id: u64, pacing: Pacing) -> Result<Self, Trouble> {
        let front = Front { id, pages: 0 };
        file.allocate(layout::file_len(0)).map_err(trouble)?;
        file.write_at(0, &front.to_sector()).map_err(trouble)?;
        Ok(Self::new(file, path, front, pacing))
    }

    /// Opens a paged file, and makes durable what it shows; the module says why that is enough.
    pub fn open(file: F, path: &Path, id: u64, pacing: Pacing) -> Result<Self, Trouble> {
        let rotten = |offset, why| Trouble::Rotten(Damage::new(path, offset, why));
        let mut sector = [0; SECTOR_LEN];
        file.read_at(0, &mut sector).map_err(|error| unreadable(path, 0, error))?;
        let front = Front::of_sector(&sector).map_err(|why| match why {
            NotFront::Damaged(why) => rotten(0, why),
            NotFront::Format(found) => {
                Trouble::Format { path: path.to_owned(), found, known: FORMAT }
            }
        })?;
        if front.id != id {
            return Err(rotten(16, "the file belongs to another ledger"));
        }
        if front.pages == 0 {
            return Err(rotten(24, "nothing was ever written here"));
        }
        file.write_at(0, &sector).map_err(trouble)?;
        // The length may have been lost where what tells it was not. Pages behind the end are
        // then some that the last commit does not refer to, or reading them says so.
        file.allocate(layout::file_len(front.pages)).map_err(trouble)?;
        let opened = Self::new(file, path, front, pacing);
        let header = opened.header()?;
        opened.shared.file.write_at(layout::page_at(0), &header).map_err(trouble)?;
        opened.shared.file.sync().map_err(trouble)?;
        Ok(opened)
    }

    fn new(file: F, path: &Path, front: Front, pacing: Pacing) -> Self {
        let Front { id, pages } = front;
        let state = State { pages, reserved: 0, sums: Sums::new() };
        Self {
            shared: Arc::new(Shared {
                file: Spread::new(file, pacing),
                path: path.to_owned(),
                id,
                state: Mutex::new(state),
                first: First::default(),
            }),
        }
    }

    /// What went wrong first, for whoever is told only that something did.
    pub(crate) fn first(&self) -> First {
        self.shared.first.clone()
    }

    /// Whether redb can take blocks of so many bytes in all without asking the disk for room.
    pub fn has_room(&self, bytes: u64, largest: u64) -> bool {
        let state = self.state();
        growth::most(state.pages, bytes, largest) <= state.reserved
    }

    /// Takes the room for that ahead of need. [`Trouble::Full`] harms nothing, unlike a disk
    /// that redb finds full: that ends what it is doing, and all it would do later.
    pub fn reserve(&self, bytes: u64, largest: u64) -> Result<(), Trouble> {
        let mut state = self.state();
        let most = growth::most(state.pages, bytes, largest);
        if most > state.reserved {
            self.check()?;
            match self.shared.file.allocate(layout::file_len(most)).map_err(trouble) {
                Err(full @ Trouble::Full(_)) => return Err(full),
                taken => self.noted(taken)?,
            }
            state.reserved = most;
        }
        Ok(())
    }

    /// Gives back what was taken ahead and not used.
    pub fn release(&self) -> Result<(), Trouble> {
        let mut state = self.state();
        if state.reserved > state.pages {
            self.check()?;
            self.noted(self.shared.file.set_len(layout::file_len(state.pages)).map_err(trouble))?;
        }
        state.reserved = 0;
        Ok(())
    }

    /// How long redb takes the file to be, in bytes.
    #[must_use]
    pub fn redb_len(&self) -> u64 {
        self.state().pages * PAGE
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics half way.
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The sector with redb's header.
    fn header(&self) -> Result<[u8; SECTOR_LEN], Trouble> {
        let at = layout::page_at(0);
        let mut sector = [0; SECTOR_LEN];
        let read = self.shared.file.read_at(at, &mut sector);
        read.map_err(|error| unreadable(&self.shared.path, at, error))?;
        if !layout::is_sealed(&sector) {
            return Err(self.rotten(at, "the checksum of redb's header does not match"));
        }
        Ok(sector)
    }

    /// Reads whole pages, in runs that lie beside each other.
    fn read_pages(&self, mut page: u64, mut out: &mut [u8]) -> Result<(), Trouble> {
        let end = page.checked_add(out.len() as u64 / PAGE);
        if end.is_none_or(|end| end > self.state().pages) {
            return Err(self.rotten(layout::file_len(self.state().pages), "a page behind the end"));
        }
        while !out.is_empty() {
            let run;
            (run, out) = out.split_at_mut(out.len().min(run_len(page)));
            let at = layout::page_at(page);
            let read = self.shared.file.read_at(at, run);
            read.map_err(|error| unreadable(&self.shared.path, at, error))?;
            for bytes in run.chunks_exact(PAGE_LEN) {
                self.verify(page, bytes)?;
                page += 1;
            }
        }
        Ok(())
    }

    /// Nobody writes a page while redb reads it, so its sum is the one of what was read.
    fn verify(&self, page: u64, bytes: &[u8]) -> Result<(), Trouble> {
        let sums_at = layout::sums_at(page / GROUP);
        let known = self.state().sums.get(&self.shared.file, page);
        let known = known.map_err(|error| unreadable(&self.shared.path, sums_at, error))?;
        let at = layout::page_at(page);
        if known == 0 {
            // redb asks for zeros in new room, and never reads what it has not written.
            return Err(self.rotten(at, "a page that was never written, or its sum is lost"));
        }
        if known != layout::sum(self.shared.id, page, bytes) && !mutant!(PageSumIgnored) {
            return Err(self.rotten(at, "the page's checksum does not match"));
        }
        Ok(())
    }

    /// Writes whole pages in place, and keeps their sums for the next sync.
    fn write_pages(&self, mut page: u64, mut bytes: &[u8]) -> Result<(), Trouble> {
        let end = page.checked_add(bytes.len() as u64 / PAGE);
        if end.is_none_or(|end| end > self.state().pages) {
            return Err(Trouble::Failed("a write behind the end".to_owned()));
        }
        let Shared { file, path, id, .. } = &*self.shared;
        while !bytes.is_empty() {
            let run;
            (run, bytes) = bytes.split_at(bytes.len().min(run_len(page)));
            let at = layout::page_at(page);
            file.write_at(at, run).map_err(trouble)?;
            for bytes in run.chunks_exact(PAGE_LEN) {
                let sum = layout::sum(*id, page, bytes);
                let set = self.state().sums.set(file, page, sum);
                set.map_err(|error| unreadable(path, layout::sums_at(page / GROUP), error))?;
                page += 1;
            }
        }
        Ok(())
    }

    fn resize(&self, pages: u64) -> Result<(), Trouble> {
        let mut guard = self.state();
        let state = &mut *guard;
        let Shared { file, path, id, .. } = &*self.shared;
        let before = file.byte_len().map_err(trouble)?;
        let front = Front { id: *id, pages }.to_sector();
        if pages < state.pages {
            state.sums.forget_from(pages.div_ceil(GROUP));
            file.write_at(0, &front).map_err(trouble)?;
            let kept = layout::file_len(pages.max(state.reserved));
            if kept < before {
                file.set_len(kept).map_err(trouble)?;
            }
        } else {
            file.allocate(layout::file_len(pages)).map_err(trouble)?;
            // What comes may lie where something was before. Groups behind the old end are new.
            let mut page = state.pages;
            while page < pages && layout::sums_at(page / GROUP) < before {
                let cleared = state.sums.clear_from(file, page);
                let at = layout::sums_at(page / GROUP);
                cleared.map_err(|error| unreadable(path, at, error))?;
                page = (page / GROUP + 1) * GROUP;
            }
            file.write_at(0, &front).map_err(trouble)?;
        }
        state.pages = pages;
        Ok(())
    }

    /// Readers go on meanwhile, and whoever writes sees to it that this comes after.
    fn sync(&self) -> Result<(), Trouble> {
        let mut state = self.state();
        state.sums.write(&self.shared.file).map_err(trouble)?;
        drop(state);
        // Also where there was no room: what of it reached the disk is not known.
        let synced = self.shared.file.sync();
        if mutant!(StoreSyncIgnored) {
            return Ok(());
        }
        synced.map_err(|error| Trouble::Failed(error.to_string()))
    }

    /// Runs a write, a sync or a change of length. One that fails is the last one.
    fn change(&self, change: impl FnOnce() -> Result<(), Trouble>) -> io::Result<()> {
        self.check().map_err(io::Error::other)?;
        self.noted(change()).map_err(io::Error::other)
    }

    fn check(&self) -> Result<(), Trouble> {
        self.shared.first.get().map_or(Ok(()), |first| Err(first.clone()))
    }

    fn noted<T>(&self, result: Result<T, Trouble>) -> Result<T, Trouble> {
        result.inspect_err(|trouble| self.shared.first.note(trouble))
    }

    fn rotten(&self, offset: u64, why: &str) -> Trouble {
        Trouble::Rotten(Damage::new(&self.shared.path, offset, why))
    }
}

impl<F: File> StorageBackend for PagedFile<F> {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state().pages * PAGE)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let read = if offset == 0 && out.len() <= SEALED_LEN {
            self.header().map(|sector| out.copy_from_slice(&sector[..out.len()]))
        } else {
            whole_pages(offset, out.len()).and_then(|()| self.read_pages(offset / PAGE, out))
        };
        self.noted(read).map_err(io::Error::other)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.change(|| whole_pages(len, 0).and_then(|()| self.resize(len / PAGE)))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.change(|| self.sync())
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.change(|| {
            if offset == 0 && bytes.len() <= SEALED_LEN {
                let sector = layout::sealed(bytes);
                return self.shared.file.write_at(layout::page_at(0), &sector).map_err(trouble);
            }
            whole_pages(offset, bytes.len())?;
            self.write_pages(offset / PAGE, bytes)
        })
    }
}

/// redb reads and writes its header and whole pages, and nothing else.
fn whole_pages(offset: u64, len: usize) -> Result<(), Trouble> {
    if offset.is_multiple_of(PAGE) && len.is_multiple_of(PAGE_LEN) {
        Ok(())
    } else {
        Err(Trouble::Failed(format!("{len} bytes at {offset} are no whole pages")))
    }
}

/// How many bytes lie beside each other from a page on, before the next group's sums.
fn run_len(page: u64) -> usize {
    ((GROUP - page % GROUP) * PAGE) as usize
}

fn trouble(error: DiskError) -> Trouble {
    error.into()
}

/// A file that ends too early is damaged; otherwise the disk has failed.
fn unreadable(path: &Path, offset: u64, error: DiskError) -> Trouble {
    match error {
        DiskError::ShortRead { .. } => {
            Trouble::Rotten(Damage::new(path, offset, "the file ends here"))
        }
        error => error.into(),
    }
}
