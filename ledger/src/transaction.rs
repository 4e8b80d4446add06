//! Transactions: calls that happen together or not at all, added leg by leg.

use core::future::IntoFuture;

use quipu_core::machine::{Piece, What};
use quipu_core::records::Corrupt;
use quipu_core::shard::{Ask, LEGS_MAX, Leg, Outcome as Accepted};
use quipu_core::words::{self, Fault, Name, Position, Trace, Version};

use crate::blocking;
use crate::book::Book;
use crate::call::{Asked, Call, Shape, Soon, legs_of};
use crate::error::Error;
use crate::key::KeyText;
use crate::outcome::{Done, Outcome, Told};
use crate::shown::{self, Shown};
use crate::words::Given;

/// How often a transaction is asked again because a collection was defined anew meanwhile.
const PUTS_MAX: usize = 8;

/// The most legs whose values are shown; of more, the answer says which changed something.
pub const SHOWN_LEGS_MAX: usize = quipu_core::shard::ANSWERED_LEGS_MAX - 1;

/// Several calls of one book that happen together or not at all: see
/// [`Book::transaction`](crate::Book::transaction).
///
/// Legs on one stream are decided in their order, each seeing the ones before. Refused is the
/// whole, with the lowest leg that was refused. What comes out is a tuple with the value of each
/// leg, of up to eight; [`all`](Self::all) takes up to 10,000 of one kind.
///
/// ```
/// # async fn example(ledger: quipu::Ledger) -> Result<(), quipu::Error> {
/// let book = ledger.book("default");
/// let (alice, seat) = (book.account("alice"), book.ticket("seat-14"));
/// alice.open("EUR/2").await?.done()?;
/// alice.deposit(50_00).await?.done()?;
/// seat.issue().await?.done()?;
///
/// let bought = book.transaction().and(alice.charge(42_00)).and(seat.claim("alice"));
/// let (charge, claim) = bought.key("order-7").await?.done()?.value;
/// assert_eq!(charge.balance_after.get(), 8_00);
/// assert_eq!(claim.claimant.as_str(), "alice");
///
/// // Nothing of this happens: the seat is hers already.
/// let again = book.transaction().and(alice.deposit(1)).and(seat.claim("bob")).await?;
/// let refused = again.refused().expect("it is taken");
/// assert_eq!((refused.code, refused.leg), (quipu::Code::AlreadyClaimed, Some(1)));
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
pub struct Transaction<L> {
    book: Book,
    asked: Vec<Result<Asked, Error>>,
    key: Option<Result<KeyText, Error>>,
    trace: Option<Result<Trace, Error>>,
    legs: L,
}

/// A leg of a transaction, which will show a `T`.
pub struct Shows<T>(Shape<T>);

/// One of many legs of one kind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Part<T> {
    /// Whether it changed something, as against "it was so already".
    pub changed: bool,
    /// The position of its event, or of what the answer rests on where it changed nothing.
    pub position: Position,
    /// The version of its stream since then, or what the answer rests on where that is not shown.
    pub version: Version,
    /// What it shows; absent where there are more than [`SHOWN_LEGS_MAX`] legs.
    pub value: Option<T>,
}

/// The legs of a transaction, and what they show.
pub trait Legs: Send + 'static {
    /// What they show.
    type Values: Send + 'static;

    #[doc(hidden)]
    fn values(self, legs: Answered<'_>) -> Result<Self::Values, Error>;
}

/// Legs that one more can be added to.
pub trait And<T>: Legs {
    /// The legs with that one.
    type With: Legs;

    #[doc(hidden)]
    fn and(self, leg: Shows<T>) -> Self::With;
}

/// What was answered, leg by leg.
#[doc(hidden)]
pub struct Answered<'a> {
    book: &'a Book,
    outcome: &'a Accepted,
    names: &'a [Name],
    legs: Vec<LegTold<'a>>,
}

struct LegTold<'a> {
    changed: bool,
    position: Position,
    pieces: &'a [Piece<'a>],
}

