//! One stream: what it is now, what it has, and what happened to it.

use std::collections::BTreeMap;

use quipu::machine::registry;
use quipu::words::Id;
use quipu_core::history::{History, HistoryError};
use quipu_core::log::LogError;
use quipu_core::machine::Machine as _;
use quipu_core::machines::{book, key, record};
use quipu_core::records::{HeadRow, ItemRow, Table, key_of_head, key_of_name};
use quipu_core::store::Reader;
use quipu_core::words::{Book, Kind, Name, Number, Position};
use serde_json::{Value, json};

use super::{Look, shown, unreadable};
use crate::terminal::{Facts, Table as Rows, Trouble, count, options, print, print_json};

pub(super) fn show(
    look: &Look<'_>,
    kind: &str,
    id: &str,
    book: &Id,
    limit: usize,
) -> Result<(), Trouble> {
    let kind = kind_of(look, kind)?;
    let name_of_stream = id_of(kind, id).map_err(|why| look.refused(format!("{id}: {why}")))?;
    let store = look.closed.store(&registry(), &options()).map_err(|error| look.inside(error))?;
    let store = &*store;
    let within = if kind == book::Book::KIND {
        Book::SYSTEM
    } else {
        let name = Name::new(Book::SYSTEM, book::Book::KIND, book.clone());
        let number = number_of(look, store, &name)?;
        Book::new(number.ok_or_else(|| look.refused(format!("there is no book `{book}`")))?)
    };
    let name = Name::new(within, kind, name_of_stream);
    let missing = || {
        let kind = super::kind_name(kind);
        look.refused(format!("there is no {kind} `{id}` in the book `{book}`"))
    };
    let number = number_of(look, store, &name)?.ok_or_else(missing)?;
    let row = store.get(Table::Head, &key_of_head(number)).map_err(|error| look.inside(error))?;
    let row = row.ok_or_else(missing)?;
    let rotten = |why| look.rotten(number, why);
    let HeadRow { stamp, tag, head, .. } = HeadRow::read(&row).map_err(rotten)?;
    let head = shown::head(kind, tag, head).map_err(rotten)?;
    let items = items(look, store, number)?;
    let past = Past::read(look, number, stamp.version, limit)?;
    let kind = super::kind_name(kind);
    if look.json {
        return print_json(&json!({
            "kind": kind,
            "id": id,
            "book": (within != Book::SYSTEM).then(|| book.as_str()),
            "number": number.get(),
            "version": stamp.version.get(),
            "created_at": stamp.created.to_string(),
            "updated_at": stamp.updated.to_string(),
            "head": head,
            "items": items,
            "history": past.events,
            "has_more": past.has_more,
            "is_trimmed": past.is_trimmed,
        }));
    }
    let mut facts = Facts::default();
    facts.add(kind, id);
    if within != Book::SYSTEM {
        facts.add("book", book);
    }
    facts.add("number", number).add("version", stamp.version);
    facts.add("created", stamp.created).add("updated", stamp.updated);
    for (name, value) in &head {
        facts.add(name.replace('_', " "), shown::short(value));
    }
    let counts: Vec<_> = items.iter().map(|(name, n)| format!("{} {name}", count(*n))).collect();
    facts.add("items", if counts.is_empty() { "none".into() } else { counts.join(", ") });
    print(&facts.text())?;
    let mut table = Rows::new(&["POSITION", "AT", "EVENT", "DATA"], &[0]);
    for event in &past.events {
        let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
        let data = event["data"].as_object().map(shown::line).unwrap_or_default();
        table.row(vec![event["position"].to_string(), text("at"), text("type"), data]);
    }
    print(&format!("\n{}", table.text()))?;
    if past.has_more {
        eprintln!("quipu: there is more behind these; --limit shows more of it");
    }
    if past.is_trimmed {
        eprintln!("quipu: the history before these was trimmed");
    }
    Ok(())
}

