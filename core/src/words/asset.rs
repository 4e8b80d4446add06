//! Assets: what an amount is an amount of, packed into twelve bytes.

use core::fmt;

use rkyv::{Archive, Deserialize, Serialize};

use super::Malformed;
use super::digits::Line;

/// An asset such as `USD/2` or `API_CALLS`: `[A-Z][A-Z0-9_]{0,16}(/[0-9]{1,2})?`.
///
/// Seventeen letters of an alphabet of 38 and a scale fit into twelve bytes, so events and
/// heads carry the whole name and nothing needs a table of assets.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Asset([u8; 12]);

const LETTERS_MAX: usize = 17;
/// The alphabet's size: A–Z, 0–9, the underscore, and zero for "no letter".
const BASE: u128 = 38;
/// How many letters are looked at together. The first half has one less.
const HALF_LETTERS: usize = 9;
const HALF: u128 = BASE.pow(HALF_LETTERS as u32);

impl Asset {
    /// Checks `text` and packs it.
    pub fn new(text: &str) -> Result<Self, Malformed> {
        Self::pack(text).ok_or(Malformed::Asset)
    }

    fn pack(text: &str) -> Option<Self> {
        let (letters, scale) = match text.split_once('/') {
            Some((letters, digits)) => (letters, scale_of(digits)?),
            None => (text, 0),
        };
        if letters.len() > LETTERS_MAX
            || !letters.starts_with(|first: char| first.is_ascii_uppercase())
        {
            return None;
        }
        let mut packed = 0;
        for index in 0..LETTERS_MAX {
            let digit = match letters.as_bytes().get(index) {
                None => 0,
                Some(byte @ b'A'..=b'Z') => byte - b'A' + 1,
                Some(byte @ b'0'..=b'9') => byte - b'0' + 27,
                Some(b'_') => 37,
                Some(_) => return None,
            };
            packed = packed * BASE + u128::from(digit);
        }
        let mut bytes = [0; 12];
        bytes.copy_from_slice(&(packed << 7 | u128::from(scale)).to_be_bytes()[4..]);
        Some(Self(bytes))
    }

    fn unpack(self) -> (u128, u8) {
        let mut bytes = [0; 16];
        bytes[4..].copy_from_slice(&self.0);
        let packed = u128::from_be_bytes(bytes);
        (packed >> 7, (packed & 0x7f) as u8)
    }

    /// The twelve bytes, for index rows and fingerprints.
    #[must_use]
    pub fn bytes(&self) -> &[u8; 12] {
        &self.0
    }
}

/// `7` and `07` are different texts and stay so: none 0, one digit 1 to 10, two digits 11 to 110.
fn scale_of(digits: &str) -> Option<u8> {
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let value: u8 = digits.parse().ok()?;
    match digits.len() {
        1 => Some(1 + value),
        2 => Some(11 + value),
        _ => None,
    }
}

impl fmt::Display for Asset {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (packed, scale) = self.unpack();
        let mut line = Line::<{ LETTERS_MAX + 3 }>::default();
        // In two halves of one word each, for the sake of their divisions.
        for half in [(packed / HALF) as u64, (packed % HALF) as u64] {
            let mut digits = [0; HALF_LETTERS];
            let mut rest = half;
            for digit in digits.iter_mut().rev() {
                *digit = (rest % BASE as u64) as u8;
                rest /= BASE as u64;
            }
            for digit in digits {
                match digit {
                    1..=26 => line.push(b'A' + digit - 1),
                    27..=36 => line.push(b'0' + digit - 27),
                    37 => line.push(b'_'),
                    _ => {}
                }
            }
        }
        if let 1..=110 = scale {
            line.push(b'/');
            if scale > 10 {
                line.push(b'0' + (scale - 11) / 10);
            }
            line.push(b'0' + (scale - 1) % 10);
        }
        out.write_str(line.as_str())
    }
}

impl fmt::Debug for Asset {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl core::str::FromStr for Asset {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        Self::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_comes_back_as_it_went_in() {
        let longest = "Z".repeat(17) + "/99";
        for text in ["A", "USD/2", "USD/02", "BTC/11", "API_CALLS", "X9_", "E/0", "E/00", &longest]
        {
            assert_eq!(Asset::new(text).expect(text).to_string(), text);
        }
    }

    #[test]
    fn what_is_not_an_asset_is_refused() {
        let long = "A".repeat(18);
        for text in
            ["", "usd", "9A", "_A", "USD/", "USD/123", "USD/a", "US D", "USD/+1", "É", &long]
        {
            assert_eq!(Asset::new(text), Err(Malformed::Asset), "{text:?}");
        }
    }
}
