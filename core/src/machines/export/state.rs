//! What an export is, what belongs to it, and what happens to it.

use rkyv::{Archive, Deserialize, Serialize};

use super::{Format, What};
use crate::words::{Id, Position, Timestamp};

/// How far an export has come.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum State {
    /// Requested; no worker has begun.
    Queued = 1,
    /// A worker is at it.
    Running = 2,
    /// The file can be taken.
    Ready = 3,
    /// There will be no file.
    Failed = 4,
    /// The file is kept no longer.
    Expired = 5,
}

/// What an export is, and how far it has come.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Head {
    /// How far it has come.
    pub state: State,
    /// Of what it is.
    pub what: What,
    /// In which form.
    pub format: Format,
    /// The fence of the worker that began last; zero before the first.
    pub fence: Position,
    /// The position that it shows; zero before a worker has begun.
    pub as_of: Position,
    /// How much of the work is done.
    pub done: u64,
    /// How much work there is.
    pub total: u64,
    /// How many rows the file has, once it is ready.
    pub rows: u64,
    /// How many bytes the file has, once it is ready.
    pub bytes: u64,
    /// The SHA-256 of the file, once it is ready.
    pub sha256: [u8; 32],
    /// The instant from which it is expired, once it is ready or failed.
    pub expires_at: Option<Timestamp>,
}

crate::record!(Head = (1, 1));

/// One step of an export's life, for those who must know later.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Audit {
    /// What happened.
    pub step: Step,
    /// When.
    pub at: Timestamp,
    /// Who did it, where that is known.
    pub by: Option<Id>,
}

/// What happened to an export.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Step {
    /// It was requested.
    Requested = 1,
    /// A worker began.
    Begun = 2,
    /// The file was complete.
    Finished = 3,
    /// There will be no file.
    Failed = 4,
    /// Somebody took the file.
    Downloaded = 5,
    /// It is kept no longer.
    Expired = 6,
}

/// Which rows an export shows.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Filter {
    /// As the caller wrote it.
    pub text: String,
}

/// Why an export failed.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Reason {
    /// As the worker wrote it.
    pub text: String,
}

crate::records! {
    /// What belongs to an export beside its head.
    pub enum Item {
        /// One step of its life.
        Audit = (1, 1),
        /// Which rows it shows.
        Filter = (2, 1),
        /// Why it failed.
        Reason = (3, 1),
    }
}

/// It was requested.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Requested {
    /// Of what.
    pub what: What,
    /// In which form.
    pub format: Format,
    /// Which rows; all where absent.
    pub filter: Option<String>,
}

/// A worker began. The position of this event is its fence.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Begun {
    /// Who.
    pub worker: Id,
    /// The position that it shows.
    pub as_of: Position,
}

/// Some of the work is done.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Progressed {
    /// How much.
    pub done: u64,
    /// Of how much.
    pub total: u64,
}

/// The file is complete.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Finished {
    /// How many rows it has.
    pub rows: u64,
    /// How many bytes it has.
    pub bytes: u64,
    /// Their SHA-256.
    pub sha256: [u8; 32],
    /// The instant from which it is kept no longer.
    pub expires_at: Timestamp,
}

/// There will be no file.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Failed {
    /// Why.
    pub reason: String,
    /// The instant from which that is forgotten.
    pub expires_at: Timestamp,
}

/// Somebody took the file.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Downloaded {
    /// Who, where the caller has a name.
    pub by: Option<Id>,
}

/// It is kept no longer.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Expired;

crate::records! {
    /// What happens to an export.
    pub enum Event {
        /// It was requested.
        Requested = (1, 1),
        /// A worker began.
        Begun = (2, 1),
        /// Some of the work is done.
        Progressed = (3, 1),
        /// The file is complete.
        Finished = (4, 1),
        /// There will be no file.
        Failed = (5, 1),
        /// Somebody took the file.
        Downloaded = (6, 1),
        /// It is kept no longer.
        Expired = (7, 1),
    }
}
