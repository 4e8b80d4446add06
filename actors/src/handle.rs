//! What callers hold: asks go in, replies come out.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::sync::Arc;

use quipu_core::commit::Published;
use quipu_core::log;
use quipu_core::shard::{Ask, Reply, Sweep};
use quipu_core::store;
use quipu_core::words::Fault;
use quipu_sync::gate::Turned;
use tokio::sync::{oneshot, watch};

use crate::calls::{Call, weight};
use crate::shared::Shared;

/// Asks an engine, from any thread and any runtime, or from none. It is cheap to clone, and does
/// not keep the engine alive: once that has stopped, every ask is answered with
/// [`Fault::Stopping`].
#[derive(Clone)]
pub struct Handle {
    pub(crate) shared: Arc<Shared>,
}

impl Handle {
    /// Asks. What was let in is carried out whether or not anybody waits for its answer.
    pub fn ask(&self, ask: Ask) -> Answer {
        match self.put(ask) {
            Ok(waits) => Answer(State::Waits(waits)),
            Err(fault) => Answer(State::Ready(Some(Reply::Failed(fault)))),
        }
    }

    fn put(&self, ask: Ask) -> Result<oneshot::Receiver<Reply>, Fault> {
        let (home, weight) = (ask.home(self.shared.doors.len()), weight(&ask));
        self.enter(1, weight)?;
        let (tell, waits) = oneshot::channel();
        let door = &self.shared.doors[home];
        if door.calls.put(Call::One(ask, tell)).is_err() {
            self.shared.gate.leave(1, weight);
            return Err(Fault::Stopping);
        }
        door.bell.ring();
        Ok(waits)
    }

    /// Asks for several things that have nothing to do with each other: each happens or is refused
    /// by itself, and the answers come in the order of the asks. All of them are let in, or none. On
    /// each shard they are one call, so that many of them are bounded by their bytes.
    pub fn ask_all(&self, asks: Vec<Ask>) -> Answers {
        let count = asks.len();
        if count == 0 {
            return Answers(Parts::Ready(Some(Vec::new())));
        }
        let shards = self.shared.doors.len();
        let mut parts: Vec<(Vec<usize>, Vec<Ask>)> = vec![Default::default(); shards];
        let bytes = asks.iter().map(weight).sum();
        if shards == 1 {
            parts[0].1 = asks;
        } else {
            for (place, ask) in asks.into_iter().enumerate() {
                let part = &mut parts[ask.home(shards)];
                part.0.push(place);
                part.1.push(ask);
            }
        }
        let calls = parts.iter().filter(|(_, asks)| !asks.is_empty()).count();
        if let Err(fault) = self.enter(calls as u64, bytes) {
            return Answers(Parts::Ready(Some(vec![Reply::Failed(fault); count])));
        }
        if shards == 1 {
            let (_, asks) = parts.swap_remove(0);
            return Answers(Parts::One(self.put_part(0, asks), count));
        }
        let parts = parts.into_iter().enumerate().filter(|(_, (places, _))| !places.is_empty());
        let waits = parts.map(|(shard, (places, asks))| (places, self.put_part(shard, asks)));
        let (waits, replies) = (waits.collect(), vec![None; count]);
        Answers(Parts::Many { waits, replies })
    }

    fn put_part(&self, shard: usize, asks: Vec<Ask>) -> oneshot::Receiver<Vec<Reply>> {
        let bytes = asks.iter().map(weight).sum();
        let (tell, waits) = oneshot::channel();
        let door = &self.shared.doors[shard];
        if let Err(Call::Many(asks, tell)) = door.calls.put(Call::Many(asks, tell)) {
            self.shared.gate.leave(1, bytes);
            let stopping = vec![Reply::Failed(Fault::Stopping); asks.len()];
            drop(tell.send(stopping));
        }
        door.bell.ring();
        waits
    }

    fn enter(&self, calls: u64, bytes: u64) -> Result<(), Fault> {
        self.shared.gate.enter(calls, bytes).map_err(|turned| match turned {
            Turned::Full => Fault::Overloaded,
            Turned::TooLarge => Fault::TooLarge,
            Turned::Closed => Fault::Stopping,
        })
    }

    /// Lets everything happen that is due, on streams of one book and kind or on all, and waits
    /// until it is durable.
    pub async fn sweep(&self, sweep: &Sweep) -> Result<(), Fault> {
        for shard in 0..self.shared.doors.len() {
            self.enter(1, 256)?;
            let (tell, waits) = oneshot::channel();
            let door = &self.shared.doors[shard];
            if door.calls.put(Call::One(Ask::Sweep(sweep.clone()), tell)).is_err() {
                self.shared.gate.leave(1, 256);
                return Err(Fault::Stopping);
            }
            door.bell.ring();
            if let Reply::Failed(fault) = waits.await.unwrap_or(Reply::Failed(Fault::Stopping)) {
                return Err(fault);
            }
        }
        Ok(())
    }

