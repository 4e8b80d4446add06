//! Tickets, their claims and their tokens, as they are shown.

use quipu_ledger::source::View as Source;
use quipu_ledger::ticket::{Claim, Evidence, Issued, State, View};
use quipu_ledger::token::View as TokenView;
use quipu_ledger::words::{Amount, Asset, Id};
use schemars::JsonSchema;
use serde::Serialize;

use super::Told;
use crate::wire::{Pairs, Text, Time};

/// A thing that exists once.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Ticket")]
pub(crate) struct TicketShown {
    id: Text<Id>,
    /// Always `ticket`.
    kind: &'static str,
    /// `unclaimed`, `claimed`, `revoked` or `expired`.
    state: &'static str,
    asset: Option<Text<Asset>>,
    amount: Option<Text<Amount>>,
    reference: Option<Text<Id>>,
    /// How many other references came for it.
    evidence_count: u64,
    /// Other references that came for it, oldest first. Only where the ticket is read by its id,
    /// and at most the 1,000 that come first in the order of their names.
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence: Option<Vec<EvidenceShown>>,
    claimant: Option<Text<Id>>,
    claimed_at: Option<Time>,
    revoked_at: Option<Time>,
    /// Why it was revoked.
    reason: Option<String>,
    expires_at: Option<Time>,
    version: u64,
    created_at: Time,
    updated_at: Time,
    metadata: Pairs,
}

/// A reference that came for a ticket which had another one.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Evidence")]
pub(crate) struct EvidenceShown {
    reference: Text<Id>,
    position: u64,
    at: Time,
}

/// The states of a ticket, by their names.
pub(crate) const STATES: &[(&str, State)] = &[
    ("unclaimed", State::Unclaimed),
    ("claimed", State::Claimed),
    ("revoked", State::Revoked),
    ("expired", State::Expired),
];

impl EvidenceShown {
    pub(crate) fn of(evidence: Evidence) -> Self {
        let Evidence { reference, at, position } = evidence;
        Self { reference: Text(reference), position: position.get(), at: Time(at) }
    }
}

impl TicketShown {
    pub(crate) fn of(view: View, evidence: Option<Vec<EvidenceShown>>, told: &Told) -> Self {
        let (claimant, claimed_at) = match view.claim {
            Some(claim) => (Some(Text(claim.claimant)), Some(Time(claim.at))),
            None => (None, None),
        };
        Self {
            id: Text(view.id),
            kind: "ticket",
            state: match view.state {
                State::Unclaimed => "unclaimed",
                State::Claimed => "claimed",
                State::Revoked => "revoked",
                State::Expired => "expired",
            },
            asset: view.asset.map(Text),
            amount: view.amount.map(Text),
            reference: view.reference.map(Text),
            evidence_count: view.evidence,
            evidence,
            claimant,
            claimed_at,
            revoked_at: view.revoked_at.map(Time),
            reason: view.reason,
            expires_at: view.expires_at.map(Time),
            version: told.version.get(),
            created_at: Time(view.created_at),
            updated_at: Time(view.updated_at),
            metadata: Pairs(view.metadata),
        }
    }
}

/// A claim, as its claimant is told of it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TicketClaim")]
pub(crate) struct ClaimShown {
    ticket: Text<Id>,
    claimant: Text<Id>,
    /// What proves the claim. Only its claimant is told.
    token: String,
    amount: Option<Text<Amount>>,
    asset: Option<Text<Asset>>,
    claimed_at: Time,
    position: u64,
    at: Time,
    version: u64,
}

impl ClaimShown {
    /// It says what it said when it was made, whatever happened to the ticket since.
    pub(crate) fn of(claim: Claim) -> Self {
        Self {
            ticket: Text(claim.ticket),
            claimant: Text(claim.claimant),
            token: claim.token.to_string(),
            amount: claim.amount.map(Text),
            asset: claim.asset.map(Text),
            claimed_at: Time(claim.claimed_at),
            position: claim.position.get(),
            at: Time(claim.claimed_at),
            version: claim.position.get(),
        }
    }
}

/// What a token says.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Token")]
pub(crate) struct TokenShown {
    /// Whether the claim stands.
    active: bool,
    ticket: Text<Id>,
    amount: Option<Text<Amount>>,
    asset: Option<Text<Asset>>,
    claimed_at: Time,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// The version of the ticket.
    version: u64,
}

impl TokenShown {
    pub(crate) fn of(view: TokenView, told: &Told) -> Self {
        Self {
            active: view.active,
            ticket: Text(view.ticket),
            amount: view.amount.map(Text),
            asset: view.asset.map(Text),
            claimed_at: Time(view.claimed_at),
            revoked_at: view.revoked_at.map(Time),
            reason: view.reason,
            version: told.version.get(),
        }
    }
}

/// What a batch of tickets did.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Issued")]
pub(crate) struct IssuedShown {
    /// Tickets that are new.
    issued: u64,
    /// Tickets that were there already and stay as they are.
    existing: u64,
    position: u64,
    at: Time,
}

impl IssuedShown {
    pub(crate) fn of(issued: Issued, told: &Told) -> Self {
        let Issued { issued, existing } = issued;
        Self { issued, existing, position: told.position.get(), at: Time(told.at) }
    }
}

/// How far a reader of something outside has come.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Source")]
pub(crate) struct SourceShown {
    source: Text<Id>,
    cursor: u64,
    version: u64,
    updated_at: Time,
}

impl SourceShown {
    pub(crate) fn of(view: Source, told: &Told) -> Self {
        Self {
            source: Text(view.id),
            cursor: view.cursor,
            version: told.version.get(),
            updated_at: Time(view.updated_at),
        }
    }
}
