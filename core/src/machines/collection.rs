//! The collection machine: which fields of its records are indexed.
//!
//! A collection exists from its definition on, or from the first record that is put into it.
//! It can be defined anew only while it is empty. A collection does not know its records, so
//! whoever defines it anew resets it, lists its records, and defines it if there are none. A
//! put in between is a use, and refuses the definition. The list is never left out, since a
//! reset says nothing about the records that came before it.
//!
//! | state | define | reset | use |
//! |---|---|---|---|
//! | absent | defined, era 1 | `not_found` | era 0: used; else `malformed` |
//! | unused | defined, next era; already so where nothing changes | already so | used |
//! | used | `wrong_state`; already so where nothing changes | reset | already so |
//!
//! A use under another era than the collection's is `malformed` and says which era it is: its
//! caller has extracted the wrong fields, and extracts them again. An idempotency key keeps no
//! such answer, so the caller may repeat the put under the same key. Where two refusals apply,
//! the first of these is given: `malformed`, `not_found`, `wrong_state`, `overflow`.

use rkyv::{Archive, Deserialize, Serialize};

use crate::machine::{Canon, Changes, Context, Decided, Link, Machine, Place, Said, Shows, View};
use crate::words::{Code, Fact, Id, Kind, Refusal};

/// The most indexed fields of one collection.
pub const INDEXES_MAX: usize = 16;
/// The most bytes of all their names together, with a space between each two. The names are
/// part of the head, and a head is small.
pub const INDEXES_LEN_MAX: usize = 160;

/// The index by state: one byte, 1 where the collection is used, else 0.
pub const INDEX_STATE: u8 = 1;

/// The collection machine.
#[derive(Debug)]
pub struct Collection;

/// What can be asked of a collection.
#[derive(Clone, PartialEq, Debug)]
pub enum Command {
    /// Name the indexed fields, while it is empty.
    Define {
        /// Top-level fields of the values.
        indexes: Vec<Id>,
    },
    /// Take note of every use from here on.
    Reset,

    /// As a leg: a record is put whose fields were extracted under this era.
    Use {
        /// The era; 0 where the collection did not exist.
        era: u64,
    },
}

/// What a collection is.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Head {
    /// Grows with every definition; 0 where there was none.
    pub era: u64,
    /// Whether a record was put since it was defined or reset.
    pub used: bool,
    /// The indexed fields.
    pub indexes: Indexes,
}

crate::record!(Head = (1, 1));

/// The names of indexed fields, as one text with a space between each two: no id holds one.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Eq, Default, Debug)]
pub struct Indexes(Box<str>);

impl Indexes {
    /// These names, or `None` where they are too many or too long, or one comes twice.
    #[must_use]
    pub fn new(names: &[Id]) -> Option<Self> {
        let mut text = String::new();
        for (at, name) in names.iter().enumerate() {
            let is_repeated = names.iter().take(at).any(|other| other == name);
            if is_repeated || name.split().is_some() || at == INDEXES_MAX {
                return None;
            }
            if at > 0 {
                text.push(' ');
            }
            text.push_str(name.as_str());
        }
        (text.len() <= INDEXES_LEN_MAX).then(|| Self(text.into_boxed_str()))
    }

    /// The names, in the order in which they were given.
    pub fn names(&self) -> impl Iterator<Item = Id> {
        self.0.split(' ').filter_map(|name| Id::new(name).ok())
    }
}

/// No item belongs to a collection.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Nothing;

crate::record!(Nothing = (1, 1));

/// Its indexed fields were named.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Defined {
    /// The era that began.
    pub era: u64,
    /// The indexed fields.
    pub indexes: Indexes,
}

/// A record was put, for the first time since it was created, defined or reset.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Used;

/// Every use is noted from here on.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Reset;

crate::records! {
    /// What happens to a collection.
    pub enum Event {
        /// Its indexed fields were named.
        Defined = (1, 1),
        /// A record was put.
        Used = (2, 1),
        /// Every use is noted from here on.
        Reset = (3, 1),
    }
}

