//! Replies: a status, a body, and the headers that say what the answer rests on.

mod request_id;

pub(crate) use request_id::{RequestId, RequestIds};

use std::io::Write as _;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use quipu_ledger::words::{Position, Version};
use serde::Serialize;
use smallvec::SmallVec;

const POSITION: HeaderName = HeaderName::from_static("quipu-position");
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What most bodies are.
pub(crate) const JSON: &str = "application/json";

/// A success.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Headers,
    pub(crate) body: Vec<u8>,
    pub(crate) content_type: &'static str,
}

/// What the headers of an answer say of it.
#[derive(Clone, Default, Debug)]
pub(crate) struct Headers {
    /// What it rests on.
    pub(crate) position: Option<Position>,
    /// The version of the stream.
    pub(crate) version: Option<Version>,
    /// Whether it was answered before.
    pub(crate) replayed: bool,
}

impl Reply {
    pub(crate) fn json(status: u16, body: &impl Serialize) -> Self {
        let mut out = Vec::with_capacity(256);
        write(body, &mut out);
        Self { status, headers: Headers::default(), body: out, content_type: JSON }
    }

    pub(crate) fn text(content_type: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self { status: 200, headers: Headers::default(), body: body.into(), content_type }
    }

    /// As of this position.
    pub(crate) fn at(mut self, position: Position) -> Self {
        self.headers.position = Some(position);
        self
    }

    pub(crate) fn version(mut self, version: Version) -> Self {
        self.headers.version = Some(version);
        self
    }

    pub(crate) fn into_response(self, request_id: &RequestId) -> Response<Body> {
        let mut response = self.headers.response(self.status, self.body, request_id);
        let content_type = HeaderValue::from_static(self.content_type);
        response.headers_mut().insert(header::CONTENT_TYPE, content_type);
        response
    }
}

impl Headers {
    pub(crate) fn response(
        self,
        status: u16,
        body: Vec<u8>,
        request_id: &RequestId,
    ) -> Response<Body> {
        let mut response = Response::new(Body::from(body));
        *response.status_mut() =
            StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        // Room for what is added here and behind, at once.
        *headers = HeaderMap::with_capacity(8);
        headers.insert(REQUEST_ID, request_id.value());
        if let Some(position) = self.position {
            headers.insert(POSITION, HeaderValue::from(position.get()));
        }
        if let Some(version) = self.version {
            headers.insert(header::ETAG, etag(version));
        }
        if self.replayed {
            headers.insert(REPLAYED, HeaderValue::from_static("true"));
        }
        response
    }
}

fn etag(version: Version) -> HeaderValue {
    // Twenty digits are enough for every version.
    let mut tag = SmallVec::<[u8; 22]>::new();
    write!(tag, "\"{version}\"").expect("memory takes every text");
    HeaderValue::from_bytes(&tag).expect("digits between quotes are a header's value")
}

/// Writes a body as JSON.
pub(crate) fn write(body: &impl Serialize, out: &mut Vec<u8>) {
    serde_json::to_writer(out, body).expect("what is shown has text keys and writes to memory");
}
