//! Withdrawals: payouts that are planned, leased to a worker, and then said to have happened.

use quipu_ledger::account::{Payout, Withdrawal};
use quipu_ledger::words::{Id, Position};
use quipu_ledger::{Call, Done};
use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::caller::ADMIN;
use crate::list::{Page, Place};
use crate::problem::{Kind, Problem};
use crate::reply::Reply;
use crate::request::Cx;
use crate::route::{Answer, Route, group};
use crate::secrets;
use crate::shown::{Body, Told, WITHDRAWAL_STATES, WithdrawalShown};
use crate::wire::{Given, Text};

/// What a worker says may be refused for these.
const SAYS: &[&str] = &["not_found", "wrong_state", "stale_fence"];

pub(super) fn routes() -> Vec<Route> {
    group(
        "Withdrawals",
        [
            Route::post(
                "/v1/accounts/{id}/withdrawals",
                ("plan_withdrawal", "Plan a payout; its amount leaves `available` at once"),
                plan,
            )
            .versioned()
            .takes::<Plan>()
            .gives::<WithdrawalShown>(201)
            .refuses(&[
                "not_found",
                "wrong_state",
                "expired",
                "insufficient_funds",
                "spend_cap_reached",
                "overflow",
            ]),
            Route::post(
                "/v1/withdrawals/lease",
                (
                    "lease_withdrawals",
                    "Take payouts on: first what the worker still has, then others",
                ),
                lease,
            )
            .not_keyed()
            .takes::<Lease>()
            .gives::<Leased>(200)
            .refuses(&["unavailable", "overflow"]),
            Route::get("/v1/withdrawals", ("list_withdrawals", "List withdrawals"), list)
                .asks::<StateName>("state", "Only those in this state.")
                .asks::<Text<Id>>("account", "Only those of this account.")
                .pages()
                .gives::<Page<WithdrawalShown>>(200)
                .refuses(&["not_found"]),
            Route::get(
                "/v1/withdrawals/{account}/{id}",
                ("get_withdrawal", "Read a withdrawal"),
                get,
            )
            .gives::<WithdrawalShown>(200)
            .refuses(&["not_found"]),
            Route::post(
                "/v1/withdrawals/{account}/{id}/complete",
                ("complete_withdrawal", "The payout has happened"),
                complete,
            )
            .versioned()
            .takes::<Complete>()
            .gives::<WithdrawalShown>(200)
            .refuses(SAYS)
            .refuses(&["overflow"]),
            Route::post(
                "/v1/withdrawals/{account}/{id}/fail",
                ("fail_withdrawal", "The payout will not happen: the money comes back"),
                |cx| said(cx, |payout, fence, error| payout.under(fence).fail(error)),
            )
            .versioned()
            .takes::<Failed>()
            .gives::<WithdrawalShown>(200)
            .refuses(SAYS),
            Route::post(
                "/v1/withdrawals/{account}/{id}/retry",
                ("retry_withdrawal", "The payout did not happen yet: it is pending again"),
                |cx| said(cx, |payout, fence, error| payout.under(fence).retry(error)),
            )
            .versioned()
            .takes::<Failed>()
            .gives::<WithdrawalShown>(200)
            .refuses(SAYS),
            Route::post(
                "/v1/withdrawals/{account}/{id}/unknown",
                ("doubt_withdrawal", "Nobody knows whether the payout happened"),
                |cx| said(cx, |payout, fence, error| payout.under(fence).unknown(error)),
            )
            .versioned()
            .takes::<Failed>()
            .gives::<WithdrawalShown>(200)
            .refuses(SAYS),
            Route::post(
                "/v1/withdrawals/{account}/{id}/reconcile",
                ("reconcile_withdrawal", "Somebody has looked up whether the payout happened"),
                reconcile,
            )
            .needs(ADMIN)
            .versioned()
            .takes::<Reconcile>()
            .gives::<WithdrawalShown>(200)
            .refuses(&["not_found", "wrong_state", "overflow"]),
        ],
    )
}

/// The state of a withdrawal.
#[derive(JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "WithdrawalState")]
#[expect(dead_code, reason = "only its schema is used")]
enum StateName {
    Pending,
    Dispatched,
    Completed,
    Failed,
    Unknown,
}

/// A payout to plan.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "WithdrawalRequest")]
struct Plan {
    amount: Given,
    /// Where to, as the payout's provider understands it.
    #[schemars(length(min = 1))]
    destination: String,
    /// What only the worker is told: kept encrypted, never listed.
    #[schemars(with = "Option<String>", length(max = 4000))]
    secret: Option<Plain>,
}

/// A secret, as it was given.
struct Plain(String);

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        // What is usually said of a number would show the number.
        let text = String::deserialize(reader);
        text.map(Self).map_err(|_| D::Error::custom("it is a text"))
    }
}

