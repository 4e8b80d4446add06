//! The one writer of the log, on a thread of its own.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use quipu_core::commit::Committer;
use quipu_core::log::{Finish, Frame, Log, LogError};
use quipu_core::shard::{BUCKET_MS, KEY_LIFE_MS, bucket_of};
use quipu_core::store::{Store, StoreError};
use quipu_core::words::{Fault, Position, Timestamp};
use tokio::sync::oneshot;

use crate::checkpoints::{Brought, Checkpoints, Ended};
use crate::clock::Clock;
use crate::settings::Settings;
use crate::shared::{Handed, Shared};

/// The longest that a frame is held back for rows that wait in memory, short of all that may.
const HELD_BACK_MAX: Duration = Duration::from_secs(1);

/// What lies between two frames of a busy ledger at most. More is somebody's pause, and held
/// against nobody.
const BETWEEN_FRAMES_MAX: Duration = Duration::from_millis(50);

/// How long to wait until a full disk is asked again.
const LOOK_FOR_ROOM: Duration = Duration::from_millis(250);

/// What is done with log and store.
type Act<L, S> = Box<dyn FnOnce(&mut L, &mut S) + Send>;

/// Something to be done between two frames.
pub(crate) enum Order<L, S> {
    /// With log and store.
    Act(Act<L, S>),
    /// A checkpoint of all that is durable now, beside what goes on.
    Checkpoint(oneshot::Sender<Brought>),
}

/// Takes what shards have done, in the order of positions, brings it onto the log, applies it to
/// the store, and tells everybody.
pub(crate) struct Work<L, S> {
    pub(crate) log: L,
    pub(crate) store: S,
    pub(crate) committer: Committer,
    pub(crate) shared: Arc<Shared>,
    pub(crate) clock: Clock,
    pub(crate) settings: Settings,
    pub(crate) orders: Receiver<Order<L, S>>,
    pub(crate) checkpoints: Checkpoints,
    pub(crate) handed: Vec<Handed>,
    /// When the frames under way were given to the log.
    pub(crate) begun: std::collections::VecDeque<Instant>,
    /// When the last frame landed.
    pub(crate) landed: Instant,
    /// The store has said that it takes no further checkpoint.
    pub(crate) store_failed: bool,
    pub(crate) latched: bool,
    /// The disk has no room for another segment.
    pub(crate) is_full: bool,
    /// The disk had no room for the last checkpoint, and since when.
    pub(crate) is_starved: bool,
    pub(crate) starved_at: Option<Instant>,
    pub(crate) keys_from: u32,
    pub(crate) checkpointed: Position,
    /// Whether that was a checkpoint of this engine, so that the store is durable up to there.
    pub(crate) has_checkpointed: bool,
}

/// A log and a store whose committer has ended.
pub(crate) type Parts<L, S> = (L, S);

/// Starts the thread. It gives log and store back when the lane is closed and empty; `None` where
/// it panicked.
pub(crate) fn start<L, S>(work: Work<L, S>) -> std::io::Result<JoinHandle<Option<Parts<L, S>>>>
where
    L: Log + Send + 'static,
    S: Store + Send + 'static,
{
    Builder::new().name("quipu-commit".into()).spawn(move || {
        let shared = Arc::clone(&work.shared);
        let ended = catch_unwind(AssertUnwindSafe(|| work.run())).ok();
        if ended.is_none() {
            tracing::error!("the committer panicked");
            shared.lane.close();
            shared.fail();
        }
        ended
    })
}

impl<L: Log, S: Store> Work<L, S> {
    fn run(mut self) -> Parts<L, S> {
        self.show_room();
        loop {
            // Asked before the lane is emptied: behind a close nothing more comes in.
            let is_closed = self.shared.lane.is_closed();
            let got = self.take();
            self.follow_orders();
            self.look_after_checkpoints();
            if self.fly() || self.land() {
                continue;
            }
            if is_closed && !got {
                break;
            }
            if !self.tend() {
                self.rest();
            }
        }
        self.seal();
        while let Some(ended) = self.checkpoints.wait() {
            self.checkpoint_ended(ended);
        }
        (self.log, self.store)
    }

    /// Takes over what shards have done.
    fn take(&mut self) -> bool {
        self.shared.lane.take(&mut self.handed);
        let got = !self.handed.is_empty();
        for handed in self.handed.drain(..) {
            match handed {
                Handed::Batch(shard, batch) => self.committer.add(shard, batch),
                Handed::Time(time) => self.committer.ask_time(time),
                Handed::Nudge => {}
            }
        }
        got
    }

    fn follow_orders(&mut self) {
        while let Ok(order) = self.orders.try_recv() {
            match order {
                Order::Act(act) => {
                    act(&mut self.log, &mut self.store);
                    self.show_room();
                }
                Order::Checkpoint(tell) => self.ask_checkpoint(tell),
            }
        }
    }

