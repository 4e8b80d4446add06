//! The primitives that everything here is made of: the standard library's, or a model checker's.

#[cfg(not(any(quipu_loom, quipu_shuttle)))]
mod real {
    pub(crate) use std::sync::{Mutex, MutexGuard, atomic};
    pub(crate) use std::thread;
}

#[cfg(quipu_loom)]
mod real {
    pub(crate) use loom::sync::{Mutex, MutexGuard, atomic};
    pub(crate) use loom::thread;
}

#[cfg(quipu_shuttle)]
mod real {
    pub(crate) use shuttle::sync::{Mutex, MutexGuard, atomic};
    pub(crate) use shuttle::thread;
}

pub(crate) use real::{Mutex, MutexGuard, atomic, thread};

/// Locks. A thread that panicked while it held the lock has left whole values behind: nothing
/// here panics between two halves of a change.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
