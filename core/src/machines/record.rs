//! The record machine: a JSON value under a key of a collection, for ever or for a while.
//!
//! The stream's id is the [pair](Id::pair) of collection and key. A put replaces the whole
//! record: value, indexed fields and life. A record ends when it is deleted or when its time
//! is over; its name is free again then, and the next put creates a new stream.
//!
//! | state | put | put, must be absent | delete | its time |
//! |---|---|---|---|---|
//! | absent | put | put | `not_found` | `not_found` |
//! | present | put | `version_mismatch` | deleted | expired; `wrong_state` before it |
//!
//! A record whose time is over is absent from that instant on, whether time has been told so
//! or not. Where two refusals apply, the first of these is given: `malformed`, `not_found`,
//! `wrong_state`, `version_mismatch`, `overflow`.

use rkyv::{Archive, Deserialize, Serialize};

use super::collection::{self, Collection};
use crate::machine::{
    Canon, Changes, Command as AnyCommand, Context, Decided, Expansion, ItemKey, Link, Machine,
    Needs, Place, Said, Shows, View,
};
use crate::records::escape;
use crate::words::{Code, Fact, Id, Kind, Name, Refusal, Timestamp};

/// The longest value, in bytes of JSON text.
pub const VALUE_LEN_MAX: usize = 65_536;
/// The most indexed fields of one record.
pub const FIELDS_MAX: usize = 16;
/// The longest value of an indexed field, in bytes.
pub const FIELD_LEN_MAX: usize = 256;

/// The key of the item that holds the value.
pub const VALUE: u8 = b'V';
/// The key of the item that holds the indexed fields, where there are any.
pub const FIELDS: u8 = b'F';
/// The index of fields by collection, field and value: [`by_field`], and then by the record's key.
pub const INDEX_FIELD: u8 = 1;
/// The index by the end of life: milliseconds, big-endian; only records that have one.
pub const INDEX_EXPIRES: u8 = 2;

/// The record machine.
#[derive(Debug)]
pub struct Record;

/// What can be asked of a record.
#[derive(Clone, PartialEq, Debug)]
pub enum Command {
    /// Create it, or replace all of it.
    Put {
        /// The JSON text, which the caller has checked. Two texts that mean the same are two
        /// commands to an idempotency key, so callers give a text in one spelling.
        value: String,
        /// How long it lives; for ever where absent.
        ttl_ms: Option<u64>,
        /// Whether a record that is present refuses it.
        must_be_absent: bool,
        /// The indexed fields that the value has, as the caller has extracted them.
        fields: Vec<(Id, String)>,
        /// The era of the collection whose definition named those fields.
        era: u64,
    },
    /// It is there no more.
    Delete,

    /// Time: its life is over.
    RecordDue,
}

/// What the engine reads to know a record's life. Value and fields are items.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Head {
    /// The instant from which it is absent; none where it lives for ever.
    pub expires_at: Option<Timestamp>,
    /// How many bytes of text the value has.
    pub value_len: u32,
    /// How many indexed fields the value has.
    pub field_count: u8,
}

crate::record!(Head = (1, 1));

/// The value of a record.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Value {
    /// The JSON text.
    pub text: String,
}

/// The indexed fields of a record.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Fields {
    /// Name and value of each.
    pub pairs: Vec<(Id, String)>,
}

crate::records! {
    /// What belongs to a record beside its head.
    pub enum Item {
        /// Its value.
        Value = (1, 1),
        /// Its indexed fields.
        Fields = (2, 1),
    }
}

/// It was created, or replaced. It was created where this is the first event of the stream.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Put {
    /// The JSON text.
    pub value: String,
    /// The indexed fields that the value has.
    pub fields: Vec<(Id, String)>,
    /// The end of its life.
    pub expires_at: Option<Timestamp>,
}

/// It was deleted.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Deleted;

/// Its life was over.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Expired;

crate::records! {
    /// What happens to a record.
    pub enum Event {
        /// It was created, or replaced.
        Put = (1, 1),
        /// It was deleted.
        Deleted = (2, 1),
        /// Its life was over.
        Expired = (3, 1),
    }
}

