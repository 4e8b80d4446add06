//! Payouts of an account: withdrawals on their way through a worker's hands.

use quipu_core::machines::account::{self as machine, Command, WITHDRAWAL_LETTER, withdrawal_key};
use quipu_core::words::{Id, Position};

use super::{Account, Withdrawal};
use crate::call::{Call, Read};
use crate::error::Error;
use crate::words::Given;

/// A withdrawal of an account: money that is set aside until somebody knows whether it was paid
/// out.
///
/// A worker [leases](Self::lease) it and gets a fence, the position of the lease. Whatever came of
/// the payout is said under that fence; once a newer lease was given out, an older one is refused
/// with `stale_fence`. A lease that runs out makes it *unknown*: the money stays set aside until
/// somebody has looked the payout up.
///
/// ```
/// # async fn example(ledger: quipu::Ledger) -> Result<(), quipu::Error> {
/// # let alice = ledger.book("default").account("alice");
/// # alice.open("USD/2").await?.done()?;
/// # alice.deposit(100_00).await?.done()?;
/// let withdrawal = alice.withdraw(40_00, "iban:DE00").await?.done()?;
/// let payout = alice.withdrawal(&withdrawal.id);
/// let lease = payout.lease("worker-1", 60).await?.done()?;
/// // Here the worker pays, and is told that it went well.
/// payout.under(lease.fence).complete().await?.done()?;
/// assert_eq!(alice.get().await?.expect("it is open").balance.get(), 60_00);
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
pub struct Payout {
    account: Account,
    id: Result<Id, Error>,
}

impl Payout {
    pub(super) fn new(account: &Account, id: impl Given<Id>) -> Self {
        Self { account: account.clone(), id: id.word() }
    }

    /// A worker takes it on itself, for that many seconds, under a new fence.
    pub fn lease(&self, worker: impl Given<Id>, seconds: u64) -> Call<Withdrawal> {
        let command = self.id.clone().and_then(|withdrawal| {
            Ok(Command::Lease { withdrawal, worker: worker.word()?, seconds })
        });
        self.account.call(command, Withdrawal::leased)
    }

    /// What its worker says of it, under the fence of the lease.
    #[must_use]
    pub fn under(&self, fence: Position) -> Leased {
        Leased { payout: self.clone(), fence }
    }

    /// Somebody has looked up whether an unknown payout happened.
    pub fn reconcile(&self, completed: bool) -> Call<Withdrawal> {
        self.call(Ok(move |withdrawal| Command::Reconcile { withdrawal, completed }))
    }

    /// Reads it.
    pub fn get(&self) -> Read<Withdrawal> {
        let found = self.id.clone();
        let found =
            found.and_then(|id| self.account.item_of(id, WITHDRAWAL_LETTER, withdrawal_key));
        let (id, keys) = match found {
            Ok((id, keys)) => (Ok(id), keys),
            Err(error) => (Err(error), Vec::new()),
        };
        Read::new::<machine::Account>(&self.account.book, id, keys, |shown| {
            let items = shown.items::<machine::Account>()?;
            Ok(items.into_iter().find_map(|(key, item)| Withdrawal::of(shown.name, &key, item)))
        })
    }

    fn call(&self, command: Result<impl FnOnce(Id) -> Command, Error>) -> Call<Withdrawal> {
        let command = self.id.clone().and_then(|withdrawal| Ok(command?(withdrawal)));
        self.account.call(command, Withdrawal::shape)
    }
}

/// A withdrawal under the fence of a lease: what its worker can say of it.
#[derive(Clone)]
pub struct Leased {
    payout: Payout,
    fence: Position,
}

impl Leased {
    /// The payout happened.
    pub fn complete(&self) -> Call<Withdrawal> {
        self.completed(Ok(None))
    }

    /// The payout happened, and this is the provider's name for it.
    pub fn complete_as(&self, reference: impl Given<Id>) -> Call<Withdrawal> {
        self.completed(reference.word().map(Some))
    }

    fn completed(&self, reference: Result<Option<Id>, Error>) -> Call<Withdrawal> {
        let fence = self.fence;
        self.payout.call(
            reference.map(|reference| {
                move |withdrawal| Command::Complete { withdrawal, fence, reference }
            }),
        )
    }

    /// The payout did not happen and will not: the money comes back.
    pub fn fail(&self, error: impl Into<String>) -> Call<Withdrawal> {
        let (fence, error) = (self.fence, error.into());
        self.payout.call(Ok(move |withdrawal| Command::Fail { withdrawal, fence, error }))
    }

    /// The payout did not happen yet: somebody may try again.
    pub fn retry(&self, error: impl Into<String>) -> Call<Withdrawal> {
        let (fence, error) = (self.fence, error.into());
        self.payout.call(Ok(move |withdrawal| Command::Retry { withdrawal, fence, error }))
    }

    /// Nobody knows whether the payout happened.
    pub fn unknown(&self, error: impl Into<String>) -> Call<Withdrawal> {
        let (fence, error) = (self.fence, error.into());
        self.payout.call(Ok(move |withdrawal| Command::Unknown { withdrawal, fence, error }))
    }
}

/// The payouts of all accounts of a book, as they are listed: see
/// [`Book::payouts`](crate::Book::payouts).
pub enum Payouts {}
