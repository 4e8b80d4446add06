//! Operations as the legs of a transaction and the items of a batch: their names, and what each
//! takes and shows. Each is the operation of its single route.

use quipu_ledger::words::Id;
use quipu_ledger::{Book, Call};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::Value as Json;
use serde_json::value::RawValue;

use super::{accounts, drops, flows, records, tickets};
use crate::problem::Problem;
use crate::request::{Member, Sifted, sift};
use crate::route::SchemaOf;
use crate::shown::{
    AccountShown, Body, CHARGE, ChargeShown, ClaimShown, DEPOSIT, DeletedShown, DepositShown,
    DropClaimShown, HoldShown, MovedShown, PutShown, TakenShown, TicketShown, TransferShown,
};
use crate::wire::Text;

/// Where an operation stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Way {
    /// In a transaction, which has the key.
    Leg,
    /// In a batch, with a key of its own.
    Item,
}

/// What an operation among several is.
pub(super) struct Op {
    name: &'static str,
    /// What names its stream, beside what its single route takes.
    members: &'static [Member],
    /// Whether it can be a leg.
    is_leg: bool,
    takes: SchemaOf,
    gives: SchemaOf,
    /// The letter that the id of the operation begins with which came first, where it says so.
    first: Option<char>,
    call: fn(&mut Reader<'_>) -> Result<Call<Body>, Problem>,
}

macro_rules! op {
    ($name:literal, $members:expr, $takes:ty, $gives:ty, $call:expr) => {
        Op {
            name: $name,
            members: &$members,
            is_leg: true,
            takes: |generator| <$takes>::json_schema(generator),
            gives: |generator| generator.subschema_for::<$gives>(),
            first: None,
            call: $call,
        }
    };
}

use Member::{Claim, Collection, Hold, Id as Stream, IfVersion, Key};

/// All there are.
static OPS: &[Op] = &[
    op!("account.open", [], accounts::Open, AccountShown, |reader| {
        let body: accounts::Open = reader.body()?;
        reader.create(body, accounts::open)
    }),
    Op {
        first: Some(DEPOSIT),
        ..op!("account.deposit", [Stream], accounts::Entry, DepositShown, |reader| {
            let body = reader.body()?;
            Ok(accounts::deposit(reader.book, reader.id(Stream)?, body))
        })
    },
    Op {
        first: Some(CHARGE),
        ..op!("account.charge", [Stream], accounts::Entry, ChargeShown, |reader| {
            let body = reader.body()?;
            Ok(accounts::charge(reader.book, reader.id(Stream)?, body))
        })
    },
    op!("account.hold", [Stream], accounts::Hold, HoldShown, |reader| {
        let body = reader.body()?;
        Ok(accounts::hold(reader.book, reader.id(Stream)?, body))
    }),
    op!("account.capture", [Stream, Hold], accounts::Part, HoldShown, |reader| {
        let body = reader.body()?;
        Ok(accounts::capture(reader.book, reader.id(Stream)?, reader.id(Hold)?, &body))
    }),
    op!("account.release", [Stream, Hold], accounts::Nothing, HoldShown, |reader| {
        let accounts::Nothing {} = reader.body()?;
        Ok(accounts::release(reader.book, reader.id(Stream)?, reader.id(Hold)?))
    }),
    Op {
        is_leg: false,
        ..op!("account.transfer", [], accounts::Transfer, TransferShown, |reader| {
            let body = reader.body()?;
            Ok(accounts::transfer(reader.book, body))
        })
    },
    op!("flow.settle", [Stream], accounts::Nothing, MovedShown, |reader| {
        let accounts::Nothing {} = reader.body()?;
        Ok(flows::settle(reader.book, &reader.id(Stream)?))
    }),
    op!("flow.withdraw", [Stream], accounts::Part, MovedShown, |reader| {
        let body = reader.body()?;
        Ok(flows::withdraw(reader.book, &reader.id(Stream)?, &body))
    }),
    op!("ticket.issue", [], tickets::Issue, TicketShown, |reader| {
        let body: tickets::Issue = reader.body()?;
        reader.create(body, tickets::issue)
    }),
    op!("ticket.claim", [Stream], tickets::Claim, ClaimShown, |reader| {
        let body = reader.body()?;
        Ok(tickets::claim(reader.book, &reader.id(Stream)?, body))
    }),
    op!("drop.claim", [Stream], drops::Claim, DropClaimShown, |reader| {
        let body = reader.body()?;
        Ok(drops::claim(reader.book, reader.id(Stream)?, body))
    }),
    op!("drop.release", [Stream, Claim], accounts::Nothing, TakenShown, |reader| {
        let accounts::Nothing {} = reader.body()?;
        Ok(drops::release(reader.book, reader.id(Stream)?, reader.id(Claim)?))
    }),
    op!("record.put", [Stream, Collection, Key], records::Put, PutShown, |reader| {
        let body = reader.body()?;
        Ok(records::put(reader.book, reader.record()?, body, false))
    }),
    op!("record.delete", [Stream, Collection, Key], accounts::Nothing, DeletedShown, |reader| {
        let accounts::Nothing {} = reader.body()?;
        Ok(records::delete(reader.book, reader.record()?))
    }),
];

impl Op {
    /// A problem of this operation.
    pub(super) fn problem(&self, problem: Problem) -> Problem {
        match self.first {
            Some(letter) => problem.first(letter),
            None => problem,
        }
    }
}

/// What an operation is read for, before it is read for the rest.
#[derive(Deserialize)]
struct Named<'a> {
    #[serde(borrow)]
    op: std::borrow::Cow<'a, str>,
}

