//! The thread that fills the filters once after an opening.

use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread::{Builder, JoinHandle};

use quipu_core::commit::Published;
use quipu_core::recovery::Noting;

use crate::checkpoints::yield_to_others;
use crate::shared::{Note, Shared};

/// How many rows are looked at in a step.
const STEP_ROWS: usize = 4_096;

/// Starts a pass over the store, which tells each shard what there is. It is one step ahead of
/// the slowest shard at most, and it ends by itself, or when the engine stops.
pub(crate) fn start(shared: &Arc<Shared>, opened: Published) -> std::io::Result<JoinHandle<()>> {
    let shared = Arc::clone(shared);
    Builder::new().name("quipu-filters".into()).spawn(move || {
        yield_to_others();
        if let Err(error) = note_all(&shared, opened) {
            // Filters that deny nothing are slow and never wrong. Whoever needs the row that
            // could not be read is told so.
            tracing::warn!(%error, "the filters stay incomplete");
        }
    })
}

fn note_all(shared: &Shared, opened: Published) -> Result<(), quipu_core::store::StoreError> {
    let shards = shared.doors.len();
    let mut noting = Noting::new(shards, opened);
    while !shared.gate.is_closed()
        && let Some(notes) = noting.step(&*shared.store, STEP_ROWS)?
    {
        let (taken, all_taken) = sync_channel(shards);
        for (door, notes) in shared.doors.iter().zip(notes) {
            // A shard that has ended needs no filter.
            if door.notes.put(Note::Filter(notes, taken.clone())).is_ok() {
                door.bell.ring();
            }
        }
        drop(taken);
        // It ends when the last shard has dropped its end.
        while all_taken.recv().is_ok() {}
    }
    Ok(())
}
