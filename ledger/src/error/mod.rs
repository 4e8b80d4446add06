//! What can go wrong, and what to do now.

mod open;

pub use open::OpenError;

use quipu_core::disk::DiskError;
use quipu_core::history::HistoryError;
use quipu_core::log::LogError;
use quipu_core::records::Corrupt;
use quipu_core::store::StoreError;
use quipu_core::words::{Fault, Malformed, Position};

use crate::outcome::Refused;

/// Why there is no outcome. [`what_to_do`](Self::what_to_do) says how to go on.
///
/// A rule's "no" is no error: it is [`Outcome::Refused`](crate::Outcome::Refused), which is data.
/// Whoever wants it as an error asks for [`done`](crate::Outcome::done).
///
/// ```
/// # fn main() -> Result<(), quipu::Error> {
/// # let folder = tempfile::tempdir().expect("a folder");
/// use quipu::{Ledger, WhatToDo};
///
/// let ledger = Ledger::open_blocking(folder.path())?;
/// let error = ledger.book("default").account("no blanks").deposit(5).wait().unwrap_err();
/// assert_eq!(error.what_to_do(), WhatToDo::Fix);
/// # ledger.close_blocking()
/// # }
/// ```
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// What was given is not what it should be: an id, an amount, a key. Nothing was asked.
    #[error("malformed: {0}")]
    Malformed(String),
    /// A rule said no, and the caller has asked for that as an error; or the ask itself was
    /// malformed in a way that only the stream could see, or its key belongs to another ask.
    #[error("refused: {0}")]
    Refused(Refused),
    /// The world failed, or is not ready.
    #[error("{0}")]
    Fault(Fault),
    /// The history that was asked for is no longer kept; it begins here.
    #[error("the history that was asked for is no longer kept: it begins at position {0}")]
    Trimmed(Position),
    /// The ledger was closed, or its log has failed and nothing more will happen.
    #[error("the ledger is closed: nothing was done")]
    Closed,
    /// It could not be opened, closed, backed up or read.
    #[error("{0}")]
    Open(Box<OpenError>),
    /// The threads of this process could not do it.
    #[error("a thread could not be started, or has panicked: {0}")]
    Threads(String),
}

/// What to do after an [`Error`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum WhatToDo {
    /// Ask for something else, or in another way: asked as it is, it will fail again. Nothing
    /// was done.
    Fix,
    /// Ask again a little later. Nothing was done.
    Retry,
    /// Nobody knows whether it happened. Open the ledger again, and ask again **with the same
    /// key**: then it happens once, and the answer is the first one. Without a key, look first.
    RetrySameKey,
    /// Open the ledger again. Nothing was done.
    Reopen,
    /// Something on the disk is missing or damaged. Put it back, or restore a backup; the text
    /// of the error names it.
    Repair,
}

impl Error {
    /// What to do now.
    #[must_use]
    pub fn what_to_do(&self) -> WhatToDo {
        match self {
            Self::Malformed(_) | Self::Refused(_) | Self::Trimmed(_) => WhatToDo::Fix,
            Self::Fault(fault) => match fault {
                Fault::TooLarge | Fault::Internal => WhatToDo::Fix,
                Fault::Overloaded | Fault::DiskFull => WhatToDo::Retry,
                Fault::LogFailed => WhatToDo::RetrySameKey,
                Fault::Stopping => WhatToDo::Reopen,
                Fault::Corrupt => WhatToDo::Repair,
            },
            Self::Closed => WhatToDo::Reopen,
            Self::Open(error) => after_opening(error.what()),
            Self::Threads(_) => WhatToDo::Retry,
        }
    }

    /// Whether nothing was done, for certain.
    #[must_use]
    pub fn nothing_was_done(&self) -> bool {
        self.what_to_do() != WhatToDo::RetrySameKey
    }

    /// The refusal, where this is one.
    #[must_use]
    pub fn refused(&self) -> Option<&Refused> {
        match self {
            Self::Refused(refused) => Some(refused),
            _ => None,
        }
    }

    /// What was given breaks a rule of form.
    pub(crate) fn form(why: impl Into<String>) -> Self {
        Self::Malformed(why.into())
    }
}

fn after_opening(error: &OpenError) -> WhatToDo {
    match error {
        OpenError::NoLedger
        | OpenError::Exists
        | OpenError::Foreign(_)
        | OpenError::InUse
        | OpenError::Newer { .. }
        | OpenError::Older { .. }
        | OpenError::NotBackup(_)
        | OpenError::SecretElsewhere
        | OpenError::WrongSecret
        | OpenError::Stream { .. }
        | OpenError::Folder { .. } => WhatToDo::Fix,
        OpenError::NoManifest(_)
        | OpenError::NoLog(_)
        | OpenError::HistoryMissing { .. }
        | OpenError::LogLost { .. }
        | OpenError::OtherHistory(_)
        | OpenError::Damaged(_)
        | OpenError::BackupCut { .. }
        | OpenError::StoreDamaged(_)
        | OpenError::Recovery(_)
        | OpenError::Verify(_)
        | OpenError::Restored(_)
        | OpenError::NoSecret => WhatToDo::Repair,
        OpenError::Disk(DiskError::NoSpace(_))
        | OpenError::Log(LogError::Full(_))
        | OpenError::Store(StoreError::Full(_))
        | OpenError::Threads(_)
        | OpenError::NoRandom(_) => WhatToDo::Retry,
        OpenError::Disk(_) | OpenError::Log(_) | OpenError::Store(_) => WhatToDo::Reopen,
        OpenError::At { error, .. } => after_opening(error),
    }
}

impl From<Malformed> for Error {
    fn from(malformed: Malformed) -> Self {
        Self::form(malformed.to_string())
    }
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Stopping => Self::Closed,
            fault => Self::Fault(fault),
        }
    }
}

impl From<OpenError> for Error {
    fn from(error: OpenError) -> Self {
        Self::Open(Box::new(error))
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        OpenError::from(error).into()
    }
}

impl From<LogError> for Error {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Trimmed(first) => Self::Trimmed(first),
            error => OpenError::from(error).into(),
        }
    }
}

impl From<HistoryError> for Error {
    fn from(error: HistoryError) -> Self {
        match error {
            HistoryError::Log(error) => error.into(),
            HistoryError::Entry { .. } | HistoryError::NotThere { .. } => Fault::Corrupt.into(),
        }
    }
}

impl From<Corrupt> for Error {
    fn from(_: Corrupt) -> Self {
        Fault::Corrupt.into()
    }
}
