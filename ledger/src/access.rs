//! Access keys: what a server lets its callers in by, kept in the ledger as hashes.

use core::fmt;
use core::ops::BitOr;
use core::str::FromStr;

use quipu_core::machine::{ItemKey, Machine};
use quipu_core::machines::book::{self as machine, Command, Issued, Item, KEY_LETTER, issued_key};
use quipu_core::records::{Corrupt, HeadRow, ItemRow, Record as _, Table, key_of_head};
use quipu_core::words::{self, Code, Fact, Hex, Id, Number, Position, Timestamp, Version};

use crate::blocking::{self, beside};
use crate::book::Book;
use crate::call::{Call, Read, Seen};
use crate::error::{Error, OpenError};
use crate::ledger::Ledger;
use crate::outcome::{Outcome, Refused};
use crate::shown::Shown;
use crate::snapshot::Snapshot;
use crate::words::Given;

/// How many access keys one ledger has at most, those that were revoked included: whoever checks
/// keys has all of them in memory.
pub const KEYS_MAX: u64 = 10_000;

/// How many books are read at a time.
const PAGE: usize = 256;

/// What an access key's text begins with.
const FRONT: &str = "qk_";

/// The access keys of a ledger: see [`Ledger::access`].
///
/// A key belongs to one book, with scopes, or to none, as an operator's. Its text is shown once,
/// when it is made; the ledger keeps a hash, in the book of books, so no book's lists or events
/// show it, and neither a backup nor the folder holds what opens anything. A key that was revoked
/// stays, so that nobody has to wonder what it was.
///
/// Nothing here lets anybody in or keeps anybody out. Whoever does [loads](Self::load) the keys
/// once, and finds the hash of what a caller shows among them.
///
/// ```
/// # async fn example(ledger: quipu::Ledger) -> Result<(), quipu::Error> {
/// use quipu::access::{AccessKey, Scopes};
///
/// let access = ledger.access();
/// let made = access.create("default", Scopes::READ | Scopes::WRITE, None).await?.done()?.value;
/// // To be given to whoever needs it, now or never.
/// let text = made.key.reveal();
///
/// let live = access.load().await?.live;
/// let shown: AccessKey = text.parse()?;
/// let found = live.iter().find(|key| key.hash == shown.hash()).expect("it was made");
/// assert!(found.scopes.has(Scopes::WRITE) && !found.scopes.has(Scopes::ADMIN));
///
/// access.revoke(&made.view.id).await?.done()?;
/// assert!(access.load().await?.live.is_empty());
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
#[derive(Clone)]
pub struct Access {
    ledger: Ledger,
}

/// What an access key allows, as it was said when it was made. Whether one brings another along is
/// for whoever checks keys: the server lets who may administer write, and who may write read.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Scopes(u8);

impl Scopes {
    /// Reads.
    pub const READ: Self = Self(machine::scope::READ);
    /// Changes.
    pub const WRITE: Self = Self(machine::scope::WRITE);
    /// The book's keys, revocations, reconciliations and balance.
    pub const ADMIN: Self = Self(machine::scope::ADMIN);
    /// Books, any book's keys, backups and checkpoints; of no book.
    pub const OPERATOR: Self = Self(machine::scope::OPERATOR);

    /// Each with its name.
    const NAMED: [(Self, &'static str); 4] = [
        (Self::READ, "read"),
        (Self::WRITE, "write"),
        (Self::ADMIN, "admin"),
        (Self::OPERATOR, "operator"),
    ];

    /// These and those: what `|` gives, for constants.
    #[must_use]
    pub const fn with(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// Whether all of these are among them.
    #[must_use]
    pub const fn has(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }

    /// The scope of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMED.iter().find(|(_, own)| *own == name).map(|(scope, _)| *scope)
    }

    /// Their names.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMED.into_iter().filter(move |(scope, _)| self.has(*scope)).map(|(_, name)| name)
    }
}

impl BitOr for Scopes {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_set().entries(self.names()).finish()
    }
}

/// The key itself: `qk_` and the 64 hex digits of 256 bits that nobody can guess.
///
/// [`Debug`](fmt::Debug) does not show it, so that it does not end up in a log.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessKey(String);

/// The hash of a key's text: all that is kept of it.
pub type KeyHash = [u8; 32];

impl AccessKey {
    fn new() -> Result<Self, Error> {
        let mut bits = [0; 32];
        getrandom::fill(&mut bits).map_err(|error| OpenError::NoRandom(error.to_string()))?;
        Ok(Self(format!("{FRONT}{}", Hex(&bits))))
    }

