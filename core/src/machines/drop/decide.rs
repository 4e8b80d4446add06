//! What a drop answers. In each table the first line that applies counts.

use super::{
    Claim, ClaimState, Claimed, Closed, Command, Created, Drop, Event, Item, Opened, Payment,
    Price, Released, State, StockSet, claim_key, units_key,
};
use crate::machine::{Context, Decided, View};
use crate::words::{Amount, Code, Fact, Id, Position, Refusal, Timestamp};

type Answer = Result<Decided<Event>, Refusal>;

pub(super) fn decide(view: &View<'_, Drop>, command: &Command, cx: &mut Context<'_>) -> Answer {
    match command {
        Command::Create { stock, per_claimant, opens_at, closes_at, price, seller, metadata } => {
            let created = Created {
                stock: *stock,
                opens_at: opens_at.unwrap_or(cx.now),
                closes_at: closes_at.unwrap_or(Timestamp::NEVER),
                price: *price,
                seller: seller.clone(),
                metadata: Some(metadata).filter(|metadata| !metadata.is_empty()).cloned(),
                per_claimant: *per_claimant,
            };
            create(view, created)
        }
        Command::Claim { claimant, quantity, pay_from } => {
            let claimed = claim(view, claimant, *quantity, pay_from.as_ref(), cx)?;
            // It was not split, so nobody pays: the drop was not there to be seen then.
            if claimed.payment.is_some() {
                return Err(Code::NotFound.into());
            }
            Ok(Decided::Event(Event::Claimed(claimed)))
        }
        // One that names a claim was split, and its leg is decided.
        Command::Release { .. } => Err(Code::NotFound.into()),
        Command::SetStock { stock } => set_stock(view, *stock, cx.now),
        Command::Close => close(view, cx.now),
        Command::Buy { claimant, quantity, payer } => {
            let claimed = claim(view, claimant, *quantity, Some(payer), cx)?;
            Ok(Decided::Event(Event::Claimed(claimed)))
        }
        Command::Restock { claim, claimant } => restock(view, claim, claimant, cx),
        Command::DropDue => fall_due(view, cx.now),
    }
}

/// A window that is over already makes a closed drop.
///
/// | in this case | the answer |
/// |---|---|
/// | it exists | `already_exists`, with the position of the first |
/// | it would close no later than it opens | `malformed` |
/// | a limit of nothing, a price of nothing, or a seller without a price | `malformed` |
fn create(view: &View<'_, Drop>, created: Created) -> Answer {
    if view.head.is_some() {
        let first = Position::new(view.number.get());
        return Err(Refusal::with(Code::AlreadyExists, Fact::First(first)));
    }
    if created.closes_at <= created.opens_at {
        return Err(Code::Malformed.into());
    }
    let free = created.price.is_some_and(|price| price.amount.is_zero());
    let unpaid = created.seller.is_some() && created.price.is_none();
    if created.per_claimant == Some(0) || free || unpaid {
        return Err(Code::Malformed.into());
    }
    // Nothing below can fail.
    Ok(Decided::Event(Event::Created(created)))
}

/// The window is that of the decision's time, whether the timers have fired or not.
///
/// | in this case | the answer |
/// |---|---|
/// | it does not exist | `not_found` |
/// | before it opens | `not_open`, and when it opens |
/// | closed, or from `closes_at` on | `not_open` |
/// | no units, or a price and nobody to pay it | `malformed` |
/// | fewer units are left | `sold_out`, and how many are left |
/// | the claimant would have more than the limit | `claim_limit_reached`, and how many are left of it |
/// | the price of all units has more than 127 bits | `overflow` |
fn claim(
    view: &View<'_, Drop>,
    claimant: &Id,
    quantity: u32,
    pay_from: Option<&Id>,
    cx: &mut Context<'_>,
) -> Result<Claimed, Refusal> {
    let head = view.head.ok_or(Code::NotFound)?;
    match head.state_at(cx.now) {
        State::Scheduled => return Err(Refusal::with(Code::NotOpen, Fact::At(head.opens_at))),
        State::Closed => return Err(Code::NotOpen.into()),
        State::Open => {}
    }
    if quantity == 0 || (head.price.is_some() && pay_from.is_none()) {
        return Err(Code::Malformed.into());
    }
    let Some(remaining) = head.remaining().checked_sub(quantity.into()) else {
        return Err(Refusal::with(Code::SoldOut, Fact::Remaining(head.remaining())));
    };
    let mut units = 0;
    if let Some(limit) = head.per_claimant {
        let left = limit.saturating_sub(units_of(view, claimant));
        if quantity > left {
            let fact = Fact::Remaining(left.into());
            return Err(Refusal::with(Code::ClaimLimitReached, fact));
        }
        units = limit - left + quantity;
    }
    let mut payment = None;
    if let (Some(Price { amount, asset }), Some(payer)) = (head.price, pay_from) {
        let amount = amount.times(quantity.into()).ok_or(Code::Overflow)?;
        // The drop moves nothing itself. It names the asset, so that no leg pays in another.
        cx.transit.give(asset, Amount::ZERO)?;
        payment = Some(Box::new(Payment { payer: payer.clone(), amount }));
    }
    let number = head.claims.checked_add(1).ok_or(Code::Overflow)?;
    // Nothing below can fail.
    let claimant = claimant.clone();
    Ok(Claimed { number, remaining, claimant, payment, quantity, units })
}

