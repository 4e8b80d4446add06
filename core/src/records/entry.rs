//! Log entries: the events of one command or one transaction, packed as one atomic unit.
//!
//! ```text
//! entry   0  length u32 │ events u16 │ parts u16
//!         8  now, 48 bits │ flags, 16 bits (1: an idempotency note, 2: a trace context)
//!        16  part, part, …
//!            [note: key hash 16 │ fingerprint 16 │ mode u8, 3 zeros, length u32 │ answer, padded]
//!            [trace context: trace id 16 │ parent id 8 │ flags u8, padded]
//! part    0  kind u8 │ type u8 │ version u8 │ flags u8 (1: same event as the part before, 2: creates)
//!         4  payload's length u32
//!         8  stream's number u64
//!        16  position of the stream's previous event u64
//!        24  [creates: book u64 │ id's length u64 │ id, padded]
//!            payload, padded
//! ```
//!
//! Integers are little-endian; everything is padded with zeros to eight bytes. Positions are
//! not written: an entry's first event has the next position of its frame.

use core::ops::Range;

use rkyv::ser::allocator::Arena;

use super::row::{Fields, padding, text};
use super::{Corrupt, Packer, Record, Tag};
use crate::words::{Book, Id, Kind, Name, Number, Position, Timestamp, Trace, Version};

const HEADER_LEN: usize = 16;
const PART_LEN: usize = 24;
const HAS_NOTE: u64 = 1;
const HAS_TRACE: u64 = 2;
const SAME_EVENT: u8 = 1;
const CREATES: u8 = 2;

/// What a trace context takes in an entry.
pub(crate) const TRACE_LEN: usize = Trace::LEN.next_multiple_of(8);

/// What an entry says about the idempotency key of its command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyNote {
    /// The hash of book, stream, operation, sub-resource and key.
    pub key: [u8; 16],
    /// The keyed fingerprint of the command.
    pub fingerprint: [u8; 16],
    /// The answer where the events do not say it: a refusal, or "it was so already".
    pub answer: Option<Vec<u8>>,
}

/// Packs one entry at the end of a buffer.
pub struct EntryWriter<'a> {
    bytes: &'a mut Vec<u8>,
    arena: &'a mut Arena,
    start: usize,
    now: Timestamp,
    flags: u64,
    events: u16,
    parts: u16,
}

impl<'a> EntryWriter<'a> {
    /// Begins an entry.
    pub fn begin(bytes: &'a mut Vec<u8>, arena: &'a mut Arena, now: Timestamp) -> Self {
        let start = bytes.len();
        debug_assert_eq!(start % 8, 0, "entries begin on eight bytes");
        bytes.extend_from_slice(&[0; HEADER_LEN]);
        Self { bytes, arena, start, now, flags: 0, events: 0, parts: 0 }
    }

    /// Writes the idempotency note; behind the last part, and at most once.
    pub fn note(&mut self, note: &KeyNote) {
        debug_assert!(self.flags == 0, "one note, and before the trace context");
        self.flags |= HAS_NOTE;
        self.bytes.extend_from_slice(&note.key);
        self.bytes.extend_from_slice(&note.fingerprint);
        let answer = note.answer.as_deref().unwrap_or_default();
        self.bytes.extend_from_slice(&[u8::from(note.answer.is_some()), 0, 0, 0]);
        self.bytes.extend_from_slice(&(answer.len() as u32).to_le_bytes());
        self.bytes.extend_from_slice(answer);
        self.bytes.resize(self.bytes.len() + padding(answer.len()), 0);
    }

    /// Writes the trace context; behind all else, and at most once.
    pub fn trace(&mut self, trace: &Trace) {
        debug_assert!(self.flags & HAS_TRACE == 0, "one trace context");
        self.flags |= HAS_TRACE;
        self.bytes.extend_from_slice(&trace.to_bytes());
        self.bytes.resize(self.bytes.len() + padding(Trace::LEN), 0);
    }

    /// Counts the next event; the parts that follow belong to it.
    pub fn event(&mut self) {
        self.events += 1;
    }

