//! Waiting on a thread, with a runtime or without one.

use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use std::sync::Arc;
use std::task::Wake;
use std::thread::{self, Thread};

use tokio::sync::oneshot;

use crate::error::Error;

/// Runs a future of this library to its end on this thread, which sleeps meanwhile. It needs no
/// runtime, and must not be called on a thread that one runs its tasks on.
pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut task = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut task) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

/// Does beside the caller what waits for a disk: on a thread that the runtime keeps for such work,
/// or on a new one where there is no runtime.
pub(crate) async fn beside<T: Send + 'static>(
    act: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        let done = runtime.spawn_blocking(act).await;
        return done.map_err(|error| Error::Threads(error.to_string()));
    }
    let (tell, told) = oneshot::channel();
    let work = move || drop(tell.send(act()));
    let started = thread::Builder::new().name("quipu-beside".into()).spawn(work);
    started.map_err(|error| Error::Threads(error.to_string()))?;
    told.await.map_err(|_| Error::Threads("it panicked".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_without_a_runtime_waits_and_is_woken() {
        let (tell, told) = oneshot::channel();
        let teller = thread::spawn(move || tell.send(7));
        assert_eq!(wait(told), Ok(7));
        assert_eq!(teller.join().expect("no panic"), Ok(()));
        assert_eq!(wait(beside(|| 8)), Ok(8));
        let panicked: Result<(), Error> = wait(beside(|| panic!("on purpose")));
        assert!(matches!(panicked, Err(Error::Threads(_))));
    }
}
