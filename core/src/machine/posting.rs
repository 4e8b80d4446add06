//! Postings: the signed movements inside events, which sum to zero.

use std::collections::BTreeMap;

use crate::words::{Amount, Asset};

/// Where a posting lands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Side {
    /// The stream whose event it is.
    Stream,
    /// The world outside: deposits come from it, charges and payouts go to it.
    Outside,
    /// Between two legs of one command.
    Transit,
}

/// One signed movement of an asset.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Posting {
    /// Where.
    pub side: Side,
    /// Of what.
    pub asset: Asset,
    /// How much; negative where it leaves.
    pub amount: i128,
}

/// The postings of one event.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Postings(Vec<Posting>);

impl Postings {
    /// `amount` leaves one side and lands on another. Nothing moves nothing.
    pub fn moved(&mut self, asset: Asset, amount: Amount, from: Side, to: Side) {
        if amount.is_zero() {
            return;
        }
        let amount = amount.signed().get();
        self.0.push(Posting { side: from, asset, amount: -amount });
        self.0.push(Posting { side: to, asset, amount });
    }

    /// The postings.
    #[must_use]
    pub fn list(&self) -> &[Posting] {
        &self.0
    }

    /// Whether every asset sums to zero, and nothing is left in transit.
    #[must_use]
    pub fn is_balanced(&self) -> bool {
        let mut sums: BTreeMap<(Option<Side>, Asset), i128> = BTreeMap::new();
        for Posting { side, asset, amount } in &self.0 {
            *sums.entry((None, *asset)).or_default() += amount;
            *sums.entry((Some(*side), *asset)).or_default() += amount;
        }
        let must_be_zero = |side: &Option<Side>| side.is_none_or(|side| side == Side::Transit);
        sums.iter().all(|((side, _), sum)| !must_be_zero(side) || *sum == 0)
    }

    /// Empties it.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}
