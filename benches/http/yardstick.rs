//! The handler that does nothing: it parses what the server parses and answers what it answers.
//!
//! An answer has the fields of one that the server gave; those that repeat the request do so here
//! too. There is no ledger, no disk, no key, no metric and no header but axum's own. It is a
//! program of its own, this one with other arguments, on one of tokio's two runtimes.

use std::collections::BTreeMap;
use std::fs;
use std::net::Ipv4Addr;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::runtime::Builder;

use crate::Failed;
use crate::workload::{ALL, Filled, Workload};

/// The argument that makes this program the yardstick; runtime and form follow.
pub(crate) const FLAG: &str = "--yardstick";
/// All cores.
pub(crate) const MULTI_THREAD: &str = "multi-thread";
/// One core.
pub(crate) const CURRENT_THREAD: &str = "current-thread";

/// What to answer, as it is handed to the process: the workload's name, and the server's answer.
#[derive(Deserialize, Serialize)]
pub(crate) struct Handed {
    pub(crate) workload: String,
    pub(crate) answer: BTreeMap<String, Value>,
}

/// Answers until the process is ended. Says on its first line where.
pub(crate) fn run(runtime: &str, answers: &str) -> Result<(), Failed> {
    let handed: Handed = serde_json::from_str(&fs::read_to_string(answers)?)?;
    let mut builder = match runtime {
        MULTI_THREAD => Builder::new_multi_thread(),
        CURRENT_THREAD => Builder::new_current_thread(),
        _ => return Err(format!("{runtime} is no runtime").into()),
    };
    builder.enable_all().build()?.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        println!("{}", listener.local_addr()?);
        axum::serve(listener, router(handed)?).await?;
        Ok(())
    })
}

fn router(handed: Handed) -> Result<Router, Failed> {
    let workload = ALL.into_iter().find(|workload| workload.name() == handed.workload);
    let workload = workload.ok_or("no such workload")?;
    let form = Arc::new(Form::new(workload, handed.answer));
    let router = match workload {
        Workload::Claims => Router::new().route("/v1/tickets/{id}/claims", post(claim)),
        Workload::Get => Router::new().route("/v1/accounts/{id}", get(account)),
        Workload::Deposits => Router::new().route("/v1/accounts/{id}/deposits", post(deposit)),
        Workload::Batch => Router::new().route("/v1/batch", post(batch)),
    };
    Ok(router.with_state(form))
}

/// An answer, with places that a request fills.
struct Form(Vec<(String, Field)>);

enum Field {
    Same(Value),
    Filled(Filled),
}

impl Form {
    fn new(workload: Workload, answer: BTreeMap<String, Value>) -> Self {
        let field = |(name, value): (String, Value)| {
            let field = workload.fills(&name).map_or(Field::Same(value), Field::Filled);
            (name, field)
        };
        Self(answer.into_iter().map(field).collect())
    }
}

/// A form that was filled.
struct Answer {
    form: Arc<Form>,
    path: String,
    body: String,
}

impl Serialize for Answer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.form.0.len()))?;
        for (name, field) in &self.form.0 {
            match field {
                Field::Same(value) => map.serialize_entry(name, value)?,
                Field::Filled(Filled::FromPath) => map.serialize_entry(name, &self.path)?,
                Field::Filled(Filled::FromBody) => map.serialize_entry(name, &self.body)?,
            }
        }
        map.end()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Claim {
    claimant: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Deposit {
    amount: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Batch {
    operations: Vec<Operation>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Operation {
    #[serde(rename = "op")]
    _op: String,
    id: String,
    amount: String,
}

#[derive(Serialize)]
struct Results {
    results: Vec<OneOf>,
}

#[derive(Serialize)]
struct OneOf {
    status: u16,
    body: Answer,
}

async fn claim(
    State(form): State<Arc<Form>>,
    Path(path): Path<String>,
    Json(Claim { claimant: body }): Json<Claim>,
) -> (StatusCode, Json<Answer>) {
    (StatusCode::CREATED, Json(Answer { form, path, body }))
}

async fn account(State(form): State<Arc<Form>>, Path(path): Path<String>) -> Json<Answer> {
    Json(Answer { form, path, body: String::new() })
}

async fn deposit(
    State(form): State<Arc<Form>>,
    Path(path): Path<String>,
    Json(Deposit { amount: body }): Json<Deposit>,
) -> (StatusCode, Json<Answer>) {
    (StatusCode::CREATED, Json(Answer { form, path, body }))
}

async fn batch(
    State(form): State<Arc<Form>>,
    Json(Batch { operations }): Json<Batch>,
) -> Json<Results> {
    let result = |Operation { id: path, amount: body, .. }| OneOf {
        status: StatusCode::CREATED.as_u16(),
        body: Answer { form: Arc::clone(&form), path, body },
    };
    Json(Results { results: operations.into_iter().map(result).collect() })
}
