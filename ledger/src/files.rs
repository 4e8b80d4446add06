//! The files of a ledger: made in one step, opened under a lock, recovered.
//!
//! ```text
//! LEDGER            which ledger it is
//! log/              its history
//! store/store.redb  what the history adds up to
//! base.quipu        where history was trimmed: the rows as of a position that is still kept
//! ```

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use quipu_core::commit::Published;
use quipu_core::damage::Damage;
use quipu_core::disk::{Disk, DiskError};
use quipu_core::log::{self, Anchor, Log as _, LogError, Reader as _};
use quipu_core::machine::Registry;
use quipu_core::recovery::{Limits, Progress, recover};
use quipu_core::store::{Reader as _, Store as _};
use quipu_core::words::{Epoch, Position};
use quipu_log_file::{ClosedLog, FileLog, LogId};
use quipu_store_redb::backend::Pacing;
use quipu_store_redb::log::RedbLog;
use quipu_store_redb::store::{Opened, RedbStore};
use quipu_store_redb::{file, store};

use crate::backup::{self, Backup, BackupManifest};
use crate::error::OpenError;
use crate::log::AnyLog;
use crate::manifest::{FORMAT, LedgerId, LogKind, MANIFEST, MANIFEST_NEW, Manifest, Origin};
use crate::overlay::Overlay;

pub(crate) const LOG: &str = "log";
pub(crate) const LOG_REDB: &str = "log/log.redb";
pub(crate) const STORE: &str = "store";
pub(crate) const STORE_REDB: &str = "store/store.redb";
pub(crate) const BASE: &str = "base.quipu";
pub(crate) const BASE_NEW: &str = "base.new";

/// How a ledger is opened.
#[derive(Clone)]
pub struct Options {
    /// What keeps the log of a new ledger.
    pub log: LogKind,
    /// How a log in files lays them out.
    pub files: quipu_log_file::Settings,
    /// What a log in redb may keep in memory, in bytes.
    pub log_cache_bytes: usize,
    /// What the store may take.
    pub store: store::Settings,
    /// What recovery may take.
    pub limits: Limits,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            log: LogKind::Files,
            files: quipu_log_file::Settings::default(),
            log_cache_bytes: 16 << 20,
            store: store::Settings { pacing: Pacing::spread(), ..store::Settings::default() },
            limits: Limits::default(),
        }
    }
}

impl Options {
    /// Shares a budget of memory out, and gives what is left of it for the streams that shards
    /// keep at hand.
    ///
    /// | share | |
    /// |---|---|
    /// | 1/8 | redb's cache |
    /// | 1/32 | what is held back to leave in order |
    /// | 1/8, and as much again while it is written | rows that no checkpoint has brought onto the disk |
    /// | 1/4 | recovery, which ends before shards begin |
    /// | 1/4 | streams at hand |
    /// | the rest | filters, frames under way, and what an allocator keeps |
    #[must_use]
    pub fn within(budget: usize) -> (Self, usize) {
        let mut options = Self::default();
        options.store.cache_bytes = budget / 8;
        options.store.pacing.window_bytes = (budget / 32).min(options.store.pacing.window_bytes);
        options.store.checkpoint_bytes = budget / 8;
        options.limits = Limits { memory: budget / 4, pending: budget / 8 };
        options.log_cache_bytes = (budget / 32).max(1 << 20);
        (options, budget / 4)
    }
}

/// The open files of a ledger. Nobody else can open them.
pub struct Files<D: Disk> {
    /// Where they are.
    pub disk: D,
    /// What the ledger says of itself.
    pub manifest: Manifest,
    /// Its history.
    pub log: AnyLog<D>,
    /// What the history adds up to.
    pub store: RedbStore<D>,
    /// How the store was found.
    pub found: Opened,
    _lock: D::Lock,
}

/// A ledger's folder while somebody else has its log and store. It stays locked.
pub struct Folder<D: Disk> {
    /// Where it is.
    pub disk: D,
    /// What the ledger says of itself.
    pub manifest: Manifest,
    /// How the store was found.
    pub found: Opened,
    _lock: D::Lock,
}

