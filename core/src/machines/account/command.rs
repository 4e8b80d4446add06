//! What can be asked of an account, and how a command tells itself apart.

use crate::machine::{Canon, Canonical, Said};
use crate::words::{Amount, Asset, Id, Merge, Metadata, Period, Position, Signed, Timestamp};

/// By how many of its first bytes a secret is told from another one under an idempotency key.
pub const SECRET_PRINT_BYTES: usize = 16;

/// What can be asked of an account.
#[derive(Clone, PartialEq, Debug)]
pub enum Command {
    /// Create it.
    Open {
        /// What it holds.
        asset: Asset,
        /// The lowest that `balance − held` may become; below zero is an overdraft.
        floor: Signed,
        /// The highest balance, if there is one.
        cap: Option<Amount>,
        /// The most that may be spent within one calendar period, if there is a limit.
        spend_cap: Option<SpendCap>,
        /// When it closes by itself, once it is empty.
        expires_at: Option<Timestamp>,
        /// What the caller hangs on it.
        metadata: Metadata,
    },
    /// Money comes in from outside.
    Deposit {
        /// How much.
        amount: Amount,
        /// Unique among the deposits of this account, for ever.
        reference: Option<Id>,
        /// What the caller hangs on the event.
        metadata: Metadata,
    },
    /// Money goes out: usage, a purchase.
    Charge {
        /// How much.
        amount: Amount,
        /// Unique among the charges of this account, for ever.
        reference: Option<Id>,
        /// What the caller hangs on the event.
        metadata: Metadata,
    },
    /// A charge is given back, wholly or in parts.
    Refund {
        /// Which charge.
        charge: Id,
        /// How much; all that is left of it where absent.
        amount: Option<Amount>,
    },
    /// Money is set aside.
    Hold {
        /// How much.
        amount: Amount,
        /// For how long; for ever where absent.
        expires_in_seconds: Option<u64>,
    },
    /// A hold is charged; what is over is freed.
    Capture {
        /// Which hold.
        hold: Id,
        /// How much; all of it where absent.
        amount: Option<Amount>,
    },
    /// A hold is freed.
    Release {
        /// Which hold.
        hold: Id,
    },
    /// Money is to be paid out to somewhere outside.
    Withdraw {
        /// How much.
        amount: Amount,
        /// Where to; the payout worker understands it.
        destination: String,
        /// What the worker needs to know and nobody else may: encrypted already. Under a key the
        /// first 16 bytes tell two secrets apart: whoever encrypts puts a keyed print of the
        /// plain text there, since the same text encrypted anew has other bytes.
        secret: Option<Vec<u8>>,
    },
    /// A worker takes a withdrawal on itself, under a new fence.
    Lease {
        /// Which one.
        withdrawal: Id,
        /// Who.
        worker: Id,
        /// For how long.
        seconds: u64,
    },
    /// The payout happened.
    Complete {
        /// Which one.
        withdrawal: Id,
        /// The fence of the lease.
        fence: Position,
        /// The provider's name for it.
        reference: Option<Id>,
    },
    /// The payout did not happen and will not: the money comes back.
    Fail {
        /// Which one.
        withdrawal: Id,
        /// The fence of the lease.
        fence: Position,
        /// Why.
        error: String,
    },
    /// The payout did not happen yet: somebody may try again.
    Retry {
        /// Which one.
        withdrawal: Id,
        /// The fence of the lease.
        fence: Position,
        /// Why.
        error: String,
    },
    /// Nobody knows whether the payout happened.
    Unknown {
        /// Which one.
        withdrawal: Id,
        /// The fence of the lease.
        fence: Position,
        /// Why.
        error: String,
    },
    /// Somebody looked it up.
    Reconcile {
        /// Which one.
        withdrawal: Id,
        /// Whether the payout happened.
        completed: bool,
    },
    /// Money goes to another account of the book. Split into [`Send`](Self::Send) and
    /// [`Receive`](Self::Receive).
    Transfer {
        /// To which.
        to: Id,
        /// How much.
        amount: Amount,
        /// What the caller hangs on the event.
        metadata: Metadata,
    },
    /// Limits and metadata change. What is `None` stays as it is.
    Change {
        /// A new floor.
        floor: Option<Signed>,
        /// A new cap, or none any more.
        cap: Option<Option<Amount>>,
        /// A new spend cap, or none any more.
        spend_cap: Option<Option<SpendCap>>,
        /// A new end, or none any more.
        expires_at: Option<Option<Timestamp>>,
        /// New metadata, or some of it.
        metadata: Option<MetadataChange>,
    },
    /// It is used no more.
    Close,

