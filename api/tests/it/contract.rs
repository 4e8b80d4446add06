//! The document and the server say the same. What the other tests are answered is held against
//! the document as well, by `ground`.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::ground::Ground;

/// Every path that there has to be, with its methods.
const ROUTES: &[(&str, &[&str])] = &[
    ("/v1/accounts", &["POST", "GET"]),
    ("/v1/accounts/{id}", &["GET", "PATCH"]),
    ("/v1/accounts/{id}/close", &["POST"]),
    ("/v1/accounts/{id}/deposits", &["POST"]),
    ("/v1/accounts/{id}/charges", &["POST"]),
    ("/v1/accounts/{id}/charges/{charge}/refunds", &["POST"]),
    ("/v1/accounts/{id}/entries", &["GET"]),
    ("/v1/accounts/{id}/holds", &["POST", "GET"]),
    ("/v1/accounts/{id}/holds/{hold}", &["GET"]),
    ("/v1/accounts/{id}/holds/{hold}/capture", &["POST"]),
    ("/v1/accounts/{id}/holds/{hold}/release", &["POST"]),
    ("/v1/accounts/{id}/withdrawals", &["POST"]),
    ("/v1/withdrawals/lease", &["POST"]),
    ("/v1/withdrawals", &["GET"]),
    ("/v1/withdrawals/{account}/{id}", &["GET"]),
    ("/v1/withdrawals/{account}/{id}/complete", &["POST"]),
    ("/v1/withdrawals/{account}/{id}/fail", &["POST"]),
    ("/v1/withdrawals/{account}/{id}/retry", &["POST"]),
    ("/v1/withdrawals/{account}/{id}/unknown", &["POST"]),
    ("/v1/withdrawals/{account}/{id}/reconcile", &["POST"]),
    ("/v1/transfers", &["POST"]),
    ("/v1/flows", &["POST", "GET"]),
    ("/v1/flows/{id}", &["GET"]),
    ("/v1/flows/{id}/start", &["POST"]),
    ("/v1/flows/{id}/pause", &["POST"]),
    ("/v1/flows/{id}/resume", &["POST"]),
    ("/v1/flows/{id}/settlements", &["POST"]),
    ("/v1/flows/{id}/withdrawals", &["POST"]),
    ("/v1/flows/{id}/top-ups", &["POST"]),
    ("/v1/flows/{id}/stop", &["POST"]),
    ("/v1/flows/{id}/cancel", &["POST"]),
    ("/v1/tickets", &["POST", "GET"]),
    ("/v1/tickets/batch", &["POST"]),
    ("/v1/tickets/{id}", &["GET"]),
    ("/v1/tickets/{id}/claims", &["POST"]),
    ("/v1/tickets/{id}/revoke", &["POST"]),
    ("/v1/tokens/{token}", &["GET"]),
    ("/v1/tokens/{token}/revoke", &["POST"]),
    ("/v1/sources/{source}", &["GET"]),
    ("/v1/drops", &["POST", "GET"]),
    ("/v1/drops/{id}", &["GET"]),
    ("/v1/drops/{id}/claims", &["POST", "GET"]),
    ("/v1/drops/{id}/claims/{claim}/release", &["POST"]),
    ("/v1/drops/{id}/stock", &["POST"]),
    ("/v1/drops/{id}/close", &["POST"]),
    ("/v1/collections/{collection}", &["PUT", "GET"]),
    ("/v1/records/{collection}", &["GET"]),
    ("/v1/records/{collection}/{key}", &["PUT", "GET", "DELETE"]),
    ("/v1/transactions", &["POST"]),
    ("/v1/batch", &["POST"]),
    ("/v1/streams/{kind}/{id}/events", &["GET"]),
    ("/v1/events", &["GET"]),
    ("/v1/admin/keys", &["POST", "GET"]),
    ("/v1/admin/keys/{id}", &["DELETE"]),
    ("/v1/admin/balance", &["GET"]),
    ("/v1/admin/books", &["POST", "GET"]),
    ("/v1/admin/backups", &["POST"]),
    ("/v1/admin/checkpoint", &["POST"]),
    ("/v1/info", &["GET"]),
    ("/livez", &["GET"]),
    ("/readyz", &["GET"]),
    ("/metrics", &["GET"]),
    ("/openapi.json", &["GET"]),
    ("/docs", &["GET"]),
];

