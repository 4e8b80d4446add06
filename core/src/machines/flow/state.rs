//! What is kept of a flow, and what can happen to it.

use rkyv::{Archive, Deserialize, Serialize};

use crate::words::{Amount, Asset, Id, Metadata, Timestamp};
use crate::{record, records};

/// What a flow is doing.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// Funded, not begun.
    Draft,
    /// Its time runs, or will from `start_at` on.
    Active,
    /// Its time stands still.
    Paused,
    /// All is settled; what is left of that may be withdrawn.
    Ended,
    /// It never began, and all went back.
    Cancelled,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 5] =
        [Self::Draft, Self::Active, Self::Paused, Self::Ended, Self::Cancelled];

    /// The stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Ended => "ended",
            Self::Cancelled => "cancelled",
        }
    }

    /// The stable number, for index rows.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Draft => 1,
            Self::Active => 2,
            Self::Paused => 3,
            Self::Ended => 4,
            Self::Cancelled => 5,
        }
    }
}

/// A flow's head.
///
/// - `withdrawn ≤ settled ≤ accrued ≤ total`
/// - `total = withdrawn + refunded + held`
/// - `frozen_at` is there when paused, and when ended
/// - `duration_ms` is the least active time by which all of `total` has accrued at the rate
///
/// The rate is that of the opening and never changes, so a top-up moves nothing that has
/// accrued: only the end moves.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Head {
    /// What accrues.
    pub asset: Asset,
    /// What it is doing.
    pub state: State,
    /// How much accrues in all.
    pub total: Amount,
    /// How much of it may be withdrawn, or was.
    pub settled: Amount,
    /// How much went out.
    pub withdrawn: Amount,
    /// How much went back when it was stopped or cancelled.
    pub refunded: Amount,
    /// The rate: this much …
    pub rate_amount: Amount,
    /// … in this much active time.
    pub rate_ms: u64,
    /// The active time in which all accrues.
    pub duration_ms: u64,
    /// The active time before which nothing has accrued.
    pub cliff_ms: u64,
    /// When it began or will begin; never a draft's.
    pub start_at: Option<Timestamp>,
    /// For how long it stood still in pauses that are over.
    pub paused_ms: u64,
    /// Since when its time stands still.
    pub frozen_at: Option<Timestamp>,
    /// The account that funds it. Never changes.
    pub payer: Option<Id>,
    /// The account that withdrawals go to. Never changes.
    pub recipient: Option<Id>,
}

record!(Head = (1, 1));

impl Head {
    /// How much has accrued: `floor(rate × active time)`, nothing before the cliff, at most
    /// the total; and never less than what is settled, whatever the clock does.
    #[must_use]
    pub fn accrued(&self, now: Timestamp) -> Amount {
        let active = self.active_ms(now);
        if active < self.cliff_ms {
            return self.settled;
        }
        self.at_rate(active).unwrap_or(self.total).min(self.total).max(self.settled)
    }

    /// How much is settled and not yet withdrawn.
    #[must_use]
    pub fn withdrawable(&self) -> Amount {
        self.settled.minus(self.withdrawn).unwrap_or_default()
    }

    /// How much is still in the flow.
    #[must_use]
    pub fn held(&self) -> Amount {
        let gone = self.withdrawn.plus(self.refunded);
        gone.and_then(|gone| self.total.minus(gone)).unwrap_or_default()
    }

    /// When all will have accrued, or has, or when it was stopped before that. While it is
    /// paused, as if it were resumed now.
    ///
    /// `None` where it has not begun, or where that lies behind the year 9999.
    #[must_use]
    pub fn end_at(&self, now: Timestamp) -> Option<Timestamp> {
        let still = self.stood_still_ms(now);
        let whole = self.start_at?.after_ms(self.duration_ms).and_then(|end| end.after_ms(still));
        match self.state {
            State::Ended => self.frozen_at.map(|end| whole.map_or(end, |whole| whole.min(end))),
            _ => whole,
        }
    }

    /// For how long its time has run.
    #[must_use]
    pub fn active_ms(&self, now: Timestamp) -> u64 {
        let until = self.frozen_at.unwrap_or(now);
        self.start_at.map_or(0, |start| until.ms_since(start).saturating_sub(self.paused_ms))
    }

