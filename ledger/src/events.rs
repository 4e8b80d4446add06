//! Events from a position on: the history out of the log, and then what goes on to happen.

use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::Poll;
use std::collections::{HashMap, VecDeque};

use quipu_core::commit::Published;
use quipu_core::log;
use quipu_core::machine::Machine;
pub use quipu_core::machine::{Posting, Postings, Side};
pub use quipu_core::machines::{
    account, book, collection, drop, export, flow, key, record, source, ticket,
};
use quipu_core::records::{
    Corrupt, Entries, EntryFront, HeadRow, Part as Raw, Record, Table, Tag, key_of_head,
};
use quipu_core::store;
use quipu_core::words::{Book as BookNumber, Id, Kind, Name, Number, Position, Timestamp, Trace};
use tokio::sync::watch;

use crate::blocking::{self, beside};
use crate::book::Book;
use crate::error::Error;
use crate::ledger::Ledger;
use crate::stream::Stream;
use crate::words::Given;

/// After so many bytes of the log a page of events ends. It ends with a frame, so it can be longer
/// by the longest one.
const PAGE_BYTES: usize = 256 << 10;

/// How many names of streams are kept at hand.
const NAMES_MAX: usize = 4096;

/// Events behind a position, in their order, without a gap and without a repeat: first what has
/// happened, out of the log, and then what goes on to happen, as soon as it is durable. It ends
/// when the ledger is closed.
///
/// Whoever keeps the position of the last event goes on behind it, whenever that is. Between two
/// calls of [`next`](Self::next) at most one page of events is kept in memory. To drop the future
/// of a call loses nothing.
///
/// ```
/// # async fn example(ledger: quipu::Ledger) -> Result<(), quipu::Error> {
/// use quipu::events::{Happened, account::Event};
///
/// let book = ledger.book("default");
/// let before = ledger.durable().watermark;
/// book.account("alice").open("USD/2").await?.done()?;
/// book.account("alice").deposit(5).await?.done()?;
///
/// let mut events = book.events(before);
/// let opened = events.next().await?.expect("the ledger is open");
/// let deposited = events.next().await?.expect("the ledger is open");
/// assert!(opened.position < deposited.position);
/// let part = &deposited.parts[0];
/// assert_eq!(part.stream.as_ref().map(|id| id.as_str()), Some("alice"));
/// assert!(matches!(&part.happened, Happened::Account(Event::Deposited(_))));
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
pub struct Events {
    ledger: Ledger,
    book: Option<Book>,
    /// The position that is read next.
    next: Result<Position, Error>,
    page: VecDeque<Event>,
    /// How many bytes of the log were read.
    bytes: usize,
    names: Names,
    follows: bool,
    published: watch::Receiver<Published>,
    closed: watch::Receiver<bool>,
}

/// Something that happened. It may have happened to several streams: a transfer is one event of
/// two accounts.
#[derive(Clone, PartialEq, Debug)]
pub struct Event {
    /// Where it is in the log, and the version of each of its streams from then on.
    pub position: Position,
    /// When it was decided.
    pub at: Timestamp,
    /// Which request led to it, where its call [said so](crate::Call::trace). What time led to has
    /// none.
    pub trace: Option<Trace>,
    /// What it did to each of its streams.
    pub parts: Vec<Part>,
}

/// What an event did to one stream.
#[derive(Clone, PartialEq, Debug)]
pub struct Part {
    /// The book of the stream; none where it is the stream of a book.
    pub book: Option<Id>,
    /// The stream's id. It is not known where the stream has ended and the history of its
    /// beginning was trimmed. That of a record is `collection/key`.
    pub stream: Option<Id>,
    /// What happened to it.
    pub happened: Happened,
}

