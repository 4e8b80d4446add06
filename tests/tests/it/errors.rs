//! Why a ledger does not open, in one sentence each, and that nothing was changed by trying.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::craft::{contents, set_format, set_page_format, set_store_format};
use super::rest::{backup_of, stopped, trimmed};
use super::say::*;
use super::{rich, told};
use quipu::{Files, LedgerId, LogKind, OpenError, backup, restore};
use quipu_core::disk::{Disk as _, File as _};
use quipu_core::machines::account::Account;
use quipu_sim::disk::{Keep, SimDisk};
use quipu_store_redb::store::Opened;
use tempfile::TempDir;

/// A ledger of three segments, stopped.
fn three_segments(id: LedgerId) -> SimDisk {
    let disk = SimDisk::new();
    let options = options(LogKind::Files);
    let files = Files::create(disk.clone(), id, &machines(), &options).expect("it is made");
    drop(drive(files, rich::begin));
    for _ in 0..2 {
        let files = Files::open(disk.clone(), &machines(), &options).expect("it opens");
        drive(files, |ledger| done(ledger.ask(command::<Account>("ann", deposit(1)))))
            .stop()
            .expect("a clean stop");
    }
    disk.image(Keep::All)
}

fn segment(number: u64) -> PathBuf {
    PathBuf::from(format!("log/{number:012}.seg"))
}

fn remove(disk: &SimDisk, path: impl AsRef<Path>) {
    disk.remove(path.as_ref()).expect("removed");
}

fn put(disk: &SimDisk, path: impl AsRef<Path>, bytes: &[u8]) {
    let _ = disk.remove(path.as_ref());
    disk.create(path.as_ref()).and_then(|file| file.write_at(0, bytes)).expect("written");
}

/// What a disk says that is opened, after which it is as it was.
fn said(disk: &SimDisk) -> String {
    let disk = disk.image(Keep::All);
    let before = contents(&disk);
    let error = told::tell(&disk, &options(LogKind::Files)).expect_err("it does not open");
    let after = contents(&disk);
    let changed: Vec<_> =
        before.keys().filter(|path| before.get(*path) != after.get(*path)).collect();
    assert!(changed.is_empty() && before.len() == after.len(), "{error}: {changed:?} changed");
    error.to_string()
}