    /// As a leg: gives this amount into transit. Spends: counts against the spend cap.
    Send {
        /// How much.
        amount: Amount,
        /// Who gets it.
        to: Id,
        /// What the caller hangs on the event.
        metadata: Metadata,
    },
    /// As a leg: takes what is in transit, within the cap.
    Receive {
        /// Who sent it.
        from: Id,
    },
    /// As a leg: takes what a flow pays out, within the cap. What it settled must not be
    /// stuck, so a closed or expired account is opened again.
    Collect {
        /// The flow.
        flow: Id,
    },
    /// As a leg: the account that a new flow will pay is in use and of its asset. Nothing
    /// happens to it.
    Expect {
        /// The flow.
        flow: Id,
    },
    /// As a leg: pays this amount to the outside, in the asset that an earlier leg named.
    /// Spends, but is no charge: what it was spent on gives it back, and nothing else does.
    Spend {
        /// How much.
        amount: Amount,
        /// On what.
        on: Id,
    },
    /// As a leg: pays what a new flow lacks in transit, and remembers that one flow more
    /// may owe it money. Spends.
    Fund {
        /// The flow.
        flow: Id,
    },
    /// As a leg: pays what a flow that it funds lacks in transit. Spends.
    Raise {
        /// The flow.
        flow: Id,
    },
    /// As a leg: takes back what is in transit, which may be nothing, whatever the cap;
    /// where an earlier leg has ended the flow, one flow fewer may owe it money.
    /// With nothing in transit and nothing ended, nothing happens.
    Recover {
        /// The flow.
        flow: Id,
    },
    /// As a leg: gives this amount into transit, because a sale is undone. Not spending.
    GiveBack {
        /// How much.
        amount: Amount,
        /// Who gets it.
        to: Id,
    },
    /// As a leg: takes what is in transit, because a purchase is undone, whatever the cap.
    TakeBack {
        /// Who gave it.
        from: Id,
    },
    /// As a leg: this amount comes back from outside, because a purchase is undone.
    Restore {
        /// How much.
        amount: Amount,
        /// From whom.
        from: Id,
    },

    /// Time: a hold is over.
    HoldDue {
        /// Which one.
        hold: Position,
    },
    /// Time: a lease is over, and nobody knows what became of the payout.
    LeaseDue {
        /// Which one.
        withdrawal: Position,
    },
    /// Time: the account is over and empty.
    AccountDue,
    /// A restore: the backup knows less of an unfinished withdrawal than its original may.
    Inherit {
        /// Which one.
        withdrawal: Position,
    },
}

/// How metadata changes.
#[derive(Clone, PartialEq, Debug)]
pub enum MetadataChange {
    /// This takes the place of all that was there.
    Whole(Metadata),
    /// What is named changes. Where what comes of it is too much, that is malformed.
    Merge(Merge),
}

impl MetadataChange {
    fn heap_bytes(&self) -> usize {
        match self {
            Self::Whole(metadata) => metadata.heap_bytes(),
            Self::Merge(merge) => merge.heap_bytes(),
        }
    }
}

/// The most that may be spent within one calendar period.
#[derive(rkyv::Archive, rkyv::Serialize, rkyv::Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
pub struct SpendCap {
    /// How much.
    pub amount: Amount,
    /// Within what.
    pub period: Period,
}

impl Said for Command {
    fn operation(&self) -> u8 {
        match self {
            Self::Open { .. } => 1,
            Self::Deposit { .. } => 2,
            Self::Charge { .. } => 3,
            Self::Refund { .. } => 4,
            Self::Hold { .. } => 5,
            Self::Capture { .. } => 6,
            Self::Release { .. } => 7,
            Self::Withdraw { .. } => 8,
            Self::Lease { .. } => 9,
            Self::Complete { .. } => 10,
            Self::Fail { .. } => 11,
            Self::Retry { .. } => 12,
            Self::Unknown { .. } => 13,
            Self::Reconcile { .. } => 14,
            Self::Transfer { .. } => 15,
            Self::Change { .. } => 16,
            Self::Close => 17,
            Self::Send { .. } => 18,
            Self::Receive { .. } => 19,
            Self::Fund { .. } => 20,
            Self::Raise { .. } => 21,
            Self::Recover { .. } => 22,
            Self::GiveBack { .. } => 23,
            Self::TakeBack { .. } => 24,
            Self::Restore { .. } => 25,
            Self::HoldDue { .. } => 26,
            Self::LeaseDue { .. } => 27,
            Self::AccountDue => 28,
            Self::Spend { .. } => 29,
            Self::Collect { .. } => 30,
            Self::Expect { .. } => 31,
            Self::Inherit { .. } => 32,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Open { .. } => "open",
            Self::Deposit { .. } => "deposit",
            Self::Charge { .. } => "charge",
            Self::Refund { .. } => "refund",
            Self::Hold { .. } => "hold",
            Self::Capture { .. } => "capture",
            Self::Release { .. } => "release",
            Self::Withdraw { .. } => "withdraw",
            Self::Lease { .. } => "lease",
            Self::Complete { .. } => "complete",
            Self::Fail { .. } => "fail",
            Self::Retry { .. } => "retry",
            Self::Unknown { .. } => "unknown",
            Self::Reconcile { .. } => "reconcile",
            Self::Transfer { .. } => "transfer",
            Self::Change { .. } => "change",
            Self::Close => "close",
            Self::Send { .. } => "send",
            Self::Receive { .. } => "receive",
            Self::Fund { .. } => "fund",
            Self::Raise { .. } => "raise",
            Self::Recover { .. } => "recover",
            Self::GiveBack { .. } => "give_back",
            Self::TakeBack { .. } => "take_back",
            Self::Restore { .. } => "restore",
            Self::HoldDue { .. } => "hold_due",
            Self::LeaseDue { .. } => "lease_due",
            Self::AccountDue => "account_due",
            Self::Spend { .. } => "spend",
            Self::Collect { .. } => "collect",
            Self::Expect { .. } => "expect",
            Self::Inherit { .. } => "inherit",
        }
    }

