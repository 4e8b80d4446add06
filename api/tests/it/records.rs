//! Records and collections.

use serde_json::json;

use crate::ground::{Ground, Told};

fn put(ground: &Ground, path: &str, headers: &[(&str, &str)], body: &str) -> Told {
    ground.ask("PUT", path, headers, Some(body))
}

fn delete(ground: &Ground, path: &str, headers: &[(&str, &str)]) -> Told {
    ground.ask("DELETE", path, headers, None)
}

fn etag(told: &Told) -> String {
    told.header("etag").expect("it has a version").to_owned()
}

#[test]
fn a_record_is_put_replaced_read_and_deleted() {
    let ground = Ground::new();
    let at = "/v1/records/nodes/n1";
    ground.get(at).fails(404, "not_found");
    let first = put(&ground, at, &[], r#"{"value": {"b" : 1,  "a":[1.50, null]} }"#);
    let version = etag(&first);
    assert!(first.header("quipu-position").is_some());
    // As it is spelled.
    assert!(
        String::from_utf8_lossy(&first.body).contains(r#""value":{"b" : 1,  "a":[1.50, null]}"#)
    );
    let first = first.is(201);
    assert_eq!((&first["created"], &first["expires_at"]), (&json!(true), &json!(null)));
    assert_eq!(format!("\"{}\"", first["version"]), version);
    let second = put(&ground, at, &[], r#"{"value":null,"ttl_seconds":3600}"#).is(200);
    assert_eq!((&second["created"], &second["value"]), (&json!(false), &json!(null)));
    let read = ground.get(at);
    assert_ne!(etag(&read), version);
    let read = read.is(200);
    for (name, value) in [
        ("collection", &json!("nodes")),
        ("key", &json!("n1")),
        ("value", &json!(null)),
        ("expires_at", &second["expires_at"]),
        ("version", &second["version"]),
        ("created_at", &first["at"]),
        ("updated_at", &second["at"]),
    ] {
        assert_eq!(&read[name], value, "{name}");
    }
    let deleted = delete(&ground, at, &[]).is(200);
    assert_eq!((&deleted["deleted"], &deleted["key"]), (&json!(true), &json!("n1")));
    delete(&ground, at, &[]).fails(404, "not_found");
    let missing = ground.get(at);
    assert!(missing.header("quipu-position").is_some());
    missing.fails(404, "not_found");
    put(&ground, at, &[], r#"{"value":1}"#).is(201);
}

#[test]
fn a_put_or_delete_may_be_for_one_version_or_for_none() {
    let ground = Ground::new();
    let at = "/v1/records/nodes/n1";
    let create = ("If-None-Match", "*");
    put(&ground, at, &[("If-Match", "\"7\"")], r#"{"value":1}"#).fails(412, "version_mismatch");
    let first = etag(&put(&ground, at, &[create], r#"{"value":1}"#));
    let again = put(&ground, at, &[create], r#"{"value":2}"#);
    assert_eq!(etag(&again), first);
    again.fails(412, "version_mismatch");
    let second = etag(&put(&ground, at, &[("If-Match", &first)], r#"{"value":2}"#));
    put(&ground, at, &[("If-Match", &first)], r#"{"value":3}"#).fails(412, "version_mismatch");
    put(&ground, at, &[("If-None-Match", &second)], r#"{"value":3}"#).fails(400, "malformed");
    delete(&ground, at, &[("If-Match", &first)]).fails(412, "version_mismatch");
    assert_eq!(ground.get(at).is(200)["value"], 2);
    delete(&ground, at, &[("If-Match", &second)]).is(200);
}

#[test]
fn a_key_makes_a_put_and_a_delete_safe_to_repeat() {
    let mut ground = Ground::new();
    let (at, key) = ("/v1/records/nodes/n1", ("Idempotency-Key", "k"));
    let body = r#"{"value":{"a":1}}"#;
    let first = put(&ground, at, &[key], body).is(201);
    put(&ground, at, &[], r#"{"value":2}"#).is(200);
    ground.restart();
    let again = put(&ground, at, &[key], body);
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(again.is(201), first);
    put(&ground, at, &[key], r#"{"value":3}"#).fails(422, "idempotency_key_reused");
    let with_life = put(&ground, at, &[key], r#"{"value":{"a":1},"ttl_seconds":1}"#);
    with_life.fails(422, "idempotency_key_reused");
    put(&ground, at, &[key, ("If-None-Match", "*")], body).fails(422, "idempotency_key_reused");
    assert_eq!(ground.get(at).is(200)["value"], 2);
    let gone = delete(&ground, at, &[key]).is(200);
    let again = delete(&ground, at, &[key]);
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(again.is(200), gone);
    ground.get(at).fails(404, "not_found");
}

#[test]
fn a_collection_is_defined_while_it_is_empty() {
    let ground = Ground::new();
    let at = "/v1/collections/nodes";
    ground.get(at).fails(404, "not_found");
    let body = r#"{"indexes":["zone","load"]}"#;
    let first = put(&ground, at, &[("Idempotency-Key", "k")], body);
    let version = etag(&first);
    let first = first.is(201);
    assert_eq!(first["indexes"], json!(["zone", "load"]));
    let again = put(&ground, at, &[("Idempotency-Key", "k")], body);
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(again.is(201), first);
    assert_eq!(put(&ground, at, &[], body).is(200), first);
    assert_eq!(ground.get(at).is(200), first);
    put(&ground, at, &[("If-None-Match", "*")], body).fails(412, "version_mismatch");
    put(&ground, at, &[("If-Match", "\"1\"")], body).fails(412, "version_mismatch");
    let none = put(&ground, "/v1/collections/none", &[("If-Match", &version)], body);
    none.fails(412, "version_mismatch");
    let other = r#"{"indexes":["zone"]}"#;
    let second = put(&ground, at, &[("If-Match", &version)], other).is(200);
    assert_eq!(second["indexes"], json!(["zone"]));
    put(&ground, "/v1/records/nodes/n1", &[], r#"{"value":{"zone":"eu"}}"#).is(201);
    let full = put(&ground, at, &[], body);
    assert!(full.header("quipu-position").is_some());
    full.fails(409, "wrong_state");
    assert_eq!(
        put(&ground, at, &[], other).is(200)["indexes"],
        json!(["zone"]),
        "it is so already"
    );
    delete(&ground, "/v1/records/nodes/n1", &[]).is(200);
    put(&ground, at, &[], body).is(200);
    // A put makes one too.
    put(&ground, "/v1/records/others/n1", &[], r#"{"value":1}"#).is(201);
    assert_eq!(ground.get("/v1/collections/others").is(200)["indexes"], json!([]));
}

fn keys(page: &serde_json::Value) -> Vec<&str> {
    let rows = page["data"].as_array().expect("rows");
    rows.iter().map(|row| row["key"].as_str().expect("text")).collect()
}

#[test]
fn records_are_listed_by_key_and_by_field() {
    let ground = Ground::new();
    assert_eq!(ground.get("/v1/records/nodes").is(200)["data"], json!([]));
    put(&ground, "/v1/collections/nodes", &[], r#"{"indexes":["zone","cursor"]}"#).is(201);
    for (key, zone, up) in [("b1", "eu", 1), ("a2", "us", 1), ("a1", "eu", 0), ("a3", "eu", 1)] {
        let body = format!(r#"{{"value":{{"zone":"{zone}","cursor":{up}}}}}"#);
        put(&ground, &format!("/v1/records/nodes/{key}"), &[], &body).is(201);
    }
    put(&ground, "/v1/records/nodesx/a9", &[], r#"{"value":{"zone":"eu"}}"#).is(201);
    let list = |query: &str| ground.get(&format!("/v1/records/nodes{query}")).is(200);
    assert_eq!(keys(&list("")), ["a1", "a2", "a3", "b1"]);
    assert_eq!(keys(&list("?prefix=a")), ["a1", "a2", "a3"]);
    assert_eq!(keys(&list("?where.zone=eu")), ["a1", "a3", "b1"]);
    assert_eq!(keys(&list("?where.zone=eu&prefix=a")), ["a1", "a3"]);
    assert_eq!(keys(&list("?where.cursor=0")), ["a1"]);
    assert_eq!(keys(&list("?where.zone=e")), [""; 0]);
    let first = list("?where.zone=eu&limit=2");
    let next = first["next"].as_str().expect("there is more");
    let rest = list(&format!("?where.zone=eu&limit=2&cursor={next}"));
    assert_eq!((keys(&rest), &rest["next"]), (vec!["b1"], &json!(null)));
    let other = ground.get(&format!("/v1/records/nodes?where.zone=us&cursor={next}"));
    other.fails(400, "bad_cursor");
    ground.get(&format!("/v1/records/nodesx?cursor={next}")).fails(400, "bad_cursor");
    for (query, place) in [
        ("where.load=1", "load"),
        ("where.zone=eu&where.cursor=1", "one field"),
        ("where.=1", "where."),
        ("where.a%20b=1", "where.a b"),
        ("zone=eu", "zone"),
    ] {
        let problem = ground.get(&format!("/v1/records/nodes?{query}")).fails(400, "malformed");
        let detail = problem["detail"].as_str().expect("text");
        assert!(detail.contains(place), "{query}: {detail}");
    }
    // A field that is called like a cursor is none.
    let unknown = ground.get("/v1/records/nodesx?where.cursor=1");
    unknown.fails(400, "malformed");
}

#[test]
fn what_is_malformed_about_a_record_is_named() {
    let ground = Ground::new();
    let at = "/v1/records/nodes/n1";
    let (text, deep) = (|len: usize| format!("\"{}\"", "x".repeat(len - 2)), "[".repeat(200));
    put(&ground, at, &[], &format!(r#"{{"value":{}}}"#, text(65_536))).is(201);
    for (body, place) in [
        (String::new(), "the body"),
        ("{}".to_owned(), "value"),
        (r#"{"value":1,"value":2}"#.to_owned(), "value"),
        (r#"{"value":1,"ttl_seconds":0}"#.to_owned(), "second"),
        (r#"{"value":1,"ttl_seconds":-1}"#.to_owned(), "ttl_seconds"),
        (r#"{"value":1,"ttl_seconds":18446744073709551615}"#.to_owned(), "second"),
        (r#"{"value":1,"ttl":1}"#.to_owned(), "ttl"),
        (r#"{"value":"\ud800"}"#.to_owned(), "half a character"),
        (format!(r#"{{"value":{}}}"#, text(65_537)), "64 KiB"),
        (format!(r#"{{"value":{deep}{}}}"#, "]".repeat(200)), "too deep"),
    ] {
        let problem = put(&ground, at, &[], &body).fails(400, "malformed");
        let detail = problem["detail"].as_str().expect("text");
        assert!(detail.contains(place), "{body}: {detail}");
    }
    let long = "x".repeat(129);
    put(&ground, &format!("/v1/records/nodes/{long}"), &[], r#"{"value":1}"#)
        .fails(400, "malformed");
    ground.get(&format!("/v1/records/{long}/n1")).fails(400, "malformed");
    let large = format!(r#"{{"value":{}}}"#, text(600_000));
    put(&ground, at, &[], &large).fails(413, "too_large");
    let twice = put(&ground, "/v1/collections/c", &[], r#"{"indexes":["a","a"]}"#);
    twice.fails(400, "malformed");
    let problem = put(&ground, "/v1/collections/c", &[], r#"{"indexes":["a","b c"]}"#);
    assert!(problem.fails(400, "malformed")["detail"].to_string().contains("indexes[1]"));
    // Ten thousand fields are looked at once each.
    let fields: Vec<String> = (0..6_000).map(|n| format!("\"{n:x}\":1")).collect();
    let many = format!(r#"{{"value":{{{}}}}}"#, fields.join(","));
    put(&ground, at, &[], &many).is(200);
}

#[test]
fn a_record_says_when_it_is_gone() {
    let ground = Ground::new();
    let at = "/v1/records/nodes/n1";
    let told = put(&ground, at, &[], r#"{"value":1,"ttl_seconds":3600}"#).is(201);
    assert!(told["expires_at"].as_str() > told["at"].as_str());
    assert_eq!(ground.get(at).is(200)["expires_at"], told["expires_at"]);
    // A put replaces its life as well.
    put(&ground, at, &[], r#"{"value":1}"#).is(200);
    assert_eq!(ground.get(at).is(200)["expires_at"], json!(null));
}
