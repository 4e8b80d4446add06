//! Events, as they are shown: one table of all types there are, and what each shows.

use std::borrow::Cow;

use quipu_ledger::events::{
    Happened, Posting, Postings, Side, account, collection, drop, export, flow, record, source,
    ticket,
};
use quipu_ledger::words::{
    Amount, Asset, Hex, Id, Metadata, Period, Position, Signed, Timestamp, Trace,
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::value::RawValue;
use serde_json::{Value as Json, json};

use crate::wire::{Text, Time};

/// What an event did to one stream. An event of several streams, such as a transfer, is shown once
/// for each of them, at one position.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Event")]
pub(crate) struct EventShown {
    position: u64,
    /// The kind of the stream.
    kind: &'static str,
    /// The id of the stream; that of a record is `collection/key`. Absent where the stream has
    /// ended and the history of its beginning was trimmed.
    #[schemars(with = "Option<StreamName>")]
    stream: Option<Text<Id>>,
    /// What happened.
    #[serde(rename = "type")]
    type_name: &'static str,
    at: Time,
    data: Data,
    /// What moved; absent where no money did.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    postings: Vec<PostingShown>,
    /// The `traceparent` of the request that led to it, where it had one.
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<String>,
}

/// The name of a stream: in the document only.
pub(crate) struct StreamName;

impl JsonSchema for StreamName {
    fn schema_name() -> Cow<'static, str> {
        "StreamName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string", "minLength": 1, "maxLength": 257,
            "pattern": "^[A-Za-z0-9._:@-]+(/[A-Za-z0-9._:@-]+)?$",
            "description": "The id of a stream; that of a record is collection/key.",
            "examples": ["alice"],
        })
    }
}

/// Where an event lies in the log, when it was decided, and the trace that it is part of.
pub(crate) type Place = (Position, Timestamp, Option<Trace>);

/// One signed movement. Those of an event sum to zero, together with those of its other streams.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Posting")]
struct PostingShown {
    side: SideName,
    asset: Text<Asset>,
    /// Negative where it leaves.
    amount: Text<Signed>,
}

/// Where a posting lands.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "Side")]
enum SideName {
    /// The stream whose event it is.
    Stream,
    /// The world outside.
    Outside,
    /// Another stream of the same event.
    Transit,
}

impl From<&Posting> for PostingShown {
    fn from(posting: &Posting) -> Self {
        let side = match posting.side {
            Side::Stream => SideName::Stream,
            Side::Outside => SideName::Outside,
            Side::Transit => SideName::Transit,
        };
        let amount = Text(Signed::new(posting.amount));
        Self { side, asset: Text(posting.asset), amount }
    }
}

impl EventShown {
    /// None where it is nothing that clients are told of.
    pub(crate) fn of(
        (position, at, trace): Place,
        stream: Option<Id>,
        happened: &Happened,
        moved: &Postings,
    ) -> Option<Self> {
        let (kind, type_name) = name_of(happened)?;
        Some(Self {
            position: position.get(),
            kind,
            stream: stream.map(Text),
            type_name,
            at: Time(at),
            data: data_of(happened),
            postings: moved.list().iter().map(PostingShown::from).collect(),
            trace: trace.map(|trace| trace.to_string()),
        })
    }

    /// The kind and the type of what happened.
    pub(crate) fn name(happened: &Happened) -> Option<(&'static str, &'static str)> {
        name_of(happened)
    }
}

/// The fields of an event, by their names in the API.
#[derive(Default)]
struct Data(Vec<(&'static str, Field)>);

/// A value, or a record's text as it was put.
#[derive(Serialize)]
#[serde(untagged)]
enum Field {
    Json(Json),
    Text(Box<RawValue>),
}

impl Serialize for Data {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl JsonSchema for Data {
    fn schema_name() -> Cow<'static, str> {
        "EventData".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object", "additionalProperties": true,
            "description": "The fields of the event, which its type decides.",
            "examples": [{ "amount": "1250", "balance_after": "1250" }],
        })
    }
}

