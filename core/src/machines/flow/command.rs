//! What can be asked of a flow.

use crate::machine::{Canon, Said};
use crate::words::{Amount, Asset, Id, Metadata, Timestamp};

/// What can be asked of a flow.
#[derive(Clone, PartialEq, Debug)]
pub enum Command {
    /// Create it and fund it.
    Open {
        /// What accrues.
        asset: Asset,
        /// How much accrues in all.
        total: Amount,
        /// In how much active time.
        duration_ms: u64,
        /// When it begins; a draft where absent. May lie in the past.
        start_at: Option<Timestamp>,
        /// The active time before which nothing has accrued; at most the duration.
        cliff_ms: u64,
        /// The account that funds it; outside where absent.
        payer: Option<Id>,
        /// The account that withdrawals go to; outside where absent.
        recipient: Option<Id>,
        /// What the caller hangs on it.
        metadata: Metadata,
    },
    /// A draft begins now.
    Start,
    /// Its time stands still.
    Pause,
    /// Its time runs on.
    Resume,
    /// What has accrued may be withdrawn.
    Settle,
    /// What is settled goes out.
    Withdraw {
        /// How much; all that is withdrawable where absent.
        amount: Option<Amount>,
    },
    /// It lasts longer at the same rate.
    TopUp {
        /// How much more accrues in all.
        amount: Amount,
    },
    /// It ends now: what has accrued is settled, the rest goes back.
    Stop,
    /// A draft is dropped: all goes back.
    Cancel,

    /// As a leg: the flow's own part of a command of which accounts have the rest.
    Split(Box<Command>),
}

impl Command {
    /// Whether it breaks a rule of form, whatever the stream is: an amount of nothing, no
    /// duration, or a cliff behind the end.
    #[must_use]
    pub fn is_malformed(&self) -> bool {
        match self {
            Self::Open { total, duration_ms, cliff_ms, .. } => {
                total.is_zero() || *duration_ms == 0 || cliff_ms > duration_ms
            }
            Self::Withdraw { amount } => amount.is_some_and(Amount::is_zero),
            Self::TopUp { amount } => amount.is_zero(),
            Self::Split(whole) => whole.is_malformed(),
            Self::Start | Self::Pause | Self::Resume | Self::Settle | Self::Stop | Self::Cancel => {
                false
            }
        }
    }
}

impl Said for Command {
    fn operation(&self) -> u8 {
        match self {
            Self::Open { .. } => 1,
            Self::Start => 2,
            Self::Pause => 3,
            Self::Resume => 4,
            Self::Settle => 5,
            Self::Withdraw { .. } => 6,
            Self::TopUp { .. } => 7,
            Self::Stop => 8,
            Self::Cancel => 9,
            Self::Split(_) => 10,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Open { .. } => "open",
            Self::Start => "start",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Settle => "settle",
            Self::Withdraw { .. } => "withdraw",
            Self::TopUp { .. } => "top_up",
            Self::Stop => "stop",
            Self::Cancel => "cancel",
            Self::Split(_) => "split",
        }
    }

    fn is_leg(&self) -> bool {
        matches!(self, Self::Split(_))
    }

    fn canon(&self, canon: &mut Canon) {
        match self {
            Self::Open {
                asset,
                total,
                duration_ms,
                start_at,
                cliff_ms,
                payer,
                recipient,
                metadata,
            } => {
                canon.field(1, asset);
                canon.field(2, total);
                canon.field(3, duration_ms);
                canon.maybe(4, start_at.as_ref());
                canon.maybe(5, (*cliff_ms > 0).then_some(cliff_ms));
                canon.maybe(6, payer.as_ref());
                canon.maybe(7, recipient.as_ref());
                canon.maybe(8, (!metadata.is_empty()).then_some(metadata));
            }
            Self::Withdraw { amount } => canon.maybe(1, amount.as_ref()),
            Self::TopUp { amount } => canon.field(1, amount),
            Self::Split(whole) => {
                whole.canon(canon);
                canon.field(9, &whole.operation());
            }
            Self::Start | Self::Pause | Self::Resume | Self::Settle | Self::Stop | Self::Cancel => {
            }
        }
    }

    fn heap_bytes(&self) -> usize {
        match self {
            Self::Open { payer, recipient, metadata, .. } => {
                let ids = payer.iter().chain(recipient).map(Id::heap_bytes).sum::<usize>();
                ids + metadata.heap_bytes()
            }
            Self::Split(whole) => size_of::<Self>() + whole.heap_bytes(),
            _ => 0,
        }
    }
}
