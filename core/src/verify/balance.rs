//! The trial balance: what all streams hold, and what has left the ledger, sum to zero.
//!
//! The log says what went outside, event by event; the heads say what streams hold. The two are
//! counted apart, so a bug in how an event changes a head shows as a difference.

use std::collections::BTreeMap;

use super::walk::Walk;
use super::{Error, Flaw, Place, Report, found};
use crate::log;
use crate::machine::{Posting, Postings, Registry, Side};
use crate::records::{Entries, Entry, HeadRow, Part, Table, key_of_head};
use crate::store::Reader;
use crate::words::{Asset, Book, Number, Position};

/// The most heads that are kept in memory while the log is read.
const HEADS_MAX: usize = 1 << 14;

/// Sums by book and asset; `None` once one needs more than 127 bits.
pub type Sums = BTreeMap<(Book, Asset), Option<i128>>;

/// What has gone outside, up to a position: negative where more came in than went out.
///
/// [`Balance::outside`] of one trial balance is the base of the next, which then reads only what
/// was written since. It must be kept before history is trimmed.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Outside {
    /// The last position that is counted.
    pub through: Position,
    /// The sums.
    pub sums: Sums,
}

/// What streams hold, as of a position.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Held {
    /// The position.
    pub position: Position,
    /// The sums.
    pub sums: Sums,
    /// What is wrong: heads that cannot be read, sums that overflow.
    pub report: Report,
}

/// One book and asset of a trial balance.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Line {
    /// The book.
    pub book: Book,
    /// The asset.
    pub asset: Asset,
    /// What streams hold; `None` where that needs more than 127 bits.
    pub held: Option<i128>,
    /// What has gone outside, as far as it was counted.
    pub outside: Option<i128>,
    /// The sum of the two, which must be zero. `None` where it cannot be known.
    pub difference: Option<i128>,
}

/// A trial balance.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Balance {
    /// The position as of which it was made.
    pub position: Position,
    /// Every book and asset of which anything is or was held, in order.
    pub lines: Vec<Line>,
    /// What has gone outside: the base of the next trial balance, if this one is whole.
    pub outside: Outside,
    /// Whether all history was counted. If not, what was trimmed may have moved anything, and no
    /// difference is known.
    pub is_whole: bool,
    /// What is wrong.
    pub report: Report,
}

/// Makes a trial balance of a log and a store at its end.
///
/// Counts what went outside from behind `base` on, which is [`Outside::default`] for all history;
/// and with every entry checks that its postings sum to zero for each book and asset, and leave
/// nothing in transit. Then counts what streams hold. `progress` is told each position that was
/// reached.
pub fn balance(
    log: &dyn log::Reader,
    reader: &dyn Reader,
    registry: &Registry,
    base: Outside,
    progress: &mut dyn FnMut(Position),
) -> Result<Balance, Error> {
    let (kept, next) = log.bounds();
    let last = Position::new(next.get() - 1);
    if reader.position() != last {
        return Err(Error::Apart { store: reader.position(), log: last });
    }
    if base.through > last {
        return Err(Error::BaseAhead { base: base.through, log: last });
    }
    let from = base.through.plus(1);
    let is_whole = from >= kept;
    let mut ledger = Ledger {
        reader,
        registry,
        outside: base.sums,
        heads: BTreeMap::new(),
        postings: Postings::default(),
        report: Report::default(),
    };
    let mut at = from.max(kept);
    while at < next {
        let Some(frame) = log.read(at)? else { break };
        for entry in Entries::new(&frame.bytes, frame.first) {
            match entry {
                // What the base counts may end within a frame.
                Ok(entry) if entry.first < from => {}
                Ok(entry) => ledger.entry(&entry)?,
                Err(why) => {
                    ledger.report.add(Place::Log(frame.first), why.into());
                    break;
                }
            }
        }
        if frame.last() < at {
            ledger.report.add(Place::Log(frame.first), Flaw::NoEnd { events: frame.events });
            break;
        }
        at = frame.last().plus(1);
        progress(frame.last());
    }
    let Ledger { outside: sums, mut report, .. } = ledger;
    let held = held(reader, registry)?;
    report.append(held.report);
    let lines = lines(&held.sums, &sums, is_whole, &mut report);
    let outside = Outside { through: last, sums };
    Ok(Balance { position: last, lines, outside, is_whole, report })
}

/// Counts what streams hold of each asset, book by book.
pub fn held(reader: &dyn Reader, registry: &Registry) -> Result<Held, Error> {
    let mut held = Held { position: reader.position(), ..Held::default() };
    let mut walk = Walk::new(reader, Table::Head);
    loop {
        let (key, value) = match walk.next() {
            Ok(None) => return Ok(held),
            Ok(Some(row)) => row,
            Err(error) => {
                let (place, flaw) = found(error)?;
                held.report.add(place, flaw);
                continue;
            }
        };
        let Held { sums, report, .. } = &mut held;
        if let Err(flaw) = holding(registry, &value, sums, report) {
            report.add(Place::Row(Table::Head, key), flaw);
        }
    }
}