/// What the records of a collection are listed under whose field has this value: collection and
/// field, each with a zero behind it, which no id has; and the value, in which each zero is
/// followed by 255, with two zeros behind it.
#[must_use]
pub fn by_field(collection: &str, field: &Id, value: &str) -> Vec<u8> {
    let mut bytes = [collection.as_bytes(), &[0], field.as_str().as_bytes(), &[0]].concat();
    escape(value.as_bytes(), &mut bytes);
    bytes.extend_from_slice(&[0, 0]);
    bytes
}

impl Said for Command {
    fn operation(&self) -> u8 {
        match self {
            Self::Put { .. } => 1,
            Self::Delete => 2,
            Self::RecordDue => 3,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Put { .. } => "put",
            Self::Delete => "delete",
            Self::RecordDue => "record_due",
        }
    }

    fn is_leg(&self) -> bool {
        matches!(self, Self::RecordDue)
    }

    fn canon(&self, canon: &mut Canon) {
        // Fields and era follow from the value and the collection. Were they part of it, a
        // repeat after a new definition would pass for another command.
        let Self::Put { value, ttl_ms, must_be_absent, .. } = self else { return };
        canon.field(1, value);
        canon.maybe(2, ttl_ms.as_ref());
        canon.maybe(3, must_be_absent.then_some(&1_u8));
    }

    fn heap_bytes(&self) -> usize {
        let Self::Put { value, fields, .. } = self else { return 0 };
        let field = |(name, value): &(Id, String)| name.heap_bytes() + value.len();
        value.len()
            + fields.len() * size_of::<(Id, String)>()
            + fields.iter().map(field).sum::<usize>()
    }
}

impl Machine for Record {
    const KIND: Kind = Kind::new(6);
    const NAME: &'static str = "record";
    const INDEXED: &'static [u8] = &[FIELDS];
    type Head = Head;
    type Item = Item;
    type Event = Event;
    type Command = Command;

    /// What indexed fields there were decides which index rows go.
    fn needs(command: &Command, needs: &mut Needs) {
        match command {
            Command::Put { .. } | Command::Delete | Command::RecordDue => {
                needs.item(ItemKey::only(FIELDS));
            }
        }
    }

    /// A put is also a use of its collection, under the definition that named the fields. A
    /// record whose id is no pair is in no collection.
    fn expand(view: &View<'_, Self>, command: &Command, _link: Option<&Link>) -> Expansion {
        let Command::Put { era, .. } = command else { return Expansion::Alone };
        let Some((collection, _)) = view.id().split() else { return Expansion::Alone };
        let collection = view.name.beside(Collection::KIND, collection);
        let used = collection::Command::Use { era: *era };
        Expansion::Legs(vec![
            (view.name.clone(), AnyCommand::of::<Self>(command.clone())),
            (collection, AnyCommand::of::<Collection>(used)),
        ])
    }

    fn decide(
        view: &View<'_, Self>,
        command: &Command,
        cx: &mut Context<'_>,
    ) -> Result<Decided<Event>, Refusal> {
        let event = match command {
            Command::Put { value, ttl_ms, must_be_absent, fields, .. } => {
                put(view, value, *ttl_ms, *must_be_absent, fields, cx.now)?.into()
            }
            Command::Delete => delete(view, cx.now)?.into(),
            Command::RecordDue => expire(view, cx.now)?.into(),
        };
        Ok(Decided::Event(event))
    }

    fn reads(event: &Event, needs: &mut Needs) {
        match event {
            Event::Put(_) | Event::Deleted(_) | Event::Expired(_) => {
                needs.item(ItemKey::only(FIELDS));
            }
        }
    }

