//! A server on a thread of its own, and a client that writes every byte itself.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::thread::{self, JoinHandle};

use quipu_api::metrics::Metrics;
use quipu_api::secrets::Secrets;
use quipu_api::server::{Limits, serve};
use quipu_api::{Api, Settings};
use quipu_ledger::Ledger;
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::LocalSet;

use crate::document::{Document, Seen};

/// What all servers say of themselves.
static DOCUMENT: OnceLock<Document> = OnceLock::new();

/// A server over a ledger in a folder of its own.
pub(crate) struct Ground {
    pub(crate) folder: TempDir,
    /// What the ledger may take.
    memory: usize,
    /// Whether its shards and its connections have threads of their own.
    is_wide: bool,
    running: Option<Running>,
    /// What it was seen to answer.
    seen: Mutex<BTreeSet<Seen>>,
}

struct Running {
    at: SocketAddr,
    ledger: Ledger,
    stop: watch::Sender<bool>,
    threads: Vec<JoinHandle<()>>,
}

impl Ground {
    pub(crate) fn new() -> Self {
        Self::over(false, 64 << 20, false)
    }

    /// Two shards on threads of their own, and connections that come in on two more.
    pub(crate) fn wide() -> Self {
        Self::over(false, 64 << 20, true)
    }

    /// All on one thread, with a file of keys for secrets.
    pub(crate) fn with_secrets() -> Self {
        Self::over(true, 64 << 20, false)
    }

    /// One that takes in as large requests as its memory allows.
    pub(crate) fn with_memory(memory: usize) -> Self {
        Self::over(false, memory, false)
    }

    fn over(has_secrets: bool, memory: usize, is_wide: bool) -> Self {
        let folder = TempDir::new().expect("a folder");
        if has_secrets {
            Secrets::rotate(&folder.path().join("secrets")).expect("keys are made");
        }
        let mut ground = Self { folder, memory, is_wide, running: None, seen: Mutex::default() };
        ground.start();
        ground
    }

    /// No file of the ledger holds this text.
    pub(crate) fn ledger_files_do_not_hold(&self, text: &str) {
        let files = std::fs::read_dir(self.folder.path().join("ledger")).expect("a folder");
        for file in files {
            let path = file.expect("a file").path();
            let Ok(bytes) = std::fs::read(&path) else { continue };
            let holds = bytes.windows(text.len()).any(|window| window == text.as_bytes());
            assert!(!holds, "{} holds {text}", path.display());
        }
    }

    /// Where it listens.
    pub(crate) fn at(&self) -> SocketAddr {
        self.running.as_ref().expect("it runs").at
    }

    /// The ledger behind it.
    pub(crate) fn ledger(&self) -> Ledger {
        self.running.as_ref().expect("it runs").ledger.clone()
    }

    fn start(&mut self) {
        let (tell, told) = mpsc::channel();
        let (stop, stopping) = watch::channel(false);
        let (folder, memory) = (self.folder.path().join("ledger"), self.memory);
        let settings = Settings {
            is_loopback: true,
            metrics: Some(Metrics::install().expect("there is one recorder")),
            secrets: Secrets::read(&self.folder.path().join("secrets")).expect("it is whole"),
            backups: self.folder.path().join("backups"),
        };
        let (is_wide, first_stopping) = (self.is_wide, stopping.clone());
        let work = move || async move {
            let builder = Ledger::builder(folder).memory(memory);
            let builder = if is_wide { builder.shards(2) } else { builder.on_this_thread() };
            let ledger = builder.open().await.expect("it opens");
            let api = Api::new(ledger.clone(), settings).await.expect("keys are read");
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
            let socket = listener.as_fd().try_clone_to_owned().expect("a descriptor is free");
            tell.send((socket, ledger.clone(), Arc::clone(&api))).expect("the test waits");
            serve(api, listener, &Limits::default(), stopped(first_stopping)).await;
            ledger.close().await.expect("it closes");
        };
        let first = thread::spawn(move || on_a_runtime(work()));
        let (socket, ledger, api) = told.recv().expect("it starts");
        let socket = std::net::TcpListener::from(socket);
        let at = socket.local_addr().expect("it is bound");
        let mut threads = vec![first];
        if is_wide {
            threads.push(thread::spawn(move || {
                on_a_runtime(async move {
                    let listener = TcpListener::from_std(socket).expect("it is bound");
                    serve(api, listener, &Limits::default(), stopped(stopping)).await;
                });
            }));
        }
        self.running = Some(Running { at, ledger, stop, threads });
    }

    fn stop(&mut self) {
        if let Some(Running { ledger, stop, threads, .. }) = self.running.take() {
            drop(ledger);
            stop.send_replace(true);
            // The first closes the ledger, and may do so while the others still answer.
            for thread in threads.into_iter().rev() {
                thread.join().expect("it stops");
            }
        }
    }

    /// Stops cleanly and starts again over the same folder.
    pub(crate) fn restart(&mut self) {
        self.stop();
        self.start();
    }

