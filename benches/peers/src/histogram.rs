//! How long asks took: counts in buckets that are at most a sixty-fourth wide.

use std::time::Duration;

/// Buckets to each doubling, as a power of two.
const FINE: u32 = 6;
const BUCKETS: usize = (64 - FINE as usize + 1) << FINE;

/// Durations, counted.
#[derive(Clone, Debug)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

impl Histogram {
    pub(crate) fn new() -> Self {
        Self { counts: vec![0; BUCKETS], total: 0 }
    }

    pub(crate) fn record(&mut self, took: Duration, times: u64) {
        let ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.counts[bucket(ns)] += times;
        self.total += times;
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.total += other.total;
    }

    /// The duration that such a share stays at or below, of the counted ones; zero of none.
    pub(crate) fn quantile(&self, share: f64) -> Duration {
        let rank = ((self.total as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return Duration::from_nanos(middle(bucket));
            }
        }
        Duration::ZERO
    }
}

/// Below 64 ns each has a bucket of its own; above, the highest seven bits say which.
fn bucket(ns: u64) -> usize {
    let shift = (63 - FINE).saturating_sub((ns | 1).leading_zeros());
    ((shift as usize) << FINE) + (ns >> shift) as usize
}

fn middle(bucket: usize) -> u64 {
    let shift = (bucket >> FINE).saturating_sub(1) as u32;
    let top = (bucket - ((shift as usize) << FINE)) as u64;
    (top << shift) + ((1_u64 << shift) >> 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_what_lies_near_its_middle() {
        for ns in (0..20_000).chain((0..64).map(|bit| 1 << bit)).chain([u64::MAX]) {
            let near = middle(bucket(ns));
            assert!(near.abs_diff(ns) <= ns / 64, "{ns} is counted as {near}");
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn a_quantile_is_a_rank() {
        let mut histogram = Histogram::new();
        histogram.record(Duration::from_nanos(10), 98);
        histogram.record(Duration::from_nanos(50), 2);
        assert_eq!(histogram.quantile(0.5), Duration::from_nanos(10));
        assert_eq!(histogram.quantile(0.98), Duration::from_nanos(10));
        assert_eq!(histogram.quantile(0.99), Duration::from_nanos(50));
    }
}
