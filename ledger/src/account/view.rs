//! What an account and its operations show.

use quipu_core::machine::ItemKey;
use quipu_core::machines::account::{
    self as machine, CHARGE_LETTER, Event, HOLD_LETTER, HoldState, Item, SpendCap, State,
    WITHDRAWAL_LETTER, WithdrawalState, metadata_key,
};
use quipu_core::records::Corrupt;
use quipu_core::words::{Amount, Asset, Id, Metadata, Name, Position, Signed, Timestamp};

use crate::shown::{Kind, Parts, Shown, metadata_of};

/// An account as it stood.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct View {
    /// Which one.
    pub id: Id,
    /// What it holds.
    pub asset: Asset,
    /// Whether it is in use.
    pub state: State,
    /// What is in it, held money included.
    pub balance: Signed,
    /// What holds and unfinished withdrawals have set aside.
    pub held: Amount,
    /// `balance − held − floor`: what may go out.
    pub available: Signed,
    /// The lowest that `balance − held` may become.
    pub floor: Signed,
    /// The highest balance that an incoming move may lead to.
    pub cap: Option<Amount>,
    /// What has been spent in this period, where there is a limit.
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
    /// What hangs on it.
    pub metadata: Metadata,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When its last event happened.
    pub updated_at: Timestamp,
}

/// What an account with a spend cap has spent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Spending {
    /// The limit.
    pub cap: SpendCap,
    /// What has been spent in the period.
    pub spent: Amount,
    /// What the period has left.
    pub left: Amount,
}

impl Kind for machine::Account {
    type View = View;

    fn items() -> Vec<ItemKey> {
        vec![metadata_key()]
    }

    fn view(parts: Parts<Self>) -> View {
        let Parts { name, stamp, head, items, at } = parts;
        View {
            id: name.id,
            available: head.available(),
            asset: head.asset,
            state: head.state,
            balance: head.balance,
            held: head.held,
            floor: head.floor,
            cap: head.cap,
            spending: head.spending.map(|spending| Spending {
                cap: spending.cap,
                spent: spending.spent(at),
                left: spending.left(at),
            }),
            total_in: head.total_in,
            total_out: head.total_out,
            holds: head.holds,
            withdrawals: head.withdrawals,
            flows: head.flows,
            expires_at: head.expires_at,
            metadata: metadata_of!(items, Item::Metadata(metadata) => metadata.clone()),
            created_at: stamp.created,
            updated_at: stamp.updated,
        }
    }
}

/// Money that came in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Deposit {
    /// How much.
    pub amount: Amount,
    /// The balance behind it.
    pub balance_after: Signed,
    /// The caller's name for it.
    pub reference: Option<Id>,
    /// What hangs on it.
    pub metadata: Metadata,
}

impl Deposit {
    pub(super) fn shape(shown: &Shown<'_>) -> Result<Self, Corrupt> {
        let Event::Deposited(event) = shown.event::<machine::Account>()? else {
            return Err(Corrupt::Tag);
        };
        let metadata = event.metadata.unwrap_or_default();
        let machine::Deposited { amount, balance_after, reference, .. } = event;
        Ok(Self { amount, balance_after, reference, metadata })
    }
}

/// Money that went out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Charge {
    /// Its id, for a [refund](super::Account::refund).
    pub id: Id,
    /// How much.
    pub amount: Amount,
    /// The balance behind it.
    pub balance_after: Signed,
    /// The caller's name for it.
    pub reference: Option<Id>,
    /// What hangs on it.
    pub metadata: Metadata,
}

impl Charge {
    pub(super) fn shape(shown: &Shown<'_>) -> Result<Self, Corrupt> {
        let Event::Charged(event) = shown.event::<machine::Account>()? else {
            return Err(Corrupt::Tag);
        };
        let id = Id::made(CHARGE_LETTER, shown.position);
        let metadata = event.metadata.unwrap_or_default();
        let machine::Charged { amount, balance_after, reference, .. } = event;
        Ok(Self { id, amount, balance_after, reference, metadata })
    }
}

/// How much of a charge was given back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Charged {
    /// Which charge.
    pub id: Id,
    /// How much it was.
    pub amount: Amount,
    /// How much of it was given back.
    pub refunded: Amount,
}

impl Charged {
    pub(super) fn shape(shown: &Shown<'_>) -> Result<Option<Self>, Corrupt> {
        Ok(shown.items::<machine::Account>()?.into_iter().find_map(|(key, item)| match item {
            Item::Charge(charge) => Some(Self {
                id: id_of(&key, CHARGE_LETTER),
                amount: charge.amount,
                refunded: charge.refunded,
            }),
            _ => None,
        }))
    }
}

