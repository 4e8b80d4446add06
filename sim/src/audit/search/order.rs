//! The search itself: whether asks of one stream, some of them at once, can have been carried
//! out one by one so that each got the answer that it got.
//!
//! Wing and Gong's search, with Lowe's memory of where it has been: take an ask that may be next,
//! do it, go on; where nothing fits, take back and try another. Two ways to the same asks done
//! and the same state are one. An ask whose outcome nobody knows may be done at any time until
//! the engine that had it ended, or never.

use std::collections::BTreeSet;

use super::Fact;
use super::scratch::{Mark, Model, Scratch};

/// The most asks that may be under way at once; streams with more are not searched.
pub(super) const CONCURRENT_MAX: usize = 64;
/// The most states that a search of one stream may come to before it is given up.
pub(super) const STATES_MAX: usize = 1 << 20;

/// One ask on one stream.
#[derive(Debug)]
pub(super) struct Op {
    /// When it was sent.
    pub(super) sent: u64,
    /// When its answer left. Without one, when it can no longer happen.
    pub(super) ended: u64,
    pub(super) is_answered: bool,
    /// What it did, in order. It did all of it at once.
    pub(super) facts: Vec<Fact>,
    /// Which ask it was, for whoever reads a finding.
    pub(super) ask: usize,
}

/// What came of a search.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Found {
    /// There is such an order.
    Order,
    /// There is none. The longest row of asks that fit ended before one of these.
    None(Vec<usize>),
    /// Too much was under way at once, or too many states were possible.
    GivenUp,
}

/// Where a search stands: every ask before the horizon is done, but for those that wait.
struct Step<C> {
    horizon: usize,
    waiting: Vec<usize>,
    /// What may be next, and how much of that was tried.
    next: Vec<usize>,
    tried: usize,
    /// What was before the step.
    before: Mark<C>,
}

/// Looks for an order of asks, which are given in the order in which they were sent.
pub(super) fn search<M: Model>(ops: &[Op]) -> Found {
    let Some(last) = ops.iter().rposition(|op| op.is_answered) else { return Found::Order };
    let mut stream = Scratch::<M::Core>::new();
    let mut seen = BTreeSet::new();
    let (mut longest, mut stuck) = (0, Vec::new());
    let first = candidates(ops, 0, &[]);
    let mut steps = vec![Step {
        horizon: 0,
        waiting: Vec::new(),
        next: first,
        tried: 0,
        before: stream.mark(),
    }];
    loop {
        let depth = steps.len();
        let Some(step) = steps.last_mut() else { return Found::None(stuck) };
        if depth > longest {
            longest = depth;
            stuck = step.next.iter().map(|op| ops[*op].ask).collect();
        }
        let Some(op) = step.next.get(step.tried).copied() else {
            stream.back_to(step.before);
            steps.pop();
            continue;
        };
        step.tried += 1;
        let before = stream.mark();
        let identity = stream.identity();
        if !ops[op].facts.iter().all(|fact| M::happens(&mut stream, fact)) {
            stream.back_to(before);
            continue;
        }
        let (horizon, waiting) = after(ops, step, op);
        let is_late = waiting.len() + 1 < step.waiting.len() + horizon - step.horizon;
        if ops[op].is_answered && !is_late && stream.identity() == identity {
            // It fits, changes nothing, and nothing is too late behind it: whatever order there
            // is, it may as well be here.
            step.next.truncate(step.tried);
        }
        if horizon > last && waiting.iter().all(|op| !ops[*op].is_answered) {
            return Found::Order;
        }
        if waiting.len() > CONCURRENT_MAX || seen.len() >= STATES_MAX {
            return Found::GivenUp;
        }
        if !seen.insert((horizon, waiting.clone(), stream.identity())) {
            stream.back_to(before);
            continue;
        }
        let next = candidates(ops, horizon, &waiting);
        steps.push(Step { horizon, waiting, next, tried: 0, before });
    }
}

/// What may be next: whatever was sent before any answer of what is not done had left. Asks with
/// answers come first, those that left first before the others.
fn candidates(ops: &[Op], horizon: usize, waiting: &[usize]) -> Vec<usize> {
    let answered = waiting.iter().map(|op| &ops[*op]).filter(|op| op.is_answered);
    let mut first_end = answered.map(|op| op.ended).min().unwrap_or(u64::MAX);
    let mut next = waiting.to_vec();
    for (index, op) in ops.iter().enumerate().skip(horizon) {
        if op.sent > first_end {
            break;
        }
        if op.is_answered {
            first_end = first_end.min(op.ended);
        }
        next.push(index);
    }
    next.sort_by_key(|op| (!ops[*op].is_answered, ops[*op].ended));
    next
}

/// Where a search stands once an ask is done. What had ended without an answer before that was
/// sent can no longer happen.
fn after<C>(ops: &[Op], step: &Step<C>, done: usize) -> (usize, Vec<usize>) {
    let horizon = step.horizon.max(done + 1);
    let sent = ops[horizon - 1].sent;
    let passed = step.waiting.iter().copied().chain(step.horizon..horizon);
    let may_happen = |op: &usize| ops[*op].is_answered || ops[*op].ended > sent;
    (horizon, passed.filter(|op| *op != done).filter(may_happen).collect())
}
