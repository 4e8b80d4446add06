//! Whether indexes, and what is due, list what rows say and nothing else.
//!
//! Every entry of a list is held against its row, and a list has no entry twice. So a list that is
//! as long as the rows say has them all; only where it is not, rows are read once more to name
//! what is missing.

use std::collections::{BTreeMap, BTreeSet};

use super::rows::{Counts, Rows, SaidByHead, said_by_head, said_by_item};
use super::walk::Walk;
use super::{Error, Flaw, Place, found};
use crate::machine::{ItemKey, Registry};
use crate::records::{Table, key_of_head, key_of_item};
use crate::store::{Due, Reader, StoreError};
use crate::words::{Book, Kind, Number, Timestamp};

/// How many entries of a list are read at a time.
const PAGE: usize = 256;

/// What rows say about the lists.
#[derive(Default)]
pub(super) struct Expected {
    pub(super) books: BTreeSet<Book>,
    /// The highest index that any head of a kind is in.
    pub(super) indexes: BTreeMap<Kind, u8>,
    pub(super) listed: Counts,
    /// Streams and items that are due, some day.
    pub(super) due: u64,
    /// Only the items.
    pub(super) due_items: u64,
}

pub(super) fn check_indexes(
    reader: &dyn Reader,
    registry: &Registry,
    expected: &Expected,
    rows: &mut Rows,
    progress: &mut dyn FnMut(u64),
) -> Result<(), Error> {
    let mut check = Check { reader, registry, rows, progress, differing: BTreeSet::new() };
    for book in &expected.books {
        for rules in registry.all() {
            let highest = expected.indexes.get(&rules.kind()).copied().unwrap_or_default();
            for index in 0..=highest {
                let list = (*book, rules.kind(), index);
                let wanted = expected.listed.get(&list).copied().unwrap_or_default();
                if check.list(list)? != wanted {
                    check.differing.insert(list);
                }
            }
        }
    }
    let differs = Differs {
        due: check.due()? != expected.due,
        due_items: check.due_items()? != expected.due_items,
    };
    if differs.due || differs.due_items || !check.differing.is_empty() {
        check.name_missing(&differs)?;
    }
    Ok(())
}

/// Which of the lists of what is due are too short or too long.
struct Differs {
    due: bool,
    due_items: bool,
}

struct Check<'a> {
    reader: &'a dyn Reader,
    registry: &'a Registry,
    rows: &'a mut Rows,
    progress: &'a mut dyn FnMut(u64),
    differing: BTreeSet<(Book, Kind, u8)>,
}

