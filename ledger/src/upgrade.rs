//! Upgrades a ledger that an older version made.
//!
//! | part | how it gets to the newest format |
//! |---|---|
//! | records in log and store | read as they are, by the tag that each has; see the machines |
//! | store | set aside, and made anew of the log, which is the history |
//! | log | segments stay as they are: each says its format, and every released one is read |
//! | manifest | once an older store is out of the way: from then on an opening does the rest |
//!
//! Whatever is newer than this version, or damaged, is refused before anything is changed.

use std::path::Path;

use quipu_core::disk::Disk;
use quipu_core::machine::Registry;
use quipu_core::recovery::Progress;
use quipu_core::store::Store as _;
use quipu_store_redb::store::RedbStore;

use crate::error::OpenError;
use crate::files::{Files, Options, STORE_REDB, check_closed, read_manifest};
use crate::manifest::FORMAT;

/// What an upgrade did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Upgraded {
    /// The ledger's format before.
    pub from: u32,
    /// And now.
    pub to: u32,
    /// Whether the store was made anew.
    pub store: bool,
}

/// Brings a ledger that nobody has open to the newest format. Begun again after a crash, it goes
/// on with what is left. One that is at the newest format already stays as it is.
pub fn upgrade<D: Disk>(
    disk: D,
    registry: &Registry,
    options: &Options,
    progress: &mut dyn FnMut(Progress),
) -> Result<Upgraded, OpenError> {
    let (from, store) = {
        let _lock = disk.try_lock(Path::new(""))?;
        let mut manifest = read_manifest(&disk)?;
        let from = manifest.format;
        let (path, id) = (Path::new(STORE_REDB), manifest.id.0);
        let store = match check_closed(&disk, &manifest, options) {
            Err(OpenError::Older { .. }) => true,
            checked => {
                checked?;
                false
            }
        };
        if store {
            RedbStore::set_older_aside(&disk, path, id, &options.store)?;
        }
        if from < FORMAT {
            manifest.format = FORMAT;
            manifest.write(&disk)?;
        }
        (from, store)
    };
    if store {
        let mut files = Files::open(disk, registry, options)?;
        files.recover(registry, options, progress)?;
        files.store.checkpoint()?;
    }
    Ok(Upgraded { from, to: FORMAT, store })
}
