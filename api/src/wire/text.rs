//! Words that are texts in JSON, and metadata.

use core::fmt;
use core::marker::PhantomData;
use core::str::FromStr;
use std::borrow::Cow;

use quipu_ledger::words::{Amount, Asset, Id, Metadata, Signed, Timestamp};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

/// A word that JSON shows as a text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Text<T>(pub(crate) T);

/// What the document says of a word.
pub(crate) trait Word {
    const NAME: &'static str;
    fn schema() -> Schema;
}

impl Word for Id {
    const NAME: &'static str = "Id";

    fn schema() -> Schema {
        json_schema!({
            "type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[A-Za-z0-9._:@-]+$",
            "examples": ["alice"],
        })
    }
}

impl Word for Asset {
    const NAME: &'static str = "Asset";

    fn schema() -> Schema {
        json_schema!({
            "type": "string", "pattern": "^[A-Z][A-Z0-9_]{0,16}(/[0-9]{1,2})?$",
            "description": "A unit of account; the digits say how many stand behind the point.",
            "examples": ["USD/2"],
        })
    }
}

impl Word for Amount {
    const NAME: &'static str = "Amount";

    fn schema() -> Schema {
        json_schema!({
            "type": "string", "pattern": "^[0-9]{1,39}$",
            "description": "Whole minor units.", "examples": ["1250"],
        })
    }
}

impl Word for Signed {
    const NAME: &'static str = "SignedAmount";

    fn schema() -> Schema {
        json_schema!({
            "type": "string", "pattern": "^-?[0-9]{1,39}$",
            "description": "Whole minor units, with a sign below zero.", "examples": ["-50"],
        })
    }
}

impl Word for Timestamp {
    const NAME: &'static str = "Time";

    fn schema() -> Schema {
        json_schema!({
            "type": "string", "format": "date-time",
            "pattern": "^(19[7-9][0-9]|[2-9][0-9]{3})-.+$",
            "description": "RFC 3339, in UTC, with milliseconds.",
            "examples": ["2030-01-01T00:00:00.000Z"],
        })
    }
}

impl<T: Word> JsonSchema for Text<T> {
    fn schema_name() -> Cow<'static, str> {
        T::NAME.into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        T::schema()
    }
}

impl<T: fmt::Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de, T: FromStr<Err: fmt::Display>> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reads<T>(PhantomData<T>);

        impl<T: FromStr<Err: fmt::Display>> Visitor<'_> for Reads<T> {
            type Value = T;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a text")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
                text.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_str(Reads(PhantomData)).map(Self)
    }
}

/// Metadata: pairs of text.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Pairs(pub(crate) Metadata);

impl JsonSchema for Pairs {
    fn schema_name() -> Cow<'static, str> {
        "Metadata".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object", "additionalProperties": { "type": "string" },
            "maxProperties": Metadata::PAIRS_MAX,
            "description": "Pairs of text that hang on it: 4 KiB together.",
            "examples": [{ "order": "7" }],
        })
    }
}

impl Serialize for Pairs {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in self.0.pairs() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reads;

        impl<'de> Visitor<'de> for Reads {
            type Value = Metadata;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object of texts")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Metadata, A::Error> {
                let mut pairs: Vec<(Cow<'de, str>, Cow<'de, str>)> = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    if pairs.len() == Metadata::PAIRS_MAX {
                        return Err(A::Error::custom("metadata is at most 32 pairs of text"));
                    }
                    pairs.push(pair);
                }
                let pairs = pairs.iter().map(|(name, value)| (&**name, &**value));
                Metadata::new(pairs).map_err(A::Error::custom)
            }
        }

        deserializer.deserialize_map(Reads).map(Self)
    }
}
