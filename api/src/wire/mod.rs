//! The words of the ledger as JSON: how each is read, shown, and described.

mod amount;
mod many;
mod text;
mod time;

pub(crate) use amount::{Given, Signed};
pub(crate) use many::Many;
pub(crate) use text::{Pairs, Text};
pub(crate) use time::{SECONDS_MAX, Time};

use serde::{Deserialize, Deserializer};

/// A member that may be absent, `null`, or there: a merge patch tells them apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Patch<T> {
    /// It stays as it is.
    #[default]
    Absent,
    /// It is taken away.
    Null,
    /// It becomes this.
    Value(T),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Patch<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Self::Null, Self::Value))
    }
}

impl<T: schemars::JsonSchema> schemars::JsonSchema for Patch<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("Patch_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        Option::<T>::json_schema(generator)
    }
}
