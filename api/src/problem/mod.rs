//! Problems: what a client is told where there is no success (RFC 9457).

mod kinds;

pub(crate) use kinds::Kind;

use axum::body::Body;
use axum::http::{HeaderValue, Response, header};
use quipu_ledger::words::{Code, Fact, Fault, Id, Position, Version};
use quipu_ledger::{Error, Refused};
use schemars::JsonSchema;
use serde::Serialize;

use crate::reply::{self, Headers, RequestId};
use crate::wire::Text;

/// What a client is told where there is no success. It is seldom, so it is small where it is not.
#[derive(Clone, Debug)]
pub(crate) struct Problem(Box<Inner>);

#[derive(Clone, Debug)]
struct Inner {
    kind: Kind,
    detail: String,
    leg: Option<usize>,
    facts: Facts,
    headers: Headers,
}

/// What a refusal rests on.
#[derive(Clone, Default, Debug, Serialize, JsonSchema)]
pub(crate) struct Facts {
    /// How much was available.
    #[serde(skip_serializing_if = "Option::is_none")]
    available: Option<Text<quipu_ledger::words::Signed>>,
    /// How much, or how many, were left.
    #[serde(skip_serializing_if = "Option::is_none")]
    remaining: Option<u64>,
    /// How many units are taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    taken: Option<u64>,
    /// The id of the operation that came first.
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<Text<Id>>,
    /// The position of the operation that came first.
    #[serde(skip_serializing_if = "Option::is_none")]
    first_position: Option<u64>,
    /// The version that the stream is at.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
    /// The instant that it turns on.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<Text<quipu_ledger::words::Timestamp>>,
    /// The newest fence.
    #[serde(skip_serializing_if = "Option::is_none")]
    fence: Option<u64>,
    /// Where the history that is still kept begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    history_start: Option<u64>,
}

/// The body of a problem.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
pub(crate) struct Shown<'a> {
    /// A reference to what the code means.
    #[serde(rename = "type")]
    kind: String,
    /// What the code means, in a few words.
    title: &'a str,
    /// The status of the answer.
    status: u16,
    /// What was wrong this time.
    detail: &'a str,
    /// What programs go by.
    code: &'a str,
    /// Names this answer in the server's log.
    request_id: &'a str,
    /// Whether the same request may succeed a little later.
    #[serde(skip_serializing_if = "Option::is_none")]
    retryable: Option<bool>,
    /// The lowest leg of a transaction that was refused, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    leg: Option<usize>,
    #[serde(flatten)]
    facts: &'a Facts,
}