async fn plan(cx: Cx) -> Answer {
    let (id, Plan { amount, destination, secret }) = (cx.id(0)?, cx.json()?);
    if destination.is_empty() {
        return Err(Problem::malformed("destination: it says where to"));
    }
    let book = cx.book()?;
    let mut call = book.account(&id).withdraw(amount.0, destination);
    if let Some(Plain(plain)) = secret {
        let secrets = cx.api.secrets.as_ref().ok_or_else(|| {
            Problem::malformed("secret: this server keeps none; start it with --secrets FILE")
        })?;
        if plain.len() > secrets::LEN_MAX {
            let max = secrets::LEN_MAX;
            return Err(Problem::malformed(format!("secret: it is at most {max} bytes")));
        }
        let sealed = secrets.seal(book.name()?, &id, plain.as_bytes()).map_err(|error| {
            tracing::error!(%error, "a secret could not be encrypted");
            Problem::new(Kind::UNAVAILABLE, "the secret could not be encrypted")
        })?;
        call = call.secret(sealed);
    }
    cx.make(call.map(|plan| Body::created(move |told| WithdrawalShown::of(plan, told)))).await
}

/// What a worker takes on.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "LeaseRequest")]
struct Lease {
    worker: Text<Id>,
    /// The most payouts.
    #[schemars(range(min = 1, max = 1000))]
    max: usize,
    /// How long it has them.
    #[schemars(range(min = 1))]
    seconds: u64,
}

/// What a worker has now.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Leased")]
struct Leased {
    data: Vec<WithdrawalShown>,
}

async fn lease(cx: Cx) -> Answer {
    let Lease { worker, max, seconds } = cx.json()?;
    let book = cx.book()?;
    let leased = book.lease(worker.0, max, seconds).await?;
    let mut position = cx.durable();
    let mut data = Vec::with_capacity(leased.len());
    for done in leased {
        let Done { value, position: at_position, at, version, .. } = done;
        position = position.max(at_position);
        let secret = secret_of(&cx, &value)?;
        let told = Told { position: at_position, at, version };
        data.push(WithdrawalShown::of(value, &told).with_secret(secret));
    }
    Ok(Reply::json(200, &Leased { data }).at(position))
}

/// What its worker is told. A payout whose secret cannot be read is not handed out without it.
fn secret_of(cx: &Cx, withdrawal: &Withdrawal) -> Result<Option<String>, Problem> {
    let Some(sealed) = &withdrawal.secret else { return Ok(None) };
    let book = cx.book()?.name()?;
    let secrets = cx.api.secrets.as_ref();
    let plain =
        secrets.and_then(|secrets| secrets.open(book, &withdrawal.account, sealed.as_bytes()));
    plain.map(Some).ok_or_else(|| {
        let (account, id) = (&withdrawal.account, &withdrawal.id);
        let detail = format!("the secret of {account}/{id} cannot be read with this server's keys");
        tracing::error!(%account, %id, "a withdrawal's secret cannot be read");
        Problem::new(Kind::UNAVAILABLE, detail)
    })
}

async fn list(cx: Cx) -> Answer {
    let mut query = cx.query()?;
    let place = Place::of(&cx, &mut query)?;
    let state = query.one_of("state", WITHDRAWAL_STATES)?;
    let account = query.get::<Id>("account")?;
    query.end()?;
    let show = |withdrawal: Withdrawal, told: &Told| {
        let fits = state.is_none_or(|state| state == withdrawal.state);
        fits.then(|| WithdrawalShown::of(withdrawal, told))
    };
    if let Some(account) = account {
        let account = cx.book()?.account(account);
        account.get().look().await??;
        return place.rows(account.withdrawals(), show).await;
    }
    let all = cx.book()?.payouts();
    let list = match state {
        Some(state) => all.state(state),
        None => all,
    };
    place.rows(list, show).await
}

fn payout(cx: &Cx) -> Result<Payout, Problem> {
    Ok(cx.book()?.account(cx.id(0)?).withdrawal(cx.id(1)?))
}

async fn get(cx: Cx) -> Answer {
    cx.read(payout(&cx)?.get(), WithdrawalShown::of).await
}

/// The payout has happened.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "CompleteRequest")]
struct Complete {
    /// That of the newest lease.
    fence: u64,
    /// The provider's name for it.
    reference: Option<Text<Id>>,
}

async fn complete(cx: Cx) -> Answer {
    let Complete { fence, reference } = cx.json()?;
    let leased = payout(&cx)?.under(Position::new(fence));
    let call = match reference {
        Some(reference) => leased.complete_as(reference.0),
        None => leased.complete(),
    };
    shown(&cx, call).await
}

/// What went wrong.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "FailRequest")]
struct Failed {
    /// That of the newest lease.
    fence: u64,
    /// What went wrong.
    error: String,
}

async fn said(cx: Cx, say: fn(Payout, Position, String) -> Call<Withdrawal>) -> Answer {
    let Failed { fence, error } = cx.json()?;
    let call = say(payout(&cx)?, Position::new(fence), error);
    shown(&cx, call).await
}

/// What was found out.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ReconcileRequest")]
struct Reconcile {
    outcome: Outcome,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "PayoutOutcome")]
enum Outcome {
    Completed,
    Failed,
}

async fn reconcile(cx: Cx) -> Answer {
    let Reconcile { outcome } = cx.json()?;
    let call = payout(&cx)?.reconcile(outcome == Outcome::Completed);
    shown(&cx, call).await
}

async fn shown(cx: &Cx, call: Call<Withdrawal>) -> Answer {
    cx.make(call.map(|withdrawal| Body::ok(move |told| WithdrawalShown::of(withdrawal, told))))
        .await
}
