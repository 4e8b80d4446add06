//! Whether a log and a store are what they should be: the chain of frames, every row and index,
//! the balance of all money, and a replay from the first event.
//!
//! Nothing here changes what it looks at, but for the scratch store of [`replayed`]. Every check
//! goes on behind what it found, where that can be done, and lists it as a [`Finding`]; an
//! [`Error`] says that a check could not be made at all. All work in memory that does not grow
//! with the history or the number of streams, but for a few words per book and asset, index and
//! kind.
//!
//! | check | what it proves |
//! |---|---|
//! | [`chain`] | the frames follow each other and hash to what the log says, and to anchors that were noted elsewhere |
//! | [`rows`] | every row can be read, names and heads agree, items have their stream, indexes and index rows hold what rows say and nothing else |
//! | [`balance`] | what all streams hold and what has left the ledger sum to zero |
//! | [`replayed`] | the store is what the log says; if not, which row is the first that differs |

mod balance;
mod chain;
mod indexes;
mod replay;
mod rows;
mod walk;

pub use balance::{Balance, Held, Line, Outside, Sums, balance, held};
pub use chain::{Chain, Met, chain};
pub use replay::{Difference, Replayed, first_difference, replayed};
pub use rows::{Rows, rows};

use core::fmt::{self, Display};

use crate::damage::Damage;
use crate::log::LogError;
use crate::machine::ItemKey;
use crate::records::{Corrupt, IndexRow, Table};
use crate::recovery::RecoveryError;
use crate::store::{Due, StoreError};
use crate::words::{Asset, Book, Epoch, Kind, Name, Number, Position, Timestamp};

/// The most findings that a [`Report`] lists.
pub const FINDINGS_MAX: usize = 100;

/// What a check found wrong: the first [`FINDINGS_MAX`] of it, and how much more there is.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Report {
    findings: Vec<Finding>,
    beyond: u64,
}

impl Report {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }

    /// What is wrong, in the order in which it was found.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// How many findings more there were than are listed.
    #[must_use]
    pub fn beyond(&self) -> u64 {
        self.beyond
    }

    fn add(&mut self, place: Place, flaw: Flaw) {
        self.take(Finding { place, flaw });
    }

    fn take(&mut self, finding: Finding) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding);
        } else {
            self.beyond += 1;
        }
    }

    /// Puts what another check found behind what this one did.
    pub fn append(&mut self, other: Self) {
        other.findings.into_iter().for_each(|finding| self.take(finding));
        self.beyond += other.beyond;
    }
}

/// One thing that is wrong, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// Where.
    pub place: Place,
    /// What.
    pub flaw: Flaw,
}

impl Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.place, self.flaw)
    }
}

/// Where something is wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Place {
    /// On the log, at a position.
    Log(Position),
    /// In the store, in a row.
    Row(Table, Vec<u8>),
    /// In the store, in an index: the book, the kind, the index's number and the key in it.
    Index(Book, Kind, u8, Vec<u8>),
    /// In the store, in what is due.
    Due(Due),
    /// In the sum of an asset in a book.
    Sum(Book, Asset),
    /// In a file.
    File(Damage),
}

