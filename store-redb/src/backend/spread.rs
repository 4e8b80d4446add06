//! A file whose writes are held back a while, and leave in order and in portions.
//!
//! A checkpoint writes hundreds of megabytes, and a log on the same disk must go on answering
//! within a fraction of a millisecond. Three things help, each measured by itself:
//!
//! - **In order.** redb lets go of its pages by stripes of its cache, which looks like chance to a
//!   disk. What is held back leaves by ascending offset, neighbours in one write.
//! - **In portions.** After each portion the file is synced and [`Pacing::pace`] is called, so that
//!   no sync of another file finds much before it in the queue.
//! - **Once.** A transaction that outgrows redb's cache writes its pages, reads them back at the
//!   commit for their checksums, and writes them again, mostly unchanged. A page that has been
//!   written since the last sync and is the same (compared, byte for byte) is not written again.
//!
//! A sync writes out all that is held back first, so it covers every write before it, and nothing
//! more is asked of it: between two syncs a disk may take writes in any order.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use quipu_core::disk::{DiskError, File};

use super::Pacing;
use super::layout::{PAGE, PAGE_LEN};

pub(super) struct Spread<F> {
    file: F,
    pacing: Pacing,
    state: Mutex<State>,
    /// Held by whoever writes out what is held back: in order, one portion after the other.
    leaving: Mutex<Leaving>,
}

#[derive(Default)]
struct State {
    /// Pages that are held back, by their number in the file.
    held: BTreeMap<u64, Box<[u8]>>,
    /// Pages that are being written: read from here until that has ended.
    going: Option<(u64, Vec<u8>)>,
    /// A bit for each page that was written since the last sync.
    fresh: Vec<u64>,
}

#[derive(Default)]
struct Leaving {
    /// Where the last run ended; the next one goes on from there.
    hand: u64,
    /// What was written since the last portion was synced.
    unsynced_bytes: usize,
}

impl State {
    fn is_fresh(&self, page: u64) -> bool {
        let word = self.fresh.get((page / 64) as usize);
        word.is_some_and(|word| word >> (page % 64) & 1 == 1)
    }

    fn mark(&mut self, page: u64) {
        let word = (page / 64) as usize;
        if word >= self.fresh.len() {
            self.fresh.resize(word + 1, 0);
        }
        self.fresh[word] |= 1 << (page % 64);
    }

    /// What is known of a page beside the file.
    fn page(&self, page: u64) -> Option<&[u8]> {
        if let Some(held) = self.held.get(&page) {
            return Some(held);
        }
        let (first, run) = self.going.as_ref()?;
        let at = page.checked_sub(*first)? as usize * PAGE_LEN;
        run.get(at..at + PAGE_LEN)
    }
}