#[test]
fn the_document_has_every_route_and_no_other() {
    let ground = Ground::new();
    let wanted = ROUTES.iter().flat_map(|(path, methods)| {
        methods.iter().map(|method| ((*method).to_owned(), *path)).collect::<Vec<_>>()
    });
    let wanted: BTreeSet<(String, &str)> = wanted.collect();
    let operations = ground.document().operations();
    let found = operations.into_iter().map(|(method, path, _)| (method, path));
    assert_eq!(found.collect::<BTreeSet<_>>(), wanted);
}

#[test]
fn every_object_says_whether_it_may_have_other_members() {
    fn open(schema: &Value, place: &str, all: &mut Vec<String>) {
        match schema {
            Value::Object(members) => {
                let is_object = members.get("properties").is_some_and(Value::is_object)
                    && members.get("type").is_some_and(|kind| kind == "object");
                if is_object && !members.contains_key("additionalProperties") {
                    all.push(place.to_owned());
                }
                members.iter().for_each(|(name, of)| open(of, &format!("{place}.{name}"), all));
            }
            Value::Array(values) => values.iter().for_each(|of| open(of, place, all)),
            _ => {}
        }
    }
    let ground = Ground::new();
    let mut all = Vec::new();
    open(&ground.document().0["components"]["schemas"], "", &mut all);
    assert!(all.is_empty(), "{all:?}");
}

/// A text of an answer, to be put into the next path.
fn text(of: &Value, name: &str) -> String {
    of[name].as_str().unwrap_or_else(|| panic!("{name}: {of}")).to_owned()
}

#[test]
fn every_operation_gives_every_success_of_the_document() {
    let ground = Ground::with_secrets();
    accounts(&ground);
    withdrawals(&ground);
    flows(&ground);
    tickets(&ground);
    drops(&ground);
    records_and_events(&ground);
    operating(&ground);
    let mut wanted = BTreeSet::new();
    for (_, _, operation) in ground.document().operations() {
        let name = text(operation, "operationId");
        for status in operation["responses"].as_object().expect("responses").keys() {
            let status: u16 = status.parse().expect("a status");
            if status < 300 {
                wanted.insert((name.clone(), status));
            }
        }
    }
    let missing: Vec<_> = wanted.difference(&ground.seen()).cloned().collect();
    assert!(missing.is_empty(), "no answer was seen of {missing:?}");
}

fn post(ground: &Ground, path: &str, body: Value, status: u16) -> Value {
    ground.post(path, &body.to_string()).is(status)
}

fn accounts(ground: &Ground) {
    for id in ["alice", "bob", "carol"] {
        post(ground, "/v1/accounts", json!({ "id": id, "asset": "USD/2" }), 201);
    }
    ground.get("/v1/accounts?state=open&asset=USD/2").is(200);
    ground.get("/v1/accounts/alice").is(200);
    let change = r#"{"cap":"5000","spend_cap":{"amount":4000,"period":"day"}}"#;
    ground.ask("PATCH", "/v1/accounts/alice", &[], Some(change)).is(200);
    let deposit = json!({ "amount": 1_000, "reference": "r", "metadata": { "a": "b" } });
    post(ground, "/v1/accounts/alice/deposits", deposit, 201);
    let charge = post(ground, "/v1/accounts/alice/charges", json!({ "amount": 10 }), 201);
    let refunds = format!("/v1/accounts/alice/charges/{}/refunds", text(&charge, "id"));
    post(ground, &refunds, json!({ "amount": "4" }), 201);
    for what in ["capture", "release"] {
        let hold = json!({ "amount": 10, "expires_in_seconds": 3_600 });
        let hold = post(ground, "/v1/accounts/alice/holds", hold, 201);
        let path = format!("/v1/accounts/alice/holds/{}", text(&hold, "id"));
        ground.get(&path).is(200);
        ground.post(&format!("{path}/{what}"), "").is(200);
    }
    ground.get("/v1/accounts/alice/holds?state=captured").is(200);
    post(ground, "/v1/transfers", json!({ "from": "alice", "to": "bob", "amount": 5 }), 201);
    ground.get("/v1/accounts/alice/entries?limit=2").is(200);
    ground.post("/v1/accounts/carol/close", "{}").is(200);
}

