//! What an account keeps: its head, and the items of its charges, holds and withdrawals.

use rkyv::{Archive, Deserialize, Serialize};

use super::SpendCap;
use crate::machine::{ItemKey, Place};
use crate::words::{Amount, Asset, Id, Metadata, Position, Signed, Timestamp};
use crate::{record, records};

/// An account.
///
/// Invariants, as long as no total has reached 127 bits:
/// `balance = total_in − total_out`; `floor ≤ balance − held`;
/// `held` = the sum of its open holds and unfinished withdrawals.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Head {
    /// What it holds.
    pub asset: Asset,
    /// Whether it is in use.
    pub state: State,
    /// What is in it, held money included.
    pub balance: Signed,
    /// What holds and unfinished withdrawals have set aside.
    pub held: Amount,
    /// The lowest that `balance − held` may become by an outgoing move.
    pub floor: Signed,
    /// The highest balance that an incoming move may lead to.
    pub cap: Option<Amount>,
    /// What has been spent, where there is a limit.
    pub spending: Option<Spending>,
    /// All that ever came in.
    pub total_in: Amount,
    /// All that ever went out.
    pub total_out: Amount,
    /// Holds that are open.
    pub holds: u64,
    /// Withdrawals that are not finished.
    pub withdrawals: u64,
    /// Flows that may still owe it money.
    pub flows: u64,
    /// When it closes by itself, once it is empty.
    pub expires_at: Option<Timestamp>,
}

record!(Head = (1, 1));

impl Head {
    /// `balance − held − floor`. Clamped to 127 bits: an overdraft that is nearly without
    /// a limit may allow more than any amount can ask for.
    #[must_use]
    pub fn available(&self) -> Signed {
        let free = self.unheld().get();
        Signed::new(free.saturating_sub(self.floor.get()))
    }

    /// `balance − held`.
    #[must_use]
    pub fn unheld(&self) -> Signed {
        Signed::new(self.balance.get().saturating_sub(self.held.signed().get()))
    }

    /// Whether there is no money in it and none that may come back to it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.balance == Signed::ZERO && self.holds == 0 && self.withdrawals == 0 && self.flows == 0
    }
}

/// Whether an account is in use.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// In use.
    Open,
    /// Closed by a command.
    Closed,
    /// Closed by time.
    Expired,
}

impl State {
    /// The byte in the index by state.
    #[must_use]
    pub fn byte(self) -> u8 {
        match self {
            Self::Open => 1,
            Self::Closed => 2,
            Self::Expired => 3,
        }
    }
}

/// What counts against a spend cap.
///
/// What is freed comes back only if it was counted here. A hold, a withdrawal or a charge
/// carries the position at which it was counted, and `since` is the position at which this
/// count began: so one comparison covers the end of a period and a new kind of period alike.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
pub struct Spending {
    /// The limit.
    pub cap: SpendCap,
    /// What has been spent in the period.
    pub spent: Amount,
    /// When the period began.
    pub start: Timestamp,
    /// Where counting began.
    pub since: Position,
}

impl Spending {
    pub(super) fn new(cap: SpendCap, at: &Place) -> Self {
        let start = at.now.start_of(cap.period);
        Self { cap, spent: Amount::ZERO, start, since: at.position }
    }

    /// What has been spent in the period that holds `now`.
    #[must_use]
    pub fn spent(&self, now: Timestamp) -> Amount {
        if self.start == now.start_of(self.cap.period) { self.spent } else { Amount::ZERO }
    }

    /// What the period that holds `now` has left.
    #[must_use]
    pub fn left(&self, now: Timestamp) -> Amount {
        self.cap.amount.minus(self.spent(now)).unwrap_or_default()
    }

    pub(super) fn spend(&mut self, amount: Amount, at: &Place) {
        if self.start != at.now.start_of(self.cap.period) {
            *self = Self::new(self.cap, at);
        }
        self.spent = self.spent.plus(amount).unwrap_or(Amount::MAX);
    }

    /// Gives back what was counted at `counted`, if that was within this count. Where the
    /// period is over by now, nobody asks for the count any more: the next spending begins anew.
    pub(super) fn free(&mut self, amount: Amount, counted: Position) {
        if counted >= self.since {
            self.spent = self.spent.minus(amount).unwrap_or_default();
        }
    }
}

