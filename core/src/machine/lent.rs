//! A stream lent to a transaction: a copy of what its legs may read, changed there, given back.

use core::any::Any;
use std::collections::BTreeMap;

use super::cord::{CordState, Happening, ItemStore, Out, Shown, perform, show};
use super::state::{Items, Place, View};
use super::{Accepted, Answer, Command, Context, Decided, Expansion, ItemKey, Link, Machine};
use crate::words::{Position, Refusal};

/// A copy of one stream on its way between shards.
pub trait Lent: Any + Send {
    /// The stream.
    fn state(&self) -> &CordState;
    /// Whether it exists.
    fn exists(&self) -> bool;
    /// Splits a command into legs.
    fn expand(&self, command: &Command, link: Option<&Link>) -> Expansion;
    /// Decides a leg and keeps its event.
    fn decide(&mut self, command: &Command, cx: &mut Context<'_>) -> Result<Accepted, Refusal>;
    /// Carries out the oldest event that was kept.
    fn perform(
        &mut self,
        place: &Place,
        same: bool,
        out: &mut Out<'_>,
        answer: Option<&mut Answer>,
    );
    /// Adds what an accepted leg without an event shows.
    fn show(&self, accepted: &Accepted, answer: &mut Answer);
    /// Another copy, to try legs on.
    fn fork(&self) -> Box<dyn Lent>;
}

/// The copy of a stream of machine `M`.
pub(super) struct LentOf<M: Machine> {
    pub(super) state: CordState,
    pub(super) head: Option<M::Head>,
    pub(super) items: LentItems<M::Item>,
    pub(super) kept: std::collections::VecDeque<M::Event>,
}

/// Items by key.
pub(super) struct LentItems<I>(pub(super) BTreeMap<ItemKey, LentItem<I>>);

/// What an item is, and the position that changed it and its weight, if it was changed.
pub(super) type LentItem<I> = (Option<I>, Option<(Position, usize)>);

impl<I> Items<I> for LentItems<I> {
    fn get(&self, key: &ItemKey) -> Option<&I> {
        self.0.get(key)?.0.as_ref()
    }
}

impl<I> ItemStore<I> for LentItems<I> {
    fn set(&mut self, key: ItemKey, item: Option<I>, at: Position, weight: usize) {
        self.0.insert(key, (item, Some((at, weight))));
    }

    fn is_certain(&self, key: &ItemKey) -> bool {
        self.0.contains_key(key)
    }
}

impl<M: Machine> LentOf<M> {
    fn view(&self) -> View<'_, M> {
        View {
            name: &self.state.name,
            number: self.state.number,
            version: self.state.stamp.version,
            head: self.head.as_ref(),
            items: &self.items,
        }
    }
}

impl<M: Machine> Lent for LentOf<M> {
    fn state(&self) -> &CordState {
        &self.state
    }

    fn exists(&self) -> bool {
        self.head.is_some()
    }

    fn expand(&self, command: &Command, link: Option<&Link>) -> Expansion {
        M::expand(&self.view(), typed::<M>(command), link)
    }

    fn decide(&mut self, command: &Command, cx: &mut Context<'_>) -> Result<Accepted, Refusal> {
        match M::decide(&self.view(), typed::<M>(command), cx)? {
            Decided::Event(event) => {
                self.kept.push_back(event);
                Ok(Accepted::Event)
            }
            Decided::Already(shows) => Ok(Accepted::Already(shows)),
        }
    }

    fn perform(
        &mut self,
        place: &Place,
        same: bool,
        out: &mut Out<'_>,
        answer: Option<&mut Answer>,
    ) {
        let event = self.kept.pop_front().expect("an event is performed once it was decided");
        let Self { state, head, items, .. } = self;
        let happening = Happening { event: &event, place, same_event: same };
        perform::<M>(state, head, items, &happening, out, answer);
    }

    fn show(&self, accepted: &Accepted, answer: &mut Answer) {
        if let Accepted::Already(shows) = accepted {
            let arena = &mut rkyv::ser::allocator::Arena::new();
            let head = self.head.as_ref().map(|head| Shown { head, packed: None });
            let state = &self.state;
            show::<M>((state.number, state.stamp), head, &self.items, shows, arena, answer);
        }
    }

    fn fork(&self) -> Box<dyn Lent> {
        Box::new(Self {
            state: self.state.clone(),
            head: self.head.clone(),
            items: LentItems(self.items.0.clone()),
            kept: self.kept.clone(),
        })
    }
}

/// The command as its machine wrote it. Commands are routed by kind, so it always is.
pub(super) fn typed<M: Machine>(command: &Command) -> &M::Command {
    command.get::<M>().expect("commands reach the machine of their own kind")
}
