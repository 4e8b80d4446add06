//! The state of one stream while an order of its asks is looked for: it can be taken back.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// The rules of one kind, on what a search keeps of a stream.
///
/// They are written from what is documented of the kind, and know no engine.
pub(super) trait Model {
    /// The fixed part of the state. The stream does not exist at first.
    type Core: Copy + Ord + Default;

    /// Does what an ask did, as its answer tells it. `false` where that cannot have been the
    /// answer in this state; some of it may be done then.
    fn happens(stream: &mut Scratch<Self::Core>, fact: &super::Fact) -> bool;
}

/// A stream's state, and what is needed to take changes back.
pub(super) struct Scratch<C> {
    pub(super) core: C,
    items: BTreeMap<u64, Item>,
    /// Tells sets of items apart.
    print: u128,
    changes: Vec<(u64, Option<Item>)>,
}

/// Something that belongs to the stream: a hold, a claim, the units of a claimant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Item {
    pub(super) units: i128,
    /// Whose it is, where it matters.
    pub(super) who: u32,
    pub(super) has_ended: bool,
}

/// A point to go back to.
#[derive(Clone, Copy)]
pub(super) struct Mark<C> {
    core: C,
    print: u128,
    changes: usize,
}

impl<C: Copy + Ord + Default> Scratch<C> {
    pub(super) fn new() -> Self {
        Self { core: C::default(), items: BTreeMap::new(), print: 0, changes: Vec::new() }
    }

    pub(super) fn item(&self, key: u64) -> Option<Item> {
        self.items.get(&key).copied()
    }

    pub(super) fn set(&mut self, key: u64, item: Item) {
        self.print ^= print_of(key, &item);
        let before = match self.items.entry(key) {
            Entry::Vacant(place) => {
                place.insert(item);
                None
            }
            Entry::Occupied(mut place) => Some(place.insert(item)),
        };
        self.print ^= before.map_or(0, |before| print_of(key, &before));
        self.changes.push((key, before));
    }

    /// What tells this state from every other, but for chance of one in 2^128.
    pub(super) fn identity(&self) -> (C, u128) {
        (self.core, self.print)
    }

    pub(super) fn mark(&self) -> Mark<C> {
        Mark { core: self.core, print: self.print, changes: self.changes.len() }
    }

    pub(super) fn back_to(&mut self, mark: Mark<C>) {
        for (key, before) in self.changes.drain(mark.changes..).rev() {
            match before {
                Some(item) => self.items.insert(key, item),
                None => self.items.remove(&key),
            };
        }
        (self.core, self.print) = (mark.core, mark.print);
    }
}

fn print_of(key: u64, item: &Item) -> u128 {
    let units = item.units as u128;
    let words = [key, units as u64, (units >> 64) as u64, item.who.into(), item.has_ended.into()];
    let half = |seed: u64| {
        words.iter().fold(seed, |sum, word| {
            let mixed = (sum ^ word).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            (mixed ^ (mixed >> 29)).wrapping_mul(0x94d0_49bb_1331_11eb) ^ (mixed >> 32)
        })
    };
    u128::from(half(0x9e37_79b9_7f4a_7c15)) << 64 | u128::from(half(0x5851_f42d_4c95_7f2d))
}
