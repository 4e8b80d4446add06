//! Records: JSON values under the keys of a collection.

use core::future::IntoFuture;
use core::ops::Deref;

use quipu_core::machine::{Command as AnyCommand, ItemKey, Machine};
use quipu_core::machines::collection;
use quipu_core::machines::record as machine;
use quipu_core::machines::record::{Command, Item, VALUE_LEN_MAX};
use quipu_core::records::Corrupt;
use quipu_core::shard::{Ask, Reading};
use quipu_core::words::{Code, Fact, Id, Name, Position, Timestamp, Version};

use crate::blocking;
use crate::book::Book;
use crate::call::{Asked, Call, Order, Read, Seen, Soon};
use crate::error::Error;
use crate::history::History;
use crate::json;
use crate::list::List;
use crate::outcome::{Done, Outcome, Refused, Told};
use crate::shown::{Kind, Parts, Shown};
use crate::words::Given;

/// A record: a JSON value under a key of a collection, for ever or for a while.
///
/// It is a handle, cheap to make and to clone; see [`Collection::record`]. A put replaces all of
/// it: value, indexed fields and life.
///
/// ```
/// # async fn example(ledger: quipu::Ledger) -> Result<(), quipu::Error> {
/// let nodes = ledger.book("default").collection("nodes");
/// nodes.define(["zone"]).await?.done()?;
/// let node = nodes.record("n1");
/// let first = node.put(r#"{"zone":"eu","load":3}"#).await?.done()?;
/// assert!(first.created);
/// // Only while nobody else has changed it.
/// let put = node.put(r#"{"zone":"eu","load":4}"#).if_version(first.version);
/// put.await?.done()?;
/// let stale = node.put(r#"{"zone":"us"}"#).if_version(first.version).await?;
/// assert_eq!(stale.code(), Some(quipu::Code::VersionMismatch));
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
pub struct Record {
    book: Book,
    id: Result<Id, Error>,
}

/// A record as it stood.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct View {
    /// Its key within the collection.
    pub key: Id,
    /// The JSON text, as it was put.
    pub value: String,
    /// The instant from which it is absent; none where it lives for ever.
    pub expires_at: Option<Timestamp>,
    /// When it was put where there was none.
    pub created_at: Timestamp,
    /// When it was put last.
    pub updated_at: Timestamp,
}

/// What a put has made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stored {
    /// Whether there was no such record before.
    pub created: bool,
    /// The instant from which it is absent; none where it lives for ever.
    pub expires_at: Option<Timestamp>,
}

impl Kind for machine::Record {
    type View = View;

    fn items() -> Vec<ItemKey> {
        vec![ItemKey::only(machine::VALUE)]
    }

    fn view(parts: Parts<Self>) -> View {
        let Parts { name, stamp, head, items, .. } = parts;
        let value = items.into_iter().find_map(|(_, item)| match item {
            Item::Value(value) => Some(value.text),
            Item::Fields(_) => None,
        });
        View {
            key: name.id.split().map_or(name.id, |(_, key)| key),
            value: value.unwrap_or_default(),
            expires_at: head.expires_at,
            created_at: stamp.created,
            updated_at: stamp.updated,
        }
    }
}

impl Record {
    /// Puts a value: any JSON, up to 64 KiB of text. The text is kept as it is spelled, and a
    /// retry under a key has to spell it the same.
    pub fn put(&self, value: impl Into<String>) -> Call<Stored, Putting> {
        let value = value.into();
        let fields = match value.len() {
            0..=VALUE_LEN_MAX => json::fields(&value),
            _ => Err("the text of a record is at most 64 KiB long"),
        };
        let asked = self.id.clone().and_then(|id| {
            let fields = fields.map_err(Error::form)?;
            let put = Put { value, fields, ttl_ms: None, must_be_absent: false };
            let kind = machine::Record::KIND;
            Ok(Asked {
                kind,
                id,
                order: Order::Put(put),
                if_version: None,
                made: false,
                trace: None,
            })
        });
        Call::of(&self.book, asked, stored)
    }

    /// Deletes it. One that is not there: `not_found`.
    pub fn delete(&self) -> Call<()> {
        let command = Ok(Command::Delete);
        Call::new::<machine::Record>(&self.book, self.id.clone(), command, |_| Ok(()))
    }

    /// Reads it.
    pub fn get(&self) -> Read<View> {
        let items = machine::Record::items();
        Read::new::<machine::Record>(&self.book, self.id.clone(), items, |shown| {
            shown.view::<machine::Record>().map(Some)
        })
    }

