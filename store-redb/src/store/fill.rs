//! Filling an empty store with rows in order, as a backup gives them.

use quipu_core::disk::Disk;
use quipu_core::records::Table;
use quipu_core::store::StoreError;
use quipu_core::words::Position;
use redb::TableDefinition;

use super::RedbStore;
use super::checkpoint::{Indexes, Stopped};
use super::schema::{META, META_KEY, Meta, bucket_name, rows_of};
use crate::index::check_key;
use crate::layer::{bucket_of, damaged};
use crate::packed::pack;

/// A transaction ends when it has taken so many bytes of rows.
const TRANSACTION_BYTES: usize = 64 << 20;

/// A row with its table and key.
pub type WholeRow = (Table, Vec<u8>, Vec<u8>);

impl<D: Disk> RedbStore<D> {
    /// Fills a store that nothing was ever applied to: rows in the order of tables and keys, as
    /// [scans](quipu_core::store::Reader::scan) give them, and the position that they are of.
    /// They go to the disk at once, in transactions of a bounded size.
    ///
    /// The store counts as filled from the last transaction on. After a failure or a crash it is
    /// not whole: it takes no more, and the next opening sets it aside.
    pub fn fill(
        &mut self,
        rows: &mut dyn Iterator<Item = Result<WholeRow, StoreError>>,
        position: Position,
    ) -> Result<(), StoreError> {
        let frozen = self.shared.freeze()?;
        if frozen.position() != Position::ZERO || frozen.has_rows() {
            return Err(StoreError::Failed("only an empty store can be filled".into()));
        }
        let mut rows = Rows { rows, last: None };
        frozen.fill(position, &mut |transaction, meta| {
            let mut indexes = Indexes::new(transaction, &self.shared.registry);
            let mut bytes = 0;
            let mut sealed = Vec::new();
            let mut on_disk = None;
            let more = loop {
                if bytes >= TRANSACTION_BYTES {
                    break true;
                }
                let Some((table, key, value)) = rows.next()? else { break false };
                bytes += key.len() + value.len();
                sealed.clear();
                pack(table, &key, &value, &mut sealed);
                let name = match rows_of(table) {
                    Some(_) => (table, 0),
                    None => (table, bucket_of(&key)),
                };
                if on_disk.as_ref().is_none_or(|(of, _)| *of != name) {
                    // A table is closed before the next one is opened.
                    drop(on_disk.take());
                    let bucket = bucket_name(name.1);
                    let of = rows_of(table).unwrap_or(TableDefinition::new(&bucket));
                    on_disk = Some((name, transaction.open_table(of)?));
                }
                let (_, to) = on_disk.as_mut().expect("it was opened just now");
                let within = if table == Table::Key { &key[4..] } else { &key[..] };
                to.insert(within, sealed.as_slice())?;
                indexes.changed(table, &key, None, Some(&value))?;
            };
            drop(on_disk);
            indexes.flush()?;
            let meta = Meta { is_filling: more, ..meta };
            transaction.open_table(META)?.insert(META_KEY, &meta.to_bytes()[..])?;
            Ok(more)
        })
    }
}

/// Rows whose order is checked.
struct Rows<'a> {
    rows: &'a mut dyn Iterator<Item = Result<WholeRow, StoreError>>,
    last: Option<(Table, Vec<u8>)>,
}

impl Rows<'_> {
    fn next(&mut self) -> Result<Option<WholeRow>, Stopped> {
        let Some(row) = self.rows.next() else { return Ok(None) };
        let (table, key, value) = row.map_err(Stopped::Store)?;
        check_key(table, &key).map_err(|why| Stopped::Store(damaged(table, &key, why)))?;
        let place = (table, key);
        if self.last.as_ref().is_some_and(|last| *last >= place) {
            let why = format!("rows to fill a store are out of order at {place:?}");
            return Err(Stopped::Store(StoreError::Failed(why)));
        }
        self.last = Some(place.clone());
        Ok(Some((place.0, place.1, value)))
    }
}
