//! What the figures were measured on. Linux says so in files; the disk is asked.

use std::fs;
use std::path::Path;

use quipu_disk::RealDisk;

use crate::Failed;
use crate::measure::{Ahead, Case, percentile};

/// How often the disk is asked for a sync.
const SYNCS: usize = 1_000;

/// The machine, as names and values.
pub(crate) struct Machine {
    pub(crate) facts: Vec<(&'static str, String)>,
}

impl Machine {
    /// Looks at the machine and at where a folder lies on it, which must be a disk.
    pub(crate) fn look(below: &Path) -> Result<Self, Failed> {
        let below = below.canonicalize().map_err(|why| format!("{}: {why}", below.display()))?;
        let system = file_system(&below).ok_or("no file system holds the folder")?;
        if matches!(system.as_str(), "tmpfs" | "ramfs") {
            let below = below.display();
            return Err(format!("{below} is on {system}, where nothing is durable: --below").into());
        }
        let load = line("/proc/loadavg");
        let facts = vec![
            ("processor", processor()),
            ("memory", memory()),
            ("kernel", line("/proc/sys/kernel/osrelease")),
            ("file system", system),
            ("4 KiB written and synced", sync(&below)?),
            ("load before", load),
        ];
        Ok(Self { facts })
    }
}

/// The kind of the mount with the longest path above a folder; of several, the last.
fn file_system(below: &Path) -> Option<String> {
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    let above = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        let (at, kind) = (words.next()?, words.next()?);
        below.starts_with(at).then_some((at.len(), kind))
    });
    above.max_by_key(|mount| mount.0).map(|(_, kind)| kind.to_owned())
}

/// What a frame of a few events costs the disk.
fn sync(below: &Path) -> Result<String, Failed> {
    let folder = tempfile::tempdir_in(below)?;
    let disk = RealDisk::open(folder.path())?;
    let case = Case { size: 4 << 10, ahead: Ahead::Zeros, direct: true };
    let mut took = case.run(&disk, SYNCS)?;
    took.sort_unstable();
    let us = |percent| percentile(&took, percent).as_secs_f64() * 1e6;
    Ok(format!("p50 {:.0} µs, p99 {:.0} µs", us(50), us(99)))
}

fn processor() -> String {
    let model = value("/proc/cpuinfo", "model name");
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!("{}, {cores} cores", model.trim_start_matches([' ', '\t', ':']))
}

fn memory() -> String {
    let kib = value("/proc/meminfo", "MemTotal:");
    let kib: u64 = kib.trim().trim_end_matches(" kB").parse().unwrap_or_default();
    format!("{:.1} GiB", kib as f64 / f64::from(1 << 20))
}

/// The rest of the first line that begins so.
fn value(file: &str, begins: &str) -> String {
    let text = fs::read_to_string(file).unwrap_or_default();
    let value = text.lines().find_map(|line| line.strip_prefix(begins));
    value.unwrap_or_default().to_owned()
}

fn line(file: &str) -> String {
    fs::read_to_string(file).unwrap_or_default().trim().to_owned()
}
