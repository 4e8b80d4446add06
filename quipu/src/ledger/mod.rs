//! The ledger that a program embeds.

mod open;

pub use open::Builder;

use std::sync::{Arc, Mutex, PoisonError};

use quipu_actors::{Answer, Answers, Engine, Handle};
use quipu_core::commit::Published;
use quipu_core::shard::Ask;
use quipu_disk::RealDisk;
use quipu_store_redb::store::RedbStore;

use crate::error::OpenError;
use crate::files::Folder;
use crate::log::AnyLog;
use crate::manifest::LedgerId;

type Running = Engine<AnyLog<RealDisk>, RedbStore<RealDisk>>;

/// An open ledger. Clones are the same one.
///
/// Asks can be made from any thread, of any runtime or none. When the last clone is dropped
/// without [`close`](Self::close), the ledger ends as if its process had been killed: nothing that
/// was answered is lost, and the next opening has more to recover.
#[derive(Clone)]
pub struct Ledger {
    inner: Arc<Inner>,
}

struct Inner {
    handle: Handle,
    id: LedgerId,
    running: Mutex<Option<(Running, Folder<RealDisk>)>>,
}

impl Ledger {
    /// Opens the ledger in a folder, or makes one where the folder is empty or not there.
    pub async fn open(folder: impl Into<std::path::PathBuf>) -> Result<Self, OpenError> {
        Self::builder(folder).open().await
    }

    /// The same, with choices.
    pub fn builder(folder: impl Into<std::path::PathBuf>) -> Builder {
        Builder::new(folder.into())
    }

    /// Stops cleanly: answers what was asked, lets nothing more in, and brings everything onto
    /// the disk. Of several clones the first one closes the ledger for all.
    pub async fn close(self) -> Result<(), OpenError> {
        let running = self.inner.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some((engine, folder)) = running else { return Ok(()) };
        let Some(stopped) = engine.stop().await else {
            return Err(OpenError::Threads("the committer has panicked".into()));
        };
        if stopped.has_failed {
            // The next opening trusts nothing that no later frame vouches for.
            return Err(OpenError::Threads("the log has failed; open the ledger again".into()));
        }
        open::beside(move || folder.with(stopped.log, stopped.store).stop()).await
    }

    /// Which ledger it is.
    #[must_use]
    pub fn id(&self) -> LedgerId {
        self.inner.id
    }

    /// Asks for anything that the engine can do. What this library has typed calls for is easier
    /// asked with those.
    pub fn ask(&self, ask: Ask) -> Answer {
        self.inner.handle.ask(ask)
    }

    /// Asks for several independent things at once.
    pub fn ask_all(&self, asks: Vec<Ask>) -> Answers {
        self.inner.handle.ask_all(asks)
    }

    /// What is durable now.
    #[must_use]
    pub fn durable(&self) -> Published {
        self.inner.handle.durable()
    }

    /// What the engine can be asked through, and read.
    #[must_use]
    pub fn handle(&self) -> &Handle {
        &self.inner.handle
    }
}