/// What happened to a stream, by its kind.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum Happened {
    /// To an account.
    Account(account::Event),
    /// To a flow.
    Flow(flow::Event),
    /// To a ticket.
    Ticket(ticket::Event),
    /// To a drop.
    Drop(drop::Event),
    /// To a record.
    Record(record::Event),
    /// To a collection.
    Collection(collection::Event),
    /// To a source.
    Source(source::Event),
    /// To the stream that keeps an idempotency key.
    Key(key::Event),
    /// To a book.
    Book(book::Event),
    /// To an export.
    Export(export::Event),
    /// To a stream of a program's own kind.
    Own {
        /// Its kind.
        kind: Kind,
        /// Which struct the payload is.
        tag: Tag,
        /// The packed event.
        payload: Vec<u8>,
    },
}

macro_rules! happened {
    ($kind:expr, $tag:expr, $payload:expr; $($variant:ident $module:ident $machine:ident)*) => {
        match $kind {
            $(kind if kind == $module::$machine::KIND => {
                Happened::$variant($module::Event::unpack($tag, $payload)?)
            })*
            kind => Happened::Own { kind, tag: $tag, payload: $payload.to_vec() },
        }
    };
}

impl Happened {
    /// What happened to a stream of the program's own machine `M`, where this is one.
    pub fn own<M: Machine>(&self) -> Result<Option<M::Event>, Error> {
        match self {
            Self::Own { kind, tag, payload } if *kind == M::KIND => {
                Ok(Some(M::Event::unpack(*tag, payload)?))
            }
            _ => Ok(None),
        }
    }

    fn of(kind: Kind, tag: Tag, payload: &[u8]) -> Result<Self, Corrupt> {
        Ok(happened! { kind, tag, payload;
            Account account Account
            Flow flow Flow
            Ticket ticket Ticket
            Drop drop Drop
            Record record Record
            Collection collection Collection
            Source source Source
            Key key Key
            Book book Book
            Export export Export
        })
    }
}

impl Events {
    pub(crate) fn new(ledger: &Ledger, book: Option<Book>, after: impl Given<Position>) -> Self {
        Self {
            book,
            next: after.word().map(|after| after.plus(1)),
            page: VecDeque::new(),
            bytes: 0,
            names: Names::default(),
            follows: true,
            published: ledger.handle().follow(),
            closed: ledger.closed(),
            ledger: ledger.clone(),
        }
    }

    /// Ends behind what is durable when the end is reached, and does not wait for more.
    pub fn so_far(mut self) -> Self {
        self.follows = false;
        self
    }

    /// The next event. It waits for one to happen; `None` once the ledger is closed.
    pub async fn next(&mut self) -> Result<Option<Event>, Error> {
        loop {
            if let Some(event) = self.page.pop_front() {
                return Ok(Some(event));
            }
            let next = self.next.clone()?;
            // Asked before what is durable is looked at: behind that nothing more becomes so.
            let has_ended = *self.closed.borrow_and_update() || self.ledger.handle().has_failed();
            // Followers are told a moment after answers are let go. Whoever has an answer finds here
            // what it rests on.
            self.published.borrow_and_update();
            let durable = self.ledger.durable().watermark;
            if next <= durable {
                self.read_page(next, durable).await?;
            } else if !self.follows || *self.closed.borrow() {
                return Ok(None);
            } else if has_ended {
                return Err(Error::Closed);
            } else {
                either(&mut self.published, &mut self.closed).await;
            }
        }
    }

    /// The same on a thread that no runtime runs its tasks on.
    pub fn next_blocking(&mut self) -> Result<Option<Event>, Error> {
        blocking::wait(self.next())
    }

    /// The events of the next piece of the log, as many bytes of it as are read at a time: none
    /// of them may be of this book. `None` behind what is durable; it does not wait for more.
    pub async fn piece(&mut self) -> Result<Option<VecDeque<Event>>, Error> {
        let next = self.next.clone()?;
        let durable = self.ledger.durable().watermark;
        if self.page.is_empty() {
            if next > durable {
                return Ok(None);
            }
            self.read_page(next, durable).await?;
        }
        Ok(Some(core::mem::take(&mut self.page)))
    }

