//! Admission: a bound on what is under way, and the way out.

use crate::facade::atomic::{AtomicU64, Ordering};
use crate::planted::{Planted, is_planted};

/// Set once nothing more is let in.
const CLOSED: u64 = 1 << 63;

/// Counts the calls, and their bytes, that were let in and are not answered yet.
///
/// What is let in is answered, whatever comes; what is not is told so at once. So every queue
/// behind it is bounded, and a gate that is closed and empty has nothing behind it.
#[derive(Debug)]
pub struct Gate {
    calls_max: u64,
    bytes_max: u64,
    /// The calls, and whether it is closed.
    calls: AtomicU64,
    bytes: AtomicU64,
}

/// Why something was not let in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Turned {
    /// So much is under way already.
    Full,
    /// It alone is more bytes than there may ever be.
    TooLarge,
    /// Nothing is let in any more.
    Closed,
}

impl Gate {
    /// An open gate with these bounds.
    #[must_use]
    pub fn new(calls_max: u64, bytes_max: u64) -> Self {
        let (calls, bytes) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { calls_max: calls_max.min(CLOSED - 1), bytes_max, calls, bytes }
    }

    /// Lets in that many calls with so many bytes, all of them or none.
    pub fn enter(&self, calls: u64, bytes: u64) -> Result<(), Turned> {
        // What can never be let in is not counted, so that no count runs over.
        if bytes > self.bytes_max {
            return Err(if self.is_closed() { Turned::Closed } else { Turned::TooLarge });
        }
        // Two callers at the bound may both see the other's bytes and both be turned away: they
        // are told that it is full, which it is.
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let entered = if before.saturating_add(bytes) > self.bytes_max {
            Err(Turned::Full)
        } else {
            self.count(calls)
        };
        if entered.is_err() {
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
        entered
    }

    fn count(&self, calls: u64) -> Result<(), Turned> {
        let mut state = self.calls.load(Ordering::Relaxed);
        loop {
            if state & CLOSED != 0 {
                return Err(Turned::Closed);
            }
            if calls > self.calls_max || state > self.calls_max - calls {
                return Err(Turned::Full);
            }
            if is_planted(Planted::EnterInTwoSteps) {
                self.calls.fetch_add(calls, Ordering::AcqRel);
                return Ok(());
            }
            let (done, failed) = (Ordering::Acquire, Ordering::Relaxed);
            match self.calls.compare_exchange_weak(state, state + calls, done, failed) {
                Ok(_) => return Ok(()),
                Err(now) => state = now,
            }
        }
    }

    /// Takes note that calls were answered.
    pub fn leave(&self, calls: u64, bytes: u64) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        let is_unordered = is_planted(Planted::LeaveRelaxed);
        let order = if is_unordered { Ordering::Relaxed } else { Ordering::Release };
        self.calls.fetch_sub(calls, order);
    }

    /// Lets nothing in any more.
    pub fn close(&self) {
        self.calls.fetch_or(CLOSED, Ordering::AcqRel);
    }

    /// Whether it is closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.calls.load(Ordering::Acquire) & CLOSED != 0
    }

    /// How many calls are under way.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Acquire) & !CLOSED
    }

    /// How many bytes are under way.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

#[cfg(all(test, not(any(quipu_loom, quipu_shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn it_lets_in_all_or_none_and_takes_them_back() {
        let gate = Gate::new(3, 100);
        assert_eq!(gate.enter(2, 60), Ok(()));
        assert_eq!(gate.enter(2, 10), Err(Turned::Full), "four calls");
        assert_eq!(gate.enter(1, 60), Err(Turned::Full), "120 bytes");
        assert_eq!(gate.enter(1, 101), Err(Turned::TooLarge), "more than there may ever be");
        assert_eq!(gate.enter(1, u64::MAX), Err(Turned::TooLarge), "more than can be counted");
        assert_eq!((gate.calls(), gate.bytes()), (2, 60));
        assert_eq!(gate.enter(1, 40), Ok(()));
        gate.leave(2, 60);
        assert_eq!(gate.enter(2, 60), Ok(()));
    }

    #[test]
    fn a_closed_one_lets_nothing_in_and_still_counts_what_leaves() {
        let gate = Gate::new(3, 100);
        assert_eq!(gate.enter(1, 1), Ok(()));
        gate.close();
        assert_eq!(gate.enter(1, 1), Err(Turned::Closed));
        assert_eq!((gate.calls(), gate.is_closed()), (1, true));
        gate.leave(1, 1);
        assert_eq!((gate.calls(), gate.bytes(), gate.is_closed()), (0, 0, true));
    }
}
