//! Drops: each route, with what it is refused with.

use serde_json::{Value, json};

use crate::ground::{Ground, Told};

const PAST: &str = "2020-01-01T00:00:00.000Z";
const FUTURE: &str = "2999-12-31T00:00:00.000Z";

fn create(ground: &Ground, drop: Value) -> Told {
    ground.post("/v1/drops", &drop.to_string())
}

fn claim(ground: &Ground, drop: &str, claim: Value) -> Told {
    ground.post(&format!("/v1/drops/{drop}/claims"), &claim.to_string())
}

fn release(ground: &Ground, drop: &str, claim: &Value) -> Told {
    let claim = claim.as_str().expect("an id");
    ground.post(&format!("/v1/drops/{drop}/claims/{claim}/release"), "{}")
}

#[track_caller]
fn stands(ground: &Ground, drop: &str, taken: u64, remaining: u64) {
    let drop = ground.get(&format!("/v1/drops/{drop}")).is(200);
    assert_eq!((&drop["taken"], &drop["remaining"]), (&json!(taken), &json!(remaining)));
}

fn balance(ground: &Ground, id: &str) -> Value {
    ground.get(&format!("/v1/accounts/{id}")).is(200)["balance"].clone()
}

#[test]
fn a_drop_is_created_and_read() {
    let ground = Ground::new();
    let drop = json!({
        "id": "d", "stock": 100, "per_claimant": 2, "opens_at": PAST, "closes_at": FUTURE,
        "price": { "amount": 40, "asset": "USD/2" }, "seller": "shop", "metadata": { "a": "b" },
    });
    let told = create(&ground, drop.clone());
    assert!(told.header("quipu-position").is_some());
    let created = told.is(201);
    for (name, value) in [
        ("id", json!("d")),
        ("kind", json!("drop")),
        ("state", json!("open")),
        ("stock", json!(100)),
        ("taken", json!(0)),
        ("remaining", json!(100)),
        ("claims", json!(0)),
        ("per_claimant", json!(2)),
        ("opens_at", json!(PAST)),
        ("closes_at", json!(FUTURE)),
        ("price", json!({ "amount": "40", "asset": "USD/2" })),
        ("seller", json!("shop")),
        ("metadata", json!({ "a": "b" })),
    ] {
        assert_eq!(created[name], value, "{name}");
    }
    let told = ground.get("/v1/drops/d");
    let tag = told.header("etag").map(|tag| tag.trim_matches('"').to_owned());
    let read = told.is(200);
    assert_eq!(read, created);
    assert_eq!(Some(read["version"].to_string()), tag);
    create(&ground, drop).fails(409, "already_exists");
    let made = create(&ground, json!({ "stock": 0 })).is(201);
    assert!(made["id"].is_string() && made["price"].is_null(), "{made}");
    let missing = ground.get("/v1/drops/none");
    assert!(missing.header("quipu-position").is_some());
    missing.fails(404, "not_found");
}

#[test]
fn units_are_claimed_and_come_back() {
    let ground = Ground::new();
    create(&ground, json!({ "id": "d", "stock": 5, "per_claimant": 3 })).is(201);
    let first = claim(&ground, "d", json!({ "claimant": "alice", "quantity": 2 }));
    let position = first.header("quipu-position").map(str::to_owned);
    let first = first.is(201);
    for (name, value) in [
        ("number", json!(1)),
        ("claimant", json!("alice")),
        ("quantity", json!(2)),
        ("remaining", json!(3)),
        ("drop", json!("d")),
        ("paid", json!(null)),
        ("paid_from", json!(null)),
    ] {
        assert_eq!(first[name], value, "{name}");
    }
    assert_eq!(Some(first["position"].to_string()), position);
    assert!(first["at"].is_string());
    let more = claim(&ground, "d", json!({ "claimant": "alice", "quantity": 2 }));
    assert_eq!(more.fails(409, "claim_limit_reached")["remaining"], 1);
    let second = claim(&ground, "d", json!({ "claimant": "bob", "quantity": 2 })).is(201);
    let more = claim(&ground, "d", json!({ "claimant": "carol", "quantity": 2 }));
    assert_eq!(more.fails(409, "sold_out")["remaining"], 1);
    // What was refused has taken no number.
    let third = claim(&ground, "d", json!({ "claimant": "carol" })).is(201);
    assert_eq!((&second["number"], &third["number"]), (&json!(2), &json!(3)));
    assert_eq!(third["quantity"], 1);
    claim(&ground, "d", json!({ "claimant": "carol" })).fails(409, "sold_out");
    stands(&ground, "d", 5, 0);

    let released = release(&ground, "d", &first["id"]).is(200);
    for name in ["id", "number", "claimant", "quantity"] {
        assert_eq!(released[name], first[name], "{name}");
    }
    assert_eq!((&released["state"], &released["claimed_at"]), (&json!("released"), &first["at"]));
    assert!(released["position"].as_u64() > third["position"].as_u64(), "{released}");
    release(&ground, "d", &first["id"]).fails(409, "wrong_state");
    stands(&ground, "d", 3, 2);
    // The limit came back as well, and its number did not.
    let fourth = claim(&ground, "d", json!({ "claimant": "alice", "quantity": 2 })).is(201);
    assert_eq!(fourth["number"], 4);
    release(&ground, "d", &json!("c999")).fails(404, "not_found");
    release(&ground, "d", &json!("what")).fails(404, "not_found");
    release(&ground, "none", &first["id"]).fails(404, "not_found");
    claim(&ground, "none", json!({ "claimant": "alice" })).fails(404, "not_found");
}

