//! The file log passes the suite of every log, on a disk that loses what was not synced.

use std::path::Path;

use quipu_core::disk::{Disk, Keep, MemoryDisk};
use quipu_core::log::conformance::{Place, check};
use quipu_log_file::{FileLog, Settings};
use quipu_sim::disk::{self as sim, SimDisk};

use crate::promise::{ID, open_or_create};

struct LogPlace {
    disk: MemoryDisk,
    settings: Settings,
    keep: Keep,
}

impl Place for LogPlace {
    type Log = FileLog<MemoryDisk>;

    fn open(&mut self) -> Self::Log {
        let dir = Path::new("");
        if self.disk.list(dir).expect("readable").iter().any(|name| name.ends_with(".seg")) {
            FileLog::open(self.disk.clone(), dir, ID, &self.settings).expect("it opens")
        } else {
            FileLog::create(self.disk.clone(), dir, ID, &self.settings).expect("it is made")
        }
    }

    fn crash(&mut self, log: Self::Log) {
        // The process may still be writing when power goes.
        self.disk.crash(self.keep);
        drop(log);
    }
}

struct SimPlace {
    disk: SimDisk,
    settings: Settings,
    keep: sim::Keep,
}

impl Place for SimPlace {
    type Log = FileLog<SimDisk>;

    fn open(&mut self) -> Self::Log {
        open_or_create(&self.disk, &self.settings).expect("it opens")
    }

    fn crash(&mut self, log: Self::Log) {
        self.disk.lose_power();
        drop(log);
        self.disk = self.disk.image(self.keep);
    }
}

#[test]
fn it_is_one_whatever_a_crash_leaves() {
    let keeps = [sim::Keep::Nothing, sim::Keep::First(1), sim::Keep::All];
    for keep in keeps.into_iter().chain((0..3).map(sim::Keep::Torn)) {
        let settings = Settings { beside_bytes: None, ..Settings::default() };
        check(|| SimPlace { disk: SimDisk::new(), settings: settings.clone(), keep });
    }
}

#[test]
fn the_file_log_is_a_log() {
    let beside = [None, Some(1_000)];
    for beside_bytes in beside {
        for keep in [Keep::Nothing, Keep::First(1), Keep::All] {
            let settings = Settings { beside_bytes, ..Settings::default() };
            check(|| LogPlace { disk: MemoryDisk::new(), settings: settings.clone(), keep });
        }
    }
}
