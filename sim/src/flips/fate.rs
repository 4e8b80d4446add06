//! What becomes of a ledger in which one bit was turned over.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use quipu_core::disk::Disk as _;
use quipu_core::store::StoreError;
use quipu_ledger::OpenError;
use quipu_store_redb::store::Opened;

use super::flip::Flip;
use super::ground::{Ground, Kind, STORE};
use super::told::{Told, Untold};
use crate::disk::Keep;

/// What came of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fate {
    /// Whoever opens it is told the file, and the place.
    AtOpening,
    /// Whoever reads it is.
    AtReading,
    /// The store was set aside, named, and made anew of the log.
    Rebuilt,
    /// Nobody can see any difference.
    Harmless,
}

/// Turns the bit over in a copy, and looks at it. An error says what must not be.
pub(super) fn fate(ground: &Ground, kind: Kind, flip: &Flip) -> Result<Fate, String> {
    let harmed = ground.disk.image(Keep::All);
    harmed.flip(&flip.file, flip.offset, flip.bit).map_err(|error| error.to_string())?;
    let look = harmed.image(Keep::All);
    let told = catch_unwind(AssertUnwindSafe(|| ground.tell(&look)));
    match told.map_err(|_| "a panic got out".to_owned())? {
        Ok((Opened::SetAside { why, .. }, told)) => {
            names(&why.into(), kind, flip)?;
            is_same(&told, ground)?;
            Ok(Fate::Rebuilt)
        }
        Ok((_, told)) => {
            is_same(&told, ground)?;
            Ok(Fate::Harmless)
        }
        Err(Untold::Opening(error)) => {
            names(&error, kind, flip)?;
            Ok(Fate::AtOpening)
        }
        Err(Untold::Reading(error)) => {
            names(&error, kind, flip)?;
            if flip.file == Path::new(STORE) {
                // As the error says: moved out of the way, it is made anew.
                let look = harmed.image(Keep::All);
                look.remove(&flip.file).map_err(|error| error.to_string())?;
                match ground.tell(&look) {
                    Ok((_, told)) => is_same(&told, ground)?,
                    Err(error) => return Err(format!("without its store: {error:?}")),
                }
            }
            Ok(Fate::AtReading)
        }
    }
}

fn is_same(told: &Told, ground: &Ground) -> Result<(), String> {
    if *told == ground.told {
        return Ok(());
    }
    Err(ground.told.difference(told).expect("what differs has a difference"))
}

/// Whether an error names the file, and no place behind the one that was harmed.
fn names(error: &OpenError, kind: Kind, flip: &Flip) -> Result<(), String> {
    let unnamed = || Err(format!("the error names another place: {error}"));
    if let OpenError::BackupCut { file, .. } | OpenError::NotBackup(file) = error {
        // Of a length that is wrong nothing else shows than that the file ends too early.
        return if Path::new(file) == flip.file { Ok(()) } else { unnamed() };
    }
    if let OpenError::StoreDamaged(StoreError::Damaged { .. }) = error {
        // A row, which has no offset. The sentence names the file.
        return if flip.file == Path::new(STORE) { Ok(()) } else { unnamed() };
    }
    let Some(damage) = error.damage() else { return unnamed() };
    // The sums of a redb file's pages lie elsewhere than the pages, and either may be wrong.
    let in_redb = matches!(kind, Kind::Store | Kind::RedbLog | Kind::Free);
    let is_there =
        in_redb || damage.offset <= flip.offset || damage.why.contains("the file ends here");
    if damage.file == flip.file && is_there { Ok(()) } else { unnamed() }
}
