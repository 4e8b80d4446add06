//! Verifies a ledger that nobody has open: every byte that counts, and what it adds up to.
//!
//! Nothing is changed, whatever is found.

use std::path::Path;

use quipu_core::damage::Damage;
use quipu_core::disk::Disk;
use quipu_core::log::{self, Anchor, Log as _, LogError};
use quipu_core::machine::Registry;
use quipu_core::recovery::{RecoveryError, recover};
use quipu_core::store::StoreError;
use quipu_core::verify::{
    self, Balance, Difference, FINDINGS_MAX, Finding, Flaw, Met, Outside, Place,
};
use quipu_core::words::Position;
use quipu_log_file::{ClosedLog, LogId};
use quipu_store_redb::store::{Opened, RedbStore};

use crate::error::OpenError;
use crate::files::{
    LOG, Options, STORE_REDB, base_for, check_base, check_log, check_redb_log, fill_from, has_log,
    open_redb_log, open_store, read_manifest,
};
use crate::manifest::{LogKind, Manifest};
use crate::overlay::Overlay;

/// What is being checked, and how far that has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// The files of the log, up to this position.
    Files(Position),
    /// The chain of frames, up to this position.
    Chain(Position),
    /// So many rows and entries of indexes.
    Rows(u64),
    /// The trial balance, up to this position.
    Balance(Position),
    /// The replay, up to this position.
    Replay(Position),
}

/// What was found.
#[derive(Clone, Debug)]
pub struct Verified {
    /// What the ledger says of itself.
    pub manifest: Manifest,
    /// The first position that is kept, and the last.
    pub kept: (Position, Position),
    /// What all history hashes to.
    pub anchor: Anchor,
    /// How many frames with events were followed, and how many entries they hold.
    pub frames: (u64, u64),
    /// How many rows the store has; none where that was not looked at.
    pub rows: Option<u64>,
    /// How each anchor that was given is met.
    pub anchors: Vec<(Anchor, Met)>,
    /// What is wrong, the first hundred of each check.
    pub findings: Vec<Finding>,
    /// How much more is wrong.
    pub beyond: u64,
    /// The trial balance, where it could be made.
    pub balance: Option<Balance>,
    /// The digest of the state that the log adds up to, where it was replayed.
    pub digest: Option<[u8; 32]>,
}

impl Verified {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.findings.is_empty()
    }

    fn add(&mut self, report: &verify::Report) {
        self.findings.extend(report.findings().iter().cloned());
        self.beyond += report.beyond();
    }

    /// Damage that stopped a check is what is wrong, and no reason to forget what was found
    /// before it.
    fn rot_is_found(&mut self, done: Result<(), OpenError>) -> Result<(), OpenError> {
        let Err(error) = done else { return Ok(()) };
        let Some(damage) = error.damage().cloned() else { return Err(error) };
        self.rotten(damage);
        Ok(())
    }

    fn rotten(&mut self, damage: Damage) {
        let flaw = Flaw::Rotten(damage.why.clone());
        let finding = Finding { place: Place::File(damage), flaw };
        // Two checks that read the same bytes find the same.
        if self.findings.contains(&finding) {
            return;
        }
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding);
        } else {
            self.beyond += 1;
        }
    }
}

/// Verifies a ledger. Where a `scratch` disk is given, which holds nothing, the log is replayed
/// there from its first event, and the store held against that, row by row.
///
/// An error says that a check could not be made. What is wrong with the ledger is in the result.
pub fn verify<D: Disk, S: Disk>(
    disk: D,
    scratch: Option<&S>,
    anchors: &[Anchor],
    registry: &Registry,
    options: &Options,
    progress: &mut dyn FnMut(Step),
) -> Result<Verified, OpenError> {
    let _lock = disk.try_lock(Path::new(""))?;
    let manifest = read_manifest(&disk)?;
    if !has_log(&disk, manifest.log)? {
        return Err(OpenError::NoLog(LOG));
    }
    let mut found = Verified {
        manifest: manifest.clone(),
        kept: (Position::ZERO, Position::ZERO),
        anchor: Anchor::START,
        frames: (0, 0),
        rows: None,
        anchors: Vec::new(),
        findings: Vec::new(),
        beyond: 0,
        balance: None,
        digest: None,
    };
    let over = Overlay::new(disk.clone());
    match manifest.log {
        LogKind::Files => {
            let id = LogId(manifest.id.0);
            let log = match ClosedLog::open(disk, Path::new(LOG), id) {
                Err(LogError::Damaged(damage)) => {
                    found.rotten(damage);
                    return Ok(found);
                }
                log => log?,
            };
            log.examine(&mut |damage| found.rotten(damage), &mut |position| {
                progress(Step::Files(position));
            })?;
            let reader = log.reader();
            let done =
                all(&over, reader, scratch, anchors, registry, options, progress, &mut found);
            found.rot_is_found(done)?;
        }
        LogKind::Redb => {
            let checked = check_redb_log(&over, &manifest, options);
            let log = match checked.and_then(|()| open_redb_log(&over, &manifest, options)) {
                Err(LogError::Damaged(damage)) => {
                    found.rotten(damage);
                    return Ok(found);
                }
                log => log?,
            };
            let reader = log.reader();
            let done =
                all(&over, &*reader, scratch, anchors, registry, options, progress, &mut found);
            found.rot_is_found(done)?;
        }
    }
    Ok(found)
}

