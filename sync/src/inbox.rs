//! Things handed over from many threads to one, in order.

use crate::facade::{Mutex, lock};
use crate::planted::{Planted, is_planted};

/// A queue that is emptied as a whole by the one thread that it belongs to.
///
/// It has no bound of its own: whatever is put into it was [let in](crate::Gate) before, or
/// answers something that was. What one thread puts in comes out in that thread's order. Its
/// lock is held for a move of one thing, or for a swap.
#[derive(Debug)]
pub struct Inbox<T>(Mutex<State<T>>);

#[derive(Debug)]
struct State<T> {
    things: Vec<T>,
    closed: bool,
}

impl<T> Default for Inbox<T> {
    fn default() -> Self {
        Self(Mutex::new(State { things: Vec::new(), closed: false }))
    }
}

impl<T> Inbox<T> {
    /// Puts a thing in, or gives it back where nobody will take it any more.
    pub fn put(&self, thing: T) -> Result<(), T> {
        let mut state = lock(&self.0);
        if state.closed {
            return Err(thing);
        }
        if is_planted(Planted::PutInTwoSteps) {
            drop(state);
            state = lock(&self.0);
        }
        state.things.push(thing);
        Ok(())
    }

    /// Takes everything out, behind what `into` has already.
    pub fn take(&self, into: &mut Vec<T>) {
        let mut state = lock(&self.0);
        if into.is_empty() {
            core::mem::swap(&mut state.things, into);
        } else {
            into.append(&mut state.things);
        }
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        lock(&self.0).things.is_empty()
    }

    /// Whether it takes nothing in any more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        lock(&self.0).closed
    }

    /// Takes nothing in any more. What is in it can still be taken.
    pub fn close(&self) {
        lock(&self.0).closed = true;
    }
}

#[cfg(all(test, not(any(quipu_loom, quipu_shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_in_comes_out_in_order_until_it_is_closed() {
        let inbox = Inbox::default();
        let mut out = Vec::new();
        assert_eq!(inbox.put(1), Ok(()));
        assert_eq!(inbox.put(2), Ok(()));
        inbox.take(&mut out);
        assert_eq!(inbox.put(3), Ok(()));
        inbox.close();
        assert_eq!(inbox.put(4), Err(4));
        inbox.take(&mut out);
        assert_eq!(out, [1, 2, 3]);
        assert!(inbox.is_empty());
    }
}