impl Check<'_> {
    /// Reads one index. Gives how many of its entries are right.
    fn list(&mut self, (book, kind, index): (Book, Kind, u8)) -> Result<u64, Error> {
        let (mut after, mut right) = (Vec::new(), 0);
        loop {
            let page = self.reader.list(book, kind, index, &after, PAGE)?;
            let is_last = page.len() < PAGE;
            for (key, number) in page {
                let place = || Place::Index(book, kind, index, key.clone());
                if key <= after {
                    self.rows.report.add(place(), Flaw::Unordered);
                    return Ok(right);
                }
                self.rows.listed += 1;
                let is_said = self.head(number)?.is_some_and(|said| {
                    (said.name.book, said.name.kind) == (book, kind)
                        && said.listed.contains(&(index, key.clone()))
                });
                match is_said {
                    Some(true) => right += 1,
                    Some(false) => self.rows.report.add(place(), Flaw::Listed(number)),
                    None => {}
                }
                after = key;
            }
            (self.progress)(self.rows.listed + self.rows.due);
            if is_last {
                return Ok(right);
            }
        }
    }

    /// Reads all that is due. Gives how much of it is right.
    fn due(&mut self) -> Result<u64, Error> {
        let (mut after, mut right) = (None, 0);
        loop {
            let page = self.reader.due(Timestamp::NEVER, after.as_ref(), PAGE)?;
            let is_last = page.len() < PAGE;
            for due in page {
                if after.as_ref().is_some_and(|after| due <= *after) {
                    self.rows.report.add(Place::Due(due), Flaw::Unordered);
                    return Ok(right);
                }
                self.rows.due += 1;
                match self.is_due(&due)? {
                    Some(true) => right += 1,
                    Some(false) => {
                        self.rows.report.add(Place::Due(due.clone()), Flaw::ListedDue);
                    }
                    None => {}
                }
                after = Some(due);
            }
            (self.progress)(self.rows.listed + self.rows.due);
            if is_last {
                return Ok(right);
            }
        }
    }

    /// Reads the items that are due of every stream. Gives how many are right.
    fn due_items(&mut self) -> Result<u64, Error> {
        let mut right = 0;
        let mut walk = Walk::new(self.reader, Table::Head);
        while let Some((key, _)) = walk.next_readable()? {
            if let Ok(key) = <[u8; 8]>::try_from(key) {
                right += self.due_items_of(Number::new(u64::from_be_bytes(key)))?;
            }
        }
        Ok(right)
    }

    fn due_items_of(&mut self, number: Number) -> Result<u64, Error> {
        let (mut after, mut right) = (None, 0);
        loop {
            let (page, _) =
                self.reader.due_items(number, Timestamp::NEVER, after.as_ref(), PAGE)?;
            let is_last = page.len() < PAGE;
            for due in page {
                if due.number != number || after.as_ref().is_some_and(|after| due <= *after) {
                    self.rows.report.add(Place::Due(due), Flaw::Unordered);
                    return Ok(right);
                }
                match self.is_due(&due)? {
                    Some(true) => right += 1,
                    Some(false) => {
                        self.rows.report.add(Place::Due(due.clone()), Flaw::ListedDue);
                    }
                    None => {}
                }
                after = Some(due);
            }
            if is_last {
                return Ok(right);
            }
        }
    }

    /// Whether the row of something that is listed as due says so; `None` where the row cannot
    /// be read, which has been found already.
    fn is_due(&self, due: &Due) -> Result<Option<bool>, Error> {
        let Some(item) = &due.item else {
            return Ok(self.head(due.number)?.is_some_and(|said| said.due.as_ref() == Some(due)));
        };
        let mut key = Vec::new();
        key_of_item(due.number, item, &mut key);
        let said =
            said(self.reader.get(Table::Item, &key), |row| said_by_item(self.registry, &key, row))?;
        Ok(said.is_some_and(|said| said.due.as_ref() == Some(due)))
    }

    /// What a stream's head says.
    fn head(&self, number: Number) -> Result<Said<SaidByHead>, Error> {
        let key = key_of_head(number);
        said(self.reader.get(Table::Head, &key), |row| said_by_head(self.registry, &key, row))
    }

    /// Names what rows say and lists do not have.
    fn name_missing(&mut self, differs: &Differs) -> Result<(), Error> {
        let mut walk = Walk::new(self.reader, Table::Head);
        while let Some((key, value)) = walk.next_readable()? {
            let Ok(said) = said_by_head(self.registry, &key, &value) else { continue };
            for (index, key) in &said.listed {
                let (book, kind) = (said.name.book, said.name.kind);
                if self.differing.contains(&(book, kind, *index))
                    && !self.is_listed((book, kind, *index), key, said.number)?
                {
                    let place = Place::Index(book, kind, *index, key.clone());
                    self.rows.report.add(place, Flaw::NotListed(said.number));
                }
            }
            if let Some(due) = said.due
                && differs.due
                && !self.is_listed_due(&due)?
            {
                self.rows.report.add(Place::Due(due), Flaw::NotDue);
            }
        }
        let mut walk = Walk::new(self.reader, Table::Item);
        while let Some((key, value)) = walk.next_readable()? {
            let Ok(said) = said_by_item(self.registry, &key, &value) else { continue };
            let Some(due) = said.due else { continue };
            let is_listed = !differs.due || self.is_listed_due(&due)?;
            let of_stream = !differs.due_items || self.is_listed_of_stream(&due)?;
            if !is_listed || !of_stream {
                self.rows.report.add(Place::Due(due), Flaw::NotDue);
            }
        }
        Ok(())
    }

    fn is_listed(
        &self,
        (book, kind, index): (Book, Kind, u8),
        key: &[u8],
        number: Number,
    ) -> Result<bool, Error> {
        let mut after = before(key);
        loop {
            let page = self.reader.list(book, kind, index, &after, PAGE)?;
            let is_last = page.len() < PAGE;
            for (listed, of) in page {
                if listed.as_slice() >= key || listed <= after {
                    return Ok(listed == key && of == number);
                }
                after = listed;
            }
            if is_last {
                return Ok(false);
            }
        }
    }

    fn is_listed_due(&self, due: &Due) -> Result<bool, Error> {
        let last = ItemKey::from_bytes(&[0xff; ItemKey::LEN_MAX]);
        let number = due.number.get().checked_sub(1).map(Number::new);
        let after = number.map(|number| Due { at: due.at, number, item: last });
        pages_hold(due, after, |after| self.reader.due(due.at, after, PAGE))
    }

    fn is_listed_of_stream(&self, due: &Due) -> Result<bool, Error> {
        let last = ItemKey::from_bytes(&[0xff; ItemKey::LEN_MAX]);
        let at = due.at.ms().checked_sub(1).map(Timestamp::from_ms);
        let after = at.map(|at| Due { at, number: due.number, item: last });
        pages_hold(due, after, |after| {
            Ok(self.reader.due_items(due.number, due.at, after, PAGE)?.0)
        })
    }
}

/// Whether pages that begin behind `after` come to hold something.
fn pages_hold(
    due: &Due,
    mut after: Option<Due>,
    mut page: impl FnMut(Option<&Due>) -> Result<Vec<Due>, StoreError>,
) -> Result<bool, Error> {
    loop {
        let page = page(after.as_ref())?;
        if page.contains(due) {
            return Ok(true);
        }
        match page.into_iter().nth(PAGE - 1) {
            Some(last) if last < *due && after.as_ref().is_none_or(|after| last > *after) => {
                after = Some(last);
            }
            _ => return Ok(false),
        }
    }
}

/// A key before this one, with few keys in between.
fn before(key: &[u8]) -> Vec<u8> {
    let Some((last, front)) = key.split_last() else { return Vec::new() };
    let mut before = front.to_vec();
    if let Some(less) = last.checked_sub(1) {
        before.push(less);
        before.extend_from_slice(&[0xff; 16]);
    }
    before
}

/// What a row says.
enum Said<T> {
    /// There is no such row.
    Absent,
    /// It cannot be read, which has been found already.
    Unreadable,
    This(T),
}

impl<T> Said<T> {
    /// Whether it says so; `None` where it cannot be read.
    fn is_some_and(&self, says: impl FnOnce(&T) -> bool) -> Option<bool> {
        match self {
            Self::Absent => Some(false),
            Self::Unreadable => None,
            Self::This(said) => Some(says(said)),
        }
    }
}

fn said<T>(
    row: Result<Option<Vec<u8>>, StoreError>,
    read: impl FnOnce(&[u8]) -> Result<T, Flaw>,
) -> Result<Said<T>, Error> {
    Ok(match row {
        Ok(None) => Said::Absent,
        Ok(Some(row)) => read(&row).map_or(Said::Unreadable, Said::This),
        Err(error) => {
            found(error)?;
            Said::Unreadable
        }
    })
}
