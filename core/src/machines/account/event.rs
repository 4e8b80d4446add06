//! What happens to an account.
//!
//! Money that moves says what the balance was behind it, so that a list of entries chains.
//! The two halves of a transfer do not name each other: they are parts of one event, and
//! the other part's stream is the other account.

use rkyv::{Archive, Deserialize, Serialize};

use super::SpendCap;
use crate::records;
use crate::words::{Amount, Asset, Id, Metadata, Position, Signed, Timestamp};

records! {
    /// What happened to an account.
    pub enum Event {
        /// It was created.
        Opened = (1, 1),
        /// Limits or metadata changed.
        Changed = (2, 1),
        /// It was closed by a command.
        Closed = (3, 1),
        /// It was closed by time.
        Expired = (4, 1),
        /// Money came in from outside.
        Deposited = (5, 1),
        /// Money went out.
        Charged = (6, 1),
        /// A charge was given back, wholly or in part.
        Refunded = (7, 1),
        /// Money was set aside.
        HoldPlaced = (8, 1),
        /// A hold was charged; what was over was freed.
        HoldCaptured = (9, 1),
        /// A hold was freed.
        HoldReleased = (10, 1),
        /// Time freed a hold.
        HoldExpired = (11, 1),
        /// A payout was planned.
        WithdrawalPlanned = (12, 1),
        /// A worker took a withdrawal on itself; the event's position is the fence.
        WithdrawalLeased = (13, 1),
        /// A payout happened.
        WithdrawalCompleted = (14, 1),
        /// A payout did not happen; the money is back.
        WithdrawalFailed = (15, 1),
        /// A payout did not happen yet; somebody may try again.
        WithdrawalRetried = (16, 1),
        /// A worker does not know whether the payout happened.
        WithdrawalUnknown = (17, 1),
        /// A lease ran out; nobody knows whether the payout happened.
        LeaseExpired = (18, 1),
        /// Somebody looked up whether a payout happened.
        WithdrawalReconciled = (19, 1),
        /// Money was given to another account.
        Sent = (20, 1),
        /// Money came from another account.
        Received = (21, 1),
        /// Money was given to a new flow.
        FlowFunded = (22, 1),
        /// More money was given to a flow.
        FlowRaised = (23, 1),
        /// Money came back from a flow, or the flow ended, or both.
        FlowRecovered = (24, 1),
        /// A sale was undone: money went back to the buyer.
        GaveBack = (25, 1),
        /// A purchase was undone: money came back from the seller.
        TookBack = (26, 1),
        /// A purchase was undone: money came back from outside.
        Restored = (27, 1),
        /// Money went out for what only its other legs can undo.
        Spent = (28, 1),
        /// A withdrawal came unfinished out of a backup; nobody knows what became of it there.
        WithdrawalInherited = (29, 1),
    }
}

/// It was created.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Opened {
    /// What it holds.
    pub asset: Asset,
    /// Its floor.
    pub floor: Signed,
    /// Its cap.
    pub cap: Option<Amount>,
    /// Its spend cap.
    pub spend_cap: Option<SpendCap>,
    /// When it closes by itself, once it is empty.
    pub expires_at: Option<Timestamp>,
    /// Its metadata; absent where there is none.
    pub metadata: Option<Metadata>,
}

/// Limits or metadata changed. What is `None` stayed as it was.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Changed {
    /// The new floor.
    pub floor: Option<Signed>,
    /// The new cap, or none any more.
    pub cap: Option<Option<Amount>>,
    /// The new spend cap, or none any more.
    pub spend_cap: Option<Option<SpendCap>>,
    /// The new end, or none any more.
    pub expires_at: Option<Option<Timestamp>>,
    /// The new metadata, which may be empty.
    pub metadata: Option<Metadata>,
}

/// It was closed by a command.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Closed {}

/// It was closed by time.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Expired {}

/// Money came in from outside.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Deposited {
    /// How much.
    pub amount: Amount,
    /// The balance behind it.
    pub balance_after: Signed,
    /// The caller's name for it.
    pub reference: Option<Id>,
    /// What the caller hangs on it; absent where there is none.
    pub metadata: Option<Metadata>,
}

/// Money went out.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Charged {
    /// How much.
    pub amount: Amount,
    /// The balance behind it.
    pub balance_after: Signed,
    /// The caller's name for it.
    pub reference: Option<Id>,
    /// What the caller hangs on it; absent where there is none.
    pub metadata: Option<Metadata>,
}

