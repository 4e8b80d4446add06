//! The store: heads, items and indexes as of a position. Rebuildable from the log.

pub mod conformance;
mod listed;
mod memory;

pub use listed::{ListedItem, list_items};
pub use memory::MemoryStore;

use std::sync::Arc;

use crate::damage::Damage;
use crate::machine::ItemKey;
use crate::records::{Corrupt, Row, Table};
use crate::words::{Book, Kind, Number, Position, Timestamp};

/// Why a store could not answer.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum StoreError {
    /// A row does not pass its check.
    #[error("a row of table {table:?} with key {} is damaged: {why}", .key.escape_ascii())]
    Damaged {
        /// Where.
        table: Table,
        /// Which.
        key: Vec<u8>,
        /// What is wrong with it.
        why: Corrupt,
    },
    /// Bytes of a file are not what was written.
    #[error("damaged: {0}")]
    Rotten(Damage),
    /// Another version wrote it. Nothing was changed.
    #[error("the store has format {found}, but this version keeps format {known}")]
    Format {
        /// Its format.
        found: u32,
        /// This version's.
        known: u32,
    },
    /// There is no room for what was asked.
    #[error("no room: {0}")]
    Full(String),
    /// The world failed.
    #[error("{0}")]
    Failed(String),
}

/// Something that is due: a stream, or one of its items.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Due {
    /// When.
    pub at: Timestamp,
    /// Which stream.
    pub number: Number,
    /// Which of its items; `None` where it is the stream itself.
    pub item: Option<ItemKey>,
}

/// Reads heads, names, items and keys, and the indexes over them. Every row that is read has
/// passed its check. Calls may come from several threads.
pub trait Reader: Send + Sync {
    /// Every row up to here has been applied.
    fn position(&self) -> Position;

    /// Reads one row's value.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// Visits rows of a table from a key on, in key order, until `visit` says `false`. On a
    /// store that goes on being written, what is visited may be of several positions; on a
    /// [snapshot](Store::snapshot) it is of one.
    fn scan(
        &self,
        table: Table,
        from: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), StoreError>;

    /// What is due up to a time, in the order of [`Due`], behind `after`, at most `limit`.
    /// `after` need not be there any more.
    fn due(
        &self,
        until: Timestamp,
        after: Option<&Due>,
        limit: usize,
    ) -> Result<Vec<Due>, StoreError>;

    /// The earliest time after `after` at which anything is due.
    fn next_due(&self, after: Timestamp) -> Result<Option<Timestamp>, StoreError>;

    /// The items of one stream that are due up to a time, earliest first and then by key,
    /// behind `after`, at most `limit`; and when the first one beyond those is due, or
    /// [`Timestamp::NEVER`].
    fn due_items(
        &self,
        number: Number,
        until: Timestamp,
        after: Option<&Due>,
        limit: usize,
    ) -> Result<(Vec<Due>, Timestamp), StoreError>;

    /// Streams of a book and kind by one of their indexes, in index order, strictly after
    /// `after`. Index 0 is (created, id); index keys are as the machine wrote them, followed
    /// by (created, id).
    fn list(
        &self,
        book: Book,
        kind: Kind,
        index: u8,
        after: &[u8],
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Number)>, StoreError>;
}

/// Whatever is read by reading another: a store in front of what its readers share.
pub trait ReadsFrom: Send + Sync {
    /// The other.
    fn source(&self) -> &dyn Reader;
}

impl<T: ReadsFrom> Reader for T {
    fn position(&self) -> Position {
        self.source().position()
    }

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.source().get(table, key)
    }

    fn scan(
        &self,
        table: Table,
        from: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), StoreError> {
        self.source().scan(table, from, visit)
    }

    fn due(
        &self,
        until: Timestamp,
        after: Option<&Due>,
        limit: usize,
    ) -> Result<Vec<Due>, StoreError> {
        self.source().due(until, after, limit)
    }

    fn next_due(&self, after: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        self.source().next_due(after)
    }

    fn due_items(
        &self,
        number: Number,
        until: Timestamp,
        after: Option<&Due>,
        limit: usize,
    ) -> Result<(Vec<Due>, Timestamp), StoreError> {
        self.source().due_items(number, until, after, limit)
    }

    fn list(
        &self,
        book: Book,
        kind: Kind,
        index: u8,
        after: &[u8],
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Number)>, StoreError> {
        self.source().list(book, kind, index, after, limit)
    }
}

/// Heads, names, items and keys as of a position, with the indexes over them.
///
/// Rows reach it in log order, before the watermark moves; what it holds in memory is
/// visible at once and durable at the next checkpoint. After a crash a store stands where an
/// apply ended: that of its last checkpoint or a later one. Indexes follow from the rows through
/// the machines' own rules. Every store passes [`conformance`].
pub trait Store: Reader {
    /// Applies the rows of the entries up to `through`, in log order. There may be none.
    /// After a failure some rows may be there and others not: nobody makes a checkpoint of that.
    fn apply(
        &mut self,
        rows: &mut dyn Iterator<Item = Row<'_>>,
        through: Position,
    ) -> Result<(), StoreError>;

    /// A handle that reads what is applied, also what is applied later.
    fn reader(&self) -> Arc<dyn Reader>;

    /// What is applied now, as it stays for as long as the handle is kept.
    fn snapshot(&mut self) -> Result<Arc<dyn Reader>, StoreError>;

    /// Sets what has been applied aside, to be brought onto the disk by the
    /// [`Checkpoint`] that comes back, on whatever thread that runs. Rows can be applied and read
    /// meanwhile. One at a time: the next freeze comes when this one has been run. One that is
    /// dropped instead changes nothing, and what it held is part of the next.
    fn freeze(&mut self) -> Result<Checkpoint, StoreError>;

    /// Brings what has been applied onto the disk. Gives the position from which recovery
    /// would read the log.
    fn checkpoint(&mut self) -> Result<Position, StoreError> {
        self.freeze()?.run()
    }

    /// The bytes of memory that rows take which no checkpoint has brought onto the disk.
    fn pending_bytes(&self) -> usize;

    /// Removes the rows of keys in ten-minute buckets before this one. The next checkpoint
    /// makes that durable.
    fn drop_keys_before(&mut self, bucket: u32) -> Result<(), StoreError>;
}

/// What a checkpoint does.
type Write = Box<dyn FnOnce() -> Result<Position, StoreError> + Send>;

/// A checkpoint that has been frozen and is still to be written.
#[must_use = "what was frozen is written by `run`"]
pub struct Checkpoint(Write);

impl Checkpoint {
    /// A checkpoint that is written by this.
    pub fn new(write: impl FnOnce() -> Result<Position, StoreError> + Send + 'static) -> Self {
        Self(Box::new(write))
    }

    /// Writes it. Gives the position that is durable then. [`StoreError::Full`] does no harm:
    /// what was frozen is part of the next checkpoint. Any other failure is final: the store
    /// takes no further checkpoint.
    pub fn run(self) -> Result<Position, StoreError> {
        (self.0)()
    }
}
