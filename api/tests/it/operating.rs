//! What whoever runs the server asks.

use std::collections::HashSet;

use crate::ground::Ground;

#[test]
fn it_says_which_ledger_it_is() {
    let mut ground = Ground::new();
    let info = ground.get("/v1/info").is(200);
    assert_eq!(info["ledger"].as_str().map(str::len), Some(32));
    assert_eq!(info["anchor"]["hash"].as_str().map(str::len), Some(64));
    assert_eq!(info["position"], info["anchor"]["position"]);
    ground.post("/v1/accounts", r#"{"asset":"USD"}"#).is(201);
    let later = ground.get("/v1/info").is(200);
    assert!(later["position"].as_u64() > info["position"].as_u64());
    assert_ne!(later["anchor"], info["anchor"]);
    ground.restart();
    assert_eq!(ground.get("/v1/info").is(200)["ledger"], info["ledger"]);
}

#[test]
fn it_is_alive_and_ready() {
    let ground = Ground::new();
    for path in ["/livez", "/readyz"] {
        assert_eq!(ground.get(path).is(200)["status"], "ok");
    }
}

#[test]
fn its_metrics_have_no_ids_in_their_labels() {
    let ground = Ground::new();
    for number in 0..30 {
        ground
            .post("/v1/accounts", &format!(r#"{{"id":"planted{number}","asset":"USD"}}"#))
            .is(201);
        ground.get(&format!("/v1/accounts/planted{number}")).is(200);
        ground.get(&format!("/v1/planted{number}")).fails(404, "not_found");
    }
    let told = ground.get("/metrics");
    assert_eq!(told.status, 200);
    let text = String::from_utf8(told.body).expect("text");
    assert!(!text.contains("planted"), "{text}");
    let names: HashSet<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    for name in [
        "quipu_operations_total",
        "quipu_operation_seconds",
        "quipu_commit_seconds",
        "quipu_commit_events",
        "quipu_sync_seconds",
        "quipu_ring_events",
        "quipu_shard_queue",
        "quipu_streams_resident",
        "quipu_memory_bytes",
        "quipu_log_bytes",
        "quipu_checkpoint_lag_events",
        "quipu_http_requests_total",
        "quipu_http_request_seconds",
        "quipu_latched",
    ] {
        assert!(names.contains(name), "{name} is missing in {names:?}");
    }
    for name in &names {
        assert!(text.contains(&format!("# HELP {name} ")), "{name} has no help");
    }
}

#[test]
fn the_document_and_its_page_need_nothing_from_elsewhere() {
    let ground = Ground::new();
    let document = ground.get("/openapi.json").is(200);
    assert_eq!(document["openapi"], "3.1.0");
    let page = ground.get("/docs");
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    let page = String::from_utf8(page.body).expect("text");
    assert!(!page.contains("http://") && !page.contains("https://"), "it loads from elsewhere");
}

#[test]
fn the_trial_balance_differs_by_nothing() {
    let ground = Ground::new();
    ground.post("/v1/accounts", r#"{"id":"a","asset":"USD"}"#).is(201);
    ground.post("/v1/accounts/a/deposits", r#"{"amount":100}"#).is(201);
    ground.post("/v1/accounts/a/charges", r#"{"amount":30}"#).is(201);
    let balance = ground.get("/v1/admin/balance").is(200);
    let row = &balance["data"][0];
    assert_eq!(
        (&row["asset"], &row["in"], &row["out"]),
        (&"USD".into(), &"100".into(), &"30".into())
    );
    assert_eq!((&row["held_by"]["account"], &row["difference"]), (&"70".into(), &"0".into()));
}

#[test]
fn a_backup_and_a_checkpoint_are_made_while_it_goes_on() {
    let ground = Ground::new();
    ground.post("/v1/accounts", r#"{"id":"a","asset":"USD"}"#).is(201);
    let backup = ground.post("/v1/admin/backups", r#"{"name":"monday.quipu"}"#).is(201);
    let file = std::path::Path::new(backup["file"].as_str().expect("a path"));
    assert_eq!(backup["bytes"].as_u64(), file.metadata().ok().map(|file| file.len()));
    ground.post("/v1/admin/backups", "").is(201);
    for name in ["..", ".", "a/b"] {
        ground
            .post("/v1/admin/backups", &format!(r#"{{"name":"{name}"}}"#))
            .fails(400, "malformed");
    }
    let position = ground.get("/v1/info").is(200)["position"].as_u64();
    let checkpoint = ground.ask("POST", "/v1/admin/checkpoint", &[], None).is(200);
    assert!(checkpoint["position"].as_u64() >= position);
}
