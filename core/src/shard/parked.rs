//! Answers that wait until what they rest on is durable.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use super::{CallId, Reply};
use crate::commit::Published;
use crate::words::{Position, Timestamp};

/// Answers, each with the position and the time that must be durable first.
///
/// Most answers rest on a position later than all before them and lie in a queue; a read or
/// refusal that rests on something older lies in a heap, so it never waits for company.
#[derive(Default, Debug)]
pub(super) struct Parked {
    queue: VecDeque<Waiting>,
    heap: BinaryHeap<Reverse<Waiting>>,
    sequence: u64,
}

#[derive(Debug)]
struct Waiting {
    position: Position,
    now: Timestamp,
    sequence: u64,
    call: CallId,
    reply: Reply,
}

impl Waiting {
    fn is_covered(&self, durable: Published) -> bool {
        self.position <= durable.watermark && self.now <= durable.now_limit
    }
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.sequence == other.sequence
    }
}

impl Eq for Waiting {}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.position, self.sequence).cmp(&(other.position, other.sequence))
    }
}

impl Parked {
    pub(super) fn park(&mut self, call: CallId, position: Position, now: Timestamp, reply: Reply) {
        self.sequence += 1;
        let waiting = Waiting { position, now, sequence: self.sequence, call, reply };
        if self.queue.back().is_none_or(|last| last.position <= position) {
            self.queue.push_back(waiting);
        } else {
            self.heap.push(Reverse(waiting));
        }
    }

    /// Gives every answer that is covered.
    pub(super) fn release(&mut self, durable: Published, mut out: impl FnMut(CallId, Reply)) {
        while let Some(front) = self.queue.front() {
            if !front.is_covered(durable) {
                break;
            }
            let Some(waiting) = self.queue.pop_front() else { break };
            out(waiting.call, waiting.reply);
        }
        while let Some(Reverse(first)) = self.heap.peek() {
            if !first.is_covered(durable) {
                break;
            }
            let Some(Reverse(waiting)) = self.heap.pop() else { break };
            out(waiting.call, waiting.reply);
        }
    }

    /// Gives every call that waits, without its answer.
    pub(super) fn drain(&mut self, mut out: impl FnMut(CallId)) {
        self.queue.drain(..).for_each(|waiting| out(waiting.call));
        self.heap.drain().for_each(|Reverse(waiting)| out(waiting.call));
    }

    /// The latest time that an answer shows which is durable but for that.
    pub(super) fn wanted_time(&self, durable: Published) -> Option<Timestamp> {
        let front = self.queue.front().into_iter();
        let first = self.heap.peek().map(|Reverse(first)| first).into_iter();
        let ready = front.chain(first).filter(|waiting| waiting.position <= durable.watermark);
        ready.map(|waiting| waiting.now).filter(|&now| now > durable.now_limit).max()
    }

    pub(super) fn len(&self) -> usize {
        self.queue.len() + self.heap.len()
    }
}
