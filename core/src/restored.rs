//! What a ledger that comes out of a backup must be told before it serves anyone.
//!
//! A restored backup is a new ledger, and its original may still be running. What the backup
//! shows as unfinished may be finished there by now: a planned payout may have been made, and
//! making it again would spend it twice. So machines say, head by head and item by item, which
//! command a restore gives ([`Machine::on_restored`](crate::machine::Machine::on_restored)), and
//! each is carried out as any other command is: by an event, on the log.
//!
//! ```text
//! let mut after = None;
//! loop {
//!     let page = restored::commands(reader, registry, after.as_ref(), limit)?;
//!     for step in page.steps { ask each shard for Ask::Restored(step), and wait for its answer }
//!     match page.next { Some(next) => after = Some(next), None => break }
//! }
//! ```
//!
//! Power may fail in between: begun again from the first page, it finds what is left to do. The
//! ledger may serve once every step has been answered and the last page has been seen.

use crate::machine::{Command, ItemKey, Registry};
use crate::records::{Corrupt, HeadRow, ItemRow, Table, key_of_head};
use crate::shard::{Leg, Options};
use crate::store::{Reader, StoreError};
use crate::words::{Name, Number};

/// The most rows that one page reads, and the most of their bytes, but for one larger row.
const PAGE_ROWS_MAX: usize = 4_096;
const PAGE_BYTES_MAX: usize = 1 << 20;

/// A command that a restore gives to a stream. Only [`commands`] makes one, out of rows: no
/// caller may ask for it.
#[derive(Clone, Debug)]
pub struct Step(Leg);

impl Step {
    /// The stream.
    #[must_use]
    pub fn stream(&self) -> &Name {
        &self.0.stream
    }

    /// The command.
    #[must_use]
    pub fn command(&self) -> &Command {
        &self.0.command
    }

    pub(crate) fn leg(&self) -> &Leg {
        &self.0
    }

    pub(crate) fn into_leg(self) -> Leg {
        self.0
    }
}

/// Some of the steps of a restore.
#[derive(Debug)]
pub struct Page {
    /// The steps, in the order of their rows. There may be none on a page that is not the last.
    pub steps: Vec<Step>,
    /// Where the next page begins; `None` behind the last one.
    pub next: Option<After>,
}

/// The last row that a page has seen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct After {
    table: Table,
    key: Vec<u8>,
}

/// The next steps of a restore, at most `limit` (and at least one row is looked at).
///
/// The store stands at the end of its log. Steps of earlier pages may be carried out or not.
pub fn commands(
    reader: &dyn Reader,
    registry: &Registry,
    after: Option<&After>,
    limit: usize,
) -> Result<Page, StoreError> {
    let table = after.map_or(Table::Head, |after| after.table);
    let from = after.map_or_else(Vec::new, |after| [&after.key[..], &[0]].concat());
    let mut found = Vec::new();
    let mut last = None;
    let (mut rows, mut bytes, mut wrong) = (0, 0, None);
    reader.scan(table, &from, &mut |key, value| {
        let command = match table {
            Table::Head => of_head(registry, value),
            _ => of_item(registry, key, value),
        };
        match command {
            Ok(Some((stream, command))) => found.push((stream, command)),
            Ok(None) => {}
            Err(why) => wrong = Some(StoreError::Damaged { table, key: key.to_vec(), why }),
        }
        rows += 1;
        bytes += key.len() + value.len();
        last = Some(key.to_vec());
        let full = found.len() >= limit || rows == PAGE_ROWS_MAX || bytes >= PAGE_BYTES_MAX;
        if full || wrong.is_some() {
            return false;
        }
        last = None;
        true
    })?;
    if let Some(error) = wrong {
        return Err(error);
    }
    let next = match (last, table) {
        (Some(key), table) => Some(After { table, key }),
        (None, Table::Head) => Some(After { table: Table::Item, key: Vec::new() }),
        (None, _) => None,
    };
    let steps = found.into_iter().map(|(stream, command)| {
        let stream = match stream {
            Stream::Named(name) => name,
            Stream::Numbered(number) => name_of(reader, number)?,
        };
        Ok(Step(Leg { stream, command, options: Options::default() }))
    });
    Ok(Page { steps: steps.collect::<Result<_, StoreError>>()?, next })
}

enum Stream {
    Named(Name),
    Numbered(Number),
}

fn of_head(registry: &Registry, value: &[u8]) -> Result<Option<(Stream, Command)>, Corrupt> {
    let row = HeadRow::read(value)?;
    let rules = registry.rules(row.name.kind).ok_or(Corrupt::Tag)?;
    let command = rules.on_restored(row.tag, row.head)?;
    Ok(command.map(|command| (Stream::Named(row.name), command)))
}

fn of_item(
    registry: &Registry,
    key: &[u8],
    value: &[u8],
) -> Result<Option<(Stream, Command)>, Corrupt> {
    let (number, item) = key.split_first_chunk::<8>().ok_or(Corrupt::Short)?;
    let item = ItemKey::from_bytes(item).ok_or(Corrupt::Range)?;
    let row = ItemRow::read(value)?;
    let rules = registry.rules(row.kind).ok_or(Corrupt::Tag)?;
    let command = rules.on_restored_item(&item, row.tag, row.item)?;
    let stream = Stream::Numbered(Number::new(u64::from_be_bytes(*number)));
    Ok(command.map(|command| (stream, command)))
}

fn name_of(reader: &dyn Reader, number: Number) -> Result<Name, StoreError> {
    let key = key_of_head(number);
    let damaged = |why| StoreError::Damaged { table: Table::Head, key: key.to_vec(), why };
    let row = reader.get(Table::Head, &key)?.ok_or_else(|| damaged(Corrupt::Missing))?;
    Ok(HeadRow::read(&row).map_err(damaged)?.name)
}