fn withdrawals(ground: &Ground) {
    for what in ["complete", "fail", "retry", "unknown"] {
        let plan = json!({ "amount": 5, "destination": "bank", "secret": "planted" });
        let plan = post(ground, "/v1/accounts/alice/withdrawals", plan, 201);
        let path = format!("/v1/withdrawals/alice/{}", text(&plan, "id"));
        let lease = json!({ "worker": "w", "max": 1, "seconds": 60 });
        let leased = post(ground, "/v1/withdrawals/lease", lease, 200);
        let fence = &leased["data"][0]["fence"];
        let said = match what {
            "complete" => json!({ "fence": fence, "reference": "tx" }),
            _ => json!({ "fence": fence, "error": "closed" }),
        };
        post(ground, &format!("{path}/{what}"), said, 200);
        ground.get(&path).is(200);
        match what {
            "unknown" => {
                post(ground, &format!("{path}/reconcile"), json!({ "outcome": "failed" }), 200);
            }
            // So that the next lease is that of the next one.
            "retry" => {
                let lease = json!({ "worker": "w", "max": 1, "seconds": 60 });
                let leased = post(ground, "/v1/withdrawals/lease", lease, 200);
                let said = json!({ "fence": leased["data"][0]["fence"], "error": "closed" });
                post(ground, &format!("{path}/fail"), said, 200);
            }
            _ => {}
        }
    }
    ground.get("/v1/withdrawals?state=completed").is(200);
}

fn flows(ground: &Ground) {
    let flow = |id: &str| {
        json!({
            "id": id, "asset": "USD/2", "total": 100, "duration_seconds": 1_000,
            "payer": "alice", "recipient": "bob",
        })
    };
    for id in ["f", "g"] {
        post(ground, "/v1/flows", flow(id), 201);
    }
    ground.post("/v1/flows/g/cancel", "").is(200);
    for what in ["start", "pause", "resume"] {
        ground.post(&format!("/v1/flows/f/{what}"), "{}").is(200);
    }
    ground.get("/v1/flows/f").is(200);
    ground.get("/v1/flows?state=active").is(200);
    post(ground, "/v1/flows/f/top-ups", json!({ "amount": 10 }), 201);
    ground.post("/v1/flows/f/stop", "").is(200);
    let mut past = flow("h");
    past["start_at"] = "2020-01-01T00:00:00Z".into();
    post(ground, "/v1/flows", past, 201);
    ground.post("/v1/flows/h/settlements", "{}").is(201);
    post(ground, "/v1/flows/h/withdrawals", json!({ "amount": 10 }), 201);
}

fn tickets(ground: &Ground) {
    post(ground, "/v1/tickets", json!({ "id": "t", "asset": "USD/2", "amount": 5 }), 201);
    let many = json!({
        "source": "s", "cursor": 7,
        "tickets": [{ "id": "t", "reference": "r1" }, { "id": "u", "metadata": { "a": "b" } }],
    });
    post(ground, "/v1/tickets/batch", many, 201);
    ground.get("/v1/tickets/t").is(200);
    ground.get("/v1/tickets?state=unclaimed").is(200);
    let claim = json!({ "claimant": "alice" });
    let claimed = post(ground, "/v1/tickets/t/claims", claim.clone(), 201);
    assert_eq!(post(ground, "/v1/tickets/t/claims", claim, 200), claimed);
    let token = format!("/v1/tokens/{}", text(&claimed, "token"));
    ground.get(&token).is(200);
    post(ground, &format!("{token}/revoke"), json!({ "reason": "a mistake" }), 200);
    ground.get(&token).is(200);
    post(ground, "/v1/tickets/u/revoke", json!({ "reason": "a mistake" }), 200);
    ground.get("/v1/sources/s").is(200);
}

