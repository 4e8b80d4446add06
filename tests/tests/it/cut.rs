//! Files of a ledger at rest that lose their end. It is named, or made good from the log.

use super::rest::{Fates, Rest, backup_of, stopped};
use super::say::*;
use quipu::{LedgerId, LogKind, OpenError, backup, restore};
use quipu_core::disk::{Disk as _, File as _};
use quipu_sim::disk::SimDisk;
use std::path::Path;

/// Every sector up to a length, with the bytes beside it, and a stride over the rest.
fn lengths(dense: u64, len: u64, stride: u64) -> impl Iterator<Item = u64> {
    let sectors = (0..=dense / 512).flat_map(|sector| {
        let at = sector * 512;
        [at.saturating_sub(1), at, at + 1]
    });
    let odd = (0..dense).step_by(349);
    let rest = (dense..len).step_by(stride as usize);
    let all = sectors.chain(odd).chain(rest).chain([len - 1]);
    all.filter(move |at| *at < len)
}

/// Cuts a file to each of these lengths in turn.
fn cut(rest: &Rest, path: &str, lengths: impl Iterator<Item = u64>) -> Fates {
    let mut fates = Fates::default();
    for len in lengths {
        let harmed = rest.image();
        let file = harmed.open(Path::new(path)).expect("it is there");
        file.set_len(len).expect("it is cut");
        drop(file);
        fates.add(rest.fate(&harmed, path, len));
    }
    println!("{:<24} {:>6} cuts  {fates}", path, fates.all());
    fates
}

#[test]
fn a_manifest_that_is_cut_is_named() {
    let rest = stopped(LogKind::Redb);
    let fates = cut(&rest, "LEDGER", (0..512).step_by(7).chain([511]));
    assert_eq!(fates.named, fates.all());
}

#[test]
fn a_segment_that_is_cut_is_named() {
    let rest = stopped(LogKind::Files);
    let segments = rest.segments();
    let [sealed, last] = &segments[..] else { panic!("{segments:?}") };
    let len = rest.len(sealed);
    let fates = cut(&rest, sealed, lengths(len, len, 1));
    // Only its footer can be gone without a frame that is missed.
    assert_eq!(fates.named + fates.verified, fates.all());
    let fates = cut(&rest, last, lengths(34 << 10, rest.len(last), 131_101));
    assert_eq!(fates.named, fates.all(), "a segment is as long as it was made");
}

#[test]
fn a_store_that_is_cut_is_made_again() {
    let rest = stopped(LogKind::Files);
    let path = "store/store.redb";
    let len = rest.len(path);
    let fates = cut(&rest, path, lengths(len, len, 1));
    assert_eq!(fates.named, 0);
    assert!(fates.rebuilt > 200, "{fates}");
}

#[test]
fn a_log_in_redb_that_is_cut_is_named() {
    let rest = stopped(LogKind::Redb);
    let path = "log/log.redb";
    let len = rest.len(path);
    let fates = cut(&rest, path, lengths(8 << 10, len, 1_021));
    assert_eq!(fates.rebuilt, 0);
    assert!(fates.named > 50, "{fates}");
}

#[test]
fn a_backup_that_is_cut_is_refused() {
    let rest = stopped(LogKind::Files);
    let bytes = backup_of(&rest);
    let len = bytes.len() as u64;
    let mut cuts = 0;
    for at in lengths(len, len, 1) {
        let cut = &bytes[..at as usize];
        let refused = |error: OpenError| match error {
            OpenError::NotBackup(file) => assert!(file == "a.backup" && at < 8),
            OpenError::BackupCut { file, byte } => assert!(file == "a.backup" && byte == at),
            error => panic!("byte {at}: {error}"),
        };
        let checked =
            backup::Backup::open(cut, "a.backup").and_then(|backup| backup.check(&mut |_| {}));
        refused(checked.expect_err("a check finds it"));
        let disk = SimDisk::new();
        let restored = backup::Backup::open(cut, "a.backup").and_then(|backup| {
            let (other, options) = (LedgerId([8; 16]), &rest.options);
            restore(disk.clone(), other, backup, &machines(), options, START, &mut |_| {})
        });
        refused(restored.map(drop).expect_err("it is not restored"));
        let left = quipu::Files::open(disk, &machines(), &rest.options).err();
        assert_eq!(left, Some(OpenError::NoLedger), "byte {at}");
        cuts += 1;
    }
    println!("a backup                 {cuts:>6} cuts, each refused by check and by restore");
}
