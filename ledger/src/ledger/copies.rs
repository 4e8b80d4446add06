//! Copies of a ledger that is in use: snapshots, backups and checkpoints.

use std::path::Path;

use quipu_core::machine::Machine;
use quipu_core::machines::book;
use quipu_core::shard::{Ask, Reading, Reply};
use quipu_core::store::Store as _;
use quipu_core::words::{Book, Id, Name, Position, Timestamp};
use quipu_disk::RealDisk;

use super::Ledger;
use crate::backup::{self, BackupManifest};
use crate::blocking::{self, beside};
use crate::error::{Error, OpenError};
use crate::files::BackupJob;
use crate::snapshot::Snapshot;

impl Ledger {
    /// All of the ledger as of now: what was acknowledged before is in it.
    pub async fn snapshot(&self) -> Result<Snapshot, Error> {
        let at = self.time().await?;
        let store = self.order(|_, store| store.snapshot()).await??;
        Ok(Snapshot::new(store, at))
    }

    /// The same on a thread that no runtime runs its tasks on.
    pub fn snapshot_blocking(&self) -> Result<Snapshot, Error> {
        blocking::wait(self.snapshot())
    }

    /// Writes a backup: one file with everything up to one position, history included, while the
    /// ledger goes on. What was acknowledged before is in it. The file gets its name once it is
    /// durable and has been read again; one that had the name before is replaced then.
    ///
    /// [`Builder::restore`](crate::Builder::restore) makes a new ledger of it. The ledger's secret
    /// is not in it: see [`KeyMaterial`](crate::KeyMaterial).
    pub async fn backup(&self, file: impl AsRef<Path>) -> Result<BackupManifest, Error> {
        let file = file.as_ref().to_owned();
        let job = self.begin_backup().await?;
        beside(move || write(&job, &file)).await?
    }

    /// The same on a thread that no runtime runs its tasks on.
    pub fn backup_blocking(&self, file: impl AsRef<Path>) -> Result<BackupManifest, Error> {
        blocking::wait(self.backup(file))
    }

    /// Begins a backup that the caller writes to wherever it has to go.
    pub async fn begin_backup(&self) -> Result<BackupJob, Error> {
        let id = self.id();
        Ok(self.order(move |log, store| BackupJob::begin(id, log, store)).await??)
    }

    /// Brings everything that is durable now into the store, beside what goes on, so that an
    /// opening has nothing of that to replay. It is made now and then by itself. Gives the position
    /// up to which the store is durable then.
    ///
    /// Where it cannot be made nothing is lost: the log has everything.
    pub async fn checkpoint(&self) -> Result<Position, Error> {
        let made = self.running(|engine| engine.checkpoint())?;
        Ok(made.await??)
    }

    /// The same on a thread that no runtime runs its tasks on.
    pub fn checkpoint_blocking(&self) -> Result<Position, Error> {
        blocking::wait(self.checkpoint())
    }

    /// The time, as answers show it.
    async fn time(&self) -> Result<Timestamp, Error> {
        let stream = Name::new(Book::SYSTEM, book::Book::KIND, Id::new("default")?);
        match self.ask(Ask::Read(Reading { stream, items: Vec::new() })).await {
            Reply::Done(outcome) => Ok(outcome.at),
            Reply::Refused(refused) => Ok(refused.at),
            Reply::Failed(fault) => Err(fault.into()),
        }
    }
}

fn write(job: &BackupJob, file: &Path) -> Result<BackupManifest, Error> {
    let name = file.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| Error::form("a backup goes into a file, whose name is text"))?;
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let disk = RealDisk::open(folder).map_err(OpenError::from)?;
    let new = format!("{name}.new");
    backup::to_file(&disk, &new, name, |out| job.write(out, &mut |_| {}))?;
    Ok(job.manifest)
}
