//! The naive account of a spend cap: every spending since it was set, and what of each came back.

use quipu_core::machines::account::SpendCap;
use quipu_core::words::{Period, Timestamp};

/// What was spent under a cap.
pub(super) struct Spending {
    cap: SpendCap,
    /// By the position that it was counted at: when, and how much of it is still spent.
    each: Vec<(u64, Timestamp, i128)>,
}

impl Spending {
    pub(super) fn new(cap: SpendCap) -> Self {
        Self { cap, each: Vec::new() }
    }

    /// Another cap. Over the same kind of period what was spent stays spent.
    pub(super) fn with(self, cap: SpendCap) -> Self {
        if self.cap.period == cap.period { Self { cap, ..self } } else { Self::new(cap) }
    }

    /// Counts a spending. Gives what its period has then come to, and what it may come to.
    pub(super) fn spend(&mut self, at: u64, now: Timestamp, amount: i128) -> (i128, i128) {
        self.each.push((at, now, amount));
        let period = |time: Timestamp| number_of(self.cap.period, time);
        let same = self.each.iter().filter(|(_, then, _)| period(*then) == period(now));
        (same.map(|(.., amount)| amount).sum(), self.cap.amount.signed().get())
    }

    /// What was spent at a position comes back.
    pub(super) fn come_back(&mut self, at: u64, amount: i128) {
        if let Some((.., spent)) = self.each.iter_mut().find(|(spent_at, ..)| *spent_at == at) {
            *spent -= amount;
        }
    }
}

/// Which day, week or month it is; weeks begin on Mondays.
fn number_of(period: Period, time: Timestamp) -> u64 {
    let days = time.ms() / 86_400_000;
    match period {
        Period::Day => days,
        // The first day of all was a Thursday.
        Period::Week => (days + 3) / 7,
        Period::Month => {
            let (mut month, mut left) = (0, days);
            loop {
                let len = days_of(month);
                if left < len {
                    return month;
                }
                (month, left) = (month + 1, left - len);
            }
        }
    }
}

/// The days of a month, counted from January 1970.
fn days_of(month: u64) -> u64 {
    let year = 1970 + month / 12;
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month % 12 {
        1 => 28 + u64::from(is_leap),
        3 | 5 | 8 | 10 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::{Period, Timestamp, number_of};

    #[test]
    fn periods_change_at_midnight_on_mondays_and_on_the_first() {
        let begins = |period, day: u64| {
            let at = |ms| number_of(period, Timestamp::from_ms(ms));
            at(day * 86_400_000) != at(day * 86_400_000 - 1)
        };
        // 2024-02-29 was a Thursday, and 2024-03-04 a Monday.
        assert!((19_782..19_790).all(|day| begins(Period::Day, day)));
        let mondays: Vec<u64> = (19_782..19_790).filter(|day| begins(Period::Week, *day)).collect();
        assert_eq!(mondays, [19_786]);
        let firsts: Vec<u64> = (19_754..19_784).filter(|day| begins(Period::Month, *day)).collect();
        assert_eq!(firsts, [19_754, 19_783]);
    }
}
