//! Streams of a program's own kinds: asked, read and listed like the built-in ones.

use core::convert::Infallible;
use core::marker::PhantomData;

use quipu_core::machine::{ItemKey, Machine};
use quipu_core::records::Corrupt;
use quipu_core::words::{Id, Timestamp};

use crate::book::Book;
use crate::call::{Call, Read};
use crate::error::Error;
use crate::history::History;
use crate::list::List;
use crate::shown::Shown;
use crate::words::Given;

/// A stream of a program's own kind; see [`Book::stream`](crate::Book::stream) and
/// [`machine`](crate::machine).
///
/// It is a handle, cheap to make and to clone. What it gives are calls like those of the built-in
/// kinds: with a key, with a version, as legs of a transaction, as items of a batch. The ledger
/// must have been opened with the machine; one that does not know it answers with the fault
/// `internal`, and does nothing.
///
/// A program that wants words of its own wraps it, and has [`ask_for`](Self::ask_for) give what
/// its callers want to see: `Hall` in `examples/seat-map` does.
pub struct Stream<M: Machine> {
    book: Book,
    id: Result<Id, Error>,
    machine: PhantomData<fn() -> M>,
}

/// What a machine's [`shows`](Machine::shows) named for a command: of each the first, and all
/// items.
#[derive(Clone, PartialEq, Debug)]
pub struct Answer<E, H, I> {
    /// What happened.
    pub event: Option<E>,
    /// The stream as the event left it.
    pub head: Option<H>,
    /// Items as the event left them. One that is not there is left out.
    pub items: Vec<(ItemKey, I)>,
}

/// The [`Answer`] of a machine.
pub type AnswerOf<M> = Answer<<M as Machine>::Event, <M as Machine>::Head, <M as Machine>::Item>;

impl<E, H, I> Answer<E, H, I> {
    /// The first item.
    #[must_use]
    pub fn item(self) -> Option<I> {
        self.items.into_iter().next().map(|(_, item)| item)
    }
}

/// A stream as it stood.
#[derive(Clone, PartialEq, Debug)]
pub struct View<H, I> {
    /// Which one.
    pub id: Id,
    /// Its head.
    pub head: H,
    /// Those items that were asked for and are there.
    pub items: Vec<(ItemKey, I)>,
    /// When its first event happened.
    pub created_at: Timestamp,
    /// When its last event happened.
    pub updated_at: Timestamp,
}

/// The [`View`] of a machine's stream.
pub type ViewOf<M> = View<<M as Machine>::Head, <M as Machine>::Item>;

/// An item in a list.
#[derive(Clone, PartialEq, Debug)]
pub struct Item<I> {
    /// The stream that it belongs to.
    pub stream: Id,
    /// Its key within the stream.
    pub key: ItemKey,
    /// The item.
    pub item: I,
}

/// What a [`List`] is of that gives items of machine `M`: each row is an [`Item`].
pub struct ItemsOf<M: Machine>(Infallible, PhantomData<fn() -> M>);

impl<M: Machine> Stream<M> {
    pub(crate) fn new(book: &Book, id: impl Given<Id>) -> Self {
        Self { book: book.clone(), id: id.word(), machine: PhantomData }
    }

    /// Asks for a command. What comes back is what the machine shows.
    pub fn ask(&self, command: M::Command) -> Call<AnswerOf<M>> {
        self.ask_for(Ok(command), Some)
    }

    /// The same for a handle of a program's own: of what may be malformed, in which case the call
    /// fails with that and nothing is asked; and with what is shown made into something else.
    /// `None` means that the machine did not show what it always shows: the call fails as
    /// [`Corrupt`](crate::words::Fault::Corrupt).
    pub fn ask_for<T: Send + 'static>(
        &self,
        command: Result<M::Command, Error>,
        shape: impl FnOnce(AnswerOf<M>) -> Option<T> + Send + Sync + 'static,
    ) -> Call<T> {
        Call::new::<M>(&self.book, self.id.clone(), command, |shown| {
            shape(answer::<M>(shown)?).ok_or(Corrupt::Missing)
        })
    }

    /// Reads its head.
    pub fn get(&self) -> Read<ViewOf<M>> {
        self.get_with([])
    }

    /// Reads its head, and those of these items that are there.
    pub fn get_with(&self, items: impl IntoIterator<Item = ItemKey>) -> Read<ViewOf<M>> {
        let items = items.into_iter().collect();
        Read::new::<M>(&self.book, self.id.clone(), items, |shown| view::<M>(shown).map(Some))
    }

    /// Its items whose keys begin with this letter, in the order of their keys.
    pub fn items(&self, letter: u8) -> List<ItemsOf<M>> {
        List::items(&self.book, self.id.clone(), letter)
    }

    /// What happened to it, newest first.
    pub fn history(&self) -> History<M::Event> {
        History::new::<M>(&self.book, self.id.clone())
    }
}

impl<M: Machine> Clone for Stream<M> {
    fn clone(&self) -> Self {
        Self { book: self.book.clone(), id: self.id.clone(), machine: PhantomData }
    }
}

fn answer<M: Machine>(shown: &Shown<'_>) -> Result<AnswerOf<M>, Corrupt> {
    let event = shown.events::<M>().next().transpose()?;
    let head = match shown.head::<M>() {
        Ok((_, _, head)) => Some(head),
        Err(Corrupt::Missing) => None,
        Err(corrupt) => return Err(corrupt),
    };
    Ok(Answer { event, head, items: shown.items::<M>()? })
}

/// A stream as it is shown.
pub(crate) fn view<M: Machine>(shown: &Shown<'_>) -> Result<ViewOf<M>, Corrupt> {
    let (_, stamp, head) = shown.head::<M>()?;
    let (id, items) = (shown.name.id.clone(), shown.items::<M>()?);
    Ok(View { id, head, items, created_at: stamp.created, updated_at: stamp.updated })
}
