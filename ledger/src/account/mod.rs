//! Accounts: money that somebody owns.

mod entries;
mod holds;
mod leases;
mod options;
mod payouts;
mod view;

pub use entries::{Entries, EntryType, EntryView};
pub use holds::Hold;
pub use leases::LEASES_MAX;
pub use options::{Changing, Entry, Holding, Opening, Withdrawing};
pub use payouts::{Leased, Payout, Payouts};
pub use quipu_core::machines::account::{
    HoldState, SECRET_PRINT_BYTES, SpendCap, State, WithdrawalState,
};
pub use view::{
    Charge, Charged, Deposit, HoldView, Refund, Secret, Spending, Transfer, View, Withdrawal,
};

use quipu_core::machine::ItemKey;
use quipu_core::machines::account::{self as machine, Command, charge_key};
use quipu_core::records::Corrupt;
use quipu_core::words::{Amount, Asset, Id, Metadata, Position, Signed};

use crate::book::Book;
use crate::call::{Call, Read};
use crate::error::Error;
use crate::history::History;
use crate::list::List;
use crate::shown::{Kind, Shown};
use crate::words::Given;

/// An account: money that somebody owns, in one asset.
///
/// It is a handle, cheap to make and to clone; see [`Book::account`](crate::Book::account). What
/// is in it is a [`View`].
///
/// ```
/// # async fn example(ledger: quipu::Ledger) -> Result<(), quipu::Error> {
/// let alice = ledger.book("default").account("alice");
/// alice.open("USD/2").await?.done()?;
/// alice.deposit(100_00).reference("order-7").await?.done()?;
///
/// let hold = alice.hold(30_00).await?.done()?;
/// assert_eq!(alice.get().await?.expect("it is open").available.get(), 70_00);
/// alice.held(&hold.id).capture(25_00).await?.done()?;
/// assert_eq!(alice.get().await?.expect("it is open").available.get(), 75_00);
/// # Ok(())
/// # }
/// # let folder = tempfile::tempdir().unwrap();
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # runtime.block_on(async {
/// #     let ledger = quipu::Ledger::open(folder.path()).await.unwrap();
/// #     example(ledger.clone()).await.unwrap();
/// #     ledger.close().await.unwrap();
/// # });
/// ```
#[derive(Clone)]
pub struct Account {
    pub(crate) book: Book,
    pub(crate) id: Result<Id, Error>,
}

impl Account {
    pub(crate) fn new(book: &Book, id: impl Given<Id>) -> Self {
        Self { book: book.clone(), id: id.word() }
    }

    /// Opens it, for money of one asset. One that exists is refused with `already_exists`.
    pub fn open(&self, asset: impl Given<Asset>) -> Call<View, Opening> {
        let command = asset.word().map(|asset| Command::Open {
            asset,
            floor: Signed::ZERO,
            cap: None,
            spend_cap: None,
            expires_at: None,
            metadata: Metadata::default(),
        });
        self.call(command, |shown| shown.view::<machine::Account>())
    }

    /// Reads it.
    pub fn get(&self) -> Read<View> {
        let items = machine::Account::items();
        Read::new::<machine::Account>(&self.book, self.id.clone(), items, |shown| {
            shown.view::<machine::Account>().map(Some)
        })
    }

    /// Money comes in from outside. Refused: `not_found`, `wrong_state`, `expired`,
    /// `already_exists` (the reference), `balance_cap_reached`, `overflow`.
    pub fn deposit(&self, amount: impl Given<Amount>) -> Call<Deposit, Entry> {
        let command = amount.word().map(|amount| {
            let metadata = Metadata::default();
            Command::Deposit { amount, reference: None, metadata }
        });
        self.call(command, Deposit::shape)
    }

    /// Money goes out: usage, a purchase. Refused: `not_found`, `wrong_state`, `expired`,
    /// `already_exists` (the reference), `insufficient_funds`, `spend_cap_reached`.
    pub fn charge(&self, amount: impl Given<Amount>) -> Call<Charge, Entry> {
        let command = amount.word().map(|amount| {
            let metadata = Metadata::default();
            Command::Charge { amount, reference: None, metadata }
        });
        self.call(command, Charge::shape)
    }

    /// A charge is given back: all that is left of it. See [`refund_part`](Self::refund_part).
    pub fn refund(&self, charge: impl Given<Id>) -> Call<Refund> {
        self.refund_of(charge, Ok(None))
    }

    /// A part of a charge is given back; in all at most the charge (`exceeds_held`).
    pub fn refund_part(&self, charge: impl Given<Id>, amount: impl Given<Amount>) -> Call<Refund> {
        self.refund_of(charge, amount.word().map(Some))
    }

