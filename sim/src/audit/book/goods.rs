//! The naive account of what exists once or in limited number: tickets and drops.

use std::collections::BTreeMap;

use quipu_core::machines::{drop, ticket};
use quipu_core::words::Id;

use super::Moment;
use super::stream::Shown;
use crate::audit::check::{Breach, Check};

/// A ticket.
#[derive(Default)]
pub(in crate::audit) struct Ticket {
    pub(in crate::audit) claimant: Option<Id>,
    is_revoked: bool,
}

impl Ticket {
    pub(super) fn event(&mut self, of: &Moment<'_>, event: &ticket::Event) -> Result<(), Breach> {
        use ticket::Event as E;
        match event {
            E::Claimed(e) => self.claim(of, &e.claimant),
            E::Revoked(_) => self.revoke(of),
            E::Issued(_) | E::Expired(_) | E::EvidenceKept(_) => Ok(()),
        }
    }

    pub(in crate::audit) fn claim(&mut self, of: &Moment<'_>, who: &Id) -> Result<(), Breach> {
        of.ensure(Check::DoubleSpend, self.claimant.is_none(), || {
            format!("claimed by {who}, and by {:?} before", self.claimant)
        })?;
        of.ensure(Check::DoubleSpend, !self.is_revoked, || {
            format!("claimed by {who}, and revoked before")
        })?;
        self.claimant = Some(who.clone());
        Ok(())
    }

    pub(in crate::audit) fn revoke(&mut self, of: &Moment<'_>) -> Result<(), Breach> {
        of.ensure(Check::DoubleSpend, !self.is_revoked, || "revoked twice".to_owned())?;
        self.is_revoked = true;
        Ok(())
    }
}

/// A drop.
#[derive(Default)]
pub(in crate::audit) struct Drop {
    pub(in crate::audit) stock: i128,
    taken: i128,
    claims: u64,
    /// The units of each claim that is not released.
    units: BTreeMap<u64, i128>,
}

impl Drop {
    pub(super) fn shown(&self) -> Shown {
        Shown::Drop { stock: self.stock, taken: self.taken, claims: self.claims }
    }

    pub(super) fn event(&mut self, of: &Moment<'_>, event: &drop::Event) -> Result<(), Breach> {
        use drop::Event as E;
        let said = match event {
            E::Created(e) => {
                self.stock = e.stock.into();
                None
            }
            E::Claimed(e) => {
                self.claim(of, e.quantity.into())?;
                of.ensure(Check::DoubleSpend, e.number == self.claims, || {
                    format!("claim {} has the number {}", self.claims, e.number)
                })?;
                Some(e.remaining)
            }
            E::Released(e) => {
                let units = self.release(of, e.claim.get())?;
                of.ensure(Check::DoubleSpend, units == i128::from(e.quantity), || {
                    format!("{} units come back, of a claim of {units}", e.quantity)
                })?;
                Some(e.remaining)
            }
            E::StockSet(e) => {
                self.stock = e.stock.into();
                Some(e.remaining)
            }
            E::Opened(_) | E::Closed(_) => None,
        };
        self.check_stock(of)?;
        let left = self.stock - self.taken;
        of.ensure(Check::DoubleSpend, said.is_none_or(|said| i128::from(said) == left), || {
            format!("{said:?} are said to be left, and {left} are")
        })
    }

    pub(in crate::audit) fn claim(
        &mut self,
        of: &Moment<'_>,
        quantity: i128,
    ) -> Result<(), Breach> {
        self.claims += 1;
        self.taken += quantity;
        self.units.insert(of.at.get(), quantity);
        self.check_stock(of)
    }

    /// The units of a claim come back.
    pub(in crate::audit) fn release(
        &mut self,
        of: &Moment<'_>,
        claim: u64,
    ) -> Result<i128, Breach> {
        let found = of.there(Check::DoubleSpend, self.units.remove(&claim), || {
            format!("claim {claim} is released a second time, or was never made")
        })?;
        let units = found.unwrap_or_default();
        self.taken -= units;
        Ok(units)
    }

    fn check_stock(&self, of: &Moment<'_>) -> Result<(), Breach> {
        of.ensure(Check::DoubleSpend, (0..=self.stock).contains(&self.taken), || {
            format!("oversold: {} of {} are taken", self.taken, self.stock)
        })
    }
}
