//! Writes one frame at a time: small ones at once, large ones on a thread of its own.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use quipu_core::disk::{AlignedBytes, DiskError, File};
use quipu_core::log::Finish;

/// Writes frames. At most one is under way.
pub(crate) struct Writer<F> {
    /// What is packed next, or was written last.
    buffer: AlignedBytes,
    /// From which length on frames go to the thread.
    beside_bytes: Option<usize>,
    thread: Option<Thread<F>>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Idle,
    Beside,
    Ended(Finish),
}

struct Thread<F> {
    jobs: Option<SyncSender<Job<F>>>,
    done: Receiver<(AlignedBytes, Finish)>,
    handle: Option<JoinHandle<()>>,
}

struct Job<F> {
    file: Arc<F>,
    offset: u64,
    bytes: AlignedBytes,
}

impl<F: File> Writer<F> {
    pub(crate) fn new(beside_bytes: Option<usize>) -> Self {
        Self { buffer: AlignedBytes::default(), beside_bytes, thread: None, state: State::Idle }
    }

    /// Where the next frame is packed.
    pub(crate) fn buffer(&mut self) -> &mut AlignedBytes {
        &mut self.buffer
    }

    /// Begins to write what was packed.
    pub(crate) fn begin(&mut self, file: &Arc<F>, offset: u64) {
        if self.beside_bytes.is_none_or(|least| self.buffer.len() < least) {
            self.state = State::Ended(write(&**file, offset, &self.buffer));
            return;
        }
        let thread = self.thread.get_or_insert_with(Thread::start);
        let bytes = core::mem::take(&mut self.buffer);
        let job = Job { file: Arc::clone(file), offset, bytes };
        let sent = thread.jobs.as_ref().is_some_and(|jobs| jobs.send(job).is_ok());
        self.state = if sent { State::Beside } else { State::Ended(Finish::Unknown) };
    }

    /// Writes what was packed, and leaves its sync to a later frame.
    pub(crate) fn write_only(&mut self, file: &F, offset: u64) {
        let written = file.write_at(offset, &self.buffer);
        self.state = State::Ended(if written.is_ok() { Finish::Durable } else { Finish::Failed });
    }

    /// How the frame under way ended, once it has.
    pub(crate) fn poll(&mut self) -> Option<Finish> {
        if self.state == State::Beside {
            let thread = self.thread.as_ref()?;
            match thread.done.try_recv() {
                Ok((bytes, finish)) => self.ended(bytes, finish),
                Err(std::sync::mpsc::TryRecvError::Empty) => return None,
                Err(std::sync::mpsc::TryRecvError::Disconnected) => {
                    self.state = State::Ended(Finish::Unknown);
                }
            }
        }
        let State::Ended(finish) = self.state else { return None };
        self.state = State::Idle;
        Some(finish)
    }

    /// Waits until the frame under way has ended, well or not.
    pub(crate) fn wait(&mut self) {
        if self.state != State::Beside {
            return;
        }
        match self.thread.as_ref().map(|thread| thread.done.recv()) {
            Some(Ok((bytes, finish))) => self.ended(bytes, finish),
            _ => self.state = State::Ended(Finish::Unknown),
        }
    }

    fn ended(&mut self, bytes: AlignedBytes, finish: Finish) {
        self.buffer = bytes;
        self.state = State::Ended(finish);
    }
}

/// Writes and syncs. A failure is final, whichever of the two it was.
fn write<F: File>(file: &F, offset: u64, bytes: &[u8]) -> Finish {
    let written: Result<(), DiskError> =
        file.write_direct(offset, bytes).and_then(|()| file.sync());
    if written.is_ok() { Finish::Durable } else { Finish::Failed }
}

impl<F: File> Thread<F> {
    fn start() -> Self {
        let (jobs, todo) = sync_channel::<Job<F>>(1);
        let (tell, done) = sync_channel(1);
        let work = move || {
            for Job { file, offset, bytes } in todo {
                let finish = write(&*file, offset, &bytes);
                if tell.send((bytes, finish)).is_err() {
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