    /// Writes one stream's part of the event, and says where its payload lies.
    pub fn part<R: Record>(
        &mut self,
        kind: Kind,
        number: Number,
        previous: Version,
        created: Option<&Name>,
        same_event: bool,
        event: &R,
    ) -> Range<usize> {
        let tag = event.tag();
        let flags =
            if same_event { SAME_EVENT } else { 0 } | if created.is_some() { CREATES } else { 0 };
        let start = self.bytes.len();
        let mut front = [0; PART_LEN];
        front[..4].copy_from_slice(&[kind.get(), tag.number, tag.version, flags]);
        front[8..16].copy_from_slice(&number.get().to_le_bytes());
        front[16..].copy_from_slice(&previous.get().to_le_bytes());
        self.bytes.extend_from_slice(&front);
        if let Some(name) = created {
            let id = name.id.as_str().as_bytes();
            self.bytes.extend_from_slice(&name.book.get().to_le_bytes());
            self.bytes.extend_from_slice(&(id.len() as u64).to_le_bytes());
            self.bytes.extend_from_slice(id);
            self.bytes.resize(self.bytes.len() + padding(id.len()), 0);
        }
        let payload = self.bytes.len();
        event.pack(&mut Packer::new(self.bytes, self.arena));
        let len = self.bytes.len() - payload;
        self.bytes[start + 4..start + 8].copy_from_slice(&(len as u32).to_le_bytes());
        self.bytes.extend_from_slice(&[0; 8][..padding(len)]);
        self.parts += 1;
        payload..payload + len
    }

    /// A payload that [`part`](Self::part) has just written.
    #[must_use]
    pub fn payload(&self, range: Range<usize>) -> &[u8] {
        &self.bytes[range]
    }

    /// The arena, for packing rows beside the entry.
    pub fn arena(&mut self) -> &mut Arena {
        self.arena
    }

    /// Takes back everything since [`begin`](Self::begin), but for the positions: the entry
    /// says that nothing happened at them.
    pub fn void(&mut self, events: u16) {
        self.bytes.truncate(self.start + HEADER_LEN);
        (self.events, self.parts, self.flags) = (events, 0, 0);
    }

    /// Closes the entry and gives its length and the number of its events. An entry that
    /// only carries a note takes one position as well.
    pub fn finish(mut self) -> (usize, u16) {
        self.events = self.events.max(1);
        let len = self.bytes.len() - self.start;
        let header = &mut self.bytes[self.start..self.start + HEADER_LEN];
        header[0..4].copy_from_slice(&(len as u32).to_le_bytes());
        header[4..6].copy_from_slice(&self.events.to_le_bytes());
        header[6..8].copy_from_slice(&self.parts.to_le_bytes());
        header[8..16].copy_from_slice(&(self.now.ms() << 16 | self.flags).to_le_bytes());
        (len, self.events)
    }
}

/// One entry, read in place.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// The position of its first event.
    pub first: Position,
    /// How many positions it takes.
    pub events: u16,
    /// The time at which it was decided.
    pub now: Timestamp,
    /// What it says about an idempotency key.
    pub note: Option<KeyNote>,
    /// The trace context that came with its command.
    pub trace: Option<Trace>,
    /// The parts of its events, in order.
    pub parts: Vec<Part<'a>>,
}

/// What an entry says beside its parts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EntryFront {
    /// The position of its first event.
    pub first: Position,
    /// How many positions it takes.
    pub events: u16,
    /// The time at which it was decided.
    pub now: Timestamp,
    /// What it says about an idempotency key.
    pub note: Option<KeyNote>,
    /// The trace context that came with its command.
    pub trace: Option<Trace>,
}

impl EntryFront {
    /// The position of its last event.
    #[must_use]
    pub fn last(&self) -> Position {
        Position::new(self.first.get() + u64::from(self.events) - 1)
    }
}

/// What one event did to one stream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Part<'a> {
    /// Whose event it is, and which struct.
    pub head: PartHead,
    /// The packed event.
    pub payload: &'a [u8],
}

/// The fixed front of a part.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PartHead {
    /// The position of the event.
    pub position: Position,
    /// The stream's kind.
    pub kind: Kind,
    /// Which struct the payload is.
    pub tag: Tag,
    /// The stream.
    pub number: Number,
    /// The position of the stream's previous event; zero before the first.
    pub previous: Version,
    /// The name, where the event creates the stream.
    pub created: Option<Name>,
}

/// Walks the entries of a frame.
#[derive(Clone, Debug)]
pub struct Entries<'a> {
    bytes: &'a [u8],
    next: Position,
}

impl<'a> Entries<'a> {
    /// Entries packed one behind the other, the first event at `first`.
    #[must_use]
    pub fn new(bytes: &'a [u8], first: Position) -> Self {
        Self { bytes, next: first }
    }

    /// The position that the next entry begins with: behind the last one, once all are read.
    #[must_use]
    pub fn position(&self) -> Position {
        self.next
    }