/// The kind of this name.
fn kind_of(look: &Look<'_>, name: &str) -> Result<Kind, Trouble> {
    let registry = registry();
    // Ids of the keys' own streams are hashes of what their callers keep to themselves.
    let mut kinds = (1..Kind::OWN).map(Kind::new).filter(|kind| *kind != key::Key::KIND);
    let is_it = |kind: &Kind| registry.rules(*kind).is_some_and(|rules| rules.name() == name);
    kinds.find(is_it).ok_or_else(|| {
        look.refused(format!(
            "there is no kind `{name}`: it is one of account, flow, ticket, drop, record, \
             collection, source, export and book"
        ))
    })
}

fn id_of(kind: Kind, text: &str) -> Result<Id, String> {
    let id = |text| Id::new(text).map_err(|why| why.to_string());
    if kind != record::Record::KIND {
        return id(text);
    }
    let form = "the id of a record is that of its collection, a slash and its key";
    let (collection, key) = text.split_once('/').ok_or(form)?;
    Ok(Id::pair(&id(collection)?, &id(key)?))
}

fn number_of(look: &Look<'_>, store: &dyn Reader, name: &Name) -> Result<Option<Number>, Trouble> {
    let mut key = Vec::new();
    key_of_name(name, &mut key);
    let value = store.get(Table::Name, &key).map_err(|error| look.inside(error))?;
    let bytes = value.and_then(|value| value.as_slice().try_into().ok());
    Ok(bytes.map(|bytes| Number::new(u64::from_le_bytes(bytes))))
}

/// How many items there are, by what they are called.
fn items(
    look: &Look<'_>,
    store: &dyn Reader,
    number: Number,
) -> Result<BTreeMap<String, u64>, Trouble> {
    let (mut counts, mut rotten) = (BTreeMap::new(), None);
    let front = key_of_head(number);
    let scanned = store.scan(Table::Item, &front, &mut |key, row| {
        if !key.starts_with(&front) {
            return false;
        }
        match ItemRow::read(row) {
            Ok(ItemRow { kind, tag, .. }) => {
                *counts.entry(shown::item(kind, tag)).or_default() += 1;
                true
            }
            Err(why) => {
                rotten = Some(why);
                false
            }
        }
    });
    scanned.map_err(|error| look.inside(error))?;
    rotten.map_or(Ok(counts), |why| Err(look.rotten(number, why)))
}

impl Look<'_> {
    /// A row that cannot be read.
    fn rotten(&self, number: Number, why: impl std::fmt::Display) -> Trouble {
        Trouble::damaged(format!(
            "{}: what the store has of stream {number} cannot be read: {why}; `quipu verify` says \
             more",
            self.data.folder.display()
        ))
    }
}

/// What happened to a stream, newest first.
struct Past {
    events: Vec<Value>,
    has_more: bool,
    is_trimmed: bool,
}

impl Past {
    fn read(
        look: &Look<'_>,
        number: Number,
        version: Position,
        limit: usize,
    ) -> Result<Self, Trouble> {
        let mut past = Self { events: Vec::new(), has_more: false, is_trimmed: false };
        for knot in History::new(look.closed.log(), number, version) {
            let knot = match knot {
                Err(HistoryError::Log(LogError::Trimmed(_))) => {
                    past.is_trimmed = true;
                    break;
                }
                Err(HistoryError::Log(error)) => return Err(look.inside(error)),
                Err(error) => return Err(look.rotten(number, error)),
                Ok(_) if past.events.len() == limit => {
                    past.has_more = true;
                    break;
                }
                Ok(knot) => knot,
            };
            let event = shown::event(knot.kind, knot.tag, &knot.payload);
            let (what, data) = event.map_err(|why| unreadable(look, knot.position, why))?;
            past.events.push(json!({
                "position": knot.position.get(),
                "at": knot.now.to_string(),
                "type": what,
                "data": data,
            }));
        }
        Ok(past)
    }
}
