//! Where all money is: in streams, in transit, or outside; by book and asset.

use std::collections::BTreeMap;

use quipu_core::words::{Asset, Book, Position};

use super::Moved;
use crate::audit::check::{Breach, Check, Checks};

/// The sums as of the last event.
#[derive(Default)]
pub(super) struct Sums {
    /// What streams say that they hold, and what has gone outside. Together they are nothing.
    all: BTreeMap<(Book, Asset), (i128, i128)>,
    /// What is between two parts of the event at hand.
    transit: BTreeMap<(Book, Asset), i128>,
    /// What the entry at hand has moved: the rest is what it was.
    moved: Vec<(Book, Asset)>,
    /// Prefixes of the log at whose ends all of it was looked at.
    pub(super) prefixes: u64,
}

impl Sums {
    pub(super) fn add(&mut self, book: Book, moved: Moved) {
        let Some(asset) = moved.asset else { return };
        if (moved.held, moved.outside, moved.transit) == (0, 0, 0) {
            return;
        }
        let place = (book, asset);
        let (held, outside) = self.all.entry(place).or_default();
        *held += moved.held;
        *outside += moved.outside;
        *self.transit.entry(place).or_default() += moved.transit;
        self.moved.push(place);
    }

    /// Nothing is left between the parts of an event.
    pub(super) fn event_ends(&mut self, checks: &Checks, at: Position) -> Result<(), Breach> {
        for (place, left) in core::mem::take(&mut self.transit) {
            checks.ensure(Check::Conservation, left == 0, || {
                format!("{left} of {place:?} are left in transit at {at}")
            })?;
        }
        Ok(())
    }

    /// A ledger could recover to here: all money is somewhere, and no money is from nowhere.
    pub(super) fn entry_ends(&mut self, checks: &Checks, at: Position) -> Result<(), Breach> {
        for place in self.moved.drain(..) {
            let (held, outside) = self.all.get(&place).copied().unwrap_or_default();
            checks.ensure(Check::Conservation, held + outside == 0, || {
                format!("{held} of {place:?} are held and {outside} outside at {at}")
            })?;
        }
        self.prefixes += u64::from(checks.has(Check::Conservation));
        Ok(())
    }
}
