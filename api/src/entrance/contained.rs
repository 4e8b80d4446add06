//! A panic of one request ends that request.

use core::future::{Future, poll_fn};
use core::panic::AssertUnwindSafe;
use core::pin::pin;
use core::task::Poll;
use std::panic::catch_unwind;

use crate::problem::Problem;
use crate::route::Answer;

/// Runs to the end, or until it panics: then it is dropped and the answer is `internal`.
pub(super) async fn contained(work: impl Future<Output = Answer>) -> Answer {
    let mut work = pin!(work);
    poll_fn(|task| {
        // It is never polled again after it panicked.
        match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(task))) {
            Ok(poll) => poll,
            Err(_) => {
                tracing::error!("a request panicked");
                Poll::Ready(Err(Problem::internal()))
            }
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_a_problem() {
        let answer = contained(async { panic!("on purpose") }).await;
        assert_eq!(answer.expect_err("it panicked").code(), "internal");
    }
}