fn drops(ground: &Ground) {
    let drop = json!({
        "id": "d", "stock": 10, "per_claimant": 5, "seller": "bob",
        "price": { "amount": 2, "asset": "USD/2" },
    });
    post(ground, "/v1/drops", drop, 201);
    let claim = json!({ "claimant": "c", "quantity": 2, "pay_from": "alice" });
    let claim = post(ground, "/v1/drops/d/claims", claim, 201);
    ground.get("/v1/drops/d/claims?claimant=c").is(200);
    ground.post(&format!("/v1/drops/d/claims/{}/release", text(&claim, "id")), "").is(200);
    post(ground, "/v1/drops/d/stock", json!({ "stock": 20 }), 200);
    ground.get("/v1/drops/d").is(200);
    ground.post("/v1/drops/d/close", "").is(200);
    ground.get("/v1/drops?state=closed").is(200);
}

fn records_and_events(ground: &Ground) {
    let put = |path: &str, body: Value, status: u16| {
        ground.ask("PUT", path, &[], Some(&body.to_string())).is(status)
    };
    put("/v1/collections/shoes", json!({ "indexes": ["size"] }), 201);
    put("/v1/collections/shoes", json!({ "indexes": ["size", "colour"] }), 200);
    ground.get("/v1/collections/shoes").is(200);
    let value = json!({ "value": { "size": 42 }, "ttl_seconds": 3_600 });
    put("/v1/records/shoes/red", value.clone(), 201);
    put("/v1/records/shoes/red", value, 200);
    ground.get("/v1/records/shoes/red").is(200);
    ground.get("/v1/records/shoes?where.size=42&prefix=r").is(200);
    ground.ask("DELETE", "/v1/records/shoes/red", &[], None).is(200);
    let legs = json!([
        { "op": "account.deposit", "id": "alice", "amount": "5" },
        { "op": "record.put", "collection": "shoes", "key": "blue", "value": null },
    ]);
    post(ground, "/v1/transactions", json!({ "legs": legs }), 201);
    let operations = json!([
        { "op": "account.charge", "id": "alice", "amount": "5", "key": "k" },
        { "op": "account.charge", "id": "nobody", "amount": "5" },
        { "op": "account.charge" },
    ]);
    post(ground, "/v1/batch", json!({ "operations": operations }), 200);
    for stream in ["account/alice", "flow/f", "ticket/t", "drop/d", "record/shoes%2Fblue"] {
        ground.get(&format!("/v1/streams/{stream}/events")).is(200);
    }
    ground.get("/v1/events?limit=1000").is(200);
}

