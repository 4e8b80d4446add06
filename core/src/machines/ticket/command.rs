//! What can be asked of a ticket.

use crate::machine::{Canon, Said};
use crate::words::{Amount, Asset, Id, Metadata, Timestamp};

/// What can be asked of a ticket.
#[derive(Clone, PartialEq, Debug)]
pub enum Command {
    /// Create it.
    Issue {
        /// What it is worth.
        amount: Option<Amount>,
        /// Of what.
        asset: Option<Asset>,
        /// What led to it, such as a payment.
        reference: Option<Id>,
        /// From when on it can no longer be claimed.
        expires_at: Option<Timestamp>,
        /// What the caller hangs on it.
        metadata: Metadata,
        /// Whether it is one of many, of which some may exist already. One that exists is
        /// kept as it is, and a reference that it does not know is kept as evidence.
        batch: bool,
    },
    /// Take it, once.
    Claim {
        /// Who.
        claimant: Id,
    },
    /// Take it back, and its token with it. The first one counts.
    Revoke {
        /// Why; at most [`REASON_LEN_MAX`](Self::REASON_LEN_MAX) bytes.
        reason: String,
    },
    /// Time: nobody has claimed it.
    TicketDue,
}

impl Command {
    /// The longest reason, in bytes.
    pub const REASON_LEN_MAX: usize = 512;
}

impl Said for Command {
    fn operation(&self) -> u8 {
        match self {
            Self::Issue { .. } => 1,
            Self::Claim { .. } => 2,
            Self::Revoke { .. } => 3,
            Self::TicketDue => 4,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Issue { .. } => "issue",
            Self::Claim { .. } => "claim",
            Self::Revoke { .. } => "revoke",
            Self::TicketDue => "ticket_due",
        }
    }

    fn is_leg(&self) -> bool {
        matches!(self, Self::TicketDue)
    }

    fn canon(&self, canon: &mut Canon) {
        match self {
            Self::Issue { amount, asset, reference, expires_at, metadata, batch } => {
                canon.maybe(1, amount.as_ref());
                canon.maybe(2, asset.as_ref());
                canon.maybe(3, reference.as_ref());
                canon.maybe(4, expires_at.as_ref());
                canon.maybe(5, Some(metadata).filter(|metadata| !metadata.is_empty()));
                canon.maybe(6, batch.then_some(1_u8).as_ref());
            }
            Self::Claim { claimant } => canon.field(1, claimant),
            Self::Revoke { reason } => canon.maybe(1, Some(reason).filter(|text| !text.is_empty())),
            Self::TicketDue => {}
        }
    }

    fn heap_bytes(&self) -> usize {
        match self {
            Self::Issue { reference, metadata, .. } => {
                reference.as_ref().map_or(0, Id::heap_bytes) + metadata.heap_bytes()
            }
            Self::Claim { claimant } => claimant.heap_bytes(),
            Self::Revoke { reason } => reason.len(),
            Self::TicketDue => 0,
        }
    }
}
