//! What a decision may look at, and what an event may change.

use super::{ItemKey, Machine};
use crate::words::{Id, Name, Number, Position, Timestamp, Version};

/// Reads items of one stream by key.
pub trait Items<I> {
    /// The item, or `None` where there is none.
    fn get(&self, key: &ItemKey) -> Option<&I>;
}

/// One stream, as a decision sees it.
pub struct View<'a, M: Machine> {
    /// The stream's name.
    pub name: &'a Name,
    /// Its number; zero where it does not exist.
    pub number: Number,
    /// The position of its last event.
    pub version: Version,
    /// Its head, where it exists.
    pub head: Option<&'a M::Head>,
    /// The items that the command named.
    pub items: &'a dyn Items<M::Item>,
}

impl<'a, M: Machine> View<'a, M> {
    /// An item that the command has named.
    #[must_use]
    pub fn item(&self, key: &ItemKey) -> Option<&'a M::Item> {
        self.items.get(key)
    }

    /// The stream's id.
    #[must_use]
    pub fn id(&self) -> &'a Id {
        &self.name.id
    }
}

/// Where and when an event happens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// The position of the event. Ids that a machine makes derive from it.
    pub position: Position,
    /// The time at which it was decided.
    pub now: Timestamp,
}

/// Changes items of one stream.
pub(crate) trait ItemChanges<I>: Items<I> {
    /// Puts an item.
    fn put(&mut self, key: ItemKey, item: I);
    /// Removes an item.
    fn remove(&mut self, key: &ItemKey);
}

/// One stream, as an event changes it.
pub struct Changes<'a, M: Machine> {
    pub(crate) name: &'a Name,
    pub(crate) head: &'a mut Option<M::Head>,
    pub(crate) items: &'a mut dyn ItemChanges<M::Item>,
}

impl<M: Machine> Changes<'_, M> {
    /// The stream's id.
    #[must_use]
    pub fn id(&self) -> &Id {
        &self.name.id
    }

    /// Creates the stream, or replaces its head.
    pub fn set(&mut self, head: M::Head) {
        *self.head = Some(head);
    }

    /// Ends the stream: its name is free again. Its items must be gone already.
    pub fn vanish(&mut self) {
        *self.head = None;
    }

    /// The head, to be changed; `None` where the log holds an event that no decision made.
    pub fn head(&mut self) -> Option<&mut M::Head> {
        self.head.as_mut()
    }

    /// An item that the event has named in [`Machine::reads`].
    #[must_use]
    pub fn item(&self, key: &ItemKey) -> Option<&M::Item> {
        self.items.get(key)
    }

    /// Puts an item.
    pub fn put(&mut self, key: ItemKey, item: M::Item) {
        self.items.put(key, item);
    }

    /// Removes an item.
    pub fn remove(&mut self, key: &ItemKey) {
        self.items.remove(key);
    }
}