    fn ask_checkpoint(&mut self, tell: oneshot::Sender<Brought>) {
        let through = self.store.position();
        if self.latched {
            // What a store has that failed under an entry is no state of the ledger.
            drop(tell.send(Err(Fault::LogFailed)));
        } else if self.has_checkpointed && self.checkpointed >= through {
            drop(tell.send(Ok(Ok(self.checkpointed))));
        } else {
            self.checkpoints.ask(through, tell);
        }
    }

    /// Begins to append what is there. A second frame only if it is full: any other still grows
    /// while the one before it is written.
    fn fly(&mut self) -> bool {
        let under_way = self.committer.under_way();
        let can = match under_way {
            0 => self.committer.can_gather(),
            _ => under_way < self.log.depth() && self.committer.can_fill(),
        };
        if self.latched || !can {
            return false;
        }
        let now = self.clock.now();
        let Some(frame) = self.committer.gather(now) else { return false };
        self.append(frame);
        true
    }

    fn append(&mut self, frame: Frame) {
        self.shared.gauges.log_bytes.increment(frame.bytes.len() as f64);
        self.shared.gauges.commit_events.record(frame.events as f64);
        self.begun.push_back(Instant::now());
        match self.log.append(frame) {
            Ok(()) => {}
            Err(LogError::Fenced | LogError::Closed) => self.ended(Finish::Fenced),
            Err(error) => {
                tracing::error!(%error, "an append failed");
                self.ended(Finish::Failed);
            }
        }
    }

    /// Waits for the oldest append under way, if there is one.
    fn land(&mut self) -> bool {
        if self.committer.under_way() == 0 || self.latched {
            return false;
        }
        // A log that does not say how an append ends has lost it.
        let finish = self.log.wait().unwrap_or(Finish::Unknown);
        self.ended(finish);
        true
    }

    /// Publishes what has become durable, or latches.
    fn ended(&mut self, finish: Finish) {
        if let Some(begun) = self.begun.pop_front() {
            self.shared.gauges.commit_seconds.record(begun.elapsed());
        }
        while let Some(took) = self.log.synced() {
            self.shared.gauges.sync_seconds.record(took);
        }
        let Some(committed) = self.committer.finish(finish) else {
            if finish != Finish::Durable {
                tracing::error!(?finish, "an append did not become durable");
            }
            return self.latch();
        };
        self.hold_back();
        let through = committed.published.watermark;
        let applied = self.store.apply(&mut committed.rows(), through);
        if let Err(error) = applied {
            tracing::error!(%error, "the store could not be written");
            return self.latch();
        }
        self.show_room();
        let Shared { ring, watermark, published, gauges, .. } = &*self.shared;
        ring.give_back(committed.slots, committed.reserved);
        watermark.publish(through.get(), committed.published.now_limit.ms());
        gauges.ring_events.set(ring.drawn().0 as f64);
        gauges.checkpoint_lag.set(through.get().saturating_sub(self.checkpointed.get()) as f64);
        self.shared.ring_all();
        published.send_replace(committed.published);
        self.forget_keys(committed.published.now_limit);
        // A bit at a time, so that a busy log does not come to the end of its room.
        if self.log.room() < self.settings.ring_bytes / 2 {
            self.tend();
        }
    }

    /// Nothing more becomes durable. What is under way ends as it may.
    fn latch(&mut self) {
        self.latched = true;
        self.checkpoints.refuse(&Err(Fault::LogFailed));
        self.shared.fail();
    }

    /// Says how much the log has room for. None where rows can go nowhere.
    fn show_room(&self) {
        let room = if self.is_stuffed() { 0 } else { self.log.room() };
        self.shared.ring.set_room(room, self.is_full || self.is_starved);
    }

    /// Whether so many rows wait in memory that no more may come, because the disk has no room
    /// for a checkpoint.
    fn is_stuffed(&self) -> bool {
        self.is_starved && self.store.pending_bytes() >= 2 * self.settings.checkpoint_bytes
    }

    /// Makes room ahead of need, a bounded bit of it. Says whether there is more to do.
    fn tend(&mut self) -> bool {
        if self.latched {
            return false;
        }
        let before = self.log.room();
        let more = match self.log.tend() {
            Ok(more) => {
                self.is_full = false;
                more
            }
            Err(LogError::Full(_)) => {
                if !self.is_full {
                    tracing::warn!("the disk is full");
                }
                self.is_full = true;
                false
            }
            Err(error) => {
                tracing::error!(%error, "the log failed");
                self.latch();
                false
            }
        };
        self.show_room();
        if self.log.room() != before || self.is_full {
            self.shared.ring_all();
        }
        more
    }

