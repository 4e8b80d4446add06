//! Entries of an account: what moved money, newest first.

use std::collections::VecDeque;

use quipu_core::machines::account::{
    self as machine, Event, Item, charge_reference_key, deposit_reference_key,
};
use quipu_core::records::{Corrupt, Record};
use quipu_core::words::{Amount, Id, Metadata, Number, Position, Signed, Timestamp};

use super::Account;
use crate::blocking::{self, beside};
use crate::call::Read;
use crate::error::Error;
use crate::history::{self, History, Past};
use crate::words::Given;

/// What moved money in an account or out of it, newest first: its history without what only set
/// money aside or changed a limit. See [`Account::entries`].
///
/// ```
/// # async fn example(ledger: quipu::Ledger) -> Result<(), quipu::Error> {
/// let alice = ledger.book("default").account("alice");
/// alice.open("USD/2").await?.done()?;
/// alice.deposit(50).reference("notice-1").await?.done()?;
/// alice.charge(20).await?.done()?;
///
/// let mut entries = alice.entries();
/// let newest = entries.next().await?.expect("there are two");
/// assert_eq!((newest.amount.get(), newest.balance_after.get()), (-20, 30));
///
/// let mut found = alice.entries().reference("notice-1");
/// assert_eq!(found.next().await?.expect("it was deposited").amount.get(), 50);
/// assert_eq!(found.next().await?, None);
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
#[must_use = "nothing is read before `next`"]
pub struct Entries {
    account: Account,
    reference: Option<Result<Id, Error>>,
    before: Option<Result<Position, Error>>,
    walk: Option<Walk>,
}

enum Walk {
    All(Box<History<Event>>),
    Found(VecDeque<EntryView>),
}

/// One movement of money.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EntryView {
    /// Its position in the log.
    pub position: Position,
    /// What it was.
    pub entry_type: EntryType,
    /// How much came in; below 0 where it went out.
    pub amount: Signed,
    /// The balance behind it.
    pub balance_after: Signed,
    /// When it was decided.
    pub at: Timestamp,
    /// The caller's name for a deposit or a charge, or the provider's for a payout.
    pub reference: Option<Id>,
    /// What hangs on it.
    pub metadata: Metadata,
}

