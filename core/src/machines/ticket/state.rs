//! What is kept of a ticket: its head, its items and its events. Every struct is frozen.

use rkyv::{Archive, Deserialize, Serialize};

use crate::machine::ItemKey;
use crate::words::{Amount, Asset, Id, Metadata, Position, Timestamp};

/// The index by state: one byte, a [`State`].
pub const INDEX_STATE: u8 = 1;
/// The index by the hash of the token: sixteen bytes, once there is one.
pub const INDEX_TOKEN: u8 = 2;

/// Where a ticket stands.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum State {
    /// It can be claimed.
    Unclaimed = 1,
    /// Somebody has it.
    Claimed = 2,
    /// It was taken back, claimed or not.
    Revoked = 3,
    /// Nobody has claimed it in time.
    Expired = 4,
}

/// A ticket.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Head {
    /// The claim, which stays known when the ticket is revoked.
    pub claim: Option<Claim>,
    /// What it is worth.
    pub amount: Option<Amount>,
    /// From when on it can no longer be claimed; [`Timestamp::NEVER`] where it always can.
    pub expires_at: Timestamp,
    /// When it was taken back.
    pub revoked_at: Option<Timestamp>,
    /// How many references beside its own are kept as evidence.
    pub evidence: u64,
    /// What the amount is an amount of.
    pub asset: Option<Asset>,
    /// Where it stands.
    pub state: State,
}

crate::record!(Head = (1, 1));

/// Who claimed a ticket, and when.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Claim {
    /// Who.
    pub claimant: Id,
    /// When.
    pub at: Timestamp,
    /// The position of the claim, which a repeat answers although the version has moved on.
    pub position: Position,
    /// The hash of the token.
    pub token_hash: [u8; 16],
}

crate::records! {
    /// What belongs to a ticket beside its head, each only where there is something to keep.
    pub enum Item {
        /// What the caller hung on it.
        Metadata = (1, 1),
        /// What led to it.
        Reference = (2, 1),
        /// Why it was revoked.
        Reason = (3, 1),
        /// Another reference that came for it.
        Evidence = (4, 1),
    }
}

/// What led to a ticket. Not in the head, where it and a claimant of full length do not fit.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Reference {
    /// The reference.
    pub reference: Id,
}

/// Why a ticket was revoked.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Reason {
    /// The reason.
    pub reason: String,
}

/// A reference that came for a ticket which had one, or none, already.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Evidence {
    /// The reference.
    pub reference: Id,
    /// The position at which it was kept.
    pub position: Position,
    /// When it was kept.
    pub at: Timestamp,
}

/// The key of the metadata.
#[must_use]
pub fn metadata_key() -> ItemKey {
    ItemKey::only(b'M')
}

/// The key of the ticket's own reference: the first.
#[must_use]
pub fn reference_key() -> ItemKey {
    ItemKey::only(b'F')
}

/// The key of the reason.
#[must_use]
pub fn reason_key() -> ItemKey {
    ItemKey::only(b'R')
}

/// The key of a reference that is kept as evidence.
#[must_use]
pub fn evidence_key(reference: &Id) -> ItemKey {
    ItemKey::named(b'E', reference)
}

crate::records! {
    /// What can happen to a ticket.
    pub enum Event {
        /// It was created.
        Issued = (1, 1),
        /// Somebody took it.
        Claimed = (2, 1),
        /// It was taken back.
        Revoked = (3, 1),
        /// Its time was over before anybody claimed it.
        Expired = (4, 1),
        /// Another reference came for it.
        EvidenceKept = (5, 1),
    }
}

/// A ticket was created.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Issued {
    /// What it is worth.
    pub amount: Option<Amount>,
    /// From when on it can no longer be claimed; [`Timestamp::NEVER`] where it always can.
    pub expires_at: Timestamp,
    /// What led to it.
    pub reference: Option<Id>,
    /// What the caller hung on it.
    pub metadata: Option<Metadata>,
    /// What the amount is an amount of.
    pub asset: Option<Asset>,
}

/// Somebody took a ticket.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Claimed {
    /// Who.
    pub claimant: Id,
    /// The hash of the token.
    pub token_hash: [u8; 16],
}

/// A ticket was taken back.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Revoked {
    /// Why; may be empty.
    pub reason: String,
}

/// A ticket's time was over before anybody claimed it.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Expired;

/// Another reference came for a ticket that exists.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct EvidenceKept {
    /// The reference.
    pub reference: Id,
}
