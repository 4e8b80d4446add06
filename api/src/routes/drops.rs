//! Drops: limited stocks that a crowd claims from.

use core::num::NonZeroU32;

use quipu_ledger::words::{Asset, Id};
use quipu_ledger::{Book, Call};
use schemars::JsonSchema;
use serde::Deserialize;

use super::Named;
use super::accounts::Nothing;
use crate::list::{Page, Place};
use crate::problem::Problem;
use crate::request::Cx;
use crate::route::{Answer, Route, group};
use crate::shown::{Body, DROP_STATES, DropClaimShown, DropShown, TakenShown};
use crate::wire::{Given, Pairs, Text, Time};

pub(super) fn routes() -> Vec<Route> {
    group(
        "Drops",
        [
            Route::post("/v1/drops", ("create_drop", "Create a drop"), create_one)
                .versioned()
                .takes::<Create>()
                .gives::<DropShown>(201)
                .refuses(&["already_exists", "not_found"]),
            Route::get("/v1/drops", ("list_drops", "List drops"), list)
                .asks::<DropStateName>("state", "Only those in this state.")
                .pages()
                .gives::<Page<DropShown>>(200),
            Route::get("/v1/drops/{id}", ("get_drop", "Read a drop"), get)
                .gives::<DropShown>(200)
                .refuses(&["not_found"]),
            Route::post(
                "/v1/drops/{id}/claims",
                ("claim_from_drop", "Claim units, and pay for them"),
                claim_one,
            )
            .versioned()
            .takes::<Claim>()
            .gives::<DropClaimShown>(201)
            .refuses(&["not_found", "not_open", "sold_out", "claim_limit_reached"])
            .refuses(&["insufficient_funds", "spend_cap_reached", "wrong_state", "expired"])
            .refuses(&["asset_mismatch", "balance_cap_reached", "overflow"]),
            Route::get(
                "/v1/drops/{id}/claims",
                ("list_drop_claims", "List the claims of a drop, in the order of their numbers"),
                claims,
            )
            .asks::<Text<Id>>("claimant", "Only those of this claimant.")
            .pages()
            .gives::<Page<TakenShown>>(200)
            .refuses(&["not_found"]),
            Route::post(
                "/v1/drops/{id}/claims/{claim}/release",
                (
                    "release_drop_claim",
                    "Give the units of a claim back, and what was paid for them",
                ),
                release_one,
            )
            .versioned()
            .may_take::<Nothing>()
            .gives::<TakenShown>(200)
            .refuses(&[
                "not_found",
                "wrong_state",
                "expired",
                "insufficient_funds",
                "overflow",
            ]),
            Route::post(
                "/v1/drops/{id}/stock",
                ("set_drop_stock", "Set how many units there are in all"),
                set_stock,
            )
            .versioned()
            .takes::<Stock>()
            .gives::<DropShown>(200)
            .refuses(&["not_found", "wrong_state", "below_taken"]),
            Route::post(
                "/v1/drops/{id}/close",
                ("close_drop", "Nothing is claimed any more"),
                close,
            )
            .versioned()
            .may_take::<Nothing>()
            .gives::<DropShown>(200)
            .refuses(&["not_found", "wrong_state"]),
        ],
    )
}

/// The state of a drop.
#[derive(JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(dead_code, reason = "only its schema is used")]
enum DropStateName {
    Scheduled,
    Open,
    Closed,
}

/// What a unit costs.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "PriceRequest")]
struct Price {
    amount: Given,
    asset: Text<Asset>,
}

/// A drop to create.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "DropRequest")]
struct Create {
    /// The server makes one where it is absent.
    id: Option<Text<Id>>,
    /// How many units there are.
    stock: u64,
    /// The most units that one claimant may have; no limit where it is absent.
    per_claimant: Option<NonZeroU32>,
    /// When it opens: at once where it is absent.
    opens_at: Option<Time>,
    /// When it closes by itself: after it opens.
    closes_at: Option<Time>,
    /// What a unit costs. Each claim then says who pays.
    price: Option<Price>,
    /// The account that is paid, where there is a price. The money goes outside where it is
    /// absent.
    seller: Option<Text<Id>>,
    metadata: Option<Pairs>,
}

impl Named for Create {
    fn id(&self) -> Option<&Id> {
        self.id.as_ref().map(|id| &id.0)
    }
}

