//! Across streams: several operations that happen together, or that are asked at once.

use core::fmt::Write as _;
use std::borrow::Cow;

use quipu_ledger::{Done, Error, Outcome};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::legs::{self, ItemSays, LegSays, Op, Way};
use crate::problem::{self, Kind, Problem};
use crate::reply::{Headers, JSON, Reply};
use crate::request::{self, Cx};
use crate::route::{Answer, Route, group};
use crate::shown::{Body, Told};
use crate::wire::Time;

const LEGS_MAX: usize = 10_000;
const OPERATIONS_MAX: usize = 8_192;
const BODY_MAX: usize = 8 << 20;

/// What may be refused, whichever the operation is.
const ALL: &[&str] = &[
    "not_found",
    "insufficient_funds",
    "spend_cap_reached",
    "already_exists",
    "wrong_state",
    "already_claimed",
    "sold_out",
    "claim_limit_reached",
    "not_open",
    "balance_cap_reached",
    "nothing_to_settle",
    "exceeds_withdrawable",
    "exceeds_held",
    "asset_mismatch",
    "overflow",
    "expired",
    "revoked",
    "version_mismatch",
];

pub(super) fn routes() -> Vec<Route> {
    group(
        "Across streams",
        [
            Route::post(
                "/v1/transactions",
                ("transact", "Operations that happen together or not at all"),
                transact,
            )
            .takes::<Transaction<'_>>()
            .body_max(BODY_MAX)
            .gives::<TransactionShown>(201)
            .refuses(ALL),
            Route::post("/v1/batch", ("batch", "Operations that are asked at once"), batch)
                .not_keyed()
                .takes::<Batch<'_>>()
                .body_max(BODY_MAX)
                .gives::<BatchShown>(200),
        ],
    )
}

/// Operations that happen together or not at all. Those on one stream are decided in their order,
/// each seeing the ones before.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "TransactionRequest")]
struct Transaction<'a> {
    #[serde(borrow)]
    #[schemars(with = "Vec<LegSays>", length(min = 1, max = 10_000))]
    legs: Many<'a, LEGS_MAX>,
}

/// Operations that are asked at once, each on its own. Those on one stream are carried out in
/// their order.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "BatchRequest")]
struct Batch<'a> {
    #[serde(borrow)]
    #[schemars(with = "Vec<ItemSays>", length(max = 8_192))]
    operations: Many<'a, OPERATIONS_MAX>,
}

/// The texts of a list, which are read one by one. Of more than `MAX` no more is kept.
struct Many<'a, const MAX: usize> {
    texts: Vec<&'a RawValue>,
    are_too_many: bool,
}

impl<'de: 'a, 'a, const MAX: usize> Deserialize<'de> for Many<'a, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reads<const MAX: usize>;

        impl<'de, const MAX: usize> Visitor<'de> for Reads<MAX> {
            type Value = Many<'de, MAX>;

            fn expecting(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                out.write_str("a list of operations")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut texts = Vec::new();
                while texts.len() < MAX {
                    let Some(text) = seq.next_element::<&RawValue>()? else {
                        return Ok(Many { texts, are_too_many: false });
                    };
                    texts.push(text);
                }
                let mut are_too_many = false;
                while seq.next_element::<IgnoredAny>()?.is_some() {
                    are_too_many = true;
                }
                Ok(Many { texts, are_too_many })
            }
        }

        let Many { texts, are_too_many } = deserializer.deserialize_seq(Reads::<MAX>)?;
        Ok(Self { texts, are_too_many })
    }
}

impl<'a, const MAX: usize> Many<'a, MAX> {
    /// The texts, if they are no more than there may be.
    fn bounded(self, name: &str) -> Result<Vec<&'a RawValue>, Problem> {
        if self.are_too_many {
            return Err(Problem::new(Kind::TOO_LARGE, format!("{name}: there are at most {MAX}")));
        }
        Ok(self.texts)
    }
}

