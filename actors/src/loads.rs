//! The threads that read the store for shards, which wait for no disk.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use quipu_core::shard::{Load, find};
use quipu_core::store::StoreError;
use quipu_sync::{Doorbell, Inbox};

use crate::shared::{Note, Shared};

/// Where one reader finds what it is asked. What is put here was let in by the gate, or is one
/// of the few questions that a shard asks for itself.
#[derive(Default)]
pub(crate) struct Desk {
    questions: Inbox<(usize, Load)>,
    bell: Doorbell,
}

impl Desk {
    /// Asks for something on behalf of a shard.
    pub(crate) fn ask(&self, shard: usize, load: Load) {
        // Desks close behind the last shard.
        let _ = self.questions.put((shard, load));
        self.bell.ring();
    }

    /// Ends the thread once it has answered everything.
    pub(crate) fn close(&self) {
        self.questions.close();
        let _ = self.bell.ring();
    }
}

/// Starts the thread behind one desk.
pub(crate) fn start(shared: &Arc<Shared>, desk: usize) -> std::io::Result<JoinHandle<()>> {
    let shared = Arc::clone(shared);
    Builder::new().name(format!("quipu-read-{desk}")).spawn(move || serve(&shared, desk))
}

fn serve(shared: &Shared, desk: usize) {
    let Desk { questions, bell } = &shared.desks[desk];
    let mut asked = Vec::new();
    loop {
        // Asked before they are taken: behind a close nothing more comes in.
        let is_closed = questions.is_closed();
        questions.take(&mut asked);
        if asked.is_empty() {
            if is_closed {
                return;
            }
            bell.sleep_unless(|| !questions.is_empty() || questions.is_closed());
        }
        for (shard, load) in asked.drain(..) {
            let look = || find(&*shared.store, &load.what);
            let found = catch_unwind(AssertUnwindSafe(look))
                .unwrap_or_else(|_| Err(StoreError::Failed("reading the store panicked".into())));
            let door = &shared.doors[shard];
            let _ = door.notes.put(Note::Found(load.ticket, found));
            door.bell.ring();
        }
    }
}
