//! Accounts: money that somebody owns, holds on it, and transfers.

use std::collections::BTreeMap;

use quipu_ledger::account::{HoldState, State};
use quipu_ledger::words::{Asset, Id, Metadata, Period, Position};
use quipu_ledger::{Book, Call};
use schemars::JsonSchema;
use serde::Deserialize;

use super::Named;
use crate::list::{Page, Place};
use crate::problem::Problem;
use crate::reply::Reply;
use crate::request::Cx;
use crate::route::{Answer, Route, group};
use crate::shown::{
    ACCOUNT_STATES, AccountShown, Body, CHARGE, ChargeShown, DEPOSIT, DepositShown, EntryShown,
    HOLD_STATES, HoldShown, RefundShown, TransferShown,
};
use crate::wire::{Given, Pairs, Patch, Signed, Text, Time};

/// What goes out may be refused for these.
const SPENDS: &[&str] =
    &["not_found", "wrong_state", "expired", "insufficient_funds", "spend_cap_reached", "overflow"];
/// What comes in may be refused for these.
const RECEIVES: &[&str] =
    &["not_found", "wrong_state", "expired", "balance_cap_reached", "overflow"];

pub(super) fn routes() -> Vec<Route> {
    group(
        "Accounts",
        [
            Route::post("/v1/accounts", ("open_account", "Open an account"), open_one)
                .versioned()
                .takes::<Open>()
                .gives::<AccountShown>(201)
                .refuses(&["already_exists", "not_found", "insufficient_funds"]),
            Route::get("/v1/accounts", ("list_accounts", "List accounts"), list)
                .asks::<AccountStateName>("state", "Only those in this state.")
                .asks::<Text<Asset>>("asset", "Only those that hold this asset.")
                .pages()
                .gives::<Page<AccountShown>>(200),
            Route::get("/v1/accounts/{id}", ("get_account", "Read an account"), get)
                .gives::<AccountShown>(200)
                .refuses(&["not_found"]),
            Route::new(
                (axum::http::Method::PATCH, "/v1/accounts/{id}"),
                crate::caller::WRITE,
                ("change_account", "Change limits and metadata (a merge patch)"),
                change_one,
            )
            .keyed()
            .versioned()
            .takes::<Change>()
            .gives::<AccountShown>(200)
            .refuses(&["not_found", "wrong_state", "expired", "version_mismatch"])
            .refuses(&["insufficient_funds"]),
            Route::post("/v1/accounts/{id}/close", ("close_account", "Close an account"), close)
                .versioned()
                .may_take::<Nothing>()
                .gives::<AccountShown>(200)
                .refuses(&["not_found", "wrong_state", "expired", "not_empty"]),
            Route::post("/v1/accounts/{id}/deposits", ("deposit", "Money comes in"), deposit_one)
                .versioned()
                .takes::<Entry>()
                .gives::<DepositShown>(201)
                .refuses(RECEIVES)
                .refuses(&["already_exists"]),
            Route::post("/v1/accounts/{id}/charges", ("charge", "Money goes out"), charge_one)
                .versioned()
                .takes::<Entry>()
                .gives::<ChargeShown>(201)
                .refuses(SPENDS)
                .refuses(&["already_exists"]),
            Route::post(
                "/v1/accounts/{id}/charges/{charge}/refunds",
                ("refund_charge", "Give a charge back, wholly or in part"),
                refund,
            )
            .versioned()
            .may_take::<Part>()
            .gives::<RefundShown>(201)
            .refuses(&["not_found", "wrong_state", "exceeds_held", "overflow"]),
            Route::get(
                "/v1/accounts/{id}/entries",
                ("list_entries", "What moved money, newest first"),
                entries,
            )
            .asks::<Text<Id>>("reference", "Only those under this reference.")
            .pages()
            .gives::<Page<EntryShown>>(200)
            .refuses(&["not_found", "history_trimmed"]),
            Route::post("/v1/accounts/{id}/holds", ("hold", "Set money aside"), hold_one)
                .versioned()
                .takes::<Hold>()
                .gives::<HoldShown>(201)
                .refuses(SPENDS),
            Route::get("/v1/accounts/{id}/holds", ("list_holds", "List holds"), holds)
                .asks::<HoldStateName>("state", "Only those in this state.")
                .pages()
                .gives::<Page<HoldShown>>(200)
                .refuses(&["not_found"]),
            Route::get("/v1/accounts/{id}/holds/{hold}", ("get_hold", "Read a hold"), get_hold)
                .gives::<HoldShown>(200)
                .refuses(&["not_found"]),
            Route::post(
                "/v1/accounts/{id}/holds/{hold}/capture",
                ("capture_hold", "Charge a hold; what is left of it is freed"),
                capture_one,
            )
            .versioned()
            .may_take::<Part>()
            .gives::<HoldShown>(200)
            .refuses(&[
                "not_found",
                "wrong_state",
                "expired",
                "exceeds_held",
                "overflow",
            ]),
            Route::post(
                "/v1/accounts/{id}/holds/{hold}/release",
                ("release_hold", "Free a hold"),
                release_one,
            )
            .versioned()
            .may_take::<Nothing>()
            .gives::<HoldShown>(200)
            .refuses(&["not_found", "wrong_state", "expired"]),
            Route::post(
                "/v1/transfers",
                ("transfer", "Money goes to another account"),
                transfer_one,
            )
            .versioned()
            .takes::<Transfer>()
            .gives::<TransferShown>(201)
            .refuses(SPENDS)
            .refuses(&["asset_mismatch", "balance_cap_reached"]),
        ],
    )
}

