//! Positions, and the room that they need.

use crate::facade::atomic::{AtomicBool, AtomicU64, Ordering};

/// Gives out positions, and keeps the account of slots and log bytes that are set aside for them.
///
/// Room is drawn before anything is decided, by many threads, and comes back when the frame that
/// used it is durable. The committer says how much the log has room for; what is drawn never
/// exceeds it.
#[derive(Debug)]
pub struct Sequencer {
    next: AtomicU64,
    slots: AtomicU64,
    slots_max: u64,
    bytes: AtomicU64,
    bytes_max: u64,
    room: AtomicU64,
    full: AtomicBool,
    awaited: AtomicBool,
}

/// Why no room could be drawn. Nothing was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Short {
    /// So much is under way. Some of it comes back soon.
    Busy,
    /// The disk gives no more.
    Full,
}

impl Sequencer {
    /// One whose next position is this, with bounds on what may be set aside at a time. The log
    /// has no room yet.
    #[must_use]
    pub fn new(next: u64, slots_max: u64, bytes_max: u64) -> Self {
        Self {
            next: AtomicU64::new(next),
            slots: AtomicU64::new(0),
            slots_max,
            bytes: AtomicU64::new(0),
            bytes_max,
            room: AtomicU64::new(0),
            full: AtomicBool::new(false),
            awaited: AtomicBool::new(false),
        }
    }

    /// Sets room aside.
    pub fn draw(&self, slots: u64, bytes: u64) -> Result<(), Short> {
        // Added first and taken back if it was too much: two at the bound may both be told that
        // it is busy, which it is.
        let before = self.slots.fetch_add(slots, Ordering::Relaxed);
        if before.saturating_add(slots) > self.slots_max {
            self.slots.fetch_sub(slots, Ordering::Relaxed);
            return Err(Short::Busy);
        }
        let before = self.bytes.fetch_add(bytes, Ordering::AcqRel);
        let wanted = before.saturating_add(bytes);
        // Read behind the addition: whoever lowers the room and gives bytes back for it does so
        // in that order, so what is counted here is never less than what is under way.
        let room = self.room.load(Ordering::Acquire);
        if wanted > self.bytes_max || wanted > room {
            self.give_back(slots, bytes);
            let is_full = wanted > room && self.full.load(Ordering::Acquire);
            return Err(if is_full { Short::Full } else { Short::Busy });
        }
        Ok(())
    }

    /// Gives room back: it was used, or is not needed.
    pub fn give_back(&self, slots: u64, bytes: u64) {
        self.bytes.fetch_sub(bytes, Ordering::AcqRel);
        self.slots.fetch_sub(slots, Ordering::Relaxed);
    }

    /// Says that somebody is about to sleep until there is room. It must try to draw once more
    /// behind this: what was given back before is seen by that, and whoever gives back later
    /// [hears](Self::take_awaited) of it.
    pub fn await_room(&self) {
        self.awaited.swap(true, Ordering::AcqRel);
    }

    /// Whether somebody sleeps until there is room. Asked by whoever has given back, and only the
    /// first to ask is told: it wakes all who sleep.
    #[must_use]
    pub fn take_awaited(&self) -> bool {
        self.awaited.swap(false, Ordering::AcqRel)
    }

    /// Takes that many consecutive positions. Whatever was taken before, on any thread that this
    /// one has heard of, lies below.
    pub fn take(&self, slots: u64) -> u64 {
        self.next.fetch_add(slots, Ordering::Relaxed)
    }

    /// The position that is taken next.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.next.load(Ordering::Relaxed)
    }

    /// Says what the log has room for, beyond the frames that it has taken. Called before what
    /// those frames used is given back.
    pub fn set_room(&self, room: u64, is_full: bool) {
        self.full.store(is_full, Ordering::Release);
        self.room.store(room, Ordering::Release);
    }

    /// The slots and bytes that are set aside.
    #[must_use]
    pub fn drawn(&self) -> (u64, u64) {
        (self.slots.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed))
    }
}

#[cfg(all(test, not(any(quipu_loom, quipu_shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_drawn_beyond_a_bound_or_the_room() {
        let ring = Sequencer::new(1, 10, 1_000);
        assert_eq!(ring.draw(1, 1), Err(Short::Busy), "the log has not said that it has room");
        ring.set_room(500, false);
        assert_eq!(ring.draw(1, 501), Err(Short::Busy));
        assert_eq!(ring.draw(11, 1), Err(Short::Busy));
        assert_eq!(ring.draw(10, 500), Ok(()));
        assert_eq!(ring.draw(0, 1), Err(Short::Busy));
        ring.set_room(500, true);
        assert_eq!(ring.draw(0, 1), Err(Short::Full));
        ring.set_room(400, true);
        ring.give_back(10, 500);
        assert_eq!(ring.drawn(), (0, 0));
        assert_eq!(ring.draw(1, 400), Ok(()));
    }

    #[test]
    fn whoever_gives_back_hears_once_that_it_is_waited_for() {
        let ring = Sequencer::new(1, 10, 10);
        assert!(!ring.take_awaited());
        ring.await_room();
        assert!(ring.take_awaited());
        assert!(!ring.take_awaited());
    }

    #[test]
    fn positions_are_dense() {
        let ring = Sequencer::new(7, 10, 10);
        assert_eq!([ring.take(1), ring.take(3), ring.take(1), ring.next()], [7, 8, 11, 12]);
    }
}
