//! The words of the ledger as types, and what callers may give for them.

pub use quipu_core::words::{
    Amount, Asset, Code, Fact, Fault, Hex, Id, Kind, Malformed, Metadata, Number, Period, Position,
    Refusal, Signed, Timestamp, Trace, Version,
};

use crate::error::Error;

/// What may be given where a word is asked for: the word itself, a text, or a number.
///
/// | word | what may be given |
/// |---|---|
/// | [`Id`] | an id, or its text |
/// | [`Amount`] | an amount, a whole number above 0, or its digits |
/// | [`Asset`] | an asset, or its text, such as `USD/2` |
/// | [`Position`] | a position, or its number |
/// | [`Trace`] | a trace context, or its text, as in the header `traceparent` |
/// | [`Token`](crate::Token) | a token, or its 64 hex digits |
///
/// What is malformed is found out when the call is made: it fails with
/// [`Error::Malformed`], and nothing is asked.
pub trait Given<W> {
    /// The word, checked.
    fn word(self) -> Result<W, Error>;
}

macro_rules! themselves_or_text {
    ($($word:ident)*) => {$(
        impl Given<$word> for $word {
            fn word(self) -> Result<$word, Error> {
                Ok(self)
            }
        }

        impl Given<$word> for &$word {
            fn word(self) -> Result<$word, Error> {
                Ok(self.clone())
            }
        }

        impl Given<$word> for &str {
            fn word(self) -> Result<$word, Error> {
                Ok(self.parse()?)
            }
        }

        impl Given<$word> for String {
            fn word(self) -> Result<$word, Error> {
                Ok(self.parse()?)
            }
        }

        impl Given<$word> for &String {
            fn word(self) -> Result<$word, Error> {
                Ok(self.parse()?)
            }
        }
    )*};
}

themselves_or_text!(Id Asset Trace);

impl Given<Amount> for Amount {
    /// Nothing is no amount to ask for.
    fn word(self) -> Result<Amount, Error> {
        Ok(Amount::new(self.get())?)
    }
}

impl Given<Amount> for &str {
    fn word(self) -> Result<Amount, Error> {
        Ok(self.parse()?)
    }
}

impl Given<Amount> for String {
    fn word(self) -> Result<Amount, Error> {
        Ok(self.parse()?)
    }
}

macro_rules! numbers {
    ($($number:ty)*) => {$(
        impl Given<Amount> for $number {
            fn word(self) -> Result<Amount, Error> {
                let number = u128::try_from(self).map_err(|_| Malformed::Amount)?;
                Ok(Amount::new(number)?)
            }
        }
    )*};
}

numbers!(i32 i64 i128 isize u8 u16 u32 u64 u128 usize);

impl Given<Position> for Position {
    fn word(self) -> Result<Position, Error> {
        Ok(self)
    }
}

impl Given<Position> for u64 {
    fn word(self) -> Result<Position, Error> {
        Ok(Position::new(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(given: impl Given<Amount>) -> Result<u128, Error> {
        given.word().map(Amount::get)
    }

    #[test]
    fn amounts_are_whole_numbers_above_nothing() {
        assert_eq!(amount(50), Ok(50));
        assert_eq!(amount("50"), Ok(50));
        assert_eq!(amount(Amount::MAX), Ok(Amount::MAX.get()));
        assert_eq!(amount(0), Err(Malformed::Amount.into()));
        assert_eq!(amount(-1), Err(Malformed::Amount.into()));
        assert_eq!(amount(1_u128 << 127), Err(Malformed::Amount.into()));
        assert_eq!(amount("5.0"), Err(Malformed::Amount.into()));
        assert_eq!(amount(Amount::ZERO), Err(Malformed::Amount.into()));
    }
}
