//! Who is waiting for which answer.

use std::time::Instant;

use quipu_core::shard::{Ask, CallId, Reply};
use tokio::sync::oneshot;

use crate::gauges::Operation;

/// What a caller has put into a shard's inbox.
pub(crate) enum Call {
    /// One ask.
    One(Ask, oneshot::Sender<Reply>),
    /// Several asks, which have nothing to do with each other but their caller.
    Many(Vec<Ask>, oneshot::Sender<Vec<Reply>>),
}

/// What an ask counts for at the gate: its commands, and what comes with each.
pub(crate) fn weight(ask: &Ask) -> u64 {
    let leg = |leg: &quipu_core::shard::Leg| 256 + leg.command.weight() as u64;
    match ask {
        Ask::Command(only, _) => leg(only),
        Ask::Transaction(legs, _) => legs.iter().map(leg).sum(),
        Ask::Read(reading) => 256 + 64 * reading.items.len() as u64,
        Ask::Restored(_) | Ask::Sweep(_) => 256,
    }
}

/// The calls of one shard that are not answered yet.
#[derive(Default)]
pub(crate) struct Calls {
    open: Slots<Open>,
    parts: Slots<Part>,
    /// What was answered since the gate was last told: calls, and bytes.
    left: (u64, u64),
}

/// A call that is not answered yet.
struct Open {
    waits: Waits,
    came: Came,
}

/// What a call is of, what it counts for at the gate, and since when it is open.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Came {
    pub(crate) of: Operation,
    pub(crate) weight: u64,
    pub(crate) at: Instant,
}

/// Who waits for one answer.
enum Waits {
    One(oneshot::Sender<Reply>),
    /// A place in a part.
    Part {
        part: u32,
        place: u32,
    },
}

/// The answers to asks that came together.
struct Part {
    replies: Vec<Option<Reply>>,
    missing: usize,
    tell: oneshot::Sender<Vec<Reply>>,
}

impl Calls {
    /// Opens a call that is answered by itself.
    pub(crate) fn open(&mut self, came: Came, tell: oneshot::Sender<Reply>) -> CallId {
        CallId(u64::from(self.open.add(Open { waits: Waits::One(tell), came })))
    }

    /// Opens a part of that many asks.
    pub(crate) fn open_part(&mut self, asks: usize, tell: oneshot::Sender<Vec<Reply>>) -> u32 {
        let mut replies = Vec::new();
        replies.resize_with(asks, || None);
        self.parts.add(Part { replies, missing: asks, tell })
    }

    /// Opens a call that is answered with others.
    pub(crate) fn open_in(&mut self, part: u32, place: usize, came: Came) -> CallId {
        let place = u32::try_from(place).expect("the gate bounds how many come together");
        let waits = Waits::Part { part, place };
        CallId(u64::from(self.open.add(Open { waits, came })))
    }

    /// What an open call is of.
    pub(crate) fn came(&self, call: CallId) -> Option<Came> {
        Some(self.open.places.get(place(call))?.as_ref()?.came)
    }

    /// Answers a call. Whether its caller still waits makes no difference.
    pub(crate) fn answer(&mut self, call: CallId, reply: Reply) {
        let Some(Open { waits, came }) = self.open.remove(place(call)) else { return };
        self.left.1 += came.weight;
        match waits {
            Waits::One(tell) => {
                self.left.0 += 1;
                drop(tell.send(reply));
            }
            Waits::Part { part, place } => {
                let Some(of) = self.parts.get_mut(part) else { return };
                of.replies[place as usize] = Some(reply);
                of.missing -= 1;
                if of.missing == 0
                    && let Some(of) = self.parts.remove(part as usize)
                {
                    self.left.0 += 1;
                    drop(of.tell.send(of.replies.into_iter().flatten().collect()));
                }
            }
        }
    }

    /// How many calls, of how many bytes, were answered since this was last asked.
    pub(crate) fn take_left(&mut self) -> (u64, u64) {
        core::mem::take(&mut self.left)
    }

    /// Whether nobody waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.open.len == 0
    }

    /// Every call that is open.
    pub(crate) fn all(&self) -> Vec<CallId> {
        let open = self.open.places.iter().enumerate().filter(|(_, place)| place.is_some());
        open.map(|(index, _)| CallId(index as u64)).collect()
    }
}

fn place(call: CallId) -> usize {
    usize::try_from(call.0).expect("calls are numbered by their places")
}

/// Things at places that are used again.
struct Slots<T> {
    places: Vec<Option<T>>,
    free: Vec<u32>,
    len: usize,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self { places: Vec::new(), free: Vec::new(), len: 0 }
    }
}

impl<T> Slots<T> {
    fn add(&mut self, thing: T) -> u32 {
        self.len += 1;
        if let Some(index) = self.free.pop() {
            self.places[index as usize] = Some(thing);
            return index;
        }
        self.places.push(Some(thing));
        u32::try_from(self.places.len() - 1).expect("the gate bounds how many there are")
    }

    fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        self.places.get_mut(index as usize)?.as_mut()
    }

    fn remove(&mut self, index: usize) -> Option<T> {
        let thing = self.places.get_mut(index)?.take()?;
        self.len -= 1;
        self.free.push(index as u32);
        Some(thing)
    }
}
