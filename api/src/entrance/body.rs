//! The body of a request: bounded in bytes and in time.

use core::future::poll_fn;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use core::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, header};
use bytes::{Bytes, BytesMut};
use http_body::Body as _;
use http_body_util::BodyExt;
use tokio::sync::SemaphorePermit;
use tokio::time::timeout;

use crate::Api;
use crate::problem::{Kind, Problem};
use crate::request::Said;
use crate::route::Route;

/// How long a body may take to come.
const TIME: Duration = Duration::from_secs(30);

/// How much of a body that is too large is read and thrown away, and for how long.
const DRAIN: usize = 16 << 20;
const DRAIN_TIME: Duration = Duration::from_secs(2);

/// A body that was read, and the memory that it was given.
pub(super) struct Read<'a> {
    pub(super) bytes: Bytes,
    _room: Option<SemaphorePermit<'a>>,
}

/// Reads the body that a route takes.
pub(super) async fn read<'a>(
    api: &'a Api,
    route: &Route,
    said: &Said,
    mut body: Body,
) -> Result<Read<'a>, Problem> {
    let nothing = Read { bytes: Bytes::new(), _room: None };
    if route.body_max == 0 {
        return Ok(nothing);
    }
    let hint = body.size_hint();
    if hint.exact() == Some(0) {
        return Ok(nothing);
    }
    is_json(&said.0)?;
    let max = route.body_max;
    if hint.lower() > max as u64 {
        Box::pin(drain(body)).await;
        return Err(too_large(max));
    }
    let mut coming = Coming { api, max, first: Bytes::new(), rest: BytesMut::new(), room: None };
    // Nearly every body has come already, and needs neither a timer nor the place for one.
    let at_once = poll_fn(|task| Poll::Ready(coming.poll(&mut body, task))).await;
    let come = match at_once {
        Poll::Ready(come) => come,
        Poll::Pending => {
            let rest = timeout(TIME, poll_fn(|task| coming.poll(&mut body, task)));
            match Box::pin(rest).await {
                Ok(come) => come,
                Err(_) => {
                    return Err(Problem::malformed("the body did not come within 30 seconds"));
                }
            }
        }
    };
    if let Err(problem) = come {
        drop(coming);
        Box::pin(drain(body)).await;
        return Err(problem);
    }
    Ok(coming.whole())
}

/// A body as far as it has come. Room is taken for that and not for what was announced: whoever
/// announces much and sends nothing takes nothing from others.
struct Coming<'a> {
    api: &'a Api,
    max: usize,
    first: Bytes,
    rest: BytesMut,
    room: Option<SemaphorePermit<'a>>,
}

impl<'a> Coming<'a> {
    /// Takes what there is, until nothing more comes.
    fn poll(&mut self, body: &mut Body, task: &mut Context<'_>) -> Poll<Result<(), Problem>> {
        while let Some(frame) = ready!(Pin::new(&mut *body).poll_frame(task)) {
            let not_whole = |error| format!("the body did not come whole: {error}");
            let frame = frame.map_err(|error| Problem::malformed(not_whole(error)))?;
            if let Ok(data) = frame.into_data() {
                self.take(data)?;
            }
        }
        Poll::Ready(Ok(()))
    }

    fn take(&mut self, data: Bytes) -> Result<(), Problem> {
        if self.first.len() + self.rest.len() + data.len() > self.max {
            return Err(too_large(self.max));
        }
        let more = self.api.bodies.try_acquire_many(data.len() as u32);
        let more = more.map_err(|_| Problem::overloaded())?;
        match &mut self.room {
            Some(room) => room.merge(more),
            None => self.room = Some(more),
        }
        if self.first.is_empty() && self.rest.is_empty() {
            self.first = data;
            return Ok(());
        }
        if self.rest.is_empty() {
            self.rest.extend_from_slice(&core::mem::take(&mut self.first));
        }
        self.rest.extend_from_slice(&data);
        Ok(())
    }

    fn whole(self) -> Read<'a> {
        let Self { first, rest, room, .. } = self;
        let bytes = if rest.is_empty() { first } else { rest.freeze() };
        Read { bytes, _room: room }
    }
}

fn too_large(max: usize) -> Problem {
    let detail = format!("the body is larger than the {max} bytes that this takes");
    Problem::new(Kind::TOO_LARGE, detail)
}

/// Reads on for a little, so that a client that sends before it listens hears the answer.
async fn drain(mut body: Body) {
    let rest = async {
        let mut left = DRAIN;
        while let Some(Ok(frame)) = body.frame().await {
            left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
            if left == 0 {
                break;
            }
        }
    };
    let _ = timeout(DRAIN_TIME, rest).await;
}

fn is_json(headers: &HeaderMap) -> Result<(), Problem> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok(()) };
    let essence = value.to_str().unwrap_or("").split(';').next().unwrap_or("").trim();
    let known = ["application/json", "application/merge-patch+json"];
    if known.iter().any(|known| essence.eq_ignore_ascii_case(known)) {
        return Ok(());
    }
    Err(Problem::new(
        Kind::UNSUPPORTED_MEDIA_TYPE,
        format!("the body has to be JSON (Content-Type: application/json) and is {essence:?}"),
    ))
}