/// A body without members.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

/// The state of an account.
#[derive(JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(dead_code, reason = "only its schema is used")]
enum AccountStateName {
    Open,
    Closed,
    Expired,
}

/// The state of a hold.
#[derive(JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(dead_code, reason = "only its schema is used")]
enum HoldStateName {
    Held,
    Captured,
    Released,
    Expired,
}

/// What may be spent in a calendar period, in UTC.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "SpendCapRequest")]
pub(crate) struct SpendCap {
    amount: Given,
    period: PeriodName,
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "Period")]
enum PeriodName {
    Day,
    Week,
    Month,
}

impl From<PeriodName> for Period {
    fn from(name: PeriodName) -> Self {
        match name {
            PeriodName::Day => Self::Day,
            PeriodName::Week => Self::Week,
            PeriodName::Month => Self::Month,
        }
    }
}

/// An account to open.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "AccountRequest")]
pub(crate) struct Open {
    /// The server makes one where it is absent.
    id: Option<Text<Id>>,
    asset: Text<Asset>,
    /// The lowest that `balance − held` may become: 0 unless said otherwise; below 0 is an
    /// overdraft.
    floor: Option<Signed>,
    /// The highest balance that an incoming move may lead to.
    cap: Option<Given>,
    spend_cap: Option<SpendCap>,
    /// When it expires.
    expires_at: Option<Time>,
    metadata: Option<Pairs>,
}

impl Named for Open {
    fn id(&self) -> Option<&Id> {
        self.id.as_ref().map(|id| &id.0)
    }
}

pub(crate) fn open(book: &Book, id: &Id, body: Open) -> Call<Body> {
    let Open { asset, floor, cap, spend_cap, expires_at, metadata, .. } = body;
    let mut call = book.account(id).open(asset.0);
    if let Some(floor) = floor {
        call = call.floor(floor.0);
    }
    if let Some(cap) = cap {
        call = call.cap(cap.0);
    }
    if let Some(SpendCap { amount, period }) = spend_cap {
        call = call.spend_cap(amount.0, period.into());
    }
    if let Some(at) = expires_at {
        call = call.expires_at(at.0);
    }
    if let Some(pairs) = metadata {
        call = call.metadata(pairs.0);
    }
    call.map(|view| Body::created(move |told| AccountShown::of(view, told)))
}

async fn open_one(cx: Cx) -> Answer {
    cx.create(cx.json()?, open).await
}

async fn list(cx: Cx) -> Answer {
    let mut query = cx.query()?;
    let place = Place::of(&cx, &mut query)?;
    let mut list = cx.book()?.accounts();
    let state = query.one_of("state", ACCOUNT_STATES)?;
    let asset = query.get::<Asset>("asset")?;
    query.end()?;
    // One index leads the way; the other condition is looked at row by row.
    match (state, asset) {
        (Some(state), _) => list = list.state(state),
        (None, Some(asset)) => list = list.asset(asset),
        (None, None) => {}
    }
    let fits = move |found: State, of: Asset| {
        state.is_none_or(|state| state == found) && asset.is_none_or(|asset| asset == of)
    };
    place
        .rows(list, |view, told| fits(view.state, view.asset).then(|| AccountShown::of(view, told)))
        .await
}

