//! Files that are changed on purpose, with checksums that are right again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::say::ID;
use quipu_core::disk::{Disk, File};
use quipu_sim::disk::SimDisk;
use quipu_store_redb::backend::Pacing;
use quipu_store_redb::file::{RedbFile, Settings};
use redb::{ReadableTable as _, TableDefinition};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// Every file that has a name, and what is in it.
pub(crate) fn contents(disk: &SimDisk) -> BTreeMap<PathBuf, Vec<u8>> {
    let read = |(path, len): (PathBuf, u64)| {
        let mut bytes = vec![0; len as usize];
        disk.open(&path).and_then(|file| file.read_at(0, &mut bytes)).expect("readable");
        (path, bytes)
    };
    disk.files().into_iter().map(read).collect()
}

/// Changes the first sector of a file, which ends with a checksum over what lies before.
fn change_sector<D: Disk>(
    disk: &D,
    path: &str,
    change: impl FnOnce(&mut [u8]),
    sum: fn(&[u8]) -> u64,
) {
    let file = disk.open(Path::new(path)).expect("it is there");
    let mut sector = [0; 512];
    file.read_at(0, &mut sector).expect("readable");
    assert_eq!(sector[504..], sum(&sector[..504]).to_le_bytes(), "{path} has the sum there");
    change(&mut sector[..504]);
    let sum = sum(&sector[..504]).to_le_bytes();
    sector[504..].copy_from_slice(&sum);
    file.write_at(0, &sector).expect("written");
    file.sync().expect("synced");
}

/// Gives a manifest, a segment or a backup, all of which have it in the same place, a format.
pub(crate) fn set_format<D: Disk>(disk: &D, path: &str, format: u32) {
    change_sector(disk, path, |bytes| bytes[8..12].copy_from_slice(&format.to_le_bytes()), xxh3_64);
}

/// Gives the pages of a redb file a format.
pub(crate) fn set_page_format<D: Disk>(disk: &D, path: &str, format: u32) {
    let sum = |bytes: &[u8]| xxh3_64_with_seed(bytes, u64::from_le_bytes(*b"sector\0\0"));
    change_sector(disk, path, |bytes| bytes[8..12].copy_from_slice(&format.to_le_bytes()), sum);
}

/// Gives the tables of a store a format.
pub(crate) fn set_store_format<D: Disk>(disk: &D, format: u32) {
    const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
    let id = u64::from_le_bytes(*ID.0.first_chunk().expect("sixteen bytes"));
    let settings = Settings { id, cache_bytes: 1 << 20, pacing: Pacing::none() };
    let file = RedbFile::open(disk, Path::new("store/store.redb"), &settings, |_| Ok(()));
    let file = file.expect("a store");
    let changed = file.commit(|transaction| {
        let mut table = transaction.open_table(META)?;
        let mut row = table.get("store")?.expect("it says what it is").value().to_vec();
        row[8..12].copy_from_slice(&format.to_le_bytes());
        let sum = xxh3_64(&row[8..]);
        row[..8].copy_from_slice(&sum.to_le_bytes());
        table.insert("store", row.as_slice())?;
        Ok(())
    });
    changed.expect("committed");
    file.close().expect("closed");
}
