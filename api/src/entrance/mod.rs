//! How a request is let in, carried out and answered.

mod body;
mod contained;
mod meter;
mod seldom;

pub(crate) use meter::Meter;
pub(crate) use seldom::Seldom;

use core::convert::Infallible;
use core::future::{Future, poll_fn};
use core::pin::{Pin, pin};
use core::task::{Context, Poll};
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Response};
use axum::routing::{MethodFilter, MethodRouter};
use bytes::Bytes;
use percent_encoding::percent_decode_str;
use tower_service::Service;

use self::contained::contained;
use crate::Api;
use crate::caller::Needs;
use crate::problem::{Kind, Problem};
use crate::reply::{REQUEST_ID, Reply, RequestId};
use crate::request::{Asked, Cx, Places, Said};
use crate::route::{Answer, Route};

/// The router over all routes.
pub(crate) fn router(api: Arc<Api>, routes: Vec<Route>) -> Router {
    let mut paths: Vec<(&'static str, MethodRouter<Arc<Api>>)> = Vec::new();
    for route in routes {
        let filter = MethodFilter::try_from(route.method.clone()).expect("a method of HTTP");
        let (path, route) = (route.path, Arc::new(route));
        let served = Served { api: Arc::clone(&api), route };
        // A ticket may have the name of the path beside it.
        let is_ticket = path == "/v1/tickets/{id}";
        for path in [Some(path), is_ticket.then_some("/v1/tickets/batch")].into_iter().flatten() {
            let at = paths.iter().position(|(known, _)| *known == path).unwrap_or_else(|| {
                paths.push((path, MethodRouter::new().fallback(wrong_method)));
                paths.len() - 1
            });
            let known = core::mem::take(&mut paths[at].1);
            paths[at].1 = known.on_service(filter, served.clone());
        }
    }
    let mut router = Router::new().fallback(unknown_path);
    for (path, methods) in paths {
        router = router.route(path, methods);
    }
    router.with_state(api)
}

/// What is answered before the ledger is open.
pub(crate) fn starting() -> Router {
    let early = |request: Request| async move {
        if request.uri().path() == "/livez" {
            return Reply::json(200, &serde_json::json!({ "status": "ok" }))
                .into_response(&RequestId::STARTING);
        }
        let problem = Problem::new(Kind::STARTING, "the ledger is being opened");
        problem.into_response(&RequestId::STARTING)
    };
    Router::new().fallback(early)
}

/// One route as a service. What its future keeps across an await is moved about before that is
/// awaited, so it is little: whatever is large of a request stays in one place.
#[derive(Clone)]
struct Served {
    api: Arc<Api>,
    route: Arc<Route>,
}

impl Service<Request> for Served {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let Self { api, route } = self.clone();
        let began = Instant::now();
        let id = request_id(&api, request.headers());
        let entered = contained(|| let_in(&api, &route, request, &id)).and_then(|entered| entered);
        Box::pin(async move {
            let answer = match entered {
                Ok((cx, body)) => {
                    let mut work = pin!(carry_out(&route, cx, body));
                    poll_fn(|task| match contained(|| work.as_mut().poll(task)) {
                        Ok(poll) => poll,
                        // It is not polled again.
                        Err(problem) => Poll::Ready(Err(problem)),
                    })
                    .await
                }
                Err(problem) => Err(problem),
            };
            Ok(answered(&api, &route, began, &id, answer))
        })
    }
}

/// Counts, logs and shows what a request has come to.
fn answered(
    api: &Api,
    route: &Route,
    began: Instant,
    id: &RequestId,
    answer: Answer,
) -> Response<Body> {
    let status = match &answer {
        Ok(reply) => reply.status,
        Err(problem) => problem.status(),
    };
    route.meter.saw(status, began.elapsed());
    match &answer {
        Err(problem) if status >= 500 => say(api, id, route.path, problem),
        _ => tracing::debug!(request = %id, route = route.path, status, "answered"),
    }
    match answer {
        Ok(reply) => reply.into_response(id),
        Err(problem) => problem.into_response(id),
    }
}

/// Logs that a request has failed. One that was turned away did nothing, and has many fellows.
fn say(api: &Api, request: &RequestId, route: &'static str, problem: &Problem) {
    let (status, code, detail) = (problem.status(), problem.code(), problem.detail());
    if !problem.asks_again() {
        tracing::warn!(%request, route, status, code, detail, "failed");
    } else if let Some(others) = api.turned_away.due() {
        tracing::warn!(%request, route, status, code, detail, others, "turned away");
    }
}

/// Carries out a request that was let in.
async fn carry_out(route: &Route, mut cx: Cx, body: Body) -> Answer {
    let api = Arc::clone(&cx.api);
    let read = body::read(&api, route, &cx.said, body).await?;
    cx.body = read.bytes.clone();
    (route.act)(cx).await
}

/// Looks at all of a request but its body.
fn let_in(
    api: &Arc<Api>,
    route: &Route,
    request: Request,
    request_id: &RequestId,
) -> Result<(Cx, Body), Problem> {
    let (Parts { headers, uri, .. }, body) = request.into_parts();
    let caller = api.callers.of(&headers, route.needs)?;
    if api.is_stopping() && route.needs != Needs::Nothing {
        return Err(Problem::stopping());
    }
    let cx = Cx::new(Asked {
        caller,
        route: route.path,
        places: places(route.path, uri.path())?,
        uri,
        said: Said(headers),
        body: Bytes::new(),
        request_id: request_id.clone(),
        api: Arc::clone(api),
    });
    Ok((cx, body))
}

/// What stands in the places of a route's path.
fn places(route: &str, path: &str) -> Result<Places, Problem> {
    let segments = route.split('/').zip(path.split('/'));
    let places = segments.filter(|(pattern, _)| pattern.starts_with('{'));
    let read = |(_, text): (&str, &str)| match percent_decode_str(text).decode_utf8() {
        Ok(text) => Ok(text.into()),
        Err(_) => Err(Problem::malformed("the path is not UTF-8")),
    };
    places.map(read).collect()
}

/// The name of a request: its sender's where that is fit to be logged, else one of our own.
fn request_id(api: &Api, headers: &HeaderMap) -> RequestId {
    let given = headers.get(REQUEST_ID).and_then(RequestId::given);
    given.unwrap_or_else(|| api.request_ids.next())
}

async fn unknown_path(State(api): State<Arc<Api>>, request: Request) -> Response<Body> {
    // Without the path: what stands in one may be a token.
    astray(&api, &request, || Problem::not_found("there is no such path"))
}

async fn wrong_method(State(api): State<Arc<Api>>, request: Request) -> Response<Body> {
    astray(&api, &request, || {
        let detail = format!("this path does not take {}", request.method());
        Problem::new(Kind::METHOD_NOT_ALLOWED, detail)
    })
}

/// A request that no route takes. Who is not let in is not told what there is.
fn astray(api: &Api, request: &Request, problem: impl FnOnce() -> Problem) -> Response<Body> {
    let began = Instant::now();
    let id = request_id(api, request.headers());
    let problem = match api.callers.of(request.headers(), Needs::Nothing) {
        Ok(_) => problem(),
        Err(problem) => problem,
    };
    api.astray.saw(problem.status(), began.elapsed());
    problem.into_response(&id)
}
