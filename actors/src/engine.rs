//! Starts an engine over a log and a store, and stops it cleanly.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::{Builder, JoinHandle};
use std::time::Instant;

use actix::prelude::*;
use quipu_core::commit::{Committer, Published};
use quipu_core::log::Log;
use quipu_core::machine::Registry;
use quipu_core::shard::{Config, ENTRY_BYTES_MAX, Shard};
use quipu_core::store::{Store, StoreError};
use quipu_core::words::{Epoch, Fault, Position};
use quipu_sync::{Doorbell, Gate, Inbox, Sequencer, Watermark};
use tokio::sync::{oneshot, watch};

use crate::checkpoints::Checkpoints;
use crate::clock::{Clock, Source};
use crate::committer::{self, Order, Parts, Work};
use crate::filters;
use crate::gauges::{Counts, Gauges};
use crate::handle::Handle;
use crate::loads::{self, Desk};
use crate::pump::{Pump, SLOTS_MAX};
use crate::settings::Settings;
use crate::shard::{Drain, End, IsIdle, ShardActor};
use crate::shared::{Door, Shared};

/// Where the shards of an engine run.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Place {
    /// On threads of their own.
    #[default]
    Own,
    /// On the thread that starts the engine, beside what else runs there, which has to be a
    /// `LocalSet` of tokio or a system of actix. Whoever asks from that thread wakes no other.
    Here,
}

/// What an engine is made of: a recovered log and store, and who writes.
pub struct Base<L, S> {
    /// The log, whose epoch has been taken.
    pub log: L,
    /// The store, which has been brought up to the log.
    pub store: S,
    /// The epoch that was taken.
    pub epoch: Epoch,
    /// What recovery found durable.
    pub durable: Published,
}

/// A running engine. See [`stop`](Self::stop) for how it ends well; dropped without that, it
/// ends as if the process had been killed, but waits for its threads.
pub struct Engine<L, S> {
    shared: Arc<Shared>,
    orders: SyncSender<Order<L, S>>,
    shards: Vec<Addr<ShardActor>>,
    committer: Option<JoinHandle<Option<Parts<L, S>>>>,
    threads: Vec<JoinHandle<()>>,
    /// What ends the threads of shards.
    systems: Vec<System>,
}

/// A log and a store whose engine has stopped.
pub struct Stopped<L, S> {
    /// The log. It says that all of it is durable, unless it has failed.
    pub log: L,
    /// The store, as of the last frame.
    pub store: S,
    /// Whether the log has failed.
    pub has_failed: bool,
}

impl<L: Log + Send + 'static, S: Store + Send + 'static> Engine<L, S> {
    /// Starts an engine.
    pub fn start(
        base: Base<L, S>,
        registry: &Registry,
        config: &Config,
        settings: &Settings,
        clock: Source,
        place: Place,
    ) -> io::Result<Self> {
        let Base { log, store, epoch, durable } = base;
        let count = config.shards.max(1);
        let mut settings = settings.clone();
        let largest = log.room_of(ENTRY_BYTES_MAX);
        settings.ring_bytes = settings.ring_bytes.max(largest);
        settings.ring_slots = settings.ring_slots.max(SLOTS_MAX);
        let (watermark, now_limit) = (durable.watermark.get(), durable.now_limit.ms());
        let (published, _) = watch::channel(durable);
        let loaders = settings.loaders.max(1);
        let shared = Arc::new(Shared {
            gate: Gate::new(settings.calls_max, settings.calls_bytes_max),
            ring: Sequencer::new(watermark + 1, settings.ring_slots, settings.ring_bytes),
            room_rule: log.room_rule(),
            watermark: Watermark::new(watermark, now_limit),
            doors: (0..count).map(|_| Door::default()).collect(),
            lane: Inbox::default(),
            committer: Doorbell::default(),
            desks: (0..loaders).map(|_| Desk::default()).collect(),
            published,
            store: store.reader(),
            log: log.reader(),
            gauges: Gauges::new(),
        });
        shared.ring.set_room(log.room(), false);
        let (orders, todo) = sync_channel(16);
        let work = Work {
            committer: Committer::new(count, epoch, durable),
            shared: Arc::clone(&shared),
            clock: Clock::new(clock, durable.now_limit),
            settings: settings.clone(),
            orders: todo,
            checkpoints: Checkpoints::start(&shared)?,
            handed: Vec::new(),
            begun: VecDeque::new(),
            landed: Instant::now(),
            store_failed: false,
            latched: false,
            is_full: false,
            is_starved: false,
            starved_at: None,
            keys_from: 0,
            checkpointed: store.position(),
            has_checkpointed: false,
            log,
            store,
        };
        let mut engine = Self {
            shared: Arc::clone(&shared),
            orders,
            shards: Vec::new(),
            committer: Some(committer::start(work)?),
            threads: Vec::new(),
            systems: Vec::new(),
        };
        for desk in 0..loaders {
            engine.threads.push(loads::start(&shared, desk)?);
        }
        for index in 0..count {
            let config = Config { shard: index, shards: count, ..config.clone() };
            let shard = Shard::new(config, registry, durable);
            let clock = Clock::new(clock, durable.now_limit);
            let counts = Counts::new(registry.clone(), index);
            let pump = Pump::new(shard, index, Arc::clone(&shared), clock, counts, &settings);
            match place {
                Place::Here => {
                    let actor = ShardActor::new(pump, Arc::clone(&shared), index);
                    engine.shards.push(actor.start());
                }
                Place::Own => engine.start_shard(pump, index)?,
            }
        }
        engine.threads.push(filters::start(&shared, durable)?);
        Ok(engine)
    }

