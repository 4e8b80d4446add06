//! Amounts: whole minor units, checked, of at most 127 bits.

use core::fmt;

use rkyv::rancor::{Fallible, Source};
use rkyv::{Archive, Deserialize, Serialize};

use super::Malformed;

/// A number of minor units from 0 to 2^127 − 1.
///
/// Kept as two words so that records need an alignment of 8 bytes only.
/// [`Amount::new`] takes what a caller may ask for, which is never zero.
#[derive(Archive, Serialize, Clone, Copy, PartialEq, Eq, Default)]
pub struct Amount {
    lo: u64,
    hi: u64,
}

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self { lo: 0, hi: 0 };
    /// The greatest amount.
    pub const MAX: Self = Self { lo: u64::MAX, hi: u64::MAX >> 1 };

    /// An amount that a caller may ask for: above zero, below 2^127.
    pub fn new(value: u128) -> Result<Self, Malformed> {
        match Self::whole(value) {
            Some(amount) if value > 0 => Ok(amount),
            _ => Err(Malformed::Amount),
        }
    }

    /// Any amount, zero included; `None` from 2^127 on.
    #[must_use]
    pub fn whole(value: u128) -> Option<Self> {
        if value >> 127 == 0 {
            Some(Self { lo: value as u64, hi: (value >> 64) as u64 })
        } else {
            None
        }
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> u128 {
        u128::from(self.lo) | u128::from(self.hi) << 64
    }

    /// Whether this is nothing.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self == Self::ZERO
    }

    /// The sum, or `None` where it needs more than 127 bits.
    #[must_use]
    pub fn plus(self, other: Self) -> Option<Self> {
        Self::whole(self.get() + other.get())
    }

    /// The difference, or `None` below zero.
    #[must_use]
    pub fn minus(self, other: Self) -> Option<Self> {
        self.get().checked_sub(other.get()).and_then(Self::whole)
    }

    /// The product with a count, or `None` where it needs more than 127 bits.
    #[must_use]
    pub fn times(self, count: u64) -> Option<Self> {
        self.get().checked_mul(u128::from(count)).and_then(Self::whole)
    }

    /// `floor(self × part ÷ whole)` without rounding in between; `part` is at most `whole`.
    ///
    /// The product can take 190 bits. It is never formed: with `self = q × whole + r`,
    /// the result is `q × part + floor(r × part ÷ whole)`, and both terms fit.
    #[must_use]
    pub fn share(self, part: u64, whole: u64) -> Self {
        if part >= whole {
            return self;
        }
        let (part, whole) = (u128::from(part), u128::from(whole));
        let (quotient, rest) = (self.get() / whole, self.get() % whole);
        Self::whole(quotient * part + rest * part / whole)
            .expect("a share is at most the whole, which has 127 bits")
    }

    /// The same number with a sign.
    #[must_use]
    pub fn signed(self) -> Signed {
        Signed { lo: self.lo, hi: self.hi as i64 }
    }
}

/// Bytes that say more than 127 bits are no amount: arithmetic counts on the bound.
impl<D> Deserialize<Amount, D> for ArchivedAmount
where
    D: Fallible + ?Sized,
    D::Error: Source,
{
    fn deserialize(&self, _: &mut D) -> Result<Amount, D::Error> {
        let value = u128::from(self.lo.to_native()) | u128::from(self.hi.to_native()) << 64;
        Amount::whole(value).ok_or_else(|| D::Error::new(Malformed::Amount))
    }
}

impl PartialOrd for Amount {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Amount {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        self.get().cmp(&other.get())
    }
}

impl From<u64> for Amount {
    fn from(value: u64) -> Self {
        Self { lo: value, hi: 0 }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Nearly every one is one word, whose digits are found much faster.
        match self.hi {
            0 => fmt::Display::fmt(&self.lo, out),
            _ => fmt::Display::fmt(&self.get(), out),
        }
    }
}

impl fmt::Debug for Amount {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.get(), out)
    }
}

impl core::str::FromStr for Amount {
    type Err = Malformed;

    /// Reads digits only: no sign, no space, no separator.
    fn from_str(text: &str) -> Result<Self, Malformed> {
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Malformed::Amount);
        }
        text.parse::<u128>().map_err(|_| Malformed::Amount).and_then(Self::new)
    }
}

/// A signed number of minor units: a balance, a floor, a posting. At most 127 bits and a sign.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Default)]
pub struct Signed {
    lo: u64,
    hi: i64,
}

impl Signed {
    /// Nothing.
    pub const ZERO: Self = Self { lo: 0, hi: 0 };

    /// The number with its sign.
    #[must_use]
    pub fn new(value: i128) -> Self {
        Self { lo: value as u64, hi: (value >> 64) as i64 }
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> i128 {
        i128::from(self.lo) | i128::from(self.hi) << 64
    }

    /// The sum, or `None` where it does not fit.
    #[must_use]
    pub fn plus(self, amount: Amount) -> Option<Self> {
        self.get().checked_add(amount.signed().get()).map(Self::new)
    }

    /// The difference, or `None` where it does not fit.
    #[must_use]
    pub fn minus(self, amount: Amount) -> Option<Self> {
        self.get().checked_sub(amount.signed().get()).map(Self::new)
    }

    /// The same number with the other sign.
    ///
    /// # Panics
    /// Never for a value that an amount, a balance or a sum of postings took: those keep
    /// clear of the one number, −2^127, that has no counterpart.
    #[must_use]
    pub fn negated(self) -> Self {
        Self::new(self.get().saturating_neg())
    }
}

impl PartialOrd for Signed {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Signed {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        self.get().cmp(&other.get())
    }
}

impl From<i64> for Signed {
    fn from(value: i64) -> Self {
        Self::new(i128::from(value))
    }
}

impl fmt::Display for Signed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match i64::try_from(self.get()) {
            Ok(word) => fmt::Display::fmt(&word, out),
            Err(_) => fmt::Display::fmt(&self.get(), out),
        }
    }
}

impl fmt::Debug for Signed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.get(), out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_exact_at_the_edges() {
        let max = Amount::MAX;
        assert_eq!(max.share(u64::MAX - 1, u64::MAX).get(), {
            // (2^127 − 1) × (w − 1) ÷ w = 2^127 − 1 − ceil((2^127 − 1) ÷ w)
            let w = u128::from(u64::MAX);
            max.get() - max.get().div_ceil(w)
        });
        assert_eq!(max.share(0, 7), Amount::ZERO);
        assert_eq!(max.share(7, 7), max);
        assert_eq!(Amount::from(10).share(1, 3).get(), 3);
    }

    #[test]
    fn bytes_of_more_than_127_bits_are_no_amount() {
        use crate::records::{Corrupt, unpack};
        let mut bytes = [0xff; 16];
        assert_eq!(unpack::<Amount>(&bytes), Err(Corrupt::Shape));
        bytes[15] = 0x7f;
        assert_eq!(unpack(&bytes), Ok(Amount::MAX));
    }

    #[test]
    fn signs_survive_the_two_words() {
        for value in [0, 1, -1, i128::MAX, i128::MIN, -(1 << 64), 1 << 64, -(1 << 64) - 1] {
            assert_eq!(Signed::new(value).get(), value);
        }
    }

    #[test]
    fn text_is_digits_only() {
        assert_eq!("42".parse(), Ok(Amount::from(42)));
        for text in
            ["", "0", "-1", "+1", "1.0", " 1", "1e3", "170141183460469231731687303715884105728"]
        {
            assert_eq!(text.parse::<Amount>(), Err(Malformed::Amount), "{text:?}");
        }
    }
}
