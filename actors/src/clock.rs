//! The boot clock and the wall clock become a time that never runs back.

use quipu_core::words::Timestamp;
use rustix::time::{ClockId, Timespec, clock_gettime};

/// A wall clock that jumps ahead by more is worth a word.
const JUMP_US: u64 = 60_000_000;

/// What the clocks of a machine say, in microseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reading {
    /// Since the machine was started; it goes on while the machine sleeps, and nobody sets it.
    pub boot_us: u64,
    /// Since 1970, as far as the machine knows.
    pub wall_us: u64,
}

impl Reading {
    /// What they say now.
    #[must_use]
    pub fn now() -> Self {
        let micros = |time: Timespec| {
            let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
            seconds.saturating_mul(1_000_000) + u64::try_from(time.tv_nsec).unwrap_or(0) / 1_000
        };
        Self {
            boot_us: micros(clock_gettime(ClockId::Boottime)),
            wall_us: micros(clock_gettime(ClockId::Realtime)),
        }
    }
}

/// Where an engine's clocks read.
pub type Source = fn() -> Reading;

/// A time that follows the boot clock, and never runs back.
///
/// A wall clock that is ahead is followed at once; that a jump was long is said. One that is
/// behind is waited for: until it has caught up, time goes at half speed. So time is close to
/// what people call the time, and nothing that was once shown as over comes back.
#[derive(Clone, Debug)]
pub struct Clock {
    source: Source,
    now_us: u64,
    boot_us: u64,
}

impl Clock {
    /// A clock that begins no earlier than `from`, up to which times have been shown.
    #[must_use]
    pub fn new(source: Source, from: Timestamp) -> Self {
        let Reading { boot_us, wall_us } = source();
        Self { source, now_us: wall_us.max(from.ms().saturating_mul(1_000)), boot_us }
    }

    /// The time now.
    pub fn now(&mut self) -> Timestamp {
        let Reading { boot_us, wall_us } = (self.source)();
        let passed = boot_us.saturating_sub(self.boot_us);
        self.boot_us = self.boot_us.max(boot_us);
        let full = self.now_us.saturating_add(passed);
        self.now_us = if wall_us >= full {
            let jump = wall_us - full;
            if jump > JUMP_US {
                tracing::warn!(seconds = jump / 1_000_000, "the wall clock jumped ahead");
            }
            wall_us
        } else {
            // Ahead of the wall clock: half as fast, but not past where it would meet it.
            (self.now_us.saturating_add(passed / 2)).max(wall_us)
        };
        Timestamp::from_ms(self.now_us / 1_000)
    }
}

#[cfg(test)]
mod tests {
    use core::cell::Cell;

    use super::*;

    thread_local! {
        static READING: Cell<Reading> = const { Cell::new(Reading { boot_us: 0, wall_us: 0 }) };
    }

    fn at(boot_us: u64, wall_us: u64) {
        READING.set(Reading { boot_us, wall_us });
    }

    fn clock(from_ms: u64) -> Clock {
        Clock::new(|| READING.get(), Timestamp::from_ms(from_ms))
    }

    #[test]
    fn it_begins_at_the_later_of_the_wall_clock_and_what_was_shown() {
        at(5_000, 1_000_000);
        assert_eq!(clock(0).now().ms(), 1_000);
        assert_eq!(clock(9_000).now().ms(), 9_000);
    }

    #[test]
    fn a_wall_clock_ahead_is_followed() {
        at(0, 1_000_000);
        let mut clock = clock(0);
        at(1_000, 500_000_000);
        assert_eq!(clock.now().ms(), 500_000);
    }

    #[test]
    fn one_that_is_behind_is_waited_for_at_half_speed_until_they_meet() {
        at(0, 10_000_000);
        let mut clock = clock(0);
        at(0, 6_000_000);
        assert_eq!(clock.now().ms(), 10_000, "it never runs back");
        at(2_000_000, 8_000_000);
        assert_eq!(clock.now().ms(), 11_000);
        at(6_000_000, 12_000_000);
        assert_eq!(clock.now().ms(), 13_000);
        at(8_000_000, 14_000_000);
        assert_eq!(clock.now().ms(), 14_000, "they have met");
        at(9_000_000, 15_000_000);
        assert_eq!(clock.now().ms(), 15_000);
    }

    #[test]
    fn a_boot_clock_that_runs_back_takes_nothing_away() {
        at(9_000_000, 1_000_000);
        let mut clock = clock(50);
        at(1_000_000, 900_000);
        assert_eq!(clock.now().ms(), 1_000);
        at(9_500_000, 1_000_000);
        assert_eq!(clock.now().ms(), 1_250);
    }
}