    /// Whether all has accrued.
    #[must_use]
    pub fn is_time_up(&self, now: Timestamp) -> bool {
        self.active_ms(now) >= self.duration_ms
    }

    /// For how long it stood still up to now. A pause after the end moves nothing.
    pub(super) fn stood_still_ms(&self, now: Timestamp) -> u64 {
        match self.frozen_at {
            Some(since) if self.state == State::Paused && !self.is_time_up(now) => {
                self.paused_ms.saturating_add(now.ms_since(since))
            }
            _ => self.paused_ms,
        }
    }

    /// The least active time in which `total` accrues, which is more than has so far been the
    /// total; `None` where milliseconds cannot count it.
    ///
    /// That is `ceil(total × rate_ms ÷ rate_amount)`. The product can take 191 bits; halving
    /// needs only the accrual itself, and says what is meant.
    pub(super) fn duration_of(&self, total: Amount) -> Option<u64> {
        let enough = |ms| self.at_rate(ms).is_none_or(|accrued| accrued >= total);
        let (mut low, mut high) = (self.duration_ms, u64::MAX);
        if !enough(high) {
            return None;
        }
        while low < high {
            let middle = low + (high - low) / 2;
            if enough(middle) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        Some(high)
    }

    /// `floor(rate_amount × active ÷ rate_ms)` without rounding in between; `None` where that
    /// is more than any amount.
    fn at_rate(&self, active: u64) -> Option<Amount> {
        let times = active.checked_div(self.rate_ms)?;
        let rest = self.rate_amount.share(active % self.rate_ms, self.rate_ms);
        self.rate_amount.times(times)?.plus(rest)
    }
}

/// What the caller hung on the flow.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Attached {
    /// The pairs, of which there is at least one.
    pub metadata: Metadata,
}

record!(Attached = (1, 1));

records! {
    /// What can happen to a flow.
    pub enum Event {
        /// It was created and funded.
        Opened = (1, 1),
        /// A draft began.
        Started = (2, 1),
        /// Its time stands still.
        Paused = (3, 1),
        /// Its time runs on.
        Resumed = (4, 1),
        /// What had accrued may be withdrawn.
        Settled = (5, 1),
        /// Some of it went out.
        Withdrawn = (6, 1),
        /// It lasts longer.
        ToppedUp = (7, 1),
        /// It ended early.
        Stopped = (8, 1),
        /// A draft was dropped.
        Cancelled = (9, 1),
    }
}

/// It was created and funded.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Opened {
    /// What accrues.
    pub asset: Asset,
    /// How much in all.
    pub total: Amount,
    /// In how much active time.
    pub duration_ms: u64,
    /// The active time before which nothing has accrued.
    pub cliff_ms: u64,
    /// When it begins; a draft where absent.
    pub start_at: Option<Timestamp>,
    /// The account that funds it.
    pub payer: Option<Id>,
    /// The account that withdrawals go to.
    pub recipient: Option<Id>,
    /// What the caller hung on it, if anything.
    pub metadata: Option<Metadata>,
}

/// A draft began.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Started {
    /// When.
    pub start_at: Timestamp,
}

/// Its time stands still.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Paused {
    /// For how long it had run.
    pub active_ms: u64,
}

/// Its time runs on.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Resumed {
    /// For how long it stood still in all its pauses, which moves the end by as much.
    pub paused_ms: u64,
}

/// What had accrued may be withdrawn.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Settled {
    /// How much was new.
    pub amount: Amount,
    /// How much is settled in all.
    pub settled: Amount,
    /// Whether that was the last of it.
    pub ended: bool,
}

/// Some of what was settled went out.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Withdrawn {
    /// How much.
    pub amount: Amount,
    /// How much went out in all.
    pub withdrawn: Amount,
}

/// It lasts longer.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct ToppedUp {
    /// How much came in.
    pub amount: Amount,
    /// How much accrues in all now.
    pub total: Amount,
    /// In how much active time.
    pub duration_ms: u64,
}

/// It ended early.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Stopped {
    /// How much was settled by that.
    pub amount: Amount,
    /// How much is settled in all.
    pub settled: Amount,
    /// How much went back.
    pub refunded: Amount,
}

/// A draft was dropped.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Cancelled {
    /// How much went back: all of it.
    pub refunded: Amount,
}
