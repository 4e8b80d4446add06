//! The images of a disk that loses power while it works, each that differs once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::disk::{Act, Keep, SimDisk};

use super::case::{Kept, Moment};
use super::found::print_of;
use super::life::{Callers, Told};

/// An image, with the first and the last moment at which power loss leaves it.
pub(super) struct Image {
    pub(super) disk: SimDisk,
    pub(super) first: (Moment, Told),
    pub(super) last: (Moment, Told),
}

/// All images of some time.
#[derive(Default)]
pub(super) struct Images {
    pub(super) operations: u64,
    pub(super) taken: u64,
    /// By fingerprint.
    pub(super) different: BTreeMap<u64, Image>,
    /// Fingerprints of what was looked at elsewhere, and how much callers knew there.
    elsewhere: BTreeSet<u64>,
    elsewhere_known: Knowledge,
    /// How many torn images are taken at each operation.
    torn: u64,
    /// Images are taken once so many steps have been begun; how it was right then belongs to
    /// the steps before.
    from: usize,
    has_begun: bool,
    is_over: bool,
    /// How many changes waited for a sync at the operation before, and what callers knew.
    before: Option<(usize, Knowledge)>,
}

/// How many answers callers have, and whether they know that the ledger is there. It only grows,
/// and what was harmless to lose is not once it has.
type Knowledge = (usize, bool);

/// The images of a disk, to be taken while it is used.
#[derive(Clone)]
pub(super) struct Watch(Arc<Mutex<Images>>);

impl Watch {
    /// Takes the images of a disk before each of its operations, once so many steps have been
    /// begun.
    pub(super) fn over(disk: &SimDisk, callers: &Callers, torn: u64, from: usize) -> Self {
        let images = Images { torn, from, has_begun: from == 0, ..Images::default() };
        let watch = Self(Arc::new(Mutex::new(images)));
        let (images, callers) = (watch.clone(), callers.clone());
        disk.on_operation(move |disk, operation| {
            if !matches!(operation.act, Act::Read { .. }) {
                let told = callers.told().clone();
                images.images().take(disk, operation.number, &told);
            }
        });
        watch
    }

    /// One image is known from elsewhere.
    pub(super) fn knows(&self, print: u64) {
        self.images().elsewhere.insert(print);
    }

    /// Takes those of power loss now, and then none any more.
    pub(super) fn end(&self, disk: &SimDisk, told: &Told) {
        let mut images = self.images();
        images.has_begun = true;
        images.take(disk, disk.operations() + 1, told);
        images.is_over = true;
    }

    /// What was taken.
    pub(super) fn taken(&self) -> Images {
        core::mem::take(&mut *self.images())
    }

    fn images(&self) -> MutexGuard<'_, Images> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Images {
    fn take(&mut self, disk: &SimDisk, operation: u64, told: &Told) {
        if self.is_over || told.steps < self.from {
            return;
        }
        let pending = disk.pending();
        // Where nothing was synced since the last operation, and callers know no more than then,
        // beginnings that were there are alike, and known.
        let know = (told.replies.len(), told.is_made);
        let known = self.before.filter(|(before, knew)| *before <= pending && *knew == know);
        let first = known.map_or(0, |(before, _)| before + 1);
        self.before = Some((pending, know));
        let kept = (first..=pending).map(Kept::First);
        let kept = kept.chain((0..self.torn).map(Kept::Torn).filter(|_| pending > 0));
        for kept in kept {
            self.take_one(disk, Moment { operation, kept }, told);
        }
        if self.has_begun {
            self.operations += 1;
            let torn = if pending > 0 { self.torn } else { 0 };
            self.taken += pending as u64 + 1 + torn;
        }
        self.has_begun = true;
    }

    fn take_one(&mut self, disk: &SimDisk, moment: Moment, told: &Told) {
        let image = moment.image(disk);
        let print = print_of(&image);
        let know = (told.replies.len(), told.is_made);
        if !self.has_begun {
            self.elsewhere.insert(print);
            self.elsewhere_known = know;
        }
        if self.elsewhere.contains(&print) && know == self.elsewhere_known {
            return;
        }
        let now = (moment, told.clone());
        let known = self.different.entry(print).or_insert_with(|| Image {
            disk: image,
            first: now.clone(),
            last: now.clone(),
        });
        known.last = now;
    }
}

impl Moment {
    /// What power loss leaves of a disk at this moment, if it is now.
    pub(super) fn image(&self, disk: &SimDisk) -> SimDisk {
        disk.image(match self.kept {
            Kept::First(count) => Keep::First(count),
            // Each operation tears another way.
            Kept::Torn(seed) => Keep::Torn(seed << 32 | self.operation),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use quipu_core::disk::{Disk as _, File as _};
    use quipu_core::shard::Reply;
    use quipu_core::words::Fault;

    use super::Watch;
    use crate::disk::SimDisk;
    use crate::exhaustive::life::Callers;

    /// A disk with a file of which a write waits for its sync, and all images since one step of
    /// its callers has begun, of whom some have an answer.
    fn images_once(is_answered: bool) -> usize {
        let (disk, callers) = (SimDisk::new(), Callers::default());
        let file = disk.create(Path::new("a")).expect("made");
        disk.sync_dir(Path::new("")).expect("synced");
        let watch = Watch::over(&disk, &callers, 1, 1);
        callers.told().steps = 1;
        file.write_at(0, &[1; 512]).expect("written");
        if is_answered {
            callers.told().replies.push(Reply::Failed(Fault::LogFailed));
        }
        let told = callers.told().clone();
        watch.end(&disk, &told);
        watch.taken().different.len()
    }

    #[test]
    fn what_power_left_before_counts_again_once_somebody_was_answered() {
        // The write as a whole; and none of it, which is how it was before the step.
        assert_eq!(images_once(false), 1);
        assert_eq!(images_once(true), 2);
    }
}