async fn get(cx: Cx) -> Answer {
    cx.read(cx.book()?.account(cx.id(0)?).get(), AccountShown::of).await
}

/// What is to change. A member that is absent stays; `null` takes a limit away.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "AccountPatch")]
pub(crate) struct Change {
    floor: Option<Signed>,
    #[serde(default)]
    cap: Patch<Given>,
    #[serde(default)]
    spend_cap: Patch<SpendCap>,
    #[serde(default)]
    expires_at: Patch<Time>,
    /// The names that are there are changed, those that are `null` are taken away, and all others
    /// stay. `null` in its place takes all of them away.
    #[serde(default)]
    metadata: Patch<BTreeMap<String, Option<String>>>,
}

async fn change_one(cx: Cx) -> Answer {
    let body: Change = cx.json()?;
    let mut call = cx.book()?.account(cx.id(0)?).change();
    if let Some(floor) = body.floor {
        call = call.floor(floor.0);
    }
    call = match body.cap {
        Patch::Absent => call,
        Patch::Null => call.no_cap(),
        Patch::Value(cap) => call.cap(cap.0),
    };
    call = match body.spend_cap {
        Patch::Absent => call,
        Patch::Null => call.no_spend_cap(),
        Patch::Value(SpendCap { amount, period }) => call.spend_cap(amount.0, period.into()),
    };
    call = match body.expires_at {
        Patch::Absent => call,
        Patch::Null => call.expires_at(None),
        Patch::Value(at) => call.expires_at(Some(at.0)),
    };
    call = match &body.metadata {
        Patch::Absent => call,
        Patch::Null => call.metadata(Metadata::default()),
        Patch::Value(changes) => {
            let changes = changes.iter();
            call.merge_metadata(changes.map(|(name, value)| (name.as_str(), value.as_deref())))
        }
    };
    let answer = cx.make(call.map(|view| Body::ok(move |told| AccountShown::of(view, told)))).await;
    answer.map_err(|problem| problem.minds("metadata: it would be more than 32 pairs, or 4 KiB"))
}

async fn close(cx: Cx) -> Answer {
    cx.json_or_empty::<Nothing>()?;
    let call = cx.book()?.account(cx.id(0)?).close();
    cx.make(call.map(|view| Body::ok(move |told| AccountShown::of(view, told)))).await
}

/// Money that comes in or goes out.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "EntryRequest")]
pub(crate) struct Entry {
    amount: Given,
    /// The caller's name for it: once for each account and operation, for ever.
    reference: Option<Text<Id>>,
    metadata: Option<Pairs>,
}

macro_rules! entry {
    ($call:expr, $body:expr) => {{
        let (mut call, Entry { reference, metadata, .. }) = ($call, $body);
        if let Some(reference) = reference {
            call = call.reference(reference.0);
        }
        if let Some(pairs) = metadata {
            call = call.metadata(pairs.0);
        }
        call
    }};
}

pub(crate) fn deposit(book: &Book, id: Id, body: Entry) -> Call<Body> {
    let call = entry!(book.account(&id).deposit(body.amount.0), body);
    call.map(|deposit| Body::created(move |told| DepositShown::of(id, deposit, told)))
}

async fn deposit_one(cx: Cx) -> Answer {
    let answer = cx.make(deposit(cx.book()?, cx.id(0)?, cx.json()?)).await;
    answer.map_err(|problem| problem.first(DEPOSIT))
}

pub(crate) fn charge(book: &Book, id: Id, body: Entry) -> Call<Body> {
    let call = entry!(book.account(&id).charge(body.amount.0), body);
    call.map(|charge| Body::created(move |told| ChargeShown::of(id, charge, told)))
}

async fn charge_one(cx: Cx) -> Answer {
    let answer = cx.make(charge(cx.book()?, cx.id(0)?, cx.json()?)).await;
    answer.map_err(|problem| problem.first(CHARGE))
}

/// How much of it; all that is left where it is absent.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "PartRequest")]
pub(crate) struct Part {
    pub(crate) amount: Option<Given>,
}

async fn refund(cx: Cx) -> Answer {
    let (id, charge) = (cx.id(0)?, cx.id(1)?);
    let account = cx.book()?.account(&id);
    let call = match cx.json_or_empty::<Part>()?.amount {
        Some(amount) => account.refund_part(charge, amount.0),
        None => account.refund(charge),
    };
    cx.make(call.map(|refund| Body::created(move |told| RefundShown::of(id, refund, told)))).await
}

