//! Where a write is meant to land, and where else a lying disk can put it.

use std::ops::Range;
use std::path::Path;

use crate::Random;

use super::content::cuts;
use super::image::SECTOR;
use super::state::FILE_BYTES_MAX;
use super::tree::{FileId, Landing, Tree};

/// Where a write is meant to land.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) file: FileId,
    pub(super) offset: usize,
    pub(super) len: usize,
}

impl Place {
    /// Its sectors, as parts of its bytes.
    pub(super) fn sectors(self) -> impl Iterator<Item = Range<usize>> {
        cuts(self.offset, self.len, SECTOR)
    }

    /// One of its sectors.
    pub(super) fn sector(self, index: Option<usize>, random: &mut Random) -> Range<usize> {
        let count = self.sectors().count() as u64;
        let index = index.unwrap_or_else(|| random.below(count) as usize);
        self.sectors().nth(index).expect("the fault struck because there is one")
    }

    /// Whether there is another place where it could land.
    pub(super) fn can_miss(self, live: &Tree, other: Option<&Path>, offset: Option<u64>) -> bool {
        let Some(target) = self.target(live, other) else { return false };
        match offset {
            Some(offset) => target != self.file || offset != self.offset as u64,
            None => self.others(live, target) > 0,
        }
    }

    pub(super) fn miss(
        self,
        live: &Tree,
        other: Option<&Path>,
        offset: Option<u64>,
        random: &mut Random,
    ) -> Landing {
        let file = self.target(live, other).expect("the fault struck because there is one");
        let drawn = || {
            let drawn = random.below(self.others(live, file) as u64) as usize;
            let own = self.offset / SECTOR;
            let sector = drawn + usize::from(file == self.file && drawn >= own);
            sector * SECTOR + self.offset % SECTOR
        };
        // Further away than any file is long, it lands nowhere.
        let given = |offset: u64| offset.min(FILE_BYTES_MAX) as usize;
        Landing::Elsewhere { file, offset: offset.map_or_else(drawn, given) }
    }

    fn target(self, live: &Tree, other: Option<&Path>) -> Option<FileId> {
        match other {
            None => Some(self.file),
            Some(path) => live.file_names().find(|(name, _)| *name == path).map(|(_, file)| file),
        }
    }

    /// How many sectors a file has, without that where this write begins.
    fn others(self, live: &Tree, target: FileId) -> usize {
        let sectors = live.len(target).div_ceil(SECTOR);
        sectors - usize::from(target == self.file && self.offset / SECTOR < sectors)
    }
}
