//! Recovery: brings a store up to its log, by applying what the log has and the store has not.

mod noting;
mod replay;

pub use noting::{Notes, Noting};

use replay::Replay;

use crate::commit::Published;
use crate::log::{self, Frame, LogError};
use crate::machine::Registry;
use crate::records::Corrupt;
use crate::store::{Store, StoreError};
use crate::words::Position;

/// Why a ledger could not be recovered. Nothing was changed on the log.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RecoveryError {
    /// The log could not be read.
    #[error("the log: {0}")]
    Log(#[from] LogError),
    /// The store could not be read or written.
    #[error("the store: {0}")]
    Store(#[from] StoreError),
    /// An entry of the log is not what any shard would have written.
    #[error("the entry at position {at}: {why}")]
    Entry {
        /// Its first position.
        at: Position,
        /// What is wrong with it.
        why: Corrupt,
    },
    /// The log does not have what follows, although it says where it ends.
    #[error("the log has nothing at position {at}")]
    Gap {
        /// The position that no frame holds.
        at: Position,
    },
    /// The first entry of a new ledger could not be written.
    #[error("a new ledger could not begin: {0}")]
    Begin(String),
    /// The store is ahead of the log: it belongs to another, or the log lost its end.
    #[error("the store is at position {store}, but the log ends at {log}")]
    StoreAhead {
        /// The store's position.
        store: Position,
        /// The log's last one.
        log: Position,
    },
}

/// The most memory that recovery takes, however long the tail of the log is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// The bytes of streams, items and rows that are kept while the log is replayed. What
    /// changed is written to the store when they are used up, each stream and item once: the
    /// more there are, the fewer rows are written. More than [`MEMORY_MAX`](Self::MEMORY_MAX)
    /// counts as that.
    pub memory: usize,
    /// The bytes that the store may hold in memory before it makes a checkpoint.
    pub pending: usize,
}

impl Limits {
    /// The most memory that counts: rows of one write are told apart by 32 bits.
    pub const MEMORY_MAX: usize = 2 << 30;
}

impl Default for Limits {
    fn default() -> Self {
        Self { memory: 256 << 20, pending: 256 << 20 }
    }
}

/// How far recovery has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// The position that has been applied.
    pub reached: Position,
    /// The log's last position.
    pub last: Position,
}

/// The bytes of frames that are read before the streams that they name are looked for. So
/// many name enough streams that a store finds several on one page when it is asked for them
/// in the order of their keys, and few enough to be near still when they are applied.
const AHEAD_BYTES: usize = 4 << 20;

/// Applies the log's tail to the store. Gives what is durable: the log's end, and its time.
///
/// Replay fires no timers and decides nothing. It is idempotent: a second one finds nothing
/// to do, and one that was cut short left the store at the end of a frame. `progress` is told
/// once for each few megabytes of log, and at the end.
pub fn recover(
    log: &dyn log::Reader,
    store: &mut dyn Store,
    registry: &Registry,
    limits: &Limits,
    progress: &mut dyn FnMut(Progress),
) -> Result<Published, RecoveryError> {
    let (_, next) = log.bounds();
    let last = Position::new(next.get() - 1);
    let mut reached = store.position();
    if reached > last {
        return Err(RecoveryError::StoreAhead { store: reached, log: last });
    }
    let memory = limits.memory.min(Limits::MEMORY_MAX);
    let mut replay = Replay::new(registry);
    while reached < last {
        let frames = ahead(log, reached, last, AHEAD_BYTES.min(memory / 16))?;
        let Some(frame) = frames.last() else { break };
        replay.frames(store, &frames, reached)?;
        reached = frame.last();
        // Rows take as much again while they are written.
        if replay.memory() > memory / 2 {
            replay.write(store, reached)?;
            if replay.memory() > memory / 4 {
                replay.clear();
            }
            if store.pending_bytes() > limits.pending {
                store.checkpoint()?;
            }
        }
        progress(Progress { reached, last });
    }
    replay.write(store, reached)?;
    Ok(Published { watermark: last, now_limit: log.now_limit() })
}

/// The frames behind a position, one behind the other: at least one, until they have `enough`
/// bytes.
fn ahead(
    log: &dyn log::Reader,
    reached: Position,
    last: Position,
    enough: usize,
) -> Result<Vec<Frame>, RecoveryError> {
    let (mut frames, mut bytes, mut at) = (Vec::new(), 0, reached.plus(1));
    while at <= last && (frames.is_empty() || bytes < enough) {
        let frame = log.read(at)?.ok_or(RecoveryError::Gap { at })?;
        // Only the first may begin before: the store can stand within it.
        let follows = frame.first == at || (frames.is_empty() && frame.first < at);
        if !follows || frame.last() < at {
            return Err(RecoveryError::Gap { at });
        }
        if mutant!(TailTooShort) && frame.last() == last {
            break;
        }
        bytes += frame.bytes.len();
        at = frame.last().plus(1);
        frames.push(frame);
    }
    Ok(frames)
}
