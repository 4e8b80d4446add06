//! What a ticket answers. In each table the first line that applies counts.

use super::{
    Claimed, Command, Event, EvidenceKept, Expired, Issued, Item, Revoked, State, Ticket, body,
    evidence_key, reference_key, token, token_hash,
};
use crate::machine::{Context, Decided, Shows, View};
use crate::words::{Amount, Asset, Code, Fact, Id, Metadata, Position, Refusal, Timestamp};

type Answer = Result<Decided<Event>, Refusal>;

pub(super) fn decide(view: &View<'_, Ticket>, command: &Command, cx: &Context<'_>) -> Answer {
    match command {
        Command::Issue { amount, asset, reference, expires_at, metadata, batch } => {
            match (view.head, batch) {
                (None, _) => Ok(issue(*amount, *asset, reference, *expires_at, metadata)),
                (Some(_), false) => {
                    let first = Position::new(view.number.get());
                    Err(Refusal::with(Code::AlreadyExists, Fact::First(first)))
                }
                (Some(_), true) => Ok(issue_again(view, reference.as_ref())),
            }
        }
        Command::Claim { claimant } => claim(view, claimant, cx),
        Command::Revoke { reason } => revoke(view, reason),
        Command::TicketDue => expire(view, cx.now),
    }
}

/// A ticket that does not exist can always be issued. One whose time is over already is
/// issued as well, and is expired: a batch must not fail for it.
///
/// | in this case | the answer |
/// |---|---|
/// | it exists, issued singly | `already_exists`, with the position of the first |
/// | it exists, issued in a batch | see [`issue_again`] |
fn issue(
    amount: Option<Amount>,
    asset: Option<Asset>,
    reference: &Option<Id>,
    expires_at: Option<Timestamp>,
    metadata: &Metadata,
) -> Decided<Event> {
    Decided::Event(Event::Issued(Issued {
        amount,
        expires_at: expires_at.unwrap_or(Timestamp::NEVER),
        reference: reference.clone(),
        metadata: Some(metadata).filter(|metadata| !metadata.is_empty()).cloned(),
        asset,
    }))
}

/// A batch brings a ticket that exists. Its amount and state stand, whatever they are.
///
/// | in this case | the answer |
/// |---|---|
/// | without a reference, with the ticket's own, or with one that is kept | as it stands |
/// | with a reference that is not known | it is kept as evidence |
fn issue_again(view: &View<'_, Ticket>, reference: Option<&Id>) -> Decided<Event> {
    let Some(reference) = reference else { return Decided::Already(Shows::head()) };
    let own = match view.item(&reference_key()) {
        Some(Item::Reference(own)) => own.reference == *reference,
        _ => false,
    };
    if own || view.item(&evidence_key(reference)).is_some() {
        return Decided::Already(Shows::head());
    }
    Decided::Event(Event::EvidenceKept(EvidenceKept { reference: reference.clone() }))
}

/// | in this case | the answer |
/// |---|---|
/// | it does not exist | `not_found` |
/// | it was revoked | `revoked`, and when |
/// | this claimant has it | as it stands, with the same token |
/// | another claimant has it | `already_claimed`, and since when |
/// | its time is over | `expired`, and since when |
fn claim(view: &View<'_, Ticket>, claimant: &Id, cx: &Context<'_>) -> Answer {
    let head = view.head.ok_or(Code::NotFound)?;
    if let Some(at) = head.revoked_at {
        return Err(Refusal::with(Code::Revoked, Fact::At(at)));
    }
    if let Some(claim) = &head.claim {
        if claim.claimant == *claimant {
            return Ok(Decided::Already(Shows::head()));
        }
        return Err(Refusal::with(Code::AlreadyClaimed, Fact::At(claim.at)));
    }
    if cx.now >= head.expires_at {
        return Err(Refusal::with(Code::Expired, Fact::At(head.expires_at)));
    }
    // Nothing below can fail.
    let token_hash = token_hash(&token(cx.secret, view.name, view.number));
    Ok(Decided::Event(Event::Claimed(Claimed { claimant: claimant.clone(), token_hash })))
}

/// | in this case | the answer |
/// |---|---|
/// | it does not exist | `not_found` |
/// | it was revoked | as it stands: the first one counts |
/// | the reason is too long | `malformed` |
fn revoke(view: &View<'_, Ticket>, reason: &str) -> Answer {
    let head = view.head.ok_or(Code::NotFound)?;
    if head.revoked_at.is_some() {
        return Ok(Decided::Already(body()));
    }
    if reason.len() > Command::REASON_LEN_MAX {
        return Err(Code::Malformed.into());
    }
    // Nothing below can fail.
    Ok(Decided::Event(Event::Revoked(Revoked { reason: reason.to_owned() })))
}

/// | in this case | the answer |
/// |---|---|
/// | it does not exist | `not_found` |
/// | it is not unclaimed, or its time is not over | `wrong_state` |
fn expire(view: &View<'_, Ticket>, now: Timestamp) -> Answer {
    let head = view.head.ok_or(Code::NotFound)?;
    if head.state != State::Unclaimed || now < head.expires_at {
        return Err(Code::WrongState.into());
    }
    // Nothing below can fail.
    Ok(Decided::Event(Event::Expired(Expired)))
}
