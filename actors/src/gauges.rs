//! What is measured, through the `metrics` facade, with handles that are made once.

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use quipu_core::shard::Reply;

/// Handles of everything that an engine measures. Labels never hold an id.
pub(crate) struct Gauges {
    done: Counter,
    refused: Counter,
    failed: Counter,
    replayed: Counter,
    pub(crate) commit_seconds: Histogram,
    pub(crate) commit_events: Histogram,
    pub(crate) log_bytes: Counter,
    pub(crate) ring_events: Gauge,
    pub(crate) checkpoint_seconds: Histogram,
    pub(crate) checkpoint_lag: Gauge,
    pub(crate) pending_bytes: Gauge,
    pub(crate) latched: Gauge,
}

impl Gauges {
    pub(crate) fn new() -> Self {
        Self {
            done: counter!("quipu_answers_total", "outcome" => "done"),
            refused: counter!("quipu_answers_total", "outcome" => "refused"),
            failed: counter!("quipu_answers_total", "outcome" => "failed"),
            replayed: counter!("quipu_idempotency_total", "result" => "replayed"),
            commit_seconds: histogram!("quipu_commit_seconds"),
            commit_events: histogram!("quipu_commit_events"),
            log_bytes: counter!("quipu_log_bytes"),
            ring_events: gauge!("quipu_ring_events"),
            checkpoint_seconds: histogram!("quipu_checkpoint_seconds"),
            checkpoint_lag: gauge!("quipu_checkpoint_lag_events"),
            pending_bytes: gauge!("quipu_memory_bytes", "part" => "pending_rows"),
            latched: gauge!("quipu_latched"),
        }
    }

    pub(crate) fn answered(&self, reply: &Reply) {
        let (counter, replayed) = match reply {
            Reply::Done(outcome) => (&self.done, outcome.replayed),
            Reply::Refused(refused) => (&self.refused, refused.replayed),
            Reply::Failed(_) => (&self.failed, false),
        };
        counter.increment(1);
        if replayed {
            self.replayed.increment(1);
        }
    }
}
