//! The naive account of a flow: what was put in, what has accrued, and what has left.

use quipu_core::machines::flow::Event;
use quipu_core::words::{Amount, Asset};

use super::{Moment, Moved};
use crate::audit::check::{Breach, Check};

/// A flow.
#[derive(Default)]
pub(in crate::audit) struct Flow {
    asset: Option<Asset>,
    pub(in crate::audit) total: i128,
    pub(in crate::audit) settled: i128,
    withdrawn: i128,
    refunded: i128,
    has_payer: bool,
    has_recipient: bool,
}

fn units(amount: Amount) -> i128 {
    amount.signed().get()
}

impl Flow {
    /// What is in it.
    pub(super) fn held(&self) -> i128 {
        self.total - self.withdrawn - self.refunded
    }

    pub(super) fn asset(&self) -> Option<Asset> {
        self.asset
    }

    /// Takes an event in, and gives what it moved: to and from its accounts where it has them,
    /// else from and to the outside.
    pub(super) fn event(&mut self, of: &Moment<'_>, event: &Event) -> Result<Moved, Breach> {
        use Event as E;
        let before = self.held();
        match event {
            E::Opened(e) => {
                (self.asset, self.total) = (Some(e.asset), units(e.total));
                (self.has_payer, self.has_recipient) = (e.payer.is_some(), e.recipient.is_some());
            }
            E::ToppedUp(e) => self.total += units(e.amount),
            E::Settled(e) => self.settled += units(e.amount),
            E::Withdrawn(e) => self.withdrawn += units(e.amount),
            E::Stopped(e) => {
                self.settled += units(e.amount);
                self.refunded += units(e.refunded);
            }
            E::Cancelled(e) => self.refunded += units(e.refunded),
            E::Started(_) | E::Paused(_) | E::Resumed(_) => {}
        }
        let is_sound = self.withdrawn <= self.settled && self.settled <= self.total - self.refunded;
        of.ensure(Check::DoubleSpend, is_sound, || {
            let Self { total, settled, withdrawn, refunded, .. } = self;
            format!("{total} in all, {settled} settled, {withdrawn} out, {refunded} back")
        })?;
        let held = self.held() - before;
        let partner = match event {
            E::Withdrawn(_) => self.has_recipient,
            _ => self.has_payer,
        };
        let (outside, transit) = if partner { (0, -held) } else { (-held, 0) };
        Ok(Moved { asset: self.asset, held, outside, transit, made: None })
    }
}
