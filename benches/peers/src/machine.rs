//! What the figures were measured on, and what its disk was told meanwhile. Linux says so in files.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The machine, as names and values.
pub(crate) struct Machine {
    pub(crate) facts: Vec<(&'static str, String)>,
    /// Whether files here outlive the power.
    pub(crate) forgets: bool,
    device: Option<PathBuf>,
}

impl Machine {
    /// Looks at the machine and at where a directory lies on it.
    pub(crate) fn look(dir: &Path) -> Result<Self> {
        let dir = dir.canonicalize()?;
        let mount = Mount::of(&dir)?;
        let device = device_of(&dir);
        let cache = device.as_deref().and_then(|device| line(device.join("queue/write_cache")));
        let model = device.as_deref().and_then(|device| line(device.join("device/model")));
        let disk = match (&device, cache) {
            (Some(device), Some(cache)) => {
                let name = device.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let model = model.map(|model| format!("{model}, ")).unwrap_or_default();
                format!("{name}, {model}its cache: {cache}")
            }
            _ => "unknown".to_owned(),
        };
        let facts = vec![
            ("processor", processor()),
            ("memory", memory()),
            ("system", value("/etc/os-release", "PRETTY_NAME=").unwrap_or_default()),
            ("kernel", line("/proc/sys/kernel/osrelease").unwrap_or_default()),
            ("file system", format!("{} ({})", mount.kind, mount.options)),
            ("disk", disk),
            ("directory", dir.display().to_string()),
            ("load before", line("/proc/loadavg").unwrap_or_default()),
        ];
        let forgets = matches!(mount.kind.as_str(), "tmpfs" | "ramfs");
        Ok(Self { facts, forgets, device })
    }

    /// What the disk was told so far; `None` where the system does not say.
    pub(crate) fn told(&self) -> Option<Told> {
        let stat = line(self.device.as_ref()?.join("stat"))?;
        let field = |at| stat.split_whitespace().nth(at)?.parse().ok();
        Some(Told { bytes: field(6)? * 512, flushes: field(15)? })
    }
}

/// What a disk was told, by whomever.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Told {
    /// Bytes that were written.
    pub(crate) bytes: u64,
    /// How often its cache was to become durable.
    pub(crate) flushes: u64,
}

impl Told {
    pub(crate) fn since(self, before: Self) -> Self {
        let bytes = self.bytes.saturating_sub(before.bytes);
        Self { bytes, flushes: self.flushes.saturating_sub(before.flushes) }
    }
}

struct Mount {
    kind: String,
    options: String,
}

impl Mount {
    /// The mount with the longest path above a directory; of several, the last.
    fn of(dir: &Path) -> Result<Self> {
        let mounts = fs::read_to_string("/proc/self/mounts")?;
        let above = mounts.lines().filter_map(|line| {
            let mut words = line.split(' ').skip(1);
            let (at, kind, options) = (words.next()?, words.next()?, words.next()?);
            dir.starts_with(at).then_some((at.len(), kind, options))
        });
        let (_, kind, options) = above.max_by_key(|mount| mount.0).context("no file system")?;
        Ok(Self { kind: kind.to_owned(), options: options.to_owned() })
    }
}

/// Where the system tells of the whole disk that a directory lies on.
fn device_of(dir: &Path) -> Option<PathBuf> {
    let number = dir.metadata().ok()?.dev();
    let major = ((number >> 8) & 0xfff) | ((number >> 32) & !0xfff);
    let minor = (number & 0xff) | ((number >> 12) & !0xff);
    let device = fs::canonicalize(format!("/sys/dev/block/{major}:{minor}")).ok()?;
    let partition = device.join("partition").exists();
    if partition { device.parent().map(Path::to_owned) } else { Some(device) }
}

fn processor() -> String {
    let model = value("/proc/cpuinfo", "model name").unwrap_or_default();
    let model = model.trim_start_matches([' ', '\t', ':']).to_owned();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!("{model}, {cores} cores")
}

fn memory() -> String {
    let total = value("/proc/meminfo", "MemTotal:").unwrap_or_default();
    let kib: u64 = total.trim().trim_end_matches(" kB").parse().unwrap_or_default();
    format!("{:.1} GiB", kib as f64 / f64::from(1 << 20))
}

/// The rest of the first line that begins so.
fn value(file: &str, begins: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let value = text.lines().find_map(|line| line.strip_prefix(begins))?;
    Some(value.trim_matches('"').to_owned())
}

fn line(file: impl AsRef<Path>) -> Option<String> {
    fs::read_to_string(file).ok().map(|text| text.trim().to_owned())
}
