//! What power loss leaves of the changes that no sync has covered.

use std::collections::BTreeSet;

use crate::Random;

use super::content::cuts;
use super::faults::{Fired, Site};
use super::tree::{Change, FileId, Tree};

/// What a disk writes whole or not at all.
pub(super) const SECTOR: usize = 512;

/// How much power loss leaves of what was not synced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Keep {
    /// Nothing.
    Nothing,
    /// The oldest so many of the [pending](super::SimDisk::pending) changes.
    First(usize),
    /// Everything.
    All,
    /// What this seed draws, in any order. A write leaves any of its sectors of 512 bytes, or
    /// only its length; of two writes to one sector not the later one alone. Of two lengths
    /// of a file not the later one alone. Names are given or not, changed or not, taken or
    /// not, but a file never has two.
    Torn(u64),
}

impl Keep {
    /// Applies what is left.
    pub(super) fn land(self, pending: &[Change], tree: &mut Tree, fired: &mut Fired) {
        let kept = match self {
            Self::Nothing => 0,
            Self::First(count) => count.min(pending.len()),
            Self::All => pending.len(),
            Self::Torn(seed) => return land_torn(pending, seed, tree, fired),
        };
        let (kept, lost) = pending.split_at(kept);
        for change in kept {
            tree.land(change);
        }
        for change in lost {
            fired.add(lost_site(change));
        }
    }
}

/// What becomes of one change.
struct Fate {
    /// Of a write: which of its sectors survive, piece by piece.
    sectors: Vec<bool>,
    /// Whether any other change survives; of a write, its length.
    whole: bool,
}

fn land_torn(pending: &[Change], seed: u64, tree: &mut Tree, fired: &mut Fired) {
    for (change, fate) in pending.iter().zip(fates(pending, seed)) {
        if !matches!(change, Change::Write { .. }) {
            if fate.whole {
                tree.land(change);
            } else {
                fired.add(lost_site(change));
            }
            continue;
        }
        if fate.whole {
            tree.land_len(change);
        }
        let mut survives = fate.sectors.iter();
        for piece in change.pieces() {
            for sector in cuts(piece.offset, piece.bytes.len(), SECTOR) {
                if survives.next() == Some(&true) {
                    tree.land_piece(&piece.part(sector));
                }
            }
        }
        match fate.sectors.iter().filter(|survives| **survives).count() {
            0 => fired.add(Site::LostWrite),
            count if count < fate.sectors.len() => fired.add(Site::TornWrite),
            _ => {}
        }
    }
}

/// Draws what survives, from the last change to the first: what a later survivor carries with
/// it is then known.
fn fates(pending: &[Change], seed: u64) -> Vec<Fate> {
    let mut random = Random::new(seed);
    // Some images lose nearly everything, some nearly nothing.
    let odds = 1 + random.below(7);
    let mut sectors_kept = BTreeSet::new();
    let mut lengths_kept: BTreeSet<FileId> = BTreeSet::new();
    let fates = pending.iter().rev().map(|change| match change {
        Change::Write { .. } => {
            let whole_or_torn = random.below(4);
            let mut sectors = Vec::new();
            for piece in change.pieces() {
                for part in cuts(piece.offset, piece.bytes.len(), SECTOR) {
                    let sector = (piece.file, (piece.offset + part.start) / SECTOR);
                    let drawn = match whole_or_torn {
                        0 => true,
                        1 => false,
                        _ => random.below(8) < odds,
                    };
                    // The cache gives a sector to the disk with all that was written to it.
                    let survives = drawn || sectors_kept.contains(&sector);
                    if survives {
                        sectors_kept.insert(sector);
                    }
                    sectors.push(survives);
                }
            }
            Fate { sectors, whole: random.one_in(4) }
        }
        Change::SetLen { file, .. } | Change::Allocate { file, .. } => {
            let whole = random.below(8) < odds || lengths_kept.contains(file);
            if whole {
                lengths_kept.insert(*file);
            }
            Fate { sectors: Vec::new(), whole }
        }
        Change::Name { .. } | Change::Unname { .. } | Change::Rename { .. } => {
            Fate { sectors: Vec::new(), whole: random.below(8) < odds }
        }
    });
    let mut fates: Vec<Fate> = fates.collect();
    fates.reverse();
    fates
}

fn lost_site(change: &Change) -> Site {
    match change {
        Change::Write { .. } => Site::LostWrite,
        Change::SetLen { .. } | Change::Allocate { .. } => Site::LostLength,
        Change::Name { .. } | Change::Unname { .. } => Site::LostName,
        Change::Rename { .. } => Site::LostRename,
    }
}
