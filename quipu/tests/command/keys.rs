//! Keys that are made where no server runs.

use quipu::access::AccessKey;
use quipu::{Error, Ledger};

use crate::ground::{holding, quipu};

#[test]
fn a_key_works_after_a_reopening_and_lies_in_no_file() -> Result<(), Error> {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    let made = quipu(at, "keys create --data data --scope read --scope write --label till --json");
    let made = made.ends(0).says(&["a new ledger is made in data"]).json();
    assert_eq!(made["book"], "default");
    assert_eq!(made["scopes"], serde_json::json!(["read", "write"]));
    let text = made["key"].as_str().expect("a key").to_owned();
    let quiet = quipu(at, "keys create --data data --scope operator --quiet").ends(0);
    assert_eq!((quiet.out.len(), quiet.err.as_str()), (68, ""), "the key alone");

    for key in [text.as_str(), quiet.out.trim()] {
        assert_eq!(holding(at, key.as_bytes()) + holding(at, &key.as_bytes()[3..]), 0);
    }
    let ledger = Ledger::open_blocking(at.join("data"))?;
    let live = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let live = live.block_on(ledger.access().load())?.live;
    for (key, scopes) in [(text.as_str(), "read write"), (quiet.out.trim(), "operator")] {
        let hash = key.parse::<AccessKey>()?.hash();
        let found = live.iter().find(|live| live.hash == hash).expect("it is live");
        assert_eq!(found.scopes.names().collect::<Vec<_>>().join(" "), scopes);
    }
    ledger.close_blocking()
}

#[test]
fn keys_are_listed_and_revoked_by_their_ids() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    let made = quipu(at, "keys create --data data --scope admin --label office").ends(0);
    let key = made.out.split_whitespace().nth(1).expect("the key comes first").to_owned();
    assert!(key.starts_with("qk_"), "{}", made.out);
    let listed = quipu(at, "keys list --data data --json").ends(0);
    assert!(!listed.out.contains(&key[3..]) && !listed.out.contains("hash"));
    let listed = listed.json();
    let id = listed[0]["id"].as_str().expect("an id").to_owned();
    assert_eq!((&listed[0]["label"], listed.as_array().map(Vec::len)), (&"office".into(), Some(1)));
    assert!(listed[0]["revoked_at"].is_null());
    let table = quipu(at, "keys list --data data").ends(0).out;
    assert!(table.starts_with("ID ") && table.contains("office") && table.lines().count() == 2);

    let revoked = quipu(at, &format!("keys revoke --data data {id} --json")).ends(0).json();
    assert!(revoked["revoked_at"].is_string());
    let again = quipu(at, &format!("keys revoke --data data {id}")).ends(0);
    again.says(&["revoked before"]);
    quipu(at, "keys revoke --data data k9.9").ends(4).says(&["data", "k9.9", "keys list"]);
}

#[test]
fn what_makes_no_key_says_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    for wrong in [
        "keys create --data data",
        "keys create --data data --scope everything",
        "keys create --data data --scope operator --book shop",
        "keys create --data data --scope operator --scope read",
        "keys create --data data --scope read --quiet --json",
        "keys create --data data --scope read --label a/b",
    ] {
        assert_eq!(quipu(at, wrong).code, 2, "{wrong}");
    }
    assert!(!at.join("data").exists(), "wrong usage makes nothing");
    quipu(at, "keys list --data data").ends(4).says(&["data: there is no ledger", "--data"]);
    assert!(!at.join("data").exists(), "a list makes nothing");
    let no_book = quipu(at, "keys create --data data --scope read --book shop").ends(4);
    no_book.says(&["`shop`", "/v1/admin/books"]);
}

#[test]
fn a_folder_in_use_is_told_with_what_to_do_instead() -> Result<(), Error> {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    let ledger = Ledger::open_blocking(at.join("data"))?;
    for (arguments, route) in [
        ("keys create --data data --scope read", "/v1/admin/keys"),
        ("keys list --data data", "/v1/admin/keys"),
        ("backup --data data a.quipu", "/v1/admin/backups"),
        ("verify --data data", "/v1/admin/backups"),
    ] {
        quipu(at, arguments).ends(1).says(&["data: the ledger is in use", "stop the", route]);
    }
    ledger.close_blocking()
}
