//! Lists: streams and what belongs to them, row by row out of a snapshot.

use core::marker::PhantomData;
use std::collections::VecDeque;

use quipu_core::machine::{ItemKey, Machine};
use quipu_core::machines;
use quipu_core::records::{
    Corrupt, ItemRow, Record as _, Table, key_of_head, key_of_item, key_of_name,
};
use quipu_core::shard::Sweep;
use quipu_core::store::{self, ListedItem};
use quipu_core::words::{self, Asset, Id, Kind as KindNumber, Name, Number};

use crate::account::{self, Account, Hold, Payout, Payouts};
use crate::blocking::{self, beside};
use crate::book::Book;
use crate::call::Seen;
use crate::drop::{self, Drop};
use crate::error::Error;
use crate::flow::{self, Flow};
use crate::record::{self, Record};
use crate::shown::{Kind, Rows, Shown};
use crate::snapshot::{Snapshot, number_of};
use crate::ticket::{self, Evidence, Ticket};
use crate::words::Given;

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

macro_rules! streams {
    ($($of:ident: $machine:ty, $view:ty;)*) => {$(
        impl Listed for $of {
            type View = $view;
            const KIND: KindNumber = <$machine>::KIND;

            fn view(found: Found<'_>) -> Result<Option<Self::View>, Error> {
                stream::<$machine>(&found)
            }
        }
    )*};
}

streams! {
    Account: machines::account::Account, account::View;
    Flow: machines::flow::Flow, flow::View;
    Ticket: machines::ticket::Ticket, ticket::View;
    Drop: machines::drop::Drop, drop::View;
    Record: machines::record::Record, record::View;
}

fn stream<M: Kind>(found: &Found<'_>) -> Result<Option<M::View>, Error> {
    let Some(rows) = Rows::read(found.snapshot.store(), found.number, &M::items())? else {
        return Ok(None);
    };
    let (name, position, at) = (&rows.name, rows.stamp.version, found.snapshot.at());
    // What lists show has no token in it.
    let shown = Shown { name, position, at, secret: &[0; 32], pieces: &rows.pieces()? };
    Ok(Some(shown.view::<M>()?))
}

macro_rules! items {
    ($($of:ty: $machine:ty, $view:ty, $from:expr;)*) => {$(
        impl Listed for $of {
            type View = $view;
            const KIND: KindNumber = <$machine>::KIND;

            fn view(found: Found<'_>) -> Result<Option<$view>, Error> {
                let What::Item(key, row) = found.what else { return Ok(None) };
                let row = ItemRow::read(row)?;
                let item = <$machine as Machine>::Item::unpack(row.tag, row.item)?;
                Ok($from(found.name, key, item))
            }
        }
    )*};
}

