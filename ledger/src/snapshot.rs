//! Snapshots: all of a ledger as of one position.

use std::sync::Arc;

use quipu_core::machine::ItemKey;
use quipu_core::records::{Corrupt, Table, key_of_name};
use quipu_core::store;
use quipu_core::words::{Name, Number, Position, Timestamp};

use crate::error::Error;
use crate::shown::Rows;

/// All of a ledger as of one position, while it goes on: see
/// [`Ledger::snapshot`](crate::Ledger::snapshot). Reads and lists take it with `at`, and then see
/// the same, however many they are and however long they take.
///
/// It keeps rows from being dropped that have changed since, so it should not be kept for long.
///
/// ```
/// # async fn example(ledger: quipu::Ledger) -> Result<(), quipu::Error> {
/// let book = ledger.book("default");
/// for id in ["alice", "bob"] {
///     book.account(id).open("USD/2").await?.done()?;
///     book.account(id).deposit(5).await?.done()?;
/// }
/// let snapshot = ledger.snapshot().await?;
/// book.account("alice").transfer("bob", 5).await?.done()?;
///
/// let mut sum = 0;
/// let mut accounts = book.accounts().at(&snapshot);
/// while let Some(account) = accounts.next().await? {
///     assert_eq!(account.balance.get(), 5);
///     sum += account.balance.get();
/// }
/// assert_eq!(sum, 10);
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
pub struct Snapshot {
    store: Arc<dyn store::Reader>,
    at: Timestamp,
}

impl Snapshot {
    pub(crate) fn new(store: Arc<dyn store::Reader>, at: Timestamp) -> Self {
        Self { store, at }
    }

    /// Everything up to here is in it, and nothing behind.
    #[must_use]
    pub fn position(&self) -> Position {
        self.store.position()
    }

    /// The time as of which it shows what depends on time.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// Its rows.
    pub(crate) fn store(&self) -> &dyn store::Reader {
        &*self.store
    }

    /// The number of a stream.
    pub(crate) fn number(&self, name: &Name) -> Result<Option<Number>, Error> {
        let mut key = Vec::new();
        key_of_name(name, &mut key);
        let Some(value) = self.store.get(Table::Name, &key)? else { return Ok(None) };
        Ok(Some(number_of(&value)?))
    }

    /// A stream and those of these items that are there.
    pub(crate) fn rows(&self, name: &Name, items: &[ItemKey]) -> Result<Option<Rows>, Error> {
        let Some(number) = self.number(name)? else { return Ok(None) };
        Rows::read(&*self.store, number, items)
    }
}

/// The number in a name's row.
pub(crate) fn number_of(value: &[u8]) -> Result<Number, Corrupt> {
    let bytes = value.try_into().map_err(|_| Corrupt::Short)?;
    Ok(Number::new(u64::from_le_bytes(bytes)))
}
