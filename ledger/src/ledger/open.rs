//! How a ledger is opened: its choices, recovery, and the engine over it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use quipu_actors::clock::{Reading, Source};
use quipu_actors::engine::Base;
use quipu_actors::{Engine, Place, Settings};
use quipu_core::commit::Published;
use quipu_core::machine::Registry;
use quipu_core::machines::{genesis, registry};
use quipu_core::shard::{Ask, Config, Leg, Reply};
use quipu_core::words::{Epoch, Position, Timestamp};
use quipu_disk::RealDisk;
use tokio::sync::watch;

use super::{Inner, Ledger};
use crate::blocking::{self, beside};
use crate::directory;
use crate::error::{Error, OpenError};
use crate::files::{Files, Options};
use crate::manifest::{LedgerId, LogKind};
use crate::measured;
use crate::outcome::Refused;
use crate::secret::{self, KeyMaterial};

/// The memory that a ledger may take, unless it is said otherwise.
const MEMORY: usize = 512 << 20;
/// The least that a ledger works with.
const MEMORY_MIN: usize = 32 << 20;

/// How a ledger is opened. Every choice has a default that works.
#[must_use = "a builder opens nothing before `open`"]
pub struct Builder {
    folder: PathBuf,
    memory: usize,
    shards: usize,
    log: LogKind,
    keys: KeyMaterial,
    clock: Source,
    registry: Registry,
    genesis: Vec<Leg>,
    place: Place,
    tune: Option<Tune>,
}

/// A change of what is seldom changed.
type Tune = Box<dyn FnOnce(&mut Settings) + Send>;

