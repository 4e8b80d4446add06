//! Everything that a ledger tells whoever opens it: rows, indexes, history, answers.

use super::rich::keyed_asks;
use super::say::*;
use quipu::{Files, OpenError, Options};
use quipu_core::digest::digest;
use quipu_core::disk::Disk;
use quipu_core::driver::{Driver, Setup};
use quipu_core::log::{Anchor, Frame, Reader as _};
use quipu_core::machines::genesis;
use quipu_core::records::Table;
use quipu_core::shard::{Ask, Reply};
use quipu_core::store::{Due, Reader as _};
use quipu_core::words::{Book, Kind, Number, Position, Timestamp};
use quipu_store_redb::store::Opened;

/// What a ledger tells. Two that tell the same are the same to everybody.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Told {
    pub(crate) digest: [u8; 32],
    pub(crate) anchor: Anchor,
    pub(crate) bounds: (Position, Position),
    pub(crate) now_limit: Timestamp,
    pub(crate) rows: Vec<(u8, Vec<u8>, Vec<u8>)>,
    pub(crate) lists: Vec<(Book, Kind, u8, Vec<u8>, Number)>,
    pub(crate) due: Vec<Due>,
    pub(crate) frames: Vec<Frame>,
    /// What is answered under each key.
    pub(crate) answers: Vec<Reply>,
}

/// The highest index of any built-in kind, and the highest kind.
const INDEX_LAST: u8 = 2;
const KIND_LAST: u8 = 10;

/// Opens a ledger, recovers it, and has it tell everything. Also says how the store was found.
pub(crate) fn tell<D: Disk>(disk: &D, options: &Options) -> Result<(Opened, Told), OpenError> {
    let mut files = Files::open(disk.clone(), &machines(), options)?;
    files.recover(&machines(), options, &mut |_| {})?;
    let found = files.found.clone();
    let (log, store) = (&files.log, &files.store);
    let mut rows = Vec::new();
    for table in Table::ALL {
        store.scan(table, &[], &mut |key, value| {
            rows.push((table as u8, key.to_vec(), value.to_vec()));
            true
        })?;
    }
    let mut lists = Vec::new();
    for book in [Book::SYSTEM, Book::DEFAULT] {
        for (kind, index) in (1..=KIND_LAST).flat_map(|k| (0..=INDEX_LAST).map(move |i| (k, i))) {
            let kind = Kind::new(kind);
            let listed = store.list(book, kind, index, &[], usize::MAX)?;
            lists.extend(listed.into_iter().map(|(key, number)| (book, kind, index, key, number)));
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
    let mut told = Told {
        digest: digest(store, &machines(), log.now_limit())?,
        anchor: log.anchor(),
        now_limit: log.now_limit(),
        answers: Vec::new(),
        bounds,
        rows,
        lists,
        due,
        frames,
    };
    told.answers = answers(files, keyed_asks())?;
    Ok((found, told))
}

/// What a ledger answers. Nothing is written by asking again.
fn answers<D: Disk>(files: Files<D>, asks: Vec<Ask>) -> Result<Vec<Reply>, OpenError> {
    let mut told = Vec::new();
    files.with_log_and_store(|log, store| {
        let now = START.max(log.now_limit());
        let mut ledger = Driver::on(Setup::new(machines(), genesis(), 1), log, store, now)?;
        told = asks.into_iter().map(|ask| ledger.ask(ask)).collect();
        Ok(ledger.into_parts())
    })?;
    Ok(told)
}
