//! Sleeping until somebody rings, without missing a ring.

use std::sync::Arc;
use std::task::Waker;

use crate::facade::atomic::{AtomicBool, Ordering};
use crate::facade::{Mutex, Sleeper, lock};
use crate::planted::{Planted, is_planted};

/// Wakes the one thread or task that sleeps behind it.
///
/// Whoever has something for the sleeper makes it visible first and rings then. The sleeper
/// [lies down](Self::lie_down), looks once more whether there is anything for it, and either
/// [gets up](Self::get_up) or sleeps. Both sides write the same flag, so one of them sees the
/// other: the sleeper sees the thing, or the ring finds it asleep.
///
/// A ring while nobody sleeps costs one write to that flag. A sleeper must bear being woken for
/// nothing.
#[derive(Debug, Default)]
pub struct Doorbell {
    asleep: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Doorbell {
    /// Wakes the sleeper, if it sleeps. Says whether it did.
    pub fn ring(&self) -> bool {
        if is_planted(Planted::RingPeeks) && !self.asleep.load(Ordering::Acquire) {
            return false;
        }
        let sleeps = self.asleep.swap(false, Ordering::AcqRel);
        if sleeps {
            // Taken out first: what is woken may lie down again before this returns.
            let waker = lock(&self.waker).take();
            waker.into_iter().for_each(Waker::wake);
        }
        sleeps
    }

    /// Says that its owner will sleep, and how it is woken. It must look once more before it does.
    pub fn lie_down(&self, waker: Waker) {
        let before = lock(&self.waker).replace(waker);
        // Let go of outside the lock: it may be all that keeps a task, and a task may ring.
        drop(before);
        if is_planted(Planted::LieDownStores) {
            return self.asleep.store(true, Ordering::Release);
        }
        self.asleep.swap(true, Ordering::AcqRel);
    }

    /// Takes that back: there was something to do after all.
    pub fn get_up(&self) {
        self.asleep.swap(false, Ordering::AcqRel);
    }

    /// Sleeps on the calling thread, until somebody rings or for no reason, unless `has_work`
    /// says that there is something to do already.
    pub fn sleep_unless(&self, has_work: impl Fn() -> bool) {
        self.sleep(has_work, Sleeper::sleep);
    }

    /// The same, for at most so long.
    #[cfg(not(any(quipu_loom, quipu_shuttle)))]
    pub fn sleep_for(&self, at_most: core::time::Duration, has_work: impl Fn() -> bool) {
        self.sleep(has_work, |sleeper| sleeper.sleep_for(at_most));
    }

    fn sleep(&self, has_work: impl Fn() -> bool, park: impl FnOnce(&Sleeper)) {
        let sleeper = Arc::new(Sleeper::me());
        self.lie_down(Waker::from(Arc::clone(&sleeper)));
        if !has_work() {
            park(&sleeper);
        }
        self.get_up();
    }
}
