//! Keys, secrets and tokens are where they have to be, once, and nowhere else: not in a line of the
//! log, a metric, a problem, a list, an event, nor in any file of the ledger or of a backup.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::ground::{Line, Server, Told, request};

const SECRET: &str = "planted secret of a payout";
/// A secret that somebody has forgotten to put in quotes.
const BARE: u64 = 918_273_645_546_372_819;
const IDEMPOTENCY_KEY: &str = "planted-idempotency-key";
/// What may well be found: that it is shows that the search finds.
const DESTINATION: &str = "planted-destination";

/// What must not be found, and all that was said and written.
struct Search {
    planted: Vec<(&'static str, Vec<u8>)>,
    said: Vec<(String, Vec<u8>)>,
}

impl Search {
    /// From here on nobody may say it.
    fn plant(&mut self, what: &'static str, text: &str) {
        self.planted.push((what, text.as_bytes().to_vec()));
        // The bytes that the digits stand for open as much as the digits.
        let digits = text.strip_prefix("qk_").unwrap_or(text).as_bytes();
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
        if let Some(bytes) = digits.chunks(2).map(byte).collect::<Option<Vec<u8>>>()
            && bytes.len() == 32
        {
            self.planted.push((what, bytes));
        }
    }

    fn said(&mut self, by: impl Into<String>, what: impl Into<Vec<u8>>) {
        self.said.push((by.into(), what.into()));
    }

    fn heard(&mut self, by: &str, told: &Told) {
        self.said(by, format!("{told:?}"));
    }

    fn read(&mut self, folder: &Path) {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                self.read(&path);
            } else {
                self.said(path.display().to_string(), fs::read(&path).expect("a file"));
            }
        }
    }

    /// Who has said it.
    fn found(&self, text: &[u8]) -> Vec<&str> {
        let holds = |said: &[u8]| said.windows(text.len()).any(|window| window == text);
        let holding = self.said.iter().filter(|(_, said)| holds(said));
        holding.map(|(by, _)| by.as_str()).collect()
    }

    fn finds_nothing(&self) {
        let found = |(what, text): &(&'static str, Vec<u8>)| (*what, self.found(text));
        let found: Vec<_> =
            self.planted.iter().map(found).filter(|(_, by)| !by.is_empty()).collect();
        assert!(found.is_empty(), "{found:#?}");
    }
}

fn text(value: &Value) -> &str {
    value.as_str().expect("text")
}

#[test]
fn nothing_says_what_was_planted() {
    for log in ["text", "json"] {
        let folder = TempDir::new().expect("a folder");
        let (secrets, backups) = (folder.path().join("secrets"), folder.path().join("backups"));
        let mut search = Search { planted: Vec::new(), said: Vec::new() };
        let arguments = [
            "--log-level",
            "trace",
            "--log",
            log,
            "--secrets",
            secrets.to_str().expect("text"),
            "--backups",
            backups.to_str().expect("text"),
        ];
        let server = Server::start(folder.path(), &arguments);
        // The last word of the file is the key that encrypts.
        let keys = fs::read_to_string(&secrets).expect("it was made");
        search.plant("a key of the secrets file", keys.split_whitespace().last().expect("a key"));
        let (operator, admin) = make_keys(&server, &mut search);
        let mut line = server.line().with(&admin);
        pay_out(&mut line, &mut search);
        let token = claim(&mut line, &mut search);
        ask_wrong(&server, &mut line, &mut search, &token);
        for path in [
            "/metrics",
            "/openapi.json",
            "/v1/info",
            "/v1/events",
            "/v1/accounts",
            "/v1/accounts/a/entries",
            "/v1/streams/account/a/events",
            "/v1/streams/ticket/seat/events",
            "/v1/tickets",
            "/v1/tickets/seat",
            "/v1/withdrawals",
            "/v1/admin/keys",
            "/v1/admin/balance",
        ] {
            let told = line.get(path);
            assert_eq!(told.status, 200, "{path}: {}", told.body);
            search.heard(path, &told);
        }
        let mut operator = server.line().with(&operator);
        search.heard("a checkpoint", &operator.post("/v1/admin/checkpoint", ""));
        let backup = operator.post("/v1/admin/backups", "");
        backup.is(201);
        search.heard("a backup", &backup);
        drop((line, operator));
        let ended = server.stop();
        assert!(ended.status.success(), "{}", ended.said);
        assert!(ended.said.contains("/v1/tokens/{token}"), "the log is not that of level trace");
        search.said("the log", ended.said);
        search.read(&folder.path().join("data"));
        search.read(&backups);
        search.finds_nothing();
        let found = search.found(DESTINATION.as_bytes()).join(" ");
        for where_else in ["/v1/withdrawals", "data", "backups"] {
            assert!(found.contains(where_else), "it would not be found in {where_else}: {found}");
        }
    }
}