    /// Reads the next entry and appends its parts to a list, which can be that of many
    /// entries. After an error there is nothing more, and nothing was appended.
    pub fn next_into(&mut self, parts: &mut Vec<Part<'a>>) -> Option<Result<EntryFront, Corrupt>> {
        if self.bytes.is_empty() {
            return None;
        }
        let before = parts.len();
        let front = self.read(parts);
        if front.is_err() {
            self.bytes = &[];
            parts.truncate(before);
        }
        Some(front)
    }

    fn read(&mut self, list: &mut Vec<Part<'a>>) -> Result<EntryFront, Corrupt> {
        let mut fields = Fields(self.bytes);
        let len = fields.u32()? as usize;
        if len < HEADER_LEN || !len.is_multiple_of(8) {
            return Err(Corrupt::Range);
        }
        let whole = self.bytes.split_at_checked(len).ok_or(Corrupt::Short)?;
        let mut fields = Fields(&whole.0[4..]);
        let (events, parts) = (fields.u16()?, fields.u16()?);
        let word = fields.u64()?;
        let (now, flags) = (Timestamp::from_ms(word >> 16), word & 0xffff);
        if events == 0 || flags & !(HAS_NOTE | HAS_TRACE) != 0 {
            return Err(Corrupt::Range);
        }
        let first = self.next;
        let end = first.get().checked_add(u64::from(events)).ok_or(Corrupt::Range)?;
        let mut position = first.get().wrapping_sub(1);
        for index in 0..parts {
            let part = read_part(&mut fields, &mut position, index == 0)?;
            if position >= end {
                return Err(Corrupt::Range);
            }
            list.push(part);
        }
        let note = if flags & HAS_NOTE == 0 { None } else { Some(read_note(&mut fields)?) };
        let trace = if flags & HAS_TRACE == 0 { None } else { Some(read_trace(&mut fields)?) };
        if !fields.0.is_empty() || (parts > 0 && position + 1 != end) {
            return Err(Corrupt::Range);
        }
        self.bytes = whole.1;
        self.next = Position::new(end);
        Ok(EntryFront { first, events, now, note, trace })
    }
}

fn read_note(fields: &mut Fields<'_>) -> Result<KeyNote, Corrupt> {
    let (key, fingerprint) = (fields.array()?, fields.array()?);
    let [mode, 0, 0, 0] = fields.array()? else { return Err(Corrupt::Range) };
    let len = fields.u32()? as usize;
    let answer = fields.bytes(len)?;
    fields.padding_of(len)?;
    let answer = match mode {
        0 if len == 0 => None,
        1 => Some(answer.to_vec()),
        _ => return Err(Corrupt::Range),
    };
    Ok(KeyNote { key, fingerprint, answer })
}

fn read_trace(fields: &mut Fields<'_>) -> Result<Trace, Corrupt> {
    let (trace_id, parent_id, [flags]) = (fields.array()?, fields.array()?, fields.array()?);
    fields.padding_of(Trace::LEN)?;
    Trace::new(trace_id, parent_id, flags).map_err(|_| Corrupt::Range)
}

fn read_part<'a>(
    fields: &mut Fields<'a>,
    position: &mut u64,
    is_first: bool,
) -> Result<Part<'a>, Corrupt> {
    let [kind, number, version, flags] = fields.array()?;
    let payload_len = fields.u32()? as usize;
    let stream = Number::new(fields.u64()?);
    let previous = Position::new(fields.u64()?);
    if flags & !(SAME_EVENT | CREATES) != 0 || (is_first && flags & SAME_EVENT != 0) {
        return Err(Corrupt::Range);
    }
    if flags & SAME_EVENT == 0 {
        *position = position.wrapping_add(1);
    }
    let kind = Kind::new(kind);
    let created = if flags & CREATES == 0 {
        None
    } else {
        let book = Book::new(Number::new(fields.u64()?));
        let id_len = usize::try_from(fields.u64()?).map_err(|_| Corrupt::Range)?;
        let id: Id = text(fields.bytes(id_len)?)?;
        fields.padding_of(id_len)?;
        Some(Name::new(book, kind, id))
    };
    let payload = fields.bytes(payload_len)?;
    fields.padding_of(payload_len)?;
    let tag = Tag { number, version };
    let position = Position::new(*position);
    Ok(Part { head: PartHead { position, kind, tag, number: stream, previous, created }, payload })
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<Entry<'a>, Corrupt>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut parts = Vec::new();
        let front = self.next_into(&mut parts)?;
        Some(front.map(|EntryFront { first, events, now, note, trace }| Entry {
            first,
            events,
            now,
            note,
            trace,
            parts,
        }))
    }
}