    /// The text, for whoever it is made for.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What it is found by. A hash without salt or toil does: what has 256 bits of chance is in
    /// no dictionary.
    #[must_use]
    pub fn hash(&self) -> KeyHash {
        *blake3::hash(self.0.as_bytes()).as_bytes()
    }
}

impl FromStr for AccessKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let is_hex =
            |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        match text.strip_prefix(FRONT) {
            Some(digits) if digits.len() == 64 && is_hex(digits) => Ok(Self(text.to_owned())),
            _ => Err(Error::form("an access key is qk_ and 64 hex digits")),
        }
    }
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("AccessKey(…)")
    }
}

/// A key that was made just now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Made {
    /// The key, which nobody can show again.
    pub key: AccessKey,
    /// What is known of it from now on.
    pub view: View,
}

/// What is known of an access key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct View {
    /// Its public name, out of where it was made: it says nothing of the key.
    pub id: Id,
    /// The book that it opens; none where it is an operator's.
    pub book: Option<Id>,
    /// What it allows.
    pub scopes: Scopes,
    /// What its maker calls it.
    pub label: Option<Id>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Since when it opens nothing any more.
    pub revoked_at: Option<Timestamp>,
}

/// All that whoever checks keys has to know.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Loaded {
    /// How many were ever made.
    pub made: u64,
    /// Those that were not revoked, in no order.
    pub live: Vec<Live>,
}

/// A key that opens something.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Live {
    /// What it is found by.
    pub hash: KeyHash,
    /// Its public name.
    pub id: Id,
    /// The book that it opens; none where it is an operator's.
    pub book: Option<Id>,
    /// What it allows.
    pub scopes: Scopes,
}

impl Access {
    pub(crate) fn new(ledger: &Ledger) -> Self {
        Self { ledger: ledger.clone() }
    }

    /// Makes a key of a book. A book that does not exist: `not_found`. Where there are
    /// [`KEYS_MAX`] keys: `wrong_state`.
    pub async fn create(
        &self,
        book: impl Given<Id>,
        scopes: Scopes,
        label: Option<Id>,
    ) -> Result<Outcome<Made>, Error> {
        if scopes == Scopes(0) || scopes.has(Scopes::OPERATOR) {
            return Err(Error::form("a key of a book has scopes of read, write and admin"));
        }
        self.issue(book.word()?, scopes, label).await
    }

    /// Makes a key of the operator, which belongs to no book.
    pub async fn create_operator(&self, label: Option<Id>) -> Result<Outcome<Made>, Error> {
        self.issue(operators()?, Scopes::OPERATOR, label).await
    }

    /// Opens nothing with it any more. A key that there is not: `not_found`. One that was revoked
    /// before stays as it was.
    pub async fn revoke(&self, id: impl Given<Id>) -> Result<Outcome<View>, Error> {
        let id = id.word()?;
        // A name that no key can have is asked for all the same, so that the answer has a position.
        let (book, key) = match self.place_of(&id).await? {
            Some((book, position)) => (book, Id::made(KEY_LETTER, position)),
            None => (operators()?, Id::new("none")?),
        };
        let books = Book::of_books(&self.ledger);
        let command = Ok(Command::RevokeKey { key });
        Call::<View>::new::<machine::Book>(&books, Ok(book), command, shown_key).await
    }

    /// What is known of a key.
    pub async fn get(&self, id: impl Given<Id>) -> Result<Option<Seen<View>>, Error> {
        let Some((book, position)) = self.place_of(&id.word()?).await? else { return Ok(None) };
        let (books, items) = (Book::of_books(&self.ledger), vec![issued_key(position)]);
        let read =
            Read::new::<machine::Book>(&books, Ok(book), items, |shown| match shown_key(shown) {
                Err(Corrupt::Missing) => Ok(None),
                view => view.map(Some),
            });
        read.await
    }

    /// All keys of all books, revoked ones included: book by book, and in each as they were made.
    pub async fn list(&self) -> Result<Vec<View>, Error> {
        let snapshot = self.ledger.snapshot().await?;
        beside(move || {
            let mut views = Vec::new();
            each_book(&snapshot, &mut |book| {
                if book.head.keys > 0 {
                    views.extend(keys_of(&snapshot, &book)?.iter().map(|(view, _)| view.clone()));
                }
                Ok(())
            })?;
            Ok(views)
        })
        .await?
    }