impl Said for Command {
    fn operation(&self) -> u8 {
        match self {
            Self::Define { .. } => 1,
            Self::Reset => 2,
            Self::Use { .. } => 3,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Define { .. } => "define",
            Self::Reset => "reset",
            Self::Use { .. } => "use",
        }
    }

    fn is_leg(&self) -> bool {
        matches!(self, Self::Use { .. })
    }

    fn canon(&self, canon: &mut Canon) {
        match self {
            Self::Define { indexes } if indexes.is_empty() => {}
            Self::Define { indexes } => {
                canon.list(1, indexes, |name, canon| canon.field(1, name));
            }
            Self::Reset => {}
            Self::Use { era } => canon.field(1, era),
        }
    }

    fn heap_bytes(&self) -> usize {
        let Self::Define { indexes } = self else { return 0 };
        indexes.iter().map(|name| size_of::<Id>() + name.heap_bytes()).sum()
    }
}

impl Machine for Collection {
    const KIND: Kind = Kind::new(8);
    const NAME: &'static str = "collection";
    type Head = Head;
    type Item = Nothing;
    type Event = Event;
    type Command = Command;

    /// The names change only with the era, and a put under another era is refused.
    fn link(head: &Head) -> Option<Link> {
        Some(Link { era: head.era, names: head.indexes.names().collect() })
    }

    fn decide(
        view: &View<'_, Self>,
        command: &Command,
        _cx: &mut Context<'_>,
    ) -> Result<Decided<Event>, Refusal> {
        match command {
            Command::Define { indexes } => define(view, indexes),
            Command::Reset => reset(view),
            Command::Use { era } => use_under(view, *era),
        }
    }

    fn apply(state: &mut Changes<'_, Self>, event: &Event, _at: &Place) {
        match event {
            Event::Defined(Defined { era, indexes }) => {
                state.set(Head { era: *era, used: false, indexes: indexes.clone() });
            }
            Event::Used(_) => match state.head() {
                Some(head) => head.used = true,
                None => state.set(Head { era: 0, used: true, indexes: Indexes::default() }),
            },
            Event::Reset(_) => {
                let Some(head) = state.head() else { return };
                head.used = false;
            }
        }
    }

    /// A use is the smaller half of a put, whose answer is the record's.
    fn shows(event: &Event, _at: &Place) -> Shows {
        match event {
            Event::Defined(_) | Event::Reset(_) => Shows::head(),
            Event::Used(_) => Shows::default(),
        }
    }

    fn indexes(head: &Head, index: &mut dyn FnMut(u8, &[u8])) {
        index(INDEX_STATE, &[u8::from(head.used)]);
    }
}

fn define(view: &View<'_, Collection>, names: &[Id]) -> Result<Decided<Event>, Refusal> {
    let indexes = Indexes::new(names).ok_or(Code::Malformed)?;
    let before = view.head.map_or(0, |head| head.era);
    if view.head.is_some_and(|head| head.era > 0 && head.indexes == indexes) {
        return Ok(Decided::Already(Shows::head()));
    }
    if view.head.is_some_and(|head| head.used) {
        return Err(Code::WrongState.into());
    }
    let era = before.checked_add(1).ok_or(Code::Overflow)?;
    // Nothing below can fail.
    Ok(Decided::Event(Defined { era, indexes }.into()))
}

fn reset(view: &View<'_, Collection>) -> Result<Decided<Event>, Refusal> {
    let head = view.head.ok_or(Code::NotFound)?;
    // Nothing below can fail.
    if head.used { Ok(Decided::Event(Reset.into())) } else { Ok(Decided::Already(Shows::head())) }
}

fn use_under(view: &View<'_, Collection>, era: u64) -> Result<Decided<Event>, Refusal> {
    let expected = view.head.map_or(0, |head| head.era);
    if era != expected {
        return Err(Refusal::with(Code::Malformed, Fact::Remaining(expected)));
    }
    // Nothing below can fail.
    if view.head.is_some_and(|head| head.used) {
        Ok(Decided::Already(Shows::default()))
    } else {
        Ok(Decided::Event(Used.into()))
    }
}
