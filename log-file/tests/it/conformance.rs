//! The file log passes the suite of every log, on a disk that loses what was not synced.

use std::path::Path;

use quipu_core::disk::{Disk, Keep, MemoryDisk};
use quipu_core::log::conformance::{Place, check};
use quipu_log_file::{FileLog, LogId, Settings};

struct LogPlace {
    disk: MemoryDisk,
    settings: Settings,
    keep: Keep,
}

const ID: LogId = LogId([7; 16]);

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
