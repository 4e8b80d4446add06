//! Times: RFC 3339 in JSON.

use core::str::FromStr;
use std::borrow::Cow;

use quipu_ledger::words::{Malformed, Timestamp};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};

use super::text::{Text, Word};

/// As many seconds as milliseconds can count.
pub(crate) const SECONDS_MAX: u64 = u64::MAX / 1_000;

/// A time. It is read with any offset, and shown in UTC.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Time(pub(crate) Timestamp);

impl JsonSchema for Time {
    fn schema_name() -> Cow<'static, str> {
        Timestamp::NAME.into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        Timestamp::schema()
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Text::<Self>::deserialize(deserializer).map(|text| text.0)
    }
}

/// What a text that is no time is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a time is RFC 3339, such as 2030-01-31T12:00:00.000Z, between the years 1970 and 9999")]
pub(crate) struct NoTime;

impl FromStr for Time {
    type Err = NoTime;

    fn from_str(text: &str) -> Result<Self, NoTime> {
        read(text)
            .and_then(|ms| Timestamp::new(ms).map_err(|_: Malformed| ()).ok())
            .map(Self)
            .ok_or(NoTime)
    }
}

/// Milliseconds since 1970 of an RFC 3339 text. What is finer than a millisecond is cut.
fn read(text: &str) -> Option<u64> {
    let bytes = text.as_bytes();
    let number = |at: usize, len: usize| -> Option<u64> {
        let digits = bytes.get(at..at + len)?;
        digits.iter().try_fold(0, |sum, digit| {
            digit.is_ascii_digit().then(|| sum * 10 + u64::from(digit - b'0'))
        })
    };
    let is = |at: usize, any: &[u8]| bytes.get(at).is_some_and(|byte| any.contains(byte));
    let (year, month, day) = (number(0, 4)?, number(5, 2)?, number(8, 2)?);
    let (hour, minute, second) = (number(11, 2)?, number(14, 2)?, number(17, 2)?);
    let is_formed = is(4, b"-") && is(7, b"-") && is(10, b"Tt ") && is(13, b":") && is(16, b":");
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        2 => 28 + u64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    // A leap second is the last instant of its minute.
    if !is_formed || !(1..=days).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let mut at = 19;
    let mut ms = 0;
    if is(at, b".") {
        at += 1;
        let digits = bytes[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 {
            return None;
        }
        for place in 0..3 {
            ms = ms * 10 + if place < digits { number(at + place, 1)? } else { 0 };
        }
        at += digits;
    }
    let offset = match bytes.get(at)? {
        b'Z' | b'z' if bytes.len() == at + 1 => 0,
        sign @ (b'+' | b'-') if bytes.len() == at + 6 && is(at + 3, b":") => {
            let (hours, minutes) = (number(at + 1, 2)?, number(at + 4, 2)?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            let minutes = (hours * 60 + minutes) as i64;
            if *sign == b'+' { minutes } else { -minutes }
        }
        _ => return None,
    };
    let seconds = days_since_1970(year as i64, month as i64, day as i64) * 86_400
        + (hour * 3_600 + minute * 60 + second.min(59)) as i64
        - offset * 60;
    let ms = if second == 60 { 999 } else { ms };
    u64::try_from(seconds * 1_000 + ms as i64).ok()
}

/// Days since 1970 in the proleptic Gregorian calendar.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    // Years that begin in March put the leap day last.
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_they_are_shown() {
        for ms in [0, 1, 951_782_399_999, 951_782_400_000, 1_709_164_800_000, 253_402_300_799_999] {
            let at = Timestamp::new(ms).expect("before the year 10000");
            assert_eq!(at.to_string().parse(), Ok(Time(at)));
        }
        let noon = "2030-01-31T12:00:00.000Z".parse::<Time>();
        for same in [
            "2030-01-31T12:00:00Z",
            "2030-01-31t12:00:00.0z",
            "2030-01-31T13:30:00+01:30",
            "2030-01-31T00:00:00.0009-12:00",
        ] {
            assert_eq!(same.parse(), noon, "{same}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for wrong in [
            "",
            "2030",
            "2030-01-31",
            "2030-02-29T00:00:00Z",
            "2030-13-01T00:00:00Z",
            "2030-01-31T24:00:00Z",
            "2030-01-31T12:00:00",
            "2030-01-31T12:00:00.Z",
            "1969-12-31T23:59:59Z",
            "1970-01-01T00:00:00+00:01",
            "2030-01-31T12:00:00+0100",
            "2030-01-31T12:00:00Zz",
            "-030-01-31T12:00:00Z",
            "2030-1-31T12:00:00Z",
        ] {
            assert_eq!(wrong.parse::<Time>(), Err(NoTime), "{wrong}");
        }
    }
}
