//! The digest of a ledger's state: what two stores with the same history agree on.

use crate::machine::Registry;
use crate::records::{Corrupt, HeadRow, IndexRow, ItemRow, KeyRow, Table};
use crate::shard::KEY_LIFE_MS;
use crate::store::{Reader, StoreError};
use crate::words::Timestamp;

/// BLAKE3 over the live rows in key order, as of a time: heads, names, items, the keys that still
/// live, and index rows. Without the indexes that a store makes of these, and without keys that
/// are over at `now`, which a store may or may not have swept. A row that cannot be read is
/// damage, and there is no digest of that.
pub fn digest(
    store: &dyn Reader,
    registry: &Registry,
    now: Timestamp,
) -> Result<[u8; 32], StoreError> {
    let mut hasher = blake3::Hasher::new();
    let mut damaged = None;
    for table in Table::ALL {
        store.scan(table, &[], &mut |key, value| {
            match is_live(table, key, value, registry, now) {
                Ok(false) => {}
                Ok(true) => {
                    hasher.update(&[table as u8]);
                    for bytes in [key, value] {
                        hasher.update(&(bytes.len() as u64).to_le_bytes());
                        hasher.update(bytes);
                    }
                }
                Err(why) => damaged = Some(StoreError::Damaged { table, key: key.to_vec(), why }),
            }
            damaged.is_none()
        })?;
        if let Some(error) = damaged {
            return Err(error);
        }
    }
    Ok(*hasher.finalize().as_bytes())
}

/// Whether a row counts. What is due counts: firing it is an event, which is history.
pub(crate) fn is_live(
    table: Table,
    key: &[u8],
    value: &[u8],
    registry: &Registry,
    now: Timestamp,
) -> Result<bool, Corrupt> {
    match table {
        Table::Name => {}
        Table::Index => {
            IndexRow::read(key)?;
        }
        Table::Key => return Ok(now.ms_since(KeyRow::read(value)?.at) < KEY_LIFE_MS),
        Table::Head => {
            let row = HeadRow::read(value)?;
            let rules = registry.rules(row.name.kind).ok_or(Corrupt::Tag)?;
            rules.describe_head(row.tag, row.head)?;
        }
        Table::Item => {
            let row = ItemRow::read(value)?;
            let rules = registry.rules(row.kind).ok_or(Corrupt::Tag)?;
            rules.describe_item(row.tag, row.item)?;
        }
    }
    Ok(true)
}
