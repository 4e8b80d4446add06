//! Backups, and ledgers that are made of them.

use std::fs;

use quipu::{Error, Ledger};

use crate::ground::{ledger, quipu, rot};

#[test]
fn a_backup_becomes_a_ledger_of_its_own_with_the_secret_of_the_original() -> Result<(), Error> {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    let token = ledger(at)?;
    let backup = quipu(at, "backup --data data monday.quipu --json").ends(0).json();
    assert_eq!(
        backup["bytes"].as_u64(),
        fs::metadata(at.join("monday.quipu")).ok().map(|m| m.len())
    );
    let restored = "restore monday.quipu --data copy --key-file data/SECRET --json";
    let restored = quipu(at, restored).ends(0).json();
    assert_eq!((&restored["of"], &restored["anchor"]), (&backup["ledger"], &backup["anchor"]));
    assert_ne!(restored["ledger"], backup["ledger"]);
    assert_eq!((&restored["unknown"], &restored["has_secret"]), (&1.into(), &true.into()));

    let anchor = backup["anchor"].as_str().expect("an anchor");
    for data in ["data", "copy"] {
        quipu(at, &format!("verify --data {data} --anchor {anchor}")).ends(0);
    }
    let copy = Ledger::open_blocking(at.join("copy"))?;
    let known = copy.book("default").ticket("seat-14").claim("carol").wait()?.done()?;
    assert_eq!(known.token.to_string(), token, "tokens are derived with the same secret");
    copy.close_blocking()
}

#[test]
fn a_ledger_without_its_secret_does_not_open_until_that_is_there() -> Result<(), Error> {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    ledger(at)?;
    quipu(at, "backup --data data a.quipu").ends(0).says(&["data/SECRET"]);
    let restored = quipu(at, "restore a.quipu --data copy").ends(0);
    restored.says(&["does not open yet", "copy/SECRET"]);
    quipu(at, "keys list --data copy").ends(3).says(&["copy: ", "`SECRET` is missing"]);
    fs::copy(at.join("data/SECRET"), at.join("copy/SECRET")).expect("it can be copied");
    quipu(at, "keys list --data copy").ends(0);
    Ok(())
}

#[test]
fn no_file_and_no_ledger_is_written_over() -> Result<(), Error> {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    ledger(at)?;
    quipu(at, "backup --data data a.quipu").ends(0);
    quipu(at, "backup --data data a.quipu").ends(4).says(&["a.quipu", "--replace"]);
    quipu(at, "backup --data data a.quipu --replace").ends(0);
    quipu(at, "backup --data data nowhere/a.quipu").ends(4).says(&["nowhere", "no such folder"]);
    quipu(at, "backup --data nothing b.quipu").ends(4).says(&["nothing: there is no ledger"]);
    quipu(at, "restore a.quipu --data data").ends(4).says(&["data: there is a ledger"]);
    quipu(at, "restore b.quipu --data new").ends(4).says(&["b.quipu", "quipu backup"]);
    assert!(!at.join("new").exists());
    Ok(())
}

#[test]
fn a_damaged_backup_or_secret_makes_no_ledger() -> Result<(), Error> {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    ledger(at)?;
    quipu(at, "backup --data data a.quipu").ends(0);
    quipu(at, "restore data/LEDGER --data new").ends(3).says(&["data/LEDGER is not a backup"]);
    fs::copy(at.join("data/SECRET"), at.join("key")).expect("it can be copied");
    rot(&at.join("key"), 20);
    let told = quipu(at, "restore a.quipu --data new --key-file key").ends(3);
    told.says(&["key at byte 0"]);
    assert!(!at.join("new").exists(), "the key file is looked at first");
    rot(&at.join("a.quipu"), 700);
    let told = quipu(at, "restore a.quipu --data new").ends(3).says(&["a.quipu at byte"]);
    assert!(told.err.contains("damaged"), "{}", told.err);
    quipu(at, "verify --data new").ends(4).says(&["new: there is no ledger"]);
    Ok(())
}
