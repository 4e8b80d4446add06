//! The simulated disk: each fault and each image, by hand. The auditor: histories by hand that it
//! must reject, each beside its nearest one that it must accept. The simulator: its modes, and that
//! it notices.

mod audit;
mod conformance;
mod crashes;
mod exhaustive;
mod failed_syncs;
mod faults;
mod flips;
mod hook;
mod lies;
#[cfg(feature = "mutants")]
mod mutants;
mod torn;
mod world;

use std::path::Path;

use quipu_core::disk::{Disk, DiskError, File};
use quipu_sim::disk::{SimDisk, SimFile};

fn path(text: &str) -> &Path {
    Path::new(text)
}

fn failed(name: &str, why: &str) -> DiskError {
    DiskError::Failed { path: name.into(), why: why.into() }
}

fn create(disk: &SimDisk, name: &str) -> SimFile {
    disk.create(path(name)).expect("a new file")
}

/// A file of which all is durable, its name too.
fn durable(disk: &SimDisk, name: &str, bytes: &[u8]) -> SimFile {
    let file = create(disk, name);
    write(&file, 0, bytes);
    sync(&file);
    disk.sync_dir(path(name).parent().expect("a name")).expect("synced");
    file
}

fn write(file: &SimFile, offset: u64, bytes: &[u8]) {
    file.write_at(offset, bytes).expect("written");
}

fn sync(file: &SimFile) {
    file.sync().expect("synced");
}

fn sync_root(disk: &SimDisk) {
    disk.sync_dir(path("")).expect("synced");
}

fn content(file: &SimFile) -> Vec<u8> {
    let len = file.byte_len().expect("a length");
    let mut bytes = vec![0; usize::try_from(len).expect("a short file")];
    file.read_at(0, &mut bytes).expect("readable");
    bytes
}

fn content_of(disk: &SimDisk, name: &str) -> Vec<u8> {
    content(&disk.open(path(name)).expect("the file is there"))
}

fn names(disk: &SimDisk) -> Vec<String> {
    disk.list(path("")).expect("a directory")
}
