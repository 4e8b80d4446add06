//! The body of a request: bounded in bytes and in time.

use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::Poll;
use core::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, header};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use tokio::sync::SemaphorePermit;
use tokio::time::timeout;

use crate::Api;
use crate::problem::{Kind, Problem};
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
    headers: &HeaderMap,
    body: Body,
) -> Result<Read<'a>, Problem> {
    let nothing = Read { bytes: Bytes::new(), _room: None };
    if route.body_max == 0 {
        return Ok(nothing);
    }
    let hint = http_body::Body::size_hint(&body);
    if hint.exact() == Some(0) {
        return Ok(nothing);
    }
    is_json(headers)?;
    let max = route.body_max;
    let too_large = || {
        let detail = format!("the body is larger than the {max} bytes that this takes");
        Problem::new(Kind::TOO_LARGE, detail)
    };
    if hint.lower() > max as u64 {
        drain(body).await;
        return Err(too_large());
    }
    let mut whole = pin!(whole(api, body, max));
    // Nearly every body has come already, and needs no timer.
    let at_once = poll_fn(|task| Poll::Ready(whole.as_mut().poll(task))).await;
    let read = match at_once {
        Poll::Ready(read) => read,
        Poll::Pending => match timeout(TIME, whole).await {
            Ok(read) => read,
            Err(_) => return Err(Problem::malformed("the body did not come within 30 seconds")),
        },
    };
    read?.ok_or_else(too_large)
}

/// All of a body; none where it is larger. Room is taken for what has come and not for what was
/// announced: whoever announces much and sends nothing takes nothing from others.
async fn whole<'a>(api: &'a Api, mut body: Body, max: usize) -> Result<Option<Read<'a>>, Problem> {
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    let mut room: Option<SemaphorePermit<'a>> = None;
    while let Some(frame) = body.frame().await {
        let not_whole = |error| format!("the body did not come whole: {error}");
        let frame = frame.map_err(|error| Problem::malformed(not_whole(error)))?;
        let Ok(data) = frame.into_data() else { continue };
        if first.len() + rest.len() + data.len() > max {
            drain(body).await;
            return Ok(None);
        }
        let Ok(more) = api.bodies.try_acquire_many(data.len() as u32) else {
            drop((room, first, rest, data));
            drain(body).await;
            return Err(Problem::overloaded());
        };
        match &mut room {
            Some(room) => room.merge(more),
            None => room = Some(more),
        }
        if first.is_empty() && rest.is_empty() {
            first = data;
            continue;
        }
        if rest.is_empty() {
            rest.extend_from_slice(&core::mem::take(&mut first));
        }
        rest.extend_from_slice(&data);
    }
    let bytes = if rest.is_empty() { first } else { rest.freeze() };
    Ok(Some(Read { bytes, _room: room }))
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
