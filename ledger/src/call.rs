//! A call: what every operation of this library returns, and what may be said of it before it is
//! made.

use core::future::{Future, IntoFuture};
use core::marker::PhantomData;
use core::pin::Pin;

use quipu_core::machine::{Command, ItemKey, Machine, Piece, What};
use quipu_core::records::Corrupt;
use quipu_core::shard::{self, Ask, Leg, Options, Reading, Reply};
use quipu_core::words::{Code, Fact, Fault, Id, Kind, Name, Position, Timestamp, Trace, Version};

use crate::blocking;
use crate::book::Book;
use crate::error::Error;
use crate::key::{self, KeyText};
use crate::outcome::{Done, Outcome, Refused, Told};
use crate::record::Put;
use crate::shown::{self, Shown};
use crate::snapshot::Snapshot;
use crate::words::Given;

/// How often a put is asked again because its collection was defined anew meanwhile.
const PUTS_MAX: usize = 8;

/// Makes a value of what an answer shows.
pub(crate) type Shape<T> = Box<dyn FnOnce(&Shown<'_>) -> Result<T, Corrupt> + Send + Sync>;

/// A future of this library: it needs no runtime, and may be sent to another thread.
pub type Soon<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// One operation that changes something, ready to be asked. Nothing happens before it is
/// awaited, or waited for.
///
/// - [`key`](Self::key) makes it safe to repeat: whatever comes between the call and its answer,
///   the same call under the same key happens once, and answers the same, for 24 hours.
/// - [`if_version`](Self::if_version) has it happen only while the stream is as it was seen.
/// - It is also a leg of a [`Transaction`](crate::Transaction), and an item of a
///   [`Batch`](crate::Batch).
///
/// What was asked is carried out whether or not anybody waits for its answer: to drop the future
/// does not take it back.
///
/// Some operations take more options, which `O` stands for; they are methods of the call as well.
///
/// ```
/// # async fn example(ledger: quipu::Ledger) -> Result<(), quipu::Error> {
/// let account = ledger.book("default").account("alice");
/// account.open("USD/2").await?.done()?;
/// let first = account.deposit(50).key("order-7").await?.done()?;
/// let again = account.deposit(50).key("order-7").await?.done()?;
/// assert_eq!(first.value, again.value);
/// assert!(again.replayed);
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
#[must_use = "nothing is asked before the call is awaited, or waited for"]
pub struct Call<T, O = ()> {
    pub(crate) book: Book,
    pub(crate) asked: Result<Asked, Error>,
    pub(crate) key: Option<KeyText>,
    pub(crate) shape: Shape<T>,
    pub(crate) options: PhantomData<fn() -> O>,
}

/// What is asked of one stream.
pub(crate) struct Asked {
    pub(crate) kind: Kind,
    pub(crate) id: Id,
    pub(crate) order: Order,
    pub(crate) if_version: Option<Version>,
    /// Whether the id was made for this call.
    pub(crate) made: bool,
    pub(crate) trace: Option<Trace>,
}

/// The command, or what it will be made of.
pub(crate) enum Order {
    Command(Command),
    /// A record's, which depends on how its collection is defined.
    Put(Put),
}

impl<T: Send + 'static, O: 'static> Call<T, O> {
    pub(crate) fn new<M: Machine>(
        book: &Book,
        id: Result<Id, Error>,
        command: Result<M::Command, Error>,
        shape: impl FnOnce(&Shown<'_>) -> Result<T, Corrupt> + Send + Sync + 'static,
    ) -> Self {
        let asked = id.and_then(|id| {
            let order = Order::Command(Command::of::<M>(command?));
            Ok(Asked { kind: M::KIND, id, order, if_version: None, made: false, trace: None })
        });
        Self::of(book, asked, shape)
    }

    pub(crate) fn of(
        book: &Book,
        asked: Result<Asked, Error>,
        shape: impl FnOnce(&Shown<'_>) -> Result<T, Corrupt> + Send + Sync + 'static,
    ) -> Self {
        let (book, shape) = (book.clone(), Box::new(shape));
        Self { book, asked, key: None, shape, options: PhantomData }
    }

    /// The same call with another command.
    pub(crate) fn alter<M: Machine>(
        mut self,
        alter: impl FnOnce(&mut M::Command) -> Result<(), Error>,
    ) -> Self {
        self.asked = self.asked.and_then(|asked| {
            let Order::Command(command) = &asked.order else { return Ok(asked) };
            let Some(mut command) = command.get::<M>().cloned() else { return Ok(asked) };
            alter(&mut command)?;
            Ok(Asked { order: Order::Command(Command::of::<M>(command)), ..asked })
        });
        self
    }

    /// Makes it safe to repeat: the same call under the same key happens once and answers the
    /// same, for 24 hours, across restarts. A key is 1 to 255 visible characters; it belongs to
    /// this stream and operation, so the same one elsewhere is another.
    pub fn key(mut self, key: impl AsRef<str>) -> Self {
        match KeyText::new(key.as_ref()) {
            Ok(key) => self.key = Some(key),
            Err(error) => self.asked = self.asked.and(Err(error)),
        }
        self
    }

    /// Says that the stream's id was [made](Book::make_id) for this call, which creates the
    /// stream: nobody has named it. A repeat under the same [key](Self::key) comes with another
    /// id, and is answered with the stream that the first call has made. Such a key belongs to
    /// the book and the operation.
    ///
    /// ```
    /// # fn main() -> Result<(), quipu::Error> {
    /// # let folder = tempfile::tempdir().expect("a folder");
    /// # let ledger = quipu::Ledger::open_blocking(folder.path())?;
    /// let book = ledger.book("default");
    /// let open = |id| book.account(id).open("USD/2").made().key("signup-7");
    /// let first = open(book.make_id()?).wait()?.done()?;
    /// let again = open(book.make_id()?).wait()?.done()?;
    /// assert_eq!(first.id, again.id);
    /// assert!(again.replayed);
    /// # ledger.close_blocking()
    /// # }
    /// ```
    pub fn made(mut self) -> Self {
        self.asked = self.asked.and_then(|asked| match asked.order {
            Order::Command(_) => Ok(Asked { made: true, ..asked }),
            Order::Put(_) => Err(Error::form("a record is named by whoever puts it")),
        });
        self
    }

    /// Has it happen only while the stream is at this version; else it is refused with
    /// [`VersionMismatch`](Code::VersionMismatch).
    pub fn if_version(mut self, version: impl Given<Position>) -> Self {
        self.asked =
            self.asked.and_then(|asked| Ok(Asked { if_version: Some(version.word()?), ..asked }));
        self
    }

    /// Keeps with its events which request led to it, as a `traceparent` header says it. It makes
    /// no other call of it: a repeat under the same key may come with another one, and the first
    /// one is kept.
    pub fn trace(mut self, trace: impl Given<Trace>) -> Self {
        self.asked = self.asked.and_then(|asked| Ok(Asked { trace: Some(trace.word()?), ..asked }));
        self
    }

    /// The same call, with what it shows made into something else: calls of different kinds
    /// become one type, for a batch.
    pub fn map<U: Send + 'static>(
        self,
        map: impl FnOnce(T) -> U + Send + Sync + 'static,
    ) -> Call<U> {
        let Self { book, asked, key, shape, .. } = self;
        let shape = Box::new(move |shown: &Shown<'_>| shape(shown).map(map));
        Call { book, asked, key, shape, options: PhantomData }
    }

    /// Makes the call and waits for its answer on this thread, which must not be one that a
    /// runtime runs its tasks on.
    pub fn wait(self) -> Result<Outcome<T>, Error> {
        blocking::wait(self.into_future())
    }

    /// Whether it can be asked at all. What is wrong with the words of a call is told when it is
    /// made; this tells it before, so that it can be said which of many calls it is.
    pub fn check(&self) -> Result<(), Error> {
        self.asked.as_ref().map(|_| ()).map_err(Clone::clone)
    }

    /// Without its options.
    pub(crate) fn plain(self) -> Call<T> {
        let Self { book, asked, key, shape, .. } = self;
        Call { book, asked, key, shape, options: PhantomData }
    }

    pub(crate) async fn make(self) -> Result<Outcome<T>, Error> {
        let Self { book, asked, key, shape, .. } = self;
        let asked = asked?;
        let number = match book.number().await? {
            Ok(number) => number,
            Err(refused) => return Ok(Outcome::Refused(refused)),
        };
        let stream = Name::new(number, asked.kind, asked.id.clone());
        for _ in 0..PUTS_MAX {
            let ask = asked.ask(&book, &stream, key.as_ref()).await?;
            let reply = book.ledger().ask(ask).await;
            if let Reply::Refused(shard::Refused { refusal, .. }) = &reply
                && asked.is_refused_for_its_era(refusal.code, refusal.fact)
            {
                continue;
            }
            let told = Told::of(reply)?;
            return match asked.is_kept_apart(key.as_ref()) {
                false => conclude(&book, &stream, told, shape),
                true => conclude_made(&book, &stream, told, shape),
            };
        }
        Err(Fault::Overloaded.into())
    }
}

impl<T: Send + 'static, O: 'static> IntoFuture for Call<T, O> {
    type Output = Result<Outcome<T>, Error>;
    type IntoFuture = Soon<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.make())
    }
}

impl Asked {
    /// What is asked of the engine.
    pub(crate) async fn ask(
        &self,
        book: &Book,
        stream: &Name,
        key: Option<&KeyText>,
    ) -> Result<Ask, Error> {
        let leg = self.leg(book, stream).await?;
        match key {
            Some(key) if self.is_kept_apart(Some(key)) => {
                // Each repeat is of another stream, so the key needs one of its own.
                let operation = format!("{}.{}", self.kind.get(), leg.command.operation());
                let made = Some(stream.id.clone());
                let mut kept = key.kept(book, stream.book, &operation, made)?;
                kept.options.trace = self.trace;
                Ok(Ask::Transaction(vec![kept, leg], Some(key.key())))
            }
            key => Ok(Ask::Command(leg, key.map(KeyText::key))),
        }
    }

    /// Whether the key is kept in a stream of its own, and not with the stream that is asked.
    pub(crate) fn is_kept_apart(&self, key: Option<&KeyText>) -> bool {
        self.made && key.is_some()
    }

    /// The leg that is asked of the engine.
    pub(crate) async fn leg(&self, book: &Book, stream: &Name) -> Result<Leg, Error> {
        let command = match &self.order {
            Order::Command(command) => command.clone(),
            Order::Put(put) => put.command(book, stream).await?,
        };
        let Self { if_version, made, trace, .. } = *self;
        let options = Options { if_version, made, trace };
        Ok(Leg { stream: stream.clone(), command, options })
    }

    /// Whether the collection of a put was defined anew after it was looked at. No key keeps
    /// that refusal, so the put may be made again under the same one.
    pub(crate) fn is_refused_for_its_era(&self, code: Code, fact: Fact) -> bool {
        let era = matches!((code, fact), (Code::Malformed, Fact::Remaining(_)));
        era && matches!(self.order, Order::Put(_))
    }
}

/// What is told of one command, as an outcome.
pub(crate) fn conclude<T>(
    book: &Book,
    stream: &Name,
    told: Told,
    shape: Shape<T>,
) -> Result<Outcome<T>, Error> {
    match told {
        Told::Refused(refused) if refused.is_about_the_ask() => Err(refused.into()),
        Told::Refused(refused) => Ok(Outcome::Refused(refused)),
        Told::Done(outcome) => {
            let pieces = shown::pieces(&outcome.answer)?;
            // What one command did has one position, but for a record that makes its collection.
            let (position, at) = (outcome.version, outcome.at);
            let secret = book.ledger().secret();
            let shown = Shown { name: stream, position, at, secret, pieces: &pieces };
            let value = shape(&shown)?;
            Ok(Outcome::Done(Done::of(&outcome, value)))
        }
    }
}

/// The same of one whose id was made and is kept with its key: behind the leg that keeps both.
/// The stream is the one that the first call has made.
pub(crate) fn conclude_made<T>(
    book: &Book,
    stream: &Name,
    told: Told,
    shape: Shape<T>,
) -> Result<Outcome<T>, Error> {
    match told {
        Told::Refused(refused) => {
            // It is one call, whatever legs it has become.
            let told = Told::Refused(Refused { leg: None, ..refused });
            conclude(book, stream, told, shape)
        }
        Told::Done(outcome) => {
            let pieces = shown::pieces(&outcome.answer)?;
            let legs = legs_of(&pieces);
            let [(_, _, kept), (_, _, own)] = legs[..] else { return Err(Corrupt::Missing.into()) };
            let name = &Name::new(stream.book, stream.kind, key::made_id(kept)?);
            let head = own.iter().find_map(|piece| match piece.what {
                What::Head(stamp) if piece.kind == stream.kind => Some(stamp.version),
                _ => None,
            });
            let position = head.unwrap_or(outcome.position);
            let (at, secret) = (outcome.at, book.ledger().secret());
            let value = shape(&Shown { name, position, at, secret, pieces: own })?;
            Ok(Outcome::Done(Done { version: position, ..Done::of(&outcome, value) }))
        }
    }
}

/// One read. Its answer, too, waits until all that it rests on is durable.
///
/// [`at`](Self::at) reads what a [`Snapshot`] holds instead.
#[must_use = "nothing is read before it is awaited, or waited for"]
pub struct Read<T> {
    pub(crate) book: Book,
    pub(crate) kind: Kind,
    pub(crate) id: Result<Id, Error>,
    pub(crate) items: Vec<ItemKey>,
    pub(crate) snapshot: Option<Snapshot>,
    pub(crate) shape: Shape<Option<T>>,
}

/// What was read, and as of when. It reads like the value itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seen<T> {
    /// What is there.
    pub value: T,
    /// The stream's version: for [`if_version`](Call::if_version).
    pub version: Version,
    /// The time as of which it is shown.
    pub at: Timestamp,
    /// What the answer rests on.
    pub position: Position,
}

