//! The naive account of everything that happened: from the log, or from what callers were told.
//!
//! It is written from what events mean, not from the engine's code, and decodes events and
//! nothing else of the core.

mod account;
mod flow;
mod goods;
mod spending;
mod stream;
mod sums;

use std::collections::BTreeMap;

use quipu_core::log::Frame;
use quipu_core::machine::Registry;
use quipu_core::machines::{account as accounts, drop as drops, flow as flows, ticket as tickets};
use quipu_core::records::{Corrupt, Entries, Entry, Part, PartHead, Record as _};
use quipu_core::words::{Asset, Id, Name, Position, Timestamp};

pub(super) use self::account::Account;
pub(super) use self::stream::{Shown, State, Stream};
use self::sums::Sums;
use super::DAY_MS;
use super::check::{Breach, Check, Checks};

/// The naive account.
pub(super) struct Book<'a> {
    checks: &'a Checks,
    pub(super) last: Position,
    pub(super) streams: Vec<Stream>,
    index: BTreeMap<Name, usize>,
    /// Which stream has which number.
    numbers: BTreeMap<u64, usize>,
    /// What each part of each event did, in the order of positions; none where only answers are
    /// known.
    events: Option<Vec<Event<'a>>>,
    /// What happened together: the last position of each entry that touched several streams, and
    /// where it touched which.
    pub(super) together: Vec<(Position, Vec<(usize, Position)>)>,
    pub(super) made: BTreeMap<char, Vec<u64>>,
    keys: BTreeMap<[u8; 16], Timestamp>,
    sums: Sums,
}

/// One stream's part of an event.
struct Event<'a> {
    stream: usize,
    part: Part<'a>,
}

/// An event on its way into the account of one stream: when and where it happened.
pub(super) struct Moment<'a> {
    pub(super) checks: &'a Checks,
    pub(super) name: &'a Name,
    pub(super) at: Position,
    pub(super) now: Timestamp,
}

/// What an event has moved and made.
#[derive(Default)]
struct Moved {
    asset: Option<Asset>,
    /// How much more the stream says that it holds.
    held: i128,
    /// How much more is outside.
    outside: i128,
    /// How much it leaves for the parts behind it.
    transit: i128,
    /// The letter of the id that it made.
    made: Option<char>,
}

impl Moment<'_> {
    /// As [`Checks::ensure`], and says of which stream and position.
    pub(super) fn ensure(
        &self,
        check: Check,
        holds: bool,
        what: impl FnOnce() -> String,
    ) -> Result<(), Breach> {
        self.checks.ensure(check, holds, || self.says(what()))
    }

    /// As [`Checks::there`], and says of which stream and position.
    pub(super) fn there<T>(
        &self,
        check: Check,
        thing: Option<T>,
        what: impl FnOnce() -> String,
    ) -> Result<Option<T>, Breach> {
        self.checks.there(check, thing, || self.says(what()))
    }

    fn says(&self, what: String) -> String {
        format!("{:?} at {}: {what}", self.name, self.at)
    }
}

impl<'a> Book<'a> {
    /// Nothing has happened but what nobody asks about, up to a position.
    pub(super) fn new(checks: &'a Checks, last: Position) -> Self {
        Self {
            checks,
            last,
            streams: Vec::new(),
            index: BTreeMap::new(),
            numbers: BTreeMap::new(),
            events: None,
            together: Vec::new(),
            made: BTreeMap::new(),
            keys: BTreeMap::new(),
            sums: Sums::default(),
        }
    }

    /// What a log says, from its first position on.
    pub(super) fn of_log(
        checks: &'a Checks,
        frames: &'a [Frame],
        registry: &Registry,
    ) -> Result<Self, Breach> {
        let mut book = Self { events: Some(Vec::new()), ..Self::new(checks, Position::ZERO) };
        for frame in frames {
            checks.ensure(Check::Durability, frame.first == book.last.plus(1), || {
                format!("the log goes on at {} behind {}", frame.first, book.last)
            })?;
            for entry in Entries::new(&frame.bytes, frame.first) {
                match entry {
                    Ok(entry) => book.entry(entry, registry)?,
                    Err(why) => book.unreadable(book.last.plus(1), why)?,
                }
            }
            checks.ensure(Check::Durability, book.last == frame.last(), || {
                format!("a frame up to {} has entries up to {}", frame.last(), book.last)
            })?;
        }
        Ok(book)
    }

    /// The account, the position and the newest fence of every payout that is not finished.
    pub(super) fn payouts(&self) -> Vec<(Id, u64, u64)> {
        let mut payouts = Vec::new();
        for stream in self.index.values().map(|stream| &self.streams[*stream]) {
            let State::Account(account) = &stream.state else { continue };
            for (planned, payout) in &account.payouts {
                payouts.push((stream.name.id.clone(), *planned, payout.fence));
            }
        }
        payouts
    }

    /// At how many prefixes all money was looked for.
    pub(super) fn prefixes(&self) -> u64 {
        self.sums.prefixes
    }

    /// A stream that anything has happened to.
    pub(super) fn find(&self, name: &Name) -> Option<usize> {
        self.index.get(name).copied()
    }

    /// A stream, which is made where nothing has happened to it.
    pub(super) fn find_or_make(&mut self, name: &Name) -> usize {
        if let Some(stream) = self.index.get(name) {
            return *stream;
        }
        self.streams.push(Stream::new(name.clone()));
        self.index.insert(name.clone(), self.streams.len() - 1);
        self.streams.len() - 1
    }

    fn unreadable(&self, at: Position, why: Corrupt) -> Result<(), Breach> {
        self.checks.ensure(Check::Durability, false, || format!("{at} cannot be read: {why}"))
    }

