//! A book: a tenant, and the way to everything in it.

use std::sync::{Arc, OnceLock};

use quipu_core::machine::Machine;
use quipu_core::machines::book as machine;
use quipu_core::shard::{Ask, Reading};
use quipu_core::words::{self, Id, Name};

use crate::account::{Account, Payouts};
use crate::call::{Call, Read};
use crate::drop::Drop;
use crate::error::Error;
use crate::events::Events;
use crate::flow::Flow;
use crate::ledger::Ledger;
use crate::list::List;
use crate::made;
use crate::outcome::{Refused, Told};
use crate::record::{Collection, Record};
use crate::shown::{Kind, Parts};
use crate::source::Source;
use crate::stream::{ItemsOf, Stream};
use crate::ticket::{Issues, Ticket};
use crate::token::{Introspection, Token};
use crate::transaction::Transaction;
use crate::words::{Given, Position, Timestamp};

/// A book: a tenant, whose streams, keys and events are invisible to every other book.
///
/// It is a handle, cheap to make and to clone, and says nothing of whether the book is there: a
/// call into one that is not is refused with `not_found`. Every ledger has a book `default`; other
/// ones are [created](Self::create).
#[derive(Clone)]
pub struct Book {
    inner: Arc<Inner>,
}

struct Inner {
    ledger: Ledger,
    id: Result<Id, Error>,
    /// Found once. A book never ends, so it stays true.
    number: OnceLock<words::Book>,
}

/// What there is to know of a book.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct View {
    /// Its name.
    pub id: Id,
    /// When it was created.
    pub created_at: Timestamp,
}

impl Kind for machine::Book {
    type View = View;

    fn view(parts: Parts<Self>) -> View {
        View { id: parts.name.id, created_at: parts.stamp.created }
    }
}

impl Book {
    pub(crate) fn new(ledger: &Ledger, id: impl Given<Id>) -> Self {
        let id = id.word();
        let number = OnceLock::new();
        if id.as_ref().is_ok_and(|id| id.as_str() == "default") {
            let _ = number.set(words::Book::DEFAULT);
        }
        Self { inner: Arc::new(Inner { ledger: ledger.clone(), id, number }) }
    }

    /// The book of books.
    pub(crate) fn of_books(ledger: &Ledger) -> Self {
        let id = Err(Error::form("the book of books has no name"));
        let number = OnceLock::from(words::Book::SYSTEM);
        Self { inner: Arc::new(Inner { ledger: ledger.clone(), id, number }) }
    }

