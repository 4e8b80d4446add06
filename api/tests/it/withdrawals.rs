//! Payouts: planned, leased, and said to have happened.

use serde_json::{Value, json};

use crate::ground::Ground;

fn ground() -> Ground {
    let ground = Ground::with_secrets();
    ground.post("/v1/accounts", r#"{"id":"alice","asset":"USD"}"#).is(201);
    ground.post("/v1/accounts/alice/deposits", r#"{"amount":100}"#).is(201);
    ground
}

fn plan(ground: &Ground, amount: u64) -> Value {
    let body = format!(r#"{{"amount":{amount},"destination":"bank","secret":"planted-secret"}}"#);
    ground.post("/v1/accounts/alice/withdrawals", &body).is(201)
}

fn lease(ground: &Ground, worker: &str, max: u64) -> Vec<Value> {
    let body = format!(r#"{{"worker":"{worker}","max":{max},"seconds":60}}"#);
    let told = ground.post("/v1/withdrawals/lease", &body).is(200);
    told["data"].as_array().expect("rows").clone()
}

fn path(withdrawal: &Value, what: &str) -> String {
    let id = withdrawal["id"].as_str().expect("an id");
    format!("/v1/withdrawals/alice/{id}{what}")
}

#[test]
fn a_payout_is_planned_leased_and_completed() {
    let ground = ground();
    let planned = plan(&ground, 60);
    assert_eq!((&planned["state"], &planned["attempts"]), (&json!("pending"), &json!(0)));
    assert!(planned.get("secret").is_none());
    let account = ground.get("/v1/accounts/alice").is(200);
    assert_eq!((&account["balance"], &account["available"]), (&json!("100"), &json!("40")));
    let leased = lease(&ground, "w1", 10);
    assert_eq!(leased.len(), 1);
    assert_eq!(
        (&leased[0]["state"], &leased[0]["secret"]),
        (&json!("dispatched"), &json!("planted-secret"))
    );
    assert!(lease(&ground, "w2", 10).is_empty());
    assert_eq!(lease(&ground, "w1", 10).len(), 1, "what it still has comes first");
    let fence = lease(&ground, "w1", 10)[0]["fence"].as_u64().expect("a fence");
    ground
        .post(&path(&planned, "/complete"), &format!(r#"{{"fence":{}}}"#, fence - 1))
        .fails(409, "stale_fence");
    let body = format!(r#"{{"fence":{fence},"reference":"tx-1"}}"#);
    let done = ground.post(&path(&planned, "/complete"), &body).is(200);
    assert_eq!((&done["state"], &done["reference"]), (&json!("completed"), &json!("tx-1")));
    ground
        .post(&path(&planned, "/fail"), &format!(r#"{{"fence":{fence},"error":"x"}}"#))
        .fails(409, "wrong_state");
    assert_eq!(ground.get("/v1/accounts/alice").is(200)["balance"], "40");
}

#[test]
fn a_payout_fails_is_tried_again_or_is_unknown() {
    let ground = ground();
    let planned = plan(&ground, 60);
    let fence = |leased: &[Value]| leased[0]["fence"].as_u64().expect("a fence");
    let said = |fence: u64| format!(r#"{{"fence":{fence},"error":"bank is closed"}}"#);
    let first = fence(&lease(&ground, "w1", 1));
    let again = ground.post(&path(&planned, "/retry"), &said(first)).is(200);
    assert_eq!((&again["state"], &again["attempts"]), (&json!("pending"), &json!(1)));
    let second = fence(&lease(&ground, "w2", 1));
    let unknown = ground.post(&path(&planned, "/unknown"), &said(second)).is(200);
    assert_eq!(
        (&unknown["state"], &unknown["error"]),
        (&json!("unknown"), &json!("bank is closed"))
    );
    let list = ground.get("/v1/withdrawals?state=unknown").is(200);
    assert_eq!(list["data"][0]["id"], planned["id"]);
    assert!(list["data"][0].get("secret").is_none());
    let failed = ground.post(&path(&planned, "/reconcile"), r#"{"outcome":"failed"}"#).is(200);
    assert_eq!(failed["state"], "failed");
    assert_eq!(ground.get("/v1/accounts/alice").is(200)["available"], "100");
    ground.post(&path(&planned, "/reconcile"), r#"{"outcome":"failed"}"#).fails(409, "wrong_state");
}

#[test]
fn a_secret_is_encrypted_and_a_retry_is_known_all_the_same() {
    let ground = ground();
    let body = r#"{"amount":5,"destination":"bank","secret":"planted-secret"}"#;
    let one = ground.post_keyed("/v1/accounts/alice/withdrawals", "k", body).is(201);
    let again = ground.post_keyed("/v1/accounts/alice/withdrawals", "k", body);
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(again.is(201), one);
    let other = body.replace("planted", "another");
    ground
        .post_keyed("/v1/accounts/alice/withdrawals", "k", &other)
        .fails(422, "idempotency_key_reused");
    ground.ledger_files_do_not_hold("planted-secret");
    ground
        .post("/v1/accounts/alice/withdrawals", &body.replace("bank", ""))
        .fails(400, "malformed");
}

#[test]
fn lists_go_by_state_and_account() {
    let ground = ground();
    ground.post("/v1/accounts", r#"{"id":"bob","asset":"USD"}"#).is(201);
    let planned: Vec<Value> = (0..3).map(|_| plan(&ground, 1)).collect();
    let ids = |path: &str| {
        let list = ground.get(path).is(200);
        let rows = list["data"].as_array().expect("rows");
        rows.iter().map(|row| row["id"].clone()).collect::<Vec<_>>()
    };
    let all: Vec<Value> = planned.iter().map(|row| row["id"].clone()).collect();
    assert_eq!(ids("/v1/withdrawals"), all);
    assert_eq!(ids("/v1/withdrawals?account=alice"), all);
    assert_eq!(ids("/v1/withdrawals?account=alice&state=completed"), Vec::<Value>::new());
    assert_eq!(ids("/v1/withdrawals?account=bob"), Vec::<Value>::new());
    ground.get("/v1/withdrawals?account=none").fails(404, "not_found");
    ground.get(&path(&planned[0], "")).is(200);
    ground.get("/v1/withdrawals/alice/w0").fails(404, "not_found");
}
