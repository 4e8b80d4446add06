//! Independent pieces of work, shared out among threads.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Does all pieces of work on so many threads, and stops at the first that fails. Which piece is
/// done by whom makes no difference: none sees another.
#[expect(clippy::disallowed_methods, reason = "the pieces share nothing, so no order shows")]
pub(crate) fn spread<T, F: Send>(
    threads: usize,
    pieces: impl Iterator<Item = T> + Send,
    act: impl Fn(T) -> Result<(), F> + Sync,
) -> Result<(), F> {
    let (pieces, is_over) = (Mutex::new(pieces), AtomicBool::new(false));
    let next = || {
        let mut pieces = pieces.lock().unwrap_or_else(PoisonError::into_inner);
        if is_over.load(Ordering::Relaxed) { None } else { pieces.next() }
    };
    let work = || {
        while let Some(piece) = next() {
            if let Err(failure) = act(piece) {
                is_over.store(true, Ordering::Relaxed);
                return Err(failure);
            }
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads.max(1)).map(|_| scope.spawn(work)).collect();
        let mut ended = vec![work()];
        for other in others {
            ended.push(other.join().expect("a piece of work that panics says so as a failure"));
        }
        ended.into_iter().collect()
    })
}

/// Does something, and says how long it took.
#[expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "it is told, and no more")]
pub(crate) fn timed<T>(act: impl FnOnce() -> T) -> (T, Duration) {
    let begun = std::time::Instant::now();
    let done = act();
    (done, begun.elapsed())
}
