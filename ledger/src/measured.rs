//! What a ledger measures: each metric's name, unit and meaning, and those that it counts itself.
//!
//! They go through the facade of the crate `metrics`: a program that installs a recorder before it
//! opens a ledger reads them, and one that does not pays next to nothing. Labels are names of kinds,
//! operations, outcomes, states, parts and shards, of which there are few, and never an id.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram, gauge};
use quipu_core::machine::Machine;
use quipu_core::machines::account::{Account, INDEX_WITHDRAWAL_STATE, by_state};
use quipu_core::machines::book;
use quipu_core::store;
use quipu_core::words::Book;

use crate::account::WithdrawalState;
use crate::blocking::beside;
use crate::error::Error;
use crate::ledger::Ledger;
use crate::snapshot::Snapshot;

/// How many rows of an index are read at a time.
const PAGE: usize = 1_024;

#[derive(Clone, Copy)]
enum Form {
    Counter,
    Gauge,
    Histogram,
}

use Form::{Counter, Gauge, Histogram};

/// Every metric of a ledger.
const ALL: &[(Form, &str, Unit, &str)] = &[
    (
        Counter,
        "quipu_operations_total",
        Unit::Count,
        "Answers, by the kind of stream, the operation, and whether it was done, refused or failed",
    ),
    (
        Histogram,
        "quipu_operation_seconds",
        Unit::Seconds,
        "From a call's way into its shard to its answer, the sync behind it included",
    ),
    (
        Counter,
        "quipu_idempotency_total",
        Unit::Count,
        "Answers under an idempotency key: the first one, replayed, or refused as reused",
    ),
    (
        Histogram,
        "quipu_commit_seconds",
        Unit::Seconds,
        "From a frame's way to the log until it is durable",
    ),
    (Histogram, "quipu_commit_events", Unit::Count, "Events in a frame"),
    (
        Histogram,
        "quipu_sync_seconds",
        Unit::Seconds,
        "One sync of a frame; a log in redb does not tell it from the write",
    ),
    (Gauge, "quipu_log_bytes", Unit::Bytes, "Bytes of entries given to the log since opening"),
    (Gauge, "quipu_ring_events", Unit::Count, "Places in the ring that events hold, or may take"),
    (Gauge, "quipu_shard_queue", Unit::Count, "Asks that wait for a shard"),
    (Gauge, "quipu_streams_resident", Unit::Count, "Streams that a shard has in memory"),
    (
        Gauge,
        "quipu_memory_bytes",
        Unit::Bytes,
        "Memory, by part: streams and filters of a shard, rows that wait for a checkpoint",
    ),
    (
        Gauge,
        "quipu_checkpoint_lag_events",
        Unit::Count,
        "Events behind the last checkpoint: what an opening would replay",
    ),
    (
        Histogram,
        "quipu_checkpoint_seconds",
        Unit::Seconds,
        "One checkpoint, which others do not wait for",
    ),
    (
        Gauge,
        "quipu_recovery_seconds",
        Unit::Seconds,
        "How long the opening took to bring the store up to the log",
    ),
    (
        Gauge,
        "quipu_withdrawals",
        Unit::Count,
        "Withdrawals that are not finished, by state, when they were counted last",
    ),
    (
        Gauge,
        "quipu_latched",
        Unit::Count,
        "1 once the log has failed and nothing more is acknowledged until the next opening",
    ),
];

/// Tells the recorder what each metric is.
pub(crate) fn describe() {
    for &(form, name, unit, help) in ALL {
        match form {
            Counter => describe_counter!(name, unit, help),
            Gauge => describe_gauge!(name, unit, help),
            Histogram => describe_histogram!(name, unit, help),
        }
    }
}

/// How long recovery took.
pub(crate) fn recovered(took: core::time::Duration) {
    gauge!("quipu_recovery_seconds").set(took.as_secs_f64());
}

/// Withdrawals of all books that are not finished.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Unfinished {
    /// Nobody has them.
    pub pending: u64,
    /// A worker has them.
    pub dispatched: u64,
    /// Nobody knows whether they were paid out: somebody has to look.
    pub unknown: u64,
}

impl Ledger {
    /// Counts the withdrawals of all books that are not finished, and shows them as the gauge
    /// `quipu_withdrawals`. It costs what there are of them, and a look at each book; a server
    /// calls it now and then. Finished ones, of which there are ever more, are what
    /// `quipu_operations_total` counts.
    pub async fn count_withdrawals(&self) -> Result<Unfinished, Error> {
        let snapshot = self.snapshot().await?;
        let found = beside(move || unfinished(&snapshot)).await??;
        let Unfinished { pending, dispatched, unknown } = found;
        for (state, count) in
            [("pending", pending), ("dispatched", dispatched), ("unknown", unknown)]
        {
            gauge!("quipu_withdrawals", "state" => state).set(count as f64);
        }
        Ok(found)
    }
}

fn unfinished(snapshot: &Snapshot) -> Result<Unfinished, Error> {
    let mut found = Unfinished::default();
    let mut after = Vec::new();
    loop {
        let page = snapshot.store().list(Book::SYSTEM, book::Book::KIND, 0, &after, PAGE)?;
        let is_last = page.len() < PAGE;
        for (key, number) in page {
            after = key;
            let book = Book::new(number);
            found.pending += in_state(snapshot, book, WithdrawalState::Pending)?;
            found.dispatched += in_state(snapshot, book, WithdrawalState::Dispatched)?;
            found.unknown += in_state(snapshot, book, WithdrawalState::Unknown)?;
        }
        if is_last {
            return Ok(found);
        }
    }
}

/// How many withdrawals of a book are in a state.
fn in_state(snapshot: &Snapshot, book: Book, state: WithdrawalState) -> Result<u64, Error> {
    let (of, front) = ((book, Account::KIND, INDEX_WITHDRAWAL_STATE), by_state(state));
    let (mut count, mut after) = (0, None);
    loop {
        let mut page = store::list_items(snapshot.store(), of, &front, after.as_ref(), PAGE)?;
        count += page.len() as u64;
        if page.len() < PAGE {
            return Ok(count);
        }
        after = page.pop();
    }
}