/// A charge was given back, wholly or in part.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Refunded {
    /// Which charge.
    pub charge: Position,
    /// How much.
    pub amount: Amount,
    /// The balance behind it.
    pub balance_after: Signed,
}

/// Money was set aside.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct HoldPlaced {
    /// How much.
    pub amount: Amount,
    /// Until when; for ever where absent.
    pub expires_at: Option<Timestamp>,
}

/// A hold was charged; what was over was freed.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct HoldCaptured {
    /// Which hold.
    pub hold: Position,
    /// How much was charged.
    pub amount: Amount,
    /// The balance behind it.
    pub balance_after: Signed,
}

/// A hold was freed.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct HoldReleased {
    /// Which hold.
    pub hold: Position,
    /// How much.
    pub amount: Amount,
}

/// Time freed a hold.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct HoldExpired {
    /// Which hold.
    pub hold: Position,
    /// How much.
    pub amount: Amount,
}

/// A payout was planned.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct WithdrawalPlanned {
    /// How much.
    pub amount: Amount,
    /// Where to.
    pub destination: String,
    /// What the worker needs, encrypted.
    pub secret: Option<Vec<u8>>,
}

/// A worker took a withdrawal on itself.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct WithdrawalLeased {
    /// Which one.
    pub withdrawal: Position,
    /// Until when.
    pub until: Timestamp,
    /// Who.
    pub worker: Id,
}

/// A payout happened.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct WithdrawalCompleted {
    /// Which one.
    pub withdrawal: Position,
    /// How much.
    pub amount: Amount,
    /// The balance behind it.
    pub balance_after: Signed,
    /// The provider's name for it.
    pub reference: Option<Id>,
}

/// A payout did not happen; the money is back.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct WithdrawalFailed {
    /// Which one.
    pub withdrawal: Position,
    /// How much.
    pub amount: Amount,
    /// Why.
    pub error: String,
}

/// A payout did not happen yet; somebody may try again.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct WithdrawalRetried {
    /// Which one.
    pub withdrawal: Position,
    /// Why.
    pub error: String,
}

/// A worker does not know whether the payout happened.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct WithdrawalUnknown {
    /// Which one.
    pub withdrawal: Position,
    /// Why.
    pub error: String,
}

/// A lease ran out.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct LeaseExpired {
    /// Of which withdrawal.
    pub withdrawal: Position,
}

/// Somebody looked up whether a payout happened.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct WithdrawalReconciled {
    /// Which one.
    pub withdrawal: Position,
    /// How much.
    pub amount: Amount,
    /// The balance behind it.
    pub balance_after: Signed,
    /// Whether it happened.
    pub completed: bool,
}

/// Money was given to another account.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Sent {
    /// How much.
    pub amount: Amount,
    /// The balance behind it.
    pub balance_after: Signed,
    /// What the caller hangs on it. Not optional: empty metadata is smaller than none.
    pub metadata: Metadata,
}

/// Money came from another account.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Received {
    /// How much.
    pub amount: Amount,
    /// The balance behind it.
    pub balance_after: Signed,
}

/// Money was given to a new flow.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct FlowFunded {
    /// How much.
    pub amount: Amount,
    /// The balance behind it.
    pub balance_after: Signed,
}

/// More money was given to a flow.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct FlowRaised {
    /// How much.
    pub amount: Amount,
    /// The balance behind it.
    pub balance_after: Signed,
}

/// Money came back from a flow, or the flow ended, or both.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct FlowRecovered {
    /// How much, which may be nothing.
    pub amount: Amount,
    /// The balance behind it.
    pub balance_after: Signed,
    /// Whether the flow ended.
    pub ended: bool,
}

/// A sale was undone: money went back to the buyer.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct GaveBack {
    /// How much.
    pub amount: Amount,
    /// The balance behind it.
    pub balance_after: Signed,
}

/// A purchase was undone: money came back from the seller.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct TookBack {
    /// How much.
    pub amount: Amount,
    /// The balance behind it.
    pub balance_after: Signed,
}

/// A purchase was undone: money came back from outside.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Restored {
    /// How much.
    pub amount: Amount,
    /// The balance behind it.
    pub balance_after: Signed,
}

/// Money went out for what only its other legs can undo.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Spent {
    /// How much.
    pub amount: Amount,
    /// The balance behind it.
    pub balance_after: Signed,
}

/// A withdrawal came unfinished out of a backup. The event's position is a fence that no worker
/// has.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct WithdrawalInherited {
    /// Which one.
    pub withdrawal: Position,
}
