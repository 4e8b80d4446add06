//! Tickets, their tokens, and batches with the cursor of their source.

use std::io::{BufReader, Write};
use std::net::TcpStream;

use quipu_ledger::access::Scopes;
use serde_json::{Value, json};

use crate::ground::{Ground, Told};

const PAST: &str = "2020-01-01T00:00:00Z";

fn issue(ground: &Ground, ticket: Value) -> Told {
    ground.post("/v1/tickets", &ticket.to_string())
}

fn claim(ground: &Ground, ticket: &str, claimant: &str) -> Told {
    let body = json!({ "claimant": claimant }).to_string();
    ground.post(&format!("/v1/tickets/{ticket}/claims"), &body)
}

fn batch(ground: &Ground, batch: Value) -> Told {
    ground.post("/v1/tickets/batch", &batch.to_string())
}

#[test]
fn a_ticket_is_issued_and_read() {
    let ground = Ground::new();
    let ticket = json!({
        "id": "t", "asset": "EUR/2", "amount": "4200", "reference": "pay-1",
        "expires_at": "2999-12-31T00:00:00.000Z", "metadata": { "seat": "14" },
    });
    let told = issue(&ground, ticket.clone());
    assert!(told.header("quipu-position").is_some() && told.header("etag").is_some());
    let issued = told.is(201);
    for (name, value) in [
        ("id", json!("t")),
        ("kind", json!("ticket")),
        ("state", json!("unclaimed")),
        ("asset", json!("EUR/2")),
        ("amount", json!("4200")),
        ("reference", json!("pay-1")),
        ("evidence", json!([])),
        ("evidence_count", json!(0)),
        ("claimant", json!(null)),
        ("claimed_at", json!(null)),
        ("revoked_at", json!(null)),
        ("reason", json!(null)),
        ("expires_at", json!("2999-12-31T00:00:00.000Z")),
        ("metadata", json!({ "seat": "14" })),
    ] {
        assert_eq!(issued[name], value, "{name}");
    }
    let told = ground.get("/v1/tickets/t");
    let tag = told.header("etag").map(|tag| tag.trim_matches('"').to_owned());
    let read = told.is(200);
    assert_eq!(read, issued);
    assert_eq!(Some(read["version"].to_string()), tag);
    issue(&ground, ticket).fails(409, "already_exists");
    let bare = issue(&ground, json!({})).is(201);
    assert!(bare["id"].is_string() && bare["amount"].is_null(), "{bare}");
    assert_eq!(issue(&ground, json!({ "amount": 5 })).is(201)["amount"], "5");
    let missing = ground.get("/v1/tickets/none");
    assert!(missing.header("quipu-position").is_some());
    missing.fails(404, "not_found");
}

#[test]
fn a_ticket_is_claimed_once_and_its_claimant_told_the_same_for_ever() {
    let mut ground = Ground::new();
    issue(&ground, json!({ "id": "t", "asset": "EUR/2", "amount": 42 })).is(201);
    claim(&ground, "none", "alice").fails(404, "not_found");
    let first = claim(&ground, "t", "alice");
    assert_eq!(first.header("idempotent-replayed"), None);
    assert_eq!(first.status, 201);
    let shown = first.json();
    let token = shown["token"].as_str().expect("text").to_owned();
    assert!(token.len() == 64 && token.bytes().all(|byte| byte.is_ascii_hexdigit()), "{token}");
    for (name, value) in [("ticket", "t"), ("claimant", "alice"), ("amount", "42")] {
        assert_eq!(shown[name], value, "{name}");
    }
    assert_eq!(shown["claimed_at"], shown["at"]);

    // Another reference comes for it, which makes a new version of the ticket.
    batch(&ground, json!({ "tickets": [{ "id": "t", "reference": "later" }] })).is(201);
    let version = ground.get("/v1/tickets/t").is(200)["version"].clone();
    assert_ne!(version, shown["version"]);
    ground.restart();
    let again = claim(&ground, "t", "alice");
    assert_eq!(again.status, 200);
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(again.header("etag"), Some(&*format!("\"{version}\"")));
    assert_eq!(again.body, first.body);
    let other = claim(&ground, "t", "bob").fails(409, "already_claimed");
    assert!(other["since"].is_string(), "{other}");
    let read = ground.get("/v1/tickets/t").is(200);
    assert_eq!((&read["state"], &read["claimant"]), (&json!("claimed"), &json!("alice")));
    assert_eq!(read["claimed_at"], shown["claimed_at"]);
    assert!(!read.to_string().contains(&token));
}