    /// How many bytes of the log were read so far.
    #[must_use]
    pub fn bytes_read(&self) -> usize {
        self.bytes
    }

    /// The position up to which the log was read.
    pub fn position(&self) -> Result<Position, Error> {
        Ok(Position::new(self.next.clone()?.get().saturating_sub(1)))
    }

    async fn read_page(&mut self, from: Position, to: Position) -> Result<(), Error> {
        let only = match &self.book {
            None => None,
            Some(book) => match book.number().await? {
                Ok(number) => Some(number),
                Err(refused) => return Err(refused.into()),
            },
        };
        let (log, store) =
            (self.ledger.handle().log().clone(), self.ledger.handle().store().clone());
        let names = core::mem::take(&mut self.names);
        let read = beside(move || {
            let mut reader = Reader { log: &*log, store: &*store, names, only };
            let page = reader.page(from, to);
            (page, reader.names)
        });
        let (page, names) = read.await?;
        self.names = names;
        let (page, next, bytes) = page?;
        (self.page, self.next) = (page, Ok(next));
        self.bytes += bytes;
        Ok(())
    }
}

/// What moved in events of one book: signed movements, which sum to zero. Of what asset they are,
/// and whether the other side is outside, the streams say that they happened to.
pub struct Moves {
    book: Book,
    accounts: HashMap<Id, Option<account::Head>>,
    flows: HashMap<Id, Option<flow::Head>>,
}

impl Moves {
    /// In events of this book.
    #[must_use]
    pub fn of_book(book: &Book) -> Self {
        Self { book: book.clone(), accounts: HashMap::new(), flows: HashMap::new() }
    }

    /// What moved in one part of an event: nothing where no money did.
    pub async fn of(&mut self, stream: &Id, happened: &Happened) -> Result<Postings, Error> {
        let mut moved = Postings::default();
        match happened {
            Happened::Account(event) => {
                let read = self.book.stream::<account::Account>(stream);
                if let Some(head) = head(&mut self.accounts, stream, &read).await? {
                    account::Account::postings(head, event, &mut moved);
                }
            }
            Happened::Flow(event) => {
                let read = self.book.stream::<flow::Flow>(stream);
                if let Some(head) = head(&mut self.flows, stream, &read).await? {
                    flow::Flow::postings(head, event, &mut moved);
                }
            }
            _ => {}
        }
        Ok(moved)
    }
}

/// The head of a stream, which is read once.
async fn head<'a, M: Machine>(
    known: &'a mut HashMap<Id, Option<M::Head>>,
    id: &Id,
    stream: &Stream<M>,
) -> Result<Option<&'a M::Head>, Error> {
    if !known.contains_key(id) {
        if known.len() >= NAMES_MAX {
            known.clear();
        }
        let seen = stream.get().await?;
        known.insert(id.clone(), seen.map(|seen| seen.value.head));
    }
    Ok(known.get(id).and_then(Option::as_ref))
}

