//! The naive account of an account: a balance, and what is set aside from it.

use std::collections::{BTreeMap, BTreeSet};

use quipu_core::machines::account::Event;
use quipu_core::words::{Amount, Asset, Position, Timestamp};

use super::spending::Spending;
use super::stream::Shown;
use super::{Moment, Moved};
use crate::audit::check::{Breach, Check};

/// An account.
#[derive(Default)]
pub(in crate::audit) struct Account {
    pub(in crate::audit) asset: Option<Asset>,
    floor: i128,
    pub(in crate::audit) balance: i128,
    /// What holds and unfinished payouts have set aside.
    held: i128,
    /// The balance that its events last said that it has.
    said: i128,
    holds: BTreeMap<u64, (i128, Option<Timestamp>)>,
    pub(in crate::audit) payouts: BTreeMap<u64, Payout>,
    /// What of each charge can still be given back.
    charges: BTreeMap<u64, i128>,
    /// When which hold is over.
    ends: BTreeSet<(Timestamp, u64)>,
    /// When the lease of which payout is over.
    lease_ends: BTreeSet<(Timestamp, u64)>,
    /// Every fence that was ever given out, by the payout.
    fences: BTreeMap<u64, Vec<u64>>,
    spending: Option<Spending>,
}

/// A payout that is not finished.
pub(in crate::audit) struct Payout {
    amount: i128,
    pub(in crate::audit) fence: u64,
    lease_until: Option<Timestamp>,
}

/// Where the other side of a movement is.
enum Side {
    Outside,
    Transit,
}

fn units(amount: Amount) -> i128 {
    amount.signed().get()
}

impl Account {
    pub(super) fn shown(&self) -> Shown {
        let first_end = self.ends.first().map(|(end, _)| *end);
        Shown::Account { balance: self.balance, held: self.held, floor: self.floor, first_end }
    }

    /// What it adds to what its book holds, as its events have said.
    pub(super) fn said(&self) -> i128 {
        self.said
    }

    pub(in crate::audit) fn place(&mut self, at: u64, amount: i128, ends: Option<Timestamp>) {
        self.held += amount;
        self.holds.insert(at, (amount, ends));
        self.ends.extend(ends.map(|ends| (ends, at)));
    }

    /// A hold ends, and gives back what it had set aside.
    pub(in crate::audit) fn end_hold(
        &mut self,
        of: &Moment<'_>,
        hold: u64,
    ) -> Result<i128, Breach> {
        let found = self.holds.remove(&hold);
        let found = of.there(Check::DoubleSpend, found, || {
            format!("hold {hold} ends a second time, or was never placed")
        })?;
        let Some((amount, ends)) = found else { return Ok(0) };
        self.held -= amount;
        if let Some(ends) = ends {
            self.ends.remove(&(ends, hold));
        }
        Ok(amount)
    }

    fn payout(&mut self, of: &Moment<'_>, planned: u64) -> Result<Option<&mut Payout>, Breach> {
        of.there(Check::DoubleSpend, self.payouts.get_mut(&planned), || {
            format!("payout {planned} goes on though it is finished")
        })
    }

    fn lease(
        &mut self,
        of: &Moment<'_>,
        planned: u64,
        until: Option<Timestamp>,
    ) -> Result<Option<Timestamp>, Breach> {
        let Some(payout) = self.payout(of, planned)? else { return Ok(None) };
        let before = core::mem::replace(&mut payout.lease_until, until);
        if let Some(before) = before {
            self.lease_ends.remove(&(before, planned));
        }
        self.lease_ends.extend(until.map(|until| (until, planned)));
        Ok(before)
    }

    fn finish(&mut self, of: &Moment<'_>, planned: u64) -> Result<(), Breach> {
        self.lease(of, planned, None)?;
        if let Some(payout) = self.payouts.remove(&planned) {
            self.held -= payout.amount;
        }
        Ok(())
    }

