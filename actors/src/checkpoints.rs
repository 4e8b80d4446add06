//! The thread that brings the store onto the disk, behind everybody else.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use quipu_core::store::{Checkpoint, StoreError};
use quipu_core::words::{Fault, Position};
use tokio::sync::oneshot;

use crate::shared::Shared;

/// What became of a checkpoint, and how long it took.
pub(crate) type Ended = (Result<Position, StoreError>, Duration);

/// What whoever asks for a checkpoint is told: up to where the store is durable; why it could not
/// be brought there; or that nobody tried.
pub(crate) type Brought = Result<Result<Position, StoreError>, Fault>;

/// How many may wait for a checkpoint that they have asked for.
const ASKED_MAX: usize = 16;

/// Somebody who waits until the store is durable up to a position.
struct Asked {
    through: Position,
    tell: oneshot::Sender<Brought>,
}

/// Runs checkpoints, one at a time, on a thread of low priority.
pub(crate) struct Checkpoints {
    todo: Option<SyncSender<Checkpoint>>,
    done: Receiver<Ended>,
    thread: Option<JoinHandle<()>>,
    running: bool,
    asked: Vec<Asked>,
}

impl Checkpoints {
    /// Starts the thread. It rings the committer whenever a checkpoint has ended.
    pub(crate) fn start(shared: &Arc<Shared>) -> std::io::Result<Self> {
        let (todo, frozen) = sync_channel::<Checkpoint>(1);
        let (tell, done) = sync_channel(1);
        let shared = Arc::clone(shared);
        let work = move || {
            yield_to_others();
            for checkpoint in frozen {
                let begun = Instant::now();
                let run = || checkpoint.run();
                let ended = catch_unwind(AssertUnwindSafe(run))
                    .unwrap_or_else(|_| Err(StoreError::Failed("the checkpoint panicked".into())));
                if tell.send((ended, begun.elapsed())).is_err() {
                    break;
                }
                shared.nudge();
            }
        };
        let thread = Builder::new().name("quipu-checkpoint".into()).spawn(work)?;
        Ok(Self { todo: Some(todo), done, thread: Some(thread), running: false, asked: Vec::new() })
    }

    /// Somebody waits until the store is durable up to here.
    pub(crate) fn ask(&mut self, through: Position, tell: oneshot::Sender<Brought>) {
        if self.asked.len() < ASKED_MAX {
            self.asked.push(Asked { through, tell });
        } else {
            drop(tell.send(Err(Fault::Overloaded)));
        }
    }

    /// Whether somebody waits for one.
    pub(crate) fn is_asked(&self) -> bool {
        !self.asked.is_empty()
    }

    /// The store is durable up to here. Whoever waits for more than that waits for the next one.
    pub(crate) fn brought(&mut self, position: Position) {
        for asked in self.asked.extract_if(.., |asked| asked.through <= position) {
            drop(asked.tell.send(Ok(Ok(position))));
        }
    }

    /// None is made now. Everybody who waits for one is told why.
    pub(crate) fn refuse(&mut self, why: &Result<StoreError, Fault>) {
        for asked in self.asked.drain(..) {
            drop(asked.tell.send(why.clone().map(Err)));
        }
    }

    /// Whether one is under way.
    pub(crate) fn is_running(&self) -> bool {
        self.running
    }

    /// Runs one. None is under way.
    pub(crate) fn run(&mut self, checkpoint: Checkpoint) {
        self.running = self.todo.as_ref().is_some_and(|todo| todo.send(checkpoint).is_ok());
    }

    /// How the last one ended, if that was not told yet.
    pub(crate) fn ended(&mut self) -> Option<Ended> {
        match self.done.try_recv() {
            Ok(ended) => {
                self.running = false;
                Some(ended)
            }
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => self.lost(),
        }
    }

    /// Waits until the one under way has ended.
    pub(crate) fn wait(&mut self) -> Option<Ended> {
        if !self.running {
            return None;
        }
        match self.done.recv() {
            Ok(ended) => {
                self.running = false;
                Some(ended)
            }
            Err(_) => self.lost(),
        }
    }

    fn lost(&mut self) -> Option<Ended> {
        let lost = Err(StoreError::Failed("the thread of checkpoints has ended".into()));
        core::mem::take(&mut self.running).then_some((lost, Duration::ZERO))
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        self.todo = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Lets every other thread go first. Where that is not allowed, it competes with them.
pub(crate) fn yield_to_others() {
    let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), 10);
}
