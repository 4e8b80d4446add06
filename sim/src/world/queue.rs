//! What is still to happen, in the order of virtual time; a seed breaks ties.

use std::collections::BTreeMap;

use quipu_core::driver::Move;

use crate::Random;

/// Something that happens at one virtual time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Event {
    /// The ledger takes a step.
    Step(Move),
    /// A client does something.
    Act(usize),
    /// A client has waited long enough for one of its calls.
    Impatient(u64),
    /// The store is frozen for a checkpoint.
    Freeze,
    /// What was frozen is written.
    Write,
    /// A bit of room is made ahead of need.
    Tend,
    /// The log says that all of it is durable.
    Seal,
    /// The wall clock jumps.
    Jump,
    /// The disk gets full, or has room again.
    Fill,
    /// Somebody else tries to open the ledger.
    Intrude,
    /// The life of this process ends.
    End,
}

impl Event {
    /// Whether it is an event of one process, which ends with it.
    fn is_of_process(&self) -> bool {
        matches!(self, Self::Step(_) | Self::Write | Self::End | Self::Impatient(_))
    }
}

/// Virtual time in microseconds.
pub(super) type Micros = u64;

/// Events by the time at which they happen.
#[derive(Debug)]
pub(super) struct Queue {
    events: BTreeMap<(Micros, u64, u64), Event>,
    ties: Random,
    last: u64,
}

impl Queue {
    pub(super) fn new(ties: Random) -> Self {
        Self { events: BTreeMap::new(), ties, last: 0 }
    }

    pub(super) fn push(&mut self, at: Micros, event: Event) {
        self.last += 1;
        self.events.insert((at, self.ties.draw(), self.last), event);
    }

    /// The next event and its time.
    pub(super) fn pop(&mut self) -> Option<(Micros, Event)> {
        self.events.pop_first().map(|((at, ..), event)| (at, event))
    }

    /// Forgets what a process that has ended would have done.
    pub(super) fn end_process(&mut self) {
        self.events.retain(|_, event| !event.is_of_process());
    }

    /// Forgets what clients would have done.
    pub(super) fn forget_acts(&mut self) {
        self.events.retain(|_, event| !matches!(event, Event::Act(_)));
    }

    /// Forgets all but what the ledger does by itself.
    pub(super) fn keep_steps(&mut self) {
        self.events.retain(|_, event| matches!(event, Event::Step(_) | Event::Write));
    }
}

#[cfg(test)]
mod tests {
    use super::{Event, Queue};
    use crate::Random;

    #[test]
    fn events_come_in_the_order_of_time_and_ties_in_that_of_the_seed() {
        let order = |seed| {
            let mut queue = Queue::new(Random::new(seed));
            (0..8).for_each(|client| queue.push(5, Event::Act(client)));
            queue.push(4, Event::Tend);
            queue.push(6, Event::End);
            std::iter::from_fn(|| queue.pop()).collect::<Vec<_>>()
        };
        let (one, other) = (order(1), order(2));
        for order in [&one, &other] {
            assert_eq!(order[0], (4, Event::Tend));
            assert_eq!(order[9], (6, Event::End));
        }
        assert_ne!(one, other, "the seed breaks ties");
        assert_eq!(one, order(1));
    }
}
