//! The history of one stream, newest first.

use core::marker::PhantomData;
use std::collections::VecDeque;

use quipu_core::history::{History as Walk, HistoryError, Knot};
use quipu_core::log;
use quipu_core::machine::{Machine, What};
use quipu_core::records::{Corrupt, Record};
use quipu_core::shard::{Ask, Reading};
use quipu_core::words::{Code, Id, Kind, Name, Number, Position, Timestamp, Trace, Version};

use crate::blocking::{self, beside};
use crate::book::Book;
use crate::error::Error;
use crate::outcome::Told;
use crate::words::Given;

/// How many events are read at a time.
const PAGE: usize = 64;

/// What happened to one stream, newest first: a walk back through the log, which costs nothing
/// that was written for it. Where history was trimmed, it ends with [`Error::Trimmed`].
///
/// ```
/// # async fn example(ledger: quipu::Ledger) -> Result<(), quipu::Error> {
/// use quipu::events::account::Event;
///
/// let alice = ledger.book("default").account("alice");
/// alice.open("USD/2").await?.done()?;
/// alice.deposit(5).await?.done()?;
/// let mut history = alice.history();
/// let newest = history.next().await?.expect("it was opened");
/// assert!(matches!(newest.event, Event::Deposited(deposit) if deposit.amount.get() == 5));
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
pub struct History<E> {
    book: Book,
    kind: Kind,
    id: Result<Id, Error>,
    /// Only what happened before this event.
    before: Option<Result<Position, Error>>,
    /// The version of the event that comes first, where it is not the newest.
    from: Option<Result<Version, Error>>,
    /// Where the walk goes on, once it has begun.
    next: Option<(Number, Version)>,
    page: VecDeque<Knot>,
    events: PhantomData<fn() -> E>,
}

/// One event of a stream.
#[derive(Clone, PartialEq, Debug)]
pub struct Past<E> {
    /// Its position, which was the stream's version from then on.
    pub position: Position,
    /// When it was decided.
    pub at: Timestamp,
    /// Which request led to it, where its call [said so](crate::Call::trace).
    pub trace: Option<Trace>,
    /// What happened.
    pub event: E,
}

impl<E: Record> History<E> {
    pub(crate) fn new<M: Machine<Event = E>>(book: &Book, id: Result<Id, Error>) -> Self {
        let (page, events) = (VecDeque::new(), PhantomData);
        let next = None;
        Self { book: book.clone(), kind: M::KIND, id, before: None, from: None, next, page, events }
    }

    /// Only events before the one at this position, so that a walk goes on where another one has
    /// ended, without the way to there. It has to be the position of an event of this stream, or
    /// lie behind its last one; with any other the walk fails as malformed. An event that did two
    /// things to the stream, such as a transfer to itself, is given as two with one position, and
    /// both of them are left out.
    pub fn before(mut self, position: impl Given<Position>) -> Self {
        self.before = Some(position.word());
        self
    }

    /// Begins with the event that led to this version, as [`version`](Self::version) has told it.
    /// A version that is none of the stream's is an error.
    pub fn from(mut self, version: impl Given<Position>) -> Self {
        self.from = Some(version.word());
        self
    }

    /// The version that the event led to which comes next. None where the walk has not begun, or
    /// is at its end.
    #[must_use]
    pub fn version(&self) -> Option<Version> {
        let next = self.page.front().map(|knot| knot.position);
        let next = next.or(self.next.map(|(_, version)| version));
        next.filter(|version| *version != Position::ZERO)
    }

    /// The event before, or `None` before the first one. A stream that is not there has none.
    pub async fn next(&mut self) -> Result<Option<Past<E>>, Error> {
        if self.page.is_empty() {
            self.read_page().await?;
        }
        let Some(knot) = self.page.pop_front() else { return Ok(None) };
        let Knot { position, now: at, trace, tag, payload, .. } = knot;
        Ok(Some(Past { position, at, trace, event: E::unpack(tag, &payload)? }))
    }

    /// The same on a thread that no runtime runs its tasks on.
    pub fn next_blocking(&mut self) -> Result<Option<Past<E>>, Error> {
        blocking::wait(self.next())
    }

