//! What a server says when it has started: where it is, what is missing, what to try.

use std::net::SocketAddr;
use std::time::Duration;

use quipu::Ledger;
use quipu_api::Api;

use super::choices::Choices;

pub(super) fn say(choices: &Choices, at: SocketAddr, ledger: &Ledger, api: &Api, took: Duration) {
    let (data, ms) = (choices.data.display(), took.as_secs_f64() * 1e3);
    let position = ledger.durable().watermark;
    eprintln!("quipu {} listens on http://{at}", env!("CARGO_PKG_VERSION"));
    eprintln!(
        "  data   {data} (ledger {}, position {position}, open after {ms:.0} ms)",
        ledger.id()
    );
    if api.is_open() {
        eprintln!("  keys   none yet: whoever reaches this address from this machine may do");
        eprintln!(
            "         everything, in the book `default`. Make one, while the server is down:"
        );
        eprintln!("         quipu keys create --data {data} --book default --scope write");
        eprintln!("  try    curl http://{at}/v1/tickets --json '{{\"id\":\"seat-14\"}}'");
        eprintln!(
            "         curl http://{at}/v1/tickets/seat-14/claims --json '{{\"claimant\":\"alice\"}}'"
        );
    } else if api.has_keys() {
        eprintln!("  keys   a key is required: Authorization: Bearer qk_…");
        eprintln!("  try    curl http://{at}/v1/info -H \"Authorization: Bearer $QUIPU_KEY\"");
    } else {
        eprintln!(
            "  keys   none yet, and this address is not loopback, so nobody is let in. Make one,"
        );
        eprintln!("         while the server is down:");
        eprintln!("         quipu keys create --data {data} --book default --scope write");
    }
    eprintln!("  docs   http://{at}/docs");
    eprintln!("  stop   Ctrl-C; once more to stop at once");
}
