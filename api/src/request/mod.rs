//! One request: its words, checked, and the way from a call of the ledger to a reply.

mod headers;
mod query;
mod sift;

pub(crate) use headers::Said;
pub(crate) use query::Query;
pub(crate) use sift::{Member, Sifted, sift};

use core::ops::{Deref, DerefMut};
use std::sync::Arc;

use axum::http::Uri;
use bytes::Bytes;
use compact_str::CompactString;
use quipu_ledger::call::Seen;
use quipu_ledger::words::{Id, Position};
use quipu_ledger::{Book, Call, Done, Outcome, Read};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::Api;
use crate::caller::Caller;
use crate::problem::Problem;
use crate::reply::{Headers, JSON, Reply, RequestId};
use crate::shown::{Body, Told};

/// One request that was let in. It is handed from hand to hand, so it stays in one place.
pub(crate) struct Cx(Box<Asked>);

/// Who asks, and for what.
pub(crate) struct Asked {
    pub(crate) api: Arc<Api>,
    pub(crate) caller: Arc<Caller>,
    /// The path as the route spells it.
    pub(crate) route: &'static str,
    /// What stands in the path's places, in their order.
    pub(crate) places: Places,
    pub(crate) uri: Uri,
    pub(crate) said: Said,
    pub(crate) body: Bytes,
    /// Names the answer in the log.
    pub(crate) request_id: RequestId,
}

/// What stands in the places of a path. Most have one, and most ids are short: neither takes an
/// allocation.
pub(crate) type Places = SmallVec<[CompactString; 2]>;

impl Deref for Cx {
    type Target = Asked;

    fn deref(&self) -> &Asked {
        &self.0
    }
}

impl DerefMut for Cx {
    fn deref_mut(&mut self) -> &mut Asked {
        &mut self.0
    }
}

impl Cx {
    pub(crate) fn new(asked: Asked) -> Self {
        Self(Box::new(asked))
    }

    /// The book that the caller acts on.
    pub(crate) fn book(&self) -> Result<&Book, Problem> {
        self.caller.book()
    }

    /// What stands in one of the path's places, as it is.
    pub(crate) fn place(&self, index: usize) -> &str {
        self.places.get(index).map_or("", CompactString::as_str)
    }

    /// The id in one of the path's places. A problem names the place, and not what stands there.
    pub(crate) fn id(&self, index: usize) -> Result<Id, Problem> {
        Id::new(self.place(index)).map_err(|why| {
            let place = self.route.split('/').filter(|part| part.starts_with('{')).nth(index);
            Problem::malformed(format!("in the path, {}: {why}", place.unwrap_or("{id}")))
        })
    }

    pub(crate) fn query(&self) -> Result<Query, Problem> {
        Query::new(self.uri.query().unwrap_or(""))
    }

    /// The body, which has to be there.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        read(&self.body)
    }

    /// The body, or what an empty one stands for.
    pub(crate) fn json_or_empty<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        if self.body.is_empty() { read(b"{}") } else { read(&self.body) }
    }

    /// Makes a call, under the key and the version that the request names.
    pub(crate) async fn make<O: 'static>(&self, call: Call<Body, O>) -> Result<Reply, Problem> {
        Self::reply(self.under(call)?.await?)
    }

    /// The reply to a call that was made.
    pub(crate) fn reply(outcome: Outcome<Body>) -> Result<Reply, Problem> {
        match outcome {
            Outcome::Refused(refused) => Err(refused.into()),
            Outcome::Done(done) => {
                let Done { value: body, position, at, version, replayed, changed } = done;
                let (status, repeats) = (body.status(changed), body.repeats(changed));
                let told = Told { position, at, version };
                let mut out = Vec::with_capacity(512);
                body.write(&told, &mut out);
                let (position, version) = (Some(position), Some(version));
                let replayed = replayed || repeats;
                let headers = Headers { position, version, replayed };
                Ok(Reply { status, headers, body: out, content_type: JSON })
            }
        }
    }

    /// Adds what the headers say of a call.
    fn under<O: 'static>(&self, mut call: Call<Body, O>) -> Result<Call<Body, O>, Problem> {
        if let Some(key) = self.said.key()? {
            call = call.key(key);
        }
        if let Some(version) = self.said.if_match()? {
            call = call.if_version(version);
        }
        if let Some(trace) = self.said.trace() {
            call = call.trace(trace);
        }
        Ok(call)
    }

    /// The reply to a read.
    pub(crate) async fn read<T: Send + 'static, S: Serialize>(
        &self,
        read: Read<T>,
        show: impl FnOnce(T, &Told) -> S,
    ) -> Result<Reply, Problem> {
        let Seen { value, version, at, position } = read.look().await??;
        let told = Told { position, at, version };
        Ok(Reply::json(200, &show(value, &told)).at(position).version(version))
    }

    /// What is durable now.
    pub(crate) fn durable(&self) -> Position {
        self.api.ledger.durable().watermark
    }
}

/// Reads a JSON object. What is wrong is named with the place where it is.
pub(crate) fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Problem> {
    // A list of a struct's members in their order would do as well, and no client means that.
    if body.trim_ascii_start().first().is_some_and(|byte| *byte != b'{') {
        return Err(Problem::malformed("the body: it has to be a JSON object"));
    }
    if let Ok(value) = serde_json::from_slice(body) {
        return Ok(value);
    }
    // Once more, and slower, for the place.
    let mut reader = serde_json::Deserializer::from_slice(body);
    let read = serde_path_to_error::deserialize::<_, T>(&mut reader);
    Err(match read {
        Err(error) => {
            let (place, why) = (error.path().to_string(), error.into_inner());
            match place.as_str() {
                "." | "" | "?" => Problem::malformed(format!("the body: {why}")),
                place => Problem::malformed(format!("{place}: {why}")),
            }
        }
        Ok(_) => Problem::malformed("the body: there is more behind the JSON value"),
    })
}
