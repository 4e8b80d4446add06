//! The book machine: a tenant, and the access keys that open it.
//!
//! The streams of books live in the book of books; a book's id is its name. Of an access key
//! only a hash is kept, twice: under the hash lies what a request needs to pass, and under the
//! position that issued it what a list shows. Revoked keys stay, so no hash comes back to life.
//!
//! What is refused, in the order in which it is checked:
//!
//! | | |
//! |---|---|
//! | create | the name is taken: `already_exists` |
//! | issue key | scopes of none or unknown ones: `malformed`; no such book: `not_found`; the hash was issued before: `already_exists` |
//! | revoke key | no such book or key: `not_found`; revoked before: so already |

use rkyv::{Archive, Deserialize, Serialize};

use crate::machine::{
    Canon, Changes, Context, Decided, ItemKey, Machine, Needs, Place, Said, Shows, View,
};
use crate::words::{Code, Fact, Id, Kind, Position, Refusal, Timestamp};
use crate::{record, records};

/// The book machine. The number of one of its streams is a [`words::Book`](crate::words::Book).
#[derive(Clone, Copy, Debug)]
pub struct Book;

/// What an access key allows, as bits.
pub mod scope {
    /// Reads.
    pub const READ: u8 = 1;
    /// Changes.
    pub const WRITE: u8 = 2;
    /// The book's keys, revocations, reconciliations and balance.
    pub const ADMIN: u8 = 4;
    /// Books, any book's keys, backups and checkpoints.
    pub const OPERATOR: u8 = 8;
    /// Every bit that means something.
    pub const ALL: u8 = READ | WRITE | ADMIN | OPERATOR;
}

/// The letter of the ids of access keys, before the position that issued them.
pub const KEY_LETTER: char = 'k';

/// The item under which a request finds its access key.
#[must_use]
pub fn hash_key(hash: &[u8; 32]) -> ItemKey {
    ItemKey::only(b'K').then(hash)
}

/// The item under which a list finds an access key.
#[must_use]
pub fn issued_key(position: Position) -> ItemKey {
    ItemKey::at(b'I', position)
}

/// What can be asked of a book.
#[derive(Clone, PartialEq, Debug)]
pub enum Command {
    /// Create it.
    Create,
    /// An access key more opens it.
    IssueKey {
        /// The hash of the key.
        hash: [u8; 32],
        /// What it allows: the bits of [`scope`].
        scopes: u8,
        /// What the caller calls it.
        label: Option<Id>,
    },
    /// An access key opens it no longer.
    RevokeKey {
        /// Which one.
        key: Id,
    },
}

impl Said for Command {
    fn operation(&self) -> u8 {
        match self {
            Self::Create => 1,
            Self::IssueKey { .. } => 2,
            Self::RevokeKey { .. } => 3,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::IssueKey { .. } => "issue_key",
            Self::RevokeKey { .. } => "revoke_key",
        }
    }

    fn sub(&self) -> Option<&Id> {
        match self {
            Self::RevokeKey { key } => Some(key),
            Self::Create | Self::IssueKey { .. } => None,
        }
    }

    fn canon(&self, canon: &mut Canon) {
        match self {
            Self::Create => {}
            Self::IssueKey { hash, scopes, label } => {
                canon.field(1, &hash[..]);
                canon.field(2, scopes);
                canon.maybe(3, label.as_ref());
            }
            Self::RevokeKey { key } => canon.field(1, key),
        }
    }

    fn heap_bytes(&self) -> usize {
        match self {
            Self::Create => 0,
            Self::IssueKey { label, .. } => label.as_ref().map_or(0, Id::heap_bytes),
            Self::RevokeKey { key } => key.heap_bytes(),
        }
    }
}

/// A book's head.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Head {
    /// How many access keys were issued.
    pub keys: u64,
    /// How many of them still open it.
    pub open: u64,
}

record!(Head = (1, 1));

records! {
    /// What belongs to a book.
    pub enum Item {
        /// An access key, for requests.
        Access = (1, 1),
        /// An access key, for lists.
        Issued = (2, 1),
    }
}

/// An access key, for requests: lies under its hash.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Access {
    /// The position that issued it.
    pub key: Position,
    /// What it allows.
    pub scopes: u8,
    /// Whether it opens the book no longer.
    pub revoked: bool,
}

/// An access key, for lists: lies under the position that issued it.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Issued {
    /// The hash of the key.
    pub hash: [u8; 32],
    /// What it allows.
    pub scopes: u8,
    /// What its maker calls it.
    pub label: Option<Id>,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// Since when it opens the book no longer.
    pub revoked_at: Option<Timestamp>,
}

records! {
    /// What can happen to a book.
    pub enum Event {
        /// It was created.
        Created = (1, 1),
        /// An access key more opens it.
        KeyIssued = (2, 1),
        /// An access key opens it no longer.
        KeyRevoked = (3, 1),
    }
}

/// It was created.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Created {
    /// When.
    pub at: Timestamp,
}