impl<D: Disk> Folder<D> {
    /// Puts log and store back.
    #[must_use]
    pub fn with(self, log: AnyLog<D>, store: RedbStore<D>) -> Files<D> {
        let Self { disk, manifest, found, _lock } = self;
        Files { disk, manifest, log, store, found, _lock }
    }
}

impl<D: Disk> Files<D> {
    /// Makes the files of a new ledger in an empty folder. Until that is done to the end the
    /// folder holds no ledger: power that goes meanwhile leaves one in which it can be made again.
    pub fn create(
        disk: D,
        id: LedgerId,
        registry: &Registry,
        options: &Options,
    ) -> Result<Self, OpenError> {
        Self::make(disk, id, None, registry, options, Ok)
    }

    /// The same, with what `fill` puts into it before it counts.
    pub(crate) fn make(
        disk: D,
        id: LedgerId,
        origin: Option<Origin>,
        registry: &Registry,
        options: &Options,
        fill: impl FnOnce(Self) -> Result<Self, OpenError>,
    ) -> Result<Self, OpenError> {
        let lock = disk.try_lock(Path::new(""))?;
        match Manifest::read(&disk)? {
            Some(manifest) if manifest.is_whole => return Err(OpenError::Exists),
            Some(_) => clear(&disk)?,
            None => check_is_empty(&disk)?,
        }
        let stopped = Anchor::START;
        let log = options.log;
        let manifest = Manifest { format: FORMAT, is_whole: false, id, log, origin, stopped };
        manifest.write(&disk)?;
        for dir in [LOG, STORE] {
            disk.create_dir(Path::new(dir))?;
        }
        disk.sync_dir(Path::new(""))?;
        let log = open_log(&disk, &manifest, options, true)?;
        let store_path = Path::new(STORE_REDB);
        let (store, found) = RedbStore::open(&disk, store_path, id.0, registry, &options.store)?;
        let mut made = fill(Self { disk, manifest, log, store, found, _lock: lock })?;
        made.manifest.is_whole = true;
        made.manifest.write(&made.disk)?;
        Ok(made)
    }

    /// Opens the files of a ledger. What it holds is not whole before
    /// [`recover`](Self::recover).
    pub fn open(disk: D, registry: &Registry, options: &Options) -> Result<Self, OpenError> {
        let lock = disk.try_lock(Path::new(""))?;
        let manifest = read_manifest(&disk)?;
        if manifest.format < FORMAT {
            let what = "the ledger".to_owned();
            return Err(OpenError::Older { what, found: manifest.format, known: FORMAT });
        }
        if !has_log(&disk, manifest.log)? {
            return Err(OpenError::NoLog(LOG));
        }
        check_closed(&disk, &manifest, options)?;
        // If the sync failed that should have made its name durable, it is seen and not there.
        manifest.write(&disk)?;
        let log = open_log(&disk, &manifest, options, false)?;
        match disk.create_dir(Path::new(STORE)) {
            Ok(()) => disk.sync_dir(Path::new(""))?,
            Err(DiskError::AlreadyExists(_)) => {}
            Err(error) => return Err(error.into()),
        }
        let (store, found) = open_store(&disk, &manifest, &log, registry, options)?;
        Ok(Self { disk, manifest, log, store, found, _lock: lock })
    }