items! {
    Hold: machines::account::Account, account::HoldView, |_, key, item| account::HoldView::of(key, item);
    Payout: machines::account::Account, account::Withdrawal, account::Withdrawal::of;
    Payouts: machines::account::Account, account::Withdrawal, account::Withdrawal::of;
    Evidence: machines::ticket::Ticket, Evidence, |_, key, item| Evidence::of(key, item);
    drop::Claim: machines::drop::Drop, drop::ClaimView, |_, key, item| drop::ClaimView::of(key, item);
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

type Page<R> = (VecDeque<(Vec<u8>, Seen<<R as Listed>::View>)>, Vec<u8>, bool);

/// Reads the rows behind a key. Gives the key of the last one, and whether it ends the list.
fn page<R: Listed>(
    snapshot: &Snapshot,
    book: words::Book,
    of: &Of,
    after: Vec<u8>,
) -> Result<Page<R>, Error> {
    let (found, is_last) = match of {
        Of::Streams { index, front } => streams_behind::<R>(snapshot, book, *index, front, &after)?,
        Of::Items { id, letter } => items_behind::<R>(snapshot, book, id, *letter, &after)?,
        Of::Ids { front } => ids_behind::<R>(snapshot, book, front, &after)?,
        Of::Indexed { index, front, .. } => {
            indexed_behind::<R>(snapshot, book, *index, front, &after)?
        }
    };
    let mut page = VecDeque::with_capacity(found.len());
    let mut read = after;
    for (key, number, item) in found {
        read.clone_from(&key);
        let Some(rows) = Rows::read(snapshot.store(), number, &[])? else { continue };
        let what = item.as_ref().map_or(What::Stream, |(key, row)| What::Item(key, row));
        let found = Found { snapshot, number, name: &rows.name, what };
        if let Some(value) = R::view(found)? {
            let version = rows.stamp.version;
            page.push_back((key, Seen { value, version, at: snapshot.at() }));
        }
    }
    Ok((page, read, is_last))
}

/// A key, whose stream it is of, and the item where it is one.
type Entry = (Vec<u8>, Number, Option<(ItemKey, Vec<u8>)>);

fn streams_behind<R: Listed>(
    snapshot: &Snapshot,
    book: words::Book,
    index: u8,
    front: &[u8],
    after: &[u8],
) -> Result<(Vec<Entry>, bool), Error> {
    // A key lies behind the one that it begins with.
    let after = if after.is_empty() { front } else { after };
    let listed = snapshot.store().list(book, R::KIND, index, after, PAGE)?;
    let is_full = listed.len() == PAGE;
    let inside = listed.into_iter().take_while(|(key, _)| key.starts_with(front));
    let found: Vec<Entry> = inside.map(|(key, number)| (key, number, None)).collect();
    let is_last = !is_full || found.len() < PAGE;
    Ok((found, is_last))
}

fn items_behind<R: Listed>(
    snapshot: &Snapshot,
    book: words::Book,
    id: &Id,
    letter: u8,
    after: &[u8],
) -> Result<(Vec<Entry>, bool), Error> {
    let Some(number) = snapshot.number(&Name::new(book, R::KIND, id.clone()))? else {
        return Ok((Vec::new(), true));
    };
    let mut front = key_of_head(number).to_vec();
    front.push(letter);
    let rows = rows_behind(snapshot, Table::Item, &front, after)?;
    let is_last = rows.len() < PAGE;
    let entry = |(key, row): RawRow| {
        let item = key.get(8..).and_then(ItemKey::from_bytes).ok_or(Corrupt::Range)?;
        Ok((key, number, Some((item, row))))
    };
    Ok((rows.into_iter().map(entry).collect::<Result<_, Error>>()?, is_last))
}

fn ids_behind<R: Listed>(
    snapshot: &Snapshot,
    book: words::Book,
    ids: &str,
    after: &[u8],
) -> Result<(Vec<Entry>, bool), Error> {
    let mut front = Vec::new();
    // Only the bytes before an id: what an id begins with need not be one.
    key_of_name(&Name::new(book, R::KIND, Id::new("x")?), &mut front);
    front.pop();
    front.extend_from_slice(ids.as_bytes());
    let rows = rows_behind(snapshot, Table::Name, &front, after)?;
    let is_last = rows.len() < PAGE;
    let entry = |(key, row): RawRow| Ok((key, number_of(&row)?, None));
    Ok((rows.into_iter().map(entry).collect::<Result<_, Error>>()?, is_last))
}

fn indexed_behind<R: Listed>(
    snapshot: &Snapshot,
    book: words::Book,
    index: u8,
    front: &[u8],
    after: &[u8],
) -> Result<(Vec<Entry>, bool), Error> {
    let after = if after.is_empty() { None } else { Some(listed_of(after)?) };
    let of = (book, R::KIND, index);
    let listed = store::list_items(snapshot.store(), of, front, after.as_ref(), PAGE)?;
    let is_last = listed.len() < PAGE;
    let mut found = Vec::with_capacity(listed.len());
    for row in listed {
        let mut key = Vec::new();
        key_of_item(row.number, &row.item, &mut key);
        let item = snapshot.store().get(Table::Item, &key)?.ok_or(Corrupt::Missing)?;
        found.push((key_of_listed(&row), row.number, Some((row.item, item))));
    }
    Ok((found, is_last))
}

/// A row of an index as the key of a cursor: `length u32 │ bytes │ stream u64 │ item`.
fn key_of_listed(row: &ListedItem) -> Vec<u8> {
    let len = (row.bytes.len() as u32).to_be_bytes();
    [&len[..], &row.bytes, &row.number.get().to_be_bytes(), row.item.as_bytes()].concat()
}

/// The row of such a key, which may come from anywhere.
fn listed_of(key: &[u8]) -> Result<ListedItem, Error> {
    let read = || {
        let (len, rest) = key.split_first_chunk::<4>()?;
        let (bytes, rest) = rest.split_at_checked(u32::from_be_bytes(*len) as usize)?;
        let (number, item) = rest.split_first_chunk::<8>()?;
        let number = Number::new(u64::from_be_bytes(*number));
        Some(ListedItem { bytes: bytes.to_vec(), number, item: ItemKey::from_bytes(item)? })
    };
    read().ok_or_else(|| Error::form("the cursor is one of another list"))
}

/// A row's key and its value.
type RawRow = (Vec<u8>, Vec<u8>);

/// A page of rows whose keys begin so, behind a key.
fn rows_behind(
    snapshot: &Snapshot,
    table: Table,
    front: &[u8],
    after: &[u8],
) -> Result<Vec<RawRow>, Error> {
    let mut from = front.to_vec();
    if !after.is_empty() {
        from = after.to_vec();
        // The next key there can be.
        from.push(0);
    }
    let mut rows = Vec::new();
    snapshot.store().scan(table, &from, &mut |key, row| {
        let is_inside = key.starts_with(front);
        if is_inside {
            rows.push((key.to_vec(), row.to_vec()));
        }
        is_inside && rows.len() < PAGE
    })?;
    Ok(rows)
}

impl List<Account> {
    /// Only those in this state.
    pub fn state(self, state: account::State) -> Self {
        self.by(machines::account::INDEX_STATE, vec![state.byte()])
    }

    /// Only those that hold this asset.
    pub fn asset(mut self, asset: impl Given<Asset>) -> Self {
        match asset.word() {
            Ok(asset) => self.by(machines::account::INDEX_ASSET, asset.bytes().to_vec()),
            Err(error) => {
                self.of = Err(error);
                self
            }
        }
    }
}

impl List<Flow> {
    /// Only those in this state.
    pub fn state(self, state: flow::State) -> Self {
        self.by(machines::flow::INDEX_STATE, vec![state.number()])
    }
}

impl List<Ticket> {
    /// Only those in this state.
    pub fn state(self, state: ticket::State) -> Self {
        self.by(machines::ticket::INDEX_STATE, vec![state as u8])
    }
}

impl List<Drop> {
    /// Only those in this state.
    pub fn state(self, state: drop::State) -> Self {
        self.by(machines::drop::INDEX_STATE, vec![state as u8])
    }
}

impl List<Record> {
    pub(crate) fn of_collection(book: &Book, collection: Result<Id, Error>) -> Self {
        Self::make(book, collection.map(|id| Of::Ids { front: format!("{id}/") }))
    }

    /// Only those whose keys begin so.
    pub fn prefix(mut self, prefix: &str) -> Self {
        match &mut self.of {
            Ok(Of::Ids { front }) => front.push_str(prefix),
            Ok(Of::Indexed { front, .. }) => front.extend_from_slice(prefix.as_bytes()),
            _ => {}
        }
        self
    }

    /// Only those whose field has this value: a text, or a number, `true`, `false` or `null` as it
    /// is spelled. The field has to be [indexed](crate::Collection::define).
    pub fn field(mut self, field: impl Given<Id>, value: &str) -> Self {
        self.of = self.of.and_then(|of| {
            let (Of::Ids { front }, field) = (of, field.word()?) else {
                return Err(Error::form("a list goes by one field"));
            };
            let (collection, prefix) = front.split_once('/').unwrap_or((&front, ""));
            let mut by = machines::record::by_field(collection, &field, value);
            by.extend_from_slice(prefix.as_bytes());
            let (index, collection) = (machines::record::INDEX_FIELD, Id::new(collection)?);
            Ok(Of::Indexed { index, front: by, field: Some((collection, field)) })
        });
        self
    }
}

impl List<Payouts> {
    /// All of them, by state and then in the order in which they were asked for.
    pub(crate) fn of_all(book: &Book) -> Self {
        let index = machines::account::INDEX_WITHDRAWAL_STATE;
        Self::make(book, Ok(Of::Indexed { index, front: Vec::new(), field: None }))
    }

    /// Only those in this state, in the order in which they were asked for.
    pub fn state(self, state: account::WithdrawalState) -> Self {
        let front = machines::account::by_state(state).to_vec();
        self.indexed(machines::account::INDEX_WITHDRAWAL_STATE, front)
    }

    /// Only those that this worker has now, in the order in which they were asked for.
    pub fn leased_by(mut self, worker: impl Given<Id>) -> Self {
        match worker.word() {
            Ok(worker) => {
                let front = machines::account::by_worker(&worker);
                self.indexed(machines::account::INDEX_WITHDRAWAL_WORKER, front)
            }
            Err(error) => {
                self.of = Err(error);
                self
            }
        }
    }

    fn indexed(mut self, index: u8, front: Vec<u8>) -> Self {
        self.of = self.of.map(|_| Of::Indexed { index, front, field: None });
        self
    }
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
