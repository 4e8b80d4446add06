//! Records: JSON values under the keys of a collection.

use std::borrow::Cow;

use axum::http::Method;
use quipu_ledger::words::Id;
use quipu_ledger::{Book, Call};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use crate::caller;
use crate::list::{Page, Place};
use crate::problem::Problem;
use crate::request::Cx;
use crate::route::{Answer, Route, group};
use crate::shown::{Body, CollectionShown, DeletedShown, PutShown, RecordShown, Value};
use crate::wire::{SECONDS_MAX, Text};

/// What the name of a parameter begins with that limits a list to a value of a field.
const WHERE: &str = "where.";

pub(super) fn routes() -> Vec<Route> {
    group(
        "Records",
        [
            Route::new(
                (Method::PUT, "/v1/collections/{collection}"),
                caller::WRITE,
                ("define_collection", "Say which fields are indexed, while no record is in it"),
                define,
            )
            .keyed()
            .versioned()
            .may_only_create()
            .takes::<Define>()
            .gives::<CollectionShown>(201)
            .gives::<CollectionShown>(200)
            .refuses(&["not_found", "wrong_state", "overflow"]),
            Route::get(
                "/v1/collections/{collection}",
                ("get_collection", "Read a collection"),
                get_collection,
            )
            .gives::<CollectionShown>(200)
            .refuses(&["not_found"]),
            Route::new(
                (Method::PUT, "/v1/records/{collection}/{key}"),
                caller::WRITE,
                ("put_record", "Put a value, in the place of the one before"),
                put_one,
            )
            .keyed()
            .versioned()
            .may_only_create()
            .takes::<Put>()
            .gives::<PutShown>(201)
            .gives::<PutShown>(200)
            .refuses(&["overflow"]),
            Route::get("/v1/records/{collection}/{key}", ("get_record", "Read a record"), get)
                .gives::<RecordShown>(200)
                .refuses(&["not_found"]),
            Route::new(
                (Method::DELETE, "/v1/records/{collection}/{key}"),
                caller::WRITE,
                ("delete_record", "Delete a record; its history stays"),
                delete_one,
            )
            .keyed()
            .versioned()
            .gives::<DeletedShown>(200)
            .refuses(&["not_found"]),
            Route::get(
                "/v1/records/{collection}",
                ("list_records", "List the records of a collection in the order of their keys"),
                list,
            )
            .asks::<String>("prefix", "Only those whose keys begin so.")
            .asks::<Where>(
                "where",
                "As `where.<field>=<value>`: only those whose field has this value, a text, or a \
                 number, `true`, `false` or `null` as it is spelled. The field has to be indexed; \
                 a list goes by one field at most.",
            )
            .pages()
            .gives::<Page<RecordShown>>(200),
        ],
    )
}

/// Which field a list goes by, as a form: in the document only.
struct Where;

impl JsonSchema for Where {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Where".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object", "maxProperties": 1, "additionalProperties": false,
            "patternProperties": { "^where[.][A-Za-z0-9._:@-]{1,128}$": { "type": "string" } },
        })
    }
}

/// Which fields of a collection are indexed.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "CollectionRequest")]
pub(crate) struct Define {
    /// Top-level fields of the values: up to 16, and 160 bytes together.
    #[schemars(length(max = 16))]
    indexes: Vec<Text<Id>>,
}

async fn define(cx: Cx) -> Answer {
    let Define { indexes } = cx.json()?;
    let collection = cx.book()?.collection(cx.id(0)?);
    let mut define = collection.define(indexes.into_iter().map(|Text(field)| field));
    if let Some(key) = cx.said.key()? {
        define = define.key(key);
    }
    if let Some(version) = cx.said.if_match()? {
        define = define.if_version(version);
    }
    if cx.said.if_absent()? {
        define = define.if_absent();
    }
    let defined = define.await?.map(|defined| {
        Body::put(defined.created, move |told| CollectionShown::of(defined.collection, told))
    });
    Cx::reply(defined).map_err(|problem| stale_where_absent(&cx, problem))
}

async fn get_collection(cx: Cx) -> Answer {
    cx.read(cx.book()?.collection(cx.id(0)?).get(), CollectionShown::of).await
}

/// A value to put.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "RecordRequest")]
pub(crate) struct Put {
    value: Value,
    /// After how long it is gone; never where it is absent.
    #[schemars(range(min = 1, max = SECONDS_MAX))]
    ttl_seconds: Option<u64>,
}

/// Puts a record. It may have to be absent before.
pub(crate) fn put(book: &Book, (collection, key): (Id, Id), body: Put, is_new: bool) -> Call<Body> {
    let Put { value, ttl_seconds } = body;
    let mut call = book.record(&collection, &key).put(value.0.get());
    if let Some(seconds) = ttl_seconds {
        call = call.ttl_seconds(seconds);
    }
    if is_new {
        call = call.if_absent();
    }
    call.map(|stored| {
        let show = move |told: &_| PutShown::of((collection, key), value, stored, told);
        Body::put(stored.created, show)
    })
}

async fn put_one(cx: Cx) -> Answer {
    let (names, is_new) = ((cx.id(0)?, cx.id(1)?), cx.said.if_absent()?);
    let answer = cx.make(put(cx.book()?, names, cx.json()?, is_new)).await;
    answer.map_err(|problem| stale_where_absent(&cx, problem))
}

/// What is put for the version of something that is not there is put for a stale one.
fn stale_where_absent(cx: &Cx, problem: Problem) -> Problem {
    let is_for_version = cx.said.if_match().is_ok_and(|version| version.is_some());
    if is_for_version { problem.or_stale() } else { problem }
}

async fn get(cx: Cx) -> Answer {
    let (collection, key) = (cx.id(0)?, cx.id(1)?);
    let read = cx.book()?.record(&collection, &key).get();
    cx.read(read, |view, told| RecordShown::of(collection, view, told)).await
}

pub(crate) fn delete(book: &Book, (collection, key): (Id, Id)) -> Call<Body> {
    let call = book.record(&collection, &key).delete();
    call.map(|()| Body::ok(move |told| DeletedShown::of((collection, key), told)))
}

async fn delete_one(cx: Cx) -> Answer {
    cx.make(delete(cx.book()?, (cx.id(0)?, cx.id(1)?))).await
}

async fn list(cx: Cx) -> Answer {
    let mut query = cx.query()?;
    let place = Place::of(&cx, &mut query)?;
    let collection = cx.id(0)?;
    let mut list = cx.book()?.collection(&collection).records();
    if let Some(prefix) = query.text("prefix") {
        list = list.prefix(&prefix);
    }
    while let Some((field, value)) = query.begins(WHERE) {
        let field: Id = field
            .parse()
            .map_err(|why| Problem::malformed(format!("{WHERE}{field}: the field: {why}")))?;
        list = list.field(field, &value);
    }
    query.end()?;
    place.rows(list, |view, told| Some(RecordShown::of(collection.clone(), view, told))).await
}