    fn sub(&self) -> Option<&Id> {
        match self {
            Self::Refund { charge, .. } => Some(charge),
            Self::Capture { hold, .. } | Self::Release { hold } => Some(hold),
            Self::Lease { withdrawal, .. }
            | Self::Complete { withdrawal, .. }
            | Self::Fail { withdrawal, .. }
            | Self::Retry { withdrawal, .. }
            | Self::Unknown { withdrawal, .. }
            | Self::Reconcile { withdrawal, .. } => Some(withdrawal),
            _ => None,
        }
    }

    fn also(&self) -> Option<&Id> {
        match self {
            Self::Transfer { to, .. } => Some(to),
            _ => None,
        }
    }

    fn is_leg(&self) -> bool {
        matches!(
            self,
            Self::Send { .. }
                | Self::Receive { .. }
                | Self::Collect { .. }
                | Self::Expect { .. }
                | Self::Spend { .. }
                | Self::Fund { .. }
                | Self::Raise { .. }
                | Self::Recover { .. }
                | Self::GiveBack { .. }
                | Self::TakeBack { .. }
                | Self::Restore { .. }
                | Self::HoldDue { .. }
                | Self::LeaseDue { .. }
                | Self::AccountDue
                | Self::Inherit { .. }
        )
    }

    fn canon(&self, canon: &mut Canon) {
        match self {
            Self::Open { asset, floor, cap, spend_cap, expires_at, metadata } => {
                canon.field(1, asset);
                canon.maybe(2, Some(floor).filter(|floor| **floor != Signed::ZERO));
                canon.maybe(3, cap.as_ref());
                canon_spend_cap(canon, 4, spend_cap.as_ref());
                canon.maybe(6, expires_at.as_ref());
                canon_metadata(canon, 7, metadata);
            }
            Self::Deposit { amount, reference, metadata }
            | Self::Charge { amount, reference, metadata } => {
                canon.field(1, amount);
                canon.maybe(2, reference.as_ref());
                canon_metadata(canon, 3, metadata);
            }
            Self::Refund { charge: part, amount } | Self::Capture { hold: part, amount } => {
                canon.field(1, part);
                canon.maybe(2, amount.as_ref());
            }
            Self::Hold { amount, expires_in_seconds } => {
                canon.field(1, amount);
                canon.maybe(2, expires_in_seconds.as_ref());
            }
            Self::Release { hold } => canon.field(1, hold),
            Self::Withdraw { amount, destination, secret } => {
                canon.field(1, amount);
                canon.field(2, destination);
                if let Some(secret) = secret {
                    canon.field(3, &secret[..secret.len().min(SECRET_PRINT_BYTES)]);
                }
            }
            Self::Lease { withdrawal, worker, seconds } => {
                canon.field(1, withdrawal);
                canon.field(2, worker);
                canon.field(3, seconds);
            }
            Self::Complete { withdrawal, fence, reference } => {
                canon.field(1, withdrawal);
                canon.field(2, &fence.get());
                canon.maybe(3, reference.as_ref());
            }
            Self::Fail { withdrawal, fence, error }
            | Self::Retry { withdrawal, fence, error }
            | Self::Unknown { withdrawal, fence, error } => {
                canon.field(1, withdrawal);
                canon.field(2, &fence.get());
                canon.field(3, error);
            }
            Self::Reconcile { withdrawal, completed } => {
                canon.field(1, withdrawal);
                canon.field(2, &u8::from(*completed));
            }
            Self::Transfer { to, amount, metadata } | Self::Send { to, amount, metadata } => {
                canon.field(1, to);
                canon.field(2, amount);
                canon_metadata(canon, 3, metadata);
            }
            Self::Change { floor, cap, spend_cap, expires_at, metadata } => {
                // A limit that is taken away is a field of its own: absent means unchanged.
                canon.maybe(1, floor.as_ref());
                canon_change(canon, 2, cap.as_ref());
                canon_spend_cap(canon, 4, spend_cap.as_ref().and_then(Option::as_ref));
                canon_removal(canon, 6, spend_cap.as_ref());
                canon_change(canon, 7, expires_at.as_ref());
                match metadata {
                    None => {}
                    Some(MetadataChange::Whole(metadata)) => canon.field(9, metadata),
                    // One that changes nothing is none.
                    Some(MetadataChange::Merge(merge)) => {
                        canon_metadata(canon, 10, merge.set());
                        if !merge.removed().is_empty() {
                            canon.list(11, merge.removed(), |name, canon| canon.field(1, &**name));
                        }
                    }
                }
            }
            Self::Close | Self::AccountDue => {}
            Self::Receive { from: other }
            | Self::TakeBack { from: other }
            | Self::Collect { flow: other }
            | Self::Expect { flow: other }
            | Self::Fund { flow: other }
            | Self::Raise { flow: other }
            | Self::Recover { flow: other } => canon.field(1, other),
            Self::GiveBack { amount, to: other }
            | Self::Restore { amount, from: other }
            | Self::Spend { amount, on: other } => {
                canon.field(1, other);
                canon.field(2, amount);
            }
            Self::HoldDue { hold: part }
            | Self::LeaseDue { withdrawal: part }
            | Self::Inherit { withdrawal: part } => canon.field(1, &part.get()),
        }
    }

