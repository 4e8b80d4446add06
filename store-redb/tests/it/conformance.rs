//! The suite that every store passes, over a disk in memory.

use std::path::Path;

use quipu_core::disk::{Keep, MemoryDisk};
use quipu_core::machine::Registry;
use quipu_core::store::conformance::{self, Place};
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
