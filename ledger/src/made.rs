//! Ids that are made where nobody has named one.

use quipu_core::words::{Id, Timestamp};

use crate::error::{Error, OpenError};

/// Digits in the order of their bytes, without those that people misread.
const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// How many digits say the time: 45 bits of milliseconds, good for a thousand years from 1970.
const TIME_DIGITS: usize = 9;

/// How many digits are drawn: 75 bits, so that a million ids within one millisecond meet less
/// than once in ten billion times. Together they are as many as an id holds in place.
const DRAWN_DIGITS: usize = 15;

/// An id that nobody has: first the time, so that those made later lie behind, and then chance.
pub(crate) fn id(now: Timestamp) -> Result<Id, Error> {
    let mut drawn = [0; DRAWN_DIGITS];
    getrandom::fill(&mut drawn).map_err(|error| OpenError::NoRandom(error.to_string()))?;
    let time = (0..TIME_DIGITS).rev().map(|place| (now.ms() >> (5 * place)) as usize);
    let drawn = drawn.into_iter().map(usize::from);
    let digit = |value: usize| char::from(DIGITS[value % DIGITS.len()]);
    Ok(Id::new(&time.chain(drawn).map(digit).collect::<String>())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_ids_are_short_and_their_own_and_in_the_order_of_time() {
        let at = |ms| id(Timestamp::from_ms(ms)).expect("there is chance");
        let ids: Vec<Id> = (0..2_000).map(|ms| at(1_795_000_000_000 + ms)).collect();
        assert!(ids.is_sorted());
        assert!(ids.iter().all(|id| id.as_str().len() == 24));
        let front = |ms| at(ms).as_str()[..9].to_owned();
        assert_eq!((front(0), front(33)), ("000000000".into(), "000000011".into()));
        let one = (0..1_000).map(|_| at(7)).collect::<std::collections::BTreeSet<Id>>();
        assert_eq!(one.len(), 1_000);
    }
}
