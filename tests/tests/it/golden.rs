//! Golden ledgers: folders as released versions have left them. They must open for ever.
//!
//! `tests/golden/v1/` holds what format 1 is: `<name>.ledger` a folder, `<name>.told` what it
//! tells. A file that no longer passes is a broken format, and never a stale file: nothing here
//! is written anew. `QUIPU_GOLDEN=write cargo test -p quipu-tests --test it golden` adds files
//! that are missing, for a new format beside the old ones, and leaves those that are there.
//!
//! ```text
//! ledger  "QUIPUGOLD\n", file, file, …
//! file    length of its path u32 │ path │ its length u64 │ runs u32 │ run, run, …
//! run     offset u64 │ length u32 │ bytes
//! ```
//!
//! What lies between two runs is zeros: segments are made long ahead of need.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use super::craft::contents;
use super::rest::{Rest, backup_of, behind, some_more, stopped, trimmed};
use super::say::*;
use super::told::{Told, tell};
use quipu::backup::Backup;
use quipu::{Files, LedgerId, LogKind, restore};
use quipu_core::disk::{Disk as _, File as _};
use quipu_core::shard::Reply;
use quipu_core::store::Reader as _;
use quipu_sim::disk::SimDisk;

const MAGIC: &[u8] = b"QUIPUGOLD\n";
/// As many zeros as a run's front is long are a gap.
const GAP: usize = 12;

/// What keeps the log of each, and how it was made.
type Made = (&'static str, LogKind, fn() -> SimDisk);

const LEDGERS: [Made; 3] = [
    ("files", LogKind::Files, files),
    ("trimmed", LogKind::Files, of_copy),
    ("redb", LogKind::Redb, redb),
];

/// Stopped once, and then not: sealed segments, a store of several checkpoints, and a tail that
/// it has not seen.
fn files() -> SimDisk {
    let disk = stopped(LogKind::Files).disk;
    drop(drive(create_or_open(&disk, LogKind::Files).expect("it opens"), some_more));
    disk
}

/// Trimmed, and without its store: what there is is the copy, and a log that goes on behind it.
fn of_copy() -> SimDisk {
    let disk = trimmed(LogKind::Files).disk;
    disk.remove(Path::new("store/store.redb")).expect("removed");
    disk
}

/// Restored from a backup, into redb, and driven on: a copy has few pages that nobody needs. Its
/// store is like any other, and is made anew.
fn redb() -> SimDisk {
    let disk = SimDisk::new();
    let (bytes, options) = (backup_of(&behind(LogKind::Files)), options(LogKind::Redb));
    let backup = Backup::open(&bytes[..], "a.backup").expect("a backup");
    let id = LedgerId([7; 16]);
    let files = restore(disk.clone(), id, backup, &machines(), &options, START, &mut |_| {});
    drive(files.expect("restored"), some_more).stop().expect("a clean stop");
    disk.remove(Path::new("store/store.redb")).expect("removed");
    disk
}

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/v1").join(name)
}

/// What a golden file holds. Where files are to be written, it is made if it is missing.
fn golden(name: &str, make: impl FnOnce() -> Vec<u8>) -> Vec<u8> {
    let path = path(name);
    if !path.exists() && std::env::var_os("QUIPU_GOLDEN").is_some_and(|what| what == "write") {
        fs::write(&path, make()).expect("written");
    }
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A folder as one file.
fn fold(disk: &SimDisk) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    for (path, bytes) in contents(disk) {
        let path = path.to_str().expect("a name that is text");
        out.extend((path.len() as u32).to_le_bytes());
        out.extend(path.as_bytes());
        out.extend((bytes.len() as u64).to_le_bytes());
        let runs = runs(&bytes);
        out.extend((runs.len() as u32).to_le_bytes());
        for (start, end) in runs {
            out.extend((start as u64).to_le_bytes());
            out.extend(((end - start) as u32).to_le_bytes());
            out.extend(&bytes[start..end]);
        }
    }
    out
}

/// Where bytes lie that are not zero, without the gaps between them.
fn runs(bytes: &[u8]) -> Vec<(usize, usize)> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for (at, _) in bytes.iter().enumerate().filter(|(_, byte)| **byte != 0) {
        match runs.last_mut() {
            Some((_, end)) if at - *end < GAP => *end = at + 1,
            _ => runs.push((at, at + 1)),
        }
    }
    runs
}

