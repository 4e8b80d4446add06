//! The load: wrk, one thread of it, and what it saw.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Failed;
use crate::workload::Workload;

/// What wrk is told to do.
pub(crate) const SCRIPT: &str = include_str!("wrk.lua");

/// What was seen in one run. Times are in microseconds.
#[derive(Clone, Copy, Deserialize, Serialize)]
pub(crate) struct Seen {
    /// Requests that were answered.
    pub(crate) requests: u64,
    pub(crate) micros: u64,
    pub(crate) p50: u64,
    pub(crate) p99: u64,
    pub(crate) max: u64,
    /// Connections that could not be made, broke off, or were silent for two seconds.
    pub(crate) unsent: u64,
    /// Answers that were no success.
    pub(crate) refused: u64,
    /// The number of the last request.
    pub(crate) count: u64,
}

impl Seen {
    /// Requests a second.
    pub(crate) fn rate(&self) -> f64 {
        self.requests as f64 * 1e6 / self.micros.max(1) as f64
    }
}

/// Says what to do where wrk is missing.
pub(crate) fn find() -> Result<(), Failed> {
    let found = Command::new("wrk").arg("-v").stdout(Stdio::null()).stderr(Stdio::null()).status();
    match found {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Err("wrk is missing; Debian's package `wrk` has it: apt-get install wrk".into())
        }
        Err(error) => Err(format!("wrk: {error}").into()),
    }
}

/// Asks a server for so long, over so many connections, with numbers behind `count`.
pub(crate) fn run(
    script: &Path,
    at: SocketAddr,
    (workload, count): (Workload, u64),
    connections: u64,
    duration: Duration,
) -> Result<Seen, Failed> {
    let out = Command::new("wrk")
        .args(["-t1", "--latency", "--timeout", "2s"])
        .arg(format!("-c{connections}"))
        .arg(format!("-d{}s", duration.as_secs()))
        .arg("-s")
        .arg(script)
        .args(["--", &format!("http://{at}"), workload.name(), &count.to_string()])
        .output()?;
    let (told, complaint) =
        (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    let seen = told.lines().find_map(|line| line.strip_prefix("seen "));
    let seen = seen.ok_or_else(|| format!("wrk has not come to its end: {told}{complaint}"))?;
    serde_json::from_str(seen).map_err(|why| format!("wrk told {seen}: {why}").into())
}