impl Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Log(position) => write!(out, "position {position}"),
            Self::Row(table, key) => match (table, key.split_first_chunk::<8>()) {
                (Table::Head, Some((number, []))) => {
                    write!(out, "the head of stream {}", u64::from_be_bytes(*number))
                }
                (Table::Item, Some((number, item))) => {
                    let number = u64::from_be_bytes(*number);
                    match ItemKey::from_bytes(item) {
                        Some(item) => write!(out, "item {item:?} of stream {number}"),
                        None => write!(out, "an item of stream {number}"),
                    }
                }
                (Table::Index, _) => match IndexRow::read(key) {
                    Ok(IndexRow { book, kind, index, bytes, number, item }) => write!(
                        out,
                        "item {item:?} of stream {number} in index {index} of {kind:?} in {book:?}, \
                         at {}",
                        bytes.escape_ascii()
                    ),
                    Err(_) => write!(out, "an index row with key {}", key.escape_ascii()),
                },
                _ => write!(out, "the row of table {table:?} with key {}", key.escape_ascii()),
            },
            Self::Index(book, kind, index, key) => {
                write!(out, "index {index} of {kind:?} in {book:?}, at {}", key.escape_ascii())
            }
            Self::Due(Due { at, number, item: Some(item) }) => {
                write!(out, "what is due at {at}: item {item:?} of stream {number}")
            }
            Self::Due(Due { at, number, item: None }) => {
                write!(out, "what is due at {at}: stream {number}")
            }
            Self::Sum(book, asset) => write!(out, "{asset} in {book:?}"),
            Self::File(damage) => {
                write!(out, "{} at byte {}", damage.file.display(), damage.offset)
            }
        }
    }
}