impl Builder {
    pub(super) fn new(folder: PathBuf) -> Self {
        // Up to two cores one shard is fastest: a transaction is then a single step.
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            folder,
            memory: MEMORY,
            shards: (cores / 2).max(1),
            log: LogKind::Files,
            keys: KeyMaterial::default(),
            clock: Reading::now,
            registry: registry(),
            genesis: genesis(),
            place: Place::Own,
            tune: None,
        }
    }

    /// The memory that it may take, in bytes: 512 MiB unless said otherwise.
    pub fn memory(mut self, bytes: usize) -> Self {
        self.memory = bytes.max(MEMORY_MIN);
        self
    }

    /// How many shards: half as many as there are cores, unless said otherwise.
    pub fn shards(mut self, shards: usize) -> Self {
        self.shards = shards.max(1);
        self
    }

    /// What keeps the log of a ledger that is made here.
    pub fn log(mut self, log: LogKind) -> Self {
        self.log = log;
        self
    }

    /// Where the ledger's secret is kept.
    pub fn keys(mut self, keys: KeyMaterial) -> Self {
        self.keys = keys;
        self
    }

    /// Where time comes from: the machine's clocks, unless said otherwise.
    pub fn clock(mut self, clock: Source) -> Self {
        self.clock = clock;
        self
    }

    /// The machines: the built-in ones, unless said otherwise.
    pub fn machines(mut self, registry: Registry) -> Self {
        self.registry = registry;
        self
    }

    /// Runs the shards on the thread that opens the ledger, which has to be that of a `LocalSet`
    /// of tokio or a system of actix. Whoever asks from there wakes no other thread.
    pub fn on_this_thread(mut self) -> Self {
        self.place = Place::Here;
        self
    }

    /// Changes bounds and choices of the engine that are seldom changed.
    pub fn tune(mut self, tune: impl FnOnce(&mut Settings) + Send + 'static) -> Self {
        self.tune = Some(Box::new(tune));
        self
    }

    /// Opens the ledger, or makes it where the folder is empty or not there.
    pub async fn open(mut self) -> Result<Ledger, Error> {
        measured::describe();
        let Shares { options, settings, mut config } = self.shares();
        let Self { folder, keys, clock, registry, genesis, place, .. } = self;
        let machines = registry.clone();
        let opened = beside(move || {
            let opened = open_files(&folder, &keys, &machines, &options);
            opened.map_err(|error| error.at(&folder))
        });
        let (files, epoch, durable, secret) = opened.await??;
        config.secret = secret;
        let (log, store, folder) = files.into_parts();
        let base = Base { log, store, epoch, durable };
        let engine = Engine::start(base, &registry, &config, &settings, clock, place)
            .map_err(|error| OpenError::Threads(error.to_string()))?;
        let handle = engine.handle();
        if durable.watermark == Position::ZERO && !genesis.is_empty() {
            // One entry: power that goes while it is written leaves a ledger that is still new.
            match handle.ask(Ask::Transaction(genesis, None)).await {
                Reply::Done(_) => {}
                Reply::Failed(fault) => return Err(fault.into()),
                Reply::Refused(refused) => return Err(Refused::from(refused).into()),
            }
        }
        let id = folder.manifest.id;
        let running = Mutex::new(Some((engine, folder)));
        let (closed, _) = watch::channel(false);
        let keys_made = tokio::sync::Mutex::new(None);
        let inner = Inner { handle, id, secret, clock, running, keys_made, closed };
        Ok(Ledger { inner: Arc::new(inner) })
    }

    /// The same on this thread, which needs no runtime.
    pub fn open_blocking(self) -> Result<Ledger, Error> {
        blocking::wait(self.open())
    }

    /// Makes a new ledger out of a backup, in the folder, which is empty or not there. It does not
    /// open it.
    ///
    /// It has an id of its own, and every payout that was unfinished in the backup is unknown:
    /// the original may have made it since. A backup does not hold the ledger's secret, so it
    /// opens once the file `SECRET` of the original was copied beside it, or with the same
    /// [`keys`](Self::keys).
    pub async fn restore(mut self, backup: impl Into<PathBuf>) -> Result<LedgerId, Error> {
        let (Shares { options, .. }, backup) = (self.shares(), backup.into());
        let now = Timestamp::from_ms((self.clock)().wall_us / 1_000);
        let Self { folder, registry, .. } = self;
        let restored = beside(move || {
            let backup = directory::open_backup(&backup)?;
            directory::restore_into(&folder, backup, &registry, &options, now, &mut |_| {})
        });
        let id: Result<LedgerId, OpenError> = restored.await?;
        Ok(id?)
    }

    /// The same on this thread, which needs no runtime.
    pub fn restore_blocking(self, backup: impl Into<PathBuf>) -> Result<LedgerId, Error> {
        blocking::wait(self.restore(backup))
    }

    /// Shares the memory out.
    ///
    /// | share | |
    /// |---|---|
    /// | what [`Options::within`] says | the store, and streams at hand |
    /// | 1/32 | filters over names and items |
    /// | 1/32 | idempotency keys that are alive, at 16 bytes each |
    /// | 1/32 | commands under way |
    /// | 1/16 | entries that wait for the log, and their frames |
    fn shares(&mut self) -> Shares {
        let (options, at_hand) = Options::within(self.memory);
        let options = Options { log: self.log, ..options };
        let part = |share: usize| self.memory / share / self.shards;
        let config = Config {
            memory_max: at_hand / self.shards,
            filter_bytes: part(32),
            // A key alive is four bytes of a filter; its row lies in the store.
            keys_max: part(32) / 4,
            ..Config::new(0, self.shards)
        };
        let mut settings = Settings {
            calls_bytes_max: (self.memory / 32) as u64,
            ring_bytes: (self.memory / 16) as u64,
            checkpoint_bytes: options.store.checkpoint_bytes,
            ..Settings::default()
        };
        if let Some(tune) = self.tune.take() {
            tune(&mut settings);
        }
        Shares { options, settings, config }
    }
}

/// What each part may take.
struct Shares {
    options: Options,
    settings: Settings,
    config: Config,
}

type Recovered = (Files<RealDisk>, Epoch, Published, [u8; 32]);

/// Opens the files, or makes them, and recovers what they hold.
fn open_files(
    folder: &Path,
    keys: &KeyMaterial,
    registry: &Registry,
    options: &Options,
) -> Result<Recovered, OpenError> {
    let mut files = match directory::open(folder, registry, options) {
        Ok(files) => files,
        Err(error) if is_nothing_yet(&error) => directory::create(folder, registry, options)?,
        Err(error) => return Err(error),
    };
    let begun = Instant::now();
    let (epoch, durable) = files.recover(registry, options, &mut |_| {})?;
    measured::recovered(begun.elapsed());
    let is_new = durable.watermark == Position::ZERO;
    let secret = secret::of(&files.disk, keys, is_new, files.manifest.origin.is_some())?;
    Ok((files, epoch, durable, secret))
}

/// Whether a ledger can be made where none could be opened.
fn is_nothing_yet(error: &OpenError) -> bool {
    match error.what() {
        OpenError::NoLedger => true,
        OpenError::Folder { folder, .. } => !folder.exists(),
        _ => false,
    }
}
