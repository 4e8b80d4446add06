//! The listener, its connections, and how it stops.
//!
//! Connections are served on the thread that runs this, which is the shard's own where the ledger
//! was opened on it: then a request wakes no other thread on its way to the shard and back.
//!
//! What a client takes too long for ends its connection: to send the head of a request, to take an
//! answer, or to ask again. One sweep a second looks for those, so that no request needs a timer.

use core::cell::{Cell, OnceCell};
use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::Waker;
use core::time::Duration;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tower_service::Service;

use crate::{Api, entrance, routes};

/// How long to wait after a connection could not be taken, such as for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How often idle connections are looked for, while there are connections.
const SWEEP: Duration = Duration::from_secs(1);

/// How many connections have to have ended, at least, before it is worth forgetting them.
const FORGOTTEN_LEAST: usize = 64;

/// The bounds of a server.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The most connections at once. More wait in the listener's queue until one ends.
    pub connections_max: usize,
    /// How long a connection may be without a request that is carried out: while a head comes,
    /// while an answer is taken, and in between.
    pub idle_time: Duration,
    /// The most bytes of a request's head.
    pub head_bytes_max: usize,
    /// How long requests under way may go on once it stops.
    pub drain_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 10_000,
            idle_time: Duration::from_secs(75),
            head_bytes_max: 64 << 10,
            drain_time: Duration::from_secs(20),
        }
    }
}

/// Says on this listener that the ledger is starting, for as long as it is awaited.
pub async fn starting(listener: &TcpListener, limits: &Limits) {
    // To drop this drops its connections, whose clients ask again.
    let never = core::future::pending();
    take(listener, &entrance::starting(), limits, never).await;
}

/// Answers on this listener until `stop` is there, and then whatever was let in before. It runs on
/// the thread that awaits it, within a `LocalSet` of tokio or a system of actix.
pub async fn serve(
    api: Arc<Api>,
    listener: TcpListener,
    limits: &Limits,
    stop: impl Future<Output = ()>,
) {
    let router = entrance::router(Arc::clone(&api), routes::all());
    let (mut connections, watched) = take(&listener, &router, limits, stop).await;
    drop(listener);
    api.stop();
    watched.end_all();
    let all = async { while connections.join_next().await.is_some() {} };
    if timeout(limits.drain_time, all).await.is_err() {
        tracing::warn!("connections were cut off that did not end in time");
    }
}

/// Takes connections until `stop` is there. Gives those that go on.
async fn take(
    listener: &TcpListener,
    router: &Router,
    limits: &Limits,
    stop: impl Future<Output = ()>,
) -> (JoinSet<()>, Watched) {
    let http = Rc::new(http(limits));
    let places = Arc::new(Semaphore::new(limits.connections_max));
    let mut connections = JoinSet::new();
    let mut stop = pin!(stop);
    let mut watched = Watched::default();
    let mut sweeps = interval(SWEEP);
    sweeps.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = &mut stop => break,
            _ = sweeps.tick(), if !watched.is_empty() => watched.sweep(limits.idle_time),
            accepted = accept(listener, &places) => {
                let Some((stream, place)) = accepted else { continue };
                let life = Rc::new(Life::new());
                let (http, life_of) = (Rc::clone(&http), Rc::clone(&life));
                let work = talk(http, stream, router.clone(), life_of, place);
                watched.add(life, connections.spawn_local(work));
            }
            Some(_) = connections.join_next() => {}
        }
    }
    (connections, watched)
}

fn http(limits: &Limits) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.max_buf_size(limits.head_bytes_max).pipeline_flush(true);
    // Whoever has sent all that it has to say is answered. To look for its end while it waits
    // takes a buffer of 8 KiB for each request, and changes nothing: it is carried out anyway.
    http.half_close(true);
    http
}

/// What a connection is doing.
struct Life {
    /// Requests that are carried out now.
    under_way: Cell<u32>,
    /// Since when there is none.
    since: Cell<Instant>,
    /// Whether it is to end once nothing is under way.
    ends: Cell<bool>,
    /// Has it look at that.
    waker: OnceCell<Waker>,
}

impl Life {
    fn new() -> Self {
        Self {
            under_way: Cell::new(0),
            since: Cell::new(Instant::now()),
            ends: Cell::new(false),
            waker: OnceCell::new(),
        }
    }

    fn begin(self: &Rc<Self>) -> UnderWay {
        self.under_way.set(self.under_way.get() + 1);
        UnderWay(Rc::clone(self))
    }
}

/// A request that is carried out.
struct UnderWay(Rc<Life>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.set(self.0.under_way.get() - 1);
        self.0.since.set(Instant::now());
    }
}

/// The connections that are there, and how each is cut off.
#[derive(Default)]
struct Watched {
    all: Vec<(Rc<Life>, AbortHandle)>,
    /// At so many those that have ended are forgotten, whenever the next sweep comes: clients
    /// that connect for each request would leave tens of thousands of them behind in a second.
    full_at: usize,
}

impl Watched {
    fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    fn add(&mut self, life: Rc<Life>, abort: AbortHandle) {
        if self.all.len() >= self.full_at {
            self.all.retain(|(_, abort)| !abort.is_finished());
            self.full_at = 2 * self.all.len() + FORGOTTEN_LEAST;
        }
        self.all.push((life, abort));
    }

    /// Has each end once it has answered what was asked on it.
    fn end_all(&self) {
        for (life, _) in &self.all {
            life.ends.set(true);
            if let Some(waker) = life.waker.get() {
                waker.wake_by_ref();
            }
        }
    }

    /// Forgets those that have ended, and cuts those off that have been idle for too long.
    fn sweep(&mut self, idle_time: Duration) {
        let now = Instant::now();
        self.all.retain(|(life, abort)| {
            let idle = life.under_way.get() == 0 && now - life.since.get() > idle_time;
            if idle {
                abort.abort();
            }
            !idle && !abort.is_finished()
        });
    }
}

/// The next connection, once there is a place for it.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, place)),
        Err(error) => {
            tracing::warn!(%error, "a connection could not be taken");
            sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

/// Answers on one connection until it ends.
async fn talk(
    http: Rc<http1::Builder>,
    stream: TcpStream,
    router: Router,
    life: Rc<Life>,
    _place: OwnedSemaphorePermit,
) {
    // Answers are small, and whole when they are written.
    let _ = stream.set_nodelay(true);
    let life_of = Rc::clone(&life);
    let service = service_fn(move |request| {
        let (mut router, under_way) = (router.clone(), life_of.begin());
        async move {
            let _under_way = under_way;
            router.call(request).await
        }
    });
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
    let mut is_ending = false;
    let ended = poll_fn(|task| {
        // It stays in one task for as long as it lives.
        life.waker.get_or_init(|| task.waker().clone());
        if life.ends.get() && !is_ending {
            is_ending = true;
            connection.as_mut().graceful_shutdown();
        }
        connection.as_mut().poll(task)
    })
    .await;
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke off");
    }
}
