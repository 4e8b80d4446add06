//! A replay from the log alone, held against the store, and the first row that differs.

use core::cmp::Ordering;

use super::Error;
use super::walk::{KeyValue, Walk};
use crate::digest::{digest, is_live};
use crate::log;
use crate::machine::Registry;
use crate::records::{Corrupt, HeadRow, ItemRow, KeyRow, Table};
use crate::recovery::{Limits, Progress, recover};
use crate::store::{Reader, Store, StoreError};
use crate::words::{Number, Position, Timestamp};

/// What came of a replay.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Replayed {
    /// The position up to which the log was replayed.
    pub position: Position,
    /// The digest of what the log leads to.
    pub digest: [u8; 32],
    /// The first row in which the store differs from that; `None` where it does not.
    pub difference: Option<Difference>,
}

/// A row in which two stores differ.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// Its table.
    pub table: Table,
    /// Its key.
    pub key: Vec<u8>,
    /// Its value in the first of them.
    pub left: Option<Vec<u8>>,
    /// Its value in the second.
    pub right: Option<Vec<u8>>,
}

/// Replays the log into a scratch store, and holds the store against it, as of `now`.
///
/// The scratch store is empty; where history was trimmed it is a copy, at a position that the log
/// still follows. `progress` is told each position that was reached.
pub fn replayed(
    log: &dyn log::Reader,
    reader: &dyn Reader,
    registry: &Registry,
    scratch: &mut dyn Store,
    limits: &Limits,
    now: Timestamp,
    progress: &mut dyn FnMut(Position),
) -> Result<Replayed, Error> {
    let mut reached = |at: Progress| progress(at.reached);
    let position = recover(log, scratch, registry, limits, &mut reached)?.watermark;
    if reader.position() != position {
        return Err(Error::Apart { store: reader.position(), log: position });
    }
    let scratch = scratch.reader();
    let from_log = digest(&*scratch, registry, now)?;
    // A row that cannot be read has no digest, but it has a name.
    let same = match digest(reader, registry, now) {
        Ok(digest) => digest == from_log,
        Err(StoreError::Damaged { .. }) => false,
        Err(error) => return Err(error.into()),
    };
    let difference = if same { None } else { first_difference(reader, &*scratch, registry, now)? };
    Ok(Replayed { position, digest: from_log, difference })
}

/// The first row, in the order of tables and keys, in which two stores differ as of `now`: of
/// those rows that a [`digest`] counts. A row that cannot be read is an error that names it.
pub fn first_difference(
    left: &dyn Reader,
    right: &dyn Reader,
    registry: &Registry,
    now: Timestamp,
) -> Result<Option<Difference>, StoreError> {
    for table in Table::ALL {
        let mut sides = [left, right].map(|reader| Walk::new(reader, table));
        let [left, right] = &mut sides;
        let next = |walk: &mut Walk<'_>| live(walk, table, registry, now);
        let (mut a, mut b) = (next(left)?, next(right)?);
        loop {
            let order = match (&a, &b) {
                (None, None) => break,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((a, _)), Some((b, _))) => a.cmp(b),
            };
            let differs = |key: Vec<u8>, left, right| Some(Difference { table, key, left, right });
            match (order, a, b) {
                (Ordering::Equal, Some(one), Some(other)) if one == other => {}
                (Ordering::Equal, Some((key, one)), Some((_, other))) => {
                    return Ok(differs(key, Some(one), Some(other)));
                }
                (Ordering::Less, Some((key, one)), _) => return Ok(differs(key, Some(one), None)),
                (_, _, Some((key, other))) => return Ok(differs(key, None, Some(other))),
                (_, _, None) => break,
            }
            (a, b) = (next(left)?, next(right)?);
        }
    }
    Ok(None)
}

fn live(
    walk: &mut Walk<'_>,
    table: Table,
    registry: &Registry,
    now: Timestamp,
) -> Result<Option<KeyValue>, StoreError> {
    while let Some((key, value)) = walk.next()? {
        match is_live(table, &key, &value, registry, now) {
            Ok(false) => {}
            Ok(true) => return Ok(Some((key, value))),
            Err(why) => return Err(StoreError::Damaged { table, key, why }),
        }
    }
    Ok(None)
}

impl Difference {
    /// Both sides in words, as far as they can be read.
    #[must_use]
    pub fn describe(&self, registry: &Registry) -> String {
        let side = |value: &Option<Vec<u8>>| match value {
            None => "not there".to_owned(),
            Some(value) => describe(self.table, value, registry)
                .unwrap_or_else(|why| format!("{} bytes that cannot be read: {why}", value.len())),
        };
        let place = super::Place::Row(self.table, self.key.clone());
        format!("{place}: {}, against {}", side(&self.left), side(&self.right))
    }
}

fn describe(table: Table, value: &[u8], registry: &Registry) -> Result<String, Corrupt> {
    Ok(match table {
        Table::Head => {
            let row = HeadRow::read(value)?;
            let rules = registry.rules(row.name.kind).ok_or(Corrupt::Tag)?;
            let head = rules.describe_head(row.tag, row.head)?;
            format!("{} {:?} at version {}: {head}", rules.name(), row.name, row.stamp.version)
        }
        Table::Name => {
            let number = value.try_into().map_err(|_| Corrupt::Short)?;
            format!("stream {}", Number::new(u64::from_le_bytes(number)))
        }
        Table::Item => {
            let row = ItemRow::read(value)?;
            let rules = registry.rules(row.kind).ok_or(Corrupt::Tag)?;
            rules.describe_item(row.tag, row.item)?
        }
        Table::Key => {
            let row = KeyRow::read(value)?;
            format!("answered at position {} and {}", row.position, row.at)
        }
        Table::Index => "there".to_owned(),
    })
}