    /// All keys of one book, revoked ones included, as they were made. A book that does not exist
    /// has none.
    pub async fn list_of(&self, book: impl Given<Id>) -> Result<Vec<View>, Error> {
        let (book, snapshot) = (book.word()?, self.ledger.snapshot().await?);
        beside(move || {
            let name = words::Name::new(words::Book::SYSTEM, machine::Book::KIND, book);
            let Some(number) = snapshot.number(&name)? else { return Ok(Vec::new()) };
            let Some(book) = book_of(&snapshot, number)? else { return Ok(Vec::new()) };
            let keys = keys_of(&snapshot, &book)?.into_iter().map(|(view, _)| view);
            Ok(keys.filter(|view| view.book.is_some()).collect())
        })
        .await?
    }

    /// All that whoever checks keys has to know, as of now. It goes through all books once.
    pub async fn load(&self) -> Result<Loaded, Error> {
        let snapshot = self.ledger.snapshot().await?;
        beside(move || {
            let mut loaded = Loaded { made: 0, live: Vec::new() };
            each_book(&snapshot, &mut |book| {
                loaded.made = loaded.made.saturating_add(book.head.keys);
                if book.head.open > 0 {
                    let keys = keys_of(&snapshot, &book)?.into_iter();
                    let live = keys.filter(|(view, _)| view.revoked_at.is_none());
                    loaded.live.extend(live.map(|(view, hash)| {
                        let View { id, book, scopes, .. } = view;
                        Live { hash, id, book, scopes }
                    }));
                }
                Ok(())
            })?;
            Ok(loaded)
        })
        .await?
    }

    /// [`create`](Self::create) on a thread that no runtime runs its tasks on.
    pub fn create_blocking(
        &self,
        book: impl Given<Id>,
        scopes: Scopes,
        label: Option<Id>,
    ) -> Result<Outcome<Made>, Error> {
        blocking::wait(self.create(book, scopes, label))
    }

    /// [`create_operator`](Self::create_operator) on a thread that no runtime runs its tasks on.
    pub fn create_operator_blocking(&self, label: Option<Id>) -> Result<Outcome<Made>, Error> {
        blocking::wait(self.create_operator(label))
    }

    /// [`revoke`](Self::revoke) on a thread that no runtime runs its tasks on.
    pub fn revoke_blocking(&self, id: impl Given<Id>) -> Result<Outcome<View>, Error> {
        blocking::wait(self.revoke(id))
    }

    /// [`list`](Self::list) on a thread that no runtime runs its tasks on.
    pub fn list_blocking(&self) -> Result<Vec<View>, Error> {
        blocking::wait(self.list())
    }

    async fn issue(
        &self,
        book: Id,
        scopes: Scopes,
        label: Option<Id>,
    ) -> Result<Outcome<Made>, Error> {
        // One after another, so that no two of them are the last one. It is counted once, and not
        // known again where nobody can say whether a key was made.
        let mut count = self.ledger.keys_made().lock().await;
        let made = match count.take() {
            Some(made) => made,
            None => self.made().await?,
        };
        if made >= KEYS_MAX {
            *count = Some(made);
            let snapshot = self.ledger.snapshot().await?;
            return Ok(Outcome::Refused(too_many(&snapshot)));
        }
        let key = AccessKey::new()?;
        let command = Command::IssueKey { hash: key.hash(), scopes: scopes.0, label };
        let books = Book::of_books(&self.ledger);
        let call = Call::<View>::new::<machine::Book>(&books, Ok(book), Ok(command), shown_key);
        let issued = call.await?;
        *count = Some(made + u64::from(issued.is_done()));
        Ok(issued.map(|view| Made { key, view }))
    }

    /// How many keys were ever made.
    async fn made(&self) -> Result<u64, Error> {
        let snapshot = self.ledger.snapshot().await?;
        let count = beside(move || {
            let mut made = 0_u64;
            each_book(&snapshot, &mut |book| {
                made = made.saturating_add(book.head.keys);
                Ok(())
            })?;
            Ok(made)
        });
        count.await?
    }

    /// The book whose stream keeps a key, and the position that issued it.
    async fn place_of(&self, id: &Id) -> Result<Option<(Id, Position)>, Error> {
        let Some((number, position)) = parts_of(id) else { return Ok(None) };
        let store = self.ledger.handle().store().clone();
        beside(move || {
            let Some(row) = store.get(Table::Head, &key_of_head(number))? else { return Ok(None) };
            let name = HeadRow::read(&row)?.name;
            let is_book = name.book == words::Book::SYSTEM && name.kind == machine::Book::KIND;
            Ok(is_book.then_some((name.id, position)))
        })
        .await?
    }
}

