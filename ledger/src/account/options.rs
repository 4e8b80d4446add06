//! What may be said of an account's calls.

use quipu_core::machines::account::{Account, Command, MetadataChange, SpendCap};
use quipu_core::words::{Amount, Id, Merge, Metadata, Period, Signed, Timestamp};

use super::{Charge, Deposit, HoldView, View, Withdrawal};
use crate::call::Call;
use crate::words::Given;

/// What may be said when an account is opened: its limits.
///
/// ```
/// # fn main() -> Result<(), quipu::Error> {
/// # let folder = tempfile::tempdir().expect("a folder");
/// # let ledger = quipu::Ledger::open_blocking(folder.path())?;
/// use quipu::words::Period;
///
/// let card = ledger.book("default").account("card");
/// let open = card.open("EUR/2").floor(-500_00).spend_cap(1_000_00, Period::Month);
/// assert_eq!(open.wait()?.done()?.available.get(), 500_00);
/// # ledger.close_blocking()
/// # }
/// ```
pub enum Opening {}

/// What may be said of a deposit, a charge or a transfer: metadata, and a reference but for a
/// transfer.
pub enum Entry {}

/// What may be said of a withdrawal: a secret.
pub enum Withdrawing {}

/// What may be said when money is set aside: for how long.
pub enum Holding {}

/// What may change of an account.
pub enum Changing {}

impl Call<View, Opening> {
    /// The lowest that the balance may become without what is held; below 0 is an overdraft. 0
    /// unless said otherwise.
    pub fn floor(self, lowest: i128) -> Self {
        self.alter::<Account>(|command| {
            if let Command::Open { floor, .. } = command {
                *floor = Signed::new(lowest);
            }
            Ok(())
        })
    }

    /// The highest balance that money from outside or from another account may lead to.
    pub fn cap(self, highest: impl Given<Amount>) -> Self {
        self.alter::<Account>(|command| {
            if let Command::Open { cap, .. } = command {
                *cap = Some(highest.word()?);
            }
            Ok(())
        })
    }

    /// The most that may be spent within one day, week or month of the calendar, in UTC.
    pub fn spend_cap(self, amount: impl Given<Amount>, period: Period) -> Self {
        self.alter::<Account>(|command| {
            if let Command::Open { spend_cap, .. } = command {
                *spend_cap = Some(SpendCap { amount: amount.word()?, period });
            }
            Ok(())
        })
    }

    /// When it closes by itself, once it is empty.
    pub fn expires_at(self, at: Timestamp) -> Self {
        self.alter::<Account>(|command| {
            if let Command::Open { expires_at, .. } = command {
                *expires_at = Some(at);
            }
            Ok(())
        })
    }

    /// What hangs on it.
    pub fn metadata(self, pairs: Metadata) -> Self {
        self.alter::<Account>(|command| {
            if let Command::Open { metadata, .. } = command {
                *metadata = pairs;
            }
            Ok(())
        })
    }
}

macro_rules! references {
    ($($of:ty)*) => {$(
        impl Call<$of, Entry> {
            /// A name that no other of its kind on this account may have, for ever: the same one
            /// again is refused with `already_exists`, and changes nothing.
            pub fn reference(self, name: impl Given<Id>) -> Self {
                self.alter::<Account>(|command| {
                    if let Command::Deposit { reference, .. }
                    | Command::Charge { reference, .. } = command
                    {
                        *reference = Some(name.word()?);
                    }
                    Ok(())
                })
            }
        }
    )*};
}

references!(Deposit Charge);

impl<T: Send + 'static> Call<T, Entry> {
    /// What hangs on it.
    pub fn metadata(self, pairs: Metadata) -> Self {
        self.alter::<Account>(|command| {
            if let Command::Deposit { metadata, .. }
            | Command::Charge { metadata, .. }
            | Command::Transfer { metadata, .. } = command
            {
                *metadata = pairs;
            }
            Ok(())
        })
    }
}

