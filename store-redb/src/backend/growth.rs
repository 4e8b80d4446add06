//! How far redb makes its file grow, so that the room can be taken before it asks.

use super::layout::PAGE;

/// The most that one region of redb holds.
const REGION: u64 = 4 << 30;

/// The most pages that a file of `pages` can have once redb has taken blocks of `bytes` in
/// all, the largest of them `largest` (a power of two), even if nothing of the file is free.
///
/// redb gives out blocks whose lengths are powers of two. It finds none of length `k` only
/// where every free block is shorter, and in an area that was free as a whole those add up to
/// less than `2k`. So it asks for no further room once `bytes + 2 × largest` have come. Short of
/// that it doubles the file, or adds twice the block where that is more; behind its first region
/// it adds at most two regions. What a commit costs beside its rows, of which four may be alive
/// at a time, is mostly the list of free pages: two bits for each, in one block.
pub(super) fn most(pages: u64, bytes: u64, largest: u64) -> u64 {
    let commits = (1 << 20) + pages * PAGE / 1_024;
    let before = pages * PAGE + bytes + 2 * largest + commits;
    let after =
        if before < REGION { before + before.max(2 * largest) } else { before + 2 * REGION };
    after.div_ceil(PAGE)
}
