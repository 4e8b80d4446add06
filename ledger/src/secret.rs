//! The ledger's secret: what keys of idempotency, fingerprints and tokens are derived with.
//!
//! ```text
//!   0  "QUIPUKEY" │ format u32 │ form u32 (1 the secret is here, 2 it is kept elsewhere)
//!  16  the secret, or what the right one derives: 32 bytes
//!  48  zeros
//!  56  checksum u64: xxh3 of what lies before
//! ```
//!
//! It lasts as long as the ledger: with another one no retry would be known any more, and no
//! token. So a ledger without its secret does not open.

use std::fs;
use std::path::Path;

use quipu_core::damage::Damage;
use quipu_core::disk::{Disk, DiskError, File};
use quipu_disk::RealDisk;
use xxhash_rust::xxh3::xxh3_64;

use crate::error::OpenError;

const SECRET: &str = "SECRET";
const SECRET_NEW: &str = "SECRET.new";
const LEN: usize = 64;
const MAGIC: [u8; 8] = *b"QUIPUKEY";
const FORMAT: u32 = 1;
const TOO_SHORT: &str = "the file is too short for a ledger's secret";

/// Where a ledger's secret is kept.
#[derive(Clone, Default)]
pub enum KeyMaterial {
    /// In the ledger's folder, made with it, readable by its owner alone. Backups do not hold it.
    #[default]
    Beside,
    /// By whoever opens the ledger. The folder then holds only what tells a wrong one.
    Given([u8; 32]),
}

/// A ledger's file `SECRET`, for what is restored from a backup of that ledger: which neither holds
/// a secret nor gets one of its own.
pub struct SecretFile(Kept);

impl SecretFile {
    /// Reads the file.
    pub fn read(file: &Path) -> Result<Self, OpenError> {
        let name = || file.display().to_string();
        let bytes = fs::read(file).map_err(|error| {
            let why = format!("{}: {error}", name());
            OpenError::Stream { what: "reading the secret of a ledger", why }
        })?;
        let short = Damage::new(file, 0, TOO_SHORT);
        let bytes = bytes.first_chunk().ok_or(OpenError::Damaged(short))?;
        decode(file, bytes).map(Self)
    }

    /// Puts it into a restored ledger, which must have none yet and is in use by nobody.
    pub fn put(&self, folder: &Path) -> Result<(), OpenError> {
        let disk = RealDisk::open(folder)?;
        let put = || {
            let _lock = disk.try_lock(Path::new(""))?;
            match read(&disk)? {
                Some(_) => Err(OpenError::WrongSecret),
                None => write(&disk, &self.0),
            }
        };
        put().map_err(|error: OpenError| error.at(folder))
    }
}

/// The secret of a ledger. It is made where nothing can have been derived with one yet. One that
/// was restored has none of its own, and takes the one that is given: that of its original.
pub(crate) fn of<D: Disk>(
    disk: &D,
    keys: &KeyMaterial,
    is_new: bool,
    is_restored: bool,
) -> Result<[u8; 32], OpenError> {
    let is_given = matches!(keys, KeyMaterial::Given(_));
    let kept = match read(disk)? {
        Some(kept) => kept,
        None if is_new || is_restored && is_given => {
            let kept = match keys {
                KeyMaterial::Beside => Kept::Secret(new()?),
                KeyMaterial::Given(secret) => Kept::Elsewhere(check_of(secret)),
            };
            write(disk, &kept)?;
            kept
        }
        None => return Err(OpenError::NoSecret),
    };
    match (kept, keys) {
        (Kept::Secret(secret), KeyMaterial::Beside) => Ok(secret),
        (Kept::Elsewhere(check), KeyMaterial::Given(secret)) if check == check_of(secret) => {
            Ok(*secret)
        }
        // Given where it is kept here too: fine, if it is the same.
        (Kept::Secret(kept), KeyMaterial::Given(secret)) if kept == *secret => Ok(kept),
        (Kept::Elsewhere(_), KeyMaterial::Beside) => Err(OpenError::SecretElsewhere),
        _ => Err(OpenError::WrongSecret),
    }
}

enum Kept {
    Secret([u8; 32]),
    Elsewhere([u8; 32]),
}

fn new() -> Result<[u8; 32], OpenError> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(|error| OpenError::NoRandom(error.to_string()))?;
    Ok(secret)
}

/// What the right secret derives, and from which nobody gets it back.
fn check_of(secret: &[u8; 32]) -> [u8; 32] {
    blake3::derive_key("quipu 2026 check of a ledger's secret", secret)
}

fn read<D: Disk>(disk: &D) -> Result<Option<Kept>, OpenError> {
    let file = match disk.open(Path::new(SECRET)) {
        Err(DiskError::NotFound(_)) => return Ok(None),
        file => file?,
    };
    let mut bytes = [0; LEN];
    match file.read_at(0, &mut bytes) {
        Err(DiskError::ShortRead { .. }) => {
            return Err(OpenError::Damaged(Damage::new(SECRET, 0, TOO_SHORT)));
        }
        read => read?,
    }
    decode(Path::new(SECRET), &bytes).map(Some)
}

fn decode(file: &Path, bytes: &[u8; LEN]) -> Result<Kept, OpenError> {
    let rotten = |why: &str| OpenError::Damaged(Damage::new(file, 0, why));
    let half = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
    let sum = u64::from_le_bytes(bytes[56..].try_into().expect("eight bytes"));
    if bytes[..8] != MAGIC || sum != xxh3_64(&bytes[..56]) {
        return Err(rotten("the secret is not what was written"));
    }
    if half(8) > FORMAT {
        let what = "the ledger's secret".to_owned();
        return Err(OpenError::Newer { what, found: half(8), known: FORMAT });
    }
    let body = bytes[16..48].try_into().expect("thirty-two bytes");
    match half(12) {
        1 => Ok(Kept::Secret(body)),
        2 => Ok(Kept::Elsewhere(body)),
        _ => Err(rotten("the secret is kept in no place that there is")),
    }
}

fn write<D: Disk>(disk: &D, kept: &Kept) -> Result<(), OpenError> {
    let (form, body) = match kept {
        Kept::Secret(secret) => (1_u32, secret),
        Kept::Elsewhere(check) => (2, check),
    };
    let mut bytes = [0; LEN];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..12].copy_from_slice(&FORMAT.to_le_bytes());
    bytes[12..16].copy_from_slice(&form.to_le_bytes());
    bytes[16..48].copy_from_slice(body);
    let sum = xxh3_64(&bytes[..56]);
    bytes[56..].copy_from_slice(&sum.to_le_bytes());
    let new = Path::new(SECRET_NEW);
    match disk.remove(new) {
        Err(DiskError::NotFound(_)) => {}
        removed => removed?,
    }
    let file = disk.create(new)?;
    file.write_at(0, &bytes)?;
    file.sync()?;
    disk.rename(new, Path::new(SECRET))?;
    Ok(disk.sync_dir(Path::new(""))?)
}
