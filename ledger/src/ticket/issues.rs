//! Many tickets at once, with the cursor of the source that they come from.

use core::future::IntoFuture;

use quipu_core::machine::{Command as AnyCommand, Machine};
use quipu_core::machines::source;
use quipu_core::machines::ticket as machine;
use quipu_core::machines::ticket::Command;
use quipu_core::records::{Corrupt, Entries};
use quipu_core::shard::{Leg, Options};
use quipu_core::words::{Id, Name, Position, Trace};

use super::{Issuing, View};
use crate::blocking::{self, beside};
use crate::book::Book;
use crate::call::{Call, Soon};
use crate::error::Error;
use crate::key::KeyText;
use crate::ledger::Ledger;
use crate::outcome::{Done, Outcome, Told};
use crate::transaction::{ask_together, check_leg};
use crate::words::Given;

/// Many tickets that are issued together, all or none, of which some may exist already: those are
/// kept as they are, and a reference that they do not know is kept as evidence.
///
/// ```
/// # async fn example(ledger: quipu::Ledger) -> Result<(), quipu::Error> {
/// let book = ledger.book("default");
/// let payments = [("p1", 42), ("p2", 7)];
/// let tickets = payments.map(|(id, amount)| book.ticket(id).issue().amount(amount, "XMR/12"));
/// let issued = book.issue().all(tickets).source("chain", 1_017).await?.done()?;
/// assert_eq!((issued.issued, issued.existing), (2, 0));
/// assert_eq!(book.source("chain").get().await?.expect("it has come so far").cursor, 1_017);
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
#[must_use = "nothing is asked before it is awaited, or waited for"]
pub struct Issues {
    book: Book,
    tickets: Vec<Call<View, Issuing>>,
    source: Option<Result<(Id, u64), Error>>,
    key: Option<Result<KeyText, Error>>,
    trace: Option<Result<Trace, Error>>,
}

/// How many tickets a batch has issued.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Issued {
    /// Tickets that are new.
    pub issued: u64,
    /// Tickets that were there already and stay as they are.
    pub existing: u64,
}

impl Issues {
    pub(crate) fn new(book: &Book) -> Self {
        Self { book: book.clone(), tickets: Vec::new(), source: None, key: None, trace: None }
    }

    /// One ticket more.
    pub fn and(mut self, ticket: Call<View, Issuing>) -> Self {
        self.tickets.push(ticket);
        self
    }

    /// More tickets.
    pub fn all(mut self, tickets: impl IntoIterator<Item = Call<View, Issuing>>) -> Self {
        self.tickets.extend(tickets);
        self
    }

    /// How far the reader has come whose source they are from. It is kept with the tickets, and
    /// never runs back.
    pub fn source(mut self, source: impl Given<Id>, cursor: u64) -> Self {
        self.source = Some(source.word().map(|source| (source, cursor)));
        self
    }

    /// Makes it safe to repeat; see [`Call::key`].
    pub fn key(mut self, key: impl AsRef<str>) -> Self {
        self.key = Some(KeyText::new(key.as_ref()));
        self
    }

    /// Keeps with its events which request led to it; see [`Call::trace`].
    pub fn trace(mut self, trace: impl Given<Trace>) -> Self {
        self.trace = Some(trace.word());
        self
    }

    /// Asks, and waits for the answer on this thread, which must not be one that a runtime runs
    /// its tasks on.
    pub fn wait(self) -> Result<Outcome<Issued>, Error> {
        blocking::wait(self.into_future())
    }

    async fn make(self) -> Result<Outcome<Issued>, Error> {
        let Self { book, tickets, source, key, trace } = self;
        let (source, key, trace) = (source.transpose()?, key.transpose()?, trace.transpose()?);
        let number = match book.number().await? {
            Ok(number) => number,
            Err(refused) => return Ok(Outcome::Refused(refused)),
        };
        let count = tickets.len() as u64;
        let mut legs = Vec::with_capacity(tickets.len() + 2);
        for ticket in tickets {
            check_leg(&book, &ticket)?;
            let ticket = ticket.alter::<machine::Ticket>(|command| {
                if let Command::Issue { batch, .. } = command {
                    *batch = true;
                }
                Ok(())
            });
            let asked = ticket.asked?;
            let stream = Name::new(number, asked.kind, asked.id.clone());
            legs.push(asked.leg(&book, &stream).await?);
        }
        if let Some((id, cursor)) = source {
            let stream = Name::new(number, source::Source::KIND, id);
            let command = AnyCommand::of::<source::Source>(source::Command::Advance { cursor });
            legs.push(Leg { stream, command, options: Options::default() });
        }
        if legs.is_empty() {
            return Err(Error::form("a batch has tickets, or a source"));
        }
        match ask_together(&book, number, "tickets", legs, key, trace).await? {
            Told::Refused(refused) => Ok(Outcome::Refused(refused)),
            Told::Done(outcome) => {
                let issued = match outcome.changed {
                    true => issued_at(book.ledger(), outcome.position).await?,
                    false => 0,
                };
                let issued = Issued { issued, existing: count.saturating_sub(issued) };
                Ok(Outcome::Done(Done::of(&outcome, issued)))
            }
        }
    }
}

/// How many tickets an entry has created. The answer to many legs does not tell a ticket that is
/// new from one that got evidence; the log does.
async fn issued_at(ledger: &Ledger, last: Position) -> Result<u64, Error> {
    let log = ledger.handle().log().clone();
    let counted = beside(move || -> Result<u64, Error> {
        let frame = log.read(last)?.ok_or(Corrupt::Missing)?;
        let mut parts = Vec::new();
        let mut entries = Entries::new(&frame.bytes, frame.first);
        while let Some(front) = entries.next_into(&mut parts) {
            if front?.last() == last {
                let is_new = |part: &&quipu_core::records::Part<'_>| {
                    part.head.kind == machine::Ticket::KIND && part.head.created.is_some()
                };
                return Ok(parts.iter().filter(is_new).count() as u64);
            }
            parts.clear();
        }
        Err(Corrupt::Missing.into())
    });
    counted.await?
}

impl IntoFuture for Issues {
    type Output = Result<Outcome<Issued>, Error>;
    type IntoFuture = Soon<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.make())
    }
}