    /// What happened to it since it was put where there was none, newest first.
    pub fn history(&self) -> History<machine::Event> {
        History::new::<machine::Record>(&self.book, self.id.clone())
    }
}

fn stored(shown: &Shown<'_>) -> Result<Stored, Corrupt> {
    let (number, stamp, head) = shown.head::<machine::Record>()?;
    let created = stamp.version.get() == number.get();
    Ok(Stored { created, expires_at: head.expires_at })
}

/// A put whose command is still to be made: which fields are indexed, its collection says.
pub(crate) struct Put {
    value: String,
    fields: Vec<(String, String)>,
    ttl_ms: Option<u64>,
    must_be_absent: bool,
}

impl Put {
    /// The command, under the definition that the collection has now.
    pub(crate) async fn command(&self, book: &Book, stream: &Name) -> Result<AnyCommand, Error> {
        let (collection, _) = stream.id.split().ok_or(Corrupt::Range)?;
        let stream = stream.beside(collection::Collection::KIND, collection);
        let reading = Reading { stream, items: Vec::new() };
        let (mut era, mut fields) = (0, Vec::new());
        match Told::of(book.ledger().ask(Ask::Read(reading)).await)? {
            Told::Refused(refused) if refused.code == Code::NotFound => {}
            Told::Refused(refused) => return Err(refused.into()),
            Told::Done(outcome) => {
                let head = outcome.answer.head::<collection::Collection>()?;
                era = head.era;
                fields.extend(head.indexes.names().filter_map(|name| {
                    let field = self.fields.iter().find(|(own, _)| own == name.as_str());
                    field.map(|(_, value)| (name, value.clone()))
                }));
            }
        }
        let Self { ref value, ttl_ms, must_be_absent, .. } = *self;
        let value = value.clone();
        let put = Command::Put { value, ttl_ms, must_be_absent, fields, era };
        Ok(AnyCommand::of::<machine::Record>(put))
    }
}

/// What may be said when a record is put.
pub enum Putting {}

impl Call<Stored, Putting> {
    /// How long it lives: from that instant on it is absent.
    pub fn ttl_seconds(self, seconds: u64) -> Self {
        self.alter_put(|put| {
            let ttl_ms = seconds.checked_mul(1_000).filter(|ms| *ms > 0);
            put.ttl_ms = Some(ttl_ms.ok_or_else(|| Error::form("a life is a second or longer"))?);
            Ok(())
        })
    }

    /// Only where there is none; else `version_mismatch`.
    pub fn if_absent(self) -> Self {
        self.alter_put(|put| {
            put.must_be_absent = true;
            Ok(())
        })
    }

    fn alter_put(mut self, alter: impl FnOnce(&mut Put) -> Result<(), Error>) -> Self {
        self.asked = self.asked.and_then(|mut asked| {
            if let Order::Put(put) = &mut asked.order {
                alter(put)?;
            }
            Ok(asked)
        });
        self
    }
}

/// A collection of records, and which of their top-level fields are indexed. It comes into being
/// with its definition, or with the first record that is put into it.
#[derive(Clone)]
pub struct Collection {
    book: Book,
    id: Result<Id, Error>,
}

/// A collection as it stood.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CollectionView {
    /// Which one.
    pub id: Id,
    /// The indexed fields.
    pub indexes: Vec<Id>,
    /// Whether it was defined, as against made by the first put.
    pub is_defined: bool,
}

impl Kind for collection::Collection {
    type View = CollectionView;

    fn view(parts: Parts<Self>) -> CollectionView {
        let Parts { name, head, .. } = parts;
        let indexes = head.indexes.names().collect();
        CollectionView { id: name.id, indexes, is_defined: head.era > 0 }
    }
}

impl Collection {
    pub(crate) fn new(book: &Book, id: impl Given<Id>) -> Self {
        Self { book: book.clone(), id: id.word() }
    }

    /// A record of this collection, by its key.
    #[must_use]
    pub fn record(&self, key: impl Given<Id>) -> Record {
        let id = self.id.clone().and_then(|id| Ok(Id::pair(&id, &key.word()?)));
        Record { book: self.book.clone(), id }
    }

    /// The records of this collection in the order of their keys.
    pub fn records(&self) -> List<Record> {
        List::of_collection(&self.book, self.id.clone())
    }