/// | in this case | the answer |
/// |---|---|
/// | the drop does not exist, or no such claim of this claimant | `not_found` |
/// | its units came back already | `wrong_state` |
fn restock(view: &View<'_, Drop>, id: &Id, claimant: &Id, cx: &mut Context<'_>) -> Answer {
    let head = view.head.ok_or(Code::NotFound)?;
    let position = id.position('c').ok_or(Code::NotFound)?;
    let claim = match view.item(&claim_key(position)) {
        Some(Item::Claim(claim)) if claim.claimant == *claimant => claim,
        _ => return Err(Code::NotFound.into()),
    };
    if claim.state == ClaimState::Released && !mutant!(ReleasedTwice) {
        return Err(Code::WrongState.into());
    }
    if let (Some(Price { asset, .. }), true) = (head.price, claim.payment.is_some()) {
        // What was paid in this asset comes back in it.
        cx.transit.give(asset, Amount::ZERO)?;
    }
    // Nothing below can fail.
    let Claim { quantity, .. } = *claim;
    let units = match head.per_claimant {
        Some(_) => units_of(view, claimant).saturating_sub(quantity),
        None => 0,
    };
    Ok(Decided::Event(Event::Released(Released {
        claim: position,
        remaining: head.remaining().saturating_add(quantity.into()),
        claimant: claimant.clone(),
        quantity,
        units,
    })))
}

/// | in this case | the answer |
/// |---|---|
/// | it does not exist | `not_found` |
/// | it is closed | `wrong_state` |
/// | less than what is taken | `below_taken`, and how many are taken |
fn set_stock(view: &View<'_, Drop>, stock: u64, now: Timestamp) -> Answer {
    let head = view.head.ok_or(Code::NotFound)?;
    if head.state_at(now) == State::Closed {
        return Err(Code::WrongState.into());
    }
    let Some(remaining) = stock.checked_sub(head.taken) else {
        return Err(Refusal::with(Code::BelowTaken, Fact::Remaining(head.taken)));
    };
    // Nothing below can fail.
    Ok(Decided::Event(Event::StockSet(StockSet { stock, remaining })))
}

/// | in this case | the answer |
/// |---|---|
/// | it does not exist | `not_found` |
/// | it is closed | `wrong_state` |
fn close(view: &View<'_, Drop>, now: Timestamp) -> Answer {
    let head = view.head.ok_or(Code::NotFound)?;
    if head.state_at(now) == State::Closed {
        return Err(Code::WrongState.into());
    }
    // Nothing below can fail.
    Ok(Decided::Event(Event::Closed(Closed)))
}

/// | in this case | the answer |
/// |---|---|
/// | it does not exist | `not_found` |
/// | it is neither time to open nor to close | `wrong_state` |
fn fall_due(view: &View<'_, Drop>, now: Timestamp) -> Answer {
    let head = view.head.ok_or(Code::NotFound)?;
    let event = match head.state {
        State::Scheduled if now >= head.opens_at => Event::Opened(Opened),
        State::Open if now >= head.closes_at => Event::Closed(Closed),
        _ => return Err(Code::WrongState.into()),
    };
    // Nothing below can fail.
    Ok(Decided::Event(event))
}

fn units_of(view: &View<'_, Drop>, claimant: &Id) -> u32 {
    match view.item(&units_key(claimant)) {
        Some(Item::Units(units)) => units.units,
        _ => 0,
    }
}
