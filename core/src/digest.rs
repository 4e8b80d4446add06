//! The digest of a ledger's state: what two stores with the same history agree on.

use crate::machine::Registry;
use crate::records::{HeadRow, ItemRow, KeyRow, Table};
use crate::shard::KEY_LIFE_MS;
use crate::store::{Store, StoreError};
use crate::words::Timestamp;

/// BLAKE3 over the live rows in key order, as of a time: heads, names, items, and the keys
/// that still live. Without caches and indexes, which follow from these, and without what is
/// over at `now`, which a store may or may not have swept.
pub fn digest(
    store: &dyn Store,
    registry: &Registry,
    now: Timestamp,
) -> Result<[u8; 32], StoreError> {
    let mut hasher = blake3::Hasher::new();
    for table in Table::ALL {
        store.scan(table, &[], &mut |key, value| {
            if is_live(table, value, registry, now) {
                hasher.update(&[table as u8]);
                for bytes in [key, value] {
                    hasher.update(&(bytes.len() as u64).to_le_bytes());
                    hasher.update(bytes);
                }
            }
            true
        })?;
    }
    Ok(*hasher.finalize().as_bytes())
}

fn is_live(table: Table, value: &[u8], registry: &Registry, now: Timestamp) -> bool {
    match table {
        Table::Key => KeyRow::read(value).is_ok_and(|row| now.ms_since(row.at) < KEY_LIFE_MS),
        Table::Name => true,
        // What is due is left in: firing it is an event, which is history. Only rows that
        // nobody can read are left out, and those do not decode.
        Table::Head => HeadRow::read(value).is_ok_and(|row| {
            registry
                .rules(row.name.kind)
                .is_some_and(|rules| rules.head_due(row.tag, row.head).is_ok())
        }),
        Table::Item => ItemRow::read(value).is_ok_and(|row| {
            let rules = registry.rules(row.kind);
            rules.is_some_and(|rules| rules.item_due(row.tag, row.item).is_ok())
        }),
    }
}
