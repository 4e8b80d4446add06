//! Events: what happened to one stream, and what happened in the whole book.

use std::borrow::Cow;
use std::collections::BTreeSet;

use quipu_ledger::call::Seen;
use quipu_ledger::events::{
    Event, Happened, Moves, account, collection, drop, export, flow, record, source, ticket,
};
use quipu_ledger::history::Past;
use quipu_ledger::machine::Machine;
use quipu_ledger::words::Id;
use quipu_ledger::{Book, Error};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::list::{Page, Place};
use crate::problem::Problem;
use crate::reply::Reply;
use crate::request::Cx;
use crate::route::{Answer, Limit, Route, group};
use crate::shown::{EventShown, KINDS, TYPES};

/// After so many bytes of the log a page ends, whether or not anything in them fits.
const BYTES_MAX: usize = 4 << 20;

pub(super) fn routes() -> Vec<Route> {
    group(
        "Events",
        [
            Route::get(
                "/v1/streams/{kind}/{id}/events",
                ("list_stream_events", "What happened to one stream, newest first"),
                of_stream,
            )
            .pages()
            .gives::<Page<EventShown>>(200)
            .refuses(&["not_found", "history_trimmed"]),
            Route::get(
                "/v1/events",
                ("list_events", "What happened in the book, oldest first"),
                of_book,
            )
            .asks::<u64>("after", "Only those behind this position: the `next` of the page before.")
            .asks::<KindName>("kind", "Only those of streams of this kind.")
            .asks::<TypeName>("type", "Only those of this type.")
            .asks::<Limit>("limit", "The most events; 100 where it is absent.")
            .gives::<Page<EventShown>>(200)
            .refuses(&["history_trimmed"]),
        ],
    )
}

/// A kind of stream.
#[derive(JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(dead_code, reason = "only its schema is used")]
enum KindName {
    Account,
    Flow,
    Ticket,
    Drop,
    Record,
    Collection,
    Source,
    Export,
}

/// A type of event.
struct TypeName;

impl JsonSchema for TypeName {
    fn schema_name() -> Cow<'static, str> {
        "EventType".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names: BTreeSet<&str> = TYPES.iter().map(|(_, name)| *name).collect();
        json_schema!({ "type": "string", "enum": names })
    }
}

async fn of_stream(cx: Cx) -> Answer {
    let mut query = cx.query()?;
    let place = Place::of(&cx, &mut query)?;
    query.end()?;
    let (book, kind) = (cx.book()?, cx.place(0));
    let id = match kind {
        // Its slash comes escaped.
        "record" => match cx.place(1).split_once('/') {
            Some((collection, key)) => Ok(Id::pair(&id_of(collection)?, &id_of(key)?)),
            None => Err(Problem::malformed("in the path: the id of a record is collection/key")),
        },
        _ => cx.id(1),
    }?;
    match kind {
        "account" => walk::<account::Account>(book, id, &place, Happened::Account).await,
        "flow" => walk::<flow::Flow>(book, id, &place, Happened::Flow).await,
        "ticket" => walk::<ticket::Ticket>(book, id, &place, Happened::Ticket).await,
        "drop" => walk::<drop::Drop>(book, id, &place, Happened::Drop).await,
        "record" => walk::<record::Record>(book, id, &place, Happened::Record).await,
        "collection" => {
            walk::<collection::Collection>(book, id, &place, Happened::Collection).await
        }
        "source" => walk::<source::Source>(book, id, &place, Happened::Source).await,
        "export" => walk::<export::Export>(book, id, &place, Happened::Export).await,
        _ => Err(Problem::not_found("there are no streams of this kind")),
    }
}

fn id_of(text: &str) -> Result<Id, Problem> {
    Id::new(text).map_err(|why| Problem::malformed(format!("in the path, {{id}}: {why}")))
}

/// A page of the history of one stream. Its cursor is the version of the event that comes next.
async fn walk<M: Machine>(
    book: &Book,
    id: Id,
    place: &Place,
    happened: fn(M::Event) -> Happened,
) -> Answer {
    let stream = book.stream::<M>(&id);
    let Seen { position, version, .. } = stream.get().look().await??;
    let mut history = stream.history();
    if let Some(after) = place.after() {
        let from = after.try_into().map(u64::from_be_bytes);
        history = history.from(from.map_err(|_| Problem::bad_cursor())?);
    }
    let mut moves = Moves::of_book(book);
    let mut page = Page { data: Vec::new(), next: None };
    let mut last = None;
    loop {
        // An event that did two things is not cut in two.
        let next = history.version();
        if page.data.len() >= place.limit() && next != last {
            break;
        }
        let Past { position, at, event, trace } = match history.next().await {
            Ok(Some(past)) => past,
            Ok(None) => break,
            Err(Error::Malformed(_)) if place.after().is_some() => {
                return Err(Problem::bad_cursor());
            }
            // What there is comes first, and why there is no more with the next page.
            Err(Error::Trimmed(_)) if !page.data.is_empty() => break,
            Err(error) => return Err(error.into()),
        };
        last = Some(position);
        let happened = happened(event);
        let moved = moves.of(&id, &happened).await?;
        page.data.extend(EventShown::of(
            (position, at, trace),
            Some(id.clone()),
            &happened,
            &moved,
        ));
    }
    page.next = history.version().map(|next| place.cursor(&next.get().to_be_bytes()));
    Ok(Reply::json(200, &page).at(position).version(version))
}

async fn of_book(cx: Cx) -> Answer {
    let mut query = cx.query()?;
    let limit = query.get::<usize>("limit")?.unwrap_or(100);
    if !(1..=1_000).contains(&limit) {
        return Err(Problem::malformed("limit: it is 1 to 1000"));
    }
    let after = query.get::<u64>("after")?.unwrap_or(0);
    let kind = query.one_of("kind", KINDS)?;
    let types: Vec<(&str, &str)> = TYPES.iter().map(|(_, name)| (*name, *name)).collect();
    let type_name = query.one_of("type", &types)?;
    query.end()?;
    let book = cx.book()?;
    let durable = cx.durable();
    let fits = |happened: &Happened| {
        EventShown::name(happened).is_some_and(|(of_kind, of_type)| {
            kind.is_none_or(|kind| kind == of_kind) && type_name.is_none_or(|name| name == of_type)
        })
    };
    let mut events = book.events(after.min(u64::MAX - 1)).so_far();
    let mut moves = Moves::of_book(book);
    let mut page = Page { data: Vec::new(), next: None };
    while events.bytes_read() < BYTES_MAX {
        let Some(piece) = events.piece().await? else {
            return Ok(Reply::json(200, &page).at(durable));
        };
        for Event { position, at, mut parts, trace } in piece {
            parts.retain(|part| fits(&part.happened));
            // An event of several streams is not cut in two, though it be more than a page.
            if !page.data.is_empty() && page.data.len() + parts.len() > limit {
                page.next = Some(position.get().saturating_sub(1).to_string());
                return Ok(Reply::json(200, &page).at(durable));
            }
            for part in parts {
                let moved = match &part.stream {
                    Some(stream) => moves.of(stream, &part.happened).await?,
                    None => Default::default(),
                };
                let of = (position, at, trace);
                page.data.extend(EventShown::of(of, part.stream, &part.happened, &moved));
            }
            if page.data.len() >= limit {
                page.next = (position < durable).then(|| position.to_string());
                return Ok(Reply::json(200, &page).at(durable));
            }
        }
    }
    let read = events.position()?;
    page.next = (read < durable).then(|| read.get().to_string());
    Ok(Reply::json(200, &page).at(durable))
}
