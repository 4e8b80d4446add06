//! What requests of one route came to, for Prometheus.

use core::time::Duration;
use std::sync::OnceLock;

use axum::http::Method;
use metrics::{Counter, Histogram, counter, histogram};

/// The statuses that a request may come to. Others count as the last one.
const STATUSES: [u16; 20] = [
    200, 201, 202, 206, 400, 401, 402, 403, 404, 405, 409, 410, 412, 413, 415, 416, 422, 503, 507,
    500,
];

/// Counts the requests of one route. Its handles are made once: to look one up by its labels
/// costs more than a request should.
pub(crate) struct Meter {
    method: &'static str,
    path: &'static str,
    seconds: OnceLock<Histogram>,
    by_status: [OnceLock<Counter>; STATUSES.len()],
}

impl Meter {
    pub(crate) fn new(method: &Method, path: &'static str) -> Self {
        let method = match method.as_str() {
            "GET" => "GET",
            "POST" => "POST",
            "PUT" => "PUT",
            "PATCH" => "PATCH",
            "DELETE" => "DELETE",
            _ => "other",
        };
        let by_status = [const { OnceLock::new() }; STATUSES.len()];
        Self { method, path, seconds: OnceLock::new(), by_status }
    }

    /// A request has come to this.
    pub(crate) fn saw(&self, status: u16, took: Duration) {
        let Self { method, path, .. } = *self;
        let seconds = self.seconds.get_or_init(
            || histogram!("quipu_http_request_seconds", "method" => method, "route" => path),
        );
        seconds.record(took.as_secs_f64());
        let at = STATUSES.iter().position(|known| *known == status);
        let at = at.unwrap_or(STATUSES.len() - 1);
        let count = self.by_status[at].get_or_init(|| {
            let status = STATUSES[at].to_string();
            counter!(
                "quipu_http_requests_total",
                "method" => method, "route" => path, "status" => status
            )
        });
        count.increment(1);
    }
}