impl Problem {
    pub(crate) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        let (facts, headers) = (Facts::default(), Headers::default());
        Self(Box::new(Inner { kind, detail: detail.into(), leg: None, facts, headers }))
    }

    pub(crate) fn malformed(detail: impl Into<String>) -> Self {
        Self::new(Kind::of(Code::Malformed), detail)
    }

    pub(crate) fn bad_cursor() -> Self {
        Self::new(Kind::BAD_CURSOR, "the cursor is none of this list with these filters")
    }

    pub(crate) fn overloaded() -> Self {
        Self::new(Kind::OVERLOADED, Fault::Overloaded.to_string())
    }

    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(Kind::of(Code::NotFound), detail)
    }

    pub(crate) fn stopping() -> Self {
        Self::new(Kind::STOPPING, Fault::Stopping.to_string())
    }

    pub(crate) fn internal() -> Self {
        Self::new(Kind::INTERNAL, Fault::Internal.to_string())
    }

    /// As of this position.
    pub(crate) fn at(mut self, position: Position) -> Self {
        self.0.headers.position = Some(position);
        self
    }

    /// The first operation has an id, which begins with this letter.
    pub(crate) fn first(mut self, letter: char) -> Self {
        if let Some(position) = self.0.facts.first_position {
            let first = Id::made(letter, Position::new(position));
            if self.0.kind == Kind::of(Code::AlreadyExists) {
                self.0.detail = format!("the reference was used before, by {first}");
            }
            self.0.facts.first = Some(Text(first));
        }
        self
    }

    /// Where a rule of the stream has found it malformed, this is what it minds.
    pub(crate) fn minds(mut self, detail: &str) -> Self {
        // What was malformed before anything was asked rests on nothing, and says what it is.
        if self.0.kind == Kind::of(Code::Malformed) && self.0.headers.position.is_some() {
            detail.clone_into(&mut self.0.detail);
        }
        self
    }

    /// Where it says that there is no such thing: that no version of it is the one that was asked
    /// for.
    pub(crate) fn or_stale(mut self) -> Self {
        if self.0.kind == Kind::of(Code::NotFound) {
            self.0.kind = Kind::of(Code::VersionMismatch);
            self.0.detail = "there is none, so it is not at this version".to_owned();
        }
        self
    }

    pub(crate) fn status(&self) -> u16 {
        self.0.kind.status
    }

    pub(crate) fn code(&self) -> &'static str {
        self.0.kind.code
    }

    /// Whether nothing was done, and the same may succeed a little later.
    pub(crate) fn asks_again(&self) -> bool {
        self.0.kind.retry_after()
    }

    /// What goes wrong inside is logged with its cause, which clients do not see.
    pub(crate) fn detail(&self) -> &str {
        &self.0.detail
    }

    /// Writes the body.
    pub(crate) fn write(&self, request_id: &str, out: &mut Vec<u8>) {
        let Inner { kind, detail, leg, facts, .. } = &*self.0;
        let shown = Shown {
            kind: format!("/docs#{}", kind.code),
            title: kind.title,
            status: kind.status,
            detail,
            code: kind.code,
            request_id,
            retryable: kind.retryable,
            leg: *leg,
            facts,
        };
        reply::write(&shown, out);
    }

    pub(crate) fn into_response(self, request_id: &RequestId) -> Response<Body> {
        let mut body = Vec::with_capacity(256);
        self.write(request_id.as_str(), &mut body);
        let mut response = self.0.headers.response(self.0.kind.status, body, request_id);
        let headers = response.headers_mut();
        let json = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, json);
        if self.0.kind.retry_after() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if self.0.kind == Kind::UNAUTHENTICATED {
            let realm = HeaderValue::from_static("Bearer realm=\"quipu\"");
            headers.insert(header::WWW_AUTHENTICATE, realm);
        }
        response
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        let Refused { code, fact, leg, position, version, replayed, .. } = refused;
        let mut facts = Facts::default();
        match fact {
            Fact::None => {}
            Fact::Available(amount) => facts.available = Some(Text(amount)),
            Fact::Remaining(units) if code == Code::BelowTaken => facts.taken = Some(units),
            Fact::Remaining(units) => facts.remaining = Some(units),
            Fact::First(position) => facts.first_position = Some(position.get()),
            Fact::Version(version) => facts.version = Some(version.get()),
            Fact::At(at) => facts.since = Some(Text(at)),
            Fact::Fence(fence) => facts.fence = Some(fence.get()),
        }
        let version = Some(version).filter(|version| *version != Version::ZERO);
        let headers = Headers { position: Some(position), version, replayed };
        let kind = Kind::of(code);
        Self(Box::new(Inner { kind, detail: kinds::detail(code, fact), leg, facts, headers }))
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::Malformed(why) => return Self::malformed(why),
            Error::Refused(refused) => return (*refused).into(),
            Error::Trimmed(first) => {
                let mut problem = Self::new(Kind::of(Code::HistoryTrimmed), error.to_string());
                problem.0.facts.history_start = Some(first.get());
                return problem;
            }
            Error::Fault(fault) => match fault {
                Fault::Overloaded => Kind::OVERLOADED,
                Fault::DiskFull => Kind::DISK_FULL,
                Fault::LogFailed => Kind::LOG_FAILED,
                Fault::TooLarge => Kind::TOO_LARGE,
                Fault::Stopping => Kind::STOPPING,
                Fault::Internal | Fault::Corrupt => Kind::INTERNAL,
            },
            Error::Closed => Kind::STOPPING,
            Error::Open(_) | Error::Threads(_) => {
                // It may name files of this machine.
                tracing::error!(%error, "the ledger could not be read");
                return Self::new(Kind::UNAVAILABLE, "the ledger could not be read; see its log");
            }
            _ => Kind::INTERNAL,
        };
        Self::new(kind, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_succeed_later_says_when_to_ask_again() {
        for (problem, after) in [
            (Problem::overloaded(), Some("1")),
            (Problem::stopping(), Some("1")),
            (Problem::internal(), None),
            (Problem::bad_cursor(), None),
        ] {
            let (status, code) = (problem.status(), problem.code());
            let response = problem.into_response(&RequestId::STARTING);
            assert_eq!(response.status().as_u16(), status);
            let header = response.headers().get(header::RETRY_AFTER);
            assert_eq!(header.and_then(|header| header.to_str().ok()), after, "{code}");
        }
    }
}
