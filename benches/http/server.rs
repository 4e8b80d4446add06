//! Processes that are measured: how they are started, looked at, and ended.

use std::env;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::Failed;
use crate::client::Client;
use crate::options::Options;
use crate::yardstick;

/// How long a server may take until it answers.
const START: Duration = Duration::from_secs(30);
/// How often it is asked meanwhile.
const ASK_AGAIN: Duration = Duration::from_millis(20);
/// The ticks in which Linux tells programs what time they took.
const TICKS_A_SECOND: u64 = 100;

/// A process that answers, and ends with this value.
pub(crate) struct Server {
    pub(crate) name: &'static str,
    pub(crate) at: SocketAddr,
    child: Child,
}

/// Builds the command as users have it, and says where it is.
pub(crate) fn build() -> Result<PathBuf, Failed> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .args(["build", "--release", "-p", "quipu", "--bin", "quipu"])
        .arg("--message-format=json-render-diagnostics")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stderr(Stdio::inherit())
        .output()?;
    if !built.status.success() {
        return Err("quipu could not be built".into());
    }
    let messages = String::from_utf8(built.stdout)?;
    let binary = messages.lines().find_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        let is_it = message["target"]["name"] == "quipu";
        is_it.then(|| message["executable"].as_str().map(PathBuf::from))?
    });
    binary.ok_or_else(|| "cargo has not said where quipu is".into())
}

impl Server {
    /// `quipu serve` over a new ledger in this folder.
    pub(crate) fn quipu(binary: &Path, folder: &Path, options: &Options) -> Result<Self, Failed> {
        // Whoever takes the port in between makes it fail, and loudly.
        let at = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let log = folder.join("server.log");
        let mut command = Command::new(binary);
        command.arg("serve").arg("--data").arg(folder.join("data"));
        command.arg("--listen").arg(at.to_string());
        command.arg("--memory").arg(options.memory.to_string());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&log)?);
        let child = command.spawn()?;
        let mut server = Self { name: "quipu serve", at, child };
        match server.ready() {
            Ok(()) => Ok(server),
            Err(why) => {
                let said = fs::read_to_string(log).unwrap_or_default();
                Err(format!("quipu serve {why}\n{said}").into())
            }
        }
    }

    /// The handler that does nothing, on one of tokio's runtimes.
    pub(crate) fn yardstick(
        name: &'static str,
        runtime: &str,
        answers: &Path,
    ) -> Result<Self, Failed> {
        let mut command = Command::new(env::current_exe()?);
        command.arg(yardstick::FLAG).arg(runtime).arg(answers);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let told = child.stdout.take().expect("its output was asked for");
        // From here on it ends whatever happens.
        let mut server = Self { name, at: (Ipv4Addr::LOCALHOST, 0).into(), child };
        let mut line = String::new();
        BufReader::new(told).read_line(&mut line)?;
        let at = line.trim().parse();
        server.at = at.map_err(|_| format!("{name} does not say where it is: {line:?}"))?;
        Ok(server)
    }

    /// Waits until it is ready; says why it will not be.
    fn ready(&mut self) -> Result<(), String> {
        let began = Instant::now();
        while began.elapsed() < START {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("has ended: {status}"));
            }
            let asked = Client::connect(self.at).and_then(|mut client| {
                let (status, _) = client.told("GET", "/readyz", "")?;
                Ok(status)
            });
            if asked.is_ok_and(|status| status == 200) {
                return Ok(());
            }
            thread::sleep(ASK_AGAIN);
        }
        Err(format!("was not ready within {} s", START.as_secs()))
    }

    /// What it has taken of processors so far, in user mode and in the system, in microseconds.
    pub(crate) fn processor(&self) -> (u64, u64) {
        let stat = self.proc("stat");
        // The name of the program may hold anything, and ends with the last bracket.
        let fields = stat.rsplit(')').next().unwrap_or_default();
        let mut ticks = fields.split_whitespace().skip(11).map(|field| field.parse().unwrap_or(0));
        let mut micros = || ticks.next().unwrap_or(0) * 1_000_000 / TICKS_A_SECOND;
        (micros(), micros())
    }

    /// The most memory that it had resident, in bytes.
    pub(crate) fn resident_most(&self) -> u64 {
        let status = self.proc("status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
        kib.unwrap_or(0) * 1_024
    }

    fn proc(&self, what: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{what}", self.child.id())).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // What it has is thrown away. One that has ended already needs no signal.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