#[test]
fn whoever_opens_is_told_what_is_wrong_and_what_to_do() {
    let ledger = three_segments(ID);
    let other = contents(&three_segments(LedgerId([9; 16])));
    let broken = |harm: &dyn Fn(&SimDisk)| {
        let disk = ledger.image(Keep::All);
        harm(&disk);
        said(&disk)
    };
    assert_eq!(
        said(&SimDisk::new()),
        "there is no ledger in this folder; make one here, or name the folder of one"
    );
    let foreign = SimDisk::new();
    put(&foreign, "notes.txt", b"mine");
    assert_eq!(
        said(&foreign),
        "this folder holds `notes.txt` and no ledger; name the folder of a ledger, or an empty one \
         for a new ledger"
    );
    assert_eq!(
        broken(&|disk| remove(disk, "LEDGER")),
        "this folder holds `log` of a ledger, but the file `LEDGER`, which says whose that is, is \
         missing; put it back, or restore a backup into another folder"
    );
    assert_eq!(
        broken(&|disk| disk.flip(Path::new("LEDGER"), 20, 1).expect("a bit")),
        "damaged: LEDGER at byte 0: the manifest is not what was written; put a good copy of this \
         file back, or restore a backup"
    );

    // Formats.
    let newer = "but this version of Quipu knows formats up to 1 only; use a newer version";
    let older = "and this version of Quipu needs 1; upgrade the ledger once, then open it";
    assert_eq!(
        broken(&|disk| set_format(disk, "LEDGER", 2)),
        format!("the ledger has format 2, {newer}")
    );
    assert_eq!(
        broken(&|disk| set_format(disk, "LEDGER", 0)),
        format!("the ledger has format 0, {older}")
    );
    assert_eq!(
        broken(&|disk| set_format(disk, "log/000000000001.seg", 2)),
        format!("the log: log/000000000001.seg has format 2, {newer}")
    );
    assert_eq!(
        broken(&|disk| set_format(disk, "log/000000000003.seg", 2)),
        format!("the log: log/000000000003.seg has format 2, {newer}")
    );
    for set in [set_store_format, |disk: &SimDisk, format| {
        set_page_format(disk, "store/store.redb", format);
    }] {
        assert_eq!(broken(&|disk| set(disk, 2)), format!("the store has format 2, {newer}"));
        assert_eq!(broken(&|disk| set(disk, 0)), format!("the store has format 0, {older}"));
    }

    // Parts that are missing.
    let missing = "at byte 0: this segment of the log is missing; put a good copy of this file \
                   back, or restore a backup";
    assert_eq!(
        broken(&|disk| remove(disk, segment(2))),
        format!("damaged: log/000000000002.seg {missing}")
    );
    assert_eq!(
        broken(&|disk| remove(disk, segment(3))),
        format!("damaged: log/000000000003.seg {missing}")
    );
    assert_eq!(
        broken(&|disk| remove(disk, segment(1))),
        format!("damaged: log/000000000001.seg {missing}")
    );
    let copyless = trimmed(LogKind::Files).image();
    remove(&copyless, "base.quipu");
    assert_eq!(
        said(&copyless),
        "the log begins at position 18, and nothing that stands in for what is missing goes up to \
         there; put the missing segments back, or restore a backup"
    );
    assert_eq!(
        broken(&|disk| (1..=3).for_each(|number| remove(disk, segment(number)))),
        "the log is missing, and nothing else is the history of this ledger; put the folder `log` \
         back, or restore a backup"
    );

    // Parts of another ledger, or of another time.
    let put_log = |disk: &SimDisk, from: &BTreeMap<PathBuf, Vec<u8>>| {
        (1..=4).map(segment).filter(|path| disk.open(path).is_ok()).for_each(|path| {
            remove(disk, path);
        });
        for (path, bytes) in from.iter().filter(|(path, _)| path.starts_with("log")) {
            put(disk, path, bytes);
        }
    };
    let belongs = "belongs to another ledger; put this ledger's own back, or restore a backup";
    assert_eq!(
        broken(&|disk| put_log(disk, &other)),
        format!("the log: log/000000000003.seg {belongs}")
    );
    assert_eq!(
        broken(&|disk| put(disk, "LEDGER", &other[Path::new("LEDGER")])),
        format!("the log: log/000000000003.seg {belongs}")
    );
    let gone_on = |units: u64| {
        let disk = ledger.image(Keep::All);
        let files = create_or_open(&disk, LogKind::Files).expect("it opens");
        drive(files, |ledger| done(ledger.ask(command::<Account>("bo", deposit(units)))))
            .stop()
            .expect("a clean stop");
        disk.image(Keep::All)
    };
    let (one, another) = (gone_on(8), gone_on(9));
    put_log(&one, &contents(&ledger));
    assert_eq!(
        said(&one),
        "the log ends at position 19, but at the last clean stop it ended at 20; put the missing \
         segments back, or restore a backup"
    );
    put_log(&one, &contents(&another));
    assert_eq!(
        said(&one),
        "the history up to position 20 is another than what was noted of it; put the right files \
         back, or restore a backup"
    );
}

#[test]
fn a_store_that_is_missing_or_of_another_ledger_is_made_of_the_log() {
    let ledger = three_segments(ID);
    let options = options(LogKind::Files);
    let (_, before) = told::tell(&ledger.image(Keep::All), &options).expect("it is sound");
    let path = Path::new("store/store.redb");

    let missing = ledger.image(Keep::All);
    remove(&missing, path);
    let (found, told) = told::tell(&missing, &options).expect("it opens");
    assert_eq!(found, Opened::New);
    assert!(told == before, "it tells something else");

    let other = contents(&three_segments(LedgerId([9; 16])));
    let others = ledger.image(Keep::All);
    put(&others, path, &other[path]);
    let (found, told) = told::tell(&others, &options).expect("it opens");
    let Opened::SetAside { to, why } = found else { panic!("{found:?}") };
    assert_eq!(
        why.to_string(),
        "damaged: store/store.redb at byte 16: the file belongs to another ledger"
    );
    assert_eq!(contents(&others)[&to], other[path], "it is kept for whoever misses it");
    assert!(told == before, "it tells something else");
}