fn create(book: &Book, id: &Id, body: Create) -> Call<Body> {
    let mut call = book.drop(id).create(body.stock);
    if let Some(units) = body.per_claimant {
        call = call.per_claimant(units.get());
    }
    if let Some(at) = body.opens_at {
        call = call.opens_at(at.0);
    }
    if let Some(at) = body.closes_at {
        call = call.closes_at(at.0);
    }
    if let Some(Price { amount, asset }) = body.price {
        call = call.price(amount.0, asset.0);
    }
    if let Some(account) = body.seller {
        call = call.seller(account.0);
    }
    if let Some(pairs) = body.metadata {
        call = call.metadata(pairs.0);
    }
    call.map(|view| Body::created(move |told| DropShown::of(view, told)))
}

async fn create_one(cx: Cx) -> Answer {
    let body: Create = cx.json()?;
    if body.seller.is_some() && body.price.is_none() {
        return Err(Problem::malformed("seller: nobody is paid where there is no price"));
    }
    let answer = cx.create(body, create).await;
    answer.map_err(|problem| problem.minds("closes_at: it has to be later than opens_at"))
}

async fn list(cx: Cx) -> Answer {
    let mut query = cx.query()?;
    let place = Place::of(&cx, &mut query)?;
    let mut list = cx.book()?.drops();
    if let Some(state) = query.one_of("state", DROP_STATES)? {
        list = list.state(state);
    }
    query.end()?;
    place.rows(list, |view, told| Some(DropShown::of(view, told))).await
}

async fn get(cx: Cx) -> Answer {
    cx.read(cx.book()?.drop(cx.id(0)?).get(), DropShown::of).await
}

/// Units to claim.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "DropClaimRequest")]
pub(crate) struct Claim {
    claimant: Text<Id>,
    /// How many: 1 where it is absent.
    quantity: Option<NonZeroU32>,
    /// The account that pays, where there is a price.
    pay_from: Option<Text<Id>>,
}

pub(crate) fn claim(book: &Book, id: Id, body: Claim) -> Call<Body> {
    let mut call = book.drop(&id).claim(body.claimant.0);
    if let Some(units) = body.quantity {
        call = call.quantity(units.get());
    }
    if let Some(account) = body.pay_from {
        call = call.pay_from(account.0);
    }
    call.map(|claim| Body::created(move |told| DropClaimShown::of(id, claim, told)))
}

async fn claim_one(cx: Cx) -> Answer {
    let answer = cx.make(claim(cx.book()?, cx.id(0)?, cx.json()?)).await;
    answer
        .map_err(|problem| problem.minds("pay_from: a unit has a price, so an account has to pay"))
}

async fn claims(cx: Cx) -> Answer {
    let mut query = cx.query()?;
    let place = Place::of(&cx, &mut query)?;
    let claimant = query.get::<Id>("claimant")?;
    query.end()?;
    let (id, drop) = (cx.id(0)?, cx.book()?.drop(cx.id(0)?));
    drop.get().look().await??;
    place
        .rows(drop.claims(), |claim, told| {
            let fits = claimant.as_ref().is_none_or(|claimant| *claimant == claim.claimant);
            fits.then(|| TakenShown::of(id.clone(), claim, told))
        })
        .await
}

pub(crate) fn release(book: &Book, id: Id, claim: Id) -> Call<Body> {
    let call = book.drop(&id).release(claim);
    call.map(|claim| Body::ok(move |told| TakenShown::released(id, claim, told)))
}

async fn release_one(cx: Cx) -> Answer {
    cx.json_or_empty::<Nothing>()?;
    cx.make(release(cx.book()?, cx.id(0)?, cx.id(1)?)).await
}

/// How many units there are in all, those that are taken included.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "StockRequest")]
struct Stock {
    stock: u64,
}

async fn set_stock(cx: Cx) -> Answer {
    let Stock { stock } = cx.json()?;
    let call = cx.book()?.drop(cx.id(0)?).set_stock(stock);
    cx.make(call.map(|view| Body::ok(move |told| DropShown::of(view, told)))).await
}

async fn close(cx: Cx) -> Answer {
    cx.json_or_empty::<Nothing>()?;
    let call = cx.book()?.drop(cx.id(0)?).close();
    cx.make(call.map(|view| Body::ok(move |told| DropShown::of(view, told)))).await
}
