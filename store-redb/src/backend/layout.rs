//! Where pages and their sums lie in a paged file. `docs/format-redb.md` draws it.

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// The page of redb, and of everything here.
pub(super) const PAGE: u64 = 4_096;
/// The same, for buffers.
pub(super) const PAGE_LEN: usize = PAGE as usize;
/// What a disk writes whole or not at all.
pub(super) const SECTOR_LEN: usize = 512;
/// How much of a sector its own sum covers; the sum lies behind that.
pub(super) const SEALED_LEN: usize = SECTOR_LEN - 8;
/// How many pages the sums of one page cover: its group.
pub(super) const GROUP: u64 = PAGE / 8;

const MAGIC: [u8; 8] = *b"QUIPUPG\n";
pub(super) const FORMAT: u32 = 1;
/// Seeds the sums of sectors, which no page's seed is.
const SECTOR_SEED: u64 = u64::from_le_bytes(*b"sector\0\0");

/// The first sector: what the file is, and how long redb takes it to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Front {
    /// What the owner calls the file; it seeds every page's sum.
    pub(super) id: u64,
    /// The length that redb has set, in pages.
    pub(super) pages: u64,
}

/// Why a sector is not the front of a paged file that can be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum NotFront {
    /// It is none, or no longer; how that shows.
    Damaged(&'static str),
    /// Another version wrote it.
    Format(u32),
}

impl Front {
    pub(super) fn to_sector(self) -> [u8; SECTOR_LEN] {
        let mut body = [0; SEALED_LEN];
        body[..8].copy_from_slice(&MAGIC);
        body[8..12].copy_from_slice(&FORMAT.to_le_bytes());
        body[12..16].copy_from_slice(&(PAGE as u32).to_le_bytes());
        body[16..24].copy_from_slice(&self.id.to_le_bytes());
        body[24..32].copy_from_slice(&self.pages.to_le_bytes());
        sealed(&body)
    }

    /// The front that a sector holds, or why it holds none.
    pub(super) fn of_sector(sector: &[u8; SECTOR_LEN]) -> Result<Self, NotFront> {
        if sector[..8] != MAGIC {
            return Err(NotFront::Damaged("no paged file begins here"));
        }
        if !is_sealed(sector) {
            return Err(NotFront::Damaged("the front's checksum does not match"));
        }
        let word = |at: usize| u64::from_le_bytes(take(&sector[at..]));
        let format = u32::from_le_bytes(take(&sector[8..]));
        if format != FORMAT {
            return Err(NotFront::Format(format));
        }
        if word(8) >> 32 != PAGE {
            return Err(NotFront::Damaged("pages of another length"));
        }
        let front = Self { id: word(16), pages: word(24) };
        // Far beyond any disk, and far from where an offset would overflow.
        if front.pages >= 1 << 48 {
            return Err(NotFront::Damaged("an absurd length"));
        }
        Ok(front)
    }
}

/// A sector that carries its own sum, so that both reach the disk or neither.
pub(super) fn sealed(body: &[u8]) -> [u8; SECTOR_LEN] {
    let mut sector = [0; SECTOR_LEN];
    sector[..body.len()].copy_from_slice(body);
    let sum = xxh3_64_with_seed(&sector[..SEALED_LEN], SECTOR_SEED);
    sector[SEALED_LEN..].copy_from_slice(&sum.to_le_bytes());
    sector
}

pub(super) fn is_sealed(sector: &[u8; SECTOR_LEN]) -> bool {
    let sum = u64::from_le_bytes(take(&sector[SEALED_LEN..]));
    sum == xxh3_64_with_seed(&sector[..SEALED_LEN], SECTOR_SEED)
}

/// The sum of a page that was written. Never zero, which says that nobody wrote it; and not
/// that of the same bytes in another place or another file.
pub(super) fn sum(id: u64, page: u64, bytes: &[u8]) -> u64 {
    let mut place = [0; 16];
    place[..8].copy_from_slice(&id.to_le_bytes());
    place[8..].copy_from_slice(&page.to_le_bytes());
    xxh3_64_with_seed(bytes, xxh3_64(&place)).max(1)
}

/// The offset of the sums of a group.
pub(super) fn sums_at(group: u64) -> u64 {
    PAGE + group * (GROUP + 1) * PAGE
}

/// The offset of a page.
pub(super) fn page_at(page: u64) -> u64 {
    sums_at(page / GROUP) + PAGE + page % GROUP * PAGE
}

/// The length of a file in which so many pages have their place.
pub(super) fn file_len(pages: u64) -> u64 {
    pages.checked_sub(1).map_or(PAGE, |last| page_at(last) + PAGE)
}

fn take<const N: usize>(bytes: &[u8]) -> [u8; N] {
    *bytes.first_chunk().expect("offsets lie within a sector")
}