/// Waits until either has changed.
async fn either<A, B>(one: &mut watch::Receiver<A>, other: &mut watch::Receiver<B>) {
    let (mut one, mut other) = (pin!(one.changed()), pin!(other.changed()));
    poll_fn(|task| {
        let is_one = one.as_mut().poll(task).is_ready();
        if is_one || other.as_mut().poll(task).is_ready() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// Names by the numbers of their streams. A number never gets another name.
#[derive(Default)]
struct Names(HashMap<Number, Option<Name>>);

impl Names {
    fn keep(&mut self, number: Number, name: Option<Name>) {
        if self.0.len() >= NAMES_MAX {
            self.0.clear();
        }
        self.0.insert(number, name);
    }
}

/// All events of a log that nobody appends to meanwhile.
pub(crate) fn all(
    log: &(dyn log::Reader + Send + Sync),
    store: &dyn store::Reader,
) -> Result<Vec<Event>, Error> {
    let mut reader = Reader { log, store, names: Names::default(), only: None };
    let (mut events, (mut next, behind)) = (Vec::new(), log.bounds());
    while next < behind {
        let (page, to, _) = reader.page(next, behind)?;
        (next, _) = (to, events.extend(page));
    }
    Ok(events)
}

/// Reads frames as events.
struct Reader<'a> {
    log: &'a (dyn log::Reader + Send + Sync),
    store: &'a dyn store::Reader,
    names: Names,
    only: Option<BookNumber>,
}

impl Reader<'_> {
    /// The events from a position on, up to another one at most; the position behind them; and how
    /// many bytes that took.
    fn page(
        &mut self,
        from: Position,
        to: Position,
    ) -> Result<(VecDeque<Event>, Position, usize), Error> {
        let (mut events, mut next, mut bytes) = (VecDeque::new(), from, 0);
        while next <= to && bytes < PAGE_BYTES {
            let Some(frame) = self.log.read(next)? else { break };
            bytes += frame.bytes.len();
            let mut parts = Vec::new();
            let mut entries = Entries::new(&frame.bytes, frame.first);
            while let Some(front) = entries.next_into(&mut parts) {
                let front = front?;
                for raw in parts.drain(..).filter(|raw| raw.head.position >= from) {
                    self.add(&raw, &front, &mut events)?;
                }
            }
            next = frame.last().plus(1);
        }
        Ok((events, next, bytes))
    }

    fn add(
        &mut self,
        raw: &Raw<'_>,
        front: &EntryFront,
        events: &mut VecDeque<Event>,
    ) -> Result<(), Error> {
        let head = &raw.head;
        let name = match &head.created {
            Some(name) => {
                self.names.keep(head.number, Some(name.clone()));
                Some(name.clone())
            }
            None => self.name(head.number)?,
        };
        if self.only.is_some_and(|only| name.as_ref().is_none_or(|name| name.book != only)) {
            return Ok(());
        }
        let happened = Happened::of(head.kind, head.tag, raw.payload)?;
        let book = match name.as_ref().map(|name| name.book) {
            Some(book) if book != BookNumber::SYSTEM => {
                self.name(Number::new(book.get()))?.map(|name| name.id)
            }
            _ => None,
        };
        let part = Part { book, stream: name.map(|name| name.id), happened };
        match events.back_mut() {
            Some(event) if event.position == head.position => event.parts.push(part),
            _ => {
                let (position, at, trace) = (head.position, front.now, front.trace);
                events.push_back(Event { position, at, trace, parts: vec![part] });
            }
        }
        Ok(())
    }

    /// The name of a stream: from its row, or where it has ended from the event that created it.
    fn name(&mut self, number: Number) -> Result<Option<Name>, Error> {
        if let Some(name) = self.names.0.get(&number) {
            return Ok(name.clone());
        }
        let name = match self.store.get(Table::Head, &key_of_head(number))? {
            Some(row) => Some(HeadRow::read(&row)?.name),
            None => self.first_name(number)?,
        };
        self.names.keep(number, name.clone());
        Ok(name)
    }

    fn first_name(&self, number: Number) -> Result<Option<Name>, Error> {
        let at = Position::new(number.get());
        let frame = match self.log.read(at) {
            Err(log::LogError::Trimmed(_)) => return Ok(None),
            frame => frame?.ok_or(Corrupt::Missing)?,
        };
        let mut parts = Vec::new();
        let mut entries = Entries::new(&frame.bytes, frame.first);
        while let Some(front) = entries.next_into(&mut parts) {
            front?;
            let mut own = parts.drain(..).filter(|raw| raw.head.number == number);
            if let Some(name) = own.find_map(|raw| raw.head.created) {
                return Ok(Some(name));
            }
        }
        Err(Corrupt::Missing.into())
    }
}