    /// Says which top-level fields are indexed, while no record is in it: `wrong_state` where one
    /// is, or is put meanwhile. The same definition again changes nothing.
    pub fn define<F: Given<Id>>(&self, fields: impl IntoIterator<Item = F>) -> Define {
        let fields = fields.into_iter().map(Given::word).collect();
        let (collection, key) = (self.clone(), None);
        Define { collection, fields, key, if_version: None, must_be_absent: false }
    }

    /// Reads it.
    pub fn get(&self) -> Read<CollectionView> {
        Read::new::<collection::Collection>(&self.book, self.id.clone(), Vec::new(), |shown| {
            shown.view::<collection::Collection>().map(Some)
        })
    }

    fn call(&self, command: collection::Command) -> Call<Defined> {
        Call::new::<collection::Collection>(&self.book, self.id.clone(), Ok(command), |shown| {
            let (number, stamp, _) = shown.head::<collection::Collection>()?;
            let created = stamp.version.get() == number.get();
            Ok(Defined { collection: shown.view::<collection::Collection>()?, created })
        })
    }
}

/// A collection that was just defined. It reads like the collection itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Defined {
    /// The collection since then.
    pub collection: CollectionView,
    /// Whether there was none before, so that its definition has made it.
    pub created: bool,
}

impl Deref for Defined {
    type Target = CollectionView;

    fn deref(&self) -> &CollectionView {
        &self.collection
    }
}

/// A definition that is ready to be made: see [`Collection::define`].
#[must_use = "nothing is defined before it is awaited, or waited for"]
pub struct Define {
    collection: Collection,
    fields: Result<Vec<Id>, Error>,
    key: Option<String>,
    if_version: Option<Version>,
    must_be_absent: bool,
}

impl Define {
    /// Makes it safe to repeat; see [`Call::key`]. That records are in the collection is not kept
    /// with the key, so that the same definition can be asked for again once they are gone.
    pub fn key(mut self, key: impl AsRef<str>) -> Self {
        self.key = Some(key.as_ref().to_owned());
        self
    }

    /// Only while the collection is at this version; else it is refused with `version_mismatch`.
    pub fn if_version(mut self, version: impl Given<Position>) -> Self {
        match version.word() {
            Ok(version) => self.if_version = Some(version),
            Err(error) => self.fields = self.fields.and(Err(error)),
        }
        self
    }

    /// Only where there is none when it is looked for; else `version_mismatch`.
    pub fn if_absent(mut self) -> Self {
        self.must_be_absent = true;
        self
    }

    /// Makes it, and waits for its answer on this thread, which must not be one that a runtime
    /// runs its tasks on.
    pub fn wait(self) -> Result<Outcome<Defined>, Error> {
        blocking::wait(self.make())
    }

    async fn make(self) -> Result<Outcome<Defined>, Error> {
        let Self { collection, fields, key, if_version, must_be_absent } = self;
        let fields = fields?;
        let seen = collection.get().await?;
        let is_same = seen.as_ref().is_some_and(|seen| seen.is_defined && seen.indexes == fields);
        let under_version = |call: Call<Defined>| match if_version {
            Some(version) => call.if_version(version),
            None => call,
        };
        let mut define = collection.call(collection::Command::Define { indexes: fields });
        if let Some(key) = key {
            define = define.key(key);
        }
        if let Some(seen) = seen.as_ref().filter(|_| must_be_absent) {
            return Ok(refused(Code::VersionMismatch, Fact::Version(seen.version), seen));
        }
        // Where there is none, no record was ever put.
        if seen.is_none() || is_same {
            return under_version(define).await;
        }
        // It does not know its records. So uses are noted from here on, and refuse the definition;
        // and what was put before is looked for.
        let reset = match under_version(collection.call(collection::Command::Reset)).await? {
            Outcome::Refused(refused) => return Ok(Outcome::Refused(refused)),
            Outcome::Done(reset) => reset,
        };
        if collection.records().next().await?.is_none() {
            return define.await;
        }
        let Done { value, position, at, version, .. } = reset;
        let reset = Seen { value: value.collection, version, at, position };
        Ok(refused(Code::WrongState, Fact::None, &reset))
    }
}

impl IntoFuture for Define {
    type Output = Result<Outcome<Defined>, Error>;
    type IntoFuture = Soon<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.make())
    }
}

/// A refusal for what was seen.
fn refused(code: Code, fact: Fact, seen: &Seen<CollectionView>) -> Outcome<Defined> {
    let (leg, replayed) = (None, false);
    let Seen { position, at, version, .. } = *seen;
    Outcome::Refused(Refused { code, fact, leg, position, at, version, replayed })
}
