//! Metrics for Prometheus: the recorder, its buckets, and what each metric of HTTP means.

use core::time::Duration;
use std::sync::OnceLock;
use std::thread;

use metrics::{Unit, describe_counter, describe_histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

/// Times between a cached read and a stalled disk, in seconds.
const SECONDS: [f64; 18] = [
    0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025,
    0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
];
/// Counts of events in a frame.
const EVENTS: [f64; 15] = [
    1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 2048.0, 4096.0, 8192.0,
    16384.0,
];

/// What was recorded is put into its buckets this often, whether or not anybody asks: until then
/// every record takes memory.
const UPKEEP: Duration = Duration::from_secs(5);

/// The process's metrics, as Prometheus reads them.
#[derive(Clone)]
pub struct Metrics {
    handle: PrometheusHandle,
}

impl Metrics {
    /// Has the process's metrics recorded from here on: a ledger has to be opened later. There is
    /// one recorder in a process, and this gives the same one again.
    pub fn install() -> Result<Self, String> {
        static INSTALLED: OnceLock<Result<Metrics, String>> = OnceLock::new();
        INSTALLED.get_or_init(|| install().map_err(|error| error.to_string())).clone()
    }

    /// All metrics, in the text format of Prometheus.
    #[must_use]
    pub fn render(&self) -> String {
        self.handle.render()
    }
}

fn install() -> Result<Metrics, BuildError> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &SECONDS)?
        .set_buckets_for_metric(Matcher::Suffix("_events".into()), &EVENTS)?
        .install_recorder()?;
    describe_counter!(
        "quipu_http_requests_total",
        "Requests that were answered, by method, route and status."
    );
    describe_histogram!(
        "quipu_http_request_seconds",
        Unit::Seconds,
        "From a request's head to its answer, by method and route."
    );
    let kept = handle.clone();
    let upkeep = move || loop {
        thread::sleep(UPKEEP);
        kept.run_upkeep();
    };
    let started = thread::Builder::new().name("quipu-metrics".into()).spawn(upkeep);
    started.map_err(|error| BuildError::FailedToCreateHTTPListener(error.to_string()))?;
    Ok(Metrics { handle })
}
