//! Tickets and their tokens: things that exist once and are claimed once.

use quipu_ledger::call::Seen;
use quipu_ledger::ticket::{Issuing, REASON_BYTES_MAX, View};
use quipu_ledger::token::{Token, View as TokenView};
use quipu_ledger::words::{Asset, Id};
use quipu_ledger::{Book, Call, Done, Outcome};
use schemars::JsonSchema;
use serde::Deserialize;

use super::Named;
use crate::caller::ADMIN;
use crate::list::{Page, Place};
use crate::problem::Problem;
use crate::reply::{Headers, Reply};
use crate::request::Cx;
use crate::route::{Answer, Route, group};
use crate::shown::{
    Body, ClaimShown, EvidenceShown, IssuedShown, SourceShown, TICKET_STATES, TicketShown,
    TokenShown, Told,
};
use crate::wire::{Given, Many, Pairs, Text, Time};

/// How many tickets a batch has at most.
const BATCH_MAX: usize = 10_000;
/// How many bytes a batch has at most.
const BATCH_BYTES_MAX: usize = 8 << 20;
/// How much evidence a ticket shows at most.
const EVIDENCE_MAX: usize = 1_000;

pub(super) fn routes() -> Vec<Route> {
    group(
        "Tickets and tokens",
        [
            Route::post("/v1/tickets", ("issue_ticket", "Issue a ticket"), issue_one)
                .versioned()
                .takes::<Issue>()
                .gives::<TicketShown>(201)
                .refuses(&["already_exists", "not_found"]),
            Route::get("/v1/tickets", ("list_tickets", "List tickets"), list)
                .asks::<TicketStateName>("state", "Only those in this state.")
                .pages()
                .gives::<Page<TicketShown>>(200),
            Route::post(
                "/v1/tickets/batch",
                ("issue_tickets", "Issue many tickets, all or none; those that exist stay"),
                issue_many,
            )
            .takes::<Batch>()
            .body_max(BATCH_BYTES_MAX)
            .gives::<IssuedShown>(201),
            Route::get("/v1/tickets/{id}", ("get_ticket", "Read a ticket"), get)
                .gives::<TicketShown>(200)
                .refuses(&["not_found"]),
            Route::post(
                "/v1/tickets/{id}/claims",
                ("claim_ticket", "Claim a ticket: it is claimed once"),
                claim_one,
            )
            .versioned()
            .takes::<Claim>()
            .gives::<ClaimShown>(201)
            .gives::<ClaimShown>(200)
            .refuses(&["not_found", "revoked", "already_claimed", "expired"]),
            Route::post(
                "/v1/tickets/{id}/revoke",
                ("revoke_ticket", "Take a ticket back, and its token; the first one counts"),
                revoke_one,
            )
            .needs(ADMIN)
            .versioned()
            .takes::<Revocation>()
            .gives::<TicketShown>(200)
            .refuses(&["not_found"]),
            Route::get("/v1/tokens/{token}", ("get_token", "What a token says"), get_token)
                .gives::<TokenShown>(200)
                .refuses(&["not_found"]),
            Route::post(
                "/v1/tokens/{token}/revoke",
                ("revoke_token", "Take a token back, and its ticket; the first one counts"),
                revoke_by_token,
            )
            .needs(ADMIN)
            .versioned()
            .may_take::<TokenRevocation>()
            .gives::<TokenShown>(200)
            .refuses(&["not_found"]),
            Route::get("/v1/sources/{source}", ("get_source", "How far a source was read"), source)
                .gives::<SourceShown>(200)
                .refuses(&["not_found"]),
        ],
    )
}

/// The state of a ticket.
#[derive(JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(dead_code, reason = "only its schema is used")]
enum TicketStateName {
    Unclaimed,
    Claimed,
    Revoked,
    Expired,
}

/// A ticket to issue.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "TicketRequest")]
pub(crate) struct Issue {
    /// The server makes one where it is absent.
    id: Option<Text<Id>>,
    /// What the amount is an amount of.
    asset: Option<Text<Asset>>,
    /// What it is worth. It posts nothing.
    amount: Option<Given>,
    /// What led to it, such as a payment.
    reference: Option<Text<Id>>,
    /// From when on it can no longer be claimed.
    expires_at: Option<Time>,
    metadata: Option<Pairs>,
}

impl Named for Issue {
    fn id(&self) -> Option<&Id> {
        self.id.as_ref().map(|id| &id.0)
    }
}

fn issued(book: &Book, id: &Id, body: Issue) -> Call<View, Issuing> {
    let Issue { asset, amount, reference, expires_at, metadata, .. } = body;
    let mut call = book.ticket(id).issue();
    if let Some(asset) = asset {
        call = call.asset(asset.0);
    }
    if let Some(amount) = amount {
        call = call.worth(amount.0);
    }
    if let Some(reference) = reference {
        call = call.reference(reference.0);
    }
    if let Some(at) = expires_at {
        call = call.expires_at(at.0);
    }
    if let Some(pairs) = metadata {
        call = call.metadata(pairs.0);
    }
    call
}

pub(crate) fn issue(book: &Book, id: &Id, body: Issue) -> Call<Body> {
    let show = |view| Body::created(move |told| TicketShown::of(view, Some(Vec::new()), told));
    issued(book, id, body).map(show)
}

async fn issue_one(cx: Cx) -> Answer {
    cx.create(cx.json()?, issue).await
}

/// A ticket of a batch: what comes again under its id stays as it is.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "BatchTicketRequest")]
struct Listed {
    id: Text<Id>,
    /// What the amount is an amount of.
    asset: Option<Text<Asset>>,
    /// What it is worth. It posts nothing.
    amount: Option<Given>,
    /// What led to it. One that the ticket does not know is kept as evidence.
    reference: Option<Text<Id>>,
    /// From when on it can no longer be claimed.
    expires_at: Option<Time>,
    metadata: Option<Pairs>,
}

