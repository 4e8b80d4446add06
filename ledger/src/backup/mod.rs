//! A backup: one file with everything of a ledger up to one position, made while writing goes on.
//!
//! ```text
//!   0  header, 512 bytes: "QUIPUBAK" │ format u32 │ 0 u32
//!  16  the ledger's id, 16 bytes
//!  32  position u64 │ now_limit u64
//!  48  what all history up to the position hashes to, 32 bytes
//!  80  position before the first frame of the backup u64
//!  88  what all history up to there hashes to, 32 bytes
//! 120  epoch of the last writer u64 │ zeros
//! 504  checksum u64: xxh3 of what lies before
//! 512  block, block, …
//!
//! block  0  what u32 (1 a frame, 2 rows, 3 the end) │ length u32
//!        8  what it holds
//!           checksum u64: xxh3 of all of it before, seeded by the header's checksum and the offset
//! ```
//!
//! A frame is its seven fields as u64, and its bytes. Rows are `table u8, 3 zeros, key's length
//! u32, value's length u32, key, value`, one behind the other, in the order of tables and keys.
//! The end holds how many frames and rows there were, and the BLAKE3 of all blocks before.

mod read;
mod write;

pub use read::{Backup, Contents, open_file};
pub use write::{to_file, write};

use quipu_core::damage::Damage;
use quipu_core::log::Anchor;
use quipu_core::words::{Epoch, Position, Timestamp};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::error::OpenError;
use crate::manifest::LedgerId;

/// The format of backups that this version writes, and the newest that it reads.
pub const FORMAT: u32 = 1;

pub(crate) const HEADER_LEN: usize = 512;
pub(crate) const FRONT_LEN: usize = 8;
pub(crate) const BACK_LEN: usize = 8;
/// The longest block: a frame with the longest entry, or one row.
pub(crate) const BLOCK_LEN_MAX: usize = 16 << 20;
/// Rows are gathered up to this length.
pub(crate) const ROWS_LEN: usize = 64 << 10;

const MAGIC: [u8; 8] = *b"QUIPUBAK";

/// What a backup is of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BackupManifest {
    /// The ledger.
    pub ledger: LedgerId,
    /// Everything up to here is in it.
    pub position: Position,
    /// What all history up to there hashes to: the anchor to be noted elsewhere.
    pub anchor: Anchor,
    /// Before the first frame that is in it.
    pub start: Anchor,
    /// The time up to which answers may have been shown.
    pub now_limit: Timestamp,
    /// The last writer's, which a restored ledger is above.
    pub epoch: Epoch,
}

/// What a block holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub(crate) enum What {
    Frame = 1,
    Rows = 2,
    End = 3,
}

impl BackupManifest {
    fn encode(&self) -> [u8; HEADER_LEN] {
        let mut out = [0; HEADER_LEN];
        out[..8].copy_from_slice(&MAGIC);
        out[8..12].copy_from_slice(&FORMAT.to_le_bytes());
        out[16..32].copy_from_slice(&self.ledger.0);
        let mut put = |at: usize, word: u64| out[at..at + 8].copy_from_slice(&word.to_le_bytes());
        put(32, self.position.get());
        put(40, self.now_limit.ms());
        put(80, self.start.position.get());
        put(120, self.epoch.get());
        out[48..80].copy_from_slice(&self.anchor.hash);
        out[88..120].copy_from_slice(&self.start.hash);
        let sum = xxh3_64(&out[..504]);
        out[504..].copy_from_slice(&sum.to_le_bytes());
        out
    }

    fn decode(name: &str, bytes: &[u8; HEADER_LEN]) -> Result<Self, OpenError> {
        let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight"));
        let hash = |at: usize| bytes[at..at + 32].try_into().expect("thirty-two");
        if bytes[..8] != MAGIC {
            return Err(OpenError::NotBackup(name.to_owned()));
        }
        if word(504) != xxh3_64(&bytes[..504]) {
            let why = "the header of the backup is not what was written";
            return Err(OpenError::Damaged(Damage::new(name, 0, why)));
        }
        let format = u32::from_le_bytes(bytes[8..12].try_into().expect("four"));
        if format > FORMAT {
            let what = name.to_owned();
            return Err(OpenError::Newer { what, found: format, known: FORMAT });
        }
        let position = Position::new(word(32));
        // There is always a next one.
        if position.get() == u64::MAX || word(80) > position.get() {
            let why = "the backup begins behind its end";
            return Err(OpenError::Damaged(Damage::new(name, 0, why)));
        }
        let (now_limit, epoch) = (Timestamp::from_ms(word(40)), Epoch::new(word(120)));
        if !is_in_time(now_limit, epoch) {
            let why = "the backup is of a time that there is not";
            return Err(OpenError::Damaged(Damage::new(name, 0, why)));
        }
        Ok(Self {
            ledger: LedgerId(bytes[16..32].try_into().expect("sixteen")),
            position,
            anchor: Anchor { position, hash: hash(48) },
            start: Anchor { position: Position::new(word(80)), hash: hash(88) },
            now_limit,
            epoch,
        })
    }

    /// What seeds the checksums of its blocks.
    fn seed(&self) -> u64 {
        u64::from_le_bytes(self.encode()[504..].try_into().expect("eight"))
    }
}

/// Whether a ledger can go on behind this: a later writer and a second more have to fit. What is
/// told by somebody else's file may be anything, with all checksums right.
fn is_in_time(now_limit: Timestamp, epoch: Epoch) -> bool {
    now_limit <= Timestamp::LAST && epoch.get() < u64::MAX >> 1
}

fn checksum(bytes: &[u8], seed: u64, offset: u64) -> u64 {
    xxh3_64_with_seed(bytes, seed ^ offset.rotate_left(32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_or_a_writer_behind_which_nothing_fits_is_refused() {
        let sound = BackupManifest {
            ledger: LedgerId([7; 16]),
            position: Position::new(9),
            anchor: Anchor { position: Position::new(9), hash: [1; 32] },
            start: Anchor::START,
            now_limit: Timestamp::LAST,
            epoch: Epoch::new(3),
        };
        assert_eq!(BackupManifest::decode("a", &sound.encode()), Ok(sound));
        for crafted in [
            BackupManifest { now_limit: Timestamp::NEVER, ..sound },
            BackupManifest { epoch: Epoch::new(u64::MAX), ..sound },
        ] {
            let told = BackupManifest::decode("a", &crafted.encode());
            assert!(matches!(told, Err(OpenError::Damaged(_))), "{told:?}");
        }
    }
}