    /// What the server says of itself.
    pub(crate) fn document(&self) -> &'static Document {
        DOCUMENT.get_or_init(|| {
            let request =
                "GET /openapi.json HTTP/1.1\r\nConnection: close\r\nHost: localhost\r\n\r\n";
            Document(self.exchange(request.as_bytes()).is(200))
        })
    }

    /// An answer that the server has given has to be one of its document.
    #[track_caller]
    pub(crate) fn answered(&self, method: &str, path: &str, told: &Told) {
        let seen = self.document().check(method, path, told);
        self.seen.lock().expect("no test goes on from a panic").extend(seen);
    }

    /// The operations that it was seen to carry out, with their statuses.
    pub(crate) fn seen(&self) -> BTreeSet<Seen> {
        self.seen.lock().expect("no test goes on from a panic").clone()
    }

    fn exchange(&self, request: &[u8]) -> Told {
        let mut stream = TcpStream::connect(self.at()).expect("it listens");
        stream.write_all(request).expect("it reads");
        Told::read(&mut BufReader::new(stream)).expect("it answers")
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Told {
        self.ask("GET", path, &[], None)
    }

    #[track_caller]
    pub(crate) fn post(&self, path: &str, body: &str) -> Told {
        self.ask("POST", path, &[], Some(body))
    }

    /// The same under an idempotency key.
    #[track_caller]
    pub(crate) fn post_keyed(&self, path: &str, key: &str, body: &str) -> Told {
        self.ask("POST", path, &[("Idempotency-Key", key)], Some(body))
    }

    /// A body that need not be text.
    #[track_caller]
    pub(crate) fn ask_bytes(&self, path: &str, body: &[u8]) -> Told {
        let len = body.len();
        let mut request = format!(
            "POST {path} HTTP/1.1\r\nConnection: close\r\nHost: localhost\r\n\
             Content-Type: application/json\r\nContent-Length: {len}\r\n\r\n"
        )
        .into_bytes();
        request.extend_from_slice(body);
        let told = self.exchange(&request);
        self.answered("POST", path, &told);
        told
    }

    /// One request on a connection of its own.
    #[track_caller]
    pub(crate) fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&str>,
    ) -> Told {
        let closes = [&[("Connection", "close")], headers].concat();
        let told = self.line().ask(method, path, &closes, body);
        self.answered(method, path, &told);
        told
    }

    /// A connection that is kept.
    pub(crate) fn line(&self) -> Line {
        Line(BufReader::new(TcpStream::connect(self.at()).expect("it listens")))
    }
}

/// A connection that asks one thing after the other.
pub(crate) struct Line(BufReader<TcpStream>);

impl Line {
    pub(crate) fn get(&mut self, path: &str) -> Told {
        self.ask("GET", path, &[], None)
    }

    pub(crate) fn post(&mut self, path: &str, body: &str) -> Told {
        self.ask("POST", path, &[], Some(body))
    }

    /// The same under an idempotency key.
    pub(crate) fn post_keyed(&mut self, path: &str, key: &str, body: &str) -> Told {
        self.ask("POST", path, &[("Idempotency-Key", key)], Some(body))
    }

    pub(crate) fn ask(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&str>,
    ) -> Told {
        let mut text = format!("{method} {path} HTTP/1.1\r\n");
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            text.push_str("Host: localhost\r\n");
        }
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(body) = body {
            if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
                text.push_str("Content-Type: application/json\r\n");
            }
            text.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
        } else {
            text.push_str("\r\n");
        }
        self.0.get_mut().write_all(text.as_bytes()).expect("it reads");
        Told::read(&mut self.0).expect("it answers")
    }
}

/// Runs to its end on this thread, with all that it starts.
fn on_a_runtime(work: impl Future<Output = ()>) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().expect("a runtime");
    LocalSet::new().block_on(&runtime, work);
}

async fn stopped(mut stopping: watch::Receiver<bool>) {
    // Whoever tells is there until it has told.
    let _ = stopping.wait_for(|stops| *stops).await;
}

impl Drop for Ground {
    fn drop(&mut self) {
        if !thread::panicking() {
            self.stop();
        }
    }
}

/// What the server has told.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Told {
    /// Reads one answer; none where the connection ends before it.
    pub(crate) fn read(stream: &mut impl BufRead) -> Option<Self> {
        let mut line = String::new();
        stream.read_line(&mut line).ok().filter(|len| *len > 0)?;
        let status = line.split(' ').nth(1)?.parse().ok()?;
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).ok()?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let len = headers.iter().find(|(name, _)| name == "content-length");
        let mut body = Vec::new();
        match len {
            Some((_, len)) => {
                body.resize(len.parse().ok()?, 0);
                stream.read_exact(&mut body).ok()?;
            }
            None if status == 204 || status == 304 => {}
            None => drop(stream.read_to_end(&mut body).ok()?),
        }
        Some(Self { status, headers, body })
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        let text = String::from_utf8_lossy(&self.body);
        serde_json::from_slice(&self.body).unwrap_or_else(|why| panic!("{why}: {text}"))
    }

    /// The same, if this is its status.
    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Value {
        let text = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status, status, "{text}");
        self.json()
    }

    /// A problem with this status and code.
    #[track_caller]
    pub(crate) fn fails(self, status: u16, code: &str) -> Value {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let problem = self.is(status);
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["status"], status, "{problem}");
        for member in ["type", "title", "detail", "request_id"] {
            assert!(problem[member].is_string(), "{member}: {problem}");
        }
        problem
    }
}
