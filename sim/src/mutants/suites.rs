//! The suite that every log passes, over what several crashes leave: it has writers that go on
//! after another one has taken over, which no seed can have on a disk of its own.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use quipu_core::disk::Disk as _;
use quipu_core::log::conformance::{Place, check};
use quipu_log_file::{FileLog, LogId, Settings};

use super::Kill;
use crate::disk::{Keep, SimDisk};

const ID: LogId = LogId([3; 16]);

struct Here {
    disk: SimDisk,
    keep: Keep,
}

impl Place for Here {
    type Log = FileLog<SimDisk>;

    fn open(&mut self) -> Self::Log {
        let (dir, settings) =
            (Path::new(""), Settings { beside_bytes: None, ..Settings::default() });
        let names = self.disk.list(dir).expect("a directory that can be listed");
        if names.iter().any(|name| name.ends_with(".seg")) {
            FileLog::open(self.disk.clone(), dir, ID, &settings).expect("it opens")
        } else {
            FileLog::create(self.disk.clone(), dir, ID, &settings).expect("it is made")
        }
    }

    fn crash(&mut self, log: Self::Log) {
        self.disk.lose_power();
        drop(log);
        self.disk = self.disk.image(self.keep);
    }
}

/// The first suite that a log does not pass.
pub(super) fn broken() -> Option<Kill> {
    let keeps = [Keep::Nothing, Keep::First(1), Keep::All, Keep::Torn(0), Keep::Torn(1)];
    keeps.into_iter().zip(1..).find_map(|(keep, after)| {
        let run = AssertUnwindSafe(|| check(|| Here { disk: SimDisk::new(), keep }));
        let panic = catch_unwind(run).err()?;
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        let what = text.unwrap_or("without words").to_owned();
        Some(Kill { by: "suite of logs".to_owned(), after, what })
    })
}
