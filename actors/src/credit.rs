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

    /// Sees to it that so much is at hand, and draws more than that where there is more.
    pub(crate) fn ensure(&mut self, slots: u64, room: u64) -> Result<(), Short> {
        let (lacking, short) = self.lacking(slots, room);
        if lacking == 0 && short == 0 {
            return Ok(());
        }
        let (ample, wide) = (lacking.max(DRAWN_SLOTS), short.max(DRAWN_ROOM));
        if self.shared.ring.draw(ample, wide).is_ok() {
            self.slots += ample;
            self.room += wide;
            return Ok(());
        }
        self.ensure_just(slots, room)
    }

    /// The same without drawing more. Of several that try this at once, one finds what there is,
    /// so that they cannot all go to sleep beside it.
    pub(crate) fn ensure_just(&mut self, slots: u64, room: u64) -> Result<(), Short> {
        let (lacking, short) = self.lacking(slots, room);
        if lacking > 0 || short > 0 {
            self.shared.ring.draw(lacking, short)?;
            self.slots += lacking;
            self.room += short;
        }
        Ok(())
    }

    fn lacking(&self, slots: u64, room: u64) -> (u64, u64) {
        (slots.saturating_sub(self.slots), room.saturating_sub(self.room))
    }

    /// Gives everything back that is not used, and wakes those who sleep until there is room:
    /// where all that was drawn was drawn in vain, no frame will.
    pub(crate) fn settle(&mut self) {
        if self.slots > 0 || self.room > 0 {
            self.shared.ring.give_back(self.slots, self.room);
            (self.slots, self.room) = (0, 0);
            if self.shared.ring.take_awaited() {
                self.shared.ring_all();
            }
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
