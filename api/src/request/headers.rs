//! What the headers of a request say: its key, the version it is for.

use axum::http::{HeaderMap, HeaderName, header};
use quipu_ledger::words::{Position, Trace};

use crate::problem::Problem;

const KEY: HeaderName = HeaderName::from_static("idempotency-key");

const TRACE: HeaderName = HeaderName::from_static("traceparent");

/// The headers of a request.
pub(crate) struct Said(pub(crate) HeaderMap);

impl Said {
    /// The idempotency key, bare or quoted.
    pub(crate) fn key(&self) -> Result<Option<&str>, Problem> {
        let Some(text) = self.one(&KEY)? else { return Ok(None) };
        let bare = match text.strip_prefix('"') {
            Some(rest) => rest.strip_suffix('"').unwrap_or(""),
            None => text,
        };
        let is_visible = bare.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_visible || bare.is_empty() || bare.len() > 255 {
            return Err(Problem::malformed(
                "Idempotency-Key: a key is 1 to 255 visible characters, bare or in quotes",
            ));
        }
        Ok(Some(bare))
    }

    /// The version that the stream has to be at.
    pub(crate) fn if_match(&self) -> Result<Option<Position>, Problem> {
        let Some(text) = self.one(&header::IF_MATCH)? else { return Ok(None) };
        let version = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        let version = version.and_then(|digits| match digits.bytes().all(|b| b.is_ascii_digit()) {
            true => digits.parse().ok(),
            false => None,
        });
        let version = version.ok_or_else(|| {
            Problem::malformed("If-Match: it takes one version in quotes, such as \"42\"")
        })?;
        Ok(Some(Position::new(version)))
    }

    /// Whether it is only to be made where there is none.
    pub(crate) fn if_absent(&self) -> Result<bool, Problem> {
        match self.one(&header::IF_NONE_MATCH)? {
            None => Ok(false),
            Some("*") => Ok(true),
            Some(_) => Err(Problem::malformed("If-None-Match: it takes a * and nothing else")),
        }
    }

    /// Which trace it is part of. One that is malformed is none, as the specification has it.
    pub(crate) fn trace(&self) -> Option<Trace> {
        let mut values = self.0.get_all(TRACE).iter();
        let (Some(value), None) = (values.next(), values.next()) else { return None };
        value.to_str().ok()?.trim().parse().ok()
    }

    /// A header that comes once at most.
    fn one(&self, name: &HeaderName) -> Result<Option<&str>, Problem> {
        let mut values = self.0.get_all(name).iter();
        let Some(value) = values.next() else { return Ok(None) };
        if values.next().is_some() {
            return Err(Problem::malformed(format!("{name}: it comes more than once")));
        }
        let text = value.to_str().map(str::trim);
        let text = text.map_err(|_| Problem::malformed(format!("{name}: it is no plain text")))?;
        Ok(Some(text))
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn said(name: HeaderName, values: &[&'static str]) -> Said {
        let mut map = HeaderMap::new();
        for value in values {
            let value = HeaderValue::from_bytes(value.as_bytes());
            map.append(&name, value.expect("no control characters"));
        }
        Said(map)
    }

    #[test]
    fn a_key_is_bare_or_quoted() {
        for (given, key) in [("k", "k"), ("\"k\"", "k"), (" k-1 ", "k-1"), ("a\"b", "a\"b")] {
            let said = said(KEY, &[given]);
            assert_eq!(said.key().ok().flatten(), Some(key), "{given}");
        }
        for wrong in ["", "\"", "\"\"", "a b", "\"a", "é"] {
            assert!(said(KEY, &[wrong]).key().is_err(), "{wrong}");
        }
        assert!(said(KEY, &["a", "b"]).key().is_err());
        assert!(said(KEY, &[]).key().is_ok_and(|key| key.is_none()));
    }

    #[test]
    fn a_version_is_one_number_in_quotes() {
        let version = said(header::IF_MATCH, &["\"42\""]).if_match();
        assert_eq!(version.ok().flatten(), Some(Position::new(42)));
        for wrong in ["42", "W/\"42\"", "*", "\"\"", "\"-1\"", "\"+1\"", "\"1\", \"2\""] {
            assert!(said(header::IF_MATCH, &[wrong]).if_match().is_err(), "{wrong}");
        }
    }
}
