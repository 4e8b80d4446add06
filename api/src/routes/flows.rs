//! Flows: totals that accrue to somebody over time.

use core::num::NonZeroU64;

use quipu_ledger::words::{Asset, Id};
use quipu_ledger::{Book, Call};
use schemars::JsonSchema;
use serde::Deserialize;

use super::Named;
use super::accounts::{Nothing, Part};
use crate::list::{Page, Place};
use crate::problem::Problem;
use crate::request::Cx;
use crate::route::{Answer, Route, group};
use crate::shown::{Body, FLOW_STATES, FlowShown, MovedShown};
use crate::wire::{Given, Pairs, SECONDS_MAX, Text, Time};

/// What the payer's account may refuse.
const PAYS: &[&str] =
    &["expired", "insufficient_funds", "spend_cap_reached", "asset_mismatch", "overflow"];

pub(super) fn routes() -> Vec<Route> {
    group(
        "Flows",
        [
            Route::post("/v1/flows", ("open_flow", "Open a flow"), open_one)
                .versioned()
                .takes::<Open>()
                .gives::<FlowShown>(201)
                .refuses(&["already_exists", "not_found", "wrong_state"])
                .refuses(PAYS),
            Route::get("/v1/flows", ("list_flows", "List flows"), list)
                .asks::<FlowStateName>("state", "Only those in this state.")
                .pages()
                .gives::<Page<FlowShown>>(200),
            Route::get("/v1/flows/{id}", ("get_flow", "Read a flow"), get)
                .gives::<FlowShown>(200)
                .refuses(&["not_found"]),
            Route::post("/v1/flows/{id}/start", ("start_flow", "A draft begins now"), start)
                .versioned()
                .may_take::<Nothing>()
                .gives::<FlowShown>(200)
                .refuses(&["not_found", "wrong_state"]),
            Route::post("/v1/flows/{id}/pause", ("pause_flow", "Its time stands still"), pause)
                .versioned()
                .may_take::<Nothing>()
                .gives::<FlowShown>(200)
                .refuses(&["not_found", "wrong_state"]),
            Route::post("/v1/flows/{id}/resume", ("resume_flow", "Its time runs on"), resume)
                .versioned()
                .may_take::<Nothing>()
                .gives::<FlowShown>(200)
                .refuses(&["not_found", "wrong_state"]),
            Route::post(
                "/v1/flows/{id}/settlements",
                ("settle_flow", "What has accrued may be withdrawn"),
                settle_one,
            )
            .versioned()
            .may_take::<Nothing>()
            .gives::<MovedShown>(201)
            .refuses(&["not_found", "wrong_state", "nothing_to_settle"]),
            Route::post(
                "/v1/flows/{id}/withdrawals",
                ("withdraw_from_flow", "What is settled goes out"),
                withdraw_one,
            )
            .versioned()
            .may_take::<Part>()
            .gives::<MovedShown>(201)
            .refuses(&["not_found", "wrong_state", "exceeds_withdrawable"])
            .refuses(&["balance_cap_reached", "overflow"]),
            Route::post(
                "/v1/flows/{id}/top-ups",
                ("top_up_flow", "It lasts longer at the same rate"),
                top_up,
            )
            .versioned()
            .takes::<TopUp>()
            .gives::<FlowShown>(201)
            .refuses(&["not_found", "wrong_state"])
            .refuses(PAYS),
            Route::post(
                "/v1/flows/{id}/stop",
                ("stop_flow", "It ends now: what has accrued is settled, the rest goes back"),
                stop,
            )
            .versioned()
            .may_take::<Nothing>()
            .gives::<FlowShown>(200)
            .refuses(&["not_found", "wrong_state", "overflow"]),
            Route::post(
                "/v1/flows/{id}/cancel",
                ("cancel_flow", "A draft is dropped: all goes back"),
                cancel,
            )
            .versioned()
            .may_take::<Nothing>()
            .gives::<FlowShown>(200)
            .refuses(&["not_found", "wrong_state", "overflow"]),
        ],
    )
}

/// The state of a flow.
#[derive(JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(dead_code, reason = "only its schema is used")]
enum FlowStateName {
    Draft,
    Active,
    Paused,
    Ended,
    Cancelled,
}

/// A flow to open.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "FlowRequest")]
struct Open {
    /// The server makes one where it is absent.
    id: Option<Text<Id>>,
    asset: Text<Asset>,
    /// What accrues in all.
    total: Given,
    /// In how much active time it accrues.
    #[schemars(range(min = 1, max = SECONDS_MAX))]
    duration_seconds: NonZeroU64,
    /// When it begins, in the past or in the future. A draft where it is absent.
    start_at: Option<Time>,
    /// The active time before which nothing accrues: at most the duration.
    #[schemars(range(max = SECONDS_MAX))]
    cliff_seconds: Option<u64>,
    /// The account that funds it. The total comes from outside where it is absent.
    payer: Option<Text<Id>>,
    /// The account that withdrawals go to. They go outside where it is absent.
    recipient: Option<Text<Id>>,
    metadata: Option<Pairs>,
}

