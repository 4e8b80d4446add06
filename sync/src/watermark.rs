//! What is durable, and whether the log has failed.

use crate::facade::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::planted::{Planted, is_planted};

/// What the committer tells everybody.
///
/// Each of the two numbers only rises, and each is true by itself: everything up to the position
/// is durable, and so is the time. Whoever sees a position also sees all that was written to
/// memory before it was published.
#[derive(Debug)]
pub struct Watermark {
    position: AtomicU64,
    now_limit: AtomicU64,
    failed: AtomicBool,
}

impl Watermark {
    /// What a recovery found durable.
    #[must_use]
    pub fn new(position: u64, now_limit: u64) -> Self {
        Self {
            position: AtomicU64::new(position),
            now_limit: AtomicU64::new(now_limit),
            failed: AtomicBool::new(false),
        }
    }

    /// Publishes. Only the committer does, and never less than before.
    pub fn publish(&self, position: u64, now_limit: u64) {
        let is_unordered = is_planted(Planted::PublishRelaxed);
        let order = if is_unordered { Ordering::Relaxed } else { Ordering::Release };
        if is_planted(Planted::PositionFirst) {
            self.position.store(position, order);
        }
        self.now_limit.store(now_limit, order);
        self.position.store(position, order);
    }

    /// The position and the time up to which everything is durable.
    #[must_use]
    pub fn read(&self) -> (u64, u64) {
        let position = self.position.load(Ordering::Acquire);
        (position, self.now_limit.load(Ordering::Acquire))
    }

    /// Says that nothing more becomes durable.
    pub fn fail(&self) {
        self.failed.store(true, Ordering::Release);
    }

    /// Whether that was said. Whoever has heard so and reads the position then reads the last
    /// one: what lies at or below it is durable, and of all else nobody knows.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }
}
