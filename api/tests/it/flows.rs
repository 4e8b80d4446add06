//! Flows: each route, with what it is refused with.

use serde_json::{Value, json};

use crate::ground::{Ground, Told};

/// Long ago, so that some of a long flow has accrued, and all of a short one.
const PAST: &str = "2020-01-01T00:00:00Z";
const FUTURE: &str = "9000-01-01T00:00:00Z";

fn ground() -> Ground {
    let ground = Ground::new();
    for id in ["payer", "worker"] {
        ground.post("/v1/accounts", &json!({ "id": id, "asset": "USD/2" }).to_string()).is(201);
    }
    ground.post("/v1/accounts/payer/deposits", r#"{"amount":1000}"#).is(201);
    ground
}

fn open(ground: &Ground, flow: Value) -> Told {
    ground.post("/v1/flows", &flow.to_string())
}

/// One that began long ago and goes on for long.
fn running(ground: &Ground, id: &str) -> Value {
    let flow = json!({
        "id": id, "asset": "USD/2", "total": "1000000000000", "duration_seconds": 10_000_000_000_u64,
        "start_at": PAST,
    });
    open(ground, flow).is(201)
}

#[track_caller]
fn units(value: &Value) -> u128 {
    value.as_str().and_then(|digits| digits.parse().ok()).expect("digits")
}

fn balance(ground: &Ground, id: &str) -> Value {
    ground.get(&format!("/v1/accounts/{id}")).is(200)["balance"].clone()
}

#[test]
fn a_flow_is_opened_as_a_draft_and_shown() {
    let ground = Ground::new();
    let flow = json!({
        "id": "f", "asset": "USD/2", "total": 500, "duration_seconds": 60, "cliff_seconds": 7,
        "metadata": { "a": "b" },
    });
    let told = open(&ground, flow.clone());
    assert!(told.header("quipu-position").is_some());
    let flow_shown = told.is(201);
    for (name, value) in [
        ("id", json!("f")),
        ("kind", json!("flow")),
        ("state", json!("draft")),
        ("asset", json!("USD/2")),
        ("total", json!("500")),
        ("accrued", json!("0")),
        ("settled", json!("0")),
        ("withdrawn", json!("0")),
        ("withdrawable", json!("0")),
        ("refunded", json!("0")),
        ("duration_seconds", json!(60)),
        ("cliff_seconds", json!(7)),
        ("start_at", json!(null)),
        ("end_at", json!(null)),
        ("payer", json!(null)),
        ("recipient", json!(null)),
        ("metadata", json!({ "a": "b" })),
    ] {
        assert_eq!(flow_shown[name], value, "{name}");
    }
    let told = ground.get("/v1/flows/f");
    let tag = told.header("etag").map(|tag| tag.trim_matches('"').to_owned());
    let read = told.is(200);
    assert_eq!(read, flow_shown);
    assert_eq!(Some(read["version"].to_string()), tag);
    open(&ground, flow).fails(409, "already_exists");
    let missing = ground.get("/v1/flows/g");
    assert!(missing.header("quipu-position").is_some());
    missing.fails(404, "not_found");
}

#[test]
fn a_flow_runs_from_its_draft_to_its_end() {
    let ground = ground();
    let flow = json!({
        "id": "f", "asset": "USD/2", "total": 400, "duration_seconds": 1_000_000,
        "payer": "payer", "recipient": "worker",
    });
    assert_eq!(open(&ground, flow).is(201)["payer"], "payer");
    assert_eq!(balance(&ground, "payer"), "600");
    let act = |what: &str| ground.ask("POST", &format!("/v1/flows/f/{what}"), &[], None);
    for early in ["pause", "resume", "stop", "settlements", "withdrawals"] {
        act(early).fails(409, "wrong_state");
    }
    assert_eq!(act("start").is(200)["state"], "active");
    act("start").fails(409, "wrong_state");
    act("resume").fails(409, "wrong_state");
    act("cancel").fails(409, "wrong_state");
    assert_eq!(act("pause").is(200)["state"], "paused");
    act("pause").fails(409, "wrong_state");
    assert_eq!(act("resume").is(200)["state"], "active");
    act("settlements").fails(409, "nothing_to_settle");
    let told = ground.post("/v1/flows/f/top-ups", r#"{"amount":"100"}"#).is(201);
    assert_eq!((&told["total"], &told["duration_seconds"]), (&json!("500"), &json!(1_250_000)));
    assert_eq!(balance(&ground, "payer"), "500");
    let stopped = act("stop").is(200);
    assert_eq!((&stopped["state"], &stopped["refunded"]), (&json!("ended"), &json!("500")));
    assert_eq!(balance(&ground, "payer"), "1000");
    act("stop").fails(409, "wrong_state");
    ground.post("/v1/flows/f/top-ups", r#"{"amount":1}"#).fails(409, "wrong_state");
    for what in ["start", "pause", "resume", "stop", "cancel", "settlements", "withdrawals"] {
        ground.post(&format!("/v1/flows/none/{what}"), "{}").fails(404, "not_found");
    }
    ground.post("/v1/flows/none/top-ups", r#"{"amount":1}"#).fails(404, "not_found");
}

#[test]
fn what_has_accrued_is_settled_and_withdrawn_to_the_recipient() {
    let ground = ground();
    let flow = json!({
        "id": "f", "asset": "USD/2", "total": 400, "duration_seconds": 60, "start_at": PAST,
        "payer": "payer", "recipient": "worker",
    });
    let flow = open(&ground, flow).is(201);
    assert_eq!((&flow["state"], &flow["accrued"]), (&json!("active"), &json!("400")));
    assert_eq!(flow["end_at"], "2020-01-01T00:01:00.000Z");
    ground.post("/v1/flows/f/withdrawals", "{}").fails(409, "exceeds_withdrawable");
    ground.post("/v1/flows/f/top-ups", r#"{"amount":1}"#).fails(409, "wrong_state");
    let settled = ground.post("/v1/flows/f/settlements", "{}").is(201);
    for (name, value) in [
        ("amount", "400"),
        ("settled", "400"),
        ("withdrawable", "400"),
        ("state", "ended"),
        ("flow", "f"),
    ] {
        assert_eq!(settled[name], value, "{name}");
    }
    assert!(settled["position"].is_u64() && settled["at"].is_string(), "{settled}");
    ground.post("/v1/flows/f/settlements", "{}").fails(409, "nothing_to_settle");
    let too_much = ground.post("/v1/flows/f/withdrawals", r#"{"amount":401}"#);
    assert_eq!(too_much.fails(409, "exceeds_withdrawable")["available"], "400");
    let part = ground.post("/v1/flows/f/withdrawals", r#"{"amount":150}"#).is(201);
    assert_eq!((&part["amount"], &part["withdrawable"]), (&json!("150"), &json!("250")));
    assert_ne!(part["id"], settled["id"]);
    assert_eq!(balance(&ground, "worker"), "150");
    let rest = ground.ask("POST", "/v1/flows/f/withdrawals", &[], None).is(201);
    assert_eq!((&rest["amount"], &rest["withdrawn"]), (&json!("250"), &json!("400")));
    assert_eq!(balance(&ground, "worker"), "400");
}

#[test]
fn accrued_is_as_of_the_answer_and_a_stop_gives_back_the_rest() {
    let ground = Ground::new();
    let first = running(&ground, "f");
    assert_eq!(first["state"], "active");
    let second = ground.get("/v1/flows/f").is(200);
    assert!(units(&second["accrued"]) >= units(&first["accrued"]));
    assert!(units(&first["accrued"]) > 0);
    let settled = ground.post("/v1/flows/f/settlements", "{}").is(201);
    assert!(units(&settled["amount"]) >= units(&second["accrued"]));
    assert_eq!(settled["amount"], settled["settled"]);
    assert_eq!(settled["state"], "active");
    let stopped = ground.post("/v1/flows/f/stop", "{}").is(200);
    assert_eq!(
        units(&stopped["settled"]) + units(&stopped["refunded"]),
        units(&stopped["total"]),
        "{stopped}"
    );
    assert!(units(&stopped["settled"]) >= units(&settled["settled"]));
    assert_eq!(stopped["state"], "ended");
    let drawn = ground.post("/v1/flows/f/withdrawals", "{}").is(201);
    assert_eq!(drawn["amount"], stopped["settled"]);
}

#[test]
fn one_that_begins_later_cannot_be_paused_before() {
    let ground = Ground::new();
    let flow = json!({
        "id": "f", "asset": "USD/2", "total": 5, "duration_seconds": 1, "start_at": FUTURE,
    });
    assert_eq!(open(&ground, flow).is(201)["state"], "active");
    ground.post("/v1/flows/f/pause", "{}").fails(409, "wrong_state");
    ground.post("/v1/flows/f/settlements", "{}").fails(409, "nothing_to_settle");
    assert_eq!(ground.post("/v1/flows/f/stop", "{}").is(200)["refunded"], "5");
}

#[test]
fn a_draft_is_cancelled_and_all_goes_back() {
    let ground = ground();
    let flow = json!({
        "id": "f", "asset": "USD/2", "total": 400, "duration_seconds": 60, "payer": "payer",
    });
    open(&ground, flow).is(201);
    let told = ground.post("/v1/flows/f/top-ups", r#"{"amount":100}"#).is(201);
    assert_eq!((&told["state"], &told["total"]), (&json!("draft"), &json!("500")));
    let cancelled = ground.post("/v1/flows/f/cancel", "{}").is(200);
    assert_eq!((&cancelled["state"], &cancelled["refunded"]), (&json!("cancelled"), &json!("500")));
    assert_eq!(balance(&ground, "payer"), "1000");
}

#[test]
fn a_flow_is_not_opened_where_its_accounts_say_no() {
    let ground = ground();
    ground.post("/v1/accounts", r#"{"id":"euro","asset":"EUR/2"}"#).is(201);
    ground.post("/v1/accounts", r#"{"id":"gone","asset":"USD/2"}"#).is(201);
    ground.post("/v1/accounts/gone/close", "{}").is(200);
    let limited = r#"{"id":"limited","asset":"USD/2","spend_cap":{"amount":10,"period":"day"}}"#;
    ground.post("/v1/accounts", limited).is(201);
    ground.post("/v1/accounts/limited/deposits", r#"{"amount":100}"#).is(201);
    for (total, part, account, status, code) in [
        (1001, "payer", "payer", 402, "insufficient_funds"),
        (11, "payer", "limited", 402, "spend_cap_reached"),
        (1, "payer", "nobody", 404, "not_found"),
        (1, "payer", "gone", 409, "wrong_state"),
        (1, "payer", "euro", 409, "asset_mismatch"),
        (1, "recipient", "nobody", 404, "not_found"),
        (1, "recipient", "gone", 409, "wrong_state"),
        (1, "recipient", "euro", 409, "asset_mismatch"),
    ] {
        let mut flow =
            json!({ "id": "f", "asset": "USD/2", "total": total, "duration_seconds": 60 });
        flow[part] = json!(account);
        let problem = open(&ground, flow).fails(status, code);
        assert!(problem.get("leg").is_none(), "{problem}");
        ground.get("/v1/flows/f").fails(404, "not_found");
    }
    assert_eq!(balance(&ground, "payer"), "1000");
}

#[test]
fn a_recipient_takes_no_more_than_its_cap() {
    let ground = ground();
    ground.post("/v1/accounts", r#"{"id":"small","asset":"USD/2","cap":"30"}"#).is(201);
    let flow = json!({
        "id": "f", "asset": "USD/2", "total": 400, "duration_seconds": 60, "start_at": PAST,
        "recipient": "small",
    });
    open(&ground, flow).is(201);
    ground.post("/v1/flows/f/settlements", "{}").is(201);
    ground.post("/v1/flows/f/withdrawals", "{}").fails(409, "balance_cap_reached");
    ground.post("/v1/flows/f/withdrawals", r#"{"amount":30}"#).is(201);
    assert_eq!(balance(&ground, "small"), "30");
}

#[test]
fn a_repeat_under_a_key_is_told_the_same() {
    let mut ground = ground();
    let flow = json!({ "asset": "USD/2", "total": 400, "duration_seconds": 60, "payer": "payer" });
    let first = ground.post_keyed("/v1/flows", "k", &flow.to_string()).is(201);
    let again = ground.post_keyed("/v1/flows", "k", &flow.to_string());
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(again.is(201), first);
    assert_eq!(balance(&ground, "payer"), "600");

    running(&ground, "f");
    let mut told = Vec::new();
    for (what, body, status) in [
        ("pause", "{}", 200),
        ("resume", "{}", 200),
        ("settlements", "{}", 201),
        ("withdrawals", "{}", 201),
        ("top-ups", r#"{"amount":5}"#, 201),
        ("stop", "{}", 200),
    ] {
        let path = format!("/v1/flows/f/{what}");
        let first = ground.post_keyed(&path, "k", body);
        assert_eq!(first.header("idempotent-replayed"), None);
        told.push((path, body, status, first.is(status)));
    }
    ground.restart();
    for (path, body, status, first) in told {
        let again = ground.post_keyed(&path, "k", body);
        assert_eq!(again.header("idempotent-replayed"), Some("true"), "{path}");
        assert_eq!(again.is(status), first, "{path}");
    }
    let other = ground.post_keyed("/v1/flows/f/top-ups", "k", r#"{"amount":6}"#);
    other.fails(422, "idempotency_key_reused");
}

#[test]
fn a_change_is_made_to_the_version_that_was_seen() {
    let ground = Ground::new();
    let flow = running(&ground, "f");
    let stale = format!("\"{}\"", flow["version"]);
    let paused = ground.ask("POST", "/v1/flows/f/pause", &[("If-Match", &stale)], Some("{}"));
    let paused = paused.is(200);
    for what in ["start", "pause", "resume", "settlements", "withdrawals", "stop", "cancel"] {
        let path = format!("/v1/flows/f/{what}");
        let told = ground.ask("POST", &path, &[("If-Match", &stale)], Some("{}"));
        let problem = told.fails(412, "version_mismatch");
        assert_eq!(problem["version"], paused["version"], "{what}");
    }
    let stale = [("If-Match", &*stale)];
    let told = ground.ask("POST", "/v1/flows/f/top-ups", &stale, Some(r#"{"amount":1}"#));
    told.fails(412, "version_mismatch");
}

#[test]
fn flows_are_listed_by_their_state() {
    let ground = Ground::new();
    for id in 0..5 {
        let flow = json!({
            "id": format!("f{id}"), "asset": "USD/2", "total": 5, "duration_seconds": 60,
        });
        open(&ground, flow).is(201);
    }
    for (id, what) in [(1, "start"), (3, "start"), (4, "cancel")] {
        ground.post(&format!("/v1/flows/f{id}/{what}"), "{}").is(200);
    }
    let ids = |query: &str| {
        let (mut ids, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = ground.get(&format!("/v1/flows?limit=1{query}{cursor}")).is(200);
            let rows = page["data"].as_array().expect("rows");
            assert!(rows.len() <= 1);
            ids.extend(rows.iter().map(|row| row["id"].as_str().expect("text").to_owned()));
            let Some(next) = page["next"].as_str() else { break };
            ground.get(&format!("/v1/flows?state=ended&cursor={next}")).fails(400, "bad_cursor");
            cursor = format!("&cursor={next}");
        }
        ids
    };
    assert_eq!(ids(""), ["f0", "f1", "f2", "f3", "f4"]);
    assert_eq!(ids("&state=draft"), ["f0", "f2"]);
    assert_eq!(ids("&state=active"), ["f1", "f3"]);
    assert_eq!(ids("&state=cancelled"), ["f4"]);
    assert!(ids("&state=paused").is_empty());
    ground.get("/v1/flows?state=open").fails(400, "malformed");
}

#[test]
fn what_is_malformed_of_a_flow_is_named() {
    let ground = ground();
    let good = json!({ "id": "f", "asset": "USD/2", "total": 5, "duration_seconds": 60 });
    for (member, value) in [
        ("id", json!("a b")),
        ("asset", json!("usd")),
        ("asset", json!(null)),
        ("total", json!(0)),
        ("total", json!(1.5)),
        ("duration_seconds", json!(0)),
        ("duration_seconds", json!(-1)),
        ("duration_seconds", json!("60")),
        ("start_at", json!("yesterday")),
        ("cliff_seconds", json!(61)),
        ("payer", json!("")),
        ("recipient", json!(7)),
        ("metadata", json!({ "a": 1 })),
        ("colour", json!("red")),
    ] {
        let mut flow = good.clone();
        flow[member] = value;
        let problem = open(&ground, flow.clone()).fails(400, "malformed");
        let detail = problem["detail"].as_str().expect("text");
        assert!(detail.contains(member), "{flow}: {detail}");
    }
    for wanted in ["asset", "total", "duration_seconds"] {
        let mut flow = good.clone();
        flow.as_object_mut().expect("an object").remove(wanted);
        let problem = open(&ground, flow).fails(400, "malformed");
        assert!(problem["detail"].as_str().expect("text").contains(wanted), "{problem}");
    }
    let mut flow = good.clone();
    flow["duration_seconds"] = json!(u64::MAX);
    open(&ground, flow).fails(400, "malformed");
    open(&ground, good).is(201);
    ground.post("/v1/flows/f/top-ups", r#"{"amount":0}"#).fails(400, "malformed");
    ground.post("/v1/flows/f/withdrawals", r#"{"amount":0}"#).fails(400, "malformed");
    ground.post("/v1/flows/f/start", r#"{"now":true}"#).fails(400, "malformed");
    ground.post("/v1/flows/f/settlements", "[]").fails(400, "malformed");
    ground.get("/v1/flows/a%20b").fails(400, "malformed");
}
