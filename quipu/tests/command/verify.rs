//! A ledger that is verified: what is counted, and what is found.

use std::fs;

use quipu::Error;

use crate::ground::{contents, ledger, quipu, rot};

#[test]
fn a_sound_ledger_is_counted_and_stays_as_it_is() -> Result<(), Error> {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    ledger(at)?;
    let before = contents(&at.join("data"));
    let found = quipu(at, "verify --data data --json").ends(0).json();
    assert_eq!(
        (&found["is_sound"], &found["first"], &found["last"]),
        (&true.into(), &1.into(), &8.into())
    );
    assert_eq!((&found["events"], &found["entries"]), (&8.into(), &8.into()));
    assert!(found["rows"].as_u64() > Some(8) && found["frames"].as_u64() > Some(0));
    assert_eq!(found["digest"].as_str().map(str::len), Some(64));
    let line = &found["balance"]["data"][0];
    assert_eq!((&line["asset"], &line["held"]), (&"USD/2".into(), &"1000".into()));
    assert_eq!(line["difference"], "0");
    let short = quipu(at, "verify --data data --json --no-replay").ends(0).json();
    assert!(short["digest"].is_null() && short["anchor"] == found["anchor"]);
    let text = quipu(at, "verify --data data").ends(0).out;
    assert!(
        text.contains("everything is sound") && text.contains("8 (positions 1 to 8)"),
        "{text}"
    );
    assert_eq!(contents(&at.join("data")), before, "nothing is changed by looking");
    Ok(())
}

#[test]
fn a_byte_that_turned_over_is_found_by_file_and_place() -> Result<(), Error> {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    ledger(at)?;
    let segment = at.join("data/log/000000000001.seg");
    assert!(fs::metadata(&segment).expect("the first segment").len() > 1_160);
    rot(&segment, 1_160);
    let found = quipu(at, "verify --data data --json").ends(3).json();
    assert_eq!(found["is_sound"], false);
    let named = &found["findings"][0];
    assert_eq!(named["file"], "log/000000000001.seg");
    assert_eq!(named["offset"], 1_024, "where the frame begins");
    let text = quipu(at, "verify --data data").ends(3).out;
    assert!(text.contains("log/000000000001.seg at byte 1024"), "{text}");
    Ok(())
}

#[test]
fn an_anchor_that_does_not_hold_is_told() -> Result<(), Error> {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    ledger(at)?;
    let found = quipu(at, "verify --data data --json --no-replay").ends(0).json();
    let noted = found["anchor"].as_str().expect("an anchor");
    let (position, hash) = noted.split_once(':').expect("a position and a hash");
    let met = quipu(at, &format!("verify --data data --anchor {noted}")).ends(0).out;
    assert!(met.contains("the anchor of position 8 is met"), "{met}");
    let other = format!("{position}:{}", "0".repeat(64));
    let beyond = format!("9:{hash}");
    let told = quipu(at, &format!("verify --data data --json --anchor {other} --anchor {beyond}"));
    let told = told.ends(3).json();
    for (index, says) in [(0, "another"), (1, "the log ends before it")] {
        assert_eq!(told["anchors"][index]["is_met"], false);
        assert!(told["anchors"][index]["says"].as_str().is_some_and(|text| text.contains(says)));
    }
    for wrong in ["8", "8:00", &format!("x:{hash}"), &format!("8:{}", "g".repeat(64))] {
        assert_eq!(quipu(at, &format!("verify --data data --anchor {wrong}")).code, 2, "{wrong}");
    }
    Ok(())
}

#[test]
fn a_log_that_is_gone_is_damage_and_a_folder_of_others_is_none() -> Result<(), Error> {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    ledger(at)?;
    fs::remove_dir_all(at.join("data/log")).expect("it can be removed");
    quipu(at, "verify --data data").ends(3).says(&["data: the log is missing"]);
    fs::create_dir(at.join("other")).expect("a folder");
    fs::write(at.join("other/letter"), "dear").expect("a file");
    quipu(at, "verify --data other").ends(4).says(&["other: this folder holds `letter`"]);
    Ok(())
}
