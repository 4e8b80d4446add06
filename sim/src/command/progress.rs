//! How far a long run is, for whoever watches it.

use std::io::{IsTerminal as _, Write as _, stderr};
use std::time::{Duration, Instant};

/// Says now and then how far it is: often on a terminal, where each line takes the place of the
/// one before, and seldom elsewhere.
pub(super) struct Progress {
    begun: Instant,
    said: Instant,
    is_seen: bool,
}

impl Progress {
    pub(super) fn new() -> Self {
        let begun = Instant::now();
        Self { begun, said: begun, is_seen: stderr().is_terminal() }
    }

    /// Says it, if it is time.
    pub(super) fn say(&mut self, how_far: impl FnOnce() -> String) {
        let every = if self.is_seen { Duration::from_millis(500) } else { Duration::from_secs(20) };
        if self.said.elapsed() < every {
            return;
        }
        self.said = Instant::now();
        let seconds = self.begun.elapsed().as_secs();
        let end = if self.is_seen { "\r" } else { "\n" };
        // Nobody is harmed where it cannot be said.
        let said = write!(stderr(), "{seconds} s: {}{end}", how_far());
        let _ = said.and_then(|()| stderr().flush());
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.is_seen && self.said > self.begun {
            let _ = writeln!(stderr());
        }
    }
}
