//! Why a ledger cannot be opened: one clear sentence each.

use std::path::PathBuf;

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
    #[error("there is no ledger in this folder")]
    NoLedger,
    /// There is a ledger where a new one should be.
    #[error("there is a ledger in this folder already")]
    Exists,
    /// The folder is somebody else's.
    #[error("this folder holds `{0}`, which is no part of a ledger; choose an empty folder")]
    Foreign(String),
    /// Another process, or another handle, has it open.
    #[error("the ledger is in use; stop the process that has it open")]
    InUse,
    /// A newer version made it.
    #[error("the ledger has format {found}, but this version knows formats up to {known} only")]
    Newer {
        /// Its format.
        found: u32,
        /// The newest that can be read.
        known: u32,
    },
    /// An older version made it.
    #[error("the ledger has format {0}; it has to be upgraded once before it can be opened")]
    Older(u32),
    /// The log is gone, and the store is not the history.
    #[error("the folder has a store, but its log is missing; put `{0}` back, or restore a backup")]
    StoreWithoutLog(&'static str),
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
    /// The log's history is not the one that was there at the last clean stop.
    #[error("the history up to position {0} is not the one of the last clean stop")]
    OtherHistory(Position),
    /// A file is damaged.
    #[error("damaged: {0}")]
    Damaged(Damage),
    /// A backup is of no use.
    #[error(
        "{file} is a backup that ends before it is whole, at byte {byte}; use another copy of it"
    )]
    BackupCut {
        /// What it was called.
        file: String,
        /// Where it ends.
        byte: u64,
    },
    /// No file of a backup.
    #[error("{0} is not a backup of a ledger")]
    NotBackup(String),
    /// The disk.
    #[error("{0}")]
    Disk(DiskError),
    /// The log.
    #[error("the log: {0}")]
    Log(#[from] LogError),
    /// The store.
    #[error("the store: {0}")]
    Store(#[from] StoreError),
    /// Recovery.
    #[error("recovery: {0}")]
    Recovery(RecoveryError),
    /// What was made does not verify.
    #[error("it does not verify: {0}")]
    Verify(#[from] verify::Error),
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
    /// A folder that is not where it should be.
    #[error("{}: {why}", .path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

impl OpenError {
    /// The damage that it tells of, with the file and the place.
    #[must_use]
    pub fn damage(&self) -> Option<&Damage> {
        use verify::Error as Verify;
        match self {
            Self::Damaged(damage)
            | Self::Log(LogError::Damaged(damage))
            | Self::Store(StoreError::Rotten(damage))
            | Self::Verify(
                Verify::Log(LogError::Damaged(damage)) | Verify::Store(StoreError::Rotten(damage)),
            ) => Some(damage),
            _ => None,
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

impl From<RecoveryError> for OpenError {
    fn from(error: RecoveryError) -> Self {
        match error {
            RecoveryError::Log(error) => Self::Log(error),
            RecoveryError::Store(error) => Self::Store(error),
            other => Self::Recovery(other),
        }
    }
}
