//! The ledger that a program embeds.

mod copies;
mod open;

pub use open::Builder;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use quipu_actors::clock::{Reading, Source};
use quipu_actors::{Answer, Answers, Engine, Handle};
use quipu_core::commit::Published;
pub use quipu_core::log::Anchor;
use quipu_core::shard::Ask;
use quipu_disk::RealDisk;
use quipu_store_redb::store::RedbStore;
use tokio::sync::watch;

use crate::access::Access;
use crate::batch::Batch;
use crate::blocking;
use crate::book::Book;
use crate::call::Call;
use crate::error::{Error, OpenError};
use crate::events::Events;
use crate::files::Folder;
use crate::list::List;
use crate::log::AnyLog;
use crate::manifest::LedgerId;
use crate::words::{Given, Id, Position};

type Log = AnyLog<RealDisk>;
type Store = RedbStore<RealDisk>;
type Running = Engine<Log, Store>;

/// An open ledger. Clones are the same one.
///
/// Calls can be made from any thread, of any runtime or none. When the last clone is dropped, and
/// the last handle that was made of it, without [`close`](Self::close), the ledger ends as if its
/// process had been killed: nothing that was answered is lost, and the next opening has more to
/// recover.
#[derive(Clone)]
pub struct Ledger {
    inner: Arc<Inner>,
}

struct Inner {
    handle: Handle,
    id: LedgerId,
    secret: [u8; 32],
    clock: Source,
    running: Mutex<Option<(Running, Folder<RealDisk>)>>,
    /// How many access keys were made, where that is known. Held while one is made.
    keys_made: tokio::sync::Mutex<Option<u64>>,
    /// Whether it was closed.
    closed: watch::Sender<bool>,
}

impl Ledger {
    /// Opens the ledger in a folder, or makes one where the folder is empty or not there.
    pub async fn open(folder: impl Into<PathBuf>) -> Result<Self, Error> {
        Self::builder(folder).open().await
    }

    /// The same on this thread, which needs no runtime.
    pub fn open_blocking(folder: impl Into<PathBuf>) -> Result<Self, Error> {
        Self::builder(folder).open_blocking()
    }

    /// The same, with choices.
    pub fn builder(folder: impl Into<PathBuf>) -> Builder {
        Builder::new(folder.into())
    }

    /// Stops cleanly: answers what was asked, lets nothing more in, and brings everything onto
    /// the disk. Of several clones the first one closes the ledger for all.
    pub async fn close(self) -> Result<(), Error> {
        let running = self.inner.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some((engine, folder)) = running else { return Ok(()) };
        let stopped = engine.stop().await;
        self.inner.closed.send_replace(true);
        let Some(stopped) = stopped else {
            return Err(OpenError::Threads("the committer has panicked".into()).into());
        };
        if stopped.has_failed {
            // The next opening trusts nothing that no later frame vouches for.
            return Err(quipu_core::words::Fault::LogFailed.into());
        }
        let stop = blocking::beside(move || folder.with(stopped.log, stopped.store).stop());
        Ok(stop.await??)
    }

    /// The same on this thread, which must not be one that a runtime runs its tasks on.
    pub fn close_blocking(self) -> Result<(), Error> {
        blocking::wait(self.close())
    }

    /// Which ledger it is.
    #[must_use]
    pub fn id(&self) -> LedgerId {
        self.inner.id
    }

    /// A book, by its name. Every ledger has a book `default`.
    #[must_use]
    pub fn book(&self, id: impl Given<Id>) -> Book {
        Book::new(self, id)
    }

    /// The access keys, which a server lets its callers in by.
    #[must_use]
    pub fn access(&self) -> Access {
        Access::new(self)
    }

    /// All books, in the order of their creation: for the operator.
    pub fn books(&self) -> List<Book> {
        List::streams(&Book::of_books(self))
    }

    /// Independent calls that are asked at once, each with an outcome of its own.
    pub fn batch<T: Send + 'static, O: 'static>(
        &self,
        calls: impl IntoIterator<Item = Call<T, O>>,
    ) -> Batch<T> {
        Batch::new(self).all(calls)
    }

    /// What happened in all books behind a position, oldest first, and then what goes on to
    /// happen.
    pub fn events(&self, after: impl Given<Position>) -> Events {
        Events::new(self, None, after)
    }

    /// Asks for anything that the engine can do, such as a command of a kind of the program's
    /// own. What this library has calls for is easier asked with those.
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

    /// Up to where history is durable, and what all of it hashes to: none of it can be changed,
    /// dropped or put elsewhere without another hash. Kept elsewhere,
    /// [`verify`](crate::verify()) holds the ledger against it.
    #[must_use]
    pub fn anchor(&self) -> Anchor {
        self.inner.handle.log().anchor()
    }

    /// Whether the log has failed: nothing is acknowledged until the ledger is opened again.
    #[must_use]
    pub fn is_latched(&self) -> bool {
        self.inner.handle.has_failed()
    }

    /// What the engine can be asked through, and read.
    #[must_use]
    pub fn handle(&self) -> &Handle {
        &self.inner.handle
    }

    /// Whether it is the same ledger.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    /// What tokens are derived with.
    pub(crate) fn secret(&self) -> &[u8; 32] {
        &self.inner.secret
    }

    /// What its clocks say.
    pub(crate) fn clocks(&self) -> Reading {
        (self.inner.clock)()
    }

    /// How many access keys were made, where that is known.
    pub(crate) fn keys_made(&self) -> &tokio::sync::Mutex<Option<u64>> {
        &self.inner.keys_made
    }

    /// Says whether it was closed, and when it is.
    pub(crate) fn closed(&self) -> watch::Receiver<bool> {
        self.inner.closed.subscribe()
    }

    /// Has something done with log and store, between two frames.
    async fn order<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Log, &mut Store) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let ordered = self.running(|engine| engine.order(act))?;
        Ok(ordered.await?)
    }

    /// Asks the engine for something, if the ledger was not closed.
    fn running<T>(&self, ask: impl FnOnce(&Running) -> T) -> Result<T, Error> {
        let running = self.inner.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.as_ref().map(|(engine, _)| ask(engine)).ok_or(Error::Closed)
    }
}