impl Named for Open {
    fn id(&self) -> Option<&Id> {
        self.id.as_ref().map(|id| &id.0)
    }
}

fn open(book: &Book, id: &Id, body: Open) -> Call<Body> {
    let Open { asset, total, duration_seconds, .. } = body;
    let mut call = book.flow(id).open(asset.0, total.0, duration_seconds.get());
    if let Some(at) = body.start_at {
        call = call.start_at(at.0);
    }
    if let Some(seconds) = body.cliff_seconds {
        call = call.cliff_seconds(seconds);
    }
    if let Some(account) = body.payer {
        call = call.payer(account.0);
    }
    if let Some(account) = body.recipient {
        call = call.recipient(account.0);
    }
    if let Some(pairs) = body.metadata {
        call = call.metadata(pairs.0);
    }
    call.map(|view| Body::created(move |told| FlowShown::of(view, told)))
}

async fn open_one(cx: Cx) -> Answer {
    let body: Open = cx.json()?;
    if body.cliff_seconds.is_some_and(|cliff| cliff > body.duration_seconds.get()) {
        return Err(Problem::malformed("cliff_seconds: it is at most duration_seconds"));
    }
    cx.create(body, open).await
}

async fn list(cx: Cx) -> Answer {
    let mut query = cx.query()?;
    let place = Place::of(&cx, &mut query)?;
    let mut list = cx.book()?.flows();
    if let Some(state) = query.one_of("state", FLOW_STATES)? {
        list = list.state(state);
    }
    query.end()?;
    place.rows(list, |view, told| Some(FlowShown::of(view, told))).await
}

async fn get(cx: Cx) -> Answer {
    cx.read(cx.book()?.flow(cx.id(0)?).get(), FlowShown::of).await
}

async fn start(cx: Cx) -> Answer {
    cx.json_or_empty::<Nothing>()?;
    let call = cx.book()?.flow(cx.id(0)?).start();
    cx.make(call.map(|view| Body::ok(move |told| FlowShown::of(view, told)))).await
}

async fn pause(cx: Cx) -> Answer {
    cx.json_or_empty::<Nothing>()?;
    let call = cx.book()?.flow(cx.id(0)?).pause();
    cx.make(call.map(|view| Body::ok(move |told| FlowShown::of(view, told)))).await
}

async fn resume(cx: Cx) -> Answer {
    cx.json_or_empty::<Nothing>()?;
    let call = cx.book()?.flow(cx.id(0)?).resume();
    cx.make(call.map(|view| Body::ok(move |told| FlowShown::of(view, told)))).await
}

/// The letter that the ids of settlements begin with.
const SETTLEMENT: char = 's';
/// The letter that the ids of withdrawals begin with.
const WITHDRAWAL: char = 'w';

pub(crate) fn settle(book: &Book, id: &Id) -> Call<Body> {
    let call = book.flow(id).settle();
    call.map(|moved| Body::created(move |told| MovedShown::of(SETTLEMENT, moved, told)))
}

async fn settle_one(cx: Cx) -> Answer {
    cx.json_or_empty::<Nothing>()?;
    cx.make(settle(cx.book()?, &cx.id(0)?)).await
}

pub(crate) fn withdraw(book: &Book, id: &Id, body: &Part) -> Call<Body> {
    let flow = book.flow(id);
    let call = match body.amount {
        Some(amount) => flow.withdraw(amount.0),
        None => flow.withdraw_all(),
    };
    call.map(|moved| Body::created(move |told| MovedShown::of(WITHDRAWAL, moved, told)))
}

async fn withdraw_one(cx: Cx) -> Answer {
    cx.make(withdraw(cx.book()?, &cx.id(0)?, &cx.json_or_empty()?)).await
}

/// What is added to a flow.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "TopUpRequest")]
struct TopUp {
    amount: Given,
}

async fn top_up(cx: Cx) -> Answer {
    let TopUp { amount } = cx.json()?;
    let call = cx.book()?.flow(cx.id(0)?).top_up(amount.0);
    cx.make(call.map(|view| Body::created(move |told| FlowShown::of(view, told)))).await
}

async fn stop(cx: Cx) -> Answer {
    cx.json_or_empty::<Nothing>()?;
    let call = cx.book()?.flow(cx.id(0)?).stop();
    cx.make(call.map(|view| Body::ok(move |told| FlowShown::of(view, told)))).await
}

async fn cancel(cx: Cx) -> Answer {
    cx.json_or_empty::<Nothing>()?;
    let call = cx.book()?.flow(cx.id(0)?).cancel();
    cx.make(call.map(|view| Body::ok(move |told| FlowShown::of(view, told)))).await
}
