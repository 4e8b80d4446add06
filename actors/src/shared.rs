//! What the threads of one engine share.

use std::sync::Arc;

use quipu_core::batch::Batch;
use quipu_core::commit::Published;
use quipu_core::log;
use quipu_core::recovery::Notes;
use quipu_core::shard::{Found, Message};
use quipu_core::store::{self, StoreError};
use quipu_core::words::{Position, Timestamp};
use quipu_sync::{Doorbell, Gate, Inbox, Sequencer, Watermark};
use tokio::sync::watch;

use crate::calls::Call;
use crate::gauges::Gauges;
use crate::loads::Desk;

/// What the threads of one engine share.
pub(crate) struct Shared {
    pub(crate) gate: Gate,
    pub(crate) ring: Sequencer,
    /// How an entry's room on the log follows from its length.
    pub(crate) room_rule: fn(usize) -> u64,
    pub(crate) watermark: Watermark,
    pub(crate) doors: Vec<Door>,
    /// What shards hand to the committer.
    pub(crate) lane: Inbox<Handed>,
    pub(crate) committer: Doorbell,
    pub(crate) desks: Vec<Desk>,
    /// For whoever follows the log: the newest watermark only, however slow they are.
    pub(crate) published: watch::Sender<Published>,
    pub(crate) store: Arc<dyn store::Reader>,
    pub(crate) log: Arc<dyn log::Reader + Send + Sync>,
    pub(crate) gauges: Gauges,
}

/// Where one shard is found.
#[derive(Default)]
pub(crate) struct Door {
    /// What was let in.
    pub(crate) calls: Inbox<Call>,
    /// What follows from what was let in. It is never refused.
    pub(crate) notes: Inbox<Note>,
    pub(crate) bell: Doorbell,
}

/// What a shard is told by others than callers.
pub(crate) enum Note {
    /// Another shard's message.
    Message(usize, Message),
    /// The store's answer to a question.
    Found(u64, Result<Found, StoreError>),
    /// What a pass over the store has found for the filters. Once it is dropped, the pass goes on.
    Filter(Notes, std::sync::mpsc::SyncSender<()>),
}

/// What the committer is told by shards.
pub(crate) enum Handed {
    /// What a shard did in a turn.
    Batch(usize, Batch),
    /// An answer waits until the log covers this time.
    Time(Timestamp),
    /// There is something else to look at.
    Nudge,
}

impl Shared {
    /// What is durable.
    pub(crate) fn durable(&self) -> Published {
        let (position, now_limit) = self.watermark.read();
        let watermark = Position::new(position);
        Published { watermark, now_limit: Timestamp::from_ms(now_limit) }
    }

    /// Wakes every shard that sleeps.
    pub(crate) fn ring_all(&self) {
        for door in &self.doors {
            door.bell.ring();
        }
    }

    /// Lets the committer look at its orders, and at what has ended.
    pub(crate) fn nudge(&self) {
        let _ = self.lane.put(Handed::Nudge);
        self.committer.ring();
    }

    /// Nothing more becomes durable. Whoever waits gets to know.
    pub(crate) fn fail(&self) {
        if !self.watermark.has_failed() {
            tracing::error!(
                "the ledger is latched: nothing more is acknowledged until it is opened again"
            );
        }
        self.watermark.fail();
        self.gauges.latched.set(1.0);
        self.ring_all();
        self.published.send_modify(|_| {});
        self.committer.ring();
    }
}