fn holding(
    registry: &Registry,
    value: &[u8],
    sums: &mut Sums,
    report: &mut Report,
) -> Result<(), Flaw> {
    let row = HeadRow::read(value)?;
    let rules = registry.rules(row.name.kind).ok_or(Flaw::UnknownKind(row.name.kind))?;
    let book = row.name.book;
    rules.holding(row.tag, row.head, &mut |asset, amount| {
        add(sums, book, asset, amount, report);
    })?;
    Ok(())
}

/// Adds to a sum. One that overflows is a finding once, and is not known any more.
fn add(sums: &mut Sums, book: Book, asset: Asset, amount: i128, report: &mut Report) {
    let place = sums.entry((book, asset)).or_insert(Some(0));
    if let Some(sum) = *place {
        *place = sum.checked_add(amount);
        if place.is_none() {
            report.add(Place::Sum(book, asset), Flaw::Overflow);
        }
    }
}

fn lines(held: &Sums, outside: &Sums, is_whole: bool, report: &mut Report) -> Vec<Line> {
    let mut lines: BTreeMap<(Book, Asset), Line> = BTreeMap::new();
    for &(book, asset) in held.keys().chain(outside.keys()) {
        let sum = |sums: &Sums| sums.get(&(book, asset)).copied().unwrap_or(Some(0));
        let (held, outside) = (sum(held), sum(outside));
        let known = held.zip(outside).filter(|_| is_whole);
        let difference = known.and_then(|(held, outside)| held.checked_add(outside));
        lines.insert((book, asset), Line { book, asset, held, outside, difference });
    }
    for line in lines.values() {
        let place = || Place::Sum(line.book, line.asset);
        match (line.held.zip(line.outside), line.difference) {
            (Some((held, outside)), Some(difference)) if difference != 0 => {
                report.add(place(), Flaw::Difference { held, outside, difference });
            }
            (Some(_), None) if is_whole => report.add(place(), Flaw::Overflow),
            _ => {}
        }
    }
    lines.into_values().collect()
}

/// The postings of a log, as they are read.
struct Ledger<'a> {
    reader: &'a dyn Reader,
    registry: &'a Registry,
    outside: Sums,
    /// Heads that were read lately.
    heads: BTreeMap<Number, Option<(Book, Vec<u8>)>>,
    postings: Postings,
    report: Report,
}

/// What an entry's postings sum to: in all, and in transit.
type Moved = BTreeMap<(Book, Asset), [Option<i128>; 2]>;

impl Ledger<'_> {
    fn entry(&mut self, entry: &Entry<'_>) -> Result<(), Error> {
        let mut moved = Moved::new();
        let mut is_known = true;
        for part in &entry.parts {
            if let Err(flaw) = self.part(part, &mut moved)? {
                self.report.add(Place::Log(part.head.position), flaw);
                is_known = false;
            }
        }
        if !is_known {
            return Ok(());
        }
        let place = || Place::Log(entry.first);
        for ((_, asset), [sum, transit]) in moved {
            match (sum, transit) {
                (Some(0), Some(0)) => {}
                (Some(sum), Some(0)) => {
                    self.report.add(place(), Flaw::Unbalanced { asset, sum });
                }
                (_, Some(amount)) if amount != 0 => {
                    self.report.add(place(), Flaw::InTransit { asset, amount });
                }
                _ => self.report.add(place(), Flaw::Overflow),
            }
        }
        Ok(())
    }

    /// Counts one part. The inner result says why it could not be counted.
    fn part(&mut self, part: &Part<'_>, moved: &mut Moved) -> Result<Result<(), Flaw>, Error> {
        let number = part.head.number;
        let Some(rules) = self.registry.rules(part.head.kind) else {
            return Ok(Err(Flaw::UnknownKind(part.head.kind)));
        };
        if !rules.moves_value() {
            return Ok(Ok(()));
        }
        if !self.heads.contains_key(&number) {
            if self.heads.len() == HEADS_MAX {
                self.heads.clear();
            }
            let head = match self.reader.get(Table::Head, &key_of_head(number)) {
                Ok(row) => row.and_then(|row| Some((HeadRow::read(&row).ok()?.name.book, row))),
                Err(error) => {
                    found(error)?;
                    None
                }
            };
            self.heads.insert(number, head);
        }
        // A head that is damaged is found where streams are counted.
        let Some(Some((book, row))) = self.heads.get(&number) else {
            return Ok(Err(Flaw::Gone(number)));
        };
        self.postings.clear();
        let head = match HeadRow::read(row) {
            Ok(head) if head.name.kind == part.head.kind => head,
            Ok(head) => {
                let (stream, found) = (head.name.kind, part.head.kind);
                return Ok(Err(Flaw::OtherKind { stream, found }));
            }
            Err(why) => return Ok(Err(why.into())),
        };
        let event = (part.head.tag, part.payload);
        if let Err(why) = rules.postings((head.tag, head.head), event, &mut self.postings) {
            return Ok(Err(why.into()));
        }
        for Posting { side, asset, amount } in self.postings.list() {
            let [sum, transit] = moved.entry((*book, *asset)).or_insert([Some(0); 2]);
            *sum = sum.and_then(|sum| sum.checked_add(*amount));
            match side {
                Side::Stream => {}
                Side::Transit => {
                    *transit = transit.and_then(|transit| transit.checked_add(*amount));
                }
                Side::Outside => {
                    add(&mut self.outside, *book, *asset, *amount, &mut self.report);
                }
            }
        }
        Ok(Ok(()))
    }
}