    /// Looks for something to do for a while, and sleeps then. A log that was written is told
    /// that all of it is durable, if nothing comes soon.
    fn rest(&mut self) {
        let Shared { lane, committer: bell, gate, .. } = &*self.shared;
        let begun = Instant::now();
        // Somebody is being served, so there is something to write soon. To offer the core to others
        // meanwhile would cost a slice of theirs, which is longer than any sync.
        while gate.calls() > 0 && begun.elapsed() < self.settings.committer_polls {
            (0..32).for_each(|_| core::hint::spin_loop());
            if !lane.is_empty() {
                return;
            }
        }
        let has_work = || !lane.is_empty() || lane.is_closed();
        if self.is_full || self.is_starved {
            // Nobody says when there is room again.
            bell.sleep_for(LOOK_FOR_ROOM, has_work);
            return;
        }
        if self.committer.is_sealed() || self.latched {
            bell.sleep_unless(has_work);
            return;
        }
        bell.sleep_for(self.settings.seal_after, has_work);
        if begun.elapsed() >= self.settings.seal_after && !has_work() {
            self.seal();
        }
    }

    /// Says on the log that all of it is durable.
    fn seal(&mut self) {
        if self.latched {
            return;
        }
        let now = self.clock.now();
        if let Some(frame) = self.committer.seal(now) {
            self.append(frame);
            while self.land() {}
        }
    }

    /// Keys are forgotten a day after they were answered, ten minutes' worth at a time, and ten
    /// minutes late: what is durable is a time ahead of what shards say it is.
    fn forget_keys(&mut self, now: Timestamp) {
        let from = bucket_of(Timestamp::from_ms(now.ms().saturating_sub(KEY_LIFE_MS + BUCKET_MS)));
        if from > self.keys_from {
            self.keys_from = from;
            if let Err(error) = self.store.drop_keys_before(from) {
                tracing::error!(%error, "old keys could not be dropped");
            }
        }
    }

    fn look_after_checkpoints(&mut self) {
        if let Some(ended) = self.checkpoints.ended() {
            self.checkpoint_ended(ended);
        }
        let pending = self.store.pending_bytes();
        let is_due = pending >= self.settings.checkpoint_bytes || self.checkpoints.is_asked();
        if !is_due || self.checkpoints.is_running() {
            return;
        }
        if self.store_failed {
            self.checkpoints.refuse(&Ok(StoreError::Failed("it failed before".into())));
            // Memory is bounded, so this is where it ends: an opening makes the store anew.
            if pending >= 2 * self.settings.checkpoint_bytes && !self.latched {
                self.latch();
            }
        } else if self.starved_at.is_none_or(|at| at.elapsed() >= LOOK_FOR_ROOM) {
            match self.store.freeze() {
                Ok(frozen) => self.checkpoints.run(frozen),
                Err(error) => self.store_has_failed(&error),
            }
        }
    }

    /// Waits where more rows are in memory than a checkpoint should find: the longer, the nearer
    /// they come to twice as many, so that callers see a slower ledger and not one that stands
    /// still. At twice as many it waits for the checkpoint under way.
    fn hold_back(&mut self) {
        let (pending, most) = (self.store.pending_bytes(), self.settings.checkpoint_bytes);
        self.shared.gauges.pending_bytes.set(pending as f64);
        let since = core::mem::replace(&mut self.landed, Instant::now());
        if pending < 2 * most {
            if pending > most && self.checkpoints.is_running() {
                let over = (pending - most) as f64 / most as f64;
                let took = self.landed.duration_since(since);
                let wait = took.min(BETWEEN_FRAMES_MAX).mul_f64(4.0 * over / (1.0 - over));
                std::thread::sleep(wait.min(HELD_BACK_MAX));
                self.landed = Instant::now();
            }
            return;
        }
        if let Some(ended) = self.checkpoints.wait() {
            self.checkpoint_ended(ended);
        }
    }

    fn checkpoint_ended(&mut self, (ended, took): Ended) {
        self.shared.gauges.checkpoint_seconds.record(took);
        self.is_starved = matches!(ended, Err(StoreError::Full(_)));
        self.starved_at = self.is_starved.then(Instant::now);
        match ended {
            Ok(position) => {
                (self.checkpointed, self.has_checkpointed) = (position, true);
                self.checkpoints.brought(position);
            }
            // What was frozen is part of the next one.
            Err(StoreError::Full(why)) => {
                tracing::warn!(why, "the disk has no room for a checkpoint");
                self.checkpoints.refuse(&Ok(StoreError::Full(why)));
            }
            Err(error) => self.store_has_failed(&error),
        }
        self.show_room();
        self.shared.ring_all();
        let lag = self.store.position().get().saturating_sub(self.checkpointed.get());
        self.shared.gauges.checkpoint_lag.set(lag as f64);
    }

    /// No further checkpoint can be made: the next opening makes the store anew, of the log.
    fn store_has_failed(&mut self, error: &StoreError) {
        if !core::mem::replace(&mut self.store_failed, true) {
            tracing::error!(%error, "the store takes no further checkpoint");
        }
        self.checkpoints.refuse(&Ok(error.clone()));
    }
}