    fn refund_of(
        &self,
        charge: impl Given<Id>,
        amount: Result<Option<Amount>, Error>,
    ) -> Call<Refund> {
        let command =
            charge.word().and_then(|charge| Ok(Command::Refund { charge, amount: amount? }));
        self.call(command, Refund::shape)
    }

    /// Reads how much of a charge was given back.
    pub fn charged(&self, charge: impl Given<Id>) -> Read<Charged> {
        let (id, keys) = match self.item_of(charge, machine::CHARGE_LETTER, charge_key) {
            Ok((id, keys)) => (Ok(id), keys),
            Err(error) => (Err(error), Vec::new()),
        };
        Read::new::<machine::Account>(&self.book, id, keys, Charged::shape)
    }

    /// Money is set aside, for ever or for [a while](Call::expires_in_seconds). Refused as a charge
    /// is.
    pub fn hold(&self, amount: impl Given<Amount>) -> Call<HoldView, Holding> {
        let command = amount.word();
        let command = command.map(|amount| Command::Hold { amount, expires_in_seconds: None });
        self.call(command, HoldView::shape)
    }

    /// A hold of this account, by its id.
    #[must_use]
    pub fn held(&self, hold: impl Given<Id>) -> Hold {
        Hold::new(self, hold)
    }

    /// The holds of this account, in the order in which they were placed, ended ones included.
    pub fn holds(&self) -> List<Hold> {
        List::items(&self.book, self.id.clone(), b'H')
    }

    /// Money is to be paid out to somewhere outside: it is set aside at once, and a worker
    /// [leases](Payout::lease) it, pays, and says what came of that. Refused as a charge is.
    pub fn withdraw(
        &self,
        amount: impl Given<Amount>,
        destination: impl Into<String>,
    ) -> Call<Withdrawal, Withdrawing> {
        let destination = destination.into();
        let command =
            amount.word().map(|amount| Command::Withdraw { amount, destination, secret: None });
        self.call(command, Withdrawal::shape)
    }

    /// A withdrawal of this account, by its id.
    #[must_use]
    pub fn withdrawal(&self, id: impl Given<Id>) -> Payout {
        Payout::new(self, id)
    }

    /// The withdrawals of this account, in the order in which they were asked for, finished ones
    /// included.
    pub fn withdrawals(&self) -> List<Payout> {
        List::items(&self.book, self.id.clone(), b'W')
    }

    /// Money goes to another account of the book, in the same asset. Refused as a charge of this
    /// account is, or as a deposit of the other one; `asset_mismatch`.
    pub fn transfer(
        &self,
        to: impl Given<Id>,
        amount: impl Given<Amount>,
    ) -> Call<Transfer, Entry> {
        let command = to.word().and_then(|to| {
            let metadata = Metadata::default();
            Ok(Command::Transfer { to, amount: amount.word()?, metadata })
        });
        self.call(command, Transfer::shape)
    }

    /// Changes limits and metadata. What is not named stays as it is.
    pub fn change(&self) -> Call<View, Changing> {
        let (floor, cap, spend_cap, expires_at, metadata) = Default::default();
        let command = Command::Change { floor, cap, spend_cap, expires_at, metadata };
        self.call(Ok(command), |shown| shown.view::<machine::Account>())
    }

    /// It is used no more. Refused with `not_empty` while there is money in it, or money that may
    /// come back.
    pub fn close(&self) -> Call<View> {
        self.call(Ok(Command::Close), |shown| shown.view::<machine::Account>())
    }

    /// What moved money in it or out of it, newest first.
    pub fn entries(&self) -> Entries {
        Entries::new(self)
    }

    /// What happened to it, newest first.
    pub fn history(&self) -> History<machine::Event> {
        History::new::<machine::Account>(&self.book, self.id.clone())
    }

    fn call<T: Send + 'static, O: 'static>(
        &self,
        command: Result<Command, Error>,
        shape: fn(&Shown<'_>) -> Result<T, Corrupt>,
    ) -> Call<T, O> {
        Call::new::<machine::Account>(&self.book, self.id.clone(), command, shape)
    }

    /// The id of this account, and the key of one of its items.
    fn item_of(
        &self,
        item: impl Given<Id>,
        letter: char,
        key: fn(Position) -> ItemKey,
    ) -> Result<(Id, Vec<ItemKey>), Error> {
        let position = item.word()?.position(letter);
        Ok((self.id.clone()?, position.map(key).into_iter().collect()))
    }
}
