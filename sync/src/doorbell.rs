//! Sleeping until somebody rings, without missing a ring.

use std::task::{Wake, Waker};

use crate::facade::atomic::{AtomicBool, Ordering};
use crate::facade::{Mutex, lock, thread};

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
        let sleeps = self.asleep.swap(false, Ordering::AcqRel);
        if sleeps && let Some(waker) = lock(&self.waker).take() {
            waker.wake();
        }
        sleeps
    }

    /// Says that its owner will sleep, and how it is woken. It must look once more before it does.
    pub fn lie_down(&self, waker: Waker) {
        *lock(&self.waker) = Some(waker);
        self.asleep.swap(true, Ordering::AcqRel);
    }

    /// Takes that back: there was something to do after all.
    pub fn get_up(&self) {
        self.asleep.swap(false, Ordering::AcqRel);
    }

    /// Sleeps on the calling thread, until somebody rings or for no reason, unless `has_work`
    /// says that there is something to do already.
    pub fn sleep_unless(&self, has_work: impl Fn() -> bool) {
        self.sleep(has_work, thread::park);
    }

    /// The same, for at most so long.
    #[cfg(not(any(quipu_loom, quipu_shuttle)))]
    pub fn sleep_for(&self, at_most: core::time::Duration, has_work: impl Fn() -> bool) {
        self.sleep(has_work, || thread::park_timeout(at_most));
    }

    fn sleep(&self, has_work: impl Fn() -> bool, park: impl FnOnce()) {
        self.lie_down(Waker::from(std::sync::Arc::new(Unpark(thread::current()))));
        if !has_work() {
            park();
        }
        self.get_up();
    }
}

/// Wakes a thread.
struct Unpark(thread::Thread);

impl Wake for Unpark {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.unpark();
    }
}
