//! A promise that was not kept, and by which check it was found: one of the auditor's, or one of
//! the simulator's own.

use core::fmt;

use crate::audit;

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
    if holds { Ok(()) } else { Err(Breach::new(check, what())) }
}
