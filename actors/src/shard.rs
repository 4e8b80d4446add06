//! The actor of a shard: it waits for a bell and lets its pump turn.

use core::future::Future;
use core::pin::{Pin, pin};
use core::task::{Context as Task, Poll};
use std::sync::Arc;

use actix::fut::ActorFuture;
use actix::prelude::*;
use tokio::task::yield_now;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::pump::{Next, Pump};
use crate::shared::Shared;

/// One shard on its arbiter. Asks do not come as messages of actix: one box and one wake for
/// each would cost more than what they ask for. What concerns the shard as a whole does.
pub(crate) struct ShardActor {
    pump: Pump,
    shared: Arc<Shared>,
    index: usize,
}

impl ShardActor {
    pub(crate) fn new(pump: Pump, shared: Arc<Shared>, index: usize) -> Self {
        Self { pump, shared, index }
    }
}

impl Actor for ShardActor {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        context.spawn(Turns { alarm: None });
    }
}

/// Whether nothing is under way, and how often anything has happened.
pub(crate) struct IsIdle;

impl Message for IsIdle {
    type Result = (bool, u64);
}

impl Handler<IsIdle> for ShardActor {
    type Result = MessageResult<IsIdle>;

    fn handle(&mut self, _: IsIdle, _: &mut Context<Self>) -> Self::Result {
        MessageResult(self.pump.idle())
    }
}

/// Take no new asks.
pub(crate) struct Drain;

impl Message for Drain {
    type Result = ();
}

impl Handler<Drain> for ShardActor {
    type Result = ();

    fn handle(&mut self, _: Drain, _: &mut Context<Self>) {
        self.pump.stop();
    }
}

/// End. Nothing is under way.
pub(crate) struct End;

impl Message for End {
    type Result = ();
}

impl Handler<End> for ShardActor {
    type Result = ();

    fn handle(&mut self, _: End, context: &mut Context<Self>) {
        context.stop();
    }
}

/// The turns of a shard, one after the other, for as long as it lives.
struct Turns {
    alarm: Option<Pin<Box<Sleep>>>,
}

impl ActorFuture<ShardActor> for Turns {
    type Output = ();

    fn poll(
        mut self: Pin<&mut Self>,
        actor: &mut ShardActor,
        _: &mut Context<ShardActor>,
        task: &mut Task<'_>,
    ) -> Poll<()> {
        let bell = &actor.shared.doors[actor.index].bell;
        bell.get_up();
        match actor.pump.turn() {
            Next::Turn => task.waker().wake_by_ref(),
            // Connections on this thread have asked more meanwhile: a wake of its own kind would
            // come before the thread looks at them, dozens of times.
            Next::Look => drop(pin!(yield_now()).poll(task)),
            Next::Sleep(at_most) => {
                bell.lie_down(task.waker().clone());
                if actor.pump.has_work() {
                    bell.get_up();
                    task.waker().wake_by_ref();
                } else if let Some(at_most) = at_most {
                    let until = Instant::now() + at_most;
                    let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep_until(until)));
                    alarm.as_mut().reset(until);
                    if alarm.as_mut().poll(task).is_ready() {
                        task.waker().wake_by_ref();
                    }
                }
            }
        }
        Poll::Pending
    }
}