#[test]
fn a_log_in_redb_says_the_same() {
    let rest = stopped(LogKind::Redb);
    let broken = |harm: &dyn Fn(&SimDisk)| {
        let disk = rest.image();
        harm(&disk);
        said(&disk)
    };
    assert_eq!(
        broken(&|disk| remove(disk, "log/log.redb")),
        "the log is missing, and nothing else is the history of this ledger; put the folder `log` \
         back, or restore a backup"
    );
    assert_eq!(
        broken(&|disk| set_page_format(disk, "log/log.redb", 2)),
        "the log: log/log.redb has format 2, but this version of Quipu knows format 1; use the \
         version that wrote it"
    );
    assert_eq!(
        broken(&|disk| put(disk, "log/log.redb", &rest.bytes("store/store.redb"))),
        "damaged: log/log.redb at byte 16: the file belongs to another ledger; put a good copy of \
         this file back, or restore a backup"
    );
    let later = rest.image();
    let files = create_or_open(&later, LogKind::Redb).expect("it opens");
    drive(files, |ledger| done(ledger.ask(command::<Account>("bo", deposit(9)))))
        .stop()
        .expect("a clean stop");
    let later = later.image(Keep::All);
    put(&later, "log/log.redb", &rest.bytes("log/log.redb"));
    assert_eq!(
        said(&later),
        "the log ends at position 68, but at the last clean stop it ended at 69; put the missing \
         segments back, or restore a backup"
    );
}

#[test]
fn a_file_that_is_no_backup_is_refused() {
    let rest = stopped(LogKind::Files);
    let bytes = backup_of(&rest);
    let refused = |bytes: &[u8], newer: bool| {
        let disk = SimDisk::new();
        put(&disk, "a.backup", bytes);
        if newer {
            set_format(&disk, "a.backup", 2);
        }
        let into = SimDisk::new();
        let restored = backup::open_file(&disk, "a.backup").and_then(|backup| {
            let (id, options) = (LedgerId([8; 16]), &rest.options);
            restore(into.clone(), id, backup, &machines(), options, START, &mut |_| {})
        });
        let error = restored.map(drop).expect_err("it is not restored");
        let left = Files::open(into, &machines(), &rest.options).map(drop);
        assert_eq!(left, Err(OpenError::NoLedger));
        error.to_string()
    };
    let none = "a.backup is not a backup of a ledger; name a file that a backup has written";
    assert_eq!(refused(b"", false), none);
    assert_eq!(refused(&rest.bytes("LEDGER"), false), none);
    assert_eq!(
        refused(&bytes[..bytes.len() - 1], false),
        format!(
            "a.backup is a backup that ends before it is whole, at byte {}; use another copy",
            bytes.len() - 1
        )
    );
    assert_eq!(
        refused(&bytes, true),
        "a.backup has format 2, but this version of Quipu knows formats up to 1 only; use a newer \
         version"
    );
    let mut rotten = bytes;
    rotten[700] ^= 1;
    assert_eq!(
        refused(&rotten, false),
        "damaged: a.backup at byte 656: the block is not what was written; put a good copy of this \
         file back, or restore a backup"
    );
}

// What follows happens in real folders.

fn opened(folder: &Path) -> Result<(), OpenError> {
    quipu::open(folder, &machines(), &options(LogKind::Files)).map(drop)
}

fn created(folder: &Path) -> Result<(), OpenError> {
    quipu::create(folder, &machines(), &options(LogKind::Files)).map(drop)
}

/// What lies below a folder: the names of folders, and files with what is in them.
fn below(folder: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.append(&mut below(&path));
            found.insert(path, None);
        } else {
            let bytes = fs::read(&path).expect("readable");
            found.insert(path, Some(bytes));
        }
    }
    found
}

/// A sentence about something in a place whose name is another one in every run.
fn without(place: &TempDir, error: Result<(), OpenError>) -> String {
    let place = fs::canonicalize(place.path()).expect("it is there");
    let said = error.expect_err("it is refused").to_string();
    said.replace(place.to_str().expect("a name that is text"), "/place")
}

fn place() -> (TempDir, PathBuf) {
    let place = tempfile::tempdir().expect("a place");
    let path = fs::canonicalize(place.path()).expect("it is there");
    (place, path)
}