impl<F: File> Spread<F> {
    pub(super) fn new(file: F, pacing: Pacing) -> Self {
        Self { file, pacing, state: Mutex::default(), leaving: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics half way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes held pages until no more than so many bytes are held.
    fn let_go(&self, keep_bytes: usize) -> Result<(), DiskError> {
        let mut leaving = self.leaving.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(first) = self.next_run(&leaving, keep_bytes) {
            // Readers find the run in `going` while it is written without the lock.
            let (written, len) = {
                let state = self.state();
                let run = state.going.as_ref().map(|(_, run)| run.clone()).unwrap_or_default();
                drop(state);
                (self.file.write_at(first * PAGE, &run), run.len())
            };
            let mut state = self.state();
            state.going = None;
            if written.is_ok() {
                (0..(len / PAGE_LEN) as u64).for_each(|page| state.mark(first + page));
            }
            drop(state);
            written?;
            leaving.hand = first + (len / PAGE_LEN) as u64;
            leaving.unsynced_bytes += len;
            if leaving.unsynced_bytes >= self.pacing.portion_bytes {
                leaving.unsynced_bytes = 0;
                let start = Instant::now();
                // A sync that finds no room has failed, and is not tried again either.
                self.file.sync().map_err(unsynced)?;
                (self.pacing.pace)(start.elapsed());
            }
        }
        Ok(())
    }

    /// Takes the next pages that lie beside each other, up to a portion.
    fn next_run(&self, leaving: &Leaving, keep_bytes: usize) -> Option<u64> {
        let state = &mut *self.state();
        if state.held.len() * PAGE_LEN <= keep_bytes {
            return None;
        }
        let behind = state.held.range(leaving.hand..).next();
        let (first, _) = behind.or_else(|| state.held.first_key_value())?;
        let first = *first;
        let most = self.pacing.portion_bytes.saturating_sub(leaving.unsynced_bytes).max(PAGE_LEN);
        let mut run = Vec::new();
        while run.len() < most
            && let Some(page) = state.held.remove(&(first + (run.len() / PAGE_LEN) as u64))
        {
            run.extend_from_slice(&page);
        }
        state.going = Some((first, run));
        Some(first)
    }

    /// Whether a page in the file is these bytes already.
    fn is_same(&self, page: u64, bytes: &[u8]) -> Result<bool, DiskError> {
        let mut there = [0; PAGE_LEN];
        self.file.read_at(page * PAGE, &mut there)?;
        Ok(there == bytes)
    }
}

impl<F: File> File for Spread<F> {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<(), DiskError> {
        let pages = offset / PAGE..(offset + into.len() as u64).div_ceil(PAGE);
        // First, since what is held back now may be in the file, and gone from here, a moment later.
        let beside: Vec<_> = {
            let state = self.state();
            let nothing = state.held.is_empty() && state.going.is_none();
            let known = pages.filter(|_| !nothing);
            known.filter_map(|page| Some((page * PAGE, state.page(page)?.to_vec()))).collect()
        };
        self.file.read_at(offset, into)?;
        for (at, page) in beside {
            let (from, to) = (at.max(offset), (at + PAGE).min(offset + into.len() as u64));
            let here = (from - offset) as usize..(to - offset) as usize;
            into[here].copy_from_slice(&page[(from - at) as usize..(to - at) as usize]);
        }
        Ok(())
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
        let is_pages = offset.is_multiple_of(PAGE) && bytes.len().is_multiple_of(PAGE_LEN);
        if self.pacing.window_bytes == 0 || !is_pages {
            // Sectors of the header are never part of a page that is written whole.
            return self.file.write_at(offset, bytes);
        }
        for (page, bytes) in (offset / PAGE..).zip(bytes.chunks_exact(PAGE_LEN)) {
            let (is_beside, is_fresh) = {
                let state = self.state();
                (state.page(page).is_some(), state.is_fresh(page))
            };
            if is_beside || !is_fresh || !self.is_same(page, bytes)? {
                self.state().held.insert(page, bytes.into());
            }
        }
        let window = self.pacing.window_bytes;
        if self.state().held.len() * PAGE_LEN > window {
            self.let_go(window.saturating_sub(self.pacing.portion_bytes))?;
        }
        Ok(())
    }

    fn byte_len(&self) -> Result<u64, DiskError> {
        self.file.byte_len()
    }

    fn set_len(&self, len: u64) -> Result<(), DiskError> {
        self.let_go(0)?;
        self.state().fresh.clear();
        self.file.set_len(len)
    }

    fn allocate(&self, len: u64) -> Result<(), DiskError> {
        self.file.allocate(len)
    }

    fn sync(&self) -> Result<(), DiskError> {
        self.let_go(0)?;
        let synced = self.file.sync();
        self.leaving.lock().unwrap_or_else(PoisonError::into_inner).unsynced_bytes = 0;
        self.state().fresh.clear();
        synced
    }

    fn forget(&self) {
        self.file.forget();
    }
}

fn unsynced(error: DiskError) -> DiskError {
    match error {
        DiskError::NoSpace(path) => {
            DiskError::Failed { path, why: "a sync found no space left".into() }
        }
        other => other,
    }
}
