//! Quipu over HTTP.
//!
//! | module | what it is |
//! |---|---|
//! | [`server`] | the listener, its connections, and how it stops |
//! | `route`, `routes` | the table of routes, of which router and document are made |
//! | `entrance` | how a request is let in, carried out and answered |
//! | `caller` | who asks: keys and scopes, and what loopback lets in |
//! | `request`, `reply`, `problem` | a request's words; a success; why there is none |
//! | `wire`, `shown`, `list` | words, bodies and pages in JSON |
//! | `document` | OpenAPI and the page that shows it |
//! | [`metrics`], [`secrets`] | what Prometheus reads; what only a payout's worker is told |
//!
//! It knows the ledger through its library, and nothing of how that keeps anything.

mod caller;
mod document;
mod entrance;
mod list;
pub mod metrics;
mod problem;
mod reply;
mod request;
mod route;
mod routes;
pub mod secrets;
pub mod server;
mod shown;
mod wire;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::http::Method;
use quipu_ledger::{Error, Ledger};
use tokio::sync::Semaphore;

use crate::caller::Callers;
use crate::entrance::{Meter, Seldom};
use crate::metrics::Metrics;
use crate::reply::RequestIds;
use crate::secrets::Secrets;

/// What the bodies of requests may take of memory, all together.
const BODIES_MAX: usize = 256 << 20;

/// A ledger as it is answered for over HTTP.
pub struct Api {
    ledger: Ledger,
    callers: Callers,
    /// The OpenAPI document.
    document: String,
    metrics: Option<Metrics>,
    secrets: Option<Secrets>,
    /// The folder that backups go into.
    backups: PathBuf,
    /// Bytes that bodies may still take.
    bodies: Semaphore,
    is_stopping: AtomicBool,
    /// Requests that no route takes.
    astray: Meter,
    /// When to say that requests are turned away.
    turned_away: Seldom,
    request_ids: RequestIds,
}

/// What a server may do beside its ledger.
pub struct Settings {
    /// Whether only this machine reaches it: then, while no key was made, whoever asks may do
    /// everything, in the book `default`.
    pub is_loopback: bool,
    /// What `/metrics` shows.
    pub metrics: Option<Metrics>,
    /// What encrypts the secrets of withdrawals. Without, none is taken.
    pub secrets: Option<Secrets>,
    /// The folder that backups go into, which is not that of the ledger.
    pub backups: PathBuf,
}

impl Api {
    /// Over an open ledger.
    pub async fn new(ledger: Ledger, settings: Settings) -> Result<Arc<Self>, Error> {
        let Settings { is_loopback, metrics, secrets, backups } = settings;
        let callers = Callers::new(&ledger, is_loopback);
        let keys = ledger.access().load().await?;
        for key in &keys.live {
            callers.add(&ledger, key);
        }
        if keys.made > 0 {
            callers.close();
        }
        let mut origin = [0; 8];
        getrandom::fill(&mut origin).map_err(|error| Error::Threads(error.to_string()))?;
        Ok(Arc::new(Self {
            ledger,
            callers,
            document: document::document(&routes::all()),
            metrics,
            secrets,
            backups,
            bodies: Semaphore::new(BODIES_MAX),
            is_stopping: AtomicBool::new(false),
            astray: Meter::new(&Method::OPTIONS, "none"),
            turned_away: Seldom::new(),
            request_ids: RequestIds::new(u64::from_le_bytes(origin)),
        }))
    }

    /// Whether requests without a key are let in.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.callers.is_open()
    }

    /// Whether a key was ever made.
    #[must_use]
    pub fn has_keys(&self) -> bool {
        self.callers.has_keys()
    }

    /// From now on nothing more is let in; what was let in is answered.
    pub fn stop(&self) {
        self.is_stopping.store(true, Ordering::Release);
    }

    fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Acquire)
    }
}
