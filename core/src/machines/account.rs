//! The account machine: money that somebody owns.

use crate::words::{Amount, Asset, Id, Metadata, Period, Position, Signed, Timestamp};

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
        /// What the worker needs to know and nobody else may: encrypted already.
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
        /// New metadata.
        metadata: Option<Metadata>,
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
}

/// The most that may be spent within one calendar period.
#[derive(rkyv::Archive, rkyv::Serialize, rkyv::Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
pub struct SpendCap {
    /// How much.
    pub amount: Amount,
    /// Within what.
    pub period: Period,
}

// STUB-BEGIN
/// The account machine.
pub struct Account;

/// A placeholder until the machine is written.
#[derive(rkyv::Archive, rkyv::Serialize, rkyv::Deserialize, Clone, PartialEq, Debug)]
pub struct Nothing {
    x: u8,
}

crate::record!(Nothing = (1, 1));

impl crate::machine::Said for Command {
    fn operation(&self) -> u8 {
        1
    }
    fn canon(&self, _: &mut crate::machine::Canon) {}
}

impl crate::machine::Machine for Account {
    const KIND: crate::words::Kind = crate::words::Kind::new(2);
    const NAME: &'static str = "account";
    type Head = Nothing;
    type Item = Nothing;
    type Event = Nothing;
    type Command = Command;
    fn decide(
        _: &crate::machine::View<'_, Self>,
        _: &Command,
        _: &mut crate::machine::Context<'_>,
    ) -> Result<crate::machine::Decided<Nothing>, crate::words::Refusal> {
        Err(crate::words::Code::NotFound.into())
    }
    fn apply(_: &mut crate::machine::Changes<'_, Self>, _: &Nothing, _: &crate::machine::Place) {}
    fn shows(_: &Nothing, _: &crate::machine::Place) -> crate::machine::Shows {
        crate::machine::Shows::event()
    }
}
// STUB-END
