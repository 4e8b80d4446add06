//! How long answers took, in a memory that does not grow with them.

use std::time::Duration;

/// Each power of two is divided into so many parts: what is read is right to 1 part in 64.
const PARTS: u64 = 64;
const PARTS_BITS: u32 = PARTS.ilog2();

/// Counts of durations, by length. What a benchmark keeps must not look like the ledger's memory.
#[derive(Clone, Default)]
pub(super) struct Times {
    counts: Vec<u64>,
    total: u64,
    longest: Duration,
}

impl Times {
    pub(super) fn record(&mut self, took: Duration) {
        let place = place(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
        if self.counts.len() <= place {
            self.counts.resize(place + 1, 0);
        }
        self.counts[place] += 1;
        self.total += 1;
        self.longest = self.longest.max(took);
    }

    /// Takes in what another has counted.
    pub(super) fn add(&mut self, other: &Self) {
        if self.counts.len() < other.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        self.counts.iter_mut().zip(&other.counts).for_each(|(to, from)| *to += from);
        self.total += other.total;
        self.longest = self.longest.max(other.longest);
    }

    /// How many there are.
    pub(super) fn len(&self) -> u64 {
        self.total
    }

    pub(super) fn longest(&self) -> Duration {
        self.longest
    }

    /// What this share of all stayed within; nothing where there are none.
    pub(super) fn within(&self, share: f64) -> Duration {
        let mut left = (self.total as f64 * share).ceil() as u64;
        for (place, count) in self.counts.iter().enumerate() {
            left = left.saturating_sub(*count);
            if left == 0 {
                return Duration::from_nanos(longest_at(place)).min(self.longest);
            }
        }
        self.longest
    }
}

/// Where a number is counted: below the number of parts each by itself.
fn place(nanos: u64) -> usize {
    let power = nanos.max(1).ilog2();
    if power < PARTS_BITS {
        return nanos as usize;
    }
    let shift = power - PARTS_BITS;
    (PARTS * u64::from(shift + 1) + (nanos >> shift) - PARTS) as usize
}

/// The greatest number that is counted there.
fn longest_at(place: usize) -> u64 {
    let place = place as u64;
    if place < PARTS {
        return place;
    }
    let shift = place / PARTS - 1;
    let first = (PARTS + place % PARTS) << shift;
    first + ((1 << shift) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_no_less_than_what_was_recorded_and_right_to_a_part() {
        let mut before = 0;
        for nanos in (0..2_000).chain((11..63).flat_map(|power| [(1 << power) - 1, 1 << power])) {
            let at = place(nanos);
            assert!(longest_at(at) >= nanos && longest_at(at) - nanos <= nanos / PARTS, "{nanos}");
            assert!(at >= before, "{nanos} comes behind what is less");
            before = at;
        }
        let mut times = Times::default();
        assert_eq!((times.len(), times.within(0.99)), (0, Duration::ZERO));
        (1..=100).for_each(|micros| times.record(Duration::from_micros(micros)));
        let mut both = Times::default();
        both.add(&times);
        assert_eq!((both.len(), both.longest()), (100, Duration::from_micros(100)));
        let half = both.within(0.5).as_nanos();
        assert!((50_000..=50_800).contains(&half), "{half}");
    }
}