#[test]
fn nothing_is_claimed_outside_of_the_window() {
    let ground = Ground::new();
    let drop = json!({ "id": "early", "stock": 1, "opens_at": FUTURE });
    assert_eq!(create(&ground, drop).is(201)["state"], "scheduled");
    let early = claim(&ground, "early", json!({ "claimant": "alice" })).fails(409, "not_open");
    assert_eq!(early["since"], FUTURE);
    let drop =
        json!({ "id": "late", "stock": 1, "opens_at": "2019-01-01T00:00:00Z", "closes_at": PAST });
    assert_eq!(create(&ground, drop).is(201)["state"], "closed");
    claim(&ground, "late", json!({ "claimant": "alice" })).fails(409, "not_open");
    create(&ground, json!({ "id": "d", "stock": 1 })).is(201);
    let first = claim(&ground, "d", json!({ "claimant": "alice" })).is(201);
    assert_eq!(ground.post("/v1/drops/d/close", "{}").is(200)["state"], "closed");
    claim(&ground, "d", json!({ "claimant": "bob" })).fails(409, "not_open");
    ground.post("/v1/drops/d/close", "{}").fails(409, "wrong_state");
    ground.post("/v1/drops/d/stock", r#"{"stock":9}"#).fails(409, "wrong_state");
    // What was claimed may still be given back.
    release(&ground, "d", &first["id"]).is(200);
    stands(&ground, "d", 0, 1);
    ground.post("/v1/drops/none/close", "{}").fails(404, "not_found");
}

#[test]
fn a_price_is_paid_with_the_claim_and_comes_back_with_it() {
    let ground = Ground::new();
    for (id, asset) in [("alice", "USD/2"), ("shop", "USD/2"), ("euro", "EUR/2")] {
        ground.post("/v1/accounts", &json!({ "id": id, "asset": asset }).to_string()).is(201);
    }
    ground.post("/v1/accounts/alice/deposits", r#"{"amount":100}"#).is(201);
    let drop = json!({
        "id": "d", "stock": 5, "per_claimant": 4, "seller": "shop",
        "price": { "amount": "40", "asset": "USD/2" },
    });
    create(&ground, drop).is(201);
    let buy = |units: u32| json!({ "claimant": "al", "quantity": units, "pay_from": "alice" });
    let short = claim(&ground, "d", buy(3));
    let short = short.fails(402, "insufficient_funds");
    assert_eq!(short["available"], "100");
    assert!(short.get("leg").is_none(), "{short}");
    stands(&ground, "d", 0, 5);
    for (payer, status, code) in [("euro", 409, "asset_mismatch"), ("nobody", 404, "not_found")] {
        claim(&ground, "d", json!({ "claimant": "al", "pay_from": payer })).fails(status, code);
        stands(&ground, "d", 0, 5);
    }
    let unpaid = claim(&ground, "d", json!({ "claimant": "al" })).fails(400, "malformed");
    assert!(unpaid["detail"].as_str().expect("text").contains("pay_from"), "{unpaid}");

    let bought = claim(&ground, "d", buy(2)).is(201);
    assert_eq!((&bought["number"], &bought["paid"]), (&json!(1), &json!("80")));
    assert_eq!(bought["paid_from"], "alice");
    assert_eq!((balance(&ground, "alice"), balance(&ground, "shop")), (json!("20"), json!("80")));
    stands(&ground, "d", 2, 3);
    let listed = ground.get("/v1/drops/d/claims").is(200)["data"][0].clone();
    assert_eq!((&listed["paid"], &listed["paid_from"]), (&json!("80"), &json!("alice")));
    assert_eq!(release(&ground, "d", &bought["id"]).is(200)["state"], "released");
    assert_eq!((balance(&ground, "alice"), balance(&ground, "shop")), (json!("100"), json!("0")));
    stands(&ground, "d", 0, 5);

    // Without a seller the money goes outside, and comes back from there.
    let price = json!({ "amount": 100, "asset": "USD/2" });
    create(&ground, json!({ "id": "e", "stock": 1, "price": price })).is(201);
    let bought = claim(&ground, "e", json!({ "claimant": "al", "pay_from": "alice" })).is(201);
    assert_eq!(balance(&ground, "alice"), "0");
    release(&ground, "e", &bought["id"]).is(200);
    assert_eq!(balance(&ground, "alice"), "100");
}

#[test]
fn a_spend_cap_and_a_sellers_cap_hold_and_leave_the_stock() {
    let ground = Ground::new();
    for account in [
        json!({ "id": "a", "asset": "USD", "spend_cap": { "amount": 10, "period": "month" } }),
        json!({ "id": "b", "asset": "USD" }),
        json!({ "id": "full", "asset": "USD", "cap": 5 }),
    ] {
        ground.post("/v1/accounts", &account.to_string()).is(201);
    }
    for id in ["a", "b"] {
        ground.post(&format!("/v1/accounts/{id}/deposits"), r#"{"amount":100}"#).is(201);
    }
    let price = json!({ "amount": 11, "asset": "USD" });
    create(&ground, json!({ "id": "d", "stock": 1, "price": price, "seller": "full" })).is(201);
    claim(&ground, "d", json!({ "claimant": "x", "pay_from": "a" }))
        .fails(402, "spend_cap_reached");
    claim(&ground, "d", json!({ "claimant": "x", "pay_from": "b" }))
        .fails(409, "balance_cap_reached");
    stands(&ground, "d", 0, 1);
    assert_eq!((balance(&ground, "a"), balance(&ground, "b")), (json!("100"), json!("100")));
}

#[test]
fn a_stock_is_set_to_what_is_taken_or_more() {
    let ground = Ground::new();
    create(&ground, json!({ "id": "d", "stock": 5 })).is(201);
    claim(&ground, "d", json!({ "claimant": "alice", "quantity": 3 })).is(201);
    let below = ground.post("/v1/drops/d/stock", r#"{"stock":2}"#).fails(409, "below_taken");
    assert_eq!(below["taken"], 3);
    let told = ground.post("/v1/drops/d/stock", r#"{"stock":3}"#).is(200);
    assert_eq!((&told["stock"], &told["remaining"]), (&json!(3), &json!(0)));
    claim(&ground, "d", json!({ "claimant": "bob" })).fails(409, "sold_out");
    assert_eq!(ground.post("/v1/drops/d/stock", r#"{"stock":4}"#).is(200)["remaining"], 1);
    claim(&ground, "d", json!({ "claimant": "bob" })).is(201);
    ground.post("/v1/drops/none/stock", r#"{"stock":4}"#).fails(404, "not_found");
}

#[test]
fn a_repeat_under_a_key_is_told_the_same() {
    let mut ground = Ground::new();
    ground.post("/v1/accounts", r#"{"id":"a","asset":"USD"}"#).is(201);
    ground.post("/v1/accounts/a/deposits", r#"{"amount":10}"#).is(201);
    let drop = json!({ "stock": 2, "price": { "amount": 10, "asset": "USD" } }).to_string();
    let first = ground.post_keyed("/v1/drops", "k", &drop).is(201);
    let again = ground.post_keyed("/v1/drops", "k", &drop);
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(again.is(201), first);
    let id = first["id"].as_str().expect("text");
    let path = format!("/v1/drops/{id}/claims");
    let body = r#"{"claimant":"x","pay_from":"a"}"#;
    let bought = ground.post_keyed(&path, "k", body).is(201);
    let short = ground.post_keyed(&path, "l", body);
    short.fails(402, "insufficient_funds");
    let back = format!("{path}/{}/release", bought["id"].as_str().expect("text"));
    let released = ground.post_keyed(&back, "k", "{}").is(200);
    let stock = format!("/v1/drops/{id}/stock");
    let stocked = ground.post_keyed(&stock, "k", r#"{"stock":7}"#).is(200);
    let close = format!("/v1/drops/{id}/close");
    let closed = ground.post_keyed(&close, "k", "{}").is(200);
    ground.restart();
    for (path, body, status, first) in [
        (&path, body, 201, bought),
        (&back, "{}", 200, released),
        (&stock, r#"{"stock":7}"#, 200, stocked),
        (&close, "{}", 200, closed),
    ] {
        let again = ground.post_keyed(path, "k", body);
        assert_eq!(again.header("idempotent-replayed"), Some("true"), "{path}");
        assert_eq!(again.is(status), first, "{path}");
    }
    // The money is back, and the key still knows that it was not enough.
    let again = ground.post_keyed(&path, "l", body);
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    again.fails(402, "insufficient_funds");
    ground
        .post_keyed(&path, "k", r#"{"claimant":"y","pay_from":"a"}"#)
        .fails(422, "idempotency_key_reused");
    assert_eq!(balance(&ground, "a"), "10");
}

#[test]
fn a_drop_is_changed_at_the_version_that_was_seen() {
    let ground = Ground::new();
    let drop = create(&ground, json!({ "id": "d", "stock": 5 })).is(201);
    let first = claim(&ground, "d", json!({ "claimant": "alice" })).is(201);
    let stale = format!("\"{}\"", drop["version"]);
    let back = format!("claims/{}/release", first["id"].as_str().expect("text"));
    for (what, body) in [
        ("claims", r#"{"claimant":"bob"}"#),
        (&*back, "{}"),
        ("stock", r#"{"stock":9}"#),
        ("close", "{}"),
    ] {
        let path = format!("/v1/drops/d/{what}");
        let told = ground.ask("POST", &path, &[("If-Match", &stale)], Some(body));
        let problem = told.fails(412, "version_mismatch");
        assert_eq!(problem["version"], first["version"], "{what}");
    }
    let fresh = format!("\"{}\"", first["version"]);
    let body = Some(r#"{"claimant":"bob"}"#);
    ground.ask("POST", "/v1/drops/d/claims", &[("If-Match", &fresh)], body).is(201);
}

/// The rows of a list, page by page.
fn walk(ground: &Ground, path: &str, other: &str) -> Vec<Value> {
    let (mut rows, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = ground.get(&format!("{path}{cursor}")).is(200);
        rows.extend(page["data"].as_array().expect("rows").iter().cloned());
        let Some(next) = page["next"].as_str() else { return rows };
        ground.get(&format!("{other}&cursor={next}")).fails(400, "bad_cursor");
        cursor = format!("&cursor={next}");
    }
}

#[test]
fn drops_are_listed_by_their_state() {
    let ground = Ground::new();
    for id in 0..5 {
        create(&ground, json!({ "id": format!("d{id}"), "stock": 1 })).is(201);
    }
    create(&ground, json!({ "id": "d5", "stock": 1, "opens_at": FUTURE })).is(201);
    for id in [1, 3] {
        ground.post(&format!("/v1/drops/d{id}/close"), "{}").is(200);
    }
    let ids = |query: &str| -> Vec<String> {
        let rows = walk(&ground, &format!("/v1/drops?limit=2{query}"), "/v1/drops?state=scheduled");
        rows.iter().map(|row| row["id"].as_str().expect("text").to_owned()).collect()
    };
    assert_eq!(ids(""), ["d0", "d1", "d2", "d3", "d4", "d5"]);
    assert_eq!(ids("&state=open"), ["d0", "d2", "d4"]);
    assert_eq!(ids("&state=closed"), ["d1", "d3"]);
    assert_eq!(ids("&state=scheduled"), ["d5"]);
    ground.get("/v1/drops?state=full").fails(400, "malformed");
}

#[test]
fn claims_are_listed_in_the_order_of_their_numbers() {
    let ground = Ground::new();
    create(&ground, json!({ "id": "d", "stock": 100 })).is(201);
    create(&ground, json!({ "id": "e", "stock": 100 })).is(201);
    let mut made = Vec::new();
    for number in 0..9 {
        let claimant = if number % 4 == 0 { "alice" } else { "bob" };
        made.push(claim(&ground, "d", json!({ "claimant": claimant })).is(201));
        claim(&ground, "e", json!({ "claimant": "alice" })).is(201);
    }
    release(&ground, "d", &made[4]["id"]).is(200);
    let rows = walk(&ground, "/v1/drops/d/claims?limit=2", "/v1/drops/e/claims?limit=2");
    assert_eq!(rows.len(), 9);
    for (row, made) in rows.iter().zip(&made) {
        for name in ["id", "number", "claimant", "quantity", "position", "at"] {
            assert_eq!(row[name], made[name], "{name}");
        }
    }
    let states: Vec<&Value> = rows.iter().map(|row| &row["state"]).collect();
    assert_eq!(states[3..6], ["claimed", "released", "claimed"]);
    let of = |claimant: &str| -> Vec<u64> {
        let path = format!("/v1/drops/d/claims?limit=2&claimant={claimant}");
        let rows = walk(&ground, &path, "/v1/drops/d/claims?claimant=carol");
        rows.iter().map(|row| row["number"].as_u64().expect("a number")).collect()
    };
    assert_eq!(of("alice"), [1, 5, 9]);
    assert_eq!(of("bob"), [2, 3, 4, 6, 7, 8]);
    assert!(of("dave").is_empty());
    ground.get("/v1/drops/none/claims").fails(404, "not_found");
    ground.get("/v1/drops/d/claims?claimant=a%20b").fails(400, "malformed");
}

#[test]
fn a_page_of_one_claimant_looks_at_a_bounded_number_of_claims() {
    let ground = Ground::with_memory(512 << 20);
    create(&ground, json!({ "id": "d", "stock": 2000 })).is(201);
    let drop = ground.ledger().book("default").drop("d");
    let claims = (0..1_001).map(|number| {
        let claimant = if number == 1_000 { "alice" } else { "bob" };
        drop.claim(claimant)
    });
    let book = ground.ledger().book("default");
    book.transaction().all(claims).wait().expect("it is made").done().expect("there are enough");
    drop.get().wait().expect("it is read").expect("it is there");
    let page = ground.get("/v1/drops/d/claims?claimant=alice").is(200);
    assert_eq!(page["data"], json!([]), "the thousand that were looked at are bob's");
    let next = page["next"].as_str().expect("there is more");
    let page = ground.get(&format!("/v1/drops/d/claims?claimant=alice&cursor={next}")).is(200);
    assert_eq!(page["data"][0]["number"], 1_001);
    assert_eq!((page["data"].as_array().map(Vec::len), &page["next"]), (Some(1), &json!(null)));
}

#[test]
fn what_is_malformed_of_a_drop_is_named() {
    let ground = Ground::new();
    for (member, value) in [
        ("id", json!("a b")),
        ("stock", json!(-1)),
        ("stock", json!("5")),
        ("stock", json!(null)),
        ("per_claimant", json!(0)),
        ("opens_at", json!("soon")),
        ("closes_at", json!(PAST)),
        ("price", json!({ "amount": 0, "asset": "USD" })),
        ("price", json!({ "amount": 1 })),
        ("price", json!({ "amount": 1, "asset": "USD", "tax": 1 })),
        ("seller", json!("shop")),
        ("metadata", json!({ "a": null })),
        ("colour", json!("red")),
    ] {
        let mut drop = json!({ "id": "d", "stock": 5 });
        drop[member] = value;
        let problem = create(&ground, drop.clone()).fails(400, "malformed");
        let detail = problem["detail"].as_str().expect("text");
        assert!(detail.contains(member), "{drop}: {detail}");
    }
    create(&ground, json!({ "id": "d", "stock": 5 })).is(201);
    for (member, value) in [
        ("claimant", json!("")),
        ("claimant", json!(null)),
        ("quantity", json!(0)),
        ("quantity", json!(1.5)),
        ("pay_from", json!("a b")),
        ("colour", json!("red")),
    ] {
        let mut body = json!({ "claimant": "alice" });
        body[member] = value;
        let problem = claim(&ground, "d", body.clone()).fails(400, "malformed");
        let detail = problem["detail"].as_str().expect("text");
        assert!(detail.contains(member), "{body}: {detail}");
    }
    for body in ["{}", r#"{"stock":-1}"#, r#"{"stock":1,"n":2}"#] {
        ground.post("/v1/drops/d/stock", body).fails(400, "malformed");
    }
    let told = ground.ask("POST", "/v1/drops/d/claims", &[("Idempotency-Key", "")], Some("{}"));
    told.fails(400, "malformed");
    ground.get("/v1/drops/a%20b").fails(400, "malformed");
}
