//! The store: heads, items and indexes as of a position. Rebuildable from the log.

pub mod conformance;
mod memory;

pub use memory::MemoryStore;

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

/// Heads, names, items and keys as of a position, with the indexes over them.
///
/// Rows reach it in log order, before the watermark moves; what it holds in memory is
/// visible at once and durable at the next checkpoint. After a crash a store stands where an
/// apply ended: that of its last checkpoint or a later one. Indexes follow from the rows through
/// the machines' own rules. Every row that is read has passed its check. Every store passes
/// [`conformance`].
pub trait Store {
    /// Every row up to here has been applied.
    fn position(&self) -> Position;

    /// Applies the rows of the entries up to `through`, in log order. There may be none.
    /// After a failure some rows may be there and others not: nobody makes a checkpoint of that.
    fn apply(
        &mut self,
        rows: &mut dyn Iterator<Item = Row<'_>>,
        through: Position,
    ) -> Result<(), StoreError>;

    /// Reads one row's value.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// Visits rows of a table from a key on, in key order, until `visit` says `false`.
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

    /// Brings what has been applied onto the disk. Gives the position from which recovery
    /// would read the log.
    fn checkpoint(&mut self) -> Result<Position, StoreError>;

    /// Removes the rows of keys in ten-minute buckets before this one. The next checkpoint
    /// makes that durable.
    fn drop_keys_before(&mut self, bucket: u32) -> Result<(), StoreError>;
}