    fn entry(&mut self, entry: Entry<'a>, registry: &Registry) -> Result<(), Breach> {
        if let Some(note) = &entry.note {
            let before = self.keys.insert(note.key, entry.now);
            let lives = before.filter(|at| entry.now.ms_since(*at) < DAY_MS);
            self.checks.ensure(Check::DoubleSpend, lives.is_none(), || {
                format!("a key had effects at {lives:?} and {}: {}", entry.now, entry.first)
            })?;
        }
        let last = entry.first.plus(u64::from(entry.events) - 1);
        let mut touched: Vec<(usize, Position)> = Vec::new();
        let mut event = Position::ZERO;
        for part in entry.parts {
            if part.head.position != event {
                self.sums.event_ends(self.checks, event)?;
                event = part.head.position;
            }
            let Some(stream) = self.part(part, entry.now, registry)? else { continue };
            touched.retain(|(other, _)| *other != stream);
            touched.push((stream, event));
        }
        self.sums.event_ends(self.checks, event)?;
        self.sums.entry_ends(self.checks, last)?;
        if touched.len() > 1 {
            self.together.push((last, touched));
        }
        self.last = last;
        Ok(())
    }

    /// Takes one part of an event into account, and says of which stream it is.
    fn part(
        &mut self,
        part: Part<'a>,
        now: Timestamp,
        registry: &Registry,
    ) -> Result<Option<usize>, Breach> {
        let (head, checks) = (&part.head, self.checks);
        if let Some(name) = &head.created {
            let stream = self.find_or_make(name);
            self.numbers.insert(head.number.get(), stream);
        }
        let stream = self.numbers.get(&head.number.get()).copied();
        let stream = checks.there(Check::Durability, stream, || {
            format!("{} is of stream {}, which nothing has created", head.position, head.number)
        })?;
        let Some(index) = stream else { return Ok(None) };
        let stream = &mut self.streams[index];
        let book = stream.name.book;
        if head.created.is_some() {
            let gone = stream.state.leaves();
            stream.create(checks, head.position)?;
            self.sums.add(book, gone);
        } else {
            // A second part of one event on one stream finds its own position.
            let last = stream.last();
            let follows = head.previous == last || last == head.position;
            checks.ensure(Check::Durability, follows, || {
                let (name, previous) = (&stream.name, head.previous);
                format!("{name:?}: {} follows {previous}, not {last}", head.position)
            })?;
        }
        let name = stream.name.clone();
        let of = Moment { checks, name: &name, at: head.position, now };
        match happens(stream, &of, &part, registry) {
            Ok(moved) => {
                let moved = moved?;
                if let Some(letter) = moved.made {
                    self.made.entry(letter).or_default().push(head.position.get());
                }
                self.sums.add(book, moved);
            }
            Err(why) => self.unreadable(head.position, why)?,
        }
        self.streams[index].keep(checks, head.position, now)?;
        if let Some(events) = &mut self.events {
            events.push(Event { stream: index, part });
        }
        Ok(Some(index))
    }

    /// The first part of each event, which is that of the stream that was addressed.
    pub(super) fn leading(&self) -> impl Iterator<Item = (&Name, &PartHead, &'a [u8])> {
        let mut before = Position::ZERO;
        self.events.iter().flatten().filter_map(move |Event { stream, part }| {
            let is_first = core::mem::replace(&mut before, part.head.position) < part.head.position;
            is_first.then(|| (&self.streams[*stream].name, &part.head, part.payload))
        })
    }

    /// Whether an event of a stream at a position is described like that; `true` where only
    /// answers are known. Else, what is there.
    pub(super) fn is_there(
        &self,
        name: &Name,
        position: Position,
        text: &str,
        registry: &Registry,
    ) -> Result<(), String> {
        let Some(events) = &self.events else { return Ok(()) };
        let first = events.partition_point(|event| event.part.head.position < position);
        let there = events[first..].iter().take_while(|event| event.part.head.position == position);
        let mut found = Vec::new();
        for Event { stream, part } in there {
            let rules = registry.rules(part.head.kind);
            let described = rules.map(|rules| rules.describe_event(part.head.tag, part.payload));
            let Some(Ok(event)) = described else { continue };
            let stream = &self.streams[*stream].name;
            if stream == name && event.starts_with(text) {
                return Ok(());
            }
            found.push((stream, event));
        }
        Err(format!("{found:?}"))
    }
}

/// Does to a stream what its part of an event says. The error of the outside is that of bytes
/// that cannot be read.
fn happens(
    stream: &mut Stream,
    of: &Moment<'_>,
    part: &Part<'_>,
    registry: &Registry,
) -> Result<Result<Moved, Breach>, Corrupt> {
    let (tag, payload) = (part.head.tag, part.payload);
    let made = |done: Result<(), Breach>, made| done.map(|()| Moved { made, ..Moved::default() });
    Ok(match &mut stream.state {
        State::Account(account) => account.event(of, &accounts::Event::unpack(tag, payload)?),
        State::Ticket(ticket) => {
            made(ticket.event(of, &tickets::Event::unpack(tag, payload)?), None)
        }
        State::Drop(drop) => {
            let event = drops::Event::unpack(tag, payload)?;
            let letter = matches!(event, drops::Event::Claimed(_)).then_some('c');
            made(drop.event(of, &event), letter)
        }
        State::Flow(flow) => flow.event(of, &flows::Event::unpack(tag, payload)?),
        State::Other => {
            let rules = registry.rules(part.head.kind).ok_or(Corrupt::Range)?;
            let text = rules.describe_event(tag, payload)?;
            // By these names machines say that a stream is there no more.
            let has_ended = matches!(&*text, "Deleted(Deleted)" | "Expired(Expired)")
                || text.starts_with("Forgotten");
            stream.exists = !has_ended;
            Ok(Moved::default())
        }
    })
}
