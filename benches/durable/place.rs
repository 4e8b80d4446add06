//! Where the benches keep their files, and what they say about time and memory.

use std::path::PathBuf;
use std::time::Duration;

use quipu_disk::RealDisk;

/// A directory that goes at the end.
pub(crate) struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        let below =
            std::env::var_os("QUIPU_BENCH_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
        Self { dir: tempfile::tempdir_in(below).expect("a directory") }
    }

    pub(crate) fn disk(&self) -> RealDisk {
        RealDisk::open(self.dir.path()).expect("a disk")
    }

    /// The bytes that its files take on the disk, with what they hold.
    pub(crate) fn used(&self) -> u64 {
        fn walk(dir: &std::path::Path) -> u64 {
            let entries = std::fs::read_dir(dir).expect("readable");
            let lens = entries.map(|entry| {
                let entry = entry.expect("readable");
                let about = entry.metadata().expect("readable");
                if about.is_dir() { walk(&entry.path()) } else { about.len() }
            });
            lens.sum()
        }
        walk(self.dir.path())
    }
}

/// The value of a setting, or a default.
pub(crate) fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// The resident memory of this process now, in bytes; zero where the system does not say.
pub(crate) fn resident() -> u64 {
    status("VmRSS:")
}

/// The most that it has been.
pub(crate) fn resident_most() -> u64 {
    status("VmHWM:")
}

fn status(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or(0) * 1_024
}

pub(crate) fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

pub(crate) fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
