//! Changes of accounts: merge patches, of limits and of metadata.

use std::thread;

use serde_json::{Value, json};

use crate::ground::{Ground, Told};

fn ground() -> Ground {
    let ground = Ground::new();
    let account = json!({
        "id": "alice", "asset": "USD/2", "cap": "100", "metadata": { "plan": "basic", "team": "blue" },
    });
    ground.post("/v1/accounts", &account.to_string()).is(201);
    ground
}

fn change(ground: &Ground, headers: &[(&str, &str)], change: Value) -> Told {
    ground.ask("PATCH", "/v1/accounts/alice", headers, Some(&change.to_string()))
}

#[test]
fn what_a_patch_does_not_name_stays() {
    let ground = ground();
    let patch = json!({ "floor": -5, "metadata": { "plan": "gold", "team": null, "seat": "7" } });
    let told = change(&ground, &[], patch).is(200);
    assert_eq!(told["metadata"], json!({ "plan": "gold", "seat": "7" }));
    assert_eq!((&told["floor"], &told["cap"]), (&json!("-5"), &json!("100")));
    let told = change(&ground, &[], json!({ "cap": null, "metadata": { "none": null } })).is(200);
    assert_eq!(told["metadata"], json!({ "plan": "gold", "seat": "7" }));
    assert_eq!((&told["floor"], &told["cap"]), (&json!("-5"), &json!(null)));
    // Nothing is named, so nothing happens.
    for nothing in [json!({}), json!({ "metadata": {} })] {
        assert_eq!(change(&ground, &[], nothing).is(200)["version"], told["version"]);
    }
    let told = change(&ground, &[], json!({ "metadata": null })).is(200);
    assert_eq!(told["metadata"], json!({}));
    assert_eq!(ground.get("/v1/accounts/alice").is(200)["metadata"], json!({}));
}

#[test]
fn a_retry_of_a_patch_is_told_the_same_whatever_was_changed_since() {
    let mut ground = ground();
    let patch = || json!({ "metadata": { "plan": "gold", "team": null } });
    let keyed = [("Idempotency-Key", "k")];
    let first = change(&ground, &keyed, patch()).is(200);
    change(&ground, &[], json!({ "metadata": { "seat": "7", "plan": "free" } })).is(200);
    ground.restart();
    let again = change(&ground, &keyed, patch());
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(again.is(200), first);
    let now = ground.get("/v1/accounts/alice").is(200);
    assert_eq!(now["metadata"], json!({ "plan": "free", "seat": "7" }));
    let other = json!({ "metadata": { "plan": "gold" } });
    change(&ground, &keyed, other).fails(422, "idempotency_key_reused");
}

#[test]
fn patches_at_once_lose_nothing() {
    let ground = ground();
    thread::scope(|scope| {
        for client in 0..4 {
            let ground = &ground;
            scope.spawn(move || {
                for round in 0..6 {
                    let name = format!("{client}.{round}");
                    change(ground, &[], json!({ "metadata": { name: "here" } })).is(200);
                }
            });
        }
    });
    let pairs = ground.get("/v1/accounts/alice").is(200)["metadata"].clone();
    assert_eq!(pairs.as_object().map(serde_json::Map::len), Some(26), "{pairs}");
}

#[test]
fn metadata_grows_to_its_limits_and_no_further() {
    let ground = ground();
    let many: serde_json::Map<String, Value> =
        (0..30).map(|name| (format!("n{name}"), json!(""))).collect();
    change(&ground, &[], json!({ "metadata": many })).is(200);
    for too_much in [
        json!({ "one-more": "1" }),
        json!({ "plan": "x".repeat(4096) }),
        json!({ "n1": "x".repeat(4000) }),
    ] {
        let problem = change(&ground, &[], json!({ "metadata": too_much }));
        let problem = problem.fails(400, "malformed");
        assert!(problem["detail"].as_str().expect("text").contains("metadata"), "{problem}");
    }
    change(&ground, &[], json!({ "metadata": { "one-more": "1", "plan": null } })).is(200);
    let problem =
        change(&ground, &[], json!({ "metadata": { "plan": 7 } })).fails(400, "malformed");
    assert!(problem["detail"].as_str().expect("text").contains("metadata.plan"), "{problem}");
}

#[test]
fn a_patch_is_refused_as_any_change_is() {
    let ground = ground();
    let version = ground.get("/v1/accounts/alice").is(200)["version"].to_string();
    change(&ground, &[], json!({ "cap": 7 })).is(200);
    let stale = format!("\"{version}\"");
    let patch = json!({ "metadata": { "a": "b" } });
    change(&ground, &[("If-Match", &stale)], patch.clone()).fails(412, "version_mismatch");
    change(&ground, &[], json!({ "floor": 1 })).fails(402, "insufficient_funds");
    ground.ask("PATCH", "/v1/accounts/bob", &[], Some("{}")).fails(404, "not_found");
    ground.post("/v1/accounts/alice/close", "{}").is(200);
    change(&ground, &[], patch).fails(409, "wrong_state");
}