async fn entries(cx: Cx) -> Answer {
    let mut query = cx.query()?;
    let place = Place::of(&cx, &mut query)?;
    let reference = query.get::<Id>("reference")?;
    query.end()?;
    let account = cx.book()?.account(cx.id(0)?);
    let seen = account.get().look().await??;
    let mut entries = account.entries();
    if let Some(reference) = reference {
        entries = entries.reference(reference);
    }
    if let Some(after) = place.after() {
        let before = <[u8; 8]>::try_from(after).map_err(|_| Problem::bad_cursor())?;
        entries = entries.before(Position::new(u64::from_be_bytes(before)));
    }
    let mut page = Page { data: Vec::new(), next: None };
    let mut last = None;
    while let Some(entry) = entries.next().await? {
        // A transfer to oneself is two entries at one position, which no cursor parts.
        if page.data.len() >= place.limit() && last != Some(entry.position) {
            page.next = last.map(|last| place.cursor(&last.get().to_be_bytes()));
            break;
        }
        last = Some(entry.position);
        page.data.push(EntryShown::of(entry));
    }
    Ok(Reply::json(200, &page).at(seen.position).version(seen.version))
}

/// Money to set aside.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "HoldRequest")]
pub(crate) struct Hold {
    amount: Given,
    /// After how long it frees itself; never where it is absent.
    #[schemars(range(min = 1))]
    expires_in_seconds: Option<u64>,
}

pub(crate) fn hold(book: &Book, id: Id, body: Hold) -> Call<Body> {
    let mut call = book.account(&id).hold(body.amount.0);
    if let Some(seconds) = body.expires_in_seconds {
        call = call.expires_in_seconds(seconds);
    }
    call.map(|hold| Body::created(move |told| HoldShown::of(id, hold, told)))
}

async fn hold_one(cx: Cx) -> Answer {
    cx.make(hold(cx.book()?, cx.id(0)?, cx.json()?)).await
}

async fn holds(cx: Cx) -> Answer {
    let mut query = cx.query()?;
    let place = Place::of(&cx, &mut query)?;
    let state = query.one_of::<HoldState>("state", HOLD_STATES)?;
    query.end()?;
    let (id, account) = (cx.id(0)?, cx.book()?.account(cx.id(0)?));
    account.get().look().await??;
    place
        .rows(account.holds(), |hold, told| {
            let fits = state.is_none_or(|state| state == hold.state);
            fits.then(|| HoldShown::of(id.clone(), hold, told))
        })
        .await
}

async fn get_hold(cx: Cx) -> Answer {
    let id = cx.id(0)?;
    let read = cx.book()?.account(&id).held(cx.id(1)?).get();
    cx.read(read, |hold, told| HoldShown::of(id, hold, told)).await
}

pub(crate) fn capture(book: &Book, id: Id, hold: Id, body: &Part) -> Call<Body> {
    let held = book.account(&id).held(hold);
    let call = match body.amount {
        Some(amount) => held.capture(amount.0),
        None => held.capture_all(),
    };
    call.map(|hold| Body::ok(move |told| HoldShown::of(id, hold, told)))
}

async fn capture_one(cx: Cx) -> Answer {
    cx.make(capture(cx.book()?, cx.id(0)?, cx.id(1)?, &cx.json_or_empty()?)).await
}

pub(crate) fn release(book: &Book, id: Id, hold: Id) -> Call<Body> {
    let call = book.account(&id).held(hold).release();
    call.map(|hold| Body::ok(move |told| HoldShown::of(id, hold, told)))
}

async fn release_one(cx: Cx) -> Answer {
    cx.json_or_empty::<Nothing>()?;
    cx.make(release(cx.book()?, cx.id(0)?, cx.id(1)?)).await
}

/// Money that goes from one account to another.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "TransferRequest")]
pub(crate) struct Transfer {
    from: Text<Id>,
    to: Text<Id>,
    amount: Given,
    metadata: Option<Pairs>,
}

pub(crate) fn transfer(book: &Book, body: Transfer) -> Call<Body> {
    let Transfer { from: Text(from), to: Text(to), amount, metadata } = body;
    let mut call = book.account(&from).transfer(&to, amount.0);
    if let Some(pairs) = metadata {
        call = call.metadata(pairs.0);
    }
    call.map(|transfer| Body::created(move |told| TransferShown::of(from, to, transfer, told)))
}

async fn transfer_one(cx: Cx) -> Answer {
    cx.make(transfer(cx.book()?, cx.json()?)).await
}
