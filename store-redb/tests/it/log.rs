//! The log in redb passes the suite of every log.

use std::path::Path;

use quipu_core::disk::{Keep, MemoryDisk};
use quipu_core::log::conformance::{self, Place};
use quipu_store_redb::backend::Pacing;
use quipu_store_redb::file::Settings;
use quipu_store_redb::log::RedbLog;

/// No less than the room of an entry of 8 MiB.
const ROOM: u64 = 10 << 20;

fn settings() -> Settings {
    Settings { id: 7, cache_bytes: 1 << 20, pacing: Pacing::none() }
}

struct InMemory {
    disk: MemoryDisk,
    keep: Keep,
}

impl Place for InMemory {
    type Log = RedbLog;

    fn open(&mut self) -> RedbLog {
        RedbLog::open(&self.disk, Path::new("log"), &settings(), ROOM).expect("it opens")
    }

    fn crash(&mut self, log: RedbLog) {
        self.disk.crash(self.keep);
        drop(log);
    }
}

#[test]
fn the_log_in_redb_is_a_log() {
    conformance::check(|| InMemory { disk: MemoryDisk::new(), keep: Keep::Nothing });
}
