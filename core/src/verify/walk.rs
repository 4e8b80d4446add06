//! A walk over a table, page by page: nothing of the store is held while a row is looked at.

use std::collections::VecDeque;

use super::{Error, found};
use crate::records::Table;
use crate::store::{Reader, StoreError};

/// The most rows of a page, and the most of their bytes, but for one larger row.
const PAGE_ROWS_MAX: usize = 256;
const PAGE_BYTES_MAX: usize = 1 << 20;

/// A row's key and its value.
pub(super) type KeyValue = (Vec<u8>, Vec<u8>);

/// The rows of one table, in key order.
pub(super) struct Walk<'a> {
    reader: &'a dyn Reader,
    table: Table,
    page: VecDeque<KeyValue>,
    /// What ended the page, and is told behind its rows.
    error: Option<StoreError>,
    /// Where the next page begins; `None` behind the last one.
    from: Option<Vec<u8>>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(reader: &'a dyn Reader, table: Table) -> Self {
        Self { reader, table, page: VecDeque::new(), error: None, from: Some(Vec::new()) }
    }

    /// The next row. After a row that is damaged the walk goes on behind it; after any other
    /// error it has ended.
    pub(super) fn next(&mut self) -> Result<Option<KeyValue>, StoreError> {
        loop {
            if let Some(row) = self.page.pop_front() {
                return Ok(Some(row));
            }
            if let Some(error) = self.error.take() {
                return Err(error);
            }
            let Some(from) = self.from.take() else { return Ok(None) };
            self.turn(&from);
        }
    }

    /// The next row that is not damaged.
    pub(super) fn next_readable(&mut self) -> Result<Option<KeyValue>, Error> {
        loop {
            match self.next() {
                Ok(row) => return Ok(row),
                Err(error) => found(error)?,
            };
        }
    }

    fn turn(&mut self, from: &[u8]) {
        let (page, mut bytes, mut full) = (&mut self.page, 0, false);
        let ended = self.reader.scan(self.table, from, &mut |key, value| {
            bytes += key.len() + value.len();
            page.push_back((key.to_vec(), value.to_vec()));
            full = page.len() == PAGE_ROWS_MAX || bytes >= PAGE_BYTES_MAX;
            !full
        });
        match ended {
            Ok(()) if full => self.from = self.page.back().map(|(key, _)| behind(key)),
            Ok(()) => {}
            Err(error) => {
                if let StoreError::Damaged { table, key, .. } = &error
                    && *table == self.table
                    && key.as_slice() >= from
                {
                    self.from = Some(behind(key));
                }
                self.error = Some(error);
            }
        }
    }
}

/// The least key behind this one.
fn behind(key: &[u8]) -> Vec<u8> {
    [key, &[0]].concat()
}