/// The folder that a file holds.
fn unfold(bytes: &[u8]) -> SimDisk {
    let mut rest = bytes.strip_prefix(MAGIC).expect("a golden ledger");
    let disk = SimDisk::new();
    for dir in ["log", "store"] {
        disk.create_dir(Path::new(dir)).expect("made");
    }
    while !rest.is_empty() {
        let len = four(&mut rest);
        let path = std::str::from_utf8(take(&mut rest, len)).expect("text");
        let file = disk.create(Path::new(path)).expect("made");
        file.allocate(eight(&mut rest)).expect("there is room");
        for _ in 0..four(&mut rest) {
            let (offset, len) = (eight(&mut rest), four(&mut rest));
            file.write_at(offset, take(&mut rest, len)).expect("written");
        }
    }
    disk
}

fn take<'a>(rest: &mut &'a [u8], len: usize) -> &'a [u8] {
    let (taken, behind) = rest.split_at(len);
    *rest = behind;
    taken
}

fn four(rest: &mut &[u8]) -> usize {
    u32::from_le_bytes(take(rest, 4).try_into().expect("four bytes")) as usize
}

fn eight(rest: &mut &[u8]) -> u64 {
    u64::from_le_bytes(take(rest, 8).try_into().expect("eight bytes"))
}

/// What a ledger tells, as text: how much of each there is, what it hashes to, and what it
/// answers under keys that were used.
fn text(told: &Told) -> String {
    let mut text = String::new();
    let mut line = |what: &str, is: String| writeln!(text, "{what}: {is}").expect("text grows");
    line("digest", hex(&told.digest));
    line("anchor", format!("{} {}", told.anchor.position, hex(&told.anchor.hash)));
    line("history from", told.bounds.0.to_string());
    line("rows", told.rows.len().to_string());
    line("entries of lists", told.lists.len().to_string());
    line("due", told.due.len().to_string());
    line("time", told.now_limit.ms().to_string());
    for reply in &told.answers {
        let is = match reply {
            Reply::Done(done) => {
                assert!(done.replayed);
                let at = (done.position, done.version, done.at.ms());
                format!("{} {} {} {}", at.0, at.1, at.2, hex(done.answer.as_bytes()))
            }
            Reply::Refused(no) => {
                assert!(no.replayed);
                let at = (no.position, no.version, no.at.ms());
                format!("{} {} {} {:?} {:?}", at.0, at.1, at.2, no.refusal.code, no.leg)
            }
            Reply::Failed(fault) => panic!("{fault:?}"),
        };
        line("answer", is);
    }
    text
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn every_ledger_that_was_released_opens_and_tells_what_it_told() {
    for (name, log, make) in LEDGERS {
        let folder =
            golden(&format!("{name}.ledger"), || fold(&Rest::of(make(), options(log)).disk));
        let disk = unfold(&folder);
        let (_, told) = tell(&disk, &options(log)).expect(name);
        let expected = golden(&format!("{name}.told"), || text(&told).into_bytes());
        assert_eq!(text(&told), String::from_utf8(expected).expect("text"), "{name}");

        // It is sound, goes on, and is sound again.
        let rest = Rest::of(unfold(&folder), options(log));
        let disk = rest.image();
        let files = Files::open(disk.clone(), &machines(), &rest.options).expect(name);
        let files = drive(files, some_more);
        assert!(files.store.position() > rest.told.anchor.position);
        files.stop().expect("a clean stop");
        let gone_on = Rest::of(disk, options(log));
        assert_eq!(gone_on.told.answers, told.answers, "{name}");
        restores(&backup_of(&gone_on), &gone_on.told);
    }
}

#[test]
fn every_backup_that_was_released_is_restored() {
    let ledger =
        Rest::of(unfold(&golden("files.ledger", || fold(&files()))), options(LogKind::Files));
    let bytes = golden("a.backup", || backup_of(&ledger));
    restores(&bytes, &ledger.told);
}

/// Restores a backup into either back end.
fn restores(bytes: &[u8], told: &Told) {
    for log in [LogKind::Files, LogKind::Redb] {
        let (disk, options) = (SimDisk::new(), options(log));
        let backup = Backup::open(bytes, "a.backup").expect("a backup");
        assert_eq!(backup.manifest().anchor, told.anchor);
        let id = LedgerId([8; 16]);
        let made = restore(disk.clone(), id, backup, &machines(), &options, START, &mut |_| {});
        drop(made.expect("restored"));
        let restored = Rest::of(disk, options);
        let known = &told.frames[..];
        assert_eq!(restored.told.bounds.0, told.bounds.0);
        assert_eq!(&restored.told.frames[..known.len()], known);
        assert_eq!(restored.told.answers, told.answers);
    }
}
