//! A server as a process of its own, and a client that takes the process's end for what it is.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};
use serde_json::Value;

/// A server that runs until it is told otherwise, or until this is dropped.
pub(crate) struct Server {
    child: Child,
    at: SocketAddr,
    /// Reads what it says, to the end.
    listener: Option<JoinHandle<String>>,
}

/// A process that has ended, and what it said.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) said: String,
}

impl Server {
    /// Starts one over a folder, on a port of its own.
    pub(crate) fn start(folder: &Path, arguments: &[&str]) -> Self {
        let local = ["--listen", "127.0.0.1:0"];
        let started = Self::try_start(folder, &[&local, arguments].concat());
        started.unwrap_or_else(|ended| panic!("{}: {}", ended.status, ended.said))
    }

    /// Starts one that may refuse to run.
    pub(crate) fn try_start(folder: &Path, arguments: &[&str]) -> Result<Self, Ended> {
        let mut child = Command::new(env!("CARGO_BIN_EXE_quipu"))
            .env_clear()
            .args(["serve", "--memory", "64", "--data"])
            .arg(folder.join("data"))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it can be run");
        let said = BufReader::new(child.stderr.take().expect("a pipe"));
        let (tell, told) = mpsc::channel();
        let listener = thread::spawn(move || listen(said, &tell));
        match told.recv() {
            Ok(port) => {
                let at = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
                Ok(Self { child, at, listener: Some(listener) })
            }
            Err(_) => Err(Ended {
                status: child.wait().expect("it ends"),
                said: listener.join().expect("it reads to the end"),
            }),
        }
    }

    /// Kills it: it has no say in it.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.end();
    }

    /// Tells it to stop, and waits until it has.
    pub(crate) fn stop(mut self) -> Ended {
        self.signal(Signal::TERM);
        self.end()
    }

    /// Holds it up while this is done.
    pub(crate) fn held_up<T>(&self, work: impl FnOnce() -> T) -> T {
        self.signal(Signal::STOP);
        let done = work();
        self.signal(Signal::CONT);
        done
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it runs");
    }

    fn end(&mut self) -> Ended {
        let status = self.child.wait().expect("it ends");
        let listener = self.listener.take().expect("it ends once");
        let said = listener.join().expect("it reads to the end");
        assert!(!said.contains("panicked"), "{said}");
        Ended { status, said }
    }

    /// A connection, if there is a server behind the port.
    pub(crate) fn try_line(&self) -> Option<Line> {
        Line::to(self.at)
    }

    pub(crate) fn line(&self) -> Line {
        self.try_line().expect("it listens")
    }

    pub(crate) fn at(&self) -> SocketAddr {
        self.at
    }

    /// How many sockets it has open.
    pub(crate) fn sockets(&self) -> usize {
        let folder = format!("/proc/{}/fd", self.child.id());
        let open = fs::read_dir(folder).expect("it runs");
        // One may be closed while they are looked at.
        let targets = open.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
        targets.filter(|target| target.to_string_lossy().starts_with("socket:")).count()
    }

    /// What it has in memory, in MiB.
    pub(crate) fn memory_mib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        kib.expect("a number of KiB") >> 10
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended before, and then there is nothing left to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Tells on which port it listens, and gives all that it says.
fn listen(mut out: impl BufRead, tell: &mpsc::Sender<u16>) -> String {
    let mut said = String::new();
    loop {
        let begin = said.len();
        let len = out.read_line(&mut said).expect("it writes text");
        if len == 0 {
            return said;
        }
        if let Some((_, at)) = said[begin..].trim_end().split_once(" listens on http://") {
            let at: SocketAddr = at.parse().expect("an address");
            // Nobody waits for it twice.
            let _ = tell.send(at.port());
        }
    }
}

/// Lets this process and those that it starts have as many files open as they may. Gives how many.
pub(crate) fn raise_file_limit() -> usize {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // Where there is no limit, this is enough.
    let most = maximum.unwrap_or(1 << 16).min(1 << 16);
    setrlimit(Resource::Nofile, Rlimit { current: Some(most), maximum }).expect("it is allowed");
    most as usize
}

/// A connection that asks one thing after the other.
pub(crate) struct Line {
    stream: BufReader<TcpStream>,
    /// Sent with each request.
    key: Option<String>,
}

impl Line {
    fn to(at: SocketAddr) -> Option<Self> {
        let stream = TcpStream::connect(at).ok()?;
        stream.set_nodelay(true).ok()?;
        Some(Self { stream: BufReader::new(stream), key: None })
    }

    /// The same with an access key.
    pub(crate) fn with(mut self, key: &str) -> Self {
        self.key = Some(key.to_owned());
        self
    }

    /// Sends some bytes, if they are taken.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> Option<()> {
        self.stream.get_mut().write_all(bytes).ok()
    }

    /// The next answer; none where the connection ends before it.
    pub(crate) fn hear(&mut self) -> Option<Told> {
        Told::read(&mut self.stream)
    }

    /// Asks under an idempotency key, and gives the answer if there is one.
    pub(crate) fn try_post(&mut self, path: &str, key: &str, body: &str) -> Option<Told> {
        self.try_ask("POST", path, &[("Idempotency-Key", key)], body)
    }

    pub(crate) fn ask(&mut self, method: &str, path: &str, body: &str) -> Told {
        self.try_ask(method, path, &[], body).expect("it answers")
    }

    fn try_ask(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Option<Told> {
        let bearer = self.key.as_ref().map(|key| format!("Bearer {key}"));
        let bearer: Vec<_> = bearer.iter().map(|key| ("Authorization", key.as_str())).collect();
        self.send(request(method, path, &[&bearer, headers].concat(), body).as_bytes())?;
        self.hear()
    }

    pub(crate) fn get(&mut self, path: &str) -> Told {
        self.ask("GET", path, "")
    }

    pub(crate) fn post(&mut self, path: &str, body: &str) -> Told {
        self.ask("POST", path, body)
    }
}

/// A request as it goes over the wire.
pub(crate) fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> String {
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        let len = body.len();
        text.push_str(&format!("Content-Type: application/json\r\nContent-Length: {len}\r\n"));
    }
    text.push_str("\r\n");
    text.push_str(body);
    text
}

/// What the server has told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Told {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Told {
    fn read(stream: &mut impl BufRead) -> Option<Self> {
        let mut line = String::new();
        stream.read_line(&mut line).ok().filter(|len| *len > 0)?;
        let status = line.split(' ').nth(1)?.parse().ok()?;
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).ok().filter(|len| *len > 0)?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut told = Self { status, headers, body: String::new() };
        let mut body = vec![0; told.header("content-length")?.parse().ok()?];
        stream.read_exact(&mut body).ok()?;
        told.body = String::from_utf8(body).ok()?;
        Some(told)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn is_replayed(&self) -> bool {
        self.header("idempotent-replayed") == Some("true")
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|why| panic!("{why}: {}", self.body))
    }

    /// The body, if this is its status.
    #[track_caller]
    pub(crate) fn is(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.json()
    }
}
