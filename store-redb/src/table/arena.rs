//! Bytes of rows, packed into chunks: one allocation for thousands of rows.

/// Rows begin at a multiple of this, so that a place fits into four bytes.
const UNIT: usize = 8;
/// A chunk holds this much, unless a single row is larger.
const CHUNK_BYTES: usize = 1 << 20;
/// The first chunk: a table of a few rows stays small.
const CHUNK_BYTES_MIN: usize = 4 << 10;
const UNITS_PER_CHUNK: u32 = (CHUNK_BYTES / UNIT) as u32;
/// Further chunks have no place in four bytes.
const CHUNKS_MAX: usize = (u32::MAX / UNITS_PER_CHUNK) as usize;

/// Where a piece of an arena begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place(u32);

/// Pieces of bytes, one behind the other. None is ever given back alone.
#[derive(Default)]
pub(crate) struct Arena {
    chunks: Vec<Vec<u8>>,
    byte_len: usize,
}

impl Arena {
    /// The bytes that it has taken, used or not.
    pub(crate) fn byte_len(&self) -> usize {
        self.byte_len
    }

    /// Makes a piece of zeros. `None` where no place is left, at 32 GiB of rows.
    pub(crate) fn add(&mut self, len: usize) -> Option<Place> {
        let len = len.next_multiple_of(UNIT);
        let fits = self.chunks.last().is_some_and(|chunk| {
            // Behind a row that is larger than a chunk there are no places.
            chunk.len() < CHUNK_BYTES && chunk.capacity() - chunk.len() >= len
        });
        if !fits {
            if self.chunks.len() == CHUNKS_MAX {
                return None;
            }
            // Doubling up to the full size: at most half of what a small table takes is empty.
            let room = self.byte_len.clamp(CHUNK_BYTES_MIN, CHUNK_BYTES).max(len);
            self.chunks.push(Vec::with_capacity(room));
            self.byte_len += room;
        }
        let index = self.chunks.len() - 1;
        let chunk = &mut self.chunks[index];
        let at = chunk.len();
        chunk.resize(at + len, 0);
        Some(Place(index as u32 * UNITS_PER_CHUNK + (at / UNIT) as u32))
    }

    /// The bytes from a place on, up to the end of its chunk.
    pub(crate) fn bytes(&self, place: Place) -> &[u8] {
        let (chunk, at) = place.parts();
        &self.chunks[chunk][at..]
    }

    /// The same, to be written.
    pub(crate) fn bytes_mut(&mut self, place: Place) -> &mut [u8] {
        let (chunk, at) = place.parts();
        &mut self.chunks[chunk][at..]
    }

    /// Visits every piece, in the order in which they were made. `visit` says how long the
    /// piece is that the bytes begin with.
    pub(crate) fn each(&self, mut visit: impl FnMut(Place, &[u8]) -> usize) {
        for (index, chunk) in self.chunks.iter().enumerate() {
            let mut at = 0;
            while let Some(rest) = chunk.get(at..).filter(|rest| !rest.is_empty()) {
                let place = Place(index as u32 * UNITS_PER_CHUNK + (at / UNIT) as u32);
                at += visit(place, rest).next_multiple_of(UNIT);
            }
        }
    }
}

impl Place {
    fn parts(self) -> (usize, usize) {
        let at = (self.0 % UNITS_PER_CHUNK) as usize * UNIT;
        ((self.0 / UNITS_PER_CHUNK) as usize, at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_keep_their_bytes_and_their_order() {
        let mut arena = Arena::default();
        let lens = [1, 8, 9, 5_000, 3 << 20, 24, CHUNK_BYTES, 40, 600_000, 600_000];
        let places: Vec<Place> = lens
            .iter()
            .map(|len| {
                let place = arena.add(*len + 4).expect("there is room");
                let bytes = &mut arena.bytes_mut(place)[..*len + 4];
                bytes[..4].copy_from_slice(&(*len as u32).to_le_bytes());
                bytes[4..].fill(*len as u8);
                place
            })
            .collect();
        for (place, len) in places.iter().zip(lens) {
            let bytes = &arena.bytes(*place)[..len + 4];
            assert!(bytes[4..].iter().all(|byte| *byte == len as u8), "the piece of {len}");
        }
        let mut found = Vec::new();
        arena.each(|place, bytes| {
            found.push(place);
            let len = *bytes.first_chunk::<4>().expect("a piece begins with its length");
            u32::from_le_bytes(len) as usize + 4
        });
        assert_eq!(found, places);
        assert!(arena.byte_len() >= lens.iter().sum());
    }
}
