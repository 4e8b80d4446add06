//! Transactions and batches.

use serde_json::{Value, json};

use crate::ground::Ground;

/// Two accounts, the first with 100.
fn ground() -> Ground {
    let ground = Ground::new();
    for id in ["alice", "bob"] {
        ground.post("/v1/accounts", &format!(r#"{{"id":"{id}","asset":"USD/2"}}"#)).is(201);
    }
    ground.post("/v1/accounts/alice/deposits", r#"{"amount":100}"#).is(201);
    ground
}

fn available(ground: &Ground, account: &str) -> String {
    let account = ground.get(&format!("/v1/accounts/{account}")).is(200);
    account["available"].as_str().expect("text").to_owned()
}

fn transact(ground: &Ground, legs: &[Value]) -> crate::ground::Told {
    ground.post("/v1/transactions", &json!({ "legs": legs }).to_string())
}

fn batch(ground: &Ground, operations: &[Value]) -> Vec<Value> {
    let told = ground.post("/v1/batch", &json!({ "operations": operations }).to_string());
    let results = told.is(200)["results"].as_array().expect("results").clone();
    assert_eq!(results.len(), operations.len());
    for result in &results {
        let (status, problem) = (&result["status"], &result["problem"]);
        assert_eq!(problem.is_object(), status.as_u64() >= Some(400), "{result}");
        if problem.is_object() {
            assert_eq!((&problem["status"], problem["request_id"].is_string()), (status, true));
        }
    }
    results
}

#[test]
fn legs_happen_together_and_each_shows_what_its_own_route_does() {
    let ground = ground();
    let told = transact(
        &ground,
        &[
            json!({"op":"account.charge","id":"alice","amount":"60","reference":"r"}),
            json!({"op":"account.deposit","id":"bob","amount":60}),
            json!({"op":"account.hold","id":"bob","amount":"50","expires_in_seconds":60}),
            json!({"op":"account.open","id":"carol","asset":"EUR"}),
            json!({"op":"record.put","collection":"orders","key":"o1","value":{"a":1}}),
            json!({"op":"record.put","id":"orders/o2","value":[1]}),
        ],
    );
    let position = told.header("quipu-position").map(str::to_owned);
    let done = told.is(201);
    assert_eq!(position, Some(done["position"].to_string()));
    assert!(done["at"].is_string());
    let results = done["results"].as_array().expect("results");
    for (index, name, value) in [
        (0, "balance_after", json!("40")),
        (0, "account", json!("alice")),
        (1, "balance_after", json!("60")),
        (2, "state", json!("held")),
        (3, "id", json!("carol")),
        (4, "created", json!(true)),
        (5, "key", json!("o2")),
        (5, "value", json!([1])),
    ] {
        assert_eq!(results[index][name], value, "{index}: {name}: {}", results[index]);
    }
    assert_eq!(available(&ground, "bob"), "10");
    let record = ground.get("/v1/records/orders/o1").is(200);
    assert_eq!(record["version"], results[4]["version"]);
    assert_eq!(ground.get("/v1/accounts/carol").is(200)["version"], results[3]["version"]);
    // And on what they have made.
    let hold = results[2]["id"].as_str().expect("text");
    let done = transact(
        &ground,
        &[
            json!({"op":"account.capture","id":"bob","hold":hold,"amount":20}),
            json!({"op":"record.delete","collection":"orders","key":"o1"}),
        ],
    );
    let done = done.is(201);
    assert_eq!(done["results"][0]["captured"], "20", "{done}");
    assert_eq!(done["results"][1]["deleted"], true);
    ground.get("/v1/records/orders/o1").fails(404, "not_found");
    assert_eq!(available(&ground, "bob"), "40");
}

#[test]
fn tickets_drops_and_flows_are_legs_and_items_as_well() {
    let ground = ground();
    ground
        .post("/v1/drops", r#"{"id":"shoes","stock":2,"price":{"amount":10,"asset":"USD/2"}}"#)
        .is(201);
    let flow = r#"{"id":"f","asset":"USD/2","total":60,"duration_seconds":60,
        "start_at":"2020-01-01T00:00:00Z","recipient":"bob"}"#;
    ground.post("/v1/flows", flow).is(201);
    let done = transact(
        &ground,
        &[
            json!({"op":"ticket.issue","id":"seat","amount":5,"asset":"USD/2"}),
            json!({"op":"ticket.claim","id":"seat","claimant":"alice"}),
            json!({"op":"drop.claim","id":"shoes","claimant":"alice","pay_from":"alice"}),
            json!({"op":"flow.settle","id":"f"}),
            json!({"op":"flow.withdraw","id":"f","amount":20}),
        ],
    );
    let done = done.is(201);
    let results = &done["results"];
    assert_eq!(results[0]["id"], "seat", "{done}");
    assert_eq!(results[1]["claimant"], "alice");
    assert_eq!((&results[2]["number"], &results[2]["remaining"]), (&json!(1), &json!(1)));
    assert_eq!((&results[3]["amount"], &results[4]["amount"]), (&json!("60"), &json!("20")));
    assert_eq!(
        (available(&ground, "alice"), available(&ground, "bob")),
        ("90".into(), "20".into())
    );
    let claim = results[2]["id"].as_str().expect("text");
    let results = batch(
        &ground,
        &[
            json!({"op":"drop.release","id":"shoes","claim":claim}),
            json!({"op":"drop.release","id":"shoes","claim":claim}),
            json!({"op":"ticket.claim","id":"seat","claimant":"alice"}),
            json!({"op":"ticket.claim","id":"seat","claimant":"bob"}),
            json!({"op":"ticket.issue","key":"k"}),
            json!({"op":"flow.withdraw","id":"f"}),
            json!({"op":"flow.settle","id":"f"}),
        ],
    );
    let statuses: Vec<&Value> = results.iter().map(|result| &result["status"]).collect();
    assert_eq!(statuses, [200, 409, 200, 409, 201, 201, 409], "{results:?}");
    assert_eq!(results[2]["body"], done["results"][1], "the same as the first time");
    assert_eq!(
        (available(&ground, "alice"), available(&ground, "bob")),
        ("100".into(), "60".into())
    );
}

#[test]
fn the_lowest_refused_leg_is_named_and_nothing_happens() {
    let ground = ground();
    let deposit = json!({"op":"account.deposit","id":"bob","amount":1,"reference":"r"});
    let charge = |amount: u64| json!({"op":"account.charge","id":"alice","amount":amount});
    let problem = transact(&ground, &[deposit.clone(), charge(60), charge(60), charge(70)]);
    let problem = problem.fails(402, "insufficient_funds");
    assert_eq!((&problem["leg"], &problem["available"]), (&json!(2), &json!("40")));
    assert_eq!(
        (available(&ground, "alice"), available(&ground, "bob")),
        ("100".into(), "0".into())
    );
    let first = transact(&ground, core::slice::from_ref(&deposit)).is(201);
    let problem = transact(&ground, &[charge(1), deposit]).fails(409, "already_exists");
    assert_eq!(problem["leg"], 1);
    assert_eq!(problem["first"], first["results"][0]["id"]);
    let version = ground.get("/v1/accounts/alice").is(200)["version"].clone();
    let mut leg = charge(1);
    leg["if_version"] = version;
    transact(&ground, &[leg.clone()]).is(201);
    let problem = transact(&ground, &[charge(1), leg]).fails(412, "version_mismatch");
    assert_eq!(problem["leg"], 1);
    let missing = json!({"op":"flow.settle","id":"none"});
    assert_eq!(transact(&ground, &[missing]).fails(404, "not_found")["leg"], 0);
    assert_eq!(available(&ground, "alice"), "99");
}

#[test]
fn a_transaction_under_a_key_happens_once() {
    let mut ground = ground();
    let body = r#"{"legs":[{"op":"account.charge","id":"alice","amount":60},
        {"op":"account.deposit","id":"bob","amount":60}]}"#;
    let first = ground.post_keyed("/v1/transactions", "k", body).is(201);
    ground.restart();
    let again = ground.post_keyed("/v1/transactions", "k", &body.replace("60", "\"60\""));
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(again.is(201), first);
    let other = ground.post_keyed("/v1/transactions", "k", &body.replace("60", "61"));
    other.fails(422, "idempotency_key_reused");
    let refused = ground.post_keyed("/v1/transactions", "l", body).fails(402, "insufficient_funds");
    ground.post("/v1/accounts/alice/deposits", r#"{"amount":100}"#).is(201);
    let again = ground.post_keyed("/v1/transactions", "l", body);
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    let again = again.fails(402, "insufficient_funds");
    assert_eq!((&again["leg"], &again["available"]), (&refused["leg"], &refused["available"]));
    assert_eq!(available(&ground, "bob"), "60");
}

#[test]
fn of_many_legs_only_their_positions_are_told() {
    let ground = Ground::with_memory(256 << 20);
    ground.post("/v1/accounts", r#"{"id":"bob","asset":"USD/2"}"#).is(201);
    let legs = |count: usize| {
        let leg = json!({"op":"account.deposit","id":"bob","amount":1});
        vec![leg; count]
    };
    let few = transact(&ground, &legs(63)).is(201);
    assert_eq!(few["results"][62]["balance_after"], "63");
    let many = transact(&ground, &legs(64)).is(201);
    let results = many["results"].as_array().expect("results");
    assert_eq!(results.len(), 64);
    assert_eq!(results[63], json!({"changed": true, "position": many["position"]}));
    let most =
        ground.post_keyed("/v1/transactions", "k", &json!({ "legs": legs(10_000) }).to_string());
    assert_eq!(most.is(201)["results"].as_array().map(Vec::len), Some(10_000));
    assert_eq!(available(&ground, "bob"), "10127");
    transact(&ground, &legs(10_001)).fails(413, "too_large");
    assert_eq!(available(&ground, "bob"), "10127");
}

#[test]
fn what_is_malformed_about_a_leg_is_named_with_its_place() {
    let ground = ground();
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let long = "x".repeat(129);
    for (leg, place) in [
        ("5".to_owned(), "legs[1]: it has to be an object"),
        ("[\"account.open\"]".to_owned(), "legs[1]: it has to be an object"),
        ("{}".to_owned(), "legs[1]: missing field `op`"),
        (r#"{"op":5}"#.to_owned(), "legs[1].op: "),
        (r#"{"op":"account.give","id":"alice"}"#.to_owned(), "legs[1].op: \"account.give\""),
        (r#"{"op":"account.transfer","from":"alice"}"#.to_owned(), "legs[1].op: "),
        (r#"{"op":"account.open","asset":"USD"}"#.to_owned(), "legs[1].id: "),
        (r#"{"op":"account.deposit","amount":5}"#.to_owned(), "legs[1].id: it is missing"),
        (r#"{"op":"account.deposit","id":"a b","amount":5}"#.to_owned(), "legs[1].id: "),
        (format!(r#"{{"op":"account.deposit","id":"{long}","amount":5}}"#), "legs[1].id: "),
        (r#"{"op":"account.deposit","id":7,"amount":5}"#.to_owned(), "legs[1].id: "),
        (r#"{"op":"account.deposit","id":"bob","amount":0}"#.to_owned(), "legs[1].amount: "),
        (r#"{"op":"account.deposit","id":"bob","amount":1e400}"#.to_owned(), "legs[1].amount: "),
        (
            r#"{"op":"account.deposit","id":"bob","amount":9999999999999999999999}"#.to_owned(),
            "legs[1].amount: ",
        ),
        (r#"{"op":"account.deposit","id":"bob"}"#.to_owned(), "`amount`"),
        (r#"{"op":"account.deposit","id":"bob","amount":5,"key":"k"}"#.to_owned(), "`key`"),
        (r#"{"op":"account.deposit","id":"bob","amount":5,"amount":5}"#.to_owned(), "`amount`"),
        (
            r#"{"op":"account.deposit","id":"bob","id":"alice","amount":5}"#.to_owned(),
            "legs[1].id: it comes more than once",
        ),
        (
            r#"{"op":"account.deposit","op":"account.charge","id":"bob","amount":5}"#.to_owned(),
            "duplicate field `op`",
        ),
        (
            r#"{"op":"account.deposit","id":"bob","amount":5,"metadata":{"a":1}}"#.to_owned(),
            "legs[1].metadata.a: ",
        ),
        (
            r#"{"op":"account.deposit","id":"bob","amount":5,"if_version":"1"}"#.to_owned(),
            "legs[1].if_version: ",
        ),
        (r#"{"op":"account.capture","id":"bob"}"#.to_owned(), "legs[1].hold: it is missing"),
        (r#"{"op":"record.put","value":1}"#.to_owned(), "legs[1]: a record is named"),
        (r#"{"op":"record.put","key":"k","value":1}"#.to_owned(), "legs[1]: a record is named"),
        (r#"{"op":"record.put","collection":"c","value":1}"#.to_owned(), "legs[1].key: "),
        (r#"{"op":"record.put","id":"k","value":1}"#.to_owned(), "legs[1].id: "),
        (r#"{"op":"record.put","id":"c/k/l","value":1}"#.to_owned(), "legs[1].id: "),
        (r#"{"op":"record.put","id":"c/k","key":"k","value":1}"#.to_owned(), "legs[1].key: "),
        (
            r#"{"op":"record.put","id":"c/k","collection":"c","value":1}"#.to_owned(),
            "legs[1].collection: ",
        ),
        (format!(r#"{{"op":"record.put","id":"c/k","value":{deep}}}"#), "legs[1]: "),
        (format!(r#"{{"op":"account.deposit","id":{deep}}}"#), "legs[1].id: "),
        (deep.clone(), "legs[1]: it has to be an object"),
    ] {
        let body =
            format!(r#"{{"legs":[{{"op":"account.deposit","id":"bob","amount":5}},{leg}]}}"#);
        let problem = ground.post("/v1/transactions", &body).fails(400, "malformed");
        let detail = problem["detail"].as_str().expect("text");
        assert!(detail.contains(place), "{body:.200}: {detail}");
    }
    // What only the ledger knows to be wrong.
    let hold = json!({"op":"account.hold","id":"bob","amount":5,"expires_in_seconds":0});
    let deposit = json!({"op":"account.deposit","id":"bob","amount":5});
    let problem = transact(&ground, &[deposit, hold]).fails(400, "malformed");
    assert_eq!(problem["leg"], 1);
    let long = json!({"op":"record.put","id":"c/k","value":"x".repeat(65_535)});
    let problem = transact(&ground, &[long]).fails(400, "malformed");
    assert!(problem["detail"].to_string().contains("legs[0]: "), "{problem}");
    for (body, place) in [
        ("", "the body"),
        ("{}", "legs"),
        ("[]", "the body"),
        (r#"{"legs":[]}"#, "legs"),
        (r#"{"legs":{}}"#, "legs"),
        (r#"{"legs":[],"legs":[]}"#, "legs"),
        (r#"{"legs":[{"op":"#, "legs"),
        (r#"{"legs":[],"key":"k"}"#, "key"),
    ] {
        let problem = ground.post("/v1/transactions", body).fails(400, "malformed");
        let detail = problem["detail"].as_str().expect("text");
        assert!(detail.contains(place), "{body}: {detail}");
    }
    let body = r#"{"legs":[{"op":"account.deposit","id":"bob","amount":5}]}"#;
    for condition in [("If-Match", "\"1\""), ("If-None-Match", "*")] {
        let told = ground.ask("POST", "/v1/transactions", &[condition], Some(body));
        told.fails(400, "malformed");
    }
    assert_eq!(available(&ground, "bob"), "0");
}

#[test]
fn operations_of_a_batch_are_each_on_their_own() {
    let ground = ground();
    let charge = |amount: u64| json!({"op":"account.charge","id":"alice","amount":amount});
    let results = batch(
        &ground,
        &[
            charge(60),
            charge(60),
            json!({"op":"account.deposit","id":"alice","amount":30}),
            charge(60),
            json!({"op":"account.deposit","id":"alice","amount":"0"}),
            json!({"op":"account.transfer","from":"alice","to":"bob","amount":5}),
            json!({"op":"account.open","asset":"EUR"}),
            json!({"op":"account.open","id":"alice","asset":"EUR"}),
            json!("account.open"),
            json!({"op":"flow.withdraw","id":"none"}),
        ],
    );
    // Those on one stream in their order: the third pays for the fourth.
    let statuses: Vec<&Value> = results.iter().map(|result| &result["status"]).collect();
    assert_eq!(statuses, [201, 402, 201, 201, 400, 201, 201, 409, 400, 404]);
    assert_eq!(results[0]["body"]["balance_after"], "40");
    assert_eq!(results[1]["problem"]["available"], "40");
    assert_eq!(results[3]["body"]["balance_after"], "10");
    let detail = results[4]["problem"]["detail"].as_str().expect("text");
    assert!(detail.starts_with("operations[4].amount: "), "{detail}");
    assert_eq!(results[5]["body"]["to_balance_after"], "5");
    assert!(results[6]["body"]["id"].is_string());
    assert_eq!(results[7]["problem"]["code"], "already_exists");
    let body = &results[5]["body"];
    let version = ground.get("/v1/accounts/bob").is(200)["version"].clone();
    assert_eq!(body["position"], version, "{body}");
    assert_eq!(available(&ground, "bob"), "5");
}

#[test]
fn each_operation_of_a_batch_has_a_key_of_its_own() {
    let mut ground = ground();
    let deposit = |amount: u64, key: &str| json!({"op":"account.deposit","id":"bob","amount":amount,"key":key});
    let operations = [
        deposit(5, "k"),
        deposit(5, "k"),
        deposit(6, "k"),
        deposit(5, "l"),
        json!({"op":"account.open","asset":"EUR","key":"k"}),
        json!({"op":"account.charge","id":"bob","amount":999,"key":"k"}),
        json!({"op":"record.put","id":"c/r","value":1,"key":"k"}),
        json!({"op":"record.put","collection":"c","key":"s","value":1}),
        deposit(5, "a b"),
    ];
    let first = batch(&ground, &operations);
    let statuses: Vec<&Value> = first.iter().map(|result| &result["status"]).collect();
    assert_eq!(statuses, [201, 201, 422, 201, 201, 402, 201, 201, 400]);
    assert_eq!(first[0], first[1]);
    ground.restart();
    let again = batch(&ground, &operations);
    for index in [0, 1, 3, 4, 6] {
        assert_eq!(first[index], again[index], "{index}");
    }
    assert_eq!(again[7]["status"], 200, "it had no idempotency key");
    assert_eq!(available(&ground, "bob"), "10");
    for key in ["r", "s"] {
        ground.get(&format!("/v1/records/c/{key}")).is(200);
    }
    let keyed = ground.post_keyed("/v1/batch", "k", r#"{"operations":[]}"#);
    keyed.fails(400, "malformed");
}

#[test]
fn what_is_no_batch_is_malformed_as_a_whole() {
    let ground = Ground::with_memory(256 << 20);
    assert_eq!(batch(&ground, &[]), [Value::Null; 0]);
    for body in ["", "{}", "[]", r#"{"operations":5}"#, r#"{"operations":[{}"#, "\u{0}"] {
        ground.post("/v1/batch", body).fails(400, "malformed");
    }
    // Bytes that are no text.
    let told = ground.ask_bytes("/v1/batch", b"{\"operations\":[{\"op\":\"\xff\"}]}");
    told.fails(400, "malformed");
    let operation = json!({"op":"account.open","asset":"EUR"});
    let most = batch(&ground, &vec![operation.clone(); 8_192]);
    assert!(most.iter().all(|result| result["status"] == 201 || result["status"] == 503));
    let many = json!({ "operations": vec![operation; 8_193] }).to_string();
    ground.post("/v1/batch", &many).fails(413, "too_large");
}