/// An operator's key and an administrator's, and one that is revoked.
fn make_keys(server: &Server, search: &mut Search) -> (String, String) {
    let mut line = server.line();
    let mut make = |line: &mut Line, scope: &str, book: Option<&str>| {
        let body = json!({ "scopes": [scope], "book": book }).to_string();
        let made = line.post("/v1/admin/keys", &body).is(201);
        search.plant("an access key", text(&made["key"]));
        (text(&made["key"]).to_owned(), text(&made["id"]).to_owned())
    };
    let (operator, _) = make(&mut line, "operator", None);
    let mut line = server.line().with(&operator);
    let (admin, _) = make(&mut line, "admin", Some("default"));
    let (_, gone) = make(&mut line, "read", Some("default"));
    search.heard("a revoked key", &line.ask("DELETE", &format!("/v1/admin/keys/{gone}"), ""));
    (operator, admin)
}

/// A payout with a secret, from its plan to its end.
fn pay_out(line: &mut Line, search: &mut Search) {
    search.plant("a payout's secret", SECRET);
    search.plant("a payout's secret", &BARE.to_string());
    search.plant("an idempotency key", IDEMPOTENCY_KEY);
    line.post("/v1/accounts", r#"{"id":"a","asset":"USD"}"#).is(201);
    line.post("/v1/accounts/a/deposits", r#"{"amount":100}"#).is(201);
    let path = "/v1/accounts/a/withdrawals";
    let plan = |amount: u64, secret: Value| {
        json!({ "amount": amount, "destination": DESTINATION, "secret": secret }).to_string()
    };
    for (body, status) in [
        (plan(5, json!(SECRET)), 201),
        (plan(5, json!(SECRET)), 201),
        (plan(6, json!(SECRET)), 422),
        (plan(5, json!(SECRET.repeat(2))), 422),
    ] {
        let told = line.try_post(path, IDEMPOTENCY_KEY, &body).expect("it answers");
        told.is(status);
        search.heard("a plan", &told);
    }
    for (body, status) in [
        (plan(500, json!(SECRET)), 402),
        (plan(5, json!(SECRET.repeat(200))), 400),
        (plan(5, json!(BARE)), 400),
        (plan(5, json!([SECRET])), 400),
        (plan(5, json!({ SECRET: SECRET })), 400),
        (plan(5, json!(SECRET)).replace(r#"ation":"#, r#"ation" "#), 400),
        (json!({ "amount": 5, "destination": DESTINATION, "secert": SECRET }).to_string(), 400),
        (json!(SECRET).to_string(), 400),
    ] {
        let told = line.post(path, &body);
        told.is(status);
        search.heard("a plan that is refused", &told);
    }
    let lease = r#"{"worker":"w","max":10,"seconds":60}"#;
    let leased = line.post("/v1/withdrawals/lease", lease).is(200);
    let payout = &leased["data"][0];
    assert_eq!(payout["secret"], SECRET, "who pays out has to know it");
    let path = format!("/v1/withdrawals/a/{}", text(&payout["id"]));
    search.heard("a payout", &line.get(&path));
    let fence = payout["fence"].as_u64().expect("a fence");
    for (fence, status) in [(fence - 1, 409), (fence, 200)] {
        let body = json!({ "fence": fence }).to_string();
        let told = line.post(&format!("{path}/complete"), &body);
        told.is(status);
        search.heard("its end", &told);
    }
}

/// A ticket that is claimed; another one, in a batch.
fn claim(line: &mut Line, search: &mut Search) -> String {
    for id in ["seat", "other"] {
        line.post("/v1/tickets", &json!({ "id": id }).to_string()).is(201);
    }
    let path = "/v1/tickets/seat/claims";
    let claim = line.post(path, r#"{"claimant":"alice"}"#).is(201);
    let token = text(&claim["token"]).to_owned();
    search.plant("a token", &token);
    search.heard("who comes later", &line.post(path, r#"{"claimant":"bob"}"#));
    let operations = json!([{ "op": "ticket.claim", "id": "other", "claimant": "alice" }]);
    let batch = line.post("/v1/batch", &json!({ "operations": operations }).to_string()).is(200);
    search.plant("a token", text(&batch["results"][0]["body"]["token"]));
    token
}

/// Tokens and keys where they do not belong.
fn ask_wrong(server: &Server, line: &mut Line, search: &mut Search, token: &str) {
    let planted = search.planted.iter().filter(|(what, _)| *what == "an access key");
    let texts = planted.filter_map(|(_, text)| String::from_utf8(text.clone()).ok());
    let keys: Vec<String> = texts.filter(|text| text.starts_with("qk_")).collect();
    for (method, path, status) in [
        ("GET", format!("/v1/tokens/{token}"), 200),
        ("GET", format!("/v1/tokens/{token}/revoke"), 405),
        ("DELETE", format!("/v1/tokens/{token}"), 405),
        ("GET", format!("/v1/tokens/{token}0"), 400),
        ("GET", format!("/v1/tokens/{token}/state"), 404),
        ("GET", format!("/v1/token/{token}"), 404),
        ("GET", format!("/v1/tickets/{token}"), 404),
        ("GET", format!("/v1/streams/ticket/%20{token}/events"), 400),
        ("GET", format!("/v1/streams/record/%20{token}%2Fk/events"), 400),
        ("GET", format!("/v1/streams/{token}/seat/events"), 404),
        ("DELETE", format!("/v1/admin/keys/{}", keys[0]), 404),
        ("GET", format!("/v1/accounts/%20{token}"), 400),
        ("GET", format!("/v1/accounts?limit={token}"), 400),
        ("GET", format!("/v1/accounts?cursor={token}"), 400),
        ("GET", format!("/v1/tickets?state={token}"), 400),
        ("GET", format!("/v1/accounts?{}", keys[0]), 400),
        ("GET", format!("/v1/accounts?key={}", keys[0]), 400),
    ] {
        let told = line.ask(method, &path, "");
        assert_eq!(told.status, status, "{path}: {}", told.body);
        search.heard(&format!("{method} of a path"), &told);
    }
    for (value, status) in [
        // It is still alive, and in capitals or cut short it opens nothing.
        (format!("Bearer {}", keys[0].to_uppercase()), 401),
        (format!("Bearer {}0", keys[0]), 401),
        (format!("Basic {}", keys[0]), 401),
        // That one was revoked.
        (format!("Bearer {}", keys[2]), 401),
    ] {
        let mut line = server.line();
        let headers = [("Authorization", value.as_str())];
        line.send(request("GET", "/v1/accounts", &headers, "").as_bytes()).expect("it reads");
        let told = line.hear().expect("it answers");
        told.is(status);
        search.heard("who is not let in", &told);
    }
    let revoke = line.post(&format!("/v1/tokens/{token}/revoke"), r#"{"reason":"lost"}"#);
    revoke.is(200);
    search.heard("a token that is taken back", &revoke);
}
