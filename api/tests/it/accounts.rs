//! Accounts, holds and transfers.

use serde_json::json;

use crate::ground::Ground;

fn ground() -> Ground {
    let ground = Ground::new();
    ground.post("/v1/accounts", r#"{"id":"alice","asset":"USD/2"}"#).is(201);
    ground
}

#[test]
fn an_account_is_opened_and_read() {
    let ground = ground();
    let told = ground.get("/v1/accounts/alice");
    let version = told.header("etag").map(|tag| tag.trim_matches('"').to_owned());
    assert!(told.header("quipu-position").is_some());
    let account = told.is(200);
    assert_eq!(account["version"].to_string(), version.expect("it has a version"));
    for (name, value) in [
        ("id", json!("alice")),
        ("kind", json!("account")),
        ("asset", json!("USD/2")),
        ("state", json!("open")),
        ("balance", json!("0")),
        ("held", json!("0")),
        ("available", json!("0")),
        ("floor", json!("0")),
        ("cap", json!(null)),
        ("total_in", json!("0")),
        ("total_out", json!("0")),
        ("metadata", json!({})),
    ] {
        assert_eq!(account[name], value, "{name}");
    }
    ground.post("/v1/accounts", r#"{"id":"alice","asset":"USD/2"}"#).fails(409, "already_exists");
    let missing = ground.get("/v1/accounts/bob");
    assert!(missing.header("quipu-position").is_some());
    missing.fails(404, "not_found");
}

#[test]
fn money_comes_in_and_goes_out() {
    let ground = ground();
    let deposit = ground.post("/v1/accounts/alice/deposits", r#"{"amount":100}"#).is(201);
    assert_eq!((&deposit["amount"], &deposit["balance_after"]), (&json!("100"), &json!("100")));
    let charge = ground.post("/v1/accounts/alice/charges", r#"{"amount":"30","reference":"r1"}"#);
    let charge = charge.is(201);
    let again = ground.post("/v1/accounts/alice/charges", r#"{"amount":"1","reference":"r1"}"#);
    let again = again.fails(409, "already_exists");
    assert_eq!(again["first"], charge["id"]);
    let short = ground.post("/v1/accounts/alice/charges", r#"{"amount":71}"#);
    assert_eq!(short.fails(402, "insufficient_funds")["available"], "70");
    let refunds =
        format!("/v1/accounts/alice/charges/{}/refunds", charge["id"].as_str().expect("text"));
    assert_eq!(ground.post(&refunds, r#"{"amount":10}"#).is(201)["balance_after"], "80");
    ground.post(&refunds, r#"{"amount":21}"#).fails(409, "exceeds_held");
    assert_eq!(ground.ask("POST", &refunds, &[], None).is(201)["amount"], "20");
}

#[test]
fn a_key_makes_a_repeat_safe_and_keeps_its_status() {
    let mut ground = ground();
    let first = ground.post_keyed("/v1/accounts/alice/deposits", "k", r#"{"amount":5}"#);
    assert_eq!(first.header("idempotent-replayed"), None);
    let first = first.is(201);
    let again = ground.post_keyed("/v1/accounts/alice/deposits", "\"k\"", r#" {"amount" : "5"} "#);
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(again.is(201), first);
    ground.restart();
    let again = ground.post_keyed("/v1/accounts/alice/deposits", "k", r#"{"amount":5}"#);
    assert_eq!(again.is(201), first);
    ground
        .post_keyed("/v1/accounts/alice/deposits", "k", r#"{"amount":6}"#)
        .fails(422, "idempotency_key_reused");
    let refused = ground.post_keyed("/v1/accounts/alice/charges", "k", r#"{"amount":6}"#);
    refused.fails(402, "insufficient_funds");
    ground.post("/v1/accounts/alice/deposits", r#"{"amount":50}"#).is(201);
    let refused = ground.post_keyed("/v1/accounts/alice/charges", "k", r#"{"amount":6}"#);
    assert_eq!(refused.header("idempotent-replayed"), Some("true"));
    refused.fails(402, "insufficient_funds");
}

#[test]
fn an_account_without_an_id_gets_one_and_a_retry_the_same() {
    let ground = Ground::new();
    let one = ground.post_keyed("/v1/accounts", "k", r#"{"asset":"USD"}"#).is(201);
    let again = ground.post_keyed("/v1/accounts", "k", r#"{"asset":"USD"}"#);
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(again.is(201), one);
    let other = ground.post("/v1/accounts", r#"{"asset":"USD"}"#).is(201);
    assert_ne!(one["id"], other["id"]);
}

#[test]
fn what_is_malformed_is_named_with_its_place() {
    let ground = ground();
    for (body, place) in [
        ("", "the body"),
        ("{", "the body"),
        ("{} {}", "the body"),
        ("[]", "the body"),
        (r#"{"amount":0}"#, "amount"),
        (r#"{"amount":1.5}"#, "amount"),
        (r#"{"amount":"1","what":2}"#, "what"),
        (r#"{"amount":1,"reference":"a b"}"#, "reference"),
        (r#"{"amount":1,"metadata":{"a":1}}"#, "metadata.a"),
        (r#"{}"#, "amount"),
    ] {
        let problem = ground.post("/v1/accounts/alice/deposits", body).fails(400, "malformed");
        let detail = problem["detail"].as_str().expect("text");
        assert!(detail.contains(place), "{body}: {detail}");
    }
    ground.get("/v1/accounts/a%20b").fails(400, "malformed");
    ground.get("/v1/accounts?limit=0").fails(400, "malformed");
    ground.get("/v1/accounts?state=opened").fails(400, "malformed");
    ground.get("/v1/accounts?what=1").fails(400, "malformed");
}

#[test]
fn a_list_is_walked_page_by_page() {
    let ground = Ground::new();
    for id in 0..7 {
        ground.post("/v1/accounts", &format!(r#"{{"id":"a{id}","asset":"USD"}}"#)).is(201);
    }
    let (mut path, mut seen) = ("/v1/accounts?limit=3".to_owned(), Vec::new());
    loop {
        let page = ground.get(&path).is(200);
        seen.extend(page["data"].as_array().expect("rows").iter().map(|row| row["id"].to_string()));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/v1/accounts?limit=3&cursor={next}");
        ground.get(&format!("/v1/accounts?state=open&cursor={next}")).fails(400, "bad_cursor");
    }
    assert_eq!(seen, (0..7).map(|id| format!("\"a{id}\"")).collect::<Vec<_>>());
    ground.get("/v1/accounts?cursor=00").fails(400, "bad_cursor");
}

#[test]
fn entries_are_what_moved_money_newest_first() {
    let ground = ground();
    ground.post("/v1/accounts/alice/deposits", r#"{"amount":100,"reference":"r1"}"#).is(201);
    ground.post("/v1/accounts/alice/charges", r#"{"amount":30,"metadata":{"a":"b"}}"#).is(201);
    ground.post("/v1/transfers", r#"{"from":"alice","to":"alice","amount":5}"#).is(201);
    ground.post("/v1/accounts/alice/holds", r#"{"amount":5}"#).is(201);
    let amounts = |path: &str| {
        let page = ground.get(path).is(200);
        let rows = page["data"].as_array().expect("rows").iter();
        (rows.map(|row| row["amount"].clone()).collect::<Vec<_>>(), page["next"].clone())
    };
    let (all, next) = amounts("/v1/accounts/alice/entries");
    assert_eq!(all, [json!("5"), json!("-5"), json!("-30"), json!("100")]);
    assert_eq!(next, json!(null));
    // The two halves of a transfer to oneself stay together.
    let (first, next) = amounts("/v1/accounts/alice/entries?limit=1");
    assert_eq!(first, [json!("5"), json!("-5")]);
    let next = next.as_str().expect("there is more");
    let (second, _) = amounts(&format!("/v1/accounts/alice/entries?limit=1&cursor={next}"));
    assert_eq!(second, [json!("-30")]);
    let (found, _) = amounts("/v1/accounts/alice/entries?reference=r1");
    assert_eq!(found, [json!("100")]);
    ground.get("/v1/accounts/alice/entries?cursor=00").fails(400, "bad_cursor");
    ground.get("/v1/accounts/bob/entries").fails(404, "not_found");
}
