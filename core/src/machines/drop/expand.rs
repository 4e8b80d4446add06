//! How a drop's commands are split into legs.

use super::{Claim, Command, Drop, Item, Payment, claim_key};
use crate::machine::{self, Expansion, Machine, View};
use crate::machines::account::{self, Account};
use crate::words::{Id, Metadata, Name};

/// The drop's own leg comes first, so that its refusals come before those of accounts.
///
/// What cannot be accepted stays alone, and is refused there.
pub(super) fn expand(view: &View<'_, Drop>, command: &Command) -> Expansion {
    let legs = match command {
        Command::Claim { claimant, quantity, pay_from: Some(buyer) } => {
            paid(view, claimant, *quantity, buyer)
        }
        Command::Release { claim } => released(view, claim),
        _ => None,
    };
    legs.map_or(Expansion::Alone, Expansion::Legs)
}

type Legs = Vec<(Name, machine::Command)>;

fn paid(view: &View<'_, Drop>, claimant: &Id, quantity: u32, buyer: &Id) -> Option<Legs> {
    let head = view.head?;
    let amount = head.price?.amount.times(quantity.into())?;
    let buy = Command::Buy { claimant: claimant.clone(), quantity, payer: buyer.clone() };
    let mut legs = vec![(view.name.clone(), machine::Command::of::<Drop>(buy))];
    match &head.seller {
        Some(seller) => {
            let metadata = Metadata::default();
            let send = account::Command::Send { amount, to: seller.clone(), metadata };
            let receive = account::Command::Receive { from: buyer.clone() };
            legs.extend([account(view, buyer, send), account(view, seller, receive)]);
        }
        None => {
            let spend = account::Command::Spend { amount, on: view.id().clone() };
            legs.push(account(view, buyer, spend));
        }
    }
    Some(legs)
}

fn released(view: &View<'_, Drop>, claim: &Id) -> Option<Legs> {
    let head = view.head?;
    let Item::Claim(Claim { claimant, payment, .. }) =
        view.item(&claim_key(claim.position('c')?))?
    else {
        return None;
    };
    let restock = Command::Restock { claim: claim.clone(), claimant: claimant.clone() };
    let mut legs = vec![(view.name.clone(), machine::Command::of::<Drop>(restock))];
    match (payment.as_deref(), &head.seller) {
        (Some(Payment { payer, amount }), Some(seller)) => {
            let give = account::Command::GiveBack { amount: *amount, to: payer.clone() };
            let take = account::Command::TakeBack { from: seller.clone() };
            legs.extend([account(view, seller, give), account(view, payer, take)]);
        }
        (Some(Payment { payer, amount }), None) => {
            let from = view.id().clone();
            legs.push(account(view, payer, account::Command::Restore { amount: *amount, from }));
        }
        (None, _) => {}
    }
    Some(legs)
}

fn account(view: &View<'_, Drop>, id: &Id, command: account::Command) -> (Name, machine::Command) {
    (view.name.beside(Account::KIND, id.clone()), machine::Command::of::<Account>(command))
}
