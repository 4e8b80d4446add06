//! Lists in bodies, bounded while they are read.

use core::fmt;
use core::marker::PhantomData;
use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

/// At most so many. What is behind them is not even read: a few bytes of JSON each may take a
/// hundred times that in memory.
#[derive(Clone, Debug)]
pub(crate) struct Many<T, const MAX: usize>(pub(crate) Vec<T>);

impl<'de, T: Deserialize<'de>, const MAX: usize> Deserialize<'de> for Many<T, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reads<T, const MAX: usize>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for Reads<T, MAX> {
            type Value = Vec<T>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(out, "a list of at most {MAX}")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
                let mut all = Vec::new();
                while all.len() < MAX {
                    let Some(one) = list.next_element()? else { return Ok(all) };
                    all.push(one);
                }
                match list.next_element::<serde::de::IgnoredAny>()? {
                    None => Ok(all),
                    Some(_) => Err(A::Error::custom(format_args!("there are more than {MAX}"))),
                }
            }
        }

        deserializer.deserialize_seq(Reads::<T, MAX>(PhantomData)).map(Self)
    }
}

impl<T: JsonSchema, const MAX: usize> JsonSchema for Many<T, MAX> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("{MAX}_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let item = generator.subschema_for::<T>();
        json_schema!({ "type": "array", "items": item, "maxItems": MAX })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_up_to_its_bound() {
        let read = |json: &str| serde_json::from_str::<Many<u8, 3>>(json).map(|many| many.0);
        assert_eq!(read("[]").ok(), Some(vec![]));
        assert_eq!(read("[1,2,3]").ok(), Some(vec![1, 2, 3]));
        let why = read("[1,2,3,4").expect_err("it is longer").to_string();
        assert!(why.contains("more than 3"), "{why}");
        assert!(read("{}").is_err() && read("null").is_err() && read("[1,2,300]").is_err());
    }
}
