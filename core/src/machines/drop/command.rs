//! What can be asked of a drop.

use super::Price;
use crate::machine::{Canon, Said};
use crate::words::{Id, Metadata, Timestamp};

/// What can be asked of a drop.
#[derive(Clone, PartialEq, Debug)]
pub enum Command {
    /// Create it.
    Create {
        /// How many units there are.
        stock: u64,
        /// The most that one claimant may have, if there is a limit.
        per_claimant: Option<u32>,
        /// When it opens; at once where absent.
        opens_at: Option<Timestamp>,
        /// When it closes by itself.
        closes_at: Option<Timestamp>,
        /// What a unit costs.
        price: Option<Price>,
        /// The account that is paid; the money goes outside where absent.
        seller: Option<Id>,
        /// What the caller hangs on it.
        metadata: Metadata,
    },
    /// Take units. With a price, split into [`Buy`](Self::Buy) and the payment.
    Claim {
        /// Who.
        claimant: Id,
        /// How many.
        quantity: u32,
        /// The account that pays; not looked at without a price.
        pay_from: Option<Id>,
    },
    /// Give the units of a claim back. Split into [`Restock`](Self::Restock) and, where it was
    /// paid, the refund.
    Release {
        /// Which claim.
        claim: Id,
    },
    /// There are more units, or fewer.
    SetStock {
        /// How many in all, those that are taken included.
        stock: u64,
    },
    /// Nothing is claimed any more.
    Close,

    /// As a leg: takes units that later legs pay.
    Buy {
        /// Who.
        claimant: Id,
        /// How many.
        quantity: u32,
        /// The account that pays.
        payer: Id,
    },
    /// As a leg: the units of a claim come back to the stock and to the claimant's limit.
    Restock {
        /// Which claim.
        claim: Id,
        /// Whose it is.
        claimant: Id,
    },

    /// Time: it opens or closes.
    DropDue,
}

impl Said for Command {
    fn operation(&self) -> u8 {
        match self {
            Self::Create { .. } => 1,
            Self::Claim { .. } => 2,
            Self::Release { .. } => 3,
            Self::SetStock { .. } => 4,
            Self::Close => 5,
            Self::Buy { .. } => 6,
            Self::Restock { .. } => 7,
            Self::DropDue => 8,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Create { .. } => "create",
            Self::Claim { .. } => "claim",
            Self::Release { .. } => "release",
            Self::SetStock { .. } => "set_stock",
            Self::Close => "close",
            Self::Buy { .. } => "buy",
            Self::Restock { .. } => "restock",
            Self::DropDue => "drop_due",
        }
    }

    fn sub(&self) -> Option<&Id> {
        match self {
            Self::Release { claim } | Self::Restock { claim, .. } => Some(claim),
            _ => None,
        }
    }

    fn is_leg(&self) -> bool {
        matches!(self, Self::Buy { .. } | Self::Restock { .. } | Self::DropDue)
    }

    fn canon(&self, canon: &mut Canon) {
        match self {
            Self::Create { stock, per_claimant, opens_at, closes_at, price, seller, metadata } => {
                canon.field(1, stock);
                canon.maybe(2, per_claimant.map(u64::from).as_ref());
                canon.maybe(3, opens_at.as_ref());
                canon.maybe(4, closes_at.as_ref());
                canon.maybe(5, price.as_ref().map(|price| &price.amount));
                canon.maybe(6, price.as_ref().map(|price| &price.asset));
                canon.maybe(7, seller.as_ref());
                canon.maybe(8, Some(metadata).filter(|metadata| !metadata.is_empty()));
            }
            Self::Claim { claimant, quantity, pay_from } => {
                canon.field(1, claimant);
                canon.maybe(
                    2,
                    Some(u64::from(*quantity)).filter(|&quantity| quantity != 1).as_ref(),
                );
                canon.maybe(3, pay_from.as_ref());
            }
            Self::Release { claim } => canon.field(1, claim),
            Self::SetStock { stock } => canon.field(1, stock),
            Self::Buy { claimant, quantity, payer } => {
                canon.field(1, claimant);
                canon.field(2, &u64::from(*quantity));
                canon.field(3, payer);
            }
            Self::Restock { claim, claimant } => {
                canon.field(1, claim);
                canon.field(2, claimant);
            }
            Self::Close | Self::DropDue => {}
        }
    }

    fn heap_bytes(&self) -> usize {
        match self {
            Self::Create { seller, metadata, .. } => {
                seller.as_ref().map_or(0, Id::heap_bytes) + metadata.heap_bytes()
            }
            Self::Claim { claimant, pay_from, .. } => {
                claimant.heap_bytes() + pay_from.as_ref().map_or(0, Id::heap_bytes)
            }
            Self::Release { claim } => claim.heap_bytes(),
            Self::Buy { claimant, payer, .. } => claimant.heap_bytes() + payer.heap_bytes(),
            Self::Restock { claim, claimant } => claim.heap_bytes() + claimant.heap_bytes(),
            Self::SetStock { .. } | Self::Close | Self::DropDue => 0,
        }
    }
}
