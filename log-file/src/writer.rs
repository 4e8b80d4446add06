//! Writes frames: small ones at once, large ones on a thread of its own.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use quipu_core::disk::{AlignedBytes, File};
use quipu_core::log::Finish;
use quipu_core::mutant;

/// How many frames may be under way where a thread writes them: one is written, and the next one
/// lies ready, so that the thread goes on without waiting for anybody.
pub(crate) const DEPTH: usize = 2;

/// How many durations of syncs are kept for whoever asks.
const SYNCED_MAX: usize = 16;

/// Writes frames, one after the other.
pub(crate) struct Writer<F> {
    /// What is packed next.
    buffer: AlignedBytes,
    /// What was written, for the frame after that.
    spare: AlignedBytes,
    /// From which length on frames go to the thread.
    beside_bytes: Option<usize>,
    thread: Option<Thread<F>>,
    /// How many frames are with the thread.
    beside: usize,
    /// How frames ended, those of which nobody has asked yet.
    ended: VecDeque<Finish>,
    /// How long syncs took of which nobody has asked yet, the newest ones.
    synced: VecDeque<Duration>,
}

struct Thread<F> {
    jobs: Option<SyncSender<Job<F>>>,
    done: Receiver<(AlignedBytes, Written)>,
    handle: Option<JoinHandle<()>>,
}

/// How a frame ended, and how long its sync took, if it came to that.
type Written = (Finish, Option<Duration>);

struct Job<F> {
    file: Arc<F>,
    offset: u64,
    bytes: AlignedBytes,
}

impl<F: File> Writer<F> {
    pub(crate) fn new(beside_bytes: Option<usize>) -> Self {
        Self {
            buffer: AlignedBytes::default(),
            spare: AlignedBytes::default(),
            beside_bytes,
            thread: None,
            beside: 0,
            ended: VecDeque::with_capacity(DEPTH),
            synced: VecDeque::with_capacity(SYNCED_MAX),
        }
    }

    /// How many frames may be under way.
    pub(crate) fn depth(&self) -> usize {
        if self.beside_bytes.is_some() { DEPTH } else { 1 }
    }

    /// Where the next frame is packed.
    pub(crate) fn buffer(&mut self) -> &mut AlignedBytes {
        &mut self.buffer
    }

    /// Begins to write what was packed.
    pub(crate) fn begin(&mut self, file: &Arc<F>, offset: u64) {
        let is_small = self.beside_bytes.is_none_or(|least| self.buffer.len() < least);
        if is_small && self.beside == 0 {
            let finish = self.note(write(&**file, offset, &self.buffer));
            self.ended.push_back(finish);
            return;
        }
        let thread = self.thread.get_or_insert_with(Thread::start);
        let bytes = core::mem::replace(&mut self.buffer, core::mem::take(&mut self.spare));
        let job = Job { file: Arc::clone(file), offset, bytes };
        if thread.jobs.as_ref().is_some_and(|jobs| jobs.send(job).is_ok()) {
            self.beside += 1;
        } else {
            self.ended.push_back(Finish::Unknown);
        }
    }

    /// Writes what was packed, and leaves its sync to a later frame.
    pub(crate) fn write_only(&mut self, file: &F, offset: u64) {
        let written = file.write_at(offset, &self.buffer);
        self.ended.push_back(if written.is_ok() { Finish::Durable } else { Finish::Failed });
    }

    /// How the oldest frame under way ended, once it has.
    pub(crate) fn poll(&mut self) -> Option<Finish> {
        if let Some(finish) = self.ended.pop_front() {
            return Some(finish);
        }
        let thread = self.thread.as_ref().filter(|_| self.beside > 0)?;
        match thread.done.try_recv() {
            Ok(done) => Some(self.take(done)),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(self.lost()),
        }
    }

    /// Waits until the oldest frame under way has ended, well or not.
    pub(crate) fn wait(&mut self) {
        if self.beside == 0 || !self.ended.is_empty() {
            return;
        }
        let done = self.thread.as_ref().map(|thread| thread.done.recv());
        let finish = match done {
            Some(Ok(done)) => self.take(done),
            _ => self.lost(),
        };
        self.ended.push_back(finish);
    }

    /// How long a sync took that this was not told of yet.
    pub(crate) fn synced(&mut self) -> Option<Duration> {
        self.synced.pop_front()
    }

    fn take(&mut self, (bytes, written): (AlignedBytes, Written)) -> Finish {
        self.beside -= 1;
        self.spare = bytes;
        self.note(written)
    }

    /// Keeps how long a sync took, for whoever asks.
    fn note(&mut self, (finish, took): Written) -> Finish {
        if self.synced.len() == SYNCED_MAX {
            self.synced.pop_front();
        }
        self.synced.extend(took);
        finish
    }

    /// The thread has died, and with it what it knew.
    fn lost(&mut self) -> Finish {
        self.beside -= 1;
        Finish::Unknown
    }
}

/// Writes and syncs. A failure is final, whichever of the two it was.
fn write<F: File>(file: &F, offset: u64, bytes: &[u8]) -> Written {
    if file.write_direct(offset, bytes).is_err() {
        return (Finish::Failed, None);
    }
    let begun = Instant::now();
    let mut synced = if mutant!(SyncSkipped) { Ok(()) } else { file.sync() };
    if mutant!(SyncRetried) && synced.is_err() {
        synced = file.sync();
    }
    let finish = if synced.is_ok() { Finish::Durable } else { Finish::Failed };
    (finish, Some(begun.elapsed()))
}

impl<F: File> Thread<F> {
    fn start() -> Self {
        let (jobs, todo) = sync_channel::<Job<F>>(DEPTH);
        let (tell, done) = sync_channel(DEPTH);
        let work = move || {
            let mut before = (Finish::Durable, None);
            for Job { file, offset, bytes } in todo {
                // What follows a frame that failed is not written at all.
                before = match before.0 {
                    Finish::Durable => write(&*file, offset, &bytes),
                    failed => (failed, None),
                };
                if tell.send((bytes, before)).is_err() {
                    break;
                }
            }
        };
        let handle = std::thread::Builder::new().name("quipu-log".into()).spawn(work).ok();
        Self { jobs: Some(jobs), done, handle }
    }
}

impl<F> Drop for Thread<F> {
    fn drop(&mut self) {
        // The thread ends behind the frame that it is writing, and the files are closed then.
        self.jobs = None;
        if let Some(handle) = self.handle.take() {
            let _ = handle.join();
        }
    }
}
