//! The index rows of an item, which are written wherever the item is.

use super::{ItemKey, Machine};
use crate::records::{INDEX_LEN_MAX, Rows, Table, key_of_index};
use crate::words::{Name, Number};

/// Whether items under this key have index rows. Where a machine names no letter, this is
/// `false` before the program runs.
pub(super) fn is_indexed<M: Machine>(key: &ItemKey) -> bool {
    M::INDEXED.contains(&key.letter())
}

/// What an item is listed by, and in which index.
pub(super) fn each<M: Machine>(
    name: &Name,
    key: &ItemKey,
    item: &M::Item,
    index: &mut dyn FnMut(u8, &[u8]),
) {
    if is_indexed::<M>(key) {
        M::item_indexes(name, key, item, &mut |number, bytes| {
            // A log may hold an event that no decision made, with whatever bytes.
            if bytes.len() <= INDEX_LEN_MAX {
                index(number, bytes);
            }
        });
    }
}

/// The keys of an item's index rows.
pub(super) fn keys<M: Machine>(
    name: &Name,
    number: Number,
    key: &ItemKey,
    item: Option<&M::Item>,
) -> Vec<Vec<u8>> {
    let mut keys = Vec::new();
    let Some(item) = item else { return keys };
    each::<M>(name, key, item, &mut |index, bytes| {
        let mut row = Vec::new();
        key_of_index((name.book, M::KIND, index), bytes, number, key, &mut row);
        keys.push(row);
    });
    keys
}

/// Writes what changes in the index when an item does: rows that only the old one has go, and
/// rows that only the new one has come.
pub(super) fn change<M: Machine>(
    name: &Name,
    number: Number,
    key: &ItemKey,
    (old, new): (Option<&M::Item>, Option<&M::Item>),
    rows: &mut Rows,
) {
    let [old, new] = [old, new].map(|item| keys::<M>(name, number, key, item));
    for gone in old.iter().filter(|row| !new.contains(row) && !mutant!(IndexLeftBehind)) {
        rows.remove(Table::Index, |out| out.extend_from_slice(gone));
    }
    for come in new.iter().filter(|row| !old.contains(row)) {
        rows.put(Table::Index, |out| out.extend_from_slice(come), |_| {});
    }
}
