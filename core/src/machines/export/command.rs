//! What can be asked of an export.

use rkyv::{Archive, Deserialize, Serialize};

use crate::machine::{Canon, Said};
use crate::words::{Id, Position};

/// What can be asked of an export.
#[derive(Clone, PartialEq, Debug)]
pub enum Command {
    /// Create it.
    Request {
        /// Of what.
        what: What,
        /// In which form.
        format: Format,
        /// Which rows; all where absent.
        filter: Option<String>,
    },
    /// A worker takes it on itself, under a new fence.
    Begin {
        /// Who.
        worker: Id,
        /// The position that it shows.
        as_of: Position,
    },
    /// Some of the work is done.
    Progress {
        /// The worker's fence.
        fence: Position,
        /// How much.
        done: u64,
        /// Of how much.
        total: u64,
    },
    /// The file is complete and durable.
    Finish {
        /// The worker's fence.
        fence: Position,
        /// How many rows it has.
        rows: u64,
        /// How many bytes it has.
        bytes: u64,
        /// Their SHA-256.
        sha256: [u8; 32],
        /// For how long it is kept.
        ttl_ms: u64,
    },
    /// There will be no file.
    Fail {
        /// The worker's fence.
        fence: Position,
        /// Why.
        reason: String,
    },
    /// Somebody takes the file.
    Download {
        /// Who, where the caller has a name.
        by: Option<Id>,
    },

    /// Time: the file, or the memory of a failure, is kept no longer.
    ExportDue,
    /// A restore: the file stayed with the original.
    FileLost,
}

/// What an export is of.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum What {
    /// Everything that happened in the book.
    Events = 1,
    /// Its accounts.
    Accounts = 2,
    /// Its flows.
    Flows = 3,
    /// Its tickets.
    Tickets = 4,
    /// Its drops.
    Drops = 5,
    /// Its records.
    Records = 6,
    /// Every posting, with its event.
    Entries = 7,
}

/// The form of the file.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Format {
    /// One JSON object a line.
    Ndjson = 1,
    /// Comma-separated values under a line of names.
    Csv = 2,
}

impl Said for Command {
    fn operation(&self) -> u8 {
        match self {
            Self::Request { .. } => 1,
            Self::Begin { .. } => 2,
            Self::Progress { .. } => 3,
            Self::Finish { .. } => 4,
            Self::Fail { .. } => 5,
            Self::Download { .. } => 6,
            Self::ExportDue => 7,
            Self::FileLost => 8,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Request { .. } => "request",
            Self::Begin { .. } => "begin",
            Self::Progress { .. } => "progress",
            Self::Finish { .. } => "finish",
            Self::Fail { .. } => "fail",
            Self::Download { .. } => "download",
            Self::ExportDue => "export_due",
            Self::FileLost => "file_lost",
        }
    }

    fn is_leg(&self) -> bool {
        matches!(self, Self::ExportDue | Self::FileLost)
    }

    fn canon(&self, canon: &mut Canon) {
        match self {
            Self::Request { what, format, filter } => {
                canon.field(1, &(*what as u8));
                canon.field(2, &(*format as u8));
                canon.maybe(3, filter.as_ref());
            }
            Self::Begin { worker, as_of } => {
                canon.field(1, worker);
                canon.field(2, &as_of.get());
            }
            Self::Progress { fence, done, total } => {
                canon.field(1, &fence.get());
                canon.field(2, done);
                canon.field(3, total);
            }
            Self::Finish { fence, rows, bytes, sha256, ttl_ms } => {
                canon.field(1, &fence.get());
                canon.field(2, rows);
                canon.field(3, bytes);
                canon.field(4, &sha256[..]);
                canon.field(5, ttl_ms);
            }
            Self::Fail { fence, reason } => {
                canon.field(1, &fence.get());
                canon.field(2, reason);
            }
            Self::Download { by } => canon.maybe(1, by.as_ref()),
            Self::ExportDue | Self::FileLost => {}
        }
    }

    fn heap_bytes(&self) -> usize {
        match self {
            Self::Request { filter, .. } => filter.as_ref().map_or(0, String::len),
            Self::Begin { worker, .. } => worker.heap_bytes(),
            Self::Fail { reason, .. } => reason.len(),
            Self::Download { by } => by.as_ref().map_or(0, Id::heap_bytes),
            Self::Progress { .. } | Self::Finish { .. } | Self::ExportDue | Self::FileLost => 0,
        }
    }
}
