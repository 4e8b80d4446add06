//! A ledger in a folder of the operating system.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use quipu_core::disk::DiskError;
use quipu_core::machine::Registry;
use quipu_core::words::Timestamp;
use quipu_disk::RealDisk;

use crate::backup::Backup;
use crate::error::OpenError;
use crate::files::{Files, Options};
use crate::manifest::LedgerId;
use crate::restore::{Step, restore};

/// Makes a new ledger in a folder that is empty or not there yet, with an id that no other has.
pub fn create(
    folder: impl AsRef<Path>,
    registry: &Registry,
    options: &Options,
) -> Result<Files<RealDisk>, OpenError> {
    let folder = folder.as_ref();
    let disk = match RealDisk::create(folder) {
        Err(DiskError::AlreadyExists(_)) => disk_of(folder)?,
        made => made.map_err(|error| why(folder, error))?,
    };
    let made = new_id().and_then(|id| Files::create(disk, id, registry, options));
    made.map_err(|error| error.at(folder))
}

/// Opens the ledger in a folder. What it holds is not whole before [`Files::recover`].
pub fn open(
    folder: impl AsRef<Path>,
    registry: &Registry,
    options: &Options,
) -> Result<Files<RealDisk>, OpenError> {
    let folder = folder.as_ref();
    let opened = disk_of(folder).and_then(|disk| Files::open(disk, registry, options));
    opened.map_err(|error| error.at(folder))
}

/// Opens a backup in a file of the operating system.
pub fn open_backup(file: &Path) -> Result<Backup<BufReader<File>>, OpenError> {
    let name = file.display().to_string();
    let opened = File::open(file).map_err(|error| {
        let why = format!("{name}: {error}");
        OpenError::Stream { what: "opening the backup", why }
    })?;
    Backup::open(BufReader::with_capacity(1 << 20, opened), &name)
}

/// Makes a new ledger of a backup in a folder that is empty or not there yet, with an id that no
/// other has.
pub fn restore_into(
    folder: &Path,
    backup: Backup<impl Read>,
    registry: &Registry,
    options: &Options,
    now: Timestamp,
    progress: &mut dyn FnMut(Step),
) -> Result<LedgerId, OpenError> {
    let disk = match RealDisk::create(folder) {
        Err(DiskError::AlreadyExists(_)) => disk_of(folder)?,
        made => made.map_err(|error| why(folder, error))?,
    };
    let id = new_id()?;
    let files = restore(disk, id, backup, registry, options, now, progress);
    files.and_then(Files::stop).map_err(|error| error.at(folder))?;
    Ok(id)
}

/// The id of a new ledger. Two with the same one would take each other's files for their own.
fn new_id() -> Result<LedgerId, OpenError> {
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(|error| OpenError::NoRandom(error.to_string()))?;
    Ok(LedgerId(id))
}

fn disk_of(folder: &Path) -> Result<RealDisk, OpenError> {
    RealDisk::open(folder).map_err(|error| why(folder, error))
}

fn why(folder: &Path, error: DiskError) -> OpenError {
    let why = match error {
        DiskError::NotFound(_) => {
            "there is no such folder; make it, or name the folder of a ledger"
        }
        _ if folder.is_file() => "this is a file; name the folder of a ledger",
        error => return OpenError::Disk(error),
    };
    OpenError::Folder { folder: folder.to_owned(), why }
}
