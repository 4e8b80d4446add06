//! What is held against each other when a ledger has been opened: its log, its store, and what an
//! account of the user's own says.

use std::collections::BTreeMap;
use std::rc::Rc;

use quipu_core::digest::digest;
use quipu_core::log::{Anchor, Frame, LogError, Reader};
use quipu_core::machine::Registry;
use quipu_core::records::Entries;
use quipu_core::recovery::{Limits, RecoveryError, recover};
use quipu_core::shard::Reply;
use quipu_core::store::{MemoryStore, Reader as _, StoreError};
use quipu_core::verify::{self, Outside};
use quipu_core::words::{Epoch, Name, Position, Timestamp};

use super::breach::{Breach, ensure};
use super::ground::Engine;
use super::workload::{Happened, Model, Question};

/// All frames that hold events, in order.
pub(super) fn frames(log: &dyn Reader) -> Result<Vec<Frame>, LogError> {
    let (mut at, next) = log.bounds();
    let mut frames = Vec::new();
    while at < next {
        let Some(frame) = log.read(at)? else { break };
        at = frame.last().plus(1);
        frames.push(frame);
    }
    Ok(frames)
}

/// A pure replay of a log, which goes on where it was when the log has grown.
pub(super) struct Replay {
    store: MemoryStore,
    upto: Anchor,
}

impl Replay {
    pub(super) fn new(registry: &Registry) -> Self {
        Self { store: MemoryStore::new(registry.clone()), upto: Anchor::START }
    }

    /// Holds the store against a pure replay of the log, whose frames are given. Gives the digest
    /// of the state.
    pub(super) fn hold(
        &mut self,
        engine: &Engine,
        frames: &[Frame],
        at: Timestamp,
    ) -> Result<[u8; 32], Trouble> {
        let (store, registry) = (engine.store(), engine.registry());
        let log = Held { log: engine.log(), frames };
        if log.anchor_before(self.upto.position.plus(1))? != self.upto {
            return Err(Breach::new("durability", "history is another than it was").into());
        }
        recover(&log, &mut self.store, registry, &Limits::default(), &mut |_| {})?;
        self.upto = log.anchor();
        let [is, should] = [store.position(), self.store.position()];
        ensure("recovery", is == should, || format!("the store is at {is}, the log at {should}"))?;
        let state = digest(store, registry, at)?;
        if state != digest(&self.store, registry, at)? {
            let difference = verify::first_difference(store, &self.store, registry, at)?;
            let difference = difference.map(|found| found.describe(registry)).unwrap_or_default();
            let what = format!("the store at {is} is not what the log says: {difference}");
            ensure("recovery", false, || what)?;
        }
        Ok(state)
    }
}

/// A log whose frames have been read.
struct Held<'a> {
    log: &'a dyn Reader,
    frames: &'a [Frame],
}

impl Reader for Held<'_> {
    fn bounds(&self) -> (Position, Position) {
        self.log.bounds()
    }

    fn now_limit(&self) -> Timestamp {
        self.log.now_limit()
    }

    fn epoch(&self) -> Epoch {
        self.log.epoch()
    }

    fn read(&self, from: Position) -> Result<Option<Frame>, LogError> {
        let at = self.frames.partition_point(|frame| frame.last() < from);
        Ok(self.frames.get(at).cloned())
    }

    fn anchor(&self) -> Anchor {
        self.log.anchor()
    }

    fn anchor_before(&self, at: Position) -> Result<Anchor, LogError> {
        self.log.anchor_before(at)
    }
}