async fn transact(cx: Cx) -> Answer {
    let legs = request::read::<Transaction<'_>>(&cx.body)?.legs.bounded("legs")?;
    if legs.is_empty() {
        return Err(Problem::malformed("legs: a transaction has at least one"));
    }
    unconditional(&cx, "a leg names the version of its stream as `if_version`")?;
    let book = cx.book()?;
    let (mut ops, mut calls) = (Vec::with_capacity(legs.len()), Vec::with_capacity(legs.len()));
    for (index, text) in legs.into_iter().enumerate() {
        let (op, call) = legs::read(book, Way::Leg, ("legs", index), text)?;
        ops.push(op);
        calls.push(call);
    }
    let mut transaction = book.transaction().all(calls);
    if let Some(key) = cx.said.key()? {
        transaction = transaction.key(key);
    }
    if let Some(trace) = cx.said.trace() {
        transaction = transaction.trace(trace);
    }
    let done = match transaction.await {
        Ok(Outcome::Done(done)) => done,
        Ok(Outcome::Refused(refused)) | Err(Error::Refused(refused)) => {
            let op = refused.leg.and_then(|leg| ops.get(leg));
            let problem = Problem::from(refused);
            return Err(op.map_or(problem.clone(), |op| op.problem(problem)));
        }
        Err(error) => return Err(error.into()),
    };
    let Done { value: parts, position, at, replayed, .. } = done;
    let mut body = Vec::with_capacity(128 + 256 * parts.len().min(1_024));
    push(&mut body, format_args!(r#"{{"position":{position},"at":"{at}","results":["#));
    for (index, part) in parts.into_iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        let (position, version, changed) = (part.position, part.version, part.changed);
        match part.value {
            Some(shown) => shown.write(&Told { position, at, version }, &mut body),
            None => {
                push(&mut body, format_args!(r#"{{"changed":{changed},"position":{position}}}"#));
            }
        }
    }
    body.extend_from_slice(b"]}");
    let headers = Headers { position: Some(position), replayed, ..Headers::default() };
    Ok(Reply { status: 201, headers, body, content_type: JSON })
}

async fn batch(cx: Cx) -> Answer {
    let operations = request::read::<Batch<'_>>(&cx.body)?.operations.bounded("operations")?;
    if cx.said.key()?.is_some() {
        let why = "Idempotency-Key: each operation of a batch has one of its own, as `key`";
        return Err(Problem::malformed(why));
    }
    unconditional(&cx, "an operation names the version of its stream as `if_version`")?;
    let book = cx.book()?;
    let mut calls = Vec::with_capacity(operations.len());
    let mut read: Vec<Result<&Op, Problem>> = Vec::with_capacity(operations.len());
    for (index, text) in operations.into_iter().enumerate() {
        let one = legs::read(book, Way::Item, ("operations", index), text);
        read.push(one.map(|(op, call)| {
            calls.push(call);
            op
        }));
    }
    let mut outcomes = book.ledger().batch(calls).await.into_iter();
    let mut body = Vec::with_capacity(64 + 256 * read.len());
    let mut rests_on = None;
    body.extend_from_slice(br#"{"results":["#);
    for (index, op) in read.into_iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        let done = op.and_then(|op| match outcomes.next() {
            Some(Ok(Outcome::Done(done))) => Ok(done),
            Some(Ok(Outcome::Refused(refused))) => {
                rests_on = rests_on.max(Some(refused.position));
                Err(op.problem(refused.into()))
            }
            Some(Err(error)) => Err(op.problem(error.into())),
            None => Err(Problem::internal()),
        });
        match done {
            Ok(done) => {
                rests_on = rests_on.max(Some(done.position));
                show(done, &mut body);
            }
            Err(problem) => {
                push(&mut body, format_args!(r#"{{"status":{},"problem":"#, problem.status()));
                problem.write(cx.request_id.as_str(), &mut body);
                body.push(b'}');
            }
        }
    }
    body.extend_from_slice(b"]}");
    let headers = Headers { position: rests_on, ..Headers::default() };
    Ok(Reply { status: 200, headers, body, content_type: JSON })
}

/// Writes what one operation of a batch has come to.
fn show(done: Done<Body>, out: &mut Vec<u8>) {
    let Done { value: body, position, at, version, changed, .. } = done;
    push(out, format_args!(r#"{{"status":{},"body":"#, body.status(changed)));
    body.write(&Told { position, at, version }, out);
    out.push(b'}');
}

/// A condition on the whole would be one on no stream.
fn unconditional(cx: &Cx, instead: &str) -> Result<(), Problem> {
    match (cx.said.if_match()?, cx.said.if_absent()?) {
        (None, false) => Ok(()),
        (Some(_), _) => Err(Problem::malformed(format!("If-Match: {instead}"))),
        (None, true) => Err(Problem::malformed(format!("If-None-Match: {instead}"))),
    }
}

fn push(out: &mut Vec<u8>, text: core::fmt::Arguments<'_>) {
    struct Bytes<'a>(&'a mut Vec<u8>);

    impl core::fmt::Write for Bytes<'_> {
        fn write_str(&mut self, text: &str) -> core::fmt::Result {
            self.0.extend_from_slice(text.as_bytes());
            Ok(())
        }
    }

    Bytes(out).write_fmt(text).expect("memory takes every text");
}

/// What the operations show: in the document only.
struct Shows;

impl JsonSchema for Shows {
    fn schema_name() -> Cow<'static, str> {
        "OperationShown".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "What the single route of the operation shows.",
            "anyOf": legs::shows(generator),
        })
    }
}

/// One leg of more than those whose values are shown.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct LegShown {
    /// Whether it changed something, as against "it was so already".
    changed: bool,
    /// The position of its event, or of what the answer rests on.
    position: u64,
}

/// A transaction that has happened.
#[derive(JsonSchema)]
#[schemars(rename = "Transaction")]
#[expect(dead_code, reason = "only its schema is used")]
struct TransactionShown {
    /// The position of its last event.
    position: u64,
    at: Time,
    results: Results,
}

#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum Results {
    /// What each leg shows, of up to 63.
    Shown(Vec<Shows>),
    /// Which legs have changed something, of more.
    Counted(Vec<LegShown>),
}

/// What the operations of a batch have come to, in their order.
#[derive(JsonSchema)]
#[schemars(rename = "Batch")]
#[expect(dead_code, reason = "only its schema is used")]
struct BatchShown {
    results: Vec<ItemShown>,
}

#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum ItemShown {
    /// It is done.
    Done { status: u16, body: Shows },
    /// It is not.
    Failed { status: u16, problem: problem::Shown<'static> },
}
