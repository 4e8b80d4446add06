//! Money that moves: from and to the outside, and between the legs of one command.

use super::super::{
    Account, CHARGE_LETTER, Charge, Charged, Deposited, FlowFunded, FlowRaised, FlowRecovered,
    GaveBack, Head, Item, Received, Refunded, Restored, Sent, Spent, TookBack, charge_key,
    charge_reference_key, deposit_reference_key,
};
use super::{
    Decision, above_zero, affordable, balance_without, found, happens, in_use, within_spend_cap,
};
use crate::machine::{Context, Decided, ItemKey, Shows, Transit, View};
use crate::words::{Amount, Code, Fact, Id, Metadata, Position, Refusal, Signed, Timestamp};

pub(super) fn deposit(
    view: &View<'_, Account>,
    amount: Amount,
    reference: Option<&Id>,
    metadata: &Metadata,
) -> Decision {
    above_zero(amount)?;
    let head = in_use(view)?;
    untaken(view, reference.map(deposit_reference_key))?;
    let balance_after = coming_in(head, amount)?;
    // Nothing below can fail.
    let metadata = Some(metadata).filter(|metadata| !metadata.is_empty()).cloned();
    happens(Deposited { amount, balance_after, reference: reference.cloned(), metadata })
}

pub(super) fn charge(
    view: &View<'_, Account>,
    amount: Amount,
    reference: Option<&Id>,
    metadata: &Metadata,
    now: Timestamp,
) -> Decision {
    above_zero(amount)?;
    let head = in_use(view)?;
    untaken(view, reference.map(charge_reference_key))?;
    let balance_after = going_out(head, amount)?;
    within_spend_cap(head, amount, now)?;
    // Nothing below can fail.
    let metadata = Some(metadata).filter(|metadata| !metadata.is_empty()).cloned();
    happens(Charged { amount, balance_after, reference: reference.cloned(), metadata })
}

pub(super) fn refund(view: &View<'_, Account>, id: &Id, amount: Option<Amount>) -> Decision {
    amount.map_or(Ok(()), above_zero)?;
    let head = found(view)?;
    let (position, charge) = charge_of(view, id)?;
    let rest = charge.amount.minus(charge.refunded).unwrap_or_default();
    if rest.is_zero() {
        return Err(Code::WrongState.into());
    }
    let amount = amount.unwrap_or(rest);
    if amount > rest {
        return Err(Refusal::with(Code::ExceedsHeld, Fact::Available(rest.signed())));
    }
    let balance_after = coming_back(head, amount)?;
    // Nothing below can fail.
    happens(Refunded { charge: position, amount, balance_after })
}

pub(super) fn send(
    view: &View<'_, Account>,
    amount: Amount,
    metadata: &Metadata,
    cx: &mut Context<'_>,
) -> Decision {
    above_zero(amount)?;
    let head = in_use(view)?;
    let transit = given(head, amount, cx)?;
    let balance_after = going_out(head, amount)?;
    within_spend_cap(head, amount, cx.now)?;
    // Nothing below can fail.
    *cx.transit = transit;
    happens(Sent { amount, balance_after, metadata: metadata.clone() })
}

pub(super) fn receive(view: &View<'_, Account>, cx: &mut Context<'_>) -> Decision {
    let amount = on_its_way(cx)?;
    above_zero(amount)?;
    take_in(in_use(view)?, amount, cx)
}

pub(super) fn collect(view: &View<'_, Account>, cx: &mut Context<'_>) -> Decision {
    let amount = on_its_way(cx)?;
    above_zero(amount)?;
    take_in(found(view)?, amount, cx)
}

fn take_in(head: &Head, amount: Amount, cx: &mut Context<'_>) -> Decision {
    let transit = taken(head, amount, cx)?;
    let made = if mutant!(UnitMade) { 1_u64 } else { 0 };
    let amount = amount.plus(Amount::from(made)).ok_or(Code::Overflow)?;
    let balance_after = coming_in(head, amount)?;
    // Nothing below can fail.
    *cx.transit = transit;
    happens(Received { amount, balance_after })
}

pub(super) fn expect(view: &View<'_, Account>, cx: &Context<'_>) -> Decision {
    let head = in_use(view)?;
    same_asset(head, cx)?;
    // Nothing below can fail.
    Ok(Decided::Already(Shows::default()))
}

pub(super) fn spend(view: &View<'_, Account>, amount: Amount, cx: &Context<'_>) -> Decision {
    above_zero(amount)?;
    let head = in_use(view)?;
    same_asset(head, cx)?;
    let balance_after = going_out(head, amount)?;
    within_spend_cap(head, amount, cx.now)?;
    // Nothing below can fail.
    happens(Spent { amount, balance_after })
}

pub(super) fn fund(view: &View<'_, Account>, cx: &mut Context<'_>) -> Decision {
    let (amount, balance_after, transit) = pay_ahead(view, cx)?;
    // Nothing below can fail.
    *cx.transit = transit;
    happens(FlowFunded { amount, balance_after })
}

pub(super) fn raise(view: &View<'_, Account>, cx: &mut Context<'_>) -> Decision {
    let (amount, balance_after, transit) = pay_ahead(view, cx)?;
    // Nothing below can fail.
    *cx.transit = transit;
    happens(FlowRaised { amount, balance_after })
}

