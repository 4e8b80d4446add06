//! A ledger that is looked at: streams, entries and segments, and nothing that is to be kept.

use quipu::access::AccessKey;
use quipu::{Error, Ledger};
use quipu_core::machines::ticket::token_hash;

use crate::ground::{contents, ledger, quipu, rot};

#[test]
fn a_stream_is_shown_with_its_items_and_its_history() -> Result<(), Error> {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    ledger(at)?;
    let before = contents(&at.join("data"));
    let alice = quipu(at, "inspect --data data stream account alice --json").ends(0).json();
    assert_eq!((&alice["kind"], &alice["book"]), (&"account".into(), &"default".into()));
    assert_eq!((&alice["number"], &alice["version"]), (&2.into(), &6.into()));
    let head = &alice["head"];
    assert_eq!((&head["balance"], &head["held"]), (&"600".into(), &"100".into()));
    assert_eq!((&head["asset"], &head["state"]), (&"USD/2".into(), &"open".into()));
    assert_eq!(alice["items"], serde_json::json!({ "withdrawal": 1 }));
    let history = alice["history"].as_array().expect("a list");
    let types: Vec<_> = history.iter().map(|event| event["type"].as_str()).collect();
    let newest = ["withdrawal_planned", "sent", "deposited", "opened"];
    assert_eq!(types, newest.map(Some));
    assert_eq!(history[1]["data"]["amount"], "400");
    assert_eq!((&alice["has_more"], &alice["is_trimmed"]), (&false.into(), &false.into()));

    let some =
        quipu(at, "inspect --data data stream account alice --limit 1 --json").ends(0).json();
    assert_eq!(
        (some["history"].as_array().map(Vec::len), &some["has_more"]),
        (Some(1), &true.into())
    );
    let text = quipu(at, "inspect --data data stream ticket seat-14").ends(0).out;
    assert!(text.contains("claimed") && text.contains("claimant=carol"), "{text}");
    let book = quipu(at, "inspect --data data stream book default --json").ends(0).json();
    assert!(book["book"].is_null() && book["history"][0]["type"] == "created");
    assert_eq!(contents(&at.join("data")), before, "nothing is changed by looking");
    Ok(())
}

#[test]
fn an_entry_is_shown_with_its_events_and_its_frame() -> Result<(), Error> {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    ledger(at)?;
    let entry = quipu(at, "inspect --data data position 5 --json").ends(0).json();
    assert_eq!((&entry["first"], &entry["last"]), (&5.into(), &5.into()));
    let events = entry["events"].as_array().expect("a list");
    let told: Vec<_> =
        events.iter().map(|event| (event["stream"].as_str(), event["type"].as_str())).collect();
    assert_eq!(told, [(Some("alice"), Some("sent")), (Some("bob"), Some("received"))]);
    assert_eq!((&events[0]["book"], &events[0]["kind"]), (&"default".into(), &"account".into()));
    let frame = &entry["frame"];
    assert!(frame["first"].as_u64() <= Some(5) && frame["last"].as_u64() >= Some(5));
    assert_eq!(
        (&frame["segment"], frame["hash_before"].as_str().map(str::len)),
        (&1.into(), Some(64))
    );
    let text = quipu(at, "inspect --data data position 5").ends(0).out;
    assert!(text.contains("account alice") && text.contains("segment 1 at byte"), "{text}");
    quipu(at, "inspect --data data position 99").ends(4).says(&["no position 99", "1 to 8"]);
    assert_eq!(quipu(at, "inspect --data data position 0").code, 2);
    Ok(())
}

#[test]
fn segments_and_their_frames_are_listed() -> Result<(), Error> {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    ledger(at)?;
    // Each opening makes a segment.
    Ledger::open_blocking(at.join("data"))?.close_blocking()?;
    let segments = quipu(at, "inspect --data data segment --json").ends(0).json();
    let segments = segments.as_array().expect("a list");
    assert_eq!((&segments[0]["state"], &segments[0]["first"]), (&"sealed".into(), &1.into()));
    assert!(segments.iter().any(|segment| segment["state"] == "open"));
    let mut events = 0;
    let mut numbers = Vec::new();
    for segment in segments {
        let number = &segment["number"];
        let frames = quipu(at, &format!("inspect --data data segment {number} --json"));
        for frame in frames.ends(0).json().as_array().expect("a list") {
            events += frame["events"].as_u64().expect("a count");
            numbers.push(frame["number"].as_u64().expect("a number"));
        }
    }
    assert_eq!(events, 8, "every event lies in one frame that counts");
    assert!(numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{numbers:?}");
    let table = quipu(at, "inspect --data data segment").ends(0).out;
    assert!(table.contains("log/000000000001.seg"), "{table}");
    quipu(at, "inspect --data data segment 99").ends(4).says(&["no segment 99", "lists all"]);
    Ok(())
}

#[test]
fn what_is_to_be_kept_is_never_shown() -> Result<(), Error> {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    let token = ledger(at)?;
    let made = quipu(at, "keys create --data data --scope read --json").ends(0).json();
    let key = made["key"].as_str().expect("a key");
    let hash = hex(&key.parse::<AccessKey>()?.hash());
    let mut all = String::new();
    for what in ["account alice", "ticket seat-14", "book default"] {
        for form in ["", " --json"] {
            all += &quipu(at, &format!("inspect --data data stream {what}{form}")).ends(0).out;
        }
    }
    for position in 1..=9 {
        for form in ["", " --json"] {
            all +=
                &quipu(at, &format!("inspect --data data position {position}{form}")).ends(0).out;
        }
    }
    assert!(all.contains("key_issued") && all.contains("withdrawal_planned"));
    let bytes: Vec<_> =
        (0..32).map(|at| u8::from_str_radix(&token[2 * at..2 * at + 2], 16)).collect();
    let bytes: Vec<_> = bytes.into_iter().map(|byte| byte.expect("hex digits")).collect();
    let token_hash = hex(&token_hash(&bytes.try_into().expect("32 bytes")));
    for kept in [token.as_str(), &key[3..], &hash, "a password", &token_hash] {
        assert!(!all.contains(kept), "{kept} is shown");
    }
    for word in ["hash\"", "secret", "fingerprint"] {
        assert!(!all.contains(word), "{word} is shown");
    }
    Ok(())
}

#[test]
fn what_is_not_there_and_what_is_damaged_is_told() -> Result<(), Error> {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    ledger(at)?;
    for (arguments, words) in [
        ("stream account carol", ["no account `carol`", "`default`"]),
        ("stream account alice --book shop", ["no book `shop`", "data: "]),
        ("stream acount alice", ["no kind `acount`", "account, flow"]),
        ("stream key alice", ["no kind `key`", "account, flow"]),
        ("stream record alice", ["alice", "a slash"]),
    ] {
        quipu(at, &format!("inspect --data data {arguments}")).ends(4).says(&words);
    }
    let open = Ledger::open_blocking(at.join("data"))?;
    quipu(at, "inspect --data data segment").ends(1).says(&["in use", "/v1"]);
    open.close_blocking()?;
    rot(&at.join("data/log/000000000001.seg"), 1_160);
    let told = quipu(at, "inspect --data data position 1").ends(3);
    told.says(&["data: ", "000000000001.seg at byte 1024"]);
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
