//! The manifest: what a folder is, which ledger lies in it, and what an opening must find.
//!
//! ```text
//!   0  "QUIPULED" │ format u32 │ state u32 (1 being made, 2 whole)
//!  16  the ledger's id, 16 bytes
//!  32  its log u32 (1 files, 2 redb) │ 0 u32
//!  40  restored from this ledger, 16 bytes; zeros where it is not a restored one
//!  56  restored at this position u64
//!  64  position that the log reached at the last clean stop u64
//!  72  what all history up to there hashed to, 32 bytes
//! 104  zeros
//! 504  checksum u64: xxh3 of what lies before
//! ```
//!
//! It is replaced as a whole: a new file, synced, takes its name.

use std::path::{Path, PathBuf};

use quipu_core::damage::Damage;
use quipu_core::disk::{Disk, DiskError, File};
use quipu_core::log::Anchor;
use quipu_core::mutant;
use quipu_core::words::{Hex, Position};
use xxhash_rust::xxh3::xxh3_64;

use crate::error::OpenError;

/// The file's name.
pub(crate) const MANIFEST: &str = "LEDGER";
pub(crate) const MANIFEST_NEW: &str = "LEDGER.new";

/// The format of ledgers that this version makes, and the newest that it opens.
pub const FORMAT: u32 = 1;

const LEN: usize = 512;
const MAGIC: [u8; 8] = *b"QUIPULED";

/// Which ledger it is. A restored one is another.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct LedgerId(pub [u8; 16]);

impl core::fmt::Display for LedgerId {
    /// 32 hex digits.
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Display::fmt(&Hex(&self.0), out)
    }
}

/// What keeps a ledger's log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogKind {
    /// Segmented files.
    Files,
    /// One redb file.
    Redb,
}

/// Where a restored ledger comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Origin {
    /// The ledger that was backed up.
    pub ledger: LedgerId,
    /// The position of the backup.
    pub position: Position,
}

/// What a ledger says of itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Manifest {
    /// The format of its files.
    pub format: u32,
    /// Whether it was made to the end. What is not was never used.
    pub is_whole: bool,
    /// Which ledger it is.
    pub id: LedgerId,
    /// What keeps its log.
    pub log: LogKind,
    /// Where it comes from, if it was restored.
    pub origin: Option<Origin>,
    /// What its history was at the last clean stop. A log that ends before has lost something.
    pub stopped: Anchor,
}

impl Manifest {
    fn encode(&self) -> [u8; LEN] {
        let mut out = [0; LEN];
        out[..8].copy_from_slice(&MAGIC);
        out[8..12].copy_from_slice(&self.format.to_le_bytes());
        out[12..16].copy_from_slice(&(if self.is_whole { 2_u32 } else { 1 }).to_le_bytes());
        out[16..32].copy_from_slice(&self.id.0);
        let log: u32 = match self.log {
            LogKind::Files => 1,
            LogKind::Redb => 2,
        };
        out[32..36].copy_from_slice(&log.to_le_bytes());
        if let Some(origin) = &self.origin {
            out[40..56].copy_from_slice(&origin.ledger.0);
            out[56..64].copy_from_slice(&origin.position.get().to_le_bytes());
        }
        out[64..72].copy_from_slice(&self.stopped.position.get().to_le_bytes());
        out[72..104].copy_from_slice(&self.stopped.hash);
        let sum = xxh3_64(&out[..504]);
        out[504..].copy_from_slice(&sum.to_le_bytes());
        out
    }

    fn decode(bytes: &[u8; LEN]) -> Result<Self, OpenError> {
        let rotten = |why: &str| OpenError::Damaged(Damage::new(MANIFEST, 0, why));
        let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight"));
        let half = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four"));
        let id = |at: usize| LedgerId(bytes[at..at + 16].try_into().expect("sixteen"));
        if bytes[..8] != MAGIC {
            return Err(rotten("this is not the manifest of a ledger"));
        }
        if word(504) != xxh3_64(&bytes[..504]) {
            return Err(rotten("the manifest is not what was written"));
        }
        let format = half(8);
        if format > FORMAT {
            let what = "the ledger".to_owned();
            return Err(OpenError::Newer { what, found: format, known: FORMAT });
        }
        let log = match half(32) {
            1 => LogKind::Files,
            2 => LogKind::Redb,
            _ => return Err(rotten("the manifest names a log that there is not")),
        };
        let origin = Origin { ledger: id(40), position: Position::new(word(56)) };
        let hash = bytes[72..104].try_into().expect("thirty-two");
        Ok(Self {
            format,
            is_whole: half(12) == 2,
            id: id(16),
            log,
            origin: (origin.ledger.0 != [0; 16]).then_some(origin),
            stopped: Anchor { position: Position::new(word(64)), hash },
        })
    }

    /// Reads the manifest of a folder; `None` where there is none.
    pub(crate) fn read<D: Disk>(disk: &D) -> Result<Option<Self>, OpenError> {
        let file = match disk.open(Path::new(MANIFEST)) {
            Err(DiskError::NotFound(_)) => return Ok(None),
            file => file?,
        };
        let mut bytes = [0; LEN];
        match file.read_at(0, &mut bytes) {
            Err(DiskError::ShortRead { .. }) => {
                let damage = Damage::new(MANIFEST, 0, "the file is too short for a manifest");
                Err(OpenError::Damaged(damage))
            }
            read => {
                read?;
                Self::decode(&bytes).map(Some)
            }
        }
    }

    /// Makes this the manifest, in one step.
    pub(crate) fn write<D: Disk>(&self, disk: &D) -> Result<(), OpenError> {
        let new = PathBuf::from(MANIFEST_NEW);
        match disk.remove(&new) {
            Err(DiskError::NotFound(_)) => {}
            removed => removed?,
        }
        let file = disk.create(&new)?;
        file.write_at(0, &self.encode())?;
        if !mutant!(ManifestNotSynced) {
            file.sync()?;
        }
        disk.rename(&new, Path::new(MANIFEST))?;
        Ok(disk.sync_dir(Path::new(""))?)
    }
}