/// The checks of a leg that pays what a flow has taken in advance.
fn pay_ahead(
    view: &View<'_, Account>,
    cx: &Context<'_>,
) -> Result<(Amount, Signed, Transit), Refusal> {
    let amount = lacking(cx)?;
    let head = in_use(view)?;
    let transit = given(head, amount, cx)?;
    let balance_after = going_out(head, amount)?;
    within_spend_cap(head, amount, cx.now)?;
    Ok((amount, balance_after, transit))
}

pub(super) fn recover(view: &View<'_, Account>, cx: &mut Context<'_>) -> Decision {
    let amount = on_its_way(cx)?;
    let head = found(view)?;
    let ended = cx.transit.has_ended();
    if amount.is_zero() && !ended {
        return Ok(Decided::Already(Shows::default()));
    }
    let transit = if amount.is_zero() { *cx.transit } else { taken(head, amount, cx)? };
    let balance_after = coming_back(head, amount)?;
    // Nothing below can fail.
    *cx.transit = transit;
    happens(FlowRecovered { amount, balance_after, ended })
}

/// Undoing a sale is not spending: the spend cap has no say.
pub(super) fn give_back(
    view: &View<'_, Account>,
    amount: Amount,
    cx: &mut Context<'_>,
) -> Decision {
    above_zero(amount)?;
    let head = in_use(view)?;
    let transit = given(head, amount, cx)?;
    let balance_after = going_out(head, amount)?;
    // Nothing below can fail.
    *cx.transit = transit;
    happens(GaveBack { amount, balance_after })
}

pub(super) fn take_back(view: &View<'_, Account>, cx: &mut Context<'_>) -> Decision {
    let amount = on_its_way(cx)?;
    above_zero(amount)?;
    let head = found(view)?;
    let transit = taken(head, amount, cx)?;
    let balance_after = coming_back(head, amount)?;
    // Nothing below can fail.
    *cx.transit = transit;
    happens(TookBack { amount, balance_after })
}

pub(super) fn restore(view: &View<'_, Account>, amount: Amount, cx: &Context<'_>) -> Decision {
    above_zero(amount)?;
    let head = found(view)?;
    same_asset(head, cx)?;
    let balance_after = coming_back(head, amount)?;
    // Nothing below can fail.
    happens(Restored { amount, balance_after })
}

fn untaken(view: &View<'_, Account>, key: Option<ItemKey>) -> Result<(), Refusal> {
    match key.and_then(|key| view.item(&key)) {
        Some(Item::First(first)) => {
            Err(Refusal::with(Code::AlreadyExists, Fact::First(first.position)))
        }
        _ => Ok(()),
    }
}

fn charge_of<'a>(view: &View<'a, Account>, id: &Id) -> Result<(Position, &'a Charge), Refusal> {
    let position = id.position(CHARGE_LETTER).ok_or(Code::NotFound)?;
    match view.item(&charge_key(position)) {
        Some(Item::Charge(charge)) => Ok((position, charge)),
        _ => Err(Code::NotFound.into()),
    }
}

/// What is on its way to this leg, which may be nothing.
fn on_its_way(cx: &Context<'_>) -> Result<Amount, Refusal> {
    let amount = u128::try_from(cx.transit.amount()).ok().and_then(Amount::whole);
    amount.ok_or_else(|| Code::Malformed.into())
}

/// What an earlier leg has taken in advance.
fn lacking(cx: &Context<'_>) -> Result<Amount, Refusal> {
    let transit = cx.transit.amount();
    let amount = Amount::whole(transit.unsigned_abs()).filter(|_| transit < 0);
    amount.ok_or_else(|| Code::Malformed.into())
}

fn given(head: &Head, amount: Amount, cx: &Context<'_>) -> Result<Transit, Refusal> {
    let mut transit = *cx.transit;
    transit.give(head.asset, amount)?;
    Ok(transit)
}

fn taken(head: &Head, amount: Amount, cx: &Context<'_>) -> Result<Transit, Refusal> {
    let mut transit = *cx.transit;
    transit.take(head.asset, amount)?;
    Ok(transit)
}

/// An earlier leg may have named the asset and moved nothing: a drop that nobody sells is paid
/// to the outside, but in the asset of its price; and a flow that is new has nothing to pay yet.
fn same_asset(head: &Head, cx: &Context<'_>) -> Result<(), Refusal> {
    given(head, Amount::ZERO, cx).map(|_| ())
}

/// New money: the totals and the cap have a say.
fn coming_in(head: &Head, amount: Amount) -> Result<Signed, Refusal> {
    head.total_in.plus(amount).ok_or(Code::Overflow)?;
    let balance = head.balance.plus(amount).ok_or(Code::Overflow)?;
    if head.cap.is_some_and(|cap| balance > cap.signed()) {
        return Err(Code::BalanceCapReached.into());
    }
    Ok(balance)
}

/// Money on its way back: only a balance that cannot be written down is refused.
fn coming_back(head: &Head, amount: Amount) -> Result<Signed, Refusal> {
    head.balance.plus(amount).ok_or_else(|| Code::Overflow.into())
}

fn going_out(head: &Head, amount: Amount) -> Result<Signed, Refusal> {
    head.total_out.plus(amount).ok_or(Code::Overflow)?;
    affordable(head, amount)?;
    balance_without(head, amount)
}
