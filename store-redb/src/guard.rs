//! The boundary to redb: its errors and panics become ours.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use quipu_core::damage::Damage;
use quipu_core::disk::DiskError;
use quipu_core::log::LogError;
use quipu_core::store::StoreError;

/// What can go wrong in a redb file.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Trouble {
    /// Bytes of the file are not what was written.
    #[error("damaged: {0}")]
    Rotten(Damage),
    /// Another version wrote it.
    #[error(
        "{} has format {found}, but this version of Quipu knows format {known}; use the version \
         that wrote it",
        .path.display()
    )]
    Format {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// This version's.
        known: u32,
    },
    /// There is no room.
    #[error("no room: {0}")]
    Full(String),
    /// The world failed.
    #[error("{0}")]
    Failed(String),
}

impl From<DiskError> for Trouble {
    fn from(error: DiskError) -> Self {
        match error {
            DiskError::NoSpace(_) => Self::Full(error.to_string()),
            error => Self::Failed(error.to_string()),
        }
    }
}

impl From<Trouble> for StoreError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Rotten(damage) => Self::Rotten(damage),
            Trouble::Format { found, known, .. } => Self::Format { found, known },
            Trouble::Full(why) => Self::Full(why),
            Trouble::Failed(why) => Self::Failed(why),
        }
    }
}

impl From<Trouble> for LogError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Rotten(damage) => Self::Damaged(damage),
            Trouble::Format { .. } => Self::Failed(trouble.to_string()),
            Trouble::Full(why) => Self::Full(why),
            Trouble::Failed(why) => Self::Failed(why),
        }
    }
}

/// What went wrong first in a file. redb remembers only that something did, and says so from
/// then on.
#[derive(Clone, Default, Debug)]
pub(crate) struct First(Arc<OnceLock<Trouble>>);

impl First {
    pub(crate) fn note(&self, trouble: &Trouble) {
        // Only the first one counts.
        let _ = self.0.set(trouble.clone());
    }

    pub(crate) fn get(&self) -> Option<&Trouble> {
        self.0.get()
    }
}

/// Runs what calls redb. Clones guard the same file.
#[derive(Clone, Debug)]
pub struct Guard {
    path: PathBuf,
    first: First,
}

impl Guard {
    pub(crate) fn new(path: &Path, first: First) -> Self {
        Self { path: path.to_owned(), first }
    }

    /// Runs something that calls redb. Whatever redb gives out is used only within it.
    ///
    /// redb panics on some bytes that it did not write. The sums of pages keep those away, and
    /// this keeps away the rest: a damaged file costs an error, not a process.
    pub fn run<T>(&self, call: impl FnOnce() -> Result<T, redb::Error>) -> Result<T, Trouble> {
        // What the panic leaves is redb's own, behind locks that it poisons and checks, and a
        // write transaction that was never committed. What the call itself owns is gone.
        let result = catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            let why = format!("redb panicked: {}", text.unwrap_or("without a word"));
            self.first.note(&self.rotten(why.clone()));
            Err(redb::Error::Corrupted(why))
        });
        result.map_err(|error| self.trouble(error))
    }

    /// What went wrong first.
    #[must_use]
    pub fn first(&self) -> Option<Trouble> {
        self.first.get().cloned()
    }

    fn trouble(&self, error: redb::Error) -> Trouble {
        use redb::Error;
        match error {
            Error::Corrupted(why) => self.rotten(why),
            Error::Io(error) => {
                let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Trouble>());
                inner.cloned().unwrap_or_else(|| Trouble::Failed(error.to_string()))
            }
            Error::PreviousIo | Error::DatabaseClosed | Error::LockPoisoned(_) => {
                self.first().unwrap_or_else(|| Trouble::Failed(error.to_string()))
            }
            error => Trouble::Failed(error.to_string()),
        }
    }

    fn rotten(&self, why: String) -> Trouble {
        Trouble::Rotten(Damage::new(&self.path, 0, why))
    }
}
