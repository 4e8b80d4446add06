//! Lists: streams and what belongs to them, row by row out of a snapshot.

mod choices;
mod kinds;
mod pages;

use core::marker::PhantomData;
use std::collections::VecDeque;

use quipu_core::machine::ItemKey;
use quipu_core::shard::Sweep;
use quipu_core::words::{Id, Kind as KindNumber, Name, Number};

use self::pages::page;
use crate::blocking::{self, beside};
use crate::book::Book;
use crate::call::Seen;
use crate::error::Error;
use crate::snapshot::Snapshot;

/// How many rows are read at a time.
const PAGE: usize = 256;

/// Rows in an order of their own, read a page at a time out of one snapshot.
///
/// When the first row is asked for, what is due by then happens first, and what was acknowledged
/// before that is seen. Each row that was there then is met exactly once, whatever happens
/// meanwhile.
///
/// A row comes with [`next`](Self::next), which is no trait's: `while let` reads as well as a
/// `for`, and no crate of streams has to be the right version. Without a runtime,
/// [`blocking`](Self::blocking) makes it an iterator.
///
/// ```
/// # async fn example(ledger: quipu::Ledger) -> Result<(), quipu::Error> {
/// let book = ledger.book("default");
/// for id in ["alice", "bob"] {
///     book.account(id).open("USD/2").await?.done()?;
/// }
/// book.account("alice").close().await?.done()?;
///
/// let mut open = book.accounts().state(quipu::account::State::Open);
/// while let Some(account) = open.next().await? {
///     assert_eq!(account.id.as_str(), "bob");
/// }
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
pub struct List<R: Listed> {
    book: Book,
    of: Result<Of, Error>,
    snapshot: Option<Snapshot>,
    /// The key of the row that was given last.
    given: Vec<u8>,
    /// The key of the row that was read last.
    read: Vec<u8>,
    page: VecDeque<(Vec<u8>, Seen<R::View>)>,
    is_read: bool,
    rows: PhantomData<fn() -> R>,
}

/// Where a list goes on: behind a row that it has given.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Cursor(Vec<u8>);

impl Cursor {
    /// Out of bytes that were kept.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }

    /// The bytes to keep.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// What a list is of.
#[derive(Clone)]
enum Of {
    /// Streams, by an index whose keys begin so.
    Streams { index: u8, front: Vec<u8> },
    /// Items of a stream, by the letter of their keys.
    Items { id: Id, letter: u8 },
    /// Streams whose ids begin so, in their order.
    Ids { front: String },
    /// Items of all streams, by an index whose keys begin so.
    Indexed { index: u8, front: Vec<u8>, field: Option<(Id, Id)> },
}

/// What can be listed.
pub trait Listed: Send + 'static {
    /// What a row shows.
    type View: Send + 'static;

    #[doc(hidden)]
    const KIND: KindNumber;

    #[doc(hidden)]
    fn view(found: Found<'_>) -> Result<Option<Self::View>, Error>;
}

/// What a list has found.
#[doc(hidden)]
pub struct Found<'a> {
    snapshot: &'a Snapshot,
    number: Number,
    name: &'a Name,
    what: What<'a>,
}

enum What<'a> {
    Stream,
    Item(&'a ItemKey, &'a [u8]),
}

impl<R: Listed> List<R> {
    fn make(book: &Book, of: Result<Of, Error>) -> Self {
        let given = Vec::new();
        let (read, page) = (Vec::new(), VecDeque::new());
        let (book, rows) = (book.clone(), PhantomData);
        Self { book, of, snapshot: None, given, read, page, is_read: false, rows }
    }

    /// All streams of the kind, in the order of their creation.
    pub(crate) fn streams(book: &Book) -> Self {
        Self::make(book, Ok(Of::Streams { index: 0, front: Vec::new() }))
    }

    /// The items of a stream, in the order of their keys.
    pub(crate) fn items(book: &Book, id: Result<Id, Error>, letter: u8) -> Self {
        Self::make(book, id.map(|id| Of::Items { id, letter }))
    }

    fn by(mut self, index: u8, front: Vec<u8>) -> Self {
        self.of = self.of.map(|_| Of::Streams { index, front });
        self
    }

    /// Reads what this snapshot holds.
    pub fn at(mut self, snapshot: &Snapshot) -> Self {
        self.snapshot = Some(snapshot.clone());
        self
    }

    /// Begins behind the row of a [`cursor`](Self::cursor), whether that row is still there or
    /// not. It has to be one of the same list.
    pub fn after(mut self, cursor: &Cursor) -> Self {
        (self.given, self.read) = (cursor.0.clone(), cursor.0.clone());
        self
    }

    /// Where another list goes on behind the row that was given last.
    #[must_use]
    pub fn cursor(&self) -> Cursor {
        Cursor(self.given.clone())
    }

    /// The snapshot that the rows come from, once the first was asked for.
    #[must_use]
    pub fn snapshot(&self) -> Option<&Snapshot> {
        self.snapshot.as_ref()
    }

    /// The next row, or `None` behind the last one.
    pub async fn next(&mut self) -> Result<Option<Seen<R::View>>, Error> {
        while self.page.is_empty() && !self.is_read {
            self.read_page().await?;
        }
        let Some((key, row)) = self.page.pop_front() else { return Ok(None) };
        self.given = key;
        Ok(Some(row))
    }

    /// The rows as an iterator, for a thread that no runtime runs its tasks on.
    pub fn blocking(self) -> Blocking<R> {
        Blocking { list: self, has_failed: false }
    }

    async fn read_page(&mut self) -> Result<(), Error> {
        let of = self.of.clone()?;
        let Ok(number) = self.book.number().await? else {
            self.is_read = true;
            return Ok(());
        };
        if let Of::Indexed { field: Some((collection, field)), .. } = &of
            && !is_indexed(&self.book, collection, field).await?
        {
            let why = format!("the field {field} of the collection {collection} is not indexed");
            return Err(Error::form(why));
        }
        if self.snapshot.is_none() {
            let ledger = self.book.ledger();
            ledger.handle().sweep(&Sweep { only: Some((number, R::KIND)) }).await?;
            self.snapshot = Some(ledger.snapshot().await?);
        }
        let Some(snapshot) = self.snapshot.clone() else { return Ok(()) };
        let after = self.read.clone();
        let read = beside(move || page::<R>(&snapshot, number, &of, after)).await?;
        let (page, read, is_last) = read?;
        (self.page, self.read, self.is_read) = (page, read, is_last);
        Ok(())
    }
}

/// Whether a list can go by this field. Where there is no collection there is nothing to list.
async fn is_indexed(book: &Book, collection: &Id, field: &Id) -> Result<bool, Error> {
    let seen = book.collection(collection).get().await?;
    Ok(seen.is_none_or(|seen| seen.indexes.contains(field)))
}

/// The rows of a list as an iterator. It ends behind the first error.
pub struct Blocking<R: Listed> {
    list: List<R>,
    has_failed: bool,
}

impl<R: Listed> Iterator for Blocking<R> {
    type Item = Result<Seen<R::View>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.has_failed {
            return None;
        }
        let row = blocking::wait(self.list.next()).transpose();
        self.has_failed = matches!(row, Some(Err(_)));
        row
    }
}