fn operating(ground: &Ground) {
    for path in ["/livez", "/readyz", "/openapi.json", "/v1/info", "/v1/admin/balance"] {
        ground.get(path).is(200);
    }
    for path in ["/metrics", "/docs"] {
        assert_eq!(ground.get(path).status, 200);
    }
    post(ground, "/v1/admin/books", json!({ "id": "acme" }), 201);
    ground.get("/v1/admin/books").is(200);
    ground.post("/v1/admin/backups", r#"{"name":"one.quipu"}"#).is(201);
    ground.post("/v1/admin/checkpoint", "").is(200);
    // From here on a key is asked for.
    let key = json!({ "scopes": ["admin"], "label": "boss" });
    let admin = text(&post(ground, "/v1/admin/keys", key, 201), "key");
    let admin = format!("Bearer {admin}");
    let with = [("Authorization", &*admin)];
    let keys = ground.ask("GET", "/v1/admin/keys", &with, None).is(200);
    let path = format!("/v1/admin/keys/{}", text(&keys["data"][0], "id"));
    ground.ask("DELETE", &path, &with, None).is(200);
}

/// What few clients ever see is in the document as well: `ground` looks.
#[test]
fn seldom_refusals_are_in_the_document() {
    let ground = Ground::new();
    let most = "170141183460469231731687303715884105727";
    let ask = |path: &str, body: Value| ground.post(path, &body.to_string());
    ask("/v1/accounts", json!({ "id": "x", "asset": "USD", "floor": 1 }))
        .fails(402, "insufficient_funds");
    for id in ["payer", "seller"] {
        post(&ground, "/v1/accounts", json!({ "id": id, "asset": "USD" }), 201);
    }
    let past = json!({ "id": "past", "asset": "USD", "expires_at": "2020-01-01T00:00:00Z" });
    post(&ground, "/v1/accounts", past, 201);
    ground.post("/v1/accounts/past/close", "").fails(410, "expired");
    post(&ground, "/v1/accounts/payer/deposits", json!({ "amount": most }), 201);
    ask("/v1/accounts/payer/deposits", json!({ "amount": 1 })).fails(409, "overflow");
    let long = json!({ "amount": 1, "expires_in_seconds": u64::MAX });
    ask("/v1/accounts/payer/holds", long).fails(409, "overflow");
    post(&ground, "/v1/accounts/payer/holds", json!({ "amount": 5 }), 201);
    ask("/v1/accounts/payer/holds", json!({ "amount": most })).fails(409, "overflow");
    let payout = json!({ "amount": most, "destination": "bank" });
    ask("/v1/accounts/payer/withdrawals", payout).fails(409, "overflow");
    let charge = post(&ground, "/v1/accounts/payer/charges", json!({ "amount": 5 }), 201);
    let refunds = format!("/v1/accounts/payer/charges/{}/refunds", text(&charge, "id"));
    ground.post(&refunds, "").is(201);
    ground.post(&refunds, "").fails(409, "wrong_state");
    ask("/v1/accounts/payer/charges", json!({ "amount": most })).fails(409, "overflow");
    // A seller that has spent what it was paid cannot give it back.
    let drop = json!({
        "id": "d", "stock": 5, "seller": "seller", "price": { "amount": 1, "asset": "USD" },
    });
    post(&ground, "/v1/drops", drop, 201);
    let claim = json!({ "claimant": "c", "pay_from": "payer" });
    let claim = post(&ground, "/v1/drops/d/claims", claim, 201);
    post(&ground, "/v1/accounts/seller/charges", json!({ "amount": 1 }), 201);
    let release = format!("/v1/drops/d/claims/{}/release", text(&claim, "id"));
    ground.post(&release, "").fails(402, "insufficient_funds");
    let record = json!({ "value": 1, "ttl_seconds": u64::MAX / 1_000 }).to_string();
    ground.ask("PUT", "/v1/records/c/k", &[], Some(&record)).fails(409, "overflow");
}

/// `If-Match` has a say wherever one stream is changed, also where one is made.
#[test]
fn a_version_is_asked_for_on_every_route_that_changes_one_stream() {
    let ground = Ground::new();
    let stale = [("If-Match", "\"1\"")];
    for (path, body) in [
        ("/v1/accounts", json!({ "id": "a", "asset": "USD" })),
        ("/v1/flows", json!({ "id": "a", "asset": "USD", "total": 5, "duration_seconds": 5 })),
        ("/v1/tickets", json!({ "id": "a" })),
        ("/v1/drops", json!({ "id": "a", "stock": 5 })),
        ("/v1/admin/books", json!({ "id": "a" })),
    ] {
        let body = body.to_string();
        let absent = ground.ask("POST", path, &stale, Some(&body));
        assert!([404, 412].contains(&absent.status), "{path}: {absent:?}");
        ground.post(path, &body).is(201);
        ground.ask("POST", path, &stale, Some(&body)).fails(412, "version_mismatch");
    }
    let money = json!({ "amount": 5 });
    post(&ground, "/v1/accounts/a/deposits", money, 201);
    let payout = json!({ "amount": 5, "destination": "bank" });
    let payout = post(&ground, "/v1/accounts/a/withdrawals", payout, 201);
    let lease = json!({ "worker": "w", "max": 1, "seconds": 60 });
    let fence = post(&ground, "/v1/withdrawals/lease", lease, 200)["data"][0]["fence"].clone();
    for (what, body) in [
        ("complete", json!({ "fence": fence })),
        ("fail", json!({ "fence": fence, "error": "x" })),
        ("retry", json!({ "fence": fence, "error": "x" })),
        ("unknown", json!({ "fence": fence, "error": "x" })),
        ("reconcile", json!({ "outcome": "failed" })),
    ] {
        let path = format!("/v1/withdrawals/a/{}/{what}", text(&payout, "id"));
        let told = ground.ask("POST", &path, &stale, Some(&body.to_string()));
        told.fails(412, "version_mismatch");
    }
}
