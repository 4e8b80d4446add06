//! What was measured, as lines for people or as JSON for programs.

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::disk::Disk;
use super::times::Times;

/// Results, printed as they come, or together at the end.
pub(super) struct Report {
    as_json: bool,
    machine: Value,
    disk: Option<Disk>,
    results: Vec<Value>,
}

/// How a measurement went.
pub(super) struct Measured {
    pub(super) what: String,
    /// Answers, and in how much time.
    pub(super) answers: u64,
    pub(super) lasted: Duration,
    /// How long calls took.
    pub(super) took: Times,
    /// The fewest answers in any whole second.
    pub(super) worst_second: Option<u64>,
    /// The bytes of entries that went to the log.
    pub(super) log_bytes: Option<u64>,
}

impl Report {
    pub(super) fn new(as_json: bool) -> Self {
        Self { as_json, machine: Value::Null, disk: None, results: Vec::new() }
    }

    /// Says on what is measured.
    pub(super) fn machine(&mut self, below: &Path) -> Result<(), Box<dyn Error>> {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let info = read("/proc/cpuinfo");
        let model =
            info.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
        let kernel = read("/proc/sys/kernel/osrelease");
        let below = below.canonicalize().map_err(|why| format!("{}: {why}", below.display()))?;
        let mounts = read("/proc/mounts");
        let holds = |line: &&str| line.split(' ').nth(1).is_some_and(|at| below.starts_with(at));
        let mount =
            mounts.lines().filter(holds).max_by_key(|line| line.split(' ').nth(1).map(str::len));
        let files = mount.and_then(|line| line.split(' ').nth(2)).unwrap_or("unknown");
        self.machine = json!({
            "cores": cores,
            "processor": model.unwrap_or("unknown"),
            "kernel": kernel.trim(),
            "file_system": files,
            "sync": "one write past the page cache and one fdatasync for each frame",
        });
        if !self.as_json {
            println!(
                "{cores} cores, {}; Linux {}; {files}",
                model.unwrap_or("unknown"),
                kernel.trim()
            );
            println!("every answer after one write and one fdatasync of its frame");
            if files == "tmpfs" {
                println!("this folder lies in memory: nothing here says what a disk does");
            }
        }
        Ok(())
    }

    pub(super) fn disk(&mut self, disk: Disk) {
        if !self.as_json {
            println!(
                "the log alone: {} a sync, p99 {}; {:.0} MiB a second in frames of 1 MiB\n",
                short(disk.p50),
                short(disk.p99),
                disk.bytes_a_second / f64::from(1 << 20),
            );
        }
        self.disk = Some(disk);
    }

    /// Takes a result, and prints it.
    pub(super) fn add(&mut self, measured: &Measured) {
        let Measured { what, answers, lasted, took, worst_second, log_bytes } = measured;
        let rate = *answers as f64 / lasted.as_secs_f64();
        let (p50, p99, worst) = (took.within(0.5), took.within(0.99), took.longest());
        let share = |bytes: &u64| {
            self.disk
                .as_ref()
                .map(|disk| *bytes as f64 / lasted.as_secs_f64() / disk.bytes_a_second)
        };
        let share = log_bytes.as_ref().and_then(share);
        let of_sync = self.disk.as_ref().map(|disk| {
            let of = |took: Duration, sync: Duration| took.as_secs_f64() / sync.as_secs_f64();
            (of(p50, disk.p50), of(p99, disk.p99))
        });
        if !self.as_json {
            print!(
                "{what:<44} {:>11} a second   p50 {}, p99 {}, worst {}",
                grouped(rate as u64),
                short(p50),
                short(p99),
                short(worst)
            );
            if let Some(worst) = worst_second {
                print!("; worst second {}", grouped(*worst));
            }
            if let Some(share) = share {
                print!("; {:.0} % of the log alone", share * 100.0);
            } else if let Some((p50, p99)) = of_sync {
                print!("; {p50:.2} × and {p99:.2} × a sync");
            }
            println!("; {} MiB resident", resident() >> 20);
        }
        self.results.push(json!({
            "work": what,
            "answers": answers,
            "seconds": lasted.as_secs_f64(),
            "a_second": rate,
            "p50_us": p50.as_secs_f64() * 1e6,
            "p99_us": p99.as_secs_f64() * 1e6,
            "worst_us": worst.as_secs_f64() * 1e6,
            "worst_second": worst_second,
            "share_of_log": share,
            "resident_bytes": resident(),
        }));
    }

    pub(super) fn end(self) {
        if self.as_json {
            let disk = self.disk.map(|disk| {
                json!({
                    "sync_p50_us": disk.p50.as_secs_f64() * 1e6,
                    "sync_p99_us": disk.p99.as_secs_f64() * 1e6,
                    "bytes_a_second": disk.bytes_a_second,
                })
            });
            println!(
                "{:#}",
                json!({ "machine": self.machine, "log_alone": disk, "results": self.results })
            );
        }
    }
}

/// A duration in the unit that suits it.
fn short(took: Duration) -> String {
    let micros = took.as_secs_f64() * 1e6;
    match micros {
        ..1_000.0 => format!("{micros:.0} µs"),
        ..1_000_000.0 => format!("{:.1} ms", micros / 1e3),
        _ => format!("{:.2} s", micros / 1e6),
    }
}

/// A number with its thousands apart.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// The bytes of this process that are in memory.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = status.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or(0) * 4_096
}