    /// What is durable now.
    #[must_use]
    pub fn durable(&self) -> Published {
        self.shared.durable()
    }

    /// Follows what becomes durable.
    #[must_use]
    pub fn follow(&self) -> watch::Receiver<Published> {
        self.shared.published.subscribe()
    }

    /// Reads the store: everything up to the watermark, and nothing beyond.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn store::Reader> {
        &self.shared.store
    }

    /// Reads the log: everything that is durable.
    #[must_use]
    pub fn log(&self) -> &Arc<dyn log::Reader + Send + Sync> {
        &self.shared.log
    }

    /// Whether the log has failed: nothing is acknowledged until the ledger is opened again.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.shared.watermark.has_failed()
    }

    /// How many calls are under way, and how many bytes they count for.
    #[must_use]
    pub fn under_way(&self) -> (u64, u64) {
        (self.shared.gate.calls(), self.shared.gate.bytes())
    }

    /// How many shards there are.
    #[must_use]
    pub fn shards(&self) -> usize {
        self.shared.doors.len()
    }
}

/// What an engine says that ended without an answer: nobody knows what became of the ask.
const LOST: Reply = Reply::Failed(Fault::LogFailed);

/// The answer to one ask, once it is there.
#[must_use = "the ask is carried out all the same, but its answer is lost"]
pub struct Answer(State);

enum State {
    Ready(Option<Reply>),
    Waits(oneshot::Receiver<Reply>),
}

impl Answer {
    /// Waits on this thread, which is none of a runtime's.
    #[must_use]
    pub fn wait(self) -> Reply {
        match self.0 {
            State::Ready(reply) => reply.unwrap_or(LOST),
            State::Waits(waits) => waits.blocking_recv().unwrap_or(LOST),
        }
    }
}

impl Future for Answer {
    type Output = Reply;

    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Reply> {
        match &mut self.0 {
            State::Ready(reply) => Poll::Ready(reply.take().unwrap_or(LOST)),
            State::Waits(waits) => Pin::new(waits).poll(task).map(|reply| reply.unwrap_or(LOST)),
        }
    }
}

/// The answers to several asks, in their order, once all are there.
#[must_use = "the asks are carried out all the same, but their answers are lost"]
pub struct Answers(Parts);

enum Parts {
    Ready(Option<Vec<Reply>>),
    One(oneshot::Receiver<Vec<Reply>>, usize),
    Many { waits: Vec<(Vec<usize>, oneshot::Receiver<Vec<Reply>>)>, replies: Vec<Option<Reply>> },
}

impl Answers {
    /// Waits on this thread, which is none of a runtime's.
    #[must_use]
    pub fn wait(self) -> Vec<Reply> {
        match self.0 {
            Parts::Ready(replies) => replies.unwrap_or_default(),
            Parts::One(waits, count) => whole(waits.blocking_recv().ok(), count),
            Parts::Many { waits, mut replies } => {
                for (places, waits) in waits {
                    fill(&mut replies, &places, waits.blocking_recv().ok());
                }
                replies.into_iter().map(|reply| reply.unwrap_or(LOST)).collect()
            }
        }
    }
}

impl Future for Answers {
    type Output = Vec<Reply>;

    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Vec<Reply>> {
        match &mut self.0 {
            Parts::Ready(replies) => Poll::Ready(replies.take().unwrap_or_default()),
            Parts::One(waits, count) => {
                let count = *count;
                Pin::new(waits).poll(task).map(|replies| whole(replies.ok(), count))
            }
            Parts::Many { waits, replies } => {
                waits.retain_mut(|(places, waits)| match Pin::new(waits).poll(task) {
                    Poll::Pending => true,
                    Poll::Ready(part) => {
                        fill(replies, places, part.ok());
                        false
                    }
                });
                if !waits.is_empty() {
                    return Poll::Pending;
                }
                let replies = core::mem::take(replies).into_iter();
                Poll::Ready(replies.map(|reply| reply.unwrap_or(LOST)).collect())
            }
        }
    }
}

fn whole(replies: Option<Vec<Reply>>, count: usize) -> Vec<Reply> {
    replies.unwrap_or_else(|| vec![LOST; count])
}

fn fill(replies: &mut [Option<Reply>], places: &[usize], part: Option<Vec<Reply>>) {
    for (place, reply) in places.iter().zip(part.into_iter().flatten()) {
        replies[*place] = Some(reply);
    }
}
