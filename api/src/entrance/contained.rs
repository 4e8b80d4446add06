//! A panic of one request ends that request.

use core::future::Future;
use core::panic::AssertUnwindSafe;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::panic::catch_unwind;

use crate::problem::Problem;
use crate::route::Answer;

/// Has work go on. If it panics, the answer is `internal`; it is not to be polled again.
pub(super) fn contained(
    work: Pin<&mut impl Future<Output = Answer>>,
    task: &mut Context<'_>,
) -> Poll<Answer> {
    match catch_unwind(AssertUnwindSafe(|| work.poll(task))) {
        Ok(poll) => poll,
        Err(_) => {
            tracing::error!("a request panicked");
            Poll::Ready(Err(Problem::internal()))
        }
    }
}

#[cfg(test)]
mod tests {
    use core::future::poll_fn;
    use core::pin::pin;

    use super::*;

    #[tokio::test]
    async fn a_panic_is_a_problem() {
        let mut work = pin!(async { panic!("on purpose") });
        let answer = poll_fn(|task| contained(work.as_mut(), task)).await;
        assert_eq!(answer.expect_err("it panicked").code(), "internal");
    }
}