    /// Takes an event in, and gives what it moved.
    pub(super) fn event(&mut self, of: &Moment<'_>, event: &Event) -> Result<Moved, Breach> {
        use Event as E;
        use Side::{Outside, Transit};
        let at = of.at.get();
        self.check_time(of, event)?;
        self.count(of, event)?;
        // What comes in, from where, and the balance that the event says is behind it.
        let mut moved = None;
        match event {
            E::Opened(e) => {
                (self.asset, self.floor) = (Some(e.asset), e.floor.get());
            }
            E::Changed(e) => self.floor = e.floor.map_or(self.floor, |floor| floor.get()),
            E::Expired(_) => {}
            E::Closed(_) => {
                of.ensure(Check::Conservation, (self.balance, self.held) == (0, 0), || {
                    format!("closed with {} in it, and {} held", self.balance, self.held)
                })?;
            }
            E::Deposited(e) => moved = Some((units(e.amount), Outside, e.balance_after)),
            E::Charged(e) => {
                self.charges.insert(at, units(e.amount));
                moved = Some((-units(e.amount), Outside, e.balance_after));
            }
            E::Refunded(e) => {
                let rest = self.charges.get_mut(&e.charge.get());
                let rest = of.there(Check::DoubleSpend, rest, || {
                    format!("charge {} is refunded, and never was", e.charge)
                })?;
                if let Some(rest) = rest {
                    *rest -= units(e.amount);
                    let is_left = *rest >= 0;
                    of.ensure(Check::DoubleSpend, is_left, || {
                        format!("charge {} is refunded twice", e.charge)
                    })?;
                }
                moved = Some((units(e.amount), Outside, e.balance_after));
            }
            E::Spent(e) => moved = Some((-units(e.amount), Outside, e.balance_after)),
            E::Restored(e) => moved = Some((units(e.amount), Outside, e.balance_after)),
            E::HoldPlaced(e) => self.place(at, units(e.amount), e.expires_at),
            E::HoldCaptured(e) => {
                self.end_hold(of, e.hold.get())?;
                moved = Some((-units(e.amount), Outside, e.balance_after));
            }
            E::HoldReleased(e) => {
                self.end_hold(of, e.hold.get())?;
            }
            E::HoldExpired(e) => {
                self.end_hold(of, e.hold.get())?;
            }
            E::WithdrawalPlanned(e) => {
                let amount = units(e.amount);
                self.held += amount;
                self.payouts.insert(at, Payout { amount, fence: 0, lease_until: None });
            }
            E::WithdrawalLeased(e) => {
                self.lease(of, e.withdrawal.get(), Some(e.until))?;
                self.fence(e.withdrawal.get(), at);
            }
            E::WithdrawalRetried(e) => {
                self.lease(of, e.withdrawal.get(), None)?;
            }
            E::WithdrawalUnknown(e) => {
                self.lease(of, e.withdrawal.get(), None)?;
            }
            E::WithdrawalInherited(e) => {
                self.lease(of, e.withdrawal.get(), None)?;
                self.fence(e.withdrawal.get(), at);
            }
            E::LeaseExpired(e) => {
                let until = self.lease(of, e.withdrawal.get(), None)?;
                let is_over = until.is_some_and(|until| until <= of.now);
                of.ensure(Check::DoubleSpend, is_over, || {
                    format!("the lease of {} is over, and runs until {until:?}", e.withdrawal)
                })?;
            }
            E::WithdrawalFailed(e) => self.finish(of, e.withdrawal.get())?,
            E::WithdrawalCompleted(e) => {
                self.finish(of, e.withdrawal.get())?;
                moved = Some((-units(e.amount), Outside, e.balance_after));
            }
            E::WithdrawalReconciled(e) => {
                self.finish(of, e.withdrawal.get())?;
                let amount = if e.completed { -units(e.amount) } else { 0 };
                moved = Some((amount, Outside, e.balance_after));
            }
            E::Sent(e) => moved = Some((-units(e.amount), Transit, e.balance_after)),
            E::FlowFunded(e) => moved = Some((-units(e.amount), Transit, e.balance_after)),
            E::FlowRaised(e) => moved = Some((-units(e.amount), Transit, e.balance_after)),
            E::GaveBack(e) => moved = Some((-units(e.amount), Transit, e.balance_after)),
            E::Received(e) => moved = Some((units(e.amount), Transit, e.balance_after)),
            E::FlowRecovered(e) => moved = Some((units(e.amount), Transit, e.balance_after)),
            E::TookBack(e) => moved = Some((units(e.amount), Transit, e.balance_after)),
        }
        let (amount, side, after) = match moved {
            None => (0, Outside, None),
            Some((amount, side, after)) => (amount, side, Some(after.get())),
        };
        self.balance += amount;
        self.check_floor(of)?;
        let said = self.said;
        self.said = after.unwrap_or(said);
        of.ensure(Check::Conservation, after.is_none_or(|after| after == self.balance), || {
            format!("the balance is said to be {}, and is {}", self.said, self.balance)
        })?;
        let made = match event {
            E::HoldPlaced(_) => Some('h'),
            E::WithdrawalPlanned(_) => Some('w'),
            _ => None,
        };
        let (outside, transit) = match side {
            Outside => (-amount, 0),
            Transit => (0, -amount),
        };
        Ok(Moved { asset: self.asset, held: self.said - said, outside, transit, made })
    }