impl Call<Withdrawal, Withdrawing> {
    /// What the payout worker needs to know and nobody else may. It is kept as it is given, so it
    /// has to be encrypted already; a [lease](super::Payout::lease) shows it.
    ///
    /// Under a [key](Self::key) the first 16 bytes tell two secrets apart: whoever encrypts puts a
    /// keyed print of the plain text there. So a repeat may encrypt anew, with another nonce, and
    /// another text is another call. A shorter secret counts with all its bytes.
    pub fn secret(self, encrypted: impl Into<Vec<u8>>) -> Self {
        self.alter::<Account>(|command| {
            if let Command::Withdraw { secret, .. } = command {
                *secret = Some(encrypted.into());
            }
            Ok(())
        })
    }
}

impl Call<HoldView, Holding> {
    /// For how long: after that it is freed by itself.
    pub fn expires_in_seconds(self, seconds: u64) -> Self {
        self.alter::<Account>(|command| {
            if let Command::Hold { expires_in_seconds, .. } = command {
                *expires_in_seconds = Some(seconds);
            }
            Ok(())
        })
    }
}

impl Call<View, Changing> {
    /// A new floor.
    pub fn floor(self, lowest: i128) -> Self {
        self.alter::<Account>(|command| {
            if let Command::Change { floor, .. } = command {
                *floor = Some(Signed::new(lowest));
            }
            Ok(())
        })
    }

    /// A new cap.
    pub fn cap(self, highest: impl Given<Amount>) -> Self {
        self.alter::<Account>(|command| {
            if let Command::Change { cap, .. } = command {
                *cap = Some(Some(highest.word()?));
            }
            Ok(())
        })
    }

    /// No cap any more.
    pub fn no_cap(self) -> Self {
        self.alter::<Account>(|command| {
            if let Command::Change { cap, .. } = command {
                *cap = Some(None);
            }
            Ok(())
        })
    }

    /// A new spend cap. Another amount for the same kind of period keeps what was counted.
    pub fn spend_cap(self, amount: impl Given<Amount>, period: Period) -> Self {
        self.alter::<Account>(|command| {
            if let Command::Change { spend_cap, .. } = command {
                *spend_cap = Some(Some(SpendCap { amount: amount.word()?, period }));
            }
            Ok(())
        })
    }

    /// No spend cap any more.
    pub fn no_spend_cap(self) -> Self {
        self.alter::<Account>(|command| {
            if let Command::Change { spend_cap, .. } = command {
                *spend_cap = Some(None);
            }
            Ok(())
        })
    }

    /// A new end, or none any more.
    pub fn expires_at(self, at: Option<Timestamp>) -> Self {
        self.alter::<Account>(|command| {
            if let Command::Change { expires_at, .. } = command {
                *expires_at = Some(at);
            }
            Ok(())
        })
    }

    /// New metadata, in place of all that was there.
    pub fn metadata(self, pairs: Metadata) -> Self {
        self.alter::<Account>(|command| {
            if let Command::Change { metadata, .. } = command {
                *metadata = Some(MetadataChange::Whole(pairs));
            }
            Ok(())
        })
    }

    /// Some of the metadata: a name with a value gets it, one without is taken away, and all others
    /// stay. It is merged with what is there when the call is decided, so nobody has to read first.
    /// Said beside [`metadata`](Self::metadata), the last one counts.
    ///
    /// ```
    /// # fn main() -> Result<(), quipu::Error> {
    /// # let folder = tempfile::tempdir().expect("a folder");
    /// # let ledger = quipu::Ledger::open_blocking(folder.path())?;
    /// use quipu::words::Metadata;
    ///
    /// let account = ledger.book("default").account("alice");
    /// let pairs = Metadata::new([("plan", "basic"), ("team", "blue")])?;
    /// account.open("USD/2").metadata(pairs).wait()?.done()?;
    /// let change = account.change().merge_metadata([("plan", Some("gold")), ("team", None)]);
    /// let changed = change.wait()?.done()?;
    /// assert!(changed.metadata.pairs().eq([("plan", "gold")]));
    /// # ledger.close_blocking()
    /// # }
    /// ```
    pub fn merge_metadata<'a>(
        self,
        changes: impl IntoIterator<Item = (&'a str, Option<&'a str>)>,
    ) -> Self {
        let merge = Merge::new(changes);
        self.alter::<Account>(|command| {
            if let Command::Change { metadata, .. } = command {
                *metadata = Some(MetadataChange::Merge(merge?));
            }
            Ok(())
        })
    }
}