impl<'a> Answered<'a> {
    /// Splits an answer into its legs. Their events are counted from the last one, whose position
    /// is known; the first event of a leg is its own.
    fn new(
        book: &'a Book,
        outcome: &'a Accepted,
        names: &'a [Name],
        pieces: &'a [Piece<'a>],
        skipped: u32,
    ) -> Result<Self, Error> {
        let mut next = outcome.position.plus(1);
        let mut legs = Vec::new();
        for (index, events, own) in legs_of(pieces).into_iter().rev() {
            next = Position::new(next.get().saturating_sub(events));
            let changed = events > 0;
            let position = if changed { next } else { outcome.position };
            if index >= skipped {
                legs.push(LegTold { changed, position, pieces: own });
            }
        }
        legs.reverse();
        if legs.len() != names.len() {
            return Err(Corrupt::Missing.into());
        }
        Ok(Self { book, outcome, names, legs })
    }

    /// The version of the stream of a leg: it is shown with the stream, and an event is its own.
    fn version(&self, index: usize) -> Option<Version> {
        let (name, leg) = self.names.get(index).zip(self.legs.get(index))?;
        let shown = leg.pieces.iter().find_map(|piece| match piece.what {
            What::Head(stamp) if piece.kind == name.kind => Some(stamp.version),
            _ => None,
        });
        Some(shown.unwrap_or(leg.position))
    }

    fn value<T>(&self, index: usize, shows: Shows<T>) -> Result<T, Error> {
        let (name, leg) =
            self.names.get(index).zip(self.legs.get(index)).ok_or(Corrupt::Missing)?;
        let (at, secret) = (self.outcome.at, self.book.ledger().secret());
        let shown = Shown { name, position: leg.position, at, secret, pieces: leg.pieces };
        Ok(shows.0(&shown)?)
    }
}

impl<T: Send + 'static> Legs for Vec<Shows<T>> {
    type Values = Vec<Part<T>>;

    fn values(self, legs: Answered<'_>) -> Result<Vec<Part<T>>, Error> {
        let part = |(index, shows)| {
            let leg = legs.legs.get(index).ok_or(Corrupt::Missing)?;
            let is_shown = legs.legs.len() <= SHOWN_LEGS_MAX;
            let value = is_shown.then(|| legs.value(index, shows)).transpose()?;
            let version = legs.version(index).ok_or(Corrupt::Missing)?;
            Ok(Part { changed: leg.changed, position: leg.position, version, value })
        };
        self.into_iter().enumerate().map(part).collect()
    }
}

macro_rules! tuples {
    ($(($($leg:ident)*))*) => {$(
        impl<$($leg: Send + 'static),*> Legs for ($(Shows<$leg>,)*) {
            type Values = ($($leg,)*);

            #[allow(non_snake_case, unused_variables, unused_mut, unused_assignments)]
            fn values(self, legs: Answered<'_>) -> Result<Self::Values, Error> {
                let ($($leg,)*) = self;
                let mut index = 0;
                $(
                    let $leg = legs.value(index, $leg)?;
                    index += 1;
                )*
                Ok(($($leg,)*))
            }
        }
    )*};
}

