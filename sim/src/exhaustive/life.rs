//! What a ledger is made to do on a disk, and what its callers were told.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quipu_core::driver::{Driver, Setup};
use quipu_core::log::{Log as _, Reader as _};
use quipu_core::machine::Registry;
use quipu_core::machines::{genesis, registry};
use quipu_core::shard::{Ask, Reply};
use quipu_core::words::{Position, Timestamp};
use quipu_ledger::{AnyLog, Files, LedgerId, LogKind, OpenError, Options};
use quipu_store_redb::store::{self, RedbStore};

use crate::disk::SimDisk;

/// A ledger over its files, one step at a time.
pub type Ledger = Driver<AnyLog<SimDisk>, RedbStore<SimDisk>>;

/// The ledger that every workload works with.
const ID: LedgerId = LedgerId([3; 16]);

/// When every workload begins.
pub(crate) const START: Timestamp = Timestamp::from_ms(1_800_000_000_000);

/// One thing that a ledger is made to do.
#[derive(Clone, Debug)]
pub enum Step {
    /// Somebody asks.
    Ask(Ask),
    /// The store is brought onto the disk.
    Checkpoint,
    /// A bit of room is made ahead.
    Tend,
    /// The ledger says that all is durable.
    Seal,
    /// The ledger is stopped, and opened again if anything follows.
    Stop,
    /// Its process ends without that, and another one opens it.
    Leave,
}

/// What callers know at one time.
#[derive(Clone, Default, Debug)]
pub(crate) struct Told {
    /// How many steps have been begun.
    pub(crate) steps: usize,
    /// How many asks have been begun.
    pub(crate) begun: usize,
    /// What was answered, ask by ask.
    pub(crate) replies: Vec<Reply>,
    /// The last position that an answer rests on.
    pub(crate) position: Position,
    /// The latest time that was shown.
    pub(crate) at: Timestamp,
    /// Whether somebody was told that the ledger is there.
    pub(crate) is_made: bool,
}

/// What callers know, for whoever looks on.
#[derive(Clone, Default)]
pub(crate) struct Callers(Arc<Mutex<Told>>);

impl Callers {
    pub(crate) fn told(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The machines of every workload: all that are built in.
#[must_use]
pub fn machines() -> Registry {
    registry()
}

/// Little memory, and nothing on another thread: one run is like the next.
#[must_use]
pub fn small(log: LogKind) -> Options {
    let files = quipu_log_file::Settings {
        fill_bytes: 4 << 10,
        beside_bytes: None,
        ..quipu_log_file::Settings::default()
    };
    let store = store::Settings { cache_bytes: 1 << 20, ..store::Settings::default() };
    Options { log, files, log_cache_bytes: 1 << 20, store, ..Options::default() }
}

/// Makes a ledger, or opens the one that is there. Says whether it had to be made.
pub fn enter(disk: &SimDisk, options: &Options) -> Result<(Files<SimDisk>, bool), OpenError> {
    match Files::open(disk.clone(), &machines(), options) {
        Err(OpenError::NoLedger) => {
            Ok((Files::create(disk.clone(), ID, &machines(), options)?, true))
        }
        opened => Ok((opened?, false)),
    }
}

/// Drives a ledger with an engine, as far as `act` wants.
pub fn with_engine<T>(
    files: Files<SimDisk>,
    act: impl FnOnce(&mut Ledger) -> Result<T, OpenError>,
) -> Result<(Files<SimDisk>, T), OpenError> {
    let mut given = None;
    let files = files.with_log_and_store(|log, store| {
        let setup = Setup::new(machines(), genesis(), 1);
        let now = START.max(log.now_limit());
        let mut ledger = Driver::on(setup, log, store, now)?;
        given = Some(act(&mut ledger)?);
        Ok(ledger.into_parts())
    })?;
    Ok((files, given.expect("it was driven")))
}

/// Lives through all steps, or as far as the disk goes along. `end` is called once the last one is
/// done, before the process that did it ends.
pub(crate) fn live(
    disk: &SimDisk,
    options: &Options,
    steps: &[Step],
    callers: &Callers,
    end: &mut dyn FnMut(),
) -> Result<(), OpenError> {
    let mut rest = steps;
    loop {
        let (files, _) = enter(disk, options)?;
        callers.told().is_made = true;
        let is_end = |step: &Step| matches!(step, Step::Stop | Step::Leave);
        let last = rest.iter().position(is_end);
        let (files, ()) = with_engine(files, |ledger| {
            let steps = &rest[..last.unwrap_or(rest.len())];
            steps.iter().try_for_each(|step| carry_out(ledger, step, callers))?;
            match last {
                None => end(),
                Some(last) => {
                    callers.told().steps += 1;
                    if matches!(rest[last], Step::Stop) {
                        ledger.seal();
                    }
                }
            }
            Ok(())
        })?;
        let Some(last) = last else { return Ok(()) };
        match rest[last] {
            Step::Stop => files.stop()?,
            _ => drop(files),
        }
        rest = &rest[last + 1..];
        if rest.is_empty() {
            end();
            return Ok(());
        }
    }
}

fn carry_out(ledger: &mut Ledger, step: &Step, callers: &Callers) -> Result<(), OpenError> {
    callers.told().steps += 1;
    match step {
        Step::Ask(ask) => {
            callers.told().begun += 1;
            let reply = ledger.ask(ask.clone());
            let mut told = callers.told();
            if let Some((position, at)) = rests_on(&reply) {
                told.position = told.position.max(position);
                told.at = told.at.max(at);
            }
            told.replies.push(reply);
        }
        Step::Checkpoint => drop(ledger.checkpoint()?),
        Step::Tend => drop(ledger.log_mut().tend()?),
        Step::Seal => ledger.seal(),
        Step::Stop | Step::Leave => unreachable!("a life ends there"),
    }
    Ok(())
}

/// What an answer rests on: the last position, and the time that it shows.
#[must_use]
pub fn rests_on(reply: &Reply) -> Option<(Position, Timestamp)> {
    match reply {
        Reply::Done(outcome) => Some((outcome.position.max(outcome.version), outcome.at)),
        Reply::Refused(refused) => Some((refused.position.max(refused.version), refused.at)),
        Reply::Failed(_) => None,
    }
}

/// An answer, but for what tells a repeat from a first.
#[must_use]
pub fn essence(reply: &Reply) -> String {
    match reply {
        Reply::Done(outcome) => format!(
            "{} {} {} {} {:?}",
            outcome.position,
            outcome.version,
            outcome.at,
            outcome.changed,
            outcome.answer.as_bytes(),
        ),
        Reply::Refused(refused) => format!(
            "{} {} {} {:?} {:?}",
            refused.position, refused.version, refused.at, refused.refusal, refused.leg,
        ),
        Reply::Failed(fault) => format!("{fault:?}"),
    }
}

/// Whether a key kept this answer from an earlier ask.
pub(crate) fn is_replayed(reply: &Reply) -> bool {
    match reply {
        Reply::Done(outcome) => outcome.replayed,
        Reply::Refused(refused) => refused.replayed,
        Reply::Failed(_) => false,
    }
}
