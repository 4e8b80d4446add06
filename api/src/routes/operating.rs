//! What whoever runs the server asks: is it there, is it ready, what does it count.

use quipu_ledger::access::Scopes;
use schemars::JsonSchema;
use serde::Serialize;

use crate::Api;
use crate::caller::Needs;
use crate::problem::{Kind, Problem};
use crate::reply::Reply;
use crate::request::Cx;
use crate::route::{Answer, Route, group};

pub(super) fn routes() -> Vec<Route> {
    let open =
        |path, says| Route::get(path, says, move |cx| answer(path, cx)).needs(Needs::Nothing);
    group(
        "Operating",
        [
            open("/livez", ("livez", "Whether the process should go on"))
                .gives::<Fine>(200)
                .refuses(&["log_failed"]),
            open("/readyz", ("readyz", "Whether requests are answered"))
                .gives::<Fine>(200)
                .refuses(&["log_failed", "starting", "stopping"]),
            open("/metrics", ("metrics", "What Prometheus reads"))
                .gives_text("text/plain; version=0.0.4; charset=utf-8"),
            open("/openapi.json", ("openapi", "This document")).gives_text("application/json"),
            open("/docs", ("docs", "This document, to be read"))
                .gives_text("text/html; charset=utf-8"),
            Route::get("/v1/info", ("info", "Which ledger this is, and how far it has come"), info)
                .needs(Needs::Any(Scopes::READ | Scopes::OPERATOR))
                .gives::<Info>(200),
        ],
    )
}

/// All is well.
#[derive(Serialize, JsonSchema)]
struct Fine {
    /// Always `ok`.
    status: &'static str,
}

/// Which ledger this is, and how far it has come.
#[derive(Serialize, JsonSchema)]
struct Info {
    /// The version of the program.
    version: &'static str,
    /// The ledger's id. A restored copy has another one.
    ledger: String,
    /// The last durable position.
    position: u64,
    /// What proves all that happened so far: see `quipu verify --anchor`.
    anchor: Anchor,
}

/// A position, and the hash of everything up to it.
#[derive(Serialize, JsonSchema)]
struct Anchor {
    position: u64,
    hash: String,
}

async fn answer(path: &'static str, cx: Cx) -> Answer {
    match path {
        "/livez" => alive(&cx.api),
        "/readyz" if cx.api.is_stopping() => Err(Problem::stopping()),
        "/readyz" => alive(&cx.api),
        "/metrics" => {
            let metrics = cx.api.metrics.as_ref().ok_or_else(|| {
                Problem::new(Kind::UNAVAILABLE, "this server was started without metrics")
            })?;
            // They are counted where they lie; who asks waits for that, and nobody else does.
            cx.api.ledger.count_withdrawals().await?;
            Ok(Reply::text("text/plain; version=0.0.4; charset=utf-8", metrics.render()))
        }
        "/openapi.json" => Ok(Reply::text("application/json", cx.api.document.clone())),
        _ => Ok(Reply::text("text/html; charset=utf-8", crate::document::PAGE)),
    }
}

/// A log that failed is final: whoever supervises the process starts it anew.
fn alive(api: &Api) -> Answer {
    if api.ledger.handle().has_failed() {
        return Err(Problem::new(
            Kind::LOG_FAILED,
            "the log failed: the process has to be restarted",
        ));
    }
    Ok(Reply::json(200, &Fine { status: "ok" }))
}

async fn info(cx: Cx) -> Answer {
    let anchor = cx.api.ledger.anchor();
    // What was shown before is durable, and so in it.
    let position = anchor.position;
    let info = Info {
        version: env!("CARGO_PKG_VERSION"),
        ledger: cx.api.ledger.id().to_string(),
        position: position.get(),
        anchor: Anchor {
            position: anchor.position.get(),
            hash: blake3::Hash::from_bytes(anchor.hash).to_hex().to_string(),
        },
    };
    Ok(Reply::json(200, &info).at(position))
}
