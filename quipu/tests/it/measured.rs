//! What a ledger measures, as a recorder sees it that was there before.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use metrics::{
    Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};
use quipu::measured::Unfinished;
use quipu::{Code, Error, Ledger};

use crate::ground::code;

/// Keeps everything, of every ledger that is opened after it was installed.
#[derive(Clone, Default)]
struct Everything(Arc<Mutex<Seen>>);

/// Names and values.
type Labels = Vec<(String, String)>;

#[derive(Default)]
struct Seen {
    described: BTreeMap<String, (Option<Unit>, String)>,
    values: BTreeMap<String, BTreeMap<Labels, Arc<Value>>>,
}

/// A counter's or a gauge's value, or how often a histogram was given one.
#[derive(Default)]
struct Value(Arc<AtomicU64>);

impl HistogramFn for Value {
    fn record(&self, value: f64) {
        assert!(value >= 0.0);
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Everything {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn describe(&self, key: &KeyName, unit: Option<Unit>, help: &SharedString) {
        self.seen().described.insert(key.as_str().to_owned(), (unit, help.to_string()));
    }

    fn value(&self, key: &Key) -> Arc<Value> {
        let labels = key.labels().map(|label| (label.key().into(), label.value().into())).collect();
        let mut seen = self.seen();
        let of_name = seen.values.entry(key.name().to_owned()).or_default();
        Arc::clone(of_name.entry(labels).or_default())
    }

    /// The sum of the values that have these labels.
    fn get(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        let seen = self.seen();
        let has = |all: &[(String, String)]| {
            labels.iter().all(|(key, value)| all.contains(&((*key).into(), (*value).into())))
        };
        let of_name = seen.values.get(name);
        let fitting = of_name.into_iter().flatten().filter(|(labels, _)| has(labels));
        fitting.map(|(_, value)| value.0.load(Ordering::Relaxed)).sum()
    }
}

impl Recorder for Everything {
    fn describe_counter(&self, key: KeyName, unit: Option<Unit>, help: SharedString) {
        self.describe(&key, unit, &help);
    }

    fn describe_gauge(&self, key: KeyName, unit: Option<Unit>, help: SharedString) {
        self.describe(&key, unit, &help);
    }

    fn describe_histogram(&self, key: KeyName, unit: Option<Unit>, help: SharedString) {
        self.describe(&key, unit, &help);
    }

    fn register_counter(&self, key: &Key, _metadata: &Metadata<'_>) -> Counter {
        Counter::from_arc(Arc::clone(&self.value(key).0))
    }

    fn register_gauge(&self, key: &Key, _metadata: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(Arc::clone(&self.value(key).0))
    }

    fn register_histogram(&self, key: &Key, _metadata: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.value(key))
    }
}

const NAMES: [&str; 16] = [
    "quipu_operations_total",
    "quipu_operation_seconds",
    "quipu_commit_seconds",
    "quipu_commit_events",
    "quipu_sync_seconds",
    "quipu_ring_events",
    "quipu_shard_queue",
    "quipu_streams_resident",
    "quipu_memory_bytes",
    "quipu_log_bytes",
    "quipu_checkpoint_lag_events",
    "quipu_checkpoint_seconds",
    "quipu_recovery_seconds",
    "quipu_idempotency_total",
    "quipu_withdrawals",
    "quipu_latched",
];

const LABELS: [&str; 7] = ["kind", "operation", "outcome", "result", "part", "shard", "state"];

#[tokio::test]
async fn every_metric_is_described_measured_and_has_few_labels() -> Result<(), Error> {
    let all = Everything::default();
    metrics::set_global_recorder(all.clone()).expect("there is none yet");
    let folder = tempfile::tempdir().expect("a folder");
    let ledger = Ledger::open(folder.path()).await?;
    let alice = ledger.book("default").account("alice");
    alice.open("USD/2").await?.done()?;
    for _ in 0..2 {
        alice.deposit(100).key("k").await?.done()?;
    }
    assert!(alice.deposit(101).key("k").await.is_err(), "it belongs to another call");
    assert_eq!(code(alice.charge(1_000).key("l").await), Code::InsufficientFunds);
    let mut payouts = Vec::new();
    for _ in 0..4 {
        let planned = alice.withdraw(1, "iban:DE00").await?.done()?;
        payouts.push(alice.withdrawal(&planned.id));
    }
    payouts[1].lease("w1", 600).await?.done()?;
    for payout in &payouts[2..] {
        let fence = payout.lease("w1", 600).await?.done()?.fence;
        payout.under(fence).unknown("no answer").await?.done()?;
    }
    let found = ledger.count_withdrawals().await?;
    assert_eq!(found, Unfinished { pending: 1, dispatched: 1, unknown: 2 });
    assert_eq!(ledger.checkpoint().await?, ledger.durable().watermark);
    assert_eq!(ledger.anchor().position, ledger.durable().watermark);
    assert!(!ledger.is_latched());
    ledger.clone().close().await?;
    assert_eq!(ledger.checkpoint().await, Err(Error::Closed));

    let names = BTreeSet::from(NAMES);
    let seen = all.seen();
    assert_eq!(seen.described.keys().map(String::as_str).collect::<BTreeSet<_>>(), names);
    for (name, (unit, help)) in &seen.described {
        let expected = match name {
            name if name.ends_with("_seconds") => Unit::Seconds,
            name if name.ends_with("_bytes") => Unit::Bytes,
            _ => Unit::Count,
        };
        assert_eq!(*unit, Some(expected), "{name}");
        assert!(!help.is_empty(), "{name}");
    }
    assert_eq!(seen.values.keys().map(String::as_str).collect::<BTreeSet<_>>(), names);
    for (name, of_name) in &seen.values {
        for (key, value) in of_name.keys().flatten() {
            assert!(LABELS.contains(&key.as_str()), "{name} has a label {key}");
            assert!(value.len() < 32 && !value.contains("alice"), "{name} names an id");
        }
    }
    drop(seen);
    // Other tests may have opened ledgers meanwhile: there is at least what this one did.
    let done = [("kind", "account"), ("operation", "deposit"), ("outcome", "done")];
    assert!(all.get("quipu_operations_total", &done) >= 2);
    for result in ["first", "replayed", "reused"] {
        assert!(all.get("quipu_idempotency_total", &[("result", result)]) >= 1, "{result}");
    }
    for name in ["quipu_commit_seconds", "quipu_sync_seconds", "quipu_checkpoint_seconds"] {
        assert!(all.get(name, &[]) >= 1, "{name}");
    }
    for (state, count) in [("pending", 1.0_f64), ("dispatched", 1.0), ("unknown", 2.0)] {
        let shown = f64::from_bits(all.get("quipu_withdrawals", &[("state", state)]));
        assert!((shown - count).abs() < 0.1, "{state}: {shown}");
    }
    let recovery = f64::from_bits(all.get("quipu_recovery_seconds", &[]));
    assert!(recovery > 0.0, "{recovery}");
    Ok(())
}
