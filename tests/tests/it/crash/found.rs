//! What is found of a ledger on a disk, and that all of it fits together.

use std::collections::BTreeSet;
use std::hash::Hasher as _;

use quipu::{OpenError, Options};
use quipu_core::digest::digest;
use quipu_core::log::{Anchor, Frame, LogError, Reader};
use quipu_core::records::Entries;
use quipu_core::recovery::{Limits, recover};
use quipu_core::shard::{Ask, Reply};
use quipu_core::store::{MemoryStore, Reader as _};
use quipu_core::verify::{Outside, balance, rows};
use quipu_core::words::{Position, Timestamp};
use quipu_sim::disk::SimDisk;
use quipu_store_redb::store::Opened;
use xxhash_rust::xxh3::Xxh3;

use super::work::*;
use crate::say::*;

/// What is found of a ledger.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Found {
    /// Whether the folder held none, so that one was made.
    pub(super) is_new: bool,
    /// All history that there was.
    pub(super) anchor: Anchor,
    /// The time up to which answers may have shown.
    pub(super) now_limit: Timestamp,
    /// The digest of the state, once it was recovered.
    pub(super) digest: [u8; 32],
    /// What the same asks are answered: whether that was kept from before, and what it is.
    pub(super) answers: Vec<(bool, String)>,
}

/// Opens what is on a disk, recovers it, and holds log, store and answers against each other.
/// `recovered` is called once recovery is over. Every ask has a key, and is asked again.
pub(super) fn find(
    disk: &SimDisk,
    options: &Options,
    asks: &[Ask],
    recovered: impl FnOnce(),
) -> Result<Found, OpenError> {
    let (files, is_new) = enter(disk, options)?;
    let set_aside = matches!(files.found, Opened::SetAside { .. });
    assert!(!set_aside, "a crash damages no store: {:?}", files.found);
    let (anchor, now_limit) = (files.log.anchor(), files.log.now_limit());
    let at_checkpoint = files.store.position();
    assert!(at_checkpoint <= anchor.position, "the store is at {at_checkpoint}: {anchor:?}");
    let (_, (digest, answers)) = with_engine(files, |ledger| {
        recovered();
        let digest = fits_together(ledger);
        let mut answers = Vec::new();
        for ask in asks {
            let reply = ledger.ask(ask.clone());
            let again = ledger.ask(ask.clone());
            let is_kept = match &reply {
                Reply::Done(_) => true,
                Reply::Refused(refused) => refused.refusal.code.is_stored(),
                Reply::Failed(fault) => panic!("{ask:?}: {fault}"),
            };
            if is_kept {
                assert!(is_replayed(&again), "{ask:?}: {again:?}");
                assert_eq!(essence(&reply), essence(&again), "{ask:?}");
            }
            answers.push((is_replayed(&reply), essence(&reply)));
        }
        done(ledger.ask(open("somebody-new")));
        fits_together(ledger);
        Ok((digest, answers))
    })?;
    Ok(Found { is_new, anchor, now_limit, digest, answers })
}

/// That the store is what the log says, its rows agree with each other, all money is somewhere, and no key had two effects.
/// Gives the digest of the state.
pub(super) fn fits_together(ledger: &Ledger<SimDisk>) -> [u8; 32] {
    let (log, store, registry) = (ledger.log(), ledger.store(), ledger.registry());
    let mut replay = MemoryStore::new(registry.clone());
    let replayed = recover(log, &mut replay, registry, &Limits::default(), &mut |_| {});
    replayed.expect("the log can be replayed");
    assert_eq!(store.position(), replay.position());
    let now = log.now_limit();
    let state = digest(store, registry, now).expect("a readable store");
    let wanted = digest(&replay, registry, now).expect("a readable store");
    assert!(state == wanted, "the store is not what the log says");
    let rows = rows(store, registry, &mut |_| {}).expect("a readable store");
    assert!(rows.report.is_clean(), "{rows:?}");
    let balance = balance(log, store, registry, Outside::default(), &mut |_| {});
    let balance = balance.expect("a trial balance");
    assert!(balance.is_whole && balance.report.is_clean(), "{balance:?}");
    assert!(balance.lines.iter().all(|line| line.difference == Some(0)), "{balance:?}");
    let mut keys = BTreeSet::new();
    for frame in frames(log).expect("a readable log") {
        for entry in Entries::new(&frame.bytes, frame.first) {
            let entry = entry.expect("a readable entry");
            let is_first = entry.note.as_ref().is_none_or(|note| keys.insert(note.key));
            assert!(is_first, "a key had a second effect at {}", entry.first);
        }
    }
    state
}

/// All frames that hold events, in order.
pub(super) fn frames(log: &dyn Reader) -> Result<Vec<Frame>, LogError> {
    let (mut at, next) = log.bounds();
    let mut frames = Vec::new();
    while at < next {
        let frame = log.read(at)?.expect("a log without gaps");
        assert_eq!(frame.first, at, "a log without gaps");
        at = frame.last().plus(1);
        frames.push(frame);
    }
    Ok(frames)
}

/// All history behind each of a log's frames, and that before the first.
pub(super) fn anchors(frames: &[Frame]) -> Vec<Anchor> {
    let mut anchors = vec![Anchor::START];
    for frame in frames {
        let before = *anchors.last().expect("there is one");
        anchors.push(before.then(frame));
    }
    anchors
}

/// What tells one disk from another.
pub(super) fn print_of(disk: &SimDisk) -> u64 {
    let mut hasher = Xxh3::new();
    disk.hash_into(&mut hasher);
    hasher.finish()
}

/// The position behind which a ledger is no longer new.
pub(super) const BEGUN: Position = Position::new(1);
