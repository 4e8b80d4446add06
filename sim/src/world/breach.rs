//! A promise that was not kept, and by which check it was found: one of the auditor's, or one of
//! the simulator's own.

use core::fmt;

use crate::audit::{self, Audit};

/// What a run found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Breach {
    /// Which check found it.
    pub check: &'static str,
    /// What contradicts what.
    pub what: String,
}

impl Breach {
    pub(super) fn new(check: &'static str, what: impl Into<String>) -> Self {
        Self { check, what: what.into() }
    }
}

impl From<audit::Breach> for Breach {
    fn from(breach: audit::Breach) -> Self {
        Self { check: breach.check.as_str(), what: breach.what }
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.check, self.what)
    }
}

/// A breach where the condition does not hold.
pub(super) fn ensure(
    check: &'static str,
    holds: bool,
    what: impl FnOnce() -> String,
) -> Result<(), Breach> {
    if holds || is_left_out(check) { Ok(()) } else { Err(Breach::new(check, what())) }
}

#[cfg(feature = "mutants")]
std::thread_local! {
    static LEFT_OUT: core::cell::Cell<Option<audit::Check>> = const { core::cell::Cell::new(None) };
}

/// Leaves one of the auditor's checks out of all runs of this thread, or asks it again: to see
/// which planted bugs nothing else finds.
#[cfg(feature = "mutants")]
pub fn leave_out(check: Option<audit::Check>) {
    LEFT_OUT.set(check);
}

/// An auditor that asks all that is asked in this thread.
pub(super) fn auditor() -> Audit {
    #[cfg(feature = "mutants")]
    if let Some(check) = LEFT_OUT.get() {
        return Audit::default().without(check);
    }
    Audit::default()
}

fn is_left_out(check: &str) -> bool {
    #[cfg(feature = "mutants")]
    return LEFT_OUT.get().is_some_and(|left_out| left_out.as_str() == check);
    #[cfg(not(feature = "mutants"))]
    {
        let _ = check;
        false
    }
}
