//! Bytes at an address that a disk can take them from without a copy.

use std::ops::{Deref, DerefMut};

/// Bytes that begin at a multiple of [`ALIGNMENT`](Self::ALIGNMENT), as
/// [`write_direct`](super::File::write_direct) likes them.
///
/// They grow as a vector does, by moving to a larger place; what fits into the capacity stays
/// where it is.
#[derive(Default, Debug)]
pub struct AlignedBytes {
    /// Behind `start` bytes of nothing. Never grown in place: the allocator would move it.
    bytes: Vec<u8>,
    start: usize,
}

impl AlignedBytes {
    /// A page, and no less than the sector of any disk.
    pub const ALIGNMENT: usize = 4_096;

    /// No bytes, and room for so many.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        if capacity == 0 {
            return Self::default();
        }
        let room = capacity.checked_add(Self::ALIGNMENT - 1).expect("less than all memory");
        let mut bytes = Vec::<u8>::with_capacity(room);
        let past = bytes.as_ptr().addr() % Self::ALIGNMENT;
        let start = (Self::ALIGNMENT - past) % Self::ALIGNMENT;
        bytes.resize(start, 0);
        Self { bytes, start }
    }

    /// How many bytes there is room for where they are now.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.bytes.capacity() - self.start
    }

    /// Forgets the bytes and keeps the room.
    pub fn clear(&mut self) {
        self.bytes.truncate(self.start);
    }

    /// Adds bytes at the end.
    pub fn extend_from_slice(&mut self, more: &[u8]) {
        self.make_room(self.len() + more.len());
        self.bytes.extend_from_slice(more);
    }

    /// Cuts the bytes to a length, or fills up to it with one value.
    pub fn resize(&mut self, len: usize, value: u8) {
        self.make_room(len);
        self.bytes.resize(self.start + len, value);
    }

    fn make_room(&mut self, len: usize) {
        if len > self.capacity() {
            let mut larger = Self::with_capacity(len.max(2 * self.capacity()));
            larger.bytes.extend_from_slice(self);
            *self = larger;
        }
    }
}

impl Deref for AlignedBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[self.start..]
    }
}

impl DerefMut for AlignedBytes {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..]
    }
}

#[cfg(test)]
mod tests {
    use super::AlignedBytes;

    fn is_aligned(bytes: &AlignedBytes) -> bool {
        bytes.as_ptr().addr().is_multiple_of(AlignedBytes::ALIGNMENT)
    }

    #[test]
    fn bytes_are_aligned_however_they_grow() {
        // Buffers that live side by side do not all begin at the same place of a page.
        let mut kept = Vec::new();
        for capacity in [0, 1, 511, 4_095, 4_096, 4_097, 100_000] {
            let (mut bytes, mut model) = (AlignedBytes::with_capacity(capacity), Vec::new());
            for round in 0..200_u8 {
                let more = vec![round; usize::from(round) * 37 % 1_000];
                bytes.extend_from_slice(&more);
                model.extend_from_slice(&more);
                if round % 64 == 63 {
                    let len = model.len() / 2 + usize::from(round) * 50;
                    bytes.resize(len, round);
                    model.resize(len, round);
                }
                assert!(model.is_empty() || is_aligned(&bytes), "{capacity}, round {round}");
                assert!(*bytes == model, "{capacity}, round {round}");
            }
            bytes[3] ^= 1;
            assert_eq!(bytes[3], model[3] ^ 1);
            kept.push(bytes);
        }
        assert!(kept.iter().all(is_aligned), "a buffer that is moved leaves its bytes in place");
    }

    #[test]
    fn what_fits_stays_where_it_is() {
        let mut bytes = AlignedBytes::with_capacity(10_000);
        let place = bytes.as_ptr();
        let capacity = bytes.capacity();
        assert!(capacity >= 10_000);
        for len in [1, 9_999, capacity] {
            bytes.clear();
            assert!(bytes.is_empty());
            bytes.extend_from_slice(&vec![7; len]);
            bytes.resize(len / 2, 0);
            bytes.resize(capacity, 0);
            assert_eq!((bytes.as_ptr(), bytes.capacity()), (place, capacity));
        }
        bytes.resize(capacity + 1, 0);
        assert!(is_aligned(&bytes));
        assert!(bytes.capacity() > capacity);
    }
}
