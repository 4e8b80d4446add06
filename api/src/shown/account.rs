//! Accounts and what happens to them, as they are shown.

use quipu_ledger::account::{
    Charge, Deposit, EntryView, HoldState, HoldView, Refund, State, Transfer, View, Withdrawal,
    WithdrawalState,
};
use quipu_ledger::words::{Amount, Asset, Id, Period, Signed};
use schemars::JsonSchema;
use serde::Serialize;

use super::Told;
use crate::wire::{Pairs, Text, Time};

/// An account.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Account")]
pub(crate) struct AccountShown {
    id: Text<Id>,
    /// Always `account`.
    kind: &'static str,
    asset: Text<Asset>,
    /// `open`, `closed` or `expired`.
    state: &'static str,
    /// What is in it, held money included.
    balance: Text<Signed>,
    /// What holds and unfinished withdrawals have set aside.
    held: Text<Amount>,
    /// `balance − held − floor`: what may go out.
    available: Text<Signed>,
    /// The lowest that `balance − held` may become.
    floor: Text<Signed>,
    /// The highest balance that an incoming move may lead to.
    cap: Option<Text<Amount>>,
    /// What may be spent in a period, and what was.
    spend_cap: Option<SpendCapShown>,
    /// All that ever came in.
    total_in: Text<Amount>,
    /// All that ever went out.
    total_out: Text<Amount>,
    /// Holds that are open.
    holds: u64,
    /// Withdrawals that are not finished.
    withdrawals: u64,
    /// Flows that may still owe it money.
    flows: u64,
    /// When it expires.
    expires_at: Option<Time>,
    version: u64,
    created_at: Time,
    updated_at: Time,
    metadata: Pairs,
}

/// What may be spent in a period, and what was.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "SpendCap")]
pub(crate) struct SpendCapShown {
    amount: Text<Amount>,
    /// `day`, `week` or `month`, in UTC.
    period: &'static str,
    /// What was spent in this period.
    spent: Text<Amount>,
    /// What is left of it.
    left: Text<Amount>,
}

impl AccountShown {
    pub(crate) fn of(view: View, told: &Told) -> Self {
        Self {
            id: Text(view.id),
            kind: "account",
            asset: Text(view.asset),
            state: state_name(view.state),
            balance: Text(view.balance),
            held: Text(view.held),
            available: Text(view.available),
            floor: Text(view.floor),
            cap: view.cap.map(Text),
            spend_cap: view.spending.map(|spending| SpendCapShown {
                amount: Text(spending.cap.amount),
                period: match spending.cap.period {
                    Period::Day => "day",
                    Period::Week => "week",
                    Period::Month => "month",
                },
                spent: Text(spending.spent),
                left: Text(spending.left),
            }),
            total_in: Text(view.total_in),
            total_out: Text(view.total_out),
            holds: view.holds,
            withdrawals: view.withdrawals,
            flows: view.flows,
            expires_at: view.expires_at.map(Time),
            version: told.version.get(),
            created_at: Time(view.created_at),
            updated_at: Time(view.updated_at),
            metadata: Pairs(view.metadata),
        }
    }
}

/// The states of an account, by their names.
pub(crate) const ACCOUNT_STATES: &[(&str, State)] =
    &[("open", State::Open), ("closed", State::Closed), ("expired", State::Expired)];

fn state_name(state: State) -> &'static str {
    match state {
        State::Open => "open",
        State::Closed => "closed",
        State::Expired => "expired",
    }
}

/// Money that came in.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Deposit")]
pub(crate) struct DepositShown {
    id: Text<Id>,
    account: Text<Id>,
    amount: Text<Amount>,
    /// The balance behind it.
    balance_after: Text<Signed>,
    reference: Option<Text<Id>>,
    metadata: Pairs,
    position: u64,
    at: Time,
    version: u64,
}

/// The letter that the ids of deposits begin with.
pub(crate) const DEPOSIT: char = 'd';
/// The letter that the ids of charges begin with.
pub(crate) const CHARGE: char = 'c';
/// The letter that the ids of transfers begin with.
pub(crate) const TRANSFER: char = 't';
/// The letter that the ids of refunds begin with.
const REFUND: char = 'r';

impl DepositShown {
    pub(crate) fn of(account: Id, deposit: Deposit, told: &Told) -> Self {
        Self {
            id: Text(Id::made(DEPOSIT, told.position)),
            account: Text(account),
            amount: Text(deposit.amount),
            balance_after: Text(deposit.balance_after),
            reference: deposit.reference.map(Text),
            metadata: Pairs(deposit.metadata),
            position: told.position.get(),
            at: Time(told.at),
            version: told.version.get(),
        }
    }
}

/// Money that went out.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Charge")]
pub(crate) struct ChargeShown {
    id: Text<Id>,
    account: Text<Id>,
    amount: Text<Amount>,
    /// The balance behind it.
    balance_after: Text<Signed>,
    reference: Option<Text<Id>>,
    metadata: Pairs,
    position: u64,
    at: Time,
    version: u64,
}

impl ChargeShown {
    pub(crate) fn of(account: Id, charge: Charge, told: &Told) -> Self {
        Self {
            id: Text(charge.id),
            account: Text(account),
            amount: Text(charge.amount),
            balance_after: Text(charge.balance_after),
            reference: charge.reference.map(Text),
            metadata: Pairs(charge.metadata),
            position: told.position.get(),
            at: Time(told.at),
            version: told.version.get(),
        }
    }
}

/// A charge that was given back, wholly or in part.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Refund")]
pub(crate) struct RefundShown {
    id: Text<Id>,
    account: Text<Id>,
    /// Which charge.
    charge: Text<Id>,
    amount: Text<Amount>,
    /// The balance behind it.
    balance_after: Text<Signed>,
    position: u64,
    at: Time,
    version: u64,
}