    /// Takes over as the writer and brings the store up to the log. `progress` is told how far
    /// it got.
    pub fn recover(
        &mut self,
        registry: &Registry,
        options: &Options,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(Epoch, Published), OpenError> {
        let epoch = self.log.take_epoch()?;
        let published = recover(&self.log, &mut self.store, registry, &options.limits, progress)?;
        Ok((epoch, published))
    }

    /// Ends a clean stop, once the log is sealed and nothing is under way: checkpoints the store
    /// and notes where the log ends, so that an opening finds it if its end is lost.
    pub fn stop(mut self) -> Result<(), OpenError> {
        self.store.checkpoint()?;
        self.manifest.stopped = self.log.anchor();
        self.manifest.write(&self.disk)
    }

    /// Takes log and store out, for whoever drives them. What is left keeps the folder locked.
    #[must_use]
    pub fn into_parts(self) -> (AnyLog<D>, RedbStore<D>, Folder<D>) {
        let Self { disk, manifest, log, store, found, _lock } = self;
        (log, store, Folder { disk, manifest, found, _lock })
    }

    /// Lends log and store to whoever drives them, and gives them back.
    pub fn with_log_and_store(
        self,
        with: impl FnOnce(AnyLog<D>, RedbStore<D>) -> Result<(AnyLog<D>, RedbStore<D>), OpenError>,
    ) -> Result<Self, OpenError> {
        let (log, store, folder) = self.into_parts();
        let (log, store) = with(log, store)?;
        Ok(folder.with(log, store))
    }

    /// Takes a snapshot from which a backup can be written on any thread, while writing goes on.
    pub fn begin_backup(&mut self) -> Result<BackupJob, OpenError> {
        BackupJob::begin(self.manifest.id, &self.log, &mut self.store)
    }

    /// Drops history before a position, as far as that goes in whole pieces, once a copy of all
    /// rows stands in for it that is durable and has been read again. Gives the first position
    /// that is kept.
    pub fn trim(&mut self, before: Position) -> Result<Position, OpenError> {
        let before = before.min(self.write_base()?.plus(1));
        loop {
            // A log may drop some of it at a time. It is one copy that stands in for all.
            let (first, _) = self.log.bounds();
            if self.log.trim(before)? == first {
                return Ok(first);
            }
        }
    }

    /// Makes the copy of all rows that stands in for history. Gives its position.
    pub(crate) fn write_base(&mut self) -> Result<Position, OpenError> {
        let copy = self.begin_backup()?;
        backup::to_file(&self.disk, BASE_NEW, BASE, |out| copy.write_rows(out))?;
        check_base(&self.disk)?;
        Ok(copy.manifest.position)
    }
}

/// A backup that can be written.
pub struct BackupJob {
    /// What it is of.
    pub manifest: BackupManifest,
    log: Arc<dyn log::Reader + Send + Sync>,
    snapshot: Arc<dyn quipu_core::store::Reader>,
}

impl BackupJob {
    /// Takes the snapshot that it is made of.
    pub(crate) fn begin<D: Disk>(
        ledger: LedgerId,
        log: &AnyLog<D>,
        store: &mut RedbStore<D>,
    ) -> Result<Self, OpenError> {
        let snapshot = store.snapshot()?;
        let log = log.reader();
        let position = snapshot.position();
        let (first, next) = log.bounds();
        let start = if first < next { log.anchor_before(first)? } else { log.anchor() };
        let manifest = BackupManifest {
            ledger,
            position,
            anchor: log.anchor_before(position.plus(1))?,
            start,
            now_limit: log.now_limit(),
            epoch: log.epoch(),
        };
        Ok(Self { manifest, log, snapshot })
    }

    /// Writes the backup. `progress` is told each position whose history is in it.
    pub fn write(
        &self,
        out: &mut dyn io::Write,
        progress: &mut dyn FnMut(Position),
    ) -> Result<(), OpenError> {
        backup::write(out, &self.manifest, Some(&*self.log), &*self.snapshot, progress)
    }