/// Tickets that are issued together.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "TicketBatchRequest")]
struct Batch {
    /// What they were read from; with a cursor.
    source: Option<Text<Id>>,
    /// How far it was read. It is kept with the tickets, and never runs back.
    cursor: Option<u64>,
    tickets: Many<Listed, BATCH_MAX>,
}

async fn issue_many(cx: Cx) -> Answer {
    if cx.said.if_match()?.is_some() {
        return Err(Problem::malformed("If-Match: a batch has no version"));
    }
    let Batch { source, cursor, tickets } = cx.json()?;
    let book = cx.book()?;
    let mut issues = book.issue().all(tickets.0.into_iter().map(|ticket| {
        let Listed { id, asset, amount, reference, expires_at, metadata } = ticket;
        issued(book, &id.0, Issue { id: None, asset, amount, reference, expires_at, metadata })
    }));
    match (source, cursor) {
        (Some(source), Some(cursor)) => issues = issues.source(source.0, cursor),
        (None, None) => {}
        (Some(_), None) => return Err(Problem::malformed("cursor: a source comes with one")),
        (None, Some(_)) => return Err(Problem::malformed("source: a cursor is one of a source")),
    }
    if let Some(key) = cx.said.key()? {
        issues = issues.key(key);
    }
    if let Some(trace) = cx.said.trace() {
        issues = issues.trace(trace);
    }
    match issues.await? {
        Outcome::Refused(refused) => Err(refused.into()),
        Outcome::Done(done) => {
            let Done { value, position, at, version, replayed, .. } = done;
            let shown = IssuedShown::of(value, &Told { position, at, version });
            let headers = Headers { position: Some(position), replayed, ..Headers::default() };
            Ok(Reply { headers, ..Reply::json(201, &shown) })
        }
    }
}

async fn list(cx: Cx) -> Answer {
    let mut query = cx.query()?;
    let place = Place::of(&cx, &mut query)?;
    let mut list = cx.book()?.tickets();
    if let Some(state) = query.one_of("state", TICKET_STATES)? {
        list = list.state(state);
    }
    query.end()?;
    place.rows(list, |view, told| Some(TicketShown::of(view, None, told))).await
}

async fn get(cx: Cx) -> Answer {
    let ticket = cx.book()?.ticket(cx.id(0)?);
    let Seen { value, version, at, position } = ticket.get().look().await??;
    let mut evidence = Vec::new();
    if value.evidence > 0 {
        let mut kept = ticket.evidence();
        while evidence.len() < EVIDENCE_MAX {
            let Some(seen) = kept.next().await? else { break };
            // What was kept since then belongs to a later version.
            if seen.value.position <= version {
                evidence.push(seen.value);
            }
        }
        evidence.sort_unstable_by_key(|evidence| evidence.position);
    }
    let evidence = evidence.into_iter().map(EvidenceShown::of).collect();
    let told = Told { position, at, version };
    let shown = TicketShown::of(value, Some(evidence), &told);
    Ok(Reply::json(200, &shown).at(position).version(version))
}

/// Who claims.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "TicketClaimRequest")]
pub(crate) struct Claim {
    claimant: Text<Id>,
}

pub(crate) fn claim(book: &Book, id: &Id, body: Claim) -> Call<Body> {
    let call = book.ticket(id).claim(body.claimant.0);
    call.map(|claim| Body::once(move |_| ClaimShown::of(claim)))
}

async fn claim_one(cx: Cx) -> Answer {
    cx.make(claim(cx.book()?, &cx.id(0)?, cx.json()?)).await
}

/// Why it is taken back.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "RevocationRequest")]
struct Revocation {
    #[schemars(length(max = REASON_BYTES_MAX))]
    reason: String,
}

async fn revoke_one(cx: Cx) -> Answer {
    let Revocation { reason } = cx.json()?;
    let call = cx.book()?.ticket(cx.id(0)?).revoke(reason);
    cx.make(call.map(|view| Body::ok(move |told| TicketShown::of(view, None, told)))).await
}

/// What a token that nobody has is answered with: the same for all of them.
fn unknown(cx: &Cx) -> Problem {
    Problem::not_found("no such token is known here").at(cx.durable())
}

/// The token in the path. A problem does not show it.
fn token(cx: &Cx) -> Result<Token, Problem> {
    Ok(cx.place(0).parse()?)
}

async fn get_token(cx: Cx) -> Answer {
    let seen = cx.book()?.introspect(token(&cx)?).await?;
    let Seen { value, version, at, position } = seen.ok_or_else(|| unknown(&cx))?;
    let shown = TokenShown::of(value, &Told { position, at, version });
    Ok(Reply::json(200, &shown).at(position).version(version))
}

/// Why it is taken back, where there is a reason to tell.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "TokenRevocationRequest")]
struct TokenRevocation {
    #[serde(default)]
    #[schemars(length(max = REASON_BYTES_MAX))]
    reason: String,
}

async fn revoke_by_token(cx: Cx) -> Answer {
    let TokenRevocation { reason } = cx.json_or_empty()?;
    let book = cx.book()?;
    // A token is that of one ticket for ever.
    let seen = book.introspect(token(&cx)?).await?.ok_or_else(|| unknown(&cx))?;
    let call = book.ticket(seen.value.ticket).revoke(reason).map(|view| {
        let view = TokenView::of(view).expect("it has a token, so it was claimed");
        Body::ok(move |told| TokenShown::of(view, told))
    });
    cx.make(call).await
}

async fn source(cx: Cx) -> Answer {
    cx.read(cx.book()?.source(cx.id(0)?).get(), SourceShown::of).await
}