/// An access key more opens it.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct KeyIssued {
    /// The hash of the key.
    pub hash: [u8; 32],
    /// What it allows.
    pub scopes: u8,
    /// What its maker calls it.
    pub label: Option<Id>,
}

/// An access key opens it no longer.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct KeyRevoked {
    /// The position that issued it.
    pub key: Position,
}

impl Machine for Book {
    const KIND: Kind = Kind::new(1);
    const NAME: &'static str = "book";
    type Head = Head;
    type Item = Item;
    type Event = Event;
    type Command = Command;

    fn needs(command: &Command, needs: &mut Needs) {
        match command {
            Command::Create => {}
            Command::IssueKey { hash, .. } => needs.item(hash_key(hash)),
            Command::RevokeKey { key } => {
                if let Some(position) = key.position(KEY_LETTER) {
                    needs.item(issued_key(position));
                }
            }
        }
    }

    fn decide(
        view: &View<'_, Self>,
        command: &Command,
        cx: &mut Context<'_>,
    ) -> Result<Decided<Event>, Refusal> {
        match command {
            Command::Create => create(view, cx.now),
            Command::IssueKey { hash, scopes, label } => issue(view, hash, *scopes, label.as_ref()),
            Command::RevokeKey { key } => revoke(view, key),
        }
    }

    fn reads(event: &Event, needs: &mut Needs) {
        if let Event::KeyRevoked(event) = event {
            needs.item(issued_key(event.key));
        }
    }

    fn apply(state: &mut Changes<'_, Self>, event: &Event, at: &Place) {
        match event {
            Event::Created(_) => state.set(Head { keys: 0, open: 0 }),
            Event::KeyIssued(event) => apply_issued(state, event, at),
            Event::KeyRevoked(event) => apply_revoked(state, event, at),
        }
    }

    fn shows(event: &Event, at: &Place) -> Shows {
        match event {
            Event::Created(_) => Shows::head(),
            Event::KeyIssued(_) => Shows::item(issued_key(at.position)),
            Event::KeyRevoked(event) => Shows::item(issued_key(event.key)),
        }
    }
}

fn create(view: &View<'_, Book>, now: Timestamp) -> Result<Decided<Event>, Refusal> {
    if view.head.is_some() {
        let first = Position::new(view.number.get());
        return Err(Refusal::with(Code::AlreadyExists, Fact::First(first)));
    }

    // Nothing below can fail.
    Ok(Decided::Event(Created { at: now }.into()))
}

fn issue(
    view: &View<'_, Book>,
    hash: &[u8; 32],
    scopes: u8,
    label: Option<&Id>,
) -> Result<Decided<Event>, Refusal> {
    if scopes == 0 || scopes & !scope::ALL != 0 {
        return Err(Code::Malformed.into());
    }
    if view.head.is_none() {
        return Err(Code::NotFound.into());
    }
    if let Some(Item::Access(first)) = view.item(&hash_key(hash)) {
        return Err(Refusal::with(Code::AlreadyExists, Fact::First(first.key)));
    }

    // Nothing below can fail.
    Ok(Decided::Event(KeyIssued { hash: *hash, scopes, label: label.cloned() }.into()))
}

fn revoke(view: &View<'_, Book>, key: &Id) -> Result<Decided<Event>, Refusal> {
    let position = key.position(KEY_LETTER).ok_or(Code::NotFound)?;
    let Some(Item::Issued(issued)) = view.item(&issued_key(position)) else {
        return Err(Code::NotFound.into());
    };

    // Nothing below can fail.
    if issued.revoked_at.is_some() {
        return Ok(Decided::Already(Shows::item(issued_key(position))));
    }
    Ok(Decided::Event(KeyRevoked { key: position }.into()))
}

fn apply_issued(state: &mut Changes<'_, Book>, event: &KeyIssued, at: &Place) {
    let Some(head) = state.head() else { return };
    // Positions have 64 bits, so counts of events do too.
    head.keys = head.keys.saturating_add(1);
    head.open = head.open.saturating_add(1);
    let KeyIssued { hash, scopes, ref label } = *event;
    let access = Access { key: at.position, scopes, revoked: false };
    state.put(hash_key(&hash), access.into());
    let label = label.clone();
    let issued = Issued { hash, scopes, label, issued_at: at.now, revoked_at: None };
    state.put(issued_key(at.position), issued.into());
}

fn apply_revoked(state: &mut Changes<'_, Book>, event: &KeyRevoked, at: &Place) {
    let key = issued_key(event.key);
    let Some(Item::Issued(issued)) = state.item(&key) else { return };
    let revoked = Issued { revoked_at: Some(at.now), ..issued.clone() };
    let Some(head) = state.head() else { return };
    head.open = head.open.saturating_sub(1);
    let access = Access { key: event.key, scopes: revoked.scopes, revoked: true };
    state.put(hash_key(&revoked.hash), access.into());
    state.put(key, revoked.into());
}
