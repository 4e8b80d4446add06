//! A row's value as it lies in redb: sealed, and without the words of it that are zero.
//!
//! ```text
//!  0  seal u64: the checksum over table, key and value
//!  8  length of the value u32
//! 12  a bit for each whole word of the value, from the lowest of each byte on: 1 where it lies here
//!     those words, 8 bytes each
//!     the bytes of the value behind its last whole word
//! ```
//!
//! Packed records are made of words, most of them zero: an amount takes sixteen bytes, an option
//! that is not there as many as one that is. An account's row comes to less than half, and with it
//! the pages that a checkpoint copies.

use quipu_core::records::{Corrupt, Table, open, seal};

const SEAL: usize = 8;
const FRONT: usize = SEAL + 4;
const WORD: usize = 8;

/// Appends a sealed value.
pub(crate) fn pack(table: Table, key: &[u8], value: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    // The seal stands before what it seals; only it stays.
    seal(table, key, value, out);
    out.truncate(start + SEAL);
    let len = u32::try_from(value.len()).expect("a row is far smaller than 4 GiB");
    out.extend_from_slice(&len.to_le_bytes());
    let bits = out.len();
    let (words, rest) = value.as_chunks::<WORD>();
    out.resize(bits + words.len().div_ceil(8), 0);
    for (index, word) in words.iter().enumerate() {
        if *word != [0; WORD] {
            out[bits + index / 8] |= 1 << (index % 8);
            out.extend_from_slice(word);
        }
    }
    out.extend_from_slice(rest);
}

/// Puts the value that was packed into `out`, in place of what is there, once its seal has been
/// found right.
pub(crate) fn unpack<'a>(
    table: Table,
    key: &[u8],
    packed: &[u8],
    out: &'a mut Vec<u8>,
) -> Result<&'a [u8], Corrupt> {
    out.clear();
    let (front, rest) = packed.split_first_chunk::<FRONT>().ok_or(Corrupt::Short)?;
    let (sum, len) = front.split_at(SEAL);
    let len = u32::from_le_bytes(len.try_into().expect("four bytes")) as usize;
    let words = len / WORD;
    let (bits, mut rest) = rest.split_at_checked(words.div_ceil(8)).ok_or(Corrupt::Short)?;
    // So the value is at most 64 times as long as what it was packed into.
    out.reserve(SEAL + len);
    out.extend_from_slice(sum);
    for index in 0..words {
        let mut word = [0; WORD];
        if bits[index / 8] >> (index % 8) & 1 == 1 {
            (word, rest) = rest.split_first_chunk().map(|(a, b)| (*a, b)).ok_or(Corrupt::Short)?;
        }
        out.extend_from_slice(&word);
    }
    if rest.len() != len % WORD {
        return Err(Corrupt::Range);
    }
    out.extend_from_slice(rest);
    open(table, key, out)
}

/// The value that was packed, once its seal has been found right.
pub(crate) fn unpacked(table: Table, key: &[u8], packed: &[u8]) -> Result<Vec<u8>, Corrupt> {
    let mut out = Vec::new();
    unpack(table, key, packed, &mut out)?;
    out.drain(..SEAL);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(seed: u64, len: usize) -> Vec<u8> {
        // Words of zeros, words with some, and words without any.
        (0..len)
            .map(|at| {
                if (at as u64 / 8 + seed).is_multiple_of(3) { 0 } else { (at as u64 * seed) as u8 }
            })
            .collect()
    }

    #[test]
    fn every_value_comes_back() {
        for len in (0..200).chain([1_000, 65_537]) {
            for seed in 0..8 {
                let value = value(seed, len);
                let mut packed = vec![9];
                pack(Table::Item, b"key", &value, &mut packed);
                assert_eq!(unpacked(Table::Item, b"key", &packed[1..]), Ok(value), "{len}, {seed}");
            }
        }
    }

    #[test]
    fn zeros_take_a_bit_a_word() {
        let mut packed = Vec::new();
        pack(Table::Head, b"key", &[0; 256], &mut packed);
        assert_eq!(packed.len(), 12 + 4);
    }

    #[test]
    fn what_is_not_what_was_packed_is_found() {
        let value = value(5, 99);
        let mut packed = Vec::new();
        pack(Table::Head, b"key", &value, &mut packed);
        assert_eq!(unpacked(Table::Head, b"kez", &packed), Err(Corrupt::Checksum));
        assert_eq!(unpacked(Table::Item, b"key", &packed), Err(Corrupt::Checksum));
        for len in 0..packed.len() {
            assert!(unpacked(Table::Head, b"key", &packed[..len]).is_err(), "cut to {len}");
        }
        for bit in 0..packed.len() * 8 {
            let mut flipped = packed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            // Bits for words that there are not are not looked at.
            if let Ok(read) = unpacked(Table::Head, b"key", &flipped) {
                assert_eq!(read, value, "bit {bit}");
            }
        }
        packed.push(0);
        assert!(unpacked(Table::Head, b"key", &packed).is_err());
        assert!(unpacked(Table::Head, b"key", &[0xff; 12]).is_err(), "an absurd length");
    }
}