/// What is wrong.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Flaw {
    /// Bytes of a file are not what was written. What lies behind them was not looked at.
    #[error("damaged, and nothing behind it was read: {0}")]
    Rotten(String),
    /// A record is not what any ledger writes.
    #[error("{0}")]
    Corrupt(#[from] Corrupt),

    /// The log has no frame here. What lies behind it was not looked at.
    #[error("there is no frame here, though the log goes on behind it")]
    NoFrame,
    /// A frame begins elsewhere than the one before it ended.
    #[error("a frame begins here, but the next position is {next}")]
    NotNext {
        /// The position behind the frame before.
        next: Position,
    },
    /// A frame has no end that can be counted. What lies behind it was not looked at.
    #[error("a frame takes {events} positions, which leads nowhere")]
    NoEnd {
        /// How many positions it takes.
        events: u64,
    },
    /// The epoch fell.
    #[error("a writer of epoch {found} wrote behind one of epoch {before}")]
    StaleWriter {
        /// The epoch before.
        before: Epoch,
        /// The frame's.
        found: Epoch,
    },
    /// A frame vouches for positions that it comes before itself.
    #[error("the frame takes position {0} for durable, which is not before it")]
    Unborn(Position),
    /// A frame's time is above the limit that it makes durable.
    #[error("the frame's time {now} is above its limit {limit}")]
    AboveLimit {
        /// The frame's time.
        now: Timestamp,
        /// Its limit.
        limit: Timestamp,
    },
    /// The durable limit of time fell.
    #[error("the limit of time fell from {before} to {found}")]
    LimitFell {
        /// The limit before.
        before: Timestamp,
        /// The frame's.
        found: Timestamp,
    },
    /// An entry was decided outside of the time that its frame allows: before the limit at which
    /// its writer began, or after the frame was made.
    #[error("an entry was decided at {now}, which is not between {from} and {until}")]
    OutOfTime {
        /// When it was decided.
        now: Timestamp,
        /// The limit at which its writer began.
        from: Timestamp,
        /// The time of its frame.
        until: Timestamp,
    },
    /// A frame's entries take other positions than the frame says.
    #[error("the frame takes {events} positions, but its entries take {found}")]
    NotFilled {
        /// What the frame says.
        events: u64,
        /// What its entries take.
        found: u64,
    },
    /// An anchor is not met.
    #[error("the anchor of this position {0}")]
    Anchor(Met),
    /// The frames hash to something else than the log says.
    #[error("the frames do not hash to what the log says of its end")]
    End,

    /// A row is not what the log leads to.
    #[error("{0}")]
    Differs(String),

    /// No machine is registered for a row's kind.
    #[error("no machine is registered for {0:?}")]
    UnknownKind(Kind),
    /// A row names a position that the store has not reached.
    #[error("it names position {0}, which the store has not reached")]
    Ahead(Position),
    /// A head's times or positions contradict each other.
    #[error("it was changed before it was created")]
    Disorder,
    /// A head is larger than any machine's.
    #[error("it takes {0} bytes, more than any head")]
    TooLarge(usize),
    /// A name leads to no head.
    #[error("it leads to stream {0}, which does not exist")]
    NoHead(Number),
    /// A name leads to a head of another name.
    #[error("it leads to stream {0}, whose name is {1:?}")]
    OtherName(Number, Name),
    /// A head's name leads nowhere.
    #[error("its name {0:?} leads nowhere")]
    NoName(Name),
    /// A head's name leads to another stream.
    #[error("its name {0:?} leads to stream {1}")]
    OtherNumber(Name, Number),
    /// An item's stream does not exist.
    #[error("its stream does not exist")]
    Orphan,
    /// An item is of another kind than its stream.
    #[error("it is of {found:?}, but its stream is of {stream:?}")]
    OtherKind {
        /// The stream's kind.
        stream: Kind,
        /// The item's.
        found: Kind,
    },
    /// An idempotency key lies in the ten minutes of another time.
    #[error("it was answered at {0}, which is another ten minutes than its key says")]
    OtherBucket(Timestamp),

    /// An index does not list what a row says.
    #[error("it is not listed, though stream {0} says so")]
    NotListed(Number),
    /// An index lists what no row says.
    #[error("stream {0} is listed, but its row says otherwise")]
    Listed(Number),
    /// A row of an index is missing that its item says.
    #[error("there is no such row, though the item says so")]
    NotIndexed,
    /// A row of an index says what its item does not.
    #[error("its item says otherwise, or is not there")]
    Indexed,
    /// Something due is not listed.
    #[error("it is not listed")]
    NotDue,
    /// Something is listed as due which is not.
    #[error("it is listed, but its row says otherwise")]
    ListedDue,
    /// A list is out of order. What lies behind was not looked at.
    #[error("the list goes on with something that is not behind it")]
    Unordered,

    /// The postings of an entry do not sum to zero.
    #[error("the postings of {asset} sum to {sum}")]
    Unbalanced {
        /// Of what.
        asset: Asset,
        /// What appeared, or vanished where it is below zero.
        sum: i128,
    },
    /// An entry leaves value in transit.
    #[error("the entry leaves {amount} {asset} in transit")]
    InTransit {
        /// Of what.
        asset: Asset,
        /// How much.
        amount: i128,
    },
    /// A sum needs more than 127 bits, so nothing can be said of it.
    #[error("the sum needs more than 127 bits")]
    Overflow,
    /// An event may have moved value of a stream that is not in the store.
    #[error("stream {0}, which may have moved value, is not in the store")]
    Gone(Number),
    /// Value appeared or vanished.
    #[error("{held} is held and {outside} is outside: together {difference}, not 0")]
    Difference {
        /// What streams hold.
        held: i128,
        /// What is outside: negative where more came in than went out.
        outside: i128,
        /// Their sum.
        difference: i128,
    },
}

/// Why a check could not be made.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Error {
    /// The log could not be read.
    #[error("the log: {0}")]
    Log(#[from] LogError),
    /// The store could not be read.
    #[error("the store: {0}")]
    Store(#[from] StoreError),
    /// The log could not be replayed.
    #[error("replay: {0}")]
    Recovery(#[from] RecoveryError),
    /// What is to be compared stands at different positions.
    #[error("the store is at position {store}, but the log ends at {log}")]
    Apart {
        /// The store's position.
        store: Position,
        /// The log's last one.
        log: Position,
    },
    /// What was counted before goes further than the log.
    #[error("the base goes up to position {base}, but the log ends at {log}")]
    BaseAhead {
        /// Up to where the base counts.
        base: Position,
        /// The log's last position.
        log: Position,
    },
}

/// Where a store's own error is a finding, and which one; else the error.
fn found(error: StoreError) -> Result<(Place, Flaw), Error> {
    match error {
        StoreError::Damaged { table, key, why } => Ok((Place::Row(table, key), why.into())),
        StoreError::Rotten(damage) => {
            let flaw = Flaw::Rotten(damage.why.clone());
            Ok((Place::File(damage), flaw))
        }
        error => Err(error.into()),
    }
}