impl<T> core::ops::Deref for Seen<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: Send + 'static> Read<T> {
    pub(crate) fn new<M: Machine>(
        book: &Book,
        id: Result<Id, Error>,
        items: Vec<ItemKey>,
        shape: impl FnOnce(&Shown<'_>) -> Result<Option<T>, Corrupt> + Send + Sync + 'static,
    ) -> Self {
        let (book, shape) = (book.clone(), Box::new(shape));
        Self { book, kind: M::KIND, id, items, snapshot: None, shape }
    }

    /// Reads what this snapshot holds.
    pub fn at(mut self, snapshot: &Snapshot) -> Self {
        self.snapshot = Some(snapshot.clone());
        self
    }

    /// Reads, and waits for the answer on this thread, which must not be one that a runtime runs
    /// its tasks on.
    pub fn wait(self) -> Result<Option<Seen<T>>, Error> {
        blocking::wait(self.into_future())
    }

    /// Reads, with a refusal where nothing is there: it says what that rests on.
    pub async fn look(self) -> Result<Result<Seen<T>, Refused>, Error> {
        let Self { book, kind, id, items, snapshot, shape } = self;
        let id = id?;
        let number = match book.number().await? {
            Ok(number) => number,
            Err(refused) => return Ok(Err(refused)),
        };
        let stream = Name::new(number, kind, id);
        let secret = *book.ledger().secret();
        let seen = |pieces: &[Piece<'_>], shown_at, position, at, version| {
            let shown = Shown { name: &stream, position: shown_at, at, secret: &secret, pieces };
            let none = Refused::not_found(position, at, version);
            let value = shape(&shown)?;
            Ok(value.map(|value| Seen { value, version, at, position }).ok_or(none))
        };
        if let Some(snapshot) = snapshot {
            let (at, position) = (snapshot.at(), snapshot.position());
            let name = stream.clone();
            let rows = blocking::beside(move || snapshot.rows(&name, &items)).await??;
            let Some(rows) = rows else {
                return Ok(Err(Refused::not_found(position, at, Version::ZERO)));
            };
            let version = rows.stamp.version;
            return seen(&rows.pieces()?, version, position, at, version);
        }
        let reading = Reading { stream: stream.clone(), items };
        match Told::of(book.ledger().ask(Ask::Read(reading)).await)? {
            Told::Refused(refused) => Ok(Err(refused)),
            Told::Done(outcome) => {
                let pieces = shown::pieces(&outcome.answer)?;
                let (position, at) = (outcome.position, outcome.at);
                seen(&pieces, position, position, at, outcome.version)
            }
        }
    }

    async fn make(self) -> Result<Option<Seen<T>>, Error> {
        match self.look().await? {
            Ok(seen) => Ok(Some(seen)),
            Err(refused) if refused.code == Code::NotFound => Ok(None),
            Err(refused) => Err(refused.into()),
        }
    }
}

impl<T: Send + 'static> IntoFuture for Read<T> {
    type Output = Result<Option<Seen<T>>, Error>;
    type IntoFuture = Soon<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.make())
    }
}

/// The legs of a transaction's answer: which leg, how many events it is, and its pieces.
pub(crate) fn legs_of<'a, 'p>(pieces: &'p [Piece<'a>]) -> Vec<(u32, u64, &'p [Piece<'a>])> {
    let mut legs = Vec::new();
    let mut rest = pieces;
    while let Some((front, behind)) = rest.split_first() {
        let What::Leg { leg, events } = front.what else {
            rest = behind;
            continue;
        };
        let len = behind.iter().take_while(|piece| !matches!(piece.what, What::Leg { .. })).count();
        let (own, next) = behind.split_at(len);
        legs.push((leg, events.into(), own));
        rest = next;
    }
    legs
}
