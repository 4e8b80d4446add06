//! A panic of one request ends that request.

use core::panic::AssertUnwindSafe;
use std::panic::catch_unwind;

use crate::problem::Problem;

/// Does a step of a request. If it panics the answer is `internal`, and whatever it worked on is
/// not to be looked at again.
pub(super) fn contained<T>(step: impl FnOnce() -> T) -> Result<T, Problem> {
    catch_unwind(AssertUnwindSafe(step)).map_err(|_| {
        tracing::error!("a request panicked");
        Problem::internal()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_a_problem() {
        let step = contained(|| -> u8 { panic!("on purpose") });
        assert_eq!(step.expect_err("it panicked").code(), "internal");
        assert_eq!(contained(|| 5).ok(), Some(5));
    }
}