impl RefundShown {
    pub(crate) fn of(account: Id, refund: Refund, told: &Told) -> Self {
        Self {
            id: Text(Id::made(REFUND, told.position)),
            account: Text(account),
            charge: Text(refund.charge),
            amount: Text(refund.amount),
            balance_after: Text(refund.balance_after),
            position: told.position.get(),
            at: Time(told.at),
            version: told.version.get(),
        }
    }
}

/// Money that went from one account to another.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Transfer")]
pub(crate) struct TransferShown {
    id: Text<Id>,
    from: Text<Id>,
    to: Text<Id>,
    amount: Text<Amount>,
    from_balance_after: Text<Signed>,
    to_balance_after: Text<Signed>,
    position: u64,
    at: Time,
    version: u64,
}

impl TransferShown {
    pub(crate) fn of(from: Id, to: Id, transfer: Transfer, told: &Told) -> Self {
        Self {
            id: Text(Id::made(TRANSFER, told.position)),
            from: Text(from),
            to: Text(to),
            amount: Text(transfer.amount),
            from_balance_after: Text(transfer.from_balance_after),
            to_balance_after: Text(transfer.to_balance_after),
            position: told.position.get(),
            at: Time(told.at),
            version: told.version.get(),
        }
    }
}

/// What moved money of an account.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Entry")]
pub(crate) struct EntryShown {
    position: u64,
    /// Such as `deposit`, `charge` or `transfer_out`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// Below zero where it went out.
    amount: Text<Signed>,
    /// The balance behind it.
    balance_after: Text<Signed>,
    at: Time,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<Text<Id>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Pairs>,
}

impl EntryShown {
    pub(crate) fn of(entry: EntryView) -> Self {
        Self {
            position: entry.position.get(),
            kind: entry.entry_type.as_str(),
            amount: Text(entry.amount),
            balance_after: Text(entry.balance_after),
            at: Time(entry.at),
            reference: entry.reference.map(Text),
            metadata: Some(entry.metadata).filter(|pairs| !pairs.is_empty()).map(Pairs),
        }
    }
}

/// Money that is set aside.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Hold")]
pub(crate) struct HoldShown {
    id: Text<Id>,
    account: Text<Id>,
    amount: Text<Amount>,
    /// `held`, `captured`, `released` or `expired`.
    state: &'static str,
    /// What was charged of it.
    captured: Text<Amount>,
    expires_at: Option<Time>,
    position: u64,
    at: Time,
    /// The version of the account.
    version: u64,
}

/// The states of a hold, by their names.
pub(crate) const HOLD_STATES: &[(&str, HoldState)] = &[
    ("held", HoldState::Held),
    ("captured", HoldState::Captured),
    ("released", HoldState::Released),
    ("expired", HoldState::Expired),
];

impl HoldShown {
    pub(crate) fn of(account: Id, hold: HoldView, told: &Told) -> Self {
        Self {
            id: Text(hold.id),
            account: Text(account),
            amount: Text(hold.amount),
            state: match hold.state {
                HoldState::Held => "held",
                HoldState::Captured => "captured",
                HoldState::Released => "released",
                HoldState::Expired => "expired",
            },
            captured: Text(hold.captured),
            expires_at: hold.expires_at.map(Time),
            position: told.position.get(),
            at: Time(told.at),
            version: told.version.get(),
        }
    }
}

/// A payout.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Withdrawal")]
pub(crate) struct WithdrawalShown {
    id: Text<Id>,
    account: Text<Id>,
    /// `pending`, `dispatched`, `completed`, `failed` or `unknown`.
    state: &'static str,
    amount: Text<Amount>,
    destination: String,
    /// How often it was tried in vain.
    attempts: u32,
    /// Who has it, or had it last.
    worker: Option<Text<Id>>,
    /// The newest fence; absent before the first lease.
    fence: Option<u64>,
    /// How long the worker has it.
    lease_until: Option<Time>,
    /// What went wrong last.
    error: Option<String>,
    /// The provider's name for it.
    reference: Option<Text<Id>>,
    /// What only its worker is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
    position: u64,
    at: Time,
    /// The version of the account.
    version: u64,
}

/// The states of a withdrawal, by their names.
pub(crate) const WITHDRAWAL_STATES: &[(&str, WithdrawalState)] = &[
    ("pending", WithdrawalState::Pending),
    ("dispatched", WithdrawalState::Dispatched),
    ("completed", WithdrawalState::Completed),
    ("failed", WithdrawalState::Failed),
    ("unknown", WithdrawalState::Unknown),
];

impl WithdrawalShown {
    pub(crate) fn of(withdrawal: Withdrawal, told: &Told) -> Self {
        Self {
            id: Text(withdrawal.id),
            account: Text(withdrawal.account),
            state: match withdrawal.state {
                WithdrawalState::Pending => "pending",
                WithdrawalState::Dispatched => "dispatched",
                WithdrawalState::Completed => "completed",
                WithdrawalState::Failed => "failed",
                WithdrawalState::Unknown => "unknown",
            },
            amount: Text(withdrawal.amount),
            destination: withdrawal.destination,
            attempts: withdrawal.attempts,
            worker: withdrawal.worker.map(Text),
            fence: Some(withdrawal.fence.get()).filter(|fence| *fence > 0),
            lease_until: withdrawal.lease_until.map(Time),
            error: withdrawal.error,
            reference: withdrawal.reference.map(Text),
            secret: None,
            position: told.position.get(),
            at: Time(told.at),
            version: told.version.get(),
        }
    }

    /// With what only its worker is told.
    pub(crate) fn with_secret(self, secret: Option<String>) -> Self {
        Self { secret, ..self }
    }
}
