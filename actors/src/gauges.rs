//! What is measured, through the `metrics` facade, with handles that are made once.
//!
//! Labels are names of kinds, operations and outcomes, of which there are few, and never an id.

use std::time::{Duration, Instant};

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use quipu_core::machine::Registry;
use quipu_core::shard::{Ask, Reply, Shard};
use quipu_core::words::{Code, Kind};

/// What the committer and the engine as a whole measure.
pub(crate) struct Gauges {
    pub(crate) commit_seconds: Histogram,
    pub(crate) commit_events: Histogram,
    pub(crate) sync_seconds: Histogram,
    pub(crate) log_bytes: Gauge,
    pub(crate) ring_events: Gauge,
    pub(crate) checkpoint_seconds: Histogram,
    pub(crate) checkpoint_lag: Gauge,
    pub(crate) pending_bytes: Gauge,
    pub(crate) latched: Gauge,
}

impl Gauges {
    pub(crate) fn new() -> Self {
        let gauges = Self {
            commit_seconds: histogram!("quipu_commit_seconds"),
            commit_events: histogram!("quipu_commit_events"),
            sync_seconds: histogram!("quipu_sync_seconds"),
            log_bytes: gauge!("quipu_log_bytes"),
            ring_events: gauge!("quipu_ring_events"),
            checkpoint_seconds: histogram!("quipu_checkpoint_seconds"),
            checkpoint_lag: gauge!("quipu_checkpoint_lag_events"),
            pending_bytes: gauge!("quipu_memory_bytes", "part" => "pending_rows"),
            latched: gauge!("quipu_latched"),
        };
        gauges.latched.set(0.0);
        gauges
    }
}

/// How often a shard's levels are shown.
const SHOWN_EVERY: Duration = Duration::from_secs(1);

/// What one shard measures: each operation's outcomes, and its own levels.
pub(crate) struct Counts {
    registry: Registry,
    /// By kind, then by operation.
    operations: Vec<Vec<Option<Outcomes>>>,
    keyed: Keyed,
    seconds: Histogram,
    queue: Gauge,
    streams: Gauge,
    memory: Gauge,
    filters: Gauge,
    shown: Option<Instant>,
}

/// What became of asks under a key.
struct Keyed {
    first: Counter,
    replayed: Counter,
    reused: Counter,
}

struct Outcomes {
    done: Counter,
    refused: Counter,
    failed: Counter,
}

/// Which operation a call is of, as places of its counters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Operation {
    kind: u8,
    number: u8,
    has_key: bool,
}

/// Operations that no machine has; those of machines are counted from 1.
const READ: u8 = 0;
/// What is of no kind.
const NONE: u8 = 0;
const TRANSACTION: u8 = 1;
const SWEEP: u8 = 2;

impl Counts {
    pub(crate) fn new(registry: Registry, shard: usize) -> Self {
        let of = shard.to_string();
        Self {
            registry,
            operations: Vec::new(),
            keyed: Keyed {
                first: counter!("quipu_idempotency_total", "result" => "first"),
                replayed: counter!("quipu_idempotency_total", "result" => "replayed"),
                reused: counter!("quipu_idempotency_total", "result" => "reused"),
            },
            seconds: histogram!("quipu_operation_seconds"),
            queue: gauge!("quipu_shard_queue", "shard" => of.clone()),
            streams: gauge!("quipu_streams_resident", "shard" => of.clone()),
            memory: gauge!("quipu_memory_bytes", "part" => "streams", "shard" => of.clone()),
            filters: gauge!("quipu_memory_bytes", "part" => "filters", "shard" => of),
            shown: None,
        }
    }

    /// The operation that an ask is counted as.
    pub(crate) fn operation(&mut self, ask: &Ask) -> Operation {
        let has_key = matches!(ask, Ask::Command(_, Some(_)) | Ask::Transaction(_, Some(_)));
        let (kind, number, name) = match ask {
            Ask::Command(leg, _) => {
                (leg.stream.kind.get(), leg.command.operation(), leg.command.name())
            }
            Ask::Read(reading) => (reading.stream.kind.get(), READ, "read"),
            Ask::Transaction(..) => (NONE, TRANSACTION, "transaction"),
            Ask::Sweep(_) | Ask::Restored(_) => (NONE, SWEEP, "sweep"),
        };
        let (of_kind, at) = (usize::from(kind), usize::from(number));
        if self.operations.len() <= of_kind {
            self.operations.resize_with(of_kind + 1, Vec::new);
        }
        let of_kind = &mut self.operations[of_kind];
        if of_kind.len() <= at {
            of_kind.resize_with(at + 1, || None);
        }
        if of_kind[at].is_none() {
            let rules = self.registry.rules(Kind::new(kind));
            let of = rules.map_or("none", |rules| rules.name());
            let counter = |outcome: &'static str| counter!("quipu_operations_total", "kind" => of, "operation" => name, "outcome" => outcome);
            let (done, refused) = (counter("done"), counter("refused"));
            of_kind[at] = Some(Outcomes { done, refused, failed: counter("failed") });
        }
        Operation { kind, number, has_key }
    }

    /// Counts an answer.
    pub(crate) fn answered(&self, of: Operation, reply: &Reply, took: Duration) {
        let outcomes = self.operations.get(usize::from(of.kind));
        let outcomes = outcomes.and_then(|all| all.get(usize::from(of.number))?.as_ref());
        let Some(outcomes) = outcomes else { return };
        let Keyed { first, replayed, reused } = &self.keyed;
        let either = |is_replayed| if is_replayed { replayed } else { first };
        let (counter, keyed) = match reply {
            Reply::Done(outcome) => (&outcomes.done, Some(either(outcome.replayed))),
            Reply::Refused(refused) if refused.refusal.code == Code::IdempotencyKeyReused => {
                (&outcomes.refused, Some(reused))
            }
            Reply::Refused(refused) => (&outcomes.refused, Some(either(refused.replayed))),
            Reply::Failed(_) => (&outcomes.failed, None),
        };
        counter.increment(1);
        self.seconds.record(took);
        if let Some(keyed) = keyed.filter(|_| of.has_key) {
            keyed.increment(1);
        }
    }

    /// Shows the levels, now and then.
    pub(crate) fn show(&mut self, now: Instant, shard: &Shard, queued: usize) {
        if self.shown.is_some_and(|shown| now.duration_since(shown) < SHOWN_EVERY) {
            return;
        }
        self.shown = Some(now);
        self.queue.set(queued as f64);
        self.streams.set(shard.streams_resident() as f64);
        self.memory.set(shard.memory() as f64);
        self.filters.set(shard.filter_memory() as f64);
    }
}
