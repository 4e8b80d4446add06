//! What is worth a line of the log once a second, however often it happens.

use core::time::Duration;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// How long nothing more is said.
const SILENCE: Duration = Duration::from_secs(1);

/// Says when a line is due: a server that is asked for more than it can do does not write more.
pub(crate) struct Seldom {
    began: Instant,
    /// From when on the next line is due, in milliseconds since it began.
    due_ms: AtomicU64,
    kept_back: AtomicU64,
}

impl Seldom {
    pub(crate) fn new() -> Self {
        Self { began: Instant::now(), due_ms: AtomicU64::new(0), kept_back: AtomicU64::new(0) }
    }

    /// Whether a line is due now, and how many were not since the last one.
    pub(crate) fn due(&self) -> Option<u64> {
        self.due_after(self.began.elapsed())
    }

    fn due_after(&self, passed: Duration) -> Option<u64> {
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let due = self.due_ms.load(Ordering::Relaxed);
        let next = ms(passed.saturating_add(SILENCE));
        let is_due = ms(passed) >= due
            && self
                .due_ms
                .compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if is_due {
            return Some(self.kept_back.swap(0, Ordering::Relaxed));
        }
        self.kept_back.fetch_add(1, Ordering::Relaxed);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_a_second_says_how_many_were_kept_back() {
        let seldom = Seldom::new();
        let after = |ms| seldom.due_after(Duration::from_millis(ms));
        assert_eq!(after(0), Some(0));
        assert_eq!([after(1), after(500), after(999)], [None; 3]);
        assert_eq!(after(1_000), Some(3));
        assert_eq!(after(1_001), None);
        assert_eq!(after(9_000), Some(1));
    }
}