    fn heap_bytes(&self) -> usize {
        let of = |id: &Option<Id>| id.as_ref().map_or(0, Id::heap_bytes);
        match self {
            Self::Open { metadata, .. } => metadata.heap_bytes(),
            Self::Deposit { reference, metadata, .. }
            | Self::Charge { reference, metadata, .. } => of(reference) + metadata.heap_bytes(),
            Self::Withdraw { destination, secret, .. } => {
                destination.len() + secret.as_ref().map_or(0, Vec::len)
            }
            Self::Lease { withdrawal, worker, .. } => withdrawal.heap_bytes() + worker.heap_bytes(),
            Self::Complete { withdrawal, reference, .. } => withdrawal.heap_bytes() + of(reference),
            Self::Fail { withdrawal, error, .. }
            | Self::Retry { withdrawal, error, .. }
            | Self::Unknown { withdrawal, error, .. } => withdrawal.heap_bytes() + error.len(),
            Self::Transfer { to, metadata, .. } | Self::Send { to, metadata, .. } => {
                to.heap_bytes() + metadata.heap_bytes()
            }
            Self::Change { metadata, .. } => {
                metadata.as_ref().map_or(0, MetadataChange::heap_bytes)
            }
            Self::Refund { charge: id, .. }
            | Self::Capture { hold: id, .. }
            | Self::Release { hold: id }
            | Self::Reconcile { withdrawal: id, .. }
            | Self::Receive { from: id }
            | Self::TakeBack { from: id }
            | Self::Collect { flow: id }
            | Self::Expect { flow: id }
            | Self::Spend { on: id, .. }
            | Self::Fund { flow: id }
            | Self::Raise { flow: id }
            | Self::Recover { flow: id }
            | Self::GiveBack { to: id, .. }
            | Self::Restore { from: id, .. } => id.heap_bytes(),
            Self::Hold { .. }
            | Self::Close
            | Self::HoldDue { .. }
            | Self::LeaseDue { .. }
            | Self::AccountDue
            | Self::Inherit { .. } => 0,
        }
    }
}

fn canon_metadata(canon: &mut Canon, number: u8, metadata: &Metadata) {
    canon.maybe(number, Some(metadata).filter(|metadata| !metadata.is_empty()));
}

/// Two fields: the amount and the period.
fn canon_spend_cap(canon: &mut Canon, number: u8, cap: Option<&SpendCap>) {
    if let Some(cap) = cap {
        let period: u8 = match cap.period {
            Period::Day => 1,
            Period::Week => 2,
            Period::Month => 3,
        };
        canon.field(number, &cap.amount);
        canon.field(number + 1, &period);
    }
}

/// Two fields, of which one is written: the new value, or that there is none any more.
fn canon_change<T: Canonical>(canon: &mut Canon, number: u8, change: Option<&Option<T>>) {
    canon.maybe(number, change.and_then(Option::as_ref));
    canon_removal(canon, number + 1, change);
}

fn canon_removal<T>(canon: &mut Canon, number: u8, change: Option<&Option<T>>) {
    if change.is_some_and(Option::is_none) {
        canon.field(number, &1u8);
    }
}