/// Everything above the files of the log.
#[expect(clippy::too_many_arguments, reason = "what was given to `verify`, and the log")]
fn all<D: Disk, S: Disk>(
    over: &Overlay<D>,
    log: &dyn log::Reader,
    scratch: Option<&S>,
    anchors: &[Anchor],
    registry: &Registry,
    options: &Options,
    progress: &mut dyn FnMut(Step),
    found: &mut Verified,
) -> Result<(), OpenError> {
    check_log(log, &found.manifest)?;
    let (first, next) = log.bounds();
    found.kept = (first, Position::new(next.get() - 1));
    found.anchor = log.anchor();
    let chain =
        verify::chain(log, first, anchors, &mut |position| progress(Step::Chain(position)))?;
    found.add(&chain.report);
    found.frames = (chain.frames, chain.entries);
    found.anchors = anchors.iter().copied().zip(chain.anchors.iter().copied()).collect();
    let base = base_for(over, log, &found.manifest)?;
    if base.is_some() {
        found.rot_is_found(check_base(over))?;
    }
    if !chain.report.is_clean() {
        // What cannot be read cannot be replayed, and the store needs its tail.
        return Ok(());
    }
    let id = found.manifest.id.0;
    let path = Path::new(STORE_REDB);
    match RedbStore::check_pages(over, path, id, &options.store) {
        Err(StoreError::Rotten(damage)) => {
            found.rotten(damage);
            return Ok(());
        }
        checked => checked?,
    }
    let (mut store, opened) = open_store(over, &found.manifest, log, registry, options)?;
    match opened {
        Opened::SetAside { why, .. } => {
            let damage = match why {
                StoreError::Rotten(damage) => damage,
                other => Damage::new(STORE_REDB, 0, other.to_string()),
            };
            found.rotten(damage);
            return Ok(());
        }
        Opened::New | Opened::At(_) => {}
    }
    if let Err(error) = recover(log, &mut store, registry, &options.limits, &mut |_| {}) {
        found.rotten(rot_in(error)?);
        return Ok(());
    }
    let rows = verify::rows(&store, registry, &mut |count| progress(Step::Rows(count)))?;
    found.add(&rows.report);
    found.rows = Some(rows.heads + rows.names + rows.items + rows.keys + rows.indexed);
    let balance = verify::balance(log, &store, registry, Outside::default(), &mut |position| {
        progress(Step::Balance(position));
    })?;
    found.add(&balance.report);
    found.balance = Some(balance);
    if let Some(scratch) = scratch {
        let (mut replay, _) =
            RedbStore::open(scratch, Path::new("replay.redb"), id, registry, &options.store)?;
        if let Some(mut base) = base_for(over, log, &found.manifest)? {
            fill_from(&mut base, &mut replay)?;
        }
        let replayed = verify::replayed(
            log,
            &store,
            registry,
            &mut replay,
            &options.limits,
            log.now_limit(),
            &mut |position| progress(Step::Replay(position)),
        )?;
        found.digest = Some(replayed.digest);
        if let Some(difference) = replayed.difference {
            found.findings.push(differs(&difference, registry));
        }
    }
    Ok(())
}

fn differs(difference: &Difference, registry: &Registry) -> Finding {
    let place = Place::Row(difference.table, difference.key.clone());
    Finding { place, flaw: Flaw::Differs(difference.describe(registry)) }
}

/// The damage in an error of recovery, if that is what it is.
fn rot_in(error: RecoveryError) -> Result<Damage, OpenError> {
    match error {
        RecoveryError::Log(LogError::Damaged(damage))
        | RecoveryError::Store(StoreError::Rotten(damage)) => Ok(damage),
        RecoveryError::Store(error @ StoreError::Damaged { .. }) => {
            Ok(Damage::new(STORE_REDB, 0, error.to_string()))
        }
        other => Err(other.into()),
    }
}
