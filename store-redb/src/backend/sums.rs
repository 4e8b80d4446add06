//! The sums of pages: read when one is needed, kept for a while, written before a sync.

use quipu_core::disk::{DiskError, File};

use super::layout::{GROUP, PAGE_LEN, sums_at};

/// How many groups' sums are kept in memory: 2 MiB, for 1 GiB of pages.
const KEPT: u64 = 512;

/// The sums in memory. A group has one place here, and pushes out whichever lies there.
pub(super) struct Sums {
    places: Vec<Option<Kept>>,
}

struct Kept {
    group: u64,
    is_changed: bool,
    bytes: Box<[u8; PAGE_LEN]>,
}

impl Sums {
    pub(super) fn new() -> Self {
        Self { places: (0..KEPT).map(|_| None).collect() }
    }

    /// The sum of a page; zero where nobody wrote it.
    pub(super) fn get<F: File>(&mut self, file: &F, page: u64) -> Result<u64, DiskError> {
        let kept = self.kept(file, page / GROUP)?;
        let at = (page % GROUP) as usize * 8;
        Ok(u64::from_le_bytes(*kept.bytes[at..].first_chunk().expect("within the page")))
    }

    pub(super) fn set<F: File>(&mut self, file: &F, page: u64, sum: u64) -> Result<(), DiskError> {
        let kept = self.kept(file, page / GROUP)?;
        let at = (page % GROUP) as usize * 8;
        kept.bytes[at..at + 8].copy_from_slice(&sum.to_le_bytes());
        kept.is_changed = true;
        Ok(())
    }

    /// Makes every page of the group from this one on one that nobody wrote.
    pub(super) fn clear_from<F: File>(&mut self, file: &F, page: u64) -> Result<(), DiskError> {
        let kept = self.kept(file, page / GROUP)?;
        kept.bytes[(page % GROUP) as usize * 8..].fill(0);
        kept.is_changed = true;
        Ok(())
    }

    /// Forgets the groups from this one on, which go.
    pub(super) fn forget_from(&mut self, group: u64) {
        for place in &mut self.places {
            place.take_if(|kept| kept.group >= group);
        }
    }

    /// Writes what has changed.
    pub(super) fn write<F: File>(&mut self, file: &F) -> Result<(), DiskError> {
        self.places.iter_mut().flatten().try_for_each(|kept| kept.write(file))
    }

    fn kept<F: File>(&mut self, file: &F, group: u64) -> Result<&mut Kept, DiskError> {
        let place = &mut self.places[(group % KEPT) as usize];
        if place.as_ref().is_none_or(|kept| kept.group != group) {
            let bytes = if let Some(mut out) = place.take() {
                if let Err(error) = out.write(file) {
                    // What could not be written is all there is of it.
                    *place = Some(out);
                    return Err(error);
                }
                out.bytes
            } else {
                Box::new([0; PAGE_LEN])
            };
            let mut kept = Kept { group, is_changed: false, bytes };
            file.read_at(sums_at(group), &mut kept.bytes[..])?;
            *place = Some(kept);
        }
        Ok(place.as_mut().expect("it was just put there"))
    }
}

impl Kept {
    fn write<F: File>(&mut self, file: &F) -> Result<(), DiskError> {
        if self.is_changed {
            file.write_at(sums_at(self.group), &self.bytes[..])?;
            self.is_changed = false;
        }
        Ok(())
    }
}