macro_rules! and {
    ($(($($leg:ident)*))*) => {$(
        impl<$($leg: Send + 'static,)* Last: Send + 'static> And<Last> for ($(Shows<$leg>,)*) {
            type With = ($(Shows<$leg>,)* Shows<Last>,);

            #[allow(non_snake_case)]
            fn and(self, last: Shows<Last>) -> Self::With {
                let ($($leg,)*) = self;
                ($($leg,)* last,)
            }
        }
    )*};
}

tuples!(() (A) (A B) (A B C) (A B C D) (A B C D E) (A B C D E F) (A B C D E F G) (A B C D E F G H));
and!(() (A) (A B) (A B C) (A B C D) (A B C D E) (A B C D E F) (A B C D E F G));

impl Transaction<()> {
    pub(crate) fn new(book: &Book) -> Self {
        Self { book: book.clone(), asked: Vec::new(), key: None, trace: None, legs: () }
    }

    /// Many legs that show the same kind of thing; [`Call::map`] makes one kind of several.
    pub fn all<T: Send + 'static, O: 'static>(
        self,
        calls: impl IntoIterator<Item = Call<T, O>>,
    ) -> Transaction<Vec<Shows<T>>> {
        let Self { book, mut asked, key, trace, .. } = self;
        let mut legs = Vec::new();
        for call in calls {
            asked.push(check_leg(&book, &call).and(call.asked));
            legs.push(Shows(call.shape));
        }
        Transaction { book, asked, key, trace, legs }
    }
}

impl<L: Legs> Transaction<L> {
    /// One leg more.
    pub fn and<T: Send + 'static, O: 'static>(self, call: Call<T, O>) -> Transaction<L::With>
    where
        L: And<T>,
    {
        let Self { book, mut asked, key, trace, legs } = self;
        asked.push(check_leg(&book, &call).and(call.asked));
        Transaction { book, asked, key, trace, legs: legs.and(Shows(call.shape)) }
    }

    /// Makes it safe to repeat; see [`Call::key`]. It belongs to the transactions of the book:
    /// other legs under the same key are an error.
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
    pub fn wait(self) -> Result<Outcome<L::Values>, Error> {
        blocking::wait(self.make())
    }

    async fn make(self) -> Result<Outcome<L::Values>, Error> {
        let Self { book, asked, key, trace, legs } = self;
        let asked = asked.into_iter().collect::<Result<Vec<Asked>, Error>>()?;
        let (key, trace) = (key.transpose()?, trace.transpose()?);
        if asked.is_empty() {
            return Err(Error::form("a transaction has legs"));
        }
        let number = match book.number().await? {
            Ok(number) => number,
            Err(refused) => return Ok(Outcome::Refused(refused)),
        };
        let names: Vec<Name> =
            asked.iter().map(|asked| Name::new(number, asked.kind, asked.id.clone())).collect();
        let skipped = u32::from(key.is_some());
        for _ in 0..PUTS_MAX {
            let mut asks = Vec::with_capacity(asked.len() + 1);
            for (asked, name) in asked.iter().zip(&names) {
                asks.push(asked.leg(&book, name).await?);
            }
            let ask = ask_together(&book, number, "transaction", asks, key.clone(), trace);
            let told = match ask.await {
                Err(Error::Refused(refused)) if is_of_another_era(&asked, &refused) => continue,
                told => told?,
            };
            return match told {
                Told::Refused(refused) => Ok(Outcome::Refused(refused)),
                Told::Done(outcome) => {
                    let pieces = shown::pieces(&outcome.answer)?;
                    let answered = Answered::new(&book, &outcome, &names, &pieces, skipped)?;
                    let values = legs.values(answered)?;
                    let mut done = Done::of(&outcome, values);
                    done.version = done.position;
                    Ok(Outcome::Done(done))
                }
            };
        }
        Err(Fault::Overloaded.into())
    }
}

impl<L: Legs> IntoFuture for Transaction<L> {
    type Output = Result<Outcome<L::Values>, Error>;
    type IntoFuture = Soon<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.make())
    }
}

/// Whether the collection of a put was defined anew after it was looked at.
fn is_of_another_era(asked: &[Asked], refused: &crate::outcome::Refused) -> bool {
    let leg = refused.leg.and_then(|leg| asked.get(leg));
    leg.is_some_and(|asked| asked.is_refused_for_its_era(refused.code, refused.fact))
}

/// Whether a call can be a leg in this book.
pub(crate) fn check_leg<T, O>(book: &Book, call: &Call<T, O>) -> Result<(), Error> {
    if !call.book.is(book) {
        return Err(Error::form("a transaction stays within one book"));
    }
    if call.key.is_some() {
        return Err(Error::form("a leg has no key of its own; give one to the transaction"));
    }
    if call.asked.as_ref().is_ok_and(|asked| asked.trace.is_some()) {
        return Err(Error::form("a leg has no trace of its own; give one to the transaction"));
    }
    if call.asked.as_ref().is_ok_and(|asked| asked.made) {
        return Err(Error::form("a leg names its stream: no id can be made for it"));
    }
    Ok(())
}

/// Asks for several legs together. Under a key, the one that keeps it is one leg more.
pub(crate) async fn ask_together(
    book: &Book,
    number: words::Book,
    operation: &'static str,
    mut legs: Vec<Leg>,
    key: Option<KeyText>,
    trace: Option<Trace>,
) -> Result<Told, Error> {
    let skipped = usize::from(key.is_some());
    if let Some(key) = &key {
        legs.insert(0, key.kept(book, number, operation, None)?);
    }
    // The entry has one, and the engine takes it from the first leg.
    if let Some(first) = legs.first_mut() {
        first.options.trace = trace;
    }
    if legs.len() > LEGS_MAX {
        return Err(Fault::TooLarge.into());
    }
    match Told::of(book.ledger().ask(Ask::Transaction(legs, key.map(|key| key.key()))).await)? {
        Told::Done(outcome) => Ok(Told::Done(outcome)),
        Told::Refused(mut refused) => {
            refused.leg = refused.leg.map(|leg| leg.saturating_sub(skipped));
            if refused.is_about_the_ask() {
                Err(refused.into())
            } else {
                Ok(Told::Refused(refused))
            }
        }
    }
}
