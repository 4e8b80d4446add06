//! A ledger on threads over any disk, with bounds as small as a test wants them.

use quipu::files::Folder;
use quipu::{AnyLog, Files, LogKind, OpenError, Options};
use quipu_actors::clock::{Reading, Source};
use quipu_actors::engine::Base;
use quipu_actors::{Engine, Handle, Place, Settings};
use quipu_core::commit::Published;
use quipu_core::disk::Disk;
use quipu_core::log::{Frame, Log, Reader};
use quipu_core::machine::Registry;
use quipu_core::machines::genesis;
use quipu_core::shard::{Ask, Config};
use quipu_core::words::{Epoch, Position};
use quipu_store_redb::store::RedbStore;
use tokio::runtime::Runtime;

use crate::say::*;

/// What an engine is made of, and the folder that stays locked meanwhile.
pub(crate) type Recovered<D> = (Base<AnyLog<D>, RedbStore<D>>, Folder<D>);

/// How a ledger runs.
pub(crate) struct Run {
    pub(crate) registry: Registry,
    pub(crate) options: Options,
    pub(crate) config: Config,
    pub(crate) settings: Settings,
    pub(crate) clock: Source,
}

impl Run {
    /// With memory for a handful of streams, and a checkpoint now and then.
    pub(crate) fn small(shards: usize) -> Self {
        let mut options = options(LogKind::Files);
        options.store.cache_bytes = 1 << 20;
        let config = Config {
            memory_max: 4_000,
            filter_bytes: 64 << 10,
            keys_max: 1 << 14,
            secret: [7; 32],
            ..Config::new(0, shards)
        };
        let settings = Settings { checkpoint_bytes: 256 << 10, ..Settings::default() };
        Self { registry: machines(), options, config, settings, clock: Reading::now }
    }

    /// Opens or makes the ledger on a disk, and starts it.
    pub(crate) fn start<D>(&self, disk: &D) -> Running<D>
    where
        D: Disk + Send + Sync + 'static,
        AnyLog<D>: Log + Send + 'static,
    {
        let (base, folder) = self.recover(disk).expect("it opens");
        let durable = base.durable;
        let engine = self.engine(base);
        let handle = engine.handle();
        if durable.watermark == Position::ZERO {
            done(handle.ask(Ask::Transaction(genesis(), None)).wait());
        }
        Running { engine, folder, handle }
    }

    /// The files, recovered.
    pub(crate) fn recover<D: Disk>(&self, disk: &D) -> Result<Recovered<D>, OpenError> {
        let Self { registry, options, .. } = self;
        let mut files = match Files::open(disk.clone(), registry, options) {
            Err(OpenError::NoLedger) => Files::create(disk.clone(), ID, registry, options)?,
            opened => opened?,
        };
        let (epoch, durable): (Epoch, Published) = files.recover(registry, options, &mut |_| {})?;
        let (log, store, folder) = files.into_parts();
        Ok((Base { log, store, epoch, durable }, folder))
    }

    /// An engine over any log and store.
    pub(crate) fn engine<L, S>(&self, base: Base<L, S>) -> Engine<L, S>
    where
        L: Log + Send + 'static,
        S: quipu_core::store::Store + Send + 'static,
    {
        let Self { registry, config, settings, clock, .. } = self;
        Engine::start(base, registry, config, settings, *clock, Place::Own).expect("threads")
    }
}

/// A ledger that runs.
pub(crate) struct Running<D: Disk + 'static> {
    pub(crate) engine: Engine<AnyLog<D>, RedbStore<D>>,
    pub(crate) folder: Folder<D>,
    pub(crate) handle: Handle,
}

impl<D> Running<D>
where
    D: Disk + Send + Sync + 'static,
    AnyLog<D>: Log + Send + 'static,
    RedbStore<D>: Send,
{
    /// Stops it cleanly. Says whether its log had failed, in which case it is left as it is.
    pub(crate) fn stop(self) -> bool {
        let stopped =
            runtime().block_on(self.engine.stop()).expect("the committer has not panicked");
        if stopped.has_failed {
            return true;
        }
        self.folder.with(stopped.log, stopped.store).stop().expect("it stops");
        false
    }
}

/// Something that waits for futures.
pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime")
}

/// Every durable frame.
pub(crate) fn frames(log: &dyn Reader) -> Vec<Frame> {
    let (mut at, mut frames) = (Position::new(1), Vec::new());
    while let Some(frame) = log.read(at).expect("a readable log") {
        at = frame.last().plus(1);
        frames.push(frame);
    }
    frames
}