    /// Writes the rows alone.
    fn write_rows(&self, out: &mut dyn io::Write) -> Result<(), OpenError> {
        let manifest = BackupManifest { start: self.manifest.anchor, ..self.manifest };
        backup::write(out, &manifest, None, &*self.snapshot, &mut |_| {})
    }
}

/// The manifest of a ledger that is whole.
pub(crate) fn read_manifest<D: Disk>(disk: &D) -> Result<Manifest, OpenError> {
    match Manifest::read(disk)? {
        Some(manifest) if manifest.is_whole => Ok(manifest),
        Some(_) => Err(OpenError::NoLedger),
        None => {
            check_is_empty(disk)?;
            Err(OpenError::NoLedger)
        }
    }
}

/// Whether nothing lies here that anybody could miss.
fn check_is_empty<D: Disk>(disk: &D) -> Result<(), OpenError> {
    for name in disk.list(Path::new(""))? {
        match name.as_str() {
            MANIFEST_NEW => {}
            LOG | STORE | BASE => return Err(OpenError::NoManifest(name)),
            _ => return Err(OpenError::Foreign(name)),
        }
    }
    Ok(())
}

/// Removes what is left of a ledger that was never whole.
///
/// The directories go too. If the sync failed that should have made their names durable, nobody
/// can make up for it: the next one ends well and writes nothing. A name that is given anew is
/// one that a sync is still to cover.
fn clear<D: Disk>(disk: &D) -> Result<(), OpenError> {
    for dir in [LOG, STORE] {
        let dir = Path::new(dir);
        let names = match disk.list(dir) {
            Err(DiskError::NotFound(_)) => continue,
            names => names?,
        };
        for name in names {
            disk.remove(&dir.join(name))?;
        }
        disk.sync_dir(dir)?;
        disk.remove_dir(dir)?;
    }
    for name in [BASE, BASE_NEW] {
        match disk.remove(Path::new(name)) {
            Err(DiskError::NotFound(_)) => {}
            removed => removed?,
        }
    }
    for name in disk.list(Path::new(""))? {
        match name.as_str() {
            MANIFEST | MANIFEST_NEW | LOG | STORE => {}
            BASE | BASE_NEW => disk.remove(Path::new(&name))?,
            _ => return Err(OpenError::Foreign(name)),
        }
    }
    Ok(disk.sync_dir(Path::new(""))?)
}

pub(crate) fn has_log<D: Disk>(disk: &D, kind: LogKind) -> Result<bool, OpenError> {
    let names = match disk.list(Path::new(LOG)) {
        Err(DiskError::NotFound(_)) => return Ok(false),
        names => names?,
    };
    Ok(match kind {
        LogKind::Files => names.iter().any(|name| name.ends_with(".seg")),
        LogKind::Redb => names.iter().any(|name| Path::new(LOG).join(name) == Path::new(LOG_REDB)),
    })
}

fn open_log<D: Disk>(
    disk: &D,
    manifest: &Manifest,
    options: &Options,
    is_new: bool,
) -> Result<AnyLog<D>, OpenError> {
    let (dir, id) = (Path::new(LOG), LogId(manifest.id.0));
    Ok(match manifest.log {
        LogKind::Files if is_new => {
            AnyLog::Files(Box::new(FileLog::create(disk.clone(), dir, id, &options.files)?))
        }
        LogKind::Files => {
            AnyLog::Files(Box::new(FileLog::open(disk.clone(), dir, id, &options.files)?))
        }
        LogKind::Redb => AnyLog::Redb(Box::new(open_redb_log(disk, manifest, options)?)),
    })
}

pub(crate) fn open_redb_log<D: Disk>(
    disk: &D,
    manifest: &Manifest,
    options: &Options,
) -> Result<RedbLog, LogError> {
    let settings = redb_log_settings(manifest, options);
    RedbLog::open(disk, Path::new(LOG_REDB), &settings, LOG_ROOM_BYTES)
}

/// Reads every page of a log in redb. It may write.
pub(crate) fn check_redb_log<D: Disk>(
    disk: &D,
    manifest: &Manifest,
    options: &Options,
) -> Result<(), LogError> {
    Ok(file::check(disk, Path::new(LOG_REDB), &redb_log_settings(manifest, options))?)
}

fn redb_log_settings(manifest: &Manifest, options: &Options) -> file::Settings {
    let (front, _) = manifest.id.0.split_first_chunk::<8>().expect("sixteen bytes");
    file::Settings {
        // Not the store's: a file of the one never passes for the other.
        id: !u64::from_le_bytes(*front),
        cache_bytes: options.log_cache_bytes,
        pacing: Pacing::none(),
    }
}

/// The room that a log in redb makes ahead of need.
const LOG_ROOM_BYTES: u64 = 12 << 20;

/// Looks at log and store before they are opened, which writes: what is not as it should be stays
/// as it is, and so does the rest of the ledger.
pub(crate) fn check_closed<D: Disk>(
    disk: &D,
    manifest: &Manifest,
    options: &Options,
) -> Result<(), OpenError> {
    let check = |log: &dyn log::Reader| {
        check_log(log, manifest)?;
        base_for(disk, log, manifest).map(drop)
    };
    let over = Overlay::new(disk.clone());
    match manifest.log {
        LogKind::Files => {
            let log = ClosedLog::open(disk.clone(), Path::new(LOG), LogId(manifest.id.0))?;
            check(log.reader())?;
        }
        LogKind::Redb => check(&open_redb_log(&over, manifest, options)?)?,
    }
    let (path, id) = (Path::new(STORE_REDB), manifest.id.0);
    RedbStore::check_format(&over, path, id, &options.store).map_err(OpenError::from)
}

/// Holds a log against what was noted of it at the last clean stop.
pub(crate) fn check_log(log: &dyn log::Reader, manifest: &Manifest) -> Result<(), OpenError> {
    let stopped = manifest.stopped;
    let (first, next) = log.bounds();
    let last = Position::new(next.get() - 1);
    if last < stopped.position {
        return Err(OpenError::LogLost { found: last, stopped: stopped.position });
    }
    if stopped.position >= first && log.anchor_before(stopped.position.plus(1))? != stopped {
        return Err(OpenError::OtherHistory(stopped.position));
    }
    Ok(())
}

/// The copy that stands in for what was dropped of a log, if anything was.
pub(crate) fn base_for<D: Disk>(
    disk: &D,
    log: &dyn log::Reader,
    manifest: &Manifest,
) -> Result<Option<Backup<impl io::Read + use<D>>>, OpenError> {
    let (first, _) = log.bounds();
    if first == Position::new(1) {
        return Ok(None);
    }
    let missing = OpenError::HistoryMissing { first };
    let base = match backup::open_file(disk, BASE) {
        Err(OpenError::Disk(DiskError::NotFound(_))) => return Err(missing),
        base => base.map_err(rotten_base)?,
    };
    let of = base.manifest();
    if of.ledger != manifest.id || of.position.plus(1) < first {
        return Err(missing);
    }
    match log.anchor_before(of.position.plus(1)) {
        Ok(anchor) if anchor == of.anchor => Ok(Some(base)),
        Ok(_) => Err(OpenError::OtherHistory(of.position)),
        Err(LogError::Trimmed(_)) => Err(missing),
        Err(error) => Err(error.into()),
    }
}

/// Opens the store. Where the log no longer has what the store lacks, the copy stands in for it.
pub(crate) fn open_store<D: Disk>(
    disk: &D,
    manifest: &Manifest,
    log: &dyn log::Reader,
    registry: &Registry,
    options: &Options,
) -> Result<(RedbStore<D>, Opened), OpenError> {
    let base = base_for(disk, log, manifest)?;
    let path = Path::new(STORE_REDB);
    let open = || RedbStore::open(disk, path, manifest.id.0, registry, &options.store);
    let (mut store, mut found) = open()?;
    if let Some(mut base) = base
        && store.position().plus(1) < log.bounds().0
    {
        if store.position() > Position::ZERO {
            // Power went after a trim and before the next checkpoint. All that it holds is in
            // the copy, and only an empty one can be filled.
            drop(store);
            disk.remove(path)?;
            disk.sync_dir(Path::new(STORE))?;
            (store, found) = open()?;
        }
        fill_from(&mut base, &mut store)?;
    }
    Ok((store, found))
}

/// Reads all of the copy that stands in for trimmed history.
pub(crate) fn check_base<D: Disk>(disk: &D) -> Result<(), OpenError> {
    let checked = backup::open_file(disk, BASE).and_then(|base| base.check(&mut |_| {}));
    checked.map_err(rotten_base).map(drop)
}

/// Puts the rows of that copy into a store that is empty.
pub(crate) fn fill_from<D: Disk>(
    base: &mut Backup<impl io::Read>,
    store: &mut RedbStore<D>,
) -> Result<(), OpenError> {
    let position = base.manifest().position;
    base.rows(|rows| Ok(store.fill(rows, position)?)).map_err(rotten_base)
}

/// Nobody has chosen that file: where it is no whole backup, it is damaged.
fn rotten_base(error: OpenError) -> OpenError {
    match error {
        OpenError::NotBackup(file) => {
            OpenError::Damaged(Damage::new(file, 0, "it does not begin as it was written"))
        }
        OpenError::BackupCut { file, byte } => {
            OpenError::Damaged(Damage::new(file, byte, "the file ends here, before it is whole"))
        }
        error => error,
    }
}

/// A path below the root.
pub(crate) fn path(name: &str) -> PathBuf {
    PathBuf::from(name)
}