/// A charge that was given back, wholly or in part.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refund {
    /// Which charge.
    pub charge: Id,
    /// How much.
    pub amount: Amount,
    /// The balance behind it.
    pub balance_after: Signed,
}

impl Refund {
    pub(super) fn shape(shown: &Shown<'_>) -> Result<Self, Corrupt> {
        let Event::Refunded(event) = shown.event::<machine::Account>()? else {
            return Err(Corrupt::Tag);
        };
        let machine::Refunded { charge, amount, balance_after } = event;
        Ok(Self { charge: Id::made(CHARGE_LETTER, charge), amount, balance_after })
    }
}

/// Money that went from one account to another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Transfer {
    /// How much.
    pub amount: Amount,
    /// The balance behind it of the account that it came from.
    pub from_balance_after: Signed,
    /// The balance behind it of the account that it went to.
    pub to_balance_after: Signed,
}

impl Transfer {
    pub(super) fn shape(shown: &Shown<'_>) -> Result<Self, Corrupt> {
        let (mut sent, mut received) = (None, None);
        for event in shown.events::<machine::Account>() {
            match event? {
                Event::Sent(event) => sent = Some(event),
                Event::Received(event) => received = Some(event),
                _ => return Err(Corrupt::Tag),
            }
        }
        let (sent, received) = sent.zip(received).ok_or(Corrupt::Missing)?;
        Ok(Self {
            amount: sent.amount,
            from_balance_after: sent.balance_after,
            to_balance_after: received.balance_after,
        })
    }
}

/// A hold as it stood.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HoldView {
    /// Its id, for [`Account::held`](super::Account::held).
    pub id: Id,
    /// How much was set aside.
    pub amount: Amount,
    /// What became of it.
    pub state: HoldState,
    /// What was charged of it.
    pub captured: Amount,
    /// Until when; for ever where absent.
    pub expires_at: Option<Timestamp>,
}

impl HoldView {
    pub(super) fn shape(shown: &Shown<'_>) -> Result<Self, Corrupt> {
        let (key, item) = shown.item::<machine::Account>()?;
        Self::of(&key, item).ok_or(Corrupt::Tag)
    }

    pub(crate) fn of(key: &ItemKey, item: Item) -> Option<Self> {
        let Item::Hold(hold) = item else { return None };
        let machine::Hold { amount, state, captured, expires_at } = hold;
        Some(Self { id: id_of(key, HOLD_LETTER), amount, state, captured, expires_at })
    }
}

/// A withdrawal as it stood.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Withdrawal {
    /// Whose it is.
    pub account: Id,
    /// Its id, for [`Account::withdrawal`](super::Account::withdrawal).
    pub id: Id,
    /// How much.
    pub amount: Amount,
    /// How far it is.
    pub state: WithdrawalState,
    /// Where to.
    pub destination: String,
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
    /// What the worker needs to know and nobody else may. Only a [lease](super::Payout::lease)
    /// shows it.
    pub secret: Option<Secret>,
}

/// What a payout worker needs to know and nobody else may: encrypted by the caller, and gone once
/// the payout is finished. [`Debug`](core::fmt::Debug) does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// The bytes, as they were given.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl core::fmt::Debug for Secret {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        out.write_str("Secret(…)")
    }
}

impl Withdrawal {
    /// What a lease shows: the secret as well.
    pub(super) fn leased(shown: &Shown<'_>) -> Result<Self, Corrupt> {
        let (key, item) = shown.item::<machine::Account>()?;
        let secret = match &item {
            Item::Withdrawal(withdrawal) => withdrawal.secret.clone().map(Secret),
            _ => None,
        };
        Ok(Self { secret, ..Self::of(shown.name, &key, item).ok_or(Corrupt::Tag)? })
    }

    pub(super) fn shape(shown: &Shown<'_>) -> Result<Self, Corrupt> {
        let (key, item) = shown.item::<machine::Account>()?;
        Self::of(shown.name, &key, item).ok_or(Corrupt::Tag)
    }

    pub(crate) fn of(account: &Name, key: &ItemKey, item: Item) -> Option<Self> {
        let Item::Withdrawal(withdrawal) = item else { return None };
        Some(Self {
            account: account.id.clone(),
            id: id_of(key, WITHDRAWAL_LETTER),
            amount: withdrawal.amount,
            state: withdrawal.state,
            destination: withdrawal.destination,
            attempts: withdrawal.attempts,
            worker: withdrawal.worker,
            fence: withdrawal.fence,
            lease_until: withdrawal.lease_until,
            error: withdrawal.error,
            reference: withdrawal.reference,
            secret: None,
        })
    }
}

/// The id of an item that a machine has named by a position.
pub(super) fn id_of(key: &ItemKey, letter: char) -> Id {
    Id::made(letter, key.position().unwrap_or_default())
}
