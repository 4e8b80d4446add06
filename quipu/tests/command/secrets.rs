//! The keys that secrets of withdrawals are encrypted with.

use std::fs;

use crate::ground::quipu;

#[test]
fn a_rotation_adds_a_key_and_keeps_those_before() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    let first = quipu(at, "secrets rotate --secrets keys").ends(0).says(&["the file was made"]);
    let one = fs::read_to_string(at.join("keys")).expect("the file");
    assert!(first.out.contains("keys"), "{}", first.out);
    let second = quipu(at, "secrets rotate --secrets keys --json").ends(0);
    let two = fs::read_to_string(at.join("keys")).expect("the file");
    assert!(two.starts_with(&one) && two.lines().count() == one.lines().count() + 1);
    for key in two.lines().skip(1).filter_map(|line| line.split(' ').nth(1)) {
        assert!(!first.out.contains(key) && !second.out.contains(key), "no key is shown");
    }
    let second = second.json();
    assert_eq!((&second["key"], &second["is_new"]), (&2.into(), &false.into()));
}

#[test]
fn a_file_of_others_is_left_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    fs::write(at.join("letter"), "dear").expect("a file");
    quipu(at, "secrets rotate --secrets letter").ends(3).says(&["letter: line 1", "good copy"]);
    assert_eq!(fs::read(at.join("letter")).expect("a file"), b"dear");
    quipu(at, "secrets rotate --secrets nowhere/keys").ends(1).says(&["nowhere/keys: "]);
    assert_eq!(quipu(at, "secrets rotate").code, 2);
}
