//! A shard's part of the ring: room that it has drawn and not used yet.

use std::sync::Arc;

use quipu_core::batch::Ring;
use quipu_core::words::{Fault, Position};
use quipu_sync::sequencer::Short;

use crate::shared::Shared;

/// How much is drawn at a time, where there is so much.
const DRAWN_SLOTS: u64 = 1_024;
const DRAWN_ROOM: u64 = 512 << 10;

/// Draws room for many asks at once, so that most of them touch nothing that others touch.
pub(crate) struct Credit {
    shared: Arc<Shared>,
    slots: u64,
    room: u64,
}

impl Credit {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, slots: 0, room: 0 }
    }

    /// Sees to it that so much is at hand.
    pub(crate) fn ensure(&mut self, slots: u64, room: u64) -> Result<(), Short> {
        let (lacking, short) = (slots.saturating_sub(self.slots), room.saturating_sub(self.room));
        if lacking == 0 && short == 0 {
            return Ok(());
        }
        let (ample, wide) = (lacking.max(DRAWN_SLOTS), short.max(DRAWN_ROOM));
        if self.shared.ring.draw(ample, wide).is_ok() {
            self.slots += ample;
            self.room += wide;
            return Ok(());
        }
        self.shared.ring.draw(lacking, short)?;
        self.slots += lacking;
        self.room += short;
        Ok(())
    }

    /// Gives everything back that is not used.
    pub(crate) fn settle(&mut self) {
        if self.slots > 0 || self.room > 0 {
            self.shared.ring.give_back(self.slots, self.room);
            (self.slots, self.room) = (0, 0);
        }
    }
}

impl Ring for Credit {
    fn room_of(&self, entry_len: usize) -> u64 {
        (self.shared.room_rule)(entry_len)
    }

    fn reserve(&mut self, slots: u64, room: u64) -> Result<(), Fault> {
        self.ensure(slots, room).map_err(|short| match short {
            Short::Busy => Fault::Overloaded,
            Short::Full => Fault::DiskFull,
        })?;
        self.slots -= slots;
        self.room -= room;
        Ok(())
    }

    fn release(&mut self, slots: u64, room: u64) {
        self.slots += slots;
        self.room += room;
    }

    fn take(&mut self, slots: u64) -> Position {
        Position::new(self.shared.ring.take(slots))
    }
}

impl Drop for Credit {
    fn drop(&mut self) {
        self.settle();
    }
}