/// The book that keeps the keys of operators, which belong to none. It is always there.
fn operators() -> Result<Id, Error> {
    Ok(Id::new("default")?)
}

/// The public name of a key: the position that issued it and the number of the book that keeps
/// it, so that it is found without an index.
fn id_of(number: Number, position: Position) -> Result<Id, Corrupt> {
    let text = format!("{}.{}", Id::made(KEY_LETTER, position), number.get());
    Id::new(&text).map_err(|_| Corrupt::Range)
}

fn parts_of(id: &Id) -> Option<(Number, Position)> {
    let (key, book) = id.as_str().split_once('.')?;
    let position = Id::new(key).ok()?.position(KEY_LETTER)?;
    let number = Number::new(book.parse().ok()?);
    // One key has one name.
    (id_of(number, position).as_ref() == Ok(id)).then_some((number, position))
}

/// A book as the keys that it keeps need it.
struct Keeper {
    number: Number,
    id: Id,
    head: machine::Head,
}

fn book_of(snapshot: &Snapshot, number: Number) -> Result<Option<Keeper>, Error> {
    let row = snapshot.store().get(Table::Head, &key_of_head(number))?;
    let Some(row) = row else { return Ok(None) };
    let row = HeadRow::read(&row)?;
    let head = machine::Head::unpack(row.tag, row.head)?;
    Ok(Some(Keeper { number, id: row.name.id, head }))
}

/// Goes through all books, a page at a time.
fn each_book(
    snapshot: &Snapshot,
    act: &mut dyn FnMut(Keeper) -> Result<(), Error>,
) -> Result<(), Error> {
    let (book, kind) = (words::Book::SYSTEM, machine::Book::KIND);
    let mut after = Vec::new();
    loop {
        let page = snapshot.store().list(book, kind, 0, &after, PAGE)?;
        let is_last = page.len() < PAGE;
        for (key, number) in page {
            after = key;
            act(book_of(snapshot, number)?.ok_or(Corrupt::Missing)?)?;
        }
        if is_last {
            return Ok(());
        }
    }
}

/// The keys that a book keeps, in the order in which they were made.
fn keys_of(snapshot: &Snapshot, book: &Keeper) -> Result<Vec<(View, KeyHash)>, Error> {
    let number = book.number;
    let front = {
        let mut front = key_of_head(number).to_vec();
        front.push(issued_key(Position::ZERO).letter());
        front
    };
    let (mut keys, mut damaged) = (Vec::new(), None);
    snapshot.store().scan(Table::Item, &front, &mut |key, row| {
        if !key.starts_with(&front) {
            return false;
        }
        match item_of(key, row).and_then(|(key, item)| view_of(number, &book.id, &key, item)) {
            Ok(found) => keys.push(found),
            Err(corrupt) => damaged = Some(corrupt),
        }
        damaged.is_none()
    })?;
    match damaged {
        None => Ok(keys),
        Some(corrupt) => Err(corrupt.into()),
    }
}

fn item_of(key: &[u8], row: &[u8]) -> Result<(ItemKey, Item), Corrupt> {
    let key = key.get(8..).and_then(ItemKey::from_bytes).ok_or(Corrupt::Range)?;
    let row = ItemRow::read(row)?;
    Ok((key, Item::unpack(row.tag, row.item)?))
}

/// The key that an answer shows.
fn shown_key(shown: &Shown<'_>) -> Result<View, Corrupt> {
    let (key, item) = shown.item::<machine::Book>()?;
    let number = shown.pieces.first().ok_or(Corrupt::Missing)?.number;
    Ok(view_of(number, &shown.name.id, &key, item)?.0)
}

fn view_of(
    number: Number,
    book: &Id,
    key: &ItemKey,
    item: Item,
) -> Result<(View, KeyHash), Corrupt> {
    let Item::Issued(Issued { hash, scopes, label, issued_at, revoked_at }) = item else {
        return Err(Corrupt::Range);
    };
    let id = id_of(number, key.position().ok_or(Corrupt::Range)?)?;
    let scopes = Scopes(scopes);
    let book = (!scopes.has(Scopes::OPERATOR)).then(|| book.clone());
    Ok((View { id, book, scopes, label, created_at: issued_at, revoked_at }, hash))
}

fn too_many(snapshot: &Snapshot) -> Refused {
    let (code, fact, leg, replayed) = (Code::WrongState, Fact::Remaining(0), None, false);
    let (position, at) = (snapshot.position(), snapshot.at());
    Refused { code, fact, leg, position, at, version: Version::ZERO, replayed }
}
