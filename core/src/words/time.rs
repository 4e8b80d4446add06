//! Time as an input: milliseconds since 1970 in UTC, and the calendar periods of spend caps.

use core::fmt;

use rkyv::{Archive, Deserialize, Serialize};

use super::Malformed;
use super::digits::{ascii, put};

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(
    Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default,
)]
pub struct Timestamp(u64);

const DAY_MS: u64 = 86_400_000;

impl Timestamp {
    /// The beginning of time.
    pub const ZERO: Self = Self(0);
    /// Later than every time that can be named: "never".
    pub const NEVER: Self = Self(u64::MAX);
    /// The last millisecond of the year 9999, which RFC 3339 can still write.
    pub const LAST: Self = Self(253_402_300_799_999);

    /// The time that many milliseconds after the start of 1970.
    pub fn new(ms: u64) -> Result<Self, Malformed> {
        if ms <= Self::LAST.0 { Ok(Self(ms)) } else { Err(Malformed::Time) }
    }

    /// A time that is known to lie in range.
    #[must_use]
    pub const fn from_ms(ms: u64) -> Self {
        Self(ms)
    }

    /// Milliseconds since the start of 1970.
    #[must_use]
    pub const fn ms(self) -> u64 {
        self.0
    }

    /// That many milliseconds later, or `None` past the year 9999.
    #[must_use]
    pub fn after_ms(self, ms: u64) -> Option<Self> {
        self.0.checked_add(ms).filter(|&sum| sum <= Self::LAST.0).map(Self)
    }

    /// Milliseconds from `earlier` to here; zero where `earlier` is later.
    #[must_use]
    pub fn ms_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// When the calendar period that holds this time began.
    #[must_use]
    pub fn start_of(self, period: Period) -> Self {
        let day = self.0 / DAY_MS;
        let first = match period {
            Period::Day => day,
            // 1970-01-01 was a Thursday, the fourth day of a week that begins on Monday.
            Period::Week => ((day + 3) / 7 * 7).saturating_sub(3),
            Period::Month => day - u64::from(civil(day).2 - 1),
        };
        Self(first * DAY_MS)
    }
}

/// The calendar period of a spend cap, in UTC. Weeks begin on Monday.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Period {
    /// From midnight.
    Day,
    /// From Monday, midnight.
    Week,
    /// From the first of the month, midnight.
    Month,
}

/// Year, month and day of a day since 1970, in the proleptic Gregorian calendar.
fn civil(day: u64) -> (u64, u32, u32) {
    // Days since 0000-03-01, in eras of 400 years; a year that begins in March puts the
    // leap day last, which makes the month a linear function of the day.
    let shifted = day + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day_of_month = (day_of_year - (153 * month_from_march + 2) / 5 + 1) as u32;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month as u32, day_of_month)
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC with milliseconds.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self > Self::LAST {
            return out.write_str("never");
        }
        let (year, month, day) = civil(self.0 / DAY_MS);
        let ms = self.0 % DAY_MS;
        let (hour, minute) = (ms / 3_600_000, ms / 60_000 % 60);
        let (second, milli) = (ms / 1_000 % 60, ms % 1_000);
        let mut text = *b"0000-00-00T00:00:00.000Z";
        put(&mut text[..4], year);
        put(&mut text[5..7], month.into());
        put(&mut text[8..10], day.into());
        put(&mut text[11..13], hour);
        put(&mut text[14..16], minute);
        put(&mut text[17..19], second);
        put(&mut text[20..23], milli);
        out.write_str(ascii(&text))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_print_as_rfc_3339() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_795_156_245_678, "2026-11-20T06:30:45.678Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(Timestamp::from_ms(ms).to_string(), text);
        }
    }

    #[test]
    fn periods_begin_at_midnight_monday_and_the_first() {
        let friday = Timestamp::from_ms(1_795_156_245_678);
        for (period, start) in [
            (Period::Day, "2026-11-20T00:00:00.000Z"),
            (Period::Week, "2026-11-16T00:00:00.000Z"),
            (Period::Month, "2026-11-01T00:00:00.000Z"),
        ] {
            assert_eq!(friday.start_of(period).to_string(), start);
        }
        // The week that holds the first day began in 1969; its start is clamped to the epoch.
        assert_eq!(Timestamp::ZERO.start_of(Period::Week), Timestamp::ZERO);
        assert_eq!(Timestamp::from_ms(4 * DAY_MS).start_of(Period::Week).ms(), 4 * DAY_MS);
    }
}