/// Everything that can be verified of a ledger that is at rest. Where writes to the store have
/// lied, what is found of that is named as damage.
pub(super) fn is_sound(engine: &Engine, has_lied: bool) -> Result<(), Breach> {
    let (log, store, registry) = (engine.log(), engine.store(), engine.registry());
    let failed = |error: verify::Error| Breach::new("verify", error.to_string());
    let chain = verify::chain(log, Position::ZERO, &[log.anchor()], &mut |_| {}).map_err(failed)?;
    ensure("verify", chain.report.is_clean(), || format!("{:?}", chain.report))?;
    let rows = verify::rows(store, registry, &mut |_| {}).map_err(failed)?;
    if has_lied && !rows.report.is_clean() {
        return Ok(());
    }
    ensure("verify", rows.report.is_clean(), || format!("{:?}", rows.report))?;
    let balance = verify::balance(log, store, registry, Outside::default(), &mut |_| {});
    let balance = balance.map_err(failed)?;
    let is_whole = balance.is_whole && balance.report.is_clean();
    let is_even = balance.lines.iter().all(|line| line.difference == Some(0));
    ensure("verify", is_whole && is_even, || format!("{balance:?}"))
}

/// Shows the whole log to a model, and each answer at the version that it rests on.
pub(super) fn show(
    model: &mut dyn Model,
    frames: &[Frame],
    answers: &[(Rc<Question>, Reply)],
    registry: &Registry,
) -> Result<(), Breach> {
    let mut by_version: BTreeMap<Position, Vec<usize>> = BTreeMap::new();
    for (index, (question, reply)) in answers.iter().enumerate() {
        if let (Some(_), Some(version)) = (question.asked.stream(), version_of(reply)) {
            by_version.entry(version).or_default().push(index);
        }
    }
    let objects = |at: Position, why: String| Breach::new("model", format!("at {at}: {why}"));
    let check = |model: &dyn Model, version: Position| -> Result<(), Breach> {
        for index in by_version.get(&version).into_iter().flatten() {
            let (question, reply) = &answers[*index];
            let asked = &question.asked;
            model
                .answer(&asked.ask, reply)
                .map_err(|why| objects(version, format!("{asked:?}: {reply:?}: {why}")))?;
        }
        Ok(())
    };
    check(model, Position::ZERO)?;
    let mut names: BTreeMap<u64, Name> = BTreeMap::new();
    for frame in frames {
        for entry in Entries::new(&frame.bytes, frame.first) {
            let entry = entry.map_err(|why| objects(frame.first, why.to_string()))?;
            let mut shown = Position::ZERO;
            for part in &entry.parts {
                let head = &part.head;
                if let Some(name) = &head.created {
                    names.insert(head.number.get(), name.clone());
                }
                // Every part of one event comes before the answers at its position.
                if shown != Position::ZERO && head.position != shown {
                    check(model, shown)?;
                }
                shown = head.position;
                let Some(stream) = names.get(&head.number.get()) else {
                    return Err(objects(shown, "an event of a stream that nothing began".into()));
                };
                registry
                    .rules(head.kind)
                    .ok_or_else(|| objects(shown, "an event of an unknown kind".into()))?;
                let begins = head.created.is_some();
                let (at, now, payload) = (shown, entry.now, part.payload);
                let happened = Happened { stream, at, now, begins, head, payload };
                model.event(&happened).map_err(|why| objects(shown, why))?;
            }
            check(model, shown)?;
        }
    }
    Ok(())
}

/// The version that an answer about one stream shows, where it was made for this ask.
fn version_of(reply: &Reply) -> Option<Position> {
    match reply {
        Reply::Done(outcome) if !outcome.replayed => Some(outcome.version),
        Reply::Refused(refused) if !refused.replayed => Some(refused.version),
        _ => None,
    }
}

/// Why a check did not come to its end.
#[derive(Debug)]
pub(super) enum Trouble {
    Breach(Breach),
    /// What it looks at could not be read.
    Log(LogError),
    Store(StoreError),
}

impl From<Breach> for Trouble {
    fn from(breach: Breach) -> Self {
        Self::Breach(breach)
    }
}

impl From<LogError> for Trouble {
    fn from(error: LogError) -> Self {
        Self::Log(error)
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<RecoveryError> for Trouble {
    fn from(error: RecoveryError) -> Self {
        match error {
            RecoveryError::Log(error) => Self::Log(error),
            RecoveryError::Store(error) => Self::Store(error),
            other => Self::Breach(Breach::new("recovery", other.to_string())),
        }
    }
}
