//! What is found of a ledger on a disk, and that all of it fits together.

use std::collections::BTreeSet;
use std::hash::Hasher as _;

use quipu_core::digest::digest;
use quipu_core::log::{Anchor, Frame, LogError, Reader};
use quipu_core::machines::account::Account;
use quipu_core::records::Entries;
use quipu_core::recovery::{Limits, recover};
use quipu_core::shard::{Ask, Reply};
use quipu_core::store::{MemoryStore, Reader as _};
use quipu_core::verify::{Outside, balance, rows};
use quipu_core::words::{Position, Timestamp};
use quipu_ledger::{Options, verify};
use quipu_store_redb::store::Opened;
use xxhash_rust::xxh3::Xxh3;

use super::asks;
use super::life::{Ledger, enter, essence, is_replayed, machines, with_engine};
use crate::disk::SimDisk;

/// What does not hold, in a sentence.
pub type Breach = String;

/// Says what does not hold, unless it does.
macro_rules! hold {
    ($holds:expr, $($why:tt)+) => {
        if !$holds {
            return Err(format!($($why)+));
        }
    };
}
pub(super) use hold;

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
    pub(super) answers: Vec<Answer>,
}

/// Whether an answer was kept from before, and what it is.
type Answer = (bool, String);

/// How closely a ledger is looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Look {
    /// Everything: the store is held against a replay of the log, row by row, before and after
    /// it is asked again.
    Whole,
    /// The digest of its state alone, for a ledger that must equal one that was looked at.
    Digest,
}

/// Opens what is on a disk, recovers it, and holds log, store and answers against each other.
/// `recovered` is called once recovery is over. Every ask has a key, and is asked again.
pub(super) fn find(
    disk: &SimDisk,
    options: &Options,
    asked: &[Ask],
    look: Look,
    recovered: impl FnOnce(),
) -> Result<Found, Breach> {
    let (files, is_new) = enter(disk, options).map_err(does_not_open)?;
    let set_aside = matches!(files.found, Opened::SetAside { .. });
    hold!(!set_aside, "a crash damages no store: {:?}", files.found);
    let (anchor, now_limit) = (files.log.anchor(), files.log.now_limit());
    let at_checkpoint = files.store.position();
    hold!(at_checkpoint <= anchor.position, "the store is at {at_checkpoint}: {anchor:?}");
    let driven = with_engine(files, |ledger| {
        recovered();
        Ok(ask_again(ledger, asked, look))
    });
    let (_, looked) = driven.map_err(does_not_open)?;
    let (digest, answers) = looked?;
    Ok(Found { is_new, anchor, now_limit, digest, answers })
}

fn does_not_open(error: impl core::fmt::Display) -> Breach {
    format!("what power loss leaves does not open: {error}")
}

/// The digest of what was recovered, and what is answered by it.
fn ask_again(
    ledger: &mut Ledger,
    asked: &[Ask],
    look: Look,
) -> Result<([u8; 32], Vec<Answer>), Breach> {
    let state = match look {
        Look::Whole => fits_together(ledger)?,
        Look::Digest => ledger.digest().map_err(|error| error.to_string())?,
    };
    let mut answers = Vec::new();
    for ask in asked {
        let reply = ledger.ask(ask.clone());
        let is_kept = match &reply {
            Reply::Done(_) => true,
            Reply::Refused(refused) => refused.refusal.code.is_stored(),
            Reply::Failed(fault) => return Err(format!("{ask:?}: {fault}")),
        };
        if is_kept && (look == Look::Whole || !is_replayed(&reply)) {
            let again = ledger.ask(ask.clone());
            hold!(is_replayed(&again), "{ask:?} is done twice: {again:?}");
            hold!(essence(&reply) == essence(&again), "{ask:?}: {reply:?}, then {again:?}");
        }
        answers.push((is_replayed(&reply), essence(&reply)));
    }
    let reply = ledger.ask(asks::command::<Account>("somebody-new", asks::opening()));
    hold!(matches!(reply, Reply::Done(_)), "it does not go on: {reply:?}");
    if look == Look::Whole {
        fits_together(ledger)?;
    }
    Ok((state, answers))
}

/// That the store is what the log says, its rows agree with each other, all money is somewhere,
/// and no key had two effects. Gives the digest of the state.
pub fn fits_together(ledger: &Ledger) -> Result<[u8; 32], Breach> {
    let (log, store, registry) = (ledger.log(), ledger.store(), ledger.registry());
    let failed = |error: &dyn core::fmt::Display| format!("it cannot be read: {error}");
    let mut replay = MemoryStore::new(registry.clone());
    let replayed = recover(log, &mut replay, registry, &Limits::default(), &mut |_| {});
    replayed.map_err(|error| failed(&error))?;
    let (at, wanted) = (store.position(), replay.position());
    hold!(at == wanted, "the store is at {at}, and the log at {wanted}");
    let now = log.now_limit();
    let state = digest(store, registry, now).map_err(|error| failed(&error))?;
    let wanted = digest(&replay, registry, now).map_err(|error| failed(&error))?;
    hold!(state == wanted, "the store is not what the log says");
    let rows = rows(store, registry, &mut |_| {}).map_err(|error| failed(&error))?;
    hold!(rows.report.is_clean(), "rows do not agree: {rows:?}");
    let balance = balance(log, store, registry, Outside::default(), &mut |_| {});
    let balance = balance.map_err(|error| failed(&error))?;
    let adds_up = balance.lines.iter().all(|line| line.difference == Some(0));
    hold!(balance.is_whole && balance.report.is_clean() && adds_up, "money is gone: {balance:?}");
    let mut keys = BTreeSet::new();
    for frame in frames(log).map_err(|error| failed(&error))? {
        for entry in Entries::new(&frame.bytes, frame.first) {
            let entry = entry.map_err(|error| failed(&error))?;
            let is_first = entry.note.as_ref().is_none_or(|note| keys.insert(note.key));
            hold!(is_first, "a key had a second effect at {}", entry.first);
        }
    }
    Ok(state)
}

/// That every byte that counts is right once an image was recovered: no frame, footer, row or
/// index is missing.
pub(super) fn verifies(image: &SimDisk, options: &Options) -> Result<(), Breach> {
    let disk = image.image(crate::disk::Keep::All);
    let (files, _) = enter(&disk, options).map_err(does_not_open)?;
    drop(with_engine(files, |_| Ok(())).map_err(does_not_open)?);
    let verified = verify(disk, None::<&SimDisk>, &[], &machines(), options, &mut |_| {});
    let verified = verified.map_err(|error| format!("it cannot be verified: {error}"))?;
    hold!(verified.is_sound(), "it does not verify: {:?}", verified.findings);
    Ok(())
}

/// All frames that hold events, in order.
pub fn frames(log: &dyn Reader) -> Result<Vec<Frame>, LogError> {
    let (mut at, next) = log.bounds();
    let mut frames = Vec::new();
    while at < next {
        let Some(frame) = log.read(at)?.filter(|frame| frame.first == at) else {
            return Err(LogError::Failed(format!("the log has a gap at {at}")));
        };
        at = frame.last().plus(1);
        frames.push(frame);
    }
    Ok(frames)
}

/// All history behind each of a log's frames, and that before the first.
pub fn anchors(frames: &[Frame]) -> Vec<Anchor> {
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
