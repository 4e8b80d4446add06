//! Digits as texts, each text in one piece: whoever shows many words pays for pieces.

use core::fmt;

/// Bytes as hex digits, two each.
#[derive(Clone, Copy, Debug)]
pub struct Hex<'a>(pub &'a [u8]);

/// The bytes that become one piece.
const PIECE: usize = 32;

impl fmt::Display for Hex<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digit = |half: u8| b"0123456789abcdef"[usize::from(half)];
        for piece in self.0.chunks(PIECE) {
            let mut text = [0; 2 * PIECE];
            for (pair, byte) in text.chunks_exact_mut(2).zip(piece) {
                pair[0] = digit(byte >> 4);
                pair[1] = digit(byte & 15);
            }
            out.write_str(ascii(&text[..2 * piece.len()]))?;
        }
        Ok(())
    }
}

/// A short text of ASCII that is put together letter by letter.
pub(super) struct Line<const LEN: usize> {
    text: [u8; LEN],
    len: usize,
}

impl<const LEN: usize> Default for Line<LEN> {
    fn default() -> Self {
        Self { text: [0; LEN], len: 0 }
    }
}

impl<const LEN: usize> Line<LEN> {
    pub(super) fn push(&mut self, letter: u8) {
        self.text[self.len] = letter;
        self.len += 1;
    }

    pub(super) fn as_str(&self) -> &str {
        ascii(&self.text[..self.len])
    }
}

/// What was written of ASCII alone.
pub(super) fn ascii(text: &[u8]) -> &str {
    core::str::from_utf8(text).expect("digits and signs are ASCII")
}

/// The digits of a number, with zeros in front of it where it is shorter than its place.
pub(super) fn put(place: &mut [u8], mut number: u64) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_two_digits_each() {
        assert_eq!(Hex(&[]).to_string(), "");
        assert_eq!(Hex(&[0x00, 0x0f, 0xa5, 0xff]).to_string(), "000fa5ff");
        let many: Vec<u8> = (0..=255).collect();
        let wanted: String = many.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(Hex(&many).to_string(), wanted);
    }
}