    /// Starts a shard on a thread of its own.
    fn start_shard(&mut self, pump: Pump, index: usize) -> io::Result<()> {
        let (tell, started) = sync_channel(1);
        let shared = Arc::clone(&self.shared);
        let thread = Builder::new().name(format!("quipu-shard-{index}")).spawn(move || {
            let runtime = || {
                let mut builder = tokio::runtime::Builder::new_current_thread();
                builder.enable_time().build().expect("a runtime without I/O needs nothing")
            };
            let system = System::with_tokio_rt(runtime);
            let actor = ShardActor::new(pump, shared, index);
            let address = system.block_on(async { actor.start() });
            if tell.send((address, System::current())).is_ok() {
                let _ = system.run();
            }
        })?;
        let (address, system) =
            started.recv().map_err(|_| io::Error::other("a shard's thread ended at once"))?;
        self.threads.push(thread);
        self.shards.push(address);
        self.systems.push(system);
        Ok(())
    }

    /// What callers hold.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle { shared: Arc::clone(&self.shared) }
    }

    /// Has something done with log and store, between two frames. It holds every answer up for as
    /// long as it takes. [`Fault::Stopping`] where the committer has ended, or `act` panicked;
    /// [`Fault::Overloaded`] where many orders wait already, and nothing is done. The order is given
    /// at once, and the future outlives the engine.
    pub fn order<T: Send + 'static, F>(
        &self,
        act: F,
    ) -> impl Future<Output = Result<T, Fault>> + Send + use<T, F, L, S>
    where
        F: FnOnce(&mut L, &mut S) -> T + Send + 'static,
    {
        let (tell, done) = oneshot::channel();
        let given = self.give(Order::Act(Box::new(move |log, store| {
            drop(tell.send(act(log, store)));
        })));
        async move {
            given?;
            done.await.map_err(|_| Fault::Stopping)
        }
    }

    /// Brings the store durably to all that is durable now, beside what goes on: where a checkpoint
    /// is under way already, it is the next one that counts. Gives the position up to which the
    /// store is durable then, or why it could not be brought there, in which case the log has
    /// everything all the same. A ledger that has failed makes none: [`Fault::LogFailed`].
    pub fn checkpoint(
        &self,
    ) -> impl Future<Output = Result<Result<Position, StoreError>, Fault>> + Send + use<L, S> {
        let (tell, done) = oneshot::channel();
        let given = self.give(Order::Checkpoint(tell));
        async move {
            given?;
            done.await.unwrap_or(Err(Fault::Stopping))
        }
    }

    fn give(&self, order: Order<L, S>) -> Result<(), Fault> {
        self.orders.try_send(order).map_err(|error| match error {
            TrySendError::Full(_) => Fault::Overloaded,
            TrySendError::Disconnected(_) => Fault::Stopping,
        })?;
        self.shared.nudge();
        Ok(())
    }

    /// Stops: lets nothing in any more, answers all that was let in, says on the log that all of
    /// it is durable, and gives log and store back. `None` where the committer has panicked.
    pub async fn stop(mut self) -> Option<Stopped<L, S>> {
        self.drain().await;
        for shard in &self.shards {
            let _ = shard.send(End).await;
        }
        self.end()
    }

    /// Waits until nothing is under way on any shard, nor between two.
    async fn drain(&self) {
        self.shared.gate.close();
        for shard in &self.shards {
            let _ = shard.send(Drain).await;
        }
        let mut before = None;
        loop {
            let (mut is_idle, mut activity) = (self.shared.gate.calls() == 0, 0);
            for shard in &self.shards {
                let (idle, count) = shard.send(IsIdle).await.unwrap_or((true, 0));
                is_idle &= idle;
                activity += count;
            }
            // Idle twice, and nothing has happened in between: nothing was on its way either.
            if is_idle && before == Some(activity) {
                return;
            }
            before = is_idle.then_some(activity);
            tokio::task::yield_now().await;
        }
    }
}

impl<L, S> Engine<L, S> {
    /// Ends all threads, and waits for them.
    fn end(&mut self) -> Option<Stopped<L, S>> {
        self.shared.gate.close();
        for system in self.systems.drain(..) {
            system.stop();
        }
        for desk in &self.shared.desks {
            desk.close();
        }
        for door in &self.shared.doors {
            door.calls.close();
            door.notes.close();
            // Whoever fills the filters waits until what is in here was taken, and so do callers
            // that came behind the shard's last turn.
            door.notes.take(&mut Vec::new());
            door.calls.take(&mut Vec::new());
        }
        self.shared.lane.close();
        self.shared.committer.ring();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
        let (log, store) = self.committer.take()?.join().ok()??;
        let has_failed = self.shared.watermark.has_failed();
        Some(Stopped { log, store, has_failed })
    }
}

impl<L, S> Drop for Engine<L, S> {
    fn drop(&mut self) {
        for shard in &self.shards {
            shard.do_send(End);
        }
        let _ = self.end();
    }
}
