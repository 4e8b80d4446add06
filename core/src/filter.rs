//! A filter that says "never seen" without a read.

/// A blocked Bloom filter over 64-bit hashes: one cache line a question, six bits a member.
///
/// It never forgets: a stream or item that is gone still reads as "maybe", which costs a
/// read and nothing else. When it holds more than it was made for, "maybe" becomes more
/// frequent; its memory does not grow.
#[derive(Clone)]
pub struct Filter {
    blocks: Vec<[u64; 8]>,
    complete: bool,
}

impl Filter {
    /// A filter of about this many bytes. It answers "maybe" to everything until
    /// [`complete`](Self::complete) says that all there is has been inserted.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        Self { blocks: vec![[0; 8]; (bytes / 64).max(1)], complete: false }
    }

    /// Everything that the store holds is in the filter now.
    pub fn complete(&mut self) {
        self.complete = true;
    }

    /// Notes a member.
    pub fn insert(&mut self, hash: u64) {
        let block = self.block(hash);
        for bit in bits(hash) {
            self.blocks[block][bit / 64] |= 1 << (bit % 64);
        }
    }

    /// Whether this hash may be a member; `false` is certain.
    #[must_use]
    pub fn may_hold(&self, hash: u64) -> bool {
        let block = &self.blocks[self.block(hash)];
        !self.complete || bits(hash).all(|bit| block[bit / 64] & 1 << (bit % 64) != 0)
    }

    /// The bytes it takes.
    #[must_use]
    pub fn byte_len(&self) -> usize {
        self.blocks.len() * 64
    }

    fn block(&self, hash: u64) -> usize {
        // The high half picks the block, the low half the bits.
        (((hash >> 32) * self.blocks.len() as u64) >> 32) as usize
    }
}

fn bits(hash: u64) -> impl Iterator<Item = usize> {
    let spread = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (0..6).map(move |index| (spread >> (10 + index * 9) & 511) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(number: u64) -> u64 {
        xxhash_rust::xxh3::xxh3_64(&number.to_le_bytes())
    }

    #[test]
    fn members_are_never_denied_and_strangers_seldom_held() {
        let mut filter = Filter::new(16 * 1024);
        (0..8_000).for_each(|number| filter.insert(hash(number)));
        assert!(filter.may_hold(hash(1 << 40)), "an incomplete filter denies nothing");
        filter.complete();
        assert!((0..8_000).all(|number| filter.may_hold(hash(number))));
        let held = (8_000..108_000).filter(|&number| filter.may_hold(hash(number))).count();
        assert!(held < 3_000, "{held} of 100,000 strangers held at 16 bits a member");
    }
}