    fn apply(state: &mut Changes<'_, Self>, event: &Event, _at: &Place) {
        let had_fields = state.head().is_some_and(|head| head.field_count > 0);
        match event {
            Event::Put(put) => {
                state.set(Head {
                    expires_at: put.expires_at,
                    value_len: u32::try_from(put.value.len()).unwrap_or(u32::MAX),
                    field_count: u8::try_from(put.fields.len()).unwrap_or(u8::MAX),
                });
                state.put(ItemKey::only(VALUE), Value { text: put.value.clone() }.into());
                if !put.fields.is_empty() {
                    let pairs = put.fields.clone();
                    state.put(ItemKey::only(FIELDS), Fields { pairs }.into());
                } else if had_fields {
                    state.remove(&ItemKey::only(FIELDS));
                }
            }
            Event::Deleted(_) | Event::Expired(_) => {
                if state.head().is_none() {
                    return;
                }
                state.remove(&ItemKey::only(VALUE));
                if had_fields {
                    state.remove(&ItemKey::only(FIELDS));
                }
                state.vanish();
            }
        }
    }

    /// A put shows the head: its caller has the value already, and an idempotency key should
    /// not keep 64 KiB to say so.
    fn shows(event: &Event, _at: &Place) -> Shows {
        match event {
            Event::Put(_) => Shows::head(),
            Event::Deleted(_) | Event::Expired(_) => Shows::event(),
        }
    }

    fn due(head: &Head) -> Timestamp {
        head.expires_at.unwrap_or(Timestamp::NEVER)
    }

    fn on_due(_item: Option<&ItemKey>) -> Option<Command> {
        Some(Command::RecordDue)
    }

    fn indexes(head: &Head, index: &mut dyn FnMut(u8, &[u8])) {
        if let Some(expires_at) = head.expires_at {
            index(INDEX_EXPIRES, &expires_at.ms().to_be_bytes());
        }
    }

    /// A record whose id is no pair is in no collection, and in no list.
    fn item_indexes(name: &Name, _key: &ItemKey, item: &Item, index: &mut dyn FnMut(u8, &[u8])) {
        let (Item::Fields(Fields { pairs }), Some((collection, key))) =
            (item, name.id.as_str().split_once('/'))
        else {
            return;
        };
        for (field, value) in pairs {
            let mut bytes = by_field(collection, field, value);
            bytes.extend_from_slice(key.as_bytes());
            index(INDEX_FIELD, &bytes);
        }
    }
}

fn put(
    view: &View<'_, Record>,
    value: &str,
    ttl_ms: Option<u64>,
    must_be_absent: bool,
    fields: &[(Id, String)],
    now: Timestamp,
) -> Result<Put, Refusal> {
    if value.len() > VALUE_LEN_MAX || ttl_ms == Some(0) || !are_fields(fields) {
        return Err(Code::Malformed.into());
    }
    if must_be_absent && present(view, now).is_some() {
        return Err(Refusal::with(Code::VersionMismatch, Fact::Version(view.version)));
    }
    let expires_at = match ttl_ms {
        None => None,
        Some(ttl_ms) => Some(now.after_ms(ttl_ms).ok_or(Code::Overflow)?),
    };
    // Nothing below can fail.
    Ok(Put { value: value.to_owned(), fields: fields.to_vec(), expires_at })
}

/// Few enough, short enough, and none twice.
fn are_fields(fields: &[(Id, String)]) -> bool {
    let is_repeated = |(at, (name, _)): (usize, &(Id, String))| {
        fields.iter().skip(at + 1).any(|(other, _)| other == name)
    };
    fields.len() <= FIELDS_MAX
        && fields.iter().all(|(_, value)| value.len() <= FIELD_LEN_MAX)
        && !fields.iter().enumerate().any(is_repeated)
}

fn delete(view: &View<'_, Record>, now: Timestamp) -> Result<Deleted, Refusal> {
    present(view, now).ok_or(Code::NotFound)?;
    // Nothing below can fail.
    Ok(Deleted)
}

fn expire(view: &View<'_, Record>, now: Timestamp) -> Result<Expired, Refusal> {
    let head = view.head.ok_or(Code::NotFound)?;
    if now < Record::due(head) {
        return Err(Code::WrongState.into());
    }
    // Nothing below can fail.
    Ok(Expired)
}

/// The head of a record that is there at `now`.
fn present<'a>(view: &View<'a, Record>, now: Timestamp) -> Option<&'a Head> {
    view.head.filter(|head| now < Record::due(head))
}
