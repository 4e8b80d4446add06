//! The suite that every store passes, over a disk in memory.

use std::path::Path;

use quipu_core::disk::{Keep, MemoryDisk};
use quipu_core::machine::Registry;
use quipu_core::store::conformance::{self, Place};
use quipu_sim::disk::{self, SimDisk};
use quipu_store_redb::store::{RedbStore, Settings};

/// A disk with a store, or room for one.
struct Memory {
    disk: MemoryDisk,
    keep: Keep,
}

impl Place for Memory {
    type Store = RedbStore<MemoryDisk>;

    fn open(&mut self, registry: &Registry) -> Self::Store {
        let settings = Settings { cache_bytes: 1 << 20, ..Settings::default() };
        let opened =
            RedbStore::open(&self.disk, Path::new("store.redb"), [7; 16], registry, &settings);
        opened.expect("a store").0
    }

    fn crash(&mut self, store: Self::Store) {
        // The disk dies first: dropping a redb file writes.
        self.disk.crash(self.keep);
        drop(store);
    }
}

#[test]
fn a_store_passes_the_suite_when_a_crash_keeps_everything() {
    conformance::check(|| Memory { disk: MemoryDisk::new(), keep: Keep::All });
}

#[test]
fn a_store_passes_the_suite_when_a_crash_keeps_only_what_was_synced() {
    conformance::check(|| Memory { disk: MemoryDisk::new(), keep: Keep::Nothing });
}

/// The same over a disk whose crashes tear what was not synced, each in its own way.
struct Torn {
    disk: SimDisk,
    crashes: u64,
}

impl Place for Torn {
    type Store = RedbStore<SimDisk>;

    fn open(&mut self, registry: &Registry) -> Self::Store {
        let settings = Settings { cache_bytes: 1 << 20, ..Settings::default() };
        let opened =
            RedbStore::open(&self.disk, Path::new("store.redb"), [7; 16], registry, &settings);
        opened.expect("a store").0
    }

    fn crash(&mut self, store: Self::Store) {
        self.disk.lose_power();
        drop(store);
        self.crashes += 1;
        self.disk = self.disk.image(disk::Keep::Torn(self.crashes));
    }
}

#[test]
fn a_store_passes_the_suite_when_a_crash_tears_what_was_not_synced() {
    conformance::check(|| Torn { disk: SimDisk::new(), crashes: 0 });
}
