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
    _permit: Option<SemaphorePermit<'a>>,
}

/// Reads the body that a route takes.
pub(super) async fn read<'a>(
    api: &'a Api,
    route: &Route,
    headers: &HeaderMap,
    body: Body,
) -> Result<Read<'a>, Problem> {
    let nothing = Read { bytes: Bytes::new(), _permit: None };
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
    let len = hint.upper().map_or(max, |upper| upper.min(max as u64) as usize);
    let permit = api.bodies.try_acquire_many(len as u32).map_err(|_| Problem::overloaded())?;
    let mut whole = pin!(whole(body, max));
    // Nearly every body has come already, and needs no timer.
    let at_once = poll_fn(|task| Poll::Ready(whole.as_mut().poll(task))).await;
    let read = match at_once {
        Poll::Ready(read) => read,
        Poll::Pending => match timeout(TIME, whole).await {
            Ok(read) => read,
            Err(_) => return Err(Problem::malformed("the body did not come within 30 seconds")),
        },
    };
    match read {
        Ok(Some(bytes)) => Ok(Read { bytes, _permit: Some(permit) }),
        Ok(None) => Err(too_large()),
        Err(error) => Err(Problem::malformed(format!("the body did not come whole: {error}"))),
    }
}

/// All of a body; none where it is larger.
async fn whole(mut body: Body, max: usize) -> Result<Option<Bytes>, axum::Error> {
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        if first.len() + rest.len() + data.len() > max {
            drain(body).await;
            return Ok(None);
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
    Ok(Some(if rest.is_empty() { first } else { rest.freeze() }))
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
