//! The primitives that threads share: the standard library's, or a model checker's.
//!
//! Whatever threads of a ledger share, here or in a crate around this one, is made of these, so
//! that a model sees every step of it. In an ordinary build they are the standard library's own
//! and cost nothing. `Arc` is not among them: it counts, and orders nothing that is read through
//! it. A poisoned lock is entered all the same, by [`lock`], [`read`] and [`write()`]: whoever
//! panicked under one of ours has left whole values behind.

#[cfg(not(any(quipu_loom, quipu_shuttle)))]
mod real {
    pub use std::sync::{
        Mutex, MutexGuard, OnceLock, RwLock, RwLockReadGuard, RwLockWriteGuard, atomic,
    };
}

#[cfg(quipu_loom)]
mod real {
    pub use loom::sync::{Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard, atomic};
}

#[cfg(quipu_shuttle)]
mod real {
    pub use shuttle::sync::{Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard, atomic};
}

pub use real::*;

use std::sync::PoisonError;
use std::task::Wake;

/// Locks.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Locks to read.
pub fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

/// Locks to write.
pub fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

/// A value that whoever needs it first makes. The checkers have none of their own: this is the
/// standard library's behind a lock of theirs, so that they see who waits for whom.
#[cfg(any(quipu_loom, quipu_shuttle))]
#[derive(Debug)]
pub struct OnceLock<T> {
    making: Mutex<()>,
    made: std::sync::OnceLock<T>,
}

#[cfg(any(quipu_loom, quipu_shuttle))]
impl<T> Default for OnceLock<T> {
    fn default() -> Self {
        Self { making: Mutex::new(()), made: std::sync::OnceLock::new() }
    }
}

#[cfg(any(quipu_loom, quipu_shuttle))]
impl<T> OnceLock<T> {
    /// Without a value.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The value, if it has been made.
    pub fn get(&self) -> Option<&T> {
        let _alone = lock(&self.making);
        self.made.get()
    }

    /// The value, made now if it has not been made before.
    pub fn get_or_init(&self, make: impl FnOnce() -> T) -> &T {
        let _alone = lock(&self.making);
        self.made.get_or_init(make)
    }
}

/// A thread that is about to sleep, and what wakes it.
#[derive(Debug)]
pub(crate) struct Sleeper(
    #[cfg(not(quipu_loom))] Thread,
    #[cfg(quipu_loom)] std::sync::Arc<loom::sync::Notify>,
);

#[cfg(not(any(quipu_loom, quipu_shuttle)))]
use std::thread::{self, Thread};

#[cfg(quipu_shuttle)]
use shuttle::thread::{self, Thread};

#[cfg(not(quipu_loom))]
impl Sleeper {
    /// The calling thread.
    pub(crate) fn me() -> Self {
        Self(thread::current())
    }

    /// Sleeps until it is woken, or for no reason. Only the thread itself may call this.
    pub(crate) fn sleep(&self) {
        thread::park();
    }

    /// The same, for at most so long.
    #[cfg(not(quipu_shuttle))]
    pub(crate) fn sleep_for(&self, at_most: core::time::Duration) {
        thread::park_timeout(at_most);
    }

    fn wake_up(&self) {
        self.0.unpark();
    }
}

// Loom's own `unpark` also wakes a thread that waits for a lock, which then finds it locked. Its
// notification does not; and it wakes each thread once for no reason, as a thread must bear.
#[cfg(quipu_loom)]
loom::thread_local! {
    static MINE: std::sync::Arc<loom::sync::Notify> = std::sync::Arc::default();
}

#[cfg(quipu_loom)]
impl Sleeper {
    pub(crate) fn me() -> Self {
        Self(MINE.with(std::sync::Arc::clone))
    }

    pub(crate) fn sleep(&self) {
        self.0.wait();
    }

    fn wake_up(&self) {
        self.0.notify();
    }
}

impl Wake for Sleeper {
    fn wake(self: std::sync::Arc<Self>) {
        self.wake_up();
    }
}
