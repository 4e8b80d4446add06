//! Amounts as clients give them: a JSON integer, or a text of digits.

use core::fmt;
use std::borrow::Cow;

use quipu_ledger::words::Amount;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// The largest integer that every JSON parser reads exactly.
const INTEGER_MAX: u64 = (1 << 53) - 1;

/// An amount above zero.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Given(pub(crate) Amount);

/// A number of minor units that may be below zero, or nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Signed(pub(crate) i128);

const AMOUNT: &str = "an amount is a whole number of minor units above 0 and below 2^127: \
                      an integer up to 2^53-1, or a string of digits";
const SIGNED: &str = "a whole number of minor units: an integer between -(2^53-1) and 2^53-1, \
                      or a string of digits, with a minus sign below zero";

impl<'de> Deserialize<'de> for Given {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Units(AMOUNT)).and_then(|(is_negative, units)| {
            let amount = if is_negative { None } else { Amount::new(units).ok() };
            amount.map(Self).ok_or_else(|| D::Error::custom(AMOUNT))
        })
    }
}

impl<'de> Deserialize<'de> for Signed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Units(SIGNED)).and_then(|(is_negative, units)| {
            let units = i128::try_from(units).map_err(|_| D::Error::custom(SIGNED))?;
            Ok(Self(if is_negative { -units } else { units }))
        })
    }
}

/// Reads a sign and digits.
struct Units(&'static str);

impl Visitor<'_> for Units {
    type Value = (bool, u128);

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.0)
    }

    fn visit_u64<E: Error>(self, units: u64) -> Result<Self::Value, E> {
        if units > INTEGER_MAX {
            return Err(E::custom(self.0));
        }
        Ok((false, units.into()))
    }

    fn visit_i64<E: Error>(self, units: i64) -> Result<Self::Value, E> {
        let (_, units) = (self.visit_u64::<E>(units.unsigned_abs())?, units);
        Ok((units < 0, units.unsigned_abs().into()))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        let (is_negative, digits) =
            text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
        let is_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let units = digits.parse().ok().filter(|_| is_digits);
        units.map(|units| (is_negative, units)).ok_or_else(|| E::custom(self.0))
    }
}

impl JsonSchema for Given {
    fn schema_name() -> Cow<'static, str> {
        "GivenAmount".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "oneOf": [
                { "type": "integer", "minimum": 1, "maximum": INTEGER_MAX },
                { "type": "string", "pattern": "^0*[1-9][0-9]{0,37}$" },
            ],
            "description": "Whole minor units, above 0 and below 2^127.",
            "examples": ["1250"],
        })
    }
}

impl JsonSchema for Signed {
    fn schema_name() -> Cow<'static, str> {
        "GivenSignedAmount".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "oneOf": [
                { "type": "integer", "minimum": -(INTEGER_MAX as i64), "maximum": INTEGER_MAX },
                { "type": "string", "pattern": "^-?[0-9]{1,38}$" },
            ],
            "description": "Whole minor units, below zero with a sign.",
            "examples": ["-5000"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(json: &str) -> Option<u128> {
        serde_json::from_str::<Given>(json).ok().map(|given| given.0.get())
    }

    #[test]
    fn an_amount_is_an_exact_integer_or_digits() {
        assert_eq!(amount("1"), Some(1));
        assert_eq!(amount("\"007\""), Some(7));
        assert_eq!(amount("9007199254740991"), Some(9_007_199_254_740_991));
        let largest = (1_u128 << 127) - 1;
        assert_eq!(amount(&format!("\"{largest}\"")), Some(largest));
        for wrong in [
            "0",
            "-1",
            "1.0",
            "1e3",
            "9007199254740992",
            "\"\"",
            "\"0\"",
            "\"-1\"",
            "\"+1\"",
            "\"1.5\"",
            "\" 1\"",
            "null",
            "true",
            "[]",
            "{}",
            "\"170141183460469231731687303715884105728\"",
            "\"99999999999999999999999999999999999999999999\"",
        ] {
            assert_eq!(amount(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_signed_amount_has_a_sign_below_zero() {
        let signed = |json: &str| serde_json::from_str::<Signed>(json).ok().map(|signed| signed.0);
        assert_eq!(signed("-5"), Some(-5));
        assert_eq!(signed("\"-5\""), Some(-5));
        assert_eq!(signed("0"), Some(0));
        for wrong in ["-9007199254740992", "\"--5\"", "\"-\"", "1.0", "null"] {
            assert_eq!(signed(wrong), None, "{wrong}");
        }
    }
}