    /// The ledger that it is in.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.inner.ledger
    }

    /// Its name, or why that is none.
    pub fn name(&self) -> Result<&Id, Error> {
        self.inner.id.as_ref().map_err(Clone::clone)
    }

    /// Creates it. One that exists is refused with `already_exists`.
    pub fn create(&self) -> Call<View> {
        let books = Self::of_books(self.ledger());
        let command = Ok(machine::Command::Create);
        Call::new::<machine::Book>(&books, self.id(), command, |shown| {
            shown.view::<machine::Book>()
        })
    }

    /// Reads what there is to know of it.
    pub fn get(&self) -> Read<View> {
        let books = Self::of_books(self.ledger());
        Read::new::<machine::Book>(&books, self.id(), Vec::new(), |shown| {
            shown.view::<machine::Book>().map(Some)
        })
    }

    /// An id that nothing has yet, for what the caller has no name for: 24 characters, of which the
    /// first say when it was made and the others are chance. Whoever wants a repeat under a key to
    /// make the same thing says so with [`Call::made`].
    pub fn make_id(&self) -> Result<Id, Error> {
        made::id(Timestamp::from_ms(self.ledger().clocks().wall_us / 1_000))
    }

    /// An account: money that somebody owns.
    #[must_use]
    pub fn account(&self, id: impl Given<Id>) -> Account {
        Account::new(self, id)
    }

    /// A flow: a total that accrues to somebody over time.
    #[must_use]
    pub fn flow(&self, id: impl Given<Id>) -> Flow {
        Flow::new(self, id)
    }

    /// A ticket: a thing that exists once and is claimed once.
    #[must_use]
    pub fn ticket(&self, id: impl Given<Id>) -> Ticket {
        Ticket::new(self, id)
    }

    /// A drop: a limited stock that a crowd claims from.
    #[must_use]
    pub fn drop(&self, id: impl Given<Id>) -> Drop {
        Drop::new(self, id)
    }

    /// A collection of records, and which of their fields are indexed.
    #[must_use]
    pub fn collection(&self, id: impl Given<Id>) -> Collection {
        Collection::new(self, id)
    }

    /// A record: a JSON value under a key of a collection.
    #[must_use]
    pub fn record(&self, collection: impl Given<Id>, key: impl Given<Id>) -> Record {
        self.collection(collection).record(key)
    }

    /// A source: how far a reader of something outside has come.
    #[must_use]
    pub fn source(&self, id: impl Given<Id>) -> Source {
        Source::new(self, id)
    }

    /// A stream of a kind of the program's own, whose [machine](crate::machine) the ledger was
    /// opened with.
    #[must_use]
    pub fn stream<M: Machine>(&self, id: impl Given<Id>) -> Stream<M> {
        Stream::new(self, id)
    }

    /// Many tickets at once, all or none, with the cursor of the source that they come from.
    pub fn issue(&self) -> Issues {
        Issues::new(self)
    }

    /// What a claim's token says, to whoever was shown it.
    pub fn introspect(&self, token: impl Given<Token>) -> Introspection {
        Introspection::new(self, token)
    }

    /// Several calls that happen together or not at all, added leg by leg.
    pub fn transaction(&self) -> Transaction<()> {
        Transaction::new(self)
    }

    /// The accounts of this book, in the order of their creation.
    pub fn accounts(&self) -> List<Account> {
        List::streams(self)
    }

    /// The withdrawals of all accounts, by state and then in the order in which they were asked
    /// for: what a payout worker looks for.
    pub fn payouts(&self) -> List<Payouts> {
        List::of_all(self)
    }

    /// The flows of this book, in the order of their creation.
    pub fn flows(&self) -> List<Flow> {
        List::streams(self)
    }

    /// The tickets of this book, in the order of their creation.
    pub fn tickets(&self) -> List<Ticket> {
        List::streams(self)
    }

    /// The drops of this book, in the order of their creation.
    pub fn drops(&self) -> List<Drop> {
        List::streams(self)
    }

    /// The streams of a kind of the program's own, in the order of their creation.
    pub fn streams<M: Machine>(&self) -> List<Stream<M>> {
        List::streams(self)
    }

    /// Items of all streams of a kind of the program's own: those that one of its
    /// [indexes](Machine::item_indexes) lists under bytes that begin so, in the index's order.
    pub fn items<M: Machine>(&self, index: u8, front: impl Into<Vec<u8>>) -> List<ItemsOf<M>> {
        List::by_index(self, index, front.into())
    }

    /// What happened in this book behind a position, oldest first, and then what goes on to
    /// happen.
    pub fn events(&self, after: impl Given<Position>) -> Events {
        Events::new(self.ledger(), Some(self.clone()), after)
    }

    pub(crate) fn id(&self) -> Result<Id, Error> {
        self.inner.id.clone()
    }

    /// Whether it is the same book of the same ledger.
    pub(crate) fn is(&self, other: &Self) -> bool {
        let (own, others) = (&self.inner, &other.inner);
        Arc::ptr_eq(own, others)
            || own.ledger.is(&others.ledger) && own.id.is_ok() && own.id == others.id
    }

    /// The number under which its streams are kept, or why there is none.
    pub(crate) async fn number(&self) -> Result<Result<words::Book, Refused>, Error> {
        if let Some(number) = self.inner.number.get() {
            return Ok(Ok(*number));
        }
        let stream = Name::new(words::Book::SYSTEM, machine::Book::KIND, self.id()?);
        let reading = Reading { stream, items: Vec::new() };
        match Told::of(self.ledger().ask(Ask::Read(reading)).await)? {
            Told::Refused(refused) => Ok(Err(refused)),
            Told::Done(outcome) => {
                let piece = outcome.answer.pieces().next();
                let piece = piece.ok_or(quipu_core::records::Corrupt::Missing)??;
                let number = words::Book::new(piece.number);
                Ok(Ok(*self.inner.number.get_or_init(|| number)))
            }
        }
    }
}