macro_rules! entry_types {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// What moved money.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum EntryType {
            $($(#[$doc])* $variant,)*
        }

        impl EntryType {
            /// The stable name.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

entry_types! {
    /// It came in from outside.
    Deposit = "deposit",
    /// It went out.
    Charge = "charge",
    /// A charge came back.
    Refund = "refund",
    /// A hold was charged.
    Capture = "capture",
    /// A payout happened.
    Withdrawal = "withdrawal",
    /// It went to another account, or to whoever sells.
    TransferOut = "transfer_out",
    /// It came from another account, or from a flow.
    TransferIn = "transfer_in",
    /// It was paid for a drop that nobody sells.
    Purchase = "purchase",
    /// A flow was funded, or made longer.
    FlowFunding = "flow_funding",
    /// A flow gave it back.
    FlowRefund = "flow_refund",
    /// A buyer got it back.
    SaleReturned = "sale_returned",
    /// It came back for what was bought.
    PurchaseReturned = "purchase_returned",
}

impl Entries {
    pub(super) fn new(account: &Account) -> Self {
        Self { account: account.clone(), reference: None, before: None, walk: None }
    }

    /// Only the deposit and the charge that were made under this reference, of which there is at
    /// most one each. They are found without the way through the history. References of payouts
    /// are a provider's, and nothing is found by them.
    pub fn reference(mut self, name: impl Given<Id>) -> Self {
        self.reference = Some(name.word());
        self
    }

    /// Only those before this position, which is that of the entry that another walk gave last.
    /// A transfer to itself is two entries with one position, and both of them are left out: do not
    /// end between them.
    pub fn before(mut self, position: impl Given<Position>) -> Self {
        self.before = Some(position.word());
        self
    }

    /// The entry before, or `None` before the first one. An account that is not there has none.
    pub async fn next(&mut self) -> Result<Option<EntryView>, Error> {
        loop {
            match &mut self.walk {
                Some(Walk::Found(found)) => return Ok(found.pop_front()),
                Some(Walk::All(history)) => {
                    let Some(past) = history.next().await? else { return Ok(None) };
                    if let Some(entry) = entry_of(past) {
                        return Ok(Some(entry));
                    }
                }
                None => self.walk = Some(self.begin().await?),
            }
        }
    }

    /// The same on a thread that no runtime runs its tasks on.
    pub fn next_blocking(&mut self) -> Result<Option<EntryView>, Error> {
        blocking::wait(self.next())
    }

    async fn begin(&self) -> Result<Walk, Error> {
        let before = self.before.clone().transpose()?;
        let Some(reference) = self.reference.clone().transpose()? else {
            let history = self.account.history();
            return Ok(Walk::All(Box::new(match before {
                None => history,
                Some(before) => history.before(before),
            })));
        };
        let Some((number, mut positions)) = self.places(&reference).await? else {
            return Ok(Walk::Found(VecDeque::new()));
        };
        positions.retain(|position| before.is_none_or(|before| *position < before));
        positions.sort_unstable_by(|one, other| other.cmp(one));
        let log = self.account.book.ledger().handle().log().clone();
        let found = beside(move || {
            let mut found = VecDeque::with_capacity(positions.len());
            for position in positions {
                let knots = history::at(&*log, (number, position))?;
                let knot = knots.first().ok_or(Corrupt::Missing)?;
                let (at, event) = (knot.now, Event::unpack(knot.tag, &knot.payload)?);
                found.extend(entry_of(Past { position, at, trace: knot.trace, event }));
            }
            Ok::<_, Error>(found)
        });
        Ok(Walk::Found(found.await??))
    }

    /// The number of the account, and the positions that its items note for a reference.
    async fn places(&self, reference: &Id) -> Result<Option<(Number, Vec<Position>)>, Error> {
        let keys = vec![deposit_reference_key(reference), charge_reference_key(reference)];
        let id = self.account.id.clone();
        let read = Read::new::<machine::Account>(&self.account.book, id, keys, |shown| {
            let (number, ..) = shown.head::<machine::Account>()?;
            let firsts = shown.items::<machine::Account>()?.into_iter();
            let positions = firsts.filter_map(|(_, item)| match item {
                Item::First(first) => Some(first.position),
                _ => None,
            });
            Ok(Some((number, positions.collect())))
        });
        Ok(read.await?.map(|seen| seen.value))
    }
}

/// What an event moved, if it moved anything.
fn entry_of(past: Past<Event>) -> Option<EntryView> {
    use EntryType::{
        Capture, Charge, Deposit, FlowFunding, FlowRefund, Purchase, PurchaseReturned, Refund,
        SaleReturned, TransferIn, TransferOut, Withdrawal,
    };
    let came = |amount: Amount| amount.signed();
    let went = |amount: Amount| amount.signed().negated();
    let (mut reference, mut metadata) = (None, None);
    let (entry_type, amount, balance_after) = match past.event {
        Event::Deposited(event) => {
            (reference, metadata) = (event.reference, event.metadata);
            (Deposit, came(event.amount), event.balance_after)
        }
        Event::Charged(event) => {
            (reference, metadata) = (event.reference, event.metadata);
            (Charge, went(event.amount), event.balance_after)
        }
        Event::Refunded(event) => (Refund, came(event.amount), event.balance_after),
        Event::HoldCaptured(event) => (Capture, went(event.amount), event.balance_after),
        Event::WithdrawalCompleted(event) => {
            reference = event.reference;
            (Withdrawal, went(event.amount), event.balance_after)
        }
        Event::WithdrawalReconciled(event) if event.completed => {
            (Withdrawal, went(event.amount), event.balance_after)
        }
        Event::Sent(event) => {
            metadata = Some(event.metadata);
            (TransferOut, went(event.amount), event.balance_after)
        }
        Event::Received(event) => (TransferIn, came(event.amount), event.balance_after),
        Event::Spent(event) => (Purchase, went(event.amount), event.balance_after),
        Event::FlowFunded(event) => (FlowFunding, went(event.amount), event.balance_after),
        Event::FlowRaised(event) => (FlowFunding, went(event.amount), event.balance_after),
        Event::FlowRecovered(event) => (FlowRefund, came(event.amount), event.balance_after),
        Event::GaveBack(event) => (SaleReturned, went(event.amount), event.balance_after),
        Event::TookBack(event) => (PurchaseReturned, came(event.amount), event.balance_after),
        Event::Restored(event) => (PurchaseReturned, came(event.amount), event.balance_after),
        Event::Opened(_)
        | Event::Changed(_)
        | Event::Closed(_)
        | Event::Expired(_)
        | Event::HoldPlaced(_)
        | Event::HoldReleased(_)
        | Event::HoldExpired(_)
        | Event::WithdrawalPlanned(_)
        | Event::WithdrawalLeased(_)
        | Event::WithdrawalFailed(_)
        | Event::WithdrawalRetried(_)
        | Event::WithdrawalUnknown(_)
        | Event::WithdrawalInherited(_)
        | Event::WithdrawalReconciled(_)
        | Event::LeaseExpired(_) => return None,
    };
    // A flow that ends may have nothing to give back.
    if amount == Signed::ZERO {
        return None;
    }
    let (position, at, metadata) = (past.position, past.at, metadata.unwrap_or_default());
    Some(EntryView { position, entry_type, amount, balance_after, at, reference, metadata })
}
