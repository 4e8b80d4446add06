//! Why a ledger cannot be opened: one clear sentence each, with what is wrong, where, and what to
//! do about it.

use std::path::{Path, PathBuf};

use quipu_core::damage::Damage;
use quipu_core::disk::DiskError;
use quipu_core::log::LogError;
use quipu_core::recovery::RecoveryError;
use quipu_core::store::StoreError;
use quipu_core::verify;
use quipu_core::words::Position;

/// Why a ledger cannot be made, opened, backed up or restored. Nothing was harmed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder holds no ledger.
    #[error("there is no ledger in this folder; make one here, or name the folder of one")]
    NoLedger,
    /// There is a ledger where a new one should be.
    #[error("there is a ledger in this folder already; open it, or choose an empty folder")]
    Exists,
    /// The folder is somebody else's.
    #[error(
        "this folder holds `{0}` and no ledger; name the folder of a ledger, or an empty one for a \
         new ledger"
    )]
    Foreign(String),
    /// What says which ledger it is is gone.
    #[error(
        "this folder holds `{0}` of a ledger, but the file `LEDGER`, which says whose that is, is \
         missing; put it back, or restore a backup into another folder"
    )]
    NoManifest(String),
    /// Another process, or another handle, has it open.
    #[error("the ledger is in use; stop the process that has it open")]
    InUse,
    /// A newer version made it.
    #[error(
        "{what} has format {found}, but this version of Quipu knows formats up to {known} only; use \
         a newer version"
    )]
    Newer {
        /// The file.
        what: String,
        /// Its format.
        found: u32,
        /// The newest that can be read.
        known: u32,
    },
    /// An older version made it.
    #[error(
        "{what} has format {found}, and this version of Quipu needs {known}; upgrade the ledger once, then open it"
    )]
    Older {
        /// The file.
        what: String,
        /// Its format.
        found: u32,
        /// The one that is needed.
        known: u32,
    },
    /// The log is gone, and the store is not the history.
    #[error(
        "the log is missing, and nothing else is the history of this ledger; put the folder `{0}` \
         back, or restore a backup"
    )]
    NoLog(&'static str),
    /// History begins later than it should.
    #[error(
        "the log begins at position {first}, and nothing that stands in for what is missing goes \
         up to there; put the missing segments back, or restore a backup"
    )]
    HistoryMissing {
        /// The first position that is there.
        first: Position,
    },
    /// The log lost its end.
    #[error(
        "the log ends at position {found}, but at the last clean stop it ended at {stopped}; put \
         the missing segments back, or restore a backup"
    )]
    LogLost {
        /// Where it ends.
        found: Position,
        /// Where it ended.
        stopped: Position,
    },
    /// The log's history is not the one that it should be.
    #[error(
        "the history up to position {0} is another than what was noted of it; put the right files \
         back, or restore a backup"
    )]
    OtherHistory(Position),
    /// A file is damaged.
    #[error("damaged: {0}; put a good copy of this file back, or restore a backup")]
    Damaged(Damage),
    /// A backup is of no use.
    #[error("{file} is a backup that ends before it is whole, at byte {byte}; use another copy")]
    BackupCut {
        /// What it was called.
        file: String,
        /// Where it ends.
        byte: u64,
    },
    /// No file of a backup.
    #[error("{0} is not a backup of a ledger; name a file that a backup has written")]
    NotBackup(String),
    /// The disk.
    #[error("{0}")]
    Disk(DiskError),
    /// The log.
    #[error("the log: {0}")]
    Log(LogError),
    /// The store is damaged, which a reader has found and the opening has not.
    #[error("the store: {0}; move `store/store.redb` away, and the log makes it anew")]
    StoreDamaged(StoreError),
    /// The store.
    #[error("the store: {0}")]
    Store(StoreError),
    /// Recovery.
    #[error("recovery: {0}")]
    Recovery(RecoveryError),
    /// What was made does not verify.
    #[error("it does not verify: {0}")]
    Verify(verify::Error),
    /// A stream or file given by the caller could not be read or written.
    #[error("{what}: {why}")]
    Stream {
        /// Which.
        what: &'static str,
        /// How.
        why: String,
    },
    /// An unfinished payout could not be set aside.
    #[error("a restored ledger could not be told what has become unknown: {0}")]
    Restored(String),
    /// The file with the ledger's secret is gone.
    #[error(
        "the file `SECRET` is missing, without which no token and no idempotency key of this ledger \
         is known any more; put it back"
    )]
    NoSecret,
    /// The ledger's secret is kept elsewhere, and nobody gave it.
    #[error("the secret of this ledger is kept elsewhere; open it with its key material")]
    SecretElsewhere,
    /// It is not this ledger's secret.
    #[error("the key material that was given is another ledger's; open this one with its own")]
    WrongSecret,
    /// The engine could not be started.
    #[error("the ledger's threads could not be started: {0}")]
    Threads(String),
    /// The operating system gave no random bytes for a new ledger's id.
    #[error("no random bytes for the id of a new ledger: {0}")]
    NoRandom(String),
    /// A folder that is not where it should be.
    #[error("{}: {why}", .folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The same, in this folder of the operating system.
    #[error("{}: {error}", .folder.display())]
    At {
        /// The folder.
        folder: PathBuf,
        /// What is wrong in it.
        error: Box<OpenError>,
    },
}

impl OpenError {
    /// The damage that it tells of, with the file and the place.
    #[must_use]
    pub fn damage(&self) -> Option<&Damage> {
        match self {
            Self::Damaged(damage) | Self::StoreDamaged(StoreError::Rotten(damage)) => Some(damage),
            Self::At { error, .. } => error.damage(),
            _ => None,
        }
    }

    /// What is wrong, whatever folder it is wrong in.
    #[must_use]
    pub fn what(&self) -> &Self {
        match self {
            Self::At { error, .. } => error.what(),
            error => error,
        }
    }

    /// With the folder in which it went wrong, unless it names that itself.
    #[must_use]
    pub fn at(self, folder: &Path) -> Self {
        match self {
            Self::Disk(_) | Self::Folder { .. } | Self::At { .. } => self,
            error => Self::At { folder: folder.to_owned(), error: Box::new(error) },
        }
    }
}

impl From<DiskError> for OpenError {
    fn from(error: DiskError) -> Self {
        match error {
            DiskError::Locked(_) => Self::InUse,
            other => Self::Disk(other),
        }
    }
}

impl From<LogError> for OpenError {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Damaged(damage) => Self::Damaged(damage),
            other => Self::Log(other),
        }
    }
}

impl From<StoreError> for OpenError {
    fn from(error: StoreError) -> Self {
        let what = || "the store".to_owned();
        match error {
            StoreError::Rotten(_) | StoreError::Damaged { .. } => Self::StoreDamaged(error),
            StoreError::Format { found, known } if found > known => {
                Self::Newer { what: what(), found, known }
            }
            StoreError::Format { found, known } => Self::Older { what: what(), found, known },
            other => Self::Store(other),
        }
    }
}

impl From<RecoveryError> for OpenError {
    fn from(error: RecoveryError) -> Self {
        match error {
            RecoveryError::Log(error) => error.into(),
            RecoveryError::Store(error) => error.into(),
            other => Self::Recovery(other),
        }
    }
}

impl From<verify::Error> for OpenError {
    fn from(error: verify::Error) -> Self {
        match error {
            verify::Error::Log(error) => error.into(),
            verify::Error::Store(error) => error.into(),
            verify::Error::Recovery(error) => error.into(),
            other => Self::Verify(other),
        }
    }
}
