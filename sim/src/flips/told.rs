//! Everything that a ledger tells whoever opens it: rows, lists, history, answers.

use core::fmt::Debug;

use quipu_core::digest::digest;
use quipu_core::log::{Anchor, Frame, Reader as _};
use quipu_core::machine::Registry;
use quipu_core::records::Table;
use quipu_core::shard::{Ask, Reply};
use quipu_core::store::{Due, Reader as _};
use quipu_core::words::{Book, Number, Position, Timestamp};
use quipu_ledger::{Files, OpenError, Options};
use quipu_store_redb::store::Opened;

use crate::disk::SimDisk;
use crate::exhaustive::life::with_engine;

/// What a ledger tells. Two that tell the same are the same to everybody.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Told {
    digest: [u8; 32],
    anchor: Anchor,
    bounds: (Position, Position),
    now_limit: Timestamp,
    frames: Vec<Frame>,
    rows: Vec<(u8, Vec<u8>, Vec<u8>)>,
    lists: Vec<(Vec<u8>, Number)>,
    due: Vec<Due>,
    /// What is answered under each key.
    answers: Vec<Reply>,
}

/// When an error came.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Untold {
    /// While it was opened and recovered.
    Opening(OpenError),
    /// While it was read.
    Reading(OpenError),
}

impl Untold {
    pub(super) fn error(self) -> OpenError {
        match self {
            Self::Opening(error) | Self::Reading(error) => error,
        }
    }
}

/// Opens a ledger, recovers it, and has it tell everything. Also says how the store was found.
/// `over` is called once everything is told, before it is closed.
pub(super) fn tell(
    disk: &SimDisk,
    registry: &Registry,
    options: &Options,
    keyed: &[Ask],
    over: impl FnOnce(),
) -> Result<(Opened, Told), Untold> {
    let mut files = Files::open(disk.clone(), registry, options).map_err(Untold::Opening)?;
    files.recover(registry, options, &mut |_| {}).map_err(Untold::Opening)?;
    let found = files.found.clone();
    let mut told = read(&files, registry).map_err(Untold::Reading)?;
    let asked = with_engine(files, |ledger| {
        let answers = keyed.iter().map(|ask| ledger.ask(ask.clone())).collect();
        over();
        Ok(answers)
    });
    (_, told.answers) = asked.map_err(Untold::Reading)?;
    Ok((found, told))
}

fn read(files: &Files<SimDisk>, registry: &Registry) -> Result<Told, OpenError> {
    let (log, store) = (&files.log, &files.store);
    let mut rows = Vec::new();
    for table in Table::ALL {
        store.scan(table, &[], &mut |key, value| {
            rows.push((table as u8, key.to_vec(), value.to_vec()));
            true
        })?;
    }
    let mut lists = Vec::new();
    for rules in registry.all() {
        for (book, index) in [Book::SYSTEM, Book::DEFAULT]
            .into_iter()
            .flat_map(|book| (0..=INDEX_LAST).map(move |index| (book, index)))
        {
            lists.extend(store.list(book, rules.kind(), index, &[], usize::MAX)?);
        }
    }
    let due = store.due(Timestamp::from_ms(u64::MAX), None, usize::MAX)?;
    let bounds = log.bounds();
    let mut frames = Vec::new();
    let mut at = bounds.0;
    while let Some(frame) = log.read(at)? {
        at = frame.last().plus(1);
        frames.push(frame);
    }
    Ok(Told {
        digest: digest(store, registry, log.now_limit())?,
        anchor: log.anchor(),
        bounds,
        now_limit: log.now_limit(),
        frames,
        rows,
        lists,
        due,
        answers: Vec::new(),
    })
}

/// The highest index of any built-in kind.
const INDEX_LAST: u8 = 2;

impl Told {
    /// What of this differs in the other, and where first.
    pub(super) fn difference(&self, other: &Self) -> Option<String> {
        /// Of two lists, the first place at which they differ.
        fn first<T: PartialEq + Debug>(what: &str, here: &[T], there: &[T]) -> Option<String> {
            let differs = |place: &usize| here.get(*place) != there.get(*place);
            let place = (0..here.len().max(there.len())).find(differs)?;
            let (here, there) = (here.get(place), there.get(place));
            Some(format!("{what} {place} was {here:?}, and is told as {there:?}"))
        }
        first("bounds", &[self.bounds], &[other.bounds])
            .or_else(|| first("frame", &self.frames, &other.frames))
            .or_else(|| first("anchor", &[self.anchor], &[other.anchor]))
            .or_else(|| first("time", &[self.now_limit], &[other.now_limit]))
            .or_else(|| first("row", &self.rows, &other.rows))
            .or_else(|| first("place of a list", &self.lists, &other.lists))
            .or_else(|| first("due", &self.due, &other.due))
            .or_else(|| first("answer", &self.answers, &other.answers))
            .or_else(|| first("digest", &[self.digest], &[other.digest]))
    }
}