/// Each kind, and of each the types of its events: what is shown of each, and what is not.
macro_rules! events {
    ($($kind:literal $variant:ident $module:ident {
        $($type:literal $event:ident {
            $($field:ident $(as $name:literal)? $(by $how:expr)?),* $(; $($hidden:ident),+)?
        })*
    })*) => {
        /// The kinds of streams whose events are shown.
        pub(crate) const KINDS: &[(&str, &str)] = &[$(($kind, $kind)),*];

        /// The types of events, by kind.
        pub(crate) const TYPES: &[(&str, &str)] = &[$($(($kind, $type),)*)*];

        fn name_of(happened: &Happened) -> Option<(&'static str, &'static str)> {
            match happened {
                $(Happened::$variant(event) => match event {
                    $($module::Event::$event(_) => Some(($kind, $type)),)*
                },)*
                _ => None,
            }
        }

        #[allow(unused_mut)]
        fn data_of(happened: &Happened) -> Data {
            let mut data = Data::default();
            match happened {
                // All fields are named, so that none is forgotten.
                $(Happened::$variant(event) => match event {
                    $($module::Event::$event($module::$event {
                        $($field,)* $($($hidden: _,)+)?
                    }) => {
                        $(data.add(name!($field $($name)?), shown!($field $($how)?));)*
                    })*
                },)*
                _ => {}
            }
            data
        }
    };
}

macro_rules! name {
    ($field:ident $name:literal) => {
        $name
    };
    ($field:ident) => {
        stringify!($field)
    };
}

macro_rules! shown {
    ($field:ident $how:expr) => {
        $how($field)
    };
    ($field:ident) => {
        $field.show()
    };
}

impl Data {
    fn add(&mut self, name: &'static str, value: impl Into<Option<Field>>) {
        self.0.extend(value.into().map(|value| (name, value)));
    }
}

events! {
    "account" Account account {
        "opened" Opened { asset, floor, cap, spend_cap, expires_at, metadata }
        "changed" Changed {
            floor, cap by change, spend_cap by change, expires_at by change, metadata
        }
        "closed" Closed {}
        "expired" Expired {}
        "deposited" Deposited { amount, balance_after, reference, metadata }
        "charged" Charged { amount, balance_after, reference, metadata }
        "refunded" Refunded { charge by charge_id, amount, balance_after }
        "hold_placed" HoldPlaced { amount, expires_at }
        "hold_captured" HoldCaptured { hold by hold_id, amount, balance_after }
        "hold_released" HoldReleased { hold by hold_id, amount }
        "hold_expired" HoldExpired { hold by hold_id, amount }
        "withdrawal_planned" WithdrawalPlanned { amount, destination; secret }
        "withdrawal_leased" WithdrawalLeased { withdrawal by withdrawal_id, until, worker }
        "withdrawal_completed" WithdrawalCompleted {
            withdrawal by withdrawal_id, amount, balance_after, reference
        }
        "withdrawal_failed" WithdrawalFailed { withdrawal by withdrawal_id, amount, error }
        "withdrawal_retried" WithdrawalRetried { withdrawal by withdrawal_id, error }
        "withdrawal_unknown" WithdrawalUnknown { withdrawal by withdrawal_id, error }
        "lease_expired" LeaseExpired { withdrawal by withdrawal_id }
        "withdrawal_reconciled" WithdrawalReconciled {
            withdrawal by withdrawal_id, amount, balance_after, completed
        }
        "sent" Sent { amount, balance_after, metadata }
        "received" Received { amount, balance_after }
        "flow_funded" FlowFunded { amount, balance_after }
        "flow_raised" FlowRaised { amount, balance_after }
        "flow_recovered" FlowRecovered { amount, balance_after, ended }
        "gave_back" GaveBack { amount, balance_after }
        "took_back" TookBack { amount, balance_after }
        "restored" Restored { amount, balance_after }
        "spent" Spent { amount, balance_after }
        "withdrawal_inherited" WithdrawalInherited { withdrawal by withdrawal_id }
    }
    "flow" Flow flow {
        "opened" Opened {
            asset, total, duration_ms as "duration_seconds" by seconds,
            cliff_ms as "cliff_seconds" by seconds, start_at, payer, recipient, metadata
        }
        "started" Started { start_at }
        "paused" Paused { active_ms }
        "resumed" Resumed { paused_ms }
        "settled" Settled { amount, settled, ended }
        "withdrawn" Withdrawn { amount, withdrawn }
        "topped_up" ToppedUp { amount, total, duration_ms as "duration_seconds" by seconds }
        "stopped" Stopped { amount, settled, refunded }
        "cancelled" Cancelled { refunded }
    }
    "ticket" Ticket ticket {
        "issued" Issued { asset, amount, expires_at, reference, metadata }
        "claimed" Claimed { claimant; token_hash }
        "revoked" Revoked { reason }
        "expired" Expired {}
        "evidence_kept" EvidenceKept { reference }
    }
    "drop" Drop drop {
        "created" Created { stock, opens_at, closes_at, price, seller, per_claimant, metadata }
        "opened" Opened {}
        "closed" Closed {}
        "claimed" Claimed { number, claimant, quantity, remaining, units, payment }
        "released" Released { claim by claim_id, claimant, quantity, remaining, units }
        "stock_set" StockSet { stock, remaining }
    }
    "record" Record record {
        "put" Put { value by raw, expires_at; fields }
        "deleted" Deleted {}
        "expired" Expired {}
    }
    "collection" Collection collection {
        "defined" Defined { indexes; era }
        "used" Used {}
        "reset" Reset {}
    }
    "source" Source source {
        "advanced" Advanced { cursor }
    }
    "export" Export export {
        "requested" Requested { what by word, format by word, filter }
        "begun" Begun { worker, as_of }
        "progressed" Progressed { done, total }
        "finished" Finished { rows, bytes, sha256, expires_at }
        "failed" Failed { reason, expires_at }
        "downloaded" Downloaded { by }
        "expired" Expired {}
    }
}