#[test]
fn a_folder_without_a_ledger_is_left_as_it_is() {
    let (place, path) = place();
    fs::write(path.join("file"), b"mine").expect("written");
    fs::create_dir(path.join("empty")).expect("made");
    fs::create_dir(path.join("other")).expect("made");
    fs::write(path.join("other/notes.txt"), b"mine").expect("written");
    let before = below(&path);
    let said = |error| without(&place, error);
    let missing = "there is no such folder; make it, or name the folder of a ledger";
    assert_eq!(said(opened(&path.join("none"))), format!("/place/none: {missing}"));
    assert_eq!(said(created(&path.join("none/in"))), format!("/place/none/in: {missing}"));
    let file = "/place/file: this is a file; name the folder of a ledger";
    assert_eq!(said(opened(&path.join("file"))), file);
    assert_eq!(said(created(&path.join("file"))), file);
    assert_eq!(
        said(opened(&path.join("empty"))),
        "/place/empty: there is no ledger in this folder; make one here, or name the folder of one"
    );
    let foreign = "/place/other: this folder holds `notes.txt` and no ledger; name the folder of a \
                   ledger, or an empty one for a new ledger";
    assert_eq!(said(opened(&path.join("other"))), foreign);
    assert_eq!(said(created(&path.join("other"))), foreign);
    assert_eq!(below(&path), before);
}

/// In which another process finds the folder that it is to open.
const OPEN: &str = "QUIPU_TEST_OPEN";

#[test]
fn a_ledger_is_opened_once_at_a_time() {
    if let Some(folder) = std::env::var_os(OPEN) {
        let said =
            opened(Path::new(&folder)).map_or_else(|error| error.to_string(), |()| "-".into());
        println!("said: {said}");
        return;
    }
    let (place, path) = place();
    let ledger = path.join("ledger");
    let files = quipu::create(&ledger, &machines(), &options(LogKind::Files)).expect("made");
    let before = below(&path);
    let in_use = "/place/ledger: the ledger is in use; stop the process that has it open";
    assert_eq!(without(&place, opened(&ledger)), in_use);
    assert_eq!(without(&place, created(&ledger)), in_use);
    let beside = || {
        let name = "errors::a_ledger_is_opened_once_at_a_time";
        let this = std::env::current_exe().expect("a program");
        let mut run = Command::new(this);
        run.args([name, "--exact", "--nocapture"]).env(OPEN, &ledger);
        let out = run.output().expect("it runs").stdout;
        let out = String::from_utf8(out).expect("text");
        let line = out.lines().find_map(|line| line.split_once("said: "));
        line.expect("it says something").1.replace(path.to_str().expect("text"), "/place")
    };
    assert_eq!(beside(), in_use);
    assert_eq!(below(&path), before);
    drop(files);
    assert_eq!(beside(), "-", "once it is closed, anybody can open it");
    let exists = "/place/ledger: there is a ledger in this folder already; open it, or choose an \
                  empty folder";
    assert_eq!(without(&place, created(&ledger)), exists);
    opened(&ledger).expect("it opens");
}

#[test]
fn two_new_ledgers_are_never_the_same() {
    let (_place, path) = place();
    let made = |name: &str| {
        let made = quipu::create(path.join(name), &machines(), &options(LogKind::Files));
        made.expect("made").manifest.id
    };
    assert_ne!(made("one"), made("two"));
}

#[cfg(unix)]
#[test]
fn a_folder_without_rights_is_said_to_be_one() {
    use std::os::unix::fs::PermissionsExt as _;
    let (place, path) = place();
    let ledger = path.join("ledger");
    created(&ledger).expect("made");
    let before = below(&path);
    let rights = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("it is ours");
    };
    let denied = "permission denied to the user that this program runs as";
    rights(&ledger.join("LEDGER"), 0o000);
    let unreadable = opened(&ledger);
    rights(&ledger.join("LEDGER"), 0o644);
    if unreadable.is_ok() {
        println!("whoever runs this may do everything, so nothing is refused");
        return;
    }
    assert_eq!(without(&place, unreadable), format!("/place/ledger/LEDGER: {denied}"));
    rights(&ledger.join("log"), 0o555);
    let unwritable = opened(&ledger);
    rights(&ledger.join("log"), 0o755);
    assert_eq!(
        without(&place, unwritable),
        format!("/place/ledger: the log: /place/ledger/log/next.tmp: {denied}")
    );
    assert_eq!(below(&path), before);
    rights(&path, 0o555);
    let unmakeable = created(&path.join("new"));
    rights(&path, 0o755);
    assert_eq!(without(&place, unmakeable), format!("/place/new: {denied}"));
}