/// Reads an operation. What is wrong is named with its place: which one it is in which list.
pub(super) fn read(
    book: &Book,
    way: Way,
    (list, index): (&'static str, usize),
    text: &RawValue,
) -> Result<(&'static Op, Call<Body>), Problem> {
    let at = At { list, index };
    let text = text.get();
    // A list of one text would do as well, and nobody means that.
    let named = if text.starts_with('{') {
        serde_json::from_str::<Named<'_>>(text)
    } else {
        return Err(at.malformed("", "it has to be an object"));
    };
    let name = named.map_err(|why| match why.to_string() {
        why if why.contains("`op`") => at.malformed("", &without_place(&why)),
        why => at.malformed(".op", &without_place(&why)),
    })?;
    let name = &*name.op;
    let op = OPS.iter().find(|op| op.name == name && (op.is_leg || way == Way::Item));
    let op = op.ok_or_else(|| {
        let known: Vec<&str> =
            OPS.iter().filter(|op| op.is_leg || way == Way::Item).map(|op| op.name).collect();
        at.malformed(".op", &format!("{name:?} is none; it is one of {}", known.join(", ")))
    })?;
    let mut reader = Reader { book, way, at, op, text, sifted: Sifted::default() };
    let mut call = (op.call)(&mut reader)?;
    if let Some(version) = reader.sifted.if_version {
        call = call.if_version(version);
    }
    if let Some(key) = reader.key() {
        call = call.key(key);
    }
    match call.check() {
        Ok(()) => Ok((op, call)),
        Err(quipu_ledger::Error::Malformed(why)) => Err(at.malformed("", &why)),
        Err(error) => Err(error.into()),
    }
}

/// What a parser says, without the line and the column within an operation.
fn without_place(why: &str) -> String {
    why.rsplit_once(" at line ").map_or(why, |(why, _)| why).to_owned()
}

/// One operation of a list.
#[derive(Clone, Copy)]
struct At {
    list: &'static str,
    index: usize,
}

impl At {
    /// What is wrong, at a place that begins with a point or is the operation itself.
    fn malformed(self, place: &str, why: &str) -> Problem {
        let Self { list, index } = self;
        Problem::malformed(format!("{list}[{index}]{place}: {why}"))
    }
}

/// Reads one operation.
struct Reader<'a> {
    book: &'a Book,
    way: Way,
    at: At,
    op: &'static Op,
    text: &'a str,
    sifted: Sifted<'a>,
}

impl<'a> Reader<'a> {
    /// What its single route takes.
    fn body<T: Deserialize<'a>>(&mut self) -> Result<T, Problem> {
        let mut members = [IfVersion; 5];
        let mut count = 1;
        let key = (self.way == Way::Item && !self.op.members.contains(&Key)).then_some(&Key);
        for member in self.op.members.iter().chain(key) {
            members[count] = *member;
            count += 1;
        }
        let read = sift(self.text, &members[..count]);
        let (body, sifted) = read.map_err(|(place, why)| self.at.malformed(&place, &why))?;
        self.sifted = sifted;
        Ok(body)
    }

    /// The id in a member, which has to be there.
    fn id(&self, member: Member) -> Result<Id, Problem> {
        let place = format_args!(".{}", member.name()).to_string();
        let Some(text) = self.sifted.text(member) else {
            return Err(self.at.malformed(&place, "it is missing"));
        };
        text.parse().map_err(|why| self.at.malformed(&place, &format!("{why}")))
    }

    /// The collection and the key of a record: `id` has both, or else there are `collection` and
    /// `key`. Where both would be there, nothing is guessed.
    fn record(&self) -> Result<(Id, Id), Problem> {
        let [id, collection, key] = [Stream, Collection, Key].map(|name| self.sifted.text(name));
        let Some(id) = id else {
            if collection.is_none() {
                let why = "a record is named by `collection` and `key`, or by `id`: collection/key";
                return Err(self.at.malformed("", why));
            }
            return Ok((self.id(Collection)?, self.id(Key)?));
        };
        if collection.is_some() {
            let why = "`id` is collection/key, so there is no other";
            return Err(self.at.malformed(".collection", why));
        }
        if self.way == Way::Leg && key.is_some() {
            return Err(self.at.malformed(".key", "`id` is collection/key, so there is no other"));
        }
        let read =
            |text: &str| text.parse().map_err(|why| self.at.malformed(".id", &format!("{why}")));
        let Some((collection, key)) = id.split_once('/') else {
            return Err(self.at.malformed(".id", "that of a record is collection/key"));
        };
        Ok((read(collection)?, read(key)?))
    }

    /// The idempotency key. Beside `collection` it is the record's key that stands there.
    fn key(&self) -> Option<&str> {
        let names_record = self.sifted.text(Collection).is_some();
        let is_own = self.way == Way::Item && !names_record;
        self.sifted.text(Key).filter(|_| is_own)
    }

    /// Makes what the client may have named. An item may leave that to the server.
    fn create<T: super::Named>(
        &self,
        body: T,
        call: fn(&Book, &Id, T) -> Call<Body>,
    ) -> Result<Call<Body>, Problem> {
        match (body.id().cloned(), self.way) {
            (Some(id), _) => Ok(call(self.book, &id, body)),
            (None, Way::Item) => Ok(call(self.book, &self.book.make_id()?, body).made()),
            (None, Way::Leg) => Err(self.at.malformed(".id", "a leg names its stream")),
        }
    }
}