    async fn read_page(&mut self) -> Result<(), Error> {
        let (number, version) = match self.next {
            Some(next) => next,
            None => self.begin_before().await?,
        };
        if version == Position::ZERO {
            self.next = Some((number, version));
            return Ok(());
        }
        let log = self.book.ledger().handle().log().clone();
        let is_chosen = self.next.is_none() && self.from.is_some();
        let read = beside(move || -> Result<_, Error> {
            let mut walk = Walk::new(&*log, number, version);
            let mut page = VecDeque::with_capacity(PAGE);
            while let Some(knot) = walk.next() {
                let knot = match knot {
                    // What was read so far comes first.
                    Err(_) if !page.is_empty() => break,
                    Err(HistoryError::NotThere { .. }) if is_chosen => return Err(no_version()),
                    knot => knot?,
                };
                page.push_back(knot);
                // Of an event that did two things, both are in one page.
                let ends = page.back().is_some_and(|knot| walk.version() != knot.position);
                if page.len() >= PAGE && ends {
                    break;
                }
            }
            let next = match page.back() {
                Some(last) if walk.version() == Position::ZERO => last.previous,
                _ => walk.version(),
            };
            Ok((page, next))
        });
        let (page, next) = read.await??;
        self.page = page;
        self.next = Some((number, next));
        Ok(())
    }

    /// The stream's number, and the version from which the walk goes back.
    async fn begin_before(&self) -> Result<(Number, Version), Error> {
        let (number, version) = self.begin().await?;
        let Some(before) = self.before.clone().transpose()?.filter(|at| *at <= version) else {
            return Ok((number, version));
        };
        let log = self.book.ledger().handle().log().clone();
        let previous = beside(move || {
            let of = (number, before);
            let knots = at(&*log, of)?;
            let first = knots.last().map(|knot| knot.previous);
            first.ok_or_else(|| Error::form(format!("no event of it is at position {before}")))
        });
        Ok((number, previous.await??))
    }

    /// The stream's number, and the version that the walk begins at.
    async fn begin(&self) -> Result<(Number, Version), Error> {
        let (number, newest) = self.head().await?;
        match self.from.clone().transpose()? {
            None => Ok((number, newest)),
            Some(from) if from.get() >= number.get() && from <= newest => Ok((number, from)),
            Some(_) => Err(no_version()),
        }
    }

    /// The stream's number and version.
    async fn head(&self) -> Result<(Number, Version), Error> {
        let nothing = (Number::ZERO, Position::ZERO);
        let id = self.id.clone()?;
        let Ok(book) = self.book.number().await? else { return Ok(nothing) };
        let reading = Reading { stream: Name::new(book, self.kind, id), items: Vec::new() };
        match Told::of(self.book.ledger().ask(Ask::Read(reading)).await)? {
            Told::Refused(refused) if refused.code == Code::NotFound => Ok(nothing),
            Told::Refused(refused) => Err(refused.into()),
            Told::Done(outcome) => {
                for piece in outcome.answer.pieces() {
                    let piece = piece?;
                    if let What::Head(stamp) = piece.what {
                        return Ok((piece.number, stamp.version));
                    }
                }
                Err(Corrupt::Missing.into())
            }
        }
    }
}

/// What one event did to a stream, last thing first. None where that stream has no event there.
pub(crate) fn at(
    log: &(dyn log::Reader + Send + Sync),
    (number, position): (Number, Position),
) -> Result<Vec<Knot>, Error> {
    let mut knots: Vec<Knot> = Vec::new();
    if position == Position::ZERO {
        return Ok(knots);
    }
    for knot in Walk::new(log, number, position) {
        match knot {
            Err(HistoryError::NotThere { .. }) if knots.is_empty() => return Ok(knots),
            knot => knots.push(knot?),
        }
        // Behind the first thing that it did lies another event.
        if knots.last().is_none_or(|knot| knot.previous != position) {
            break;
        }
    }
    Ok(knots)
}

fn no_version() -> Error {
    Error::form("the stream was never at this version")
}