/// The id that a machine has made from a position.
fn made(letter: char, position: Position) -> Option<Field> {
    Some(Field::Json(Json::String(Id::made(letter, position).to_string())))
}

fn charge_id(position: &Position) -> Option<Field> {
    made(account::CHARGE_LETTER, *position)
}

fn hold_id(position: &Position) -> Option<Field> {
    made(account::HOLD_LETTER, *position)
}

fn withdrawal_id(position: &Position) -> Option<Field> {
    made(account::WITHDRAWAL_LETTER, *position)
}

fn claim_id(position: &Position) -> Option<Field> {
    Some(Field::Json(Json::String(drop::Drop::claim_id(*position).to_string())))
}

fn seconds(ms: &u64) -> Option<Field> {
    (ms / 1_000).show()
}

fn raw(text: &str) -> Option<Field> {
    let text = RawValue::from_string(text.to_owned());
    Some(Field::Text(text.expect("a record was put as JSON")))
}

/// A word of an enum, as the API spells it.
fn word(word: &impl core::fmt::Debug) -> Option<Field> {
    Some(Field::Json(Json::String(format!("{word:?}").to_ascii_lowercase())))
}

/// How a field is shown; none where it is absent.
trait Show {
    fn json(&self) -> Option<Json>;

    fn show(&self) -> Option<Field> {
        self.json().map(Field::Json)
    }
}

macro_rules! show {
    ($($of:ty: $value:ident => $json:expr;)*) => {$(
        impl Show for $of {
            fn json(&self) -> Option<Json> {
                let $value = self;
                Some($json)
            }
        }
    )*};
}

show! {
    Amount: value => json!(value.to_string());
    Signed: value => json!(value.to_string());
    Asset: value => json!(value.to_string());
    Id: value => json!(value.as_str());
    String: value => json!(value);
    bool: value => json!(value);
    u32: value => json!(value);
    u64: value => json!(value);
    Position: value => json!(value.get());
    [u8; 32]: value => json!(Hex(value).to_string());
    Metadata: value => Json::Object(
        value.pairs().map(|(name, value)| (name.to_owned(), json!(value))).collect(),
    );
    account::SpendCap: value => json!({
        "amount": value.amount.to_string(),
        "period": match value.period {
            Period::Day => "day",
            Period::Week => "week",
            Period::Month => "month",
        },
    });
    drop::Price: value => json!({
        "amount": value.amount.to_string(),
        "asset": value.asset.to_string(),
    });
    drop::Payment: value => json!({
        "pay_from": value.payer.as_str(),
        "amount": value.amount.to_string(),
    });
    collection::Indexes: value => Json::Array(
        value.names().map(|name| json!(name.as_str())).collect(),
    );
}

impl Show for Timestamp {
    fn json(&self) -> Option<Json> {
        (*self != Self::NEVER).then(|| json!(self.to_string()))
    }
}

impl<T: Show> Show for Box<T> {
    fn json(&self) -> Option<Json> {
        (**self).json()
    }
}

impl<T: Show> Show for Option<T> {
    fn json(&self) -> Option<Json> {
        self.as_ref().and_then(Show::json)
    }
}

/// What was changed: to a value, or to none.
fn change<T: Show>(change: &Option<Option<T>>) -> Option<Field> {
    let value = change.as_ref()?.as_ref();
    Some(Field::Json(value.and_then(Show::json).unwrap_or(Json::Null)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_has_one_name_within_its_kind() {
        for (index, (kind, name)) in TYPES.iter().enumerate() {
            assert!(KINDS.iter().any(|(known, _)| known == kind), "{kind}");
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
            assert!(!TYPES[index + 1..].contains(&(kind, name)), "{kind} {name}");
        }
    }
}