    fn fence(&mut self, planned: u64, fence: u64) {
        self.fences.entry(planned).or_default().push(fence);
        if let Some(payout) = self.payouts.get_mut(&planned) {
            payout.fence = fence;
        }
    }

    /// The newest fence of a payout that had been given out before a position.
    pub(in crate::audit) fn fence_before(&self, planned: Position, at: Position) -> Option<u64> {
        let fences = self.fences.get(&planned.get())?;
        fences.iter().copied().rfind(|fence| *fence < at.get())
    }

    /// Counts what is spent under a cap, and what of that comes back.
    fn count(&mut self, of: &Moment<'_>, event: &Event) -> Result<(), Breach> {
        use Event as E;
        match event {
            E::Opened(e) => self.spending = e.spend_cap.map(Spending::new),
            E::Changed(e) => {
                if let Some(cap) = e.spend_cap {
                    let before = self.spending.take();
                    let with = |cap| before.map_or(Spending::new(cap), |before| before.with(cap));
                    self.spending = cap.map(with);
                }
            }
            _ => {}
        }
        let placed = |hold: Position| self.holds.get(&hold.get()).map_or(0, |(amount, _)| *amount);
        let back = match event {
            E::Refunded(e) => Some((e.charge, units(e.amount))),
            E::HoldCaptured(e) => Some((e.hold, placed(e.hold) - units(e.amount))),
            E::HoldReleased(e) => Some((e.hold, placed(e.hold))),
            E::HoldExpired(e) => Some((e.hold, placed(e.hold))),
            E::WithdrawalFailed(e) => Some((e.withdrawal, units(e.amount))),
            E::WithdrawalReconciled(e) if !e.completed => Some((e.withdrawal, units(e.amount))),
            _ => None,
        };
        let spent = match event {
            E::Charged(e) => units(e.amount),
            E::HoldPlaced(e) => units(e.amount),
            E::WithdrawalPlanned(e) => units(e.amount),
            E::Sent(e) => units(e.amount),
            E::Spent(e) => units(e.amount),
            E::FlowFunded(e) => units(e.amount),
            E::FlowRaised(e) => units(e.amount),
            _ => 0,
        };
        let Some(spending) = &mut self.spending else { return Ok(()) };
        if let Some((at, amount)) = back {
            spending.come_back(at.get(), amount);
        }
        if spent > 0 {
            let (spent, cap) = spending.spend(of.at.get(), of.now, spent);
            of.ensure(Check::DoubleSpend, spent <= cap, || {
                format!("{spent} is spent in a period that may spend {cap}")
            })?;
        }
        Ok(())
    }

    /// What was over had ended before anything else happened.
    fn check_time(&self, of: &Moment<'_>, event: &Event) -> Result<(), Breach> {
        let ends = matches!(event, Event::HoldExpired(_) | Event::LeaseExpired(_));
        let first = [&self.ends, &self.lease_ends].into_iter().filter_map(BTreeSet::first).min();
        let overdue = first.filter(|(end, _)| *end <= of.now && !ends);
        of.ensure(Check::Linearizability, overdue.is_none(), || {
            format!("{overdue:?} should have ended before it")
        })
    }

    pub(in crate::audit) fn check_floor(&self, of: &Moment<'_>) -> Result<(), Breach> {
        let free = self.balance - self.held;
        of.ensure(Check::DoubleSpend, free >= self.floor, || {
            format!("below the floor of {}: {} with {} held", self.floor, self.balance, self.held)
        })
    }
}
