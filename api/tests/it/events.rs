//! Events of one stream, and of the whole book.

use serde_json::{Value, json};

use crate::ground::Ground;

/// Three accounts, and money that has moved between two of them.
fn ground() -> Ground {
    let ground = Ground::new();
    for id in ["alice", "bob", "carol"] {
        ground.post("/v1/accounts", &format!(r#"{{"id":"{id}","asset":"USD/2"}}"#)).is(201);
    }
    let deposit = r#"{"amount":100,"reference":"r","metadata":{"a":"b"}}"#;
    ground.post("/v1/accounts/alice/deposits", deposit).is(201);
    ground.post("/v1/transfers", r#"{"from":"alice","to":"bob","amount":30}"#).is(201);
    ground.ask("PUT", "/v1/records/c/r", &[], Some(r#"{"value":{"x": 1.50}}"#)).is(201);
    ground
}

fn rows(page: &Value) -> Vec<Value> {
    page["data"].as_array().expect("rows").clone()
}

fn types(page: &Value) -> Vec<String> {
    let name = |row: &Value| row["type"].as_str().expect("text").to_owned();
    rows(page).iter().map(name).collect()
}

/// All pages of a list of events.
fn walk(ground: &Ground, path: &str, more: &str) -> (Vec<Value>, usize) {
    let (mut seen, mut pages, mut next) = (Vec::new(), 0, String::new());
    loop {
        let page = ground.get(&format!("{path}{next}")).is(200);
        (pages, seen) = (pages + 1, [seen, rows(&page)].concat());
        let Some(more_of_it) = page["next"].as_str() else { return (seen, pages) };
        next = format!("&{more}={more_of_it}");
    }
}

#[test]
fn the_events_of_a_stream_come_newest_first() {
    let ground = ground();
    let told = ground.get("/v1/streams/account/alice/events");
    assert!(told.header("quipu-position").is_some() && told.header("etag").is_some());
    let page = told.is(200);
    assert_eq!(types(&page), ["sent", "deposited", "opened"]);
    assert_eq!(page["next"], Value::Null);
    let deposited = &page["data"][1];
    let entry = ground.get("/v1/accounts/alice").is(200);
    assert_eq!(page["data"][0]["position"], entry["version"]);
    assert_eq!(deposited["kind"], "account");
    assert_eq!(deposited["stream"], "alice");
    assert!(deposited["at"].as_str().is_some_and(|at| at.ends_with('Z')));
    assert_eq!(
        deposited["data"],
        json!({"amount":"100","balance_after":"100","reference":"r","metadata":{"a":"b"}})
    );
    assert_eq!(
        deposited["postings"],
        json!([
            {"side":"outside","asset":"USD/2","amount":"-100"},
            {"side":"stream","asset":"USD/2","amount":"100"},
        ])
    );
    assert_eq!(page["data"][2].get("postings"), None, "no money moved");
    let (walked, pages) = walk(&ground, "/v1/streams/account/alice/events?limit=1", "cursor");
    assert_eq!((walked, pages), (rows(&page), 3));
    let first = ground.get("/v1/streams/account/alice/events?limit=1").is(200);
    let cursor = first["next"].as_str().expect("there is more");
    for other in ["account/bob", "flow/alice"] {
        let told = ground.get(&format!("/v1/streams/{other}/events?cursor={cursor}"));
        told.fails(400, "bad_cursor");
    }
    let record = ground.get("/v1/streams/record/c%2Fr/events");
    assert!(String::from_utf8_lossy(&record.body).contains(r#""value":{"x": 1.50}"#));
    let record = record.is(200);
    assert_eq!(
        (&record["data"][0]["type"], &record["data"][0]["stream"]),
        (&json!("put"), &json!("c/r"))
    );
    let collection = ground.get("/v1/streams/collection/c/events").is(200);
    assert_eq!(types(&collection), ["used"]);
}

#[test]
fn a_stream_that_never_was_has_no_events() {
    let ground = ground();
    let told = ground.get("/v1/streams/account/dave/events");
    assert!(told.header("quipu-position").is_some());
    told.fails(404, "not_found");
    for kind in ["key", "book", "accounts", "own"] {
        ground.get(&format!("/v1/streams/{kind}/alice/events")).fails(404, "not_found");
    }
    ground.get("/v1/streams/record/c/events").fails(400, "malformed");
    ground.get("/v1/streams/record/c%2F/events").fails(400, "malformed");
    ground.get("/v1/streams/account/a%20b/events").fails(400, "malformed");
    ground.get("/v1/streams/account/alice/events?kind=flow").fails(400, "malformed");
    ground.get("/v1/streams/account/alice/events?cursor=00").fails(400, "bad_cursor");
}

#[test]
fn the_events_of_a_book_come_oldest_first_and_without_a_gap() {
    let ground = ground();
    let told = ground.get("/v1/events");
    assert!(told.header("quipu-position").is_some());
    let all = told.is(200);
    let names: Vec<(Value, Value)> =
        rows(&all).iter().map(|row| (row["type"].clone(), row["stream"].clone())).collect();
    let name = |of: &str, stream: &str| (json!(of), json!(stream));
    assert_eq!(
        names,
        [
            name("opened", "alice"),
            name("opened", "bob"),
            name("opened", "carol"),
            name("deposited", "alice"),
            name("sent", "alice"),
            name("received", "bob"),
            name("put", "c/r"),
            name("used", "c"),
        ]
    );
    assert_eq!(all["next"], Value::Null);
    // Both halves of a transfer are one event, and sum to zero.
    let (sent, received) = (&all["data"][4], &all["data"][5]);
    assert_eq!(sent["position"], received["position"]);
    assert_eq!(sent["postings"][1], json!({"side":"transit","asset":"USD/2","amount":"30"}));
    assert_eq!(received["postings"][0], json!({"side":"transit","asset":"USD/2","amount":"-30"}));
    for limit in [1, 2, 3, 5] {
        let (walked, _) = walk(&ground, &format!("/v1/events?limit={limit}"), "after");
        assert_eq!(walked, rows(&all), "{limit}");
    }
    // Both halves of the transfer would be one more than fit.
    let page = ground.get("/v1/events?limit=5").is(200);
    assert_eq!(rows(&page), rows(&all)[..4]);
    let after = all["data"][3]["position"].to_string();
    let rest = ground.get(&format!("/v1/events?after={after}")).is(200);
    assert_eq!(rows(&rest), rows(&all)[4..]);
    let none = ground.get("/v1/events?after=18446744073709551615").is(200);
    assert_eq!(none, json!({"data": [], "next": null}));
}

#[test]
fn events_are_chosen_by_kind_and_type() {
    let ground = ground();
    let list = |query: &str| types(&ground.get(&format!("/v1/events?{query}")).is(200));
    assert_eq!(list("kind=record"), ["put"]);
    assert_eq!(list("type=deposited"), ["deposited"]);
    assert_eq!(list("kind=account&type=received"), ["received"]);
    assert_eq!(list("kind=flow"), [""; 0]);
    assert_eq!(list("kind=flow&type=deposited"), [""; 0]);
    let (walked, _) = walk(&ground, "/v1/events?type=opened&limit=1", "after");
    assert_eq!(walked.len(), 3);
    for wrong in ["kind=key", "kind=book", "type=deposit", "after=-1", "limit=0", "cursor=1"] {
        ground.get(&format!("/v1/events?{wrong}")).fails(400, "malformed");
    }
}

#[test]
fn a_filter_that_finds_nothing_reads_a_bounded_part_of_the_log() {
    let ground = ground();
    let value = "x".repeat(60_000);
    for batch in 0..10 {
        let put = |key| json!({"op":"record.put","id":format!("c/{batch}-{key}"),"value":value});
        let operations: Vec<Value> = (0..10).map(put).collect();
        let body = json!({ "operations": operations }).to_string();
        let results = ground.post("/v1/batch", &body).is(200);
        assert!(
            rows(&json!({ "data": results["results"] })).iter().all(|row| row["status"] == 201)
        );
    }
    ground.post("/v1/accounts/carol/deposits", r#"{"amount":7}"#).is(201);
    let first = ground.get("/v1/events?kind=account&type=charged").is(200);
    assert_eq!(first["data"], json!([]));
    assert!(first["next"].is_string(), "there is more than one request reads");
    let (walked, pages) = walk(&ground, "/v1/events?kind=account&type=deposited", "after");
    assert!(pages > 1);
    assert_eq!(walked.len(), 2);
    assert_eq!(walked[1]["stream"], "carol");
}

#[test]
fn no_event_shows_a_key_a_token_or_its_hash() {
    let ground = ground();
    ground.post_keyed("/v1/accounts", "secret-key", r#"{"asset":"USD"}"#).is(201);
    ground.post("/v1/tickets", r#"{"id":"seat"}"#).is(201);
    let claim = ground.post("/v1/tickets/seat/claims", r#"{"claimant":"alice"}"#).is(201);
    let token = claim["token"].as_str().expect("text").to_owned();
    let all = ground.get("/v1/events").body;
    let text = String::from_utf8_lossy(&all);
    assert!(text.contains("\"claimant\":\"alice\""), "{text}");
    for word in ["secret-key", "token", "hash", &token] {
        assert!(!text.contains(word), "{word}: {text}");
    }
}