/// A leg, in the document.
pub(super) struct LegSays;

/// An item of a batch, in the document.
pub(super) struct ItemSays;

impl JsonSchema for LegSays {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Leg".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        says(generator, Way::Leg)
    }
}

impl JsonSchema for ItemSays {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Operation".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        says(generator, Way::Item)
    }
}

/// What the operations of a single route show, in the document.
pub(super) fn shows(generator: &mut SchemaGenerator) -> Vec<Schema> {
    let mut shown: Vec<Schema> = Vec::new();
    for op in OPS {
        let gives = (op.gives)(generator);
        if !shown.contains(&gives) {
            shown.push(gives);
        }
    }
    shown
}

fn says(generator: &mut SchemaGenerator, way: Way) -> Schema {
    let ops = OPS.iter().filter(|op| op.is_leg || way == Way::Item);
    let mut all: Vec<Schema> = Vec::new();
    for op in ops {
        if op.members.contains(&Key) {
            // A record is named in one of two ways.
            all.push(says_of(op, &[Stream], generator, way));
            all.push(says_of(op, &[Collection, Key], generator, way));
        } else {
            all.push(says_of(op, op.members, generator, way));
        }
    }
    json_schema!({ "oneOf": all })
}

/// The object of one operation: what its route takes, its name, and what names its stream.
fn says_of(op: &Op, named_by: &[Member], generator: &mut SchemaGenerator, way: Way) -> Schema {
    let mut schema = (op.takes)(generator);
    let object = schema.ensure_object();
    object.remove("title");
    object.remove("description");
    let mut required = vec!["op"];
    let mut members = vec![("op", json_schema!({ "const": op.name }).into())];
    let is_record = op.members.contains(&Key);
    for member in named_by {
        let says = match (is_record, member) {
            (true, Stream) => generator.subschema_for::<RecordName>(),
            _ => generator.subschema_for::<Text<Id>>(),
        };
        required.push(member.name());
        members.push((member.name(), says.into()));
    }
    let version = json_schema!({
        "type": "integer", "minimum": 0, "maximum": u64::MAX,
        "description": "The version that the stream has to be at.",
    });
    members.push((IfVersion.name(), version.into()));
    if way == Way::Item && !named_by.contains(&Key) {
        let key = json_schema!({
            "type": "string", "pattern": "^[!-~]{1,255}$",
            "description": "An idempotency key for this operation.",
        });
        members.push((Key.name(), key.into()));
    }
    if way == Way::Leg && matches!(op.name, "account.open" | "ticket.issue") {
        required.push("id");
        members.push(("id", generator.subschema_for::<Text<Id>>().into()));
    }
    let properties = object.entry("properties").or_insert_with(|| Json::Object(Default::default()));
    if let Json::Object(properties) = properties {
        properties.extend(members.into_iter().map(|(name, says)| (name.to_owned(), says)));
    }
    let known = object.entry("required").or_insert_with(|| Json::Array(Vec::new()));
    if let Json::Array(known) = known {
        known.extend(required.into_iter().map(Json::from));
    }
    schema
}

/// The name of a record: in the document only.
struct RecordName;

impl JsonSchema for RecordName {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "RecordName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string", "maxLength": 257,
            "pattern": "^[A-Za-z0-9._:@-]{1,128}/[A-Za-z0-9._:@-]{1,128}$",
            "description": "The collection and the key of a record.",
            "examples": ["shoes/red"],
        })
    }
}
