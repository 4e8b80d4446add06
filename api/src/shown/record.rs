//! Records and collections, as they are shown.

use std::borrow::Cow;

use quipu_ledger::record::{CollectionView, Stored, View};
use quipu_ledger::words::Id;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use serde::de::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::Told;
use crate::wire::{Text, Time};

/// Any JSON, kept as it is spelled.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Value(pub(crate) Box<RawValue>);

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(Self)
    }
}

impl JsonSchema for Value {
    fn schema_name() -> Cow<'static, str> {
        "Value".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Any JSON, of at most 64 KiB of text.",
            "examples": [{ "what": "shoes" }],
        })
    }
}

/// A JSON value under a key.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Record")]
pub(crate) struct RecordShown {
    collection: Text<Id>,
    key: Text<Id>,
    value: Value,
    expires_at: Option<Time>,
    version: u64,
    created_at: Time,
    updated_at: Time,
}

impl RecordShown {
    pub(crate) fn of(collection: Id, view: View, told: &Told) -> Self {
        let value = RawValue::from_string(view.value);
        Self {
            collection: Text(collection),
            key: Text(view.key),
            value: Value(value.expect("a record was put as JSON")),
            expires_at: view.expires_at.map(Time),
            version: told.version.get(),
            created_at: Time(view.created_at),
            updated_at: Time(view.updated_at),
        }
    }
}

/// A record that was just put.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "RecordPut")]
pub(crate) struct PutShown {
    collection: Text<Id>,
    key: Text<Id>,
    value: Value,
    /// Whether there was none before.
    created: bool,
    expires_at: Option<Time>,
    position: u64,
    at: Time,
    version: u64,
}

impl PutShown {
    pub(crate) fn of(
        (collection, key): (Id, Id),
        value: Value,
        stored: Stored,
        told: &Told,
    ) -> Self {
        Self {
            collection: Text(collection),
            key: Text(key),
            value,
            created: stored.created,
            expires_at: stored.expires_at.map(Time),
            position: told.position.get(),
            at: Time(told.at),
            version: told.version.get(),
        }
    }
}

/// A record that was just deleted.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "RecordDeleted")]
pub(crate) struct DeletedShown {
    collection: Text<Id>,
    key: Text<Id>,
    /// Always `true`.
    deleted: bool,
    position: u64,
    at: Time,
    version: u64,
}

impl DeletedShown {
    pub(crate) fn of((collection, key): (Id, Id), told: &Told) -> Self {
        Self {
            collection: Text(collection),
            key: Text(key),
            deleted: true,
            position: told.position.get(),
            at: Time(told.at),
            version: told.version.get(),
        }
    }
}

/// A collection of records.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Collection")]
pub(crate) struct CollectionShown {
    id: Text<Id>,
    /// The top-level fields that a list can go by.
    indexes: Vec<Text<Id>>,
    version: u64,
}

impl CollectionShown {
    pub(crate) fn of(view: CollectionView, told: &Told) -> Self {
        Self {
            id: Text(view.id),
            indexes: view.indexes.into_iter().map(Text).collect(),
            version: told.version.get(),
        }
    }
}
