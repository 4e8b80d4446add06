//! Who is let in: loopback without keys, keys and their scopes, books apart.

use serde_json::json;

use crate::ground::{Ground, Told};

fn with(ground: &Ground, key: &str, method: &str, path: &str, body: Option<&str>) -> Told {
    ground.ask(method, path, &[("Authorization", &format!("Bearer {key}"))], body)
}

fn made(told: Told) -> String {
    told.is(201)["key"].as_str().expect("a key").to_owned()
}

#[test]
fn without_a_key_only_this_machine_is_answered() {
    let ground = Ground::new();
    for host in ["localhost", "localhost:7070", "127.0.0.1", "[::1]:1"] {
        ground.ask("GET", "/v1/info", &[("Host", host)], None).is(200);
    }
    for (name, value) in [
        ("Host", "example.org"),
        ("Host", "localhost.example.org"),
        ("Forwarded", "for=1.2.3.4"),
        ("X-Forwarded-For", "1.2.3.4"),
        ("X-Forwarded-Proto", "https"),
        ("x-forwarded-any", ""),
    ] {
        for path in ["/v1/info", "/livez", "/metrics", "/docs", "/nowhere"] {
            ground.ask("GET", path, &[(name, value)], None).fails(403, "forbidden");
        }
    }
}

#[test]
fn once_a_key_exists_one_is_required() {
    let mut ground = Ground::new();
    let write = made(ground.post("/v1/admin/keys", r#"{"scopes":["write"]}"#));
    for _ in 0..2 {
        let told = ground.get("/v1/accounts");
        assert!(told.header("www-authenticate").is_some());
        told.fails(401, "unauthenticated");
        for wrong in ["qk_00", "", "qk_", &write[..write.len() - 1]] {
            with(&ground, wrong, "GET", "/v1/accounts", None).fails(401, "unauthenticated");
        }
        let basic = ("Authorization", "Basic YTpi");
        ground.ask("GET", "/v1/accounts", &[basic], None).fails(401, "unauthenticated");
        with(&ground, &write, "GET", "/v1/accounts", None).is(200);
        // Whoever runs it is not asked for one, and no host is asked about any more.
        ground.ask("GET", "/livez", &[("Host", "example.org")], None).is(200);
        assert_eq!(ground.get("/metrics").status, 200);
        ground.restart();
    }
    let body = Some(r#"{"id":"a","asset":"USD"}"#);
    with(&ground, &write, "POST", "/v1/accounts", body).is(201);
    with(&ground, &write, "GET", "/v1/admin/balance", None).fails(403, "forbidden");
    with(&ground, &write, "POST", "/v1/admin/keys", Some(r#"{"scopes":["read"]}"#))
        .fails(403, "forbidden");
}

#[test]
fn a_scope_holds_what_is_smaller() {
    let ground = Ground::new();
    let operator = made(ground.post("/v1/admin/keys", r#"{"scopes":["operator"]}"#));
    let key = |scope: &str| {
        let body = format!(r#"{{"book":"default","scopes":["{scope}"]}}"#);
        made(with(&ground, &operator, "POST", "/v1/admin/keys", Some(&body)))
    };
    let (read, write, admin) = (key("read"), key("write"), key("admin"));
    let open = Some(r#"{"asset":"USD"}"#);
    for (key, reads, writes, administers) in [
        (&read, 200, 403, 403),
        (&write, 200, 201, 403),
        (&admin, 200, 201, 200),
        (&operator, 403, 403, 403),
    ] {
        assert_eq!(with(&ground, key, "GET", "/v1/accounts", None).status, reads);
        assert_eq!(with(&ground, key, "POST", "/v1/accounts", open).status, writes);
        assert_eq!(with(&ground, key, "GET", "/v1/admin/balance", None).status, administers);
        assert_eq!(with(&ground, key, "GET", "/v1/info", None).status, 200);
    }
    let books = with(&ground, &admin, "GET", "/v1/admin/books", None);
    books.fails(403, "forbidden");
    let operators = Some(r#"{"scopes":["operator"]}"#);
    with(&ground, &admin, "POST", "/v1/admin/keys", operators).fails(403, "forbidden");
}

#[test]
fn books_do_not_see_each_other() {
    let ground = Ground::new();
    ground.post("/v1/admin/books", r#"{"id":"acme"}"#).is(201);
    ground.post("/v1/admin/books", r#"{"id":"acme"}"#).fails(409, "already_exists");
    let books = ground.get("/v1/admin/books").is(200);
    let names: Vec<_> =
        books["data"].as_array().expect("rows").iter().map(|row| &row["id"]).collect();
    assert_eq!(names, [&json!("default"), &json!("acme")]);
    ground.post("/v1/accounts", r#"{"id":"alice","asset":"USD"}"#).is(201);
    let other = made(ground.post("/v1/admin/keys", r#"{"book":"acme","scopes":["admin"]}"#));
    with(&ground, &other, "GET", "/v1/accounts/alice", None).fails(404, "not_found");
    let list = with(&ground, &other, "GET", "/v1/accounts", None).is(200);
    assert_eq!(list["data"], json!([]));
    let body = Some(r#"{"book":"default","scopes":["read"]}"#);
    with(&ground, &other, "POST", "/v1/admin/keys", body).fails(404, "not_found");
    let keys = "/v1/admin/keys?book=default";
    with(&ground, &other, "GET", keys, None).fails(404, "not_found");
}

#[test]
fn a_revoked_key_opens_nothing_any_more() {
    let mut ground = Ground::new();
    let admin = made(ground.post("/v1/admin/keys", r#"{"scopes":["admin"],"label":"boss"}"#));
    let told =
        with(&ground, &admin, "POST", "/v1/admin/keys", Some(r#"{"scopes":["read"]}"#)).is(201);
    let (id, key) = (told["id"].as_str().expect("an id"), told["key"].as_str().expect("a key"));
    with(&ground, key, "GET", "/v1/accounts", None).is(200);
    let path = format!("/v1/admin/keys/{id}");
    let revoked = with(&ground, &admin, "DELETE", &path, None).is(200);
    assert!(revoked["revoked_at"].is_string() && revoked.get("key").is_none());
    for _ in 0..2 {
        with(&ground, key, "GET", "/v1/accounts", None).fails(401, "unauthenticated");
        ground.restart();
    }
    let keys = with(&ground, &admin, "GET", "/v1/admin/keys?limit=1", None).is(200);
    assert_eq!(keys["data"][0]["label"], "boss");
    let next = keys["next"].as_str().expect("there is another");
    let path = format!("/v1/admin/keys?limit=1&cursor={next}");
    let keys = with(&ground, &admin, "GET", &path, None).is(200);
    assert_eq!((&keys["data"][0]["id"], &keys["next"]), (&json!(id), &json!(null)));
    with(&ground, &admin, "DELETE", "/v1/admin/keys/none", None).fails(404, "not_found");
}

#[test]
fn a_book_that_is_not_there_gets_no_key() {
    let ground = Ground::new();
    ground.post("/v1/admin/keys", r#"{"book":"none","scopes":["read"]}"#).fails(404, "not_found");
    ground.post("/v1/admin/keys", r#"{"scopes":[]}"#).fails(400, "malformed");
    ground.post("/v1/admin/keys", r#"{"scopes":["all"]}"#).fails(400, "malformed");
    ground.post("/v1/admin/keys", r#"{"scopes":["read","operator"]}"#).fails(400, "malformed");
}