#[test]
fn what_was_revoked_or_is_over_is_not_claimed() {
    let ground = Ground::new();
    issue(&ground, json!({ "id": "late", "expires_at": PAST })).is(201);
    claim(&ground, "late", "alice").fails(410, "expired");
    assert_eq!(ground.get("/v1/tickets/late").is(200)["state"], "expired");
    issue(&ground, json!({ "id": "t" })).is(201);
    claim(&ground, "t", "alice").is(201);
    ground.post("/v1/tickets/t/revoke", r#"{"reason":"lost"}"#).is(200);
    for claimant in ["alice", "bob"] {
        claim(&ground, "t", claimant).fails(410, "revoked");
    }
    ground.post("/v1/tickets/late/revoke", r#"{"reason":""}"#).is(200);
    claim(&ground, "late", "alice").fails(410, "revoked");
}

#[test]
fn the_first_revocation_counts_by_ticket_or_by_token() {
    let ground = Ground::new();
    for (id, first, second) in [("a", "tickets", "tokens"), ("b", "tokens", "tickets")] {
        issue(&ground, json!({ "id": id, "amount": 7 })).is(201);
        let token = claim(&ground, id, "alice").is(201)["token"].as_str().expect("hex").to_owned();
        let path = |of: &str| match of {
            "tickets" => format!("/v1/tickets/{id}/revoke"),
            _ => format!("/v1/tokens/{token}/revoke"),
        };
        let shown = ground.get(&format!("/v1/tokens/{token}")).is(200);
        assert_eq!((&shown["active"], &shown["ticket"]), (&json!(true), &json!(id)));
        assert_eq!(shown["amount"], "7");
        assert!(shown.get("revoked_at").is_none() && shown.get("reason").is_none(), "{shown}");

        let told = ground.post(&path(first), r#"{"reason":"lost"}"#).is(200);
        let late = ground.post(&path(second), r#"{"reason":"stolen"}"#).is(200);
        let again = ground.post(&path(first), r#"{"reason":"sold"}"#).is(200);
        assert_eq!(again, told);
        for told in [&told, &late] {
            assert_eq!(told["reason"], "lost", "{told}");
            assert_eq!(told["revoked_at"], again["revoked_at"], "{told}");
            assert_eq!(told["version"], again["version"], "{told}");
        }
        let shown = ground.get(&format!("/v1/tokens/{token}")).is(200);
        assert_eq!((&shown["active"], &shown["reason"]), (&json!(false), &json!("lost")));
        assert_eq!(shown["revoked_at"], told["revoked_at"]);
        let read = ground.get(&format!("/v1/tickets/{id}")).is(200);
        assert_eq!((&read["state"], &read["reason"]), (&json!("revoked"), &json!("lost")));
        assert_eq!(read["claimant"], "alice");
    }
    // Without a reason, where there is none to tell.
    issue(&ground, json!({ "id": "c" })).is(201);
    let token = claim(&ground, "c", "alice").is(201)["token"].as_str().expect("hex").to_owned();
    let path = format!("/v1/tokens/{token}/revoke");
    let told = ground.ask("POST", &path, &[], None).is(200);
    assert!(told["active"] == false && told.get("reason").is_none(), "{told}");
    ground.post("/v1/tickets/none/revoke", r#"{"reason":"lost"}"#).fails(404, "not_found");
}

#[test]
fn a_token_that_nobody_has_is_unknown_and_no_problem_shows_it() {
    let ground = Ground::new();
    let unknown = "a7".repeat(32);
    let mut details = Vec::new();
    for told in [
        ground.get(&format!("/v1/tokens/{unknown}")),
        ground.get(&format!("/v1/tokens/{}", "00".repeat(32))),
        ground.post(&format!("/v1/tokens/{unknown}/revoke"), r#"{"reason":"x"}"#),
    ] {
        assert!(told.header("quipu-position").is_some());
        details.push(told.fails(404, "not_found")["detail"].clone());
    }
    assert!(details.windows(2).all(|two| two[0] == two[1]), "{details:?}");
    for malformed in ["a7", &"g7".repeat(32), &"a7".repeat(33), &"A7".repeat(32)] {
        for told in [
            ground.get(&format!("/v1/tokens/{malformed}")),
            ground.post(&format!("/v1/tokens/{malformed}/revoke"), "{}"),
        ] {
            let problem = told.fails(400, "malformed");
            assert!(!problem["detail"].as_str().expect("text").contains(malformed), "{problem}");
        }
    }
}

#[test]
fn a_batch_keeps_what_is_there_and_other_references_as_evidence() {
    let ground = Ground::new();
    let told = batch(
        &ground,
        json!({
            "source": "chain", "cursor": 1000,
            "tickets": [
                { "id": "p1", "reference": "a", "amount": "5", "asset": "XMR/12" },
                { "id": "p2", "reference": "b", "metadata": { "n": "2" } },
                { "id": "p1", "reference": "a" },
            ],
        }),
    );
    let position = told.header("quipu-position").map(str::to_owned);
    let told = told.is(201);
    assert_eq!((&told["issued"], &told["existing"]), (&json!(2), &json!(1)));
    assert_eq!(Some(told["position"].to_string()), position);
    let source = ground.get("/v1/sources/chain");
    assert!(source.header("quipu-position").is_some());
    let source = source.is(200);
    assert_eq!((&source["source"], &source["cursor"]), (&json!("chain"), &json!(1000)));

    // The cursor is behind, and does not run back.
    let tickets: Vec<Value> = ["z", "c", "c", "b"]
        .iter()
        .map(|reference| json!({ "id": "p2", "reference": reference, "amount": 9 }))
        .collect();
    let told = batch(&ground, json!({ "source": "chain", "cursor": 999, "tickets": tickets }));
    let told = told.is(201);
    assert_eq!((&told["issued"], &told["existing"]), (&json!(0), &json!(4)));
    assert_eq!(ground.get("/v1/sources/chain").is(200)["cursor"], 1000);
    let read = ground.get("/v1/tickets/p2").is(200);
    assert_eq!((&read["reference"], &read["amount"]), (&json!("b"), &json!(null)));
    assert_eq!(read["metadata"], json!({ "n": "2" }));
    assert_eq!(read["evidence_count"], 2);
    let evidence = read["evidence"].as_array().expect("a list");
    let references: Vec<&Value> = evidence.iter().map(|evidence| &evidence["reference"]).collect();
    assert_eq!(references, ["z", "c"], "oldest first");
    assert!(evidence.iter().all(|one| one["position"].is_u64() && one["at"].is_string()));

    // Nothing but a cursor.
    let told = batch(&ground, json!({ "source": "chain", "cursor": 1001, "tickets": [] })).is(201);
    assert_eq!((&told["issued"], &told["existing"]), (&json!(0), &json!(0)));
    assert_eq!(ground.get("/v1/sources/chain").is(200)["cursor"], 1001);
    ground.get("/v1/sources/other").fails(404, "not_found");
}

#[test]
fn a_batch_is_all_or_none_and_a_key_makes_it_once() {
    let mut ground = Ground::new();
    let wrong = json!({ "source": "s", "cursor": 1, "tickets": [{ "id": "a" }, { "id": "b c" }] });
    let problem = batch(&ground, wrong).fails(400, "malformed");
    assert!(problem["detail"].as_str().expect("text").contains("tickets[1].id"), "{problem}");
    ground.get("/v1/tickets/a").fails(404, "not_found");
    ground.get("/v1/sources/s").fails(404, "not_found");

    let tickets: Vec<Value> = (0..300).map(|id| json!({ "id": format!("t{id}") })).collect();
    let body = json!({ "source": "s", "cursor": 1, "tickets": tickets }).to_string();
    let first = ground.post_keyed("/v1/tickets/batch", "k", &body);
    assert_eq!(first.header("idempotent-replayed"), None);
    let first = first.is(201);
    assert_eq!(first["issued"], 300);
    ground.restart();
    let again = ground.post_keyed("/v1/tickets/batch", "k", &body);
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(again.is(201), first);
    let anew = ground.post("/v1/tickets/batch", &body).is(201);
    assert_eq!((&anew["issued"], &anew["existing"]), (&json!(0), &json!(300)));
    ground
        .post_keyed("/v1/tickets/batch", "k", r#"{"tickets":[{"id":"x"}]}"#)
        .fails(422, "idempotency_key_reused");
}

#[test]
fn a_batch_has_ten_thousand_tickets_and_no_more() {
    let ground = Ground::with_memory(512 << 20);
    let tickets = |count: usize, text: &str| -> Value {
        let ticket = |id: usize| {
            json!({
                "id": format!("t{id}"), "reference": format!("tx-{id:030}"), "amount": "1250",
                "asset": "USD/2", "metadata": { "a": text },
            })
        };
        (0..count).map(ticket).collect()
    };
    let many = tickets(10_000, "a text of a usual length");
    let body = json!({ "source": "s", "cursor": 7, "tickets": many }).to_string();
    let told = ground.post_keyed("/v1/tickets/batch", "k", &body).is(201);
    assert_eq!((&told["issued"], &told["existing"]), (&json!(10_000), &json!(0)));
    assert_eq!(ground.post_keyed("/v1/tickets/batch", "k", &body).is(201), told);
    assert_eq!(ground.get("/v1/tickets/t9999").is(200)["state"], "unclaimed");
    let problem = batch(&ground, json!({ "tickets": tickets(10_001, "") })).fails(400, "malformed");
    assert!(problem["detail"].as_str().expect("text").contains("10000"), "{problem}");
    // What is within eight megabytes of JSON may be too much for one entry.
    let long = json!({ "tickets": tickets(10_000, &"x".repeat(600)) });
    assert!(long.to_string().len() < 8 << 20);
    batch(&ground, long).fails(413, "too_large");
    let body = r#"{"tickets":[{"id":"u"}]}"#;
    let blank = " ".repeat((8 << 20) - body.len());
    ground.post("/v1/tickets/batch", &format!("{body}{blank}")).is(201);
    // A longer one is refused before it is sent.
    let mut stream = TcpStream::connect(ground.at()).expect("it listens");
    let len = (8 << 20) + 1;
    let head = format!(
        "POST /v1/tickets/batch HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).expect("it reads");
    let told = Told::read(&mut BufReader::new(stream)).expect("it answers");
    ground.answered("POST", "/v1/tickets/batch", &told);
    told.fails(413, "too_large");
}

#[test]
fn a_repeat_under_a_key_is_told_the_same_whatever_has_happened_since() {
    let ground = Ground::new();
    let first = ground.post_keyed("/v1/tickets", "k", r#"{"amount":5}"#).is(201);
    let again = ground.post_keyed("/v1/tickets", "k", r#"{"amount":"5"}"#);
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(again.is(201), first);

    issue(&ground, json!({ "id": "t" })).is(201);
    let body = r#"{"claimant":"alice"}"#;
    let claimed = ground.post_keyed("/v1/tickets/t/claims", "k", body).is(201);
    let token = claimed["token"].as_str().expect("hex");
    let lost = ground.post_keyed("/v1/tickets/t/claims", "b", r#"{"claimant":"bob"}"#);
    let lost = lost.fails(409, "already_claimed");
    let path = format!("/v1/tokens/{token}/revoke");
    let revoked = ground.post_keyed(&path, "k", r#"{"reason":"lost"}"#).is(200);

    let again = ground.post_keyed("/v1/tickets/t/claims", "k", body);
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(again.is(201), claimed, "it was claimed, and its key knows that");
    let again = ground.post_keyed("/v1/tickets/t/claims", "b", r#"{"claimant":"bob"}"#);
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(again.fails(409, "already_claimed")["since"], lost["since"]);
    let again = ground.post_keyed(&path, "k", r#"{"reason":"lost"}"#);
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(again.is(200), revoked);
    ground.post_keyed(&path, "k", r#"{"reason":"sold"}"#).fails(422, "idempotency_key_reused");
    ground
        .post_keyed("/v1/tickets/t/claims", "k", r#"{"claimant":"bob"}"#)
        .fails(422, "idempotency_key_reused");
}

#[test]
fn a_ticket_is_changed_at_the_version_that_was_seen() {
    let ground = Ground::new();
    let stale = issue(&ground, json!({ "id": "t" })).is(201)["version"].to_string();
    batch(&ground, json!({ "tickets": [{ "id": "t", "reference": "r" }] })).is(201);
    let stale = format!("\"{stale}\"");
    let stale = [("If-Match", &*stale)];
    let claim = r#"{"claimant":"alice"}"#;
    ground.ask("POST", "/v1/tickets/t/claims", &stale, Some(claim)).fails(412, "version_mismatch");
    let why = Some(r#"{"reason":"lost"}"#);
    ground.ask("POST", "/v1/tickets/t/revoke", &stale, why).fails(412, "version_mismatch");
    let body = Some(r#"{"tickets":[{"id":"u"}]}"#);
    ground.ask("POST", "/v1/tickets/batch", &stale, body).fails(400, "malformed");
    ground.post("/v1/tickets/t/claims", claim).is(201);
}

#[test]
fn tickets_are_listed_by_their_state_without_their_tokens() {
    let ground = Ground::new();
    let tickets: Vec<Value> = (0..6).map(|id| json!({ "id": format!("t{id}") })).collect();
    batch(&ground, json!({ "tickets": tickets })).is(201);
    let mut tokens = Vec::new();
    for id in ["t1", "t3", "t5"] {
        tokens.push(claim(&ground, id, "alice").is(201)["token"].as_str().expect("hex").to_owned());
    }
    ground.post("/v1/tickets/t3/revoke", r#"{"reason":"lost"}"#).is(200);
    issue(&ground, json!({ "id": "t6", "expires_at": PAST })).is(201);
    let ids = |query: &str| {
        let (mut ids, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = ground.get(&format!("/v1/tickets?limit=2{query}{cursor}")).is(200);
            assert!(tokens.iter().all(|token| !page.to_string().contains(token)));
            let rows = page["data"].as_array().expect("rows");
            ids.extend(rows.iter().map(|row| row["id"].as_str().expect("text").to_owned()));
            let Some(next) = page["next"].as_str() else { break };
            let other = format!("/v1/tickets?state=revoked&cursor={next}");
            ground.get(&other).fails(400, "bad_cursor");
            cursor = format!("&cursor={next}");
        }
        ids
    };
    assert_eq!(ids(""), ["t0", "t1", "t2", "t3", "t4", "t5", "t6"]);
    assert_eq!(ids("&state=unclaimed"), ["t0", "t2", "t4"]);
    assert_eq!(ids("&state=claimed"), ["t1", "t5"]);
    assert_eq!(ids("&state=revoked"), ["t3"]);
    assert_eq!(ids("&state=expired"), ["t6"]);
    ground.get("/v1/tickets?state=open").fails(400, "malformed");
}

#[test]
fn only_an_administrator_takes_back() {
    let ground = Ground::new();
    issue(&ground, json!({ "id": "t" })).is(201);
    let token = claim(&ground, "t", "alice").is(201)["token"].as_str().expect("hex").to_owned();
    let ground = Keyed::new(ground);
    let by_token = format!("/v1/tokens/{token}/revoke");
    for path in ["/v1/tickets/t/revoke", &by_token] {
        for key in [&ground.read, &ground.write] {
            ground.post(key, path, r#"{"reason":"x"}"#).fails(403, "forbidden");
        }
    }
    let claim = r#"{"claimant":"alice"}"#;
    ground.post(&ground.read, "/v1/tickets/t/claims", claim).fails(403, "forbidden");
    ground.post(&ground.write, "/v1/tickets/t/claims", claim).is(200);
    ground.get(&ground.read, &format!("/v1/tokens/{token}")).is(200);
    ground.get(&ground.other, &format!("/v1/tokens/{token}")).fails(404, "not_found");
    ground.post(&ground.other, &by_token, "{}").fails(404, "not_found");
    ground.post(&ground.admin, &by_token, "{}").is(200);
}

#[test]
fn what_is_malformed_of_a_ticket_is_named() {
    let ground = Ground::new();
    for (member, value) in [
        ("id", json!("a b")),
        ("asset", json!("eur")),
        ("amount", json!(0)),
        ("reference", json!("")),
        ("expires_at", json!("soon")),
        ("metadata", json!([])),
        ("batch", json!(true)),
    ] {
        for (path, wrap) in [("/v1/tickets", false), ("/v1/tickets/batch", true)] {
            let mut ticket = json!({ "id": "t" });
            ticket[member] = value.clone();
            let body = if wrap { json!({ "tickets": [ticket] }) } else { ticket };
            let problem = ground.post(path, &body.to_string()).fails(400, "malformed");
            let detail = problem["detail"].as_str().expect("text");
            assert!(detail.contains(member), "{body}: {detail}");
            assert!(!wrap || detail.contains("tickets[0]"), "{body}: {detail}");
        }
    }
    for (body, place) in [
        (json!({}), "tickets"),
        (json!({ "tickets": [] }), "a batch"),
        (json!({ "tickets": [{}] }), "id"),
        (json!({ "tickets": [{ "id": "t" }], "source": "s" }), "cursor"),
        (json!({ "tickets": [{ "id": "t" }], "cursor": 1 }), "source"),
        (json!({ "tickets": [{ "id": "t" }], "source": "s", "cursor": -1 }), "cursor"),
        (json!({ "tickets": [{ "id": "t" }], "source": "s", "cursor": "1" }), "cursor"),
    ] {
        let problem = batch(&ground, body.clone()).fails(400, "malformed");
        let detail = problem["detail"].as_str().expect("text");
        assert!(detail.contains(place), "{body}: {detail}");
    }
    issue(&ground, json!({ "id": "t" })).is(201);
    for body in ["{}", r#"{"claimant":"a b"}"#, r#"{"claimant":7}"#, r#"{"claimant":"a","n":1}"#] {
        ground.post("/v1/tickets/t/claims", body).fails(400, "malformed");
    }
    let long = json!({ "reason": "x".repeat(513) }).to_string();
    for body in ["{}", r#"{"reason":7}"#, &long] {
        ground.post("/v1/tickets/t/revoke", body).fails(400, "malformed");
    }
    let long = json!({ "reason": "x".repeat(512) }).to_string();
    ground.post("/v1/tickets/t/revoke", &long).is(200);
    ground.get("/v1/tickets/a%20b").fails(400, "malformed");
    ground.get("/v1/sources/a%20b").fails(400, "malformed");
}

/// A server that asks for keys.
struct Keyed {
    ground: Ground,
    read: String,
    write: String,
    admin: String,
    /// An administrator's of another book.
    other: String,
}

impl Keyed {
    /// The same server with keys, which it asks for from now on.
    fn new(mut ground: Ground) -> Self {
        let ledger = ground.ledger();
        ledger.book("other").create().wait().expect("it is made").done().expect("it is new");
        let make = |book: &str, scopes| {
            let made = ledger.access().create_blocking(book, scopes, None).expect("it is made");
            made.done().expect("there is room").value.key.reveal().to_owned()
        };
        let (read, write) = (make("default", Scopes::READ), make("default", Scopes::WRITE));
        let (admin, other) = (make("default", Scopes::ADMIN), make("other", Scopes::ADMIN));
        drop(ledger);
        ground.restart();
        Self { ground, read, write, admin, other }
    }

    fn get(&self, key: &str, path: &str) -> Told {
        let key = format!("Bearer {key}");
        self.ground.ask("GET", path, &[("Authorization", &key)], None)
    }

    fn post(&self, key: &str, path: &str, body: &str) -> Told {
        let key = format!("Bearer {key}");
        self.ground.ask("POST", path, &[("Authorization", &key)], Some(body))
    }
}

#[test]
fn a_ticket_may_be_named_as_the_path_beside_it() {
    let ground = Ground::new();
    ground.post("/v1/tickets", r#"{"id":"batch"}"#).is(201);
    assert_eq!(ground.get("/v1/tickets/batch").is(200)["id"], "batch");
    ground.post("/v1/tickets/batch/claims", r#"{"claimant":"alice"}"#).is(201);
}
