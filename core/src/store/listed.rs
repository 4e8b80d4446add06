//! Lists of items: what index rows say, page by page.

use super::{Reader, StoreError};
use crate::machine::ItemKey;
use crate::records::{IndexRow, Table, key_of_index, prefix_of_index};
use crate::words::{Book, Kind, Number};

/// An item in a list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListedItem {
    /// What its machine lists it by.
    pub bytes: Vec<u8>,
    /// Its stream.
    pub number: Number,
    /// The item.
    pub item: ItemKey,
}

/// Items of a book and kind by one of their [indexes](crate::machine::Machine::item_indexes):
/// those whose bytes begin with `prefix`, in the order of these bytes, then of streams and their
/// items; behind `after`, which need not be there any more; at most `limit`.
pub fn list_items(
    reader: &dyn Reader,
    (book, kind, index): (Book, Kind, u8),
    prefix: &[u8],
    after: Option<&ListedItem>,
    limit: usize,
) -> Result<Vec<ListedItem>, StoreError> {
    let (mut within, mut from) = (Vec::new(), Vec::new());
    prefix_of_index((book, kind, index), prefix, &mut within);
    if let Some(after) = after {
        key_of_index((book, kind, index), &after.bytes, after.number, &after.item, &mut from);
        // The least key behind it.
        from.push(0);
    }
    let from = from.max(within.clone());
    let (mut items, mut damaged) = (Vec::new(), None);
    if limit == 0 {
        return Ok(items);
    }
    reader.scan(Table::Index, &from, &mut |key, _| {
        if !key.starts_with(&within) {
            return false;
        }
        match IndexRow::read(key) {
            Ok(IndexRow { bytes, number, item, .. }) => {
                items.push(ListedItem { bytes, number, item });
            }
            Err(why) => {
                damaged = Some(StoreError::Damaged { table: Table::Index, key: key.to_vec(), why });
            }
        }
        items.len() < limit && damaged.is_none()
    })?;
    damaged.map_or(Ok(items), Err)
}
