//! Flows, as they are shown.

use quipu_ledger::flow::{Moved, State, View};
use quipu_ledger::words::{Amount, Asset, Id};
use schemars::JsonSchema;
use serde::Serialize;

use super::Told;
use crate::wire::{Pairs, Text, Time};

/// A total that accrues over time. `withdrawn ≤ settled ≤ accrued ≤ total`.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Flow")]
pub(crate) struct FlowShown {
    id: Text<Id>,
    /// Always `flow`.
    kind: &'static str,
    /// `draft`, `active`, `paused`, `ended` or `cancelled`.
    state: &'static str,
    asset: Text<Asset>,
    total: Text<Amount>,
    /// What has accrued as of this answer.
    accrued: Text<Amount>,
    settled: Text<Amount>,
    withdrawn: Text<Amount>,
    /// `settled − withdrawn`.
    withdrawable: Text<Amount>,
    /// What went back when it was stopped or cancelled.
    refunded: Text<Amount>,
    duration_seconds: u64,
    cliff_seconds: u64,
    start_at: Option<Time>,
    /// When all will have accrued, or has; while it is paused, as if it were resumed now.
    end_at: Option<Time>,
    /// The account that funds it; outside where there is none.
    payer: Option<Text<Id>>,
    /// The account that withdrawals go to; outside where there is none.
    recipient: Option<Text<Id>>,
    version: u64,
    created_at: Time,
    updated_at: Time,
    metadata: Pairs,
}

/// The states of a flow, by their names.
pub(crate) const STATES: &[(&str, State)] = &[
    ("draft", State::Draft),
    ("active", State::Active),
    ("paused", State::Paused),
    ("ended", State::Ended),
    ("cancelled", State::Cancelled),
];

impl FlowShown {
    pub(crate) fn of(view: View, told: &Told) -> Self {
        Self {
            id: Text(view.id),
            kind: "flow",
            state: view.state.as_str(),
            asset: Text(view.asset),
            total: Text(view.total),
            accrued: Text(view.accrued),
            settled: Text(view.settled),
            withdrawn: Text(view.withdrawn),
            withdrawable: Text(view.withdrawable),
            refunded: Text(view.refunded),
            duration_seconds: view.duration_ms / 1_000,
            cliff_seconds: view.cliff_ms / 1_000,
            start_at: view.start_at.map(Time),
            end_at: view.end_at.map(Time),
            payer: view.payer.map(Text),
            recipient: view.recipient.map(Text),
            version: told.version.get(),
            created_at: Time(view.created_at),
            updated_at: Time(view.updated_at),
            metadata: Pairs(view.metadata),
        }
    }
}

/// What was settled or withdrawn, and the flow behind it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "FlowMove")]
pub(crate) struct MovedShown {
    id: Text<Id>,
    flow: Text<Id>,
    /// How much it was.
    amount: Text<Amount>,
    asset: Text<Asset>,
    state: &'static str,
    accrued: Text<Amount>,
    settled: Text<Amount>,
    withdrawn: Text<Amount>,
    withdrawable: Text<Amount>,
    position: u64,
    at: Time,
    version: u64,
}

impl MovedShown {
    /// The letter says what it was.
    pub(crate) fn of(letter: char, moved: Moved, told: &Told) -> Self {
        let Moved { amount, flow } = moved;
        Self {
            id: Text(Id::made(letter, told.position)),
            flow: Text(flow.id),
            amount: Text(amount),
            asset: Text(flow.asset),
            state: flow.state.as_str(),
            accrued: Text(flow.accrued),
            settled: Text(flow.settled),
            withdrawn: Text(flow.withdrawn),
            withdrawable: Text(flow.withdrawable),
            position: told.position.get(),
            at: Time(told.at),
            version: told.version.get(),
        }
    }
}