records! {
    /// What belongs to an account beside its head.
    pub enum Item {
        /// A hold.
        Hold = (1, 1),
        /// A withdrawal.
        Withdrawal = (2, 1),
        /// A charge, for its refunds.
        Charge = (3, 1),
        /// Who took a reference.
        First = (4, 1),
        /// What the caller hangs on the account.
        Metadata = (5, 1),
    }
}

/// Money that is set aside. It stays when it has ended, so that it can be looked up.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Hold {
    /// How much was set aside.
    pub amount: Amount,
    /// What became of it.
    pub state: HoldState,
    /// What was charged.
    pub captured: Amount,
    /// Until when; for ever where absent.
    pub expires_at: Option<Timestamp>,
}

/// What became of a hold.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
pub enum HoldState {
    /// It is open.
    Held,
    /// It was charged.
    Captured,
    /// It was freed.
    Released,
    /// Time freed it.
    Expired,
}

/// Money that is to be paid out. It stays when it has ended, so that it can be looked up.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Withdrawal {
    /// How much.
    pub amount: Amount,
    /// How far it is.
    pub state: WithdrawalState,
    /// Where to.
    pub destination: String,
    /// What the worker needs, encrypted; gone once it is finished.
    pub secret: Option<Vec<u8>>,
    /// How often it was tried in vain.
    pub attempts: u32,
    /// Who has it, or had it last.
    pub worker: Option<Id>,
    /// The newest fence; zero before the first lease.
    pub fence: Position,
    /// How long the worker has it.
    pub lease_until: Option<Timestamp>,
    /// What went wrong last.
    pub error: Option<String>,
    /// The provider's name for it.
    pub reference: Option<Id>,
}

/// How far a withdrawal is.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
pub enum WithdrawalState {
    /// Nobody has it.
    Pending,
    /// A worker has it.
    Dispatched,
    /// It was paid out.
    Completed,
    /// It was not paid out, and the money is back.
    Failed,
    /// Nobody knows whether it was paid out.
    Unknown,
}

impl WithdrawalState {
    /// The byte in the index of withdrawals by state.
    #[must_use]
    pub fn byte(self) -> u8 {
        match self {
            Self::Pending => 1,
            Self::Dispatched => 2,
            Self::Completed => 3,
            Self::Failed => 4,
            Self::Unknown => 5,
        }
    }
}

/// What withdrawals in a state are listed under.
#[must_use]
pub fn by_state(state: WithdrawalState) -> [u8; 1] {
    [state.byte()]
}

/// What withdrawals that a worker has are listed under: its name, and a zero, which no name has.
#[must_use]
pub fn by_worker(worker: &Id) -> Vec<u8> {
    [worker.as_str().as_bytes(), &[0]].concat()
}

/// A charge that may be refunded.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Charge {
    /// How much it was.
    pub amount: Amount,
    /// How much of it was given back.
    pub refunded: Amount,
}

/// The operation that took a reference.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct First {
    /// Where it is.
    pub position: Position,
}

/// The key of the account's metadata. There is no item where there is no metadata.
#[must_use]
pub fn metadata_key() -> ItemKey {
    ItemKey::only(b'M')
}

/// The key of a hold, by the position that its id derives from.
#[must_use]
pub fn hold_key(hold: Position) -> ItemKey {
    ItemKey::at(b'H', hold)
}

/// The key of a withdrawal, by the position that its id derives from.
#[must_use]
pub fn withdrawal_key(withdrawal: Position) -> ItemKey {
    ItemKey::at(b'W', withdrawal)
}

/// The key of a charge, by the position that its id derives from.
#[must_use]
pub fn charge_key(charge: Position) -> ItemKey {
    ItemKey::at(b'G', charge)
}

/// The key of a deposit's reference.
#[must_use]
pub fn deposit_reference_key(reference: &Id) -> ItemKey {
    ItemKey::named(b'D', reference)
}

/// The key of a charge's reference.
#[must_use]
pub fn charge_reference_key(reference: &Id) -> ItemKey {
    ItemKey::named(b'C', reference)
}
