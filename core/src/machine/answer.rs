//! Answers: the pieces of state that an outcome shows, packed once and kept as they were.

use super::{ItemKey, Machine};
use crate::records::{Corrupt, Record, Tag, padding};
use crate::words::{Kind, Number, Position, Timestamp, Version};

/// What an accepted command answers, as packed records.
///
/// ```text
/// piece   0  what u8 (1 event, 2 head, 3 item, 4 leg) │ kind u8 │ type u8 │ version u8 │ record's length u32
///         8  stream's number u64, or leg u32 │ its events beside the first u32
///        16  [head: version u64 │ created u64 │ updated u64]
///            [item: key's length u64 │ key, padded]
///            record, padded
/// ```
///
/// An idempotency key keeps these bytes, so a repeat shows exactly what the first showed.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Answer(Vec<u8>);

const EVENT: u8 = 1;
const HEAD: u8 = 2;
const ITEM: u8 = 3;
const LEG: u8 = 4;

/// What every piece begins with.
const FRONT_LEN: usize = 16;
/// What a head has before its record.
const STAMP_LEN: usize = 24;

/// One piece of an answer.
#[derive(Clone, PartialEq, Debug)]
pub struct Piece<'a> {
    /// What it is.
    pub what: What,
    /// The kind of the stream that it is of.
    pub kind: Kind,
    /// The number of that stream.
    pub number: Number,
    /// Which struct the record is.
    pub tag: Tag,
    /// The packed record.
    pub record: &'a [u8],
}

/// What a piece shows.
#[derive(Clone, PartialEq, Debug)]
pub enum What {
    /// What happened.
    Event,
    /// The stream as it stood.
    Head(Stamp),
    /// An item as it stood.
    Item(ItemKey),
    /// The pieces of this leg of a transaction begin here. No record. The tag's number is 1
    /// where the leg changed something, and 0 where it was so already.
    Leg {
        /// Which one.
        leg: u32,
        /// How many events it is.
        events: u32,
    },
}

/// What the engine itself knows of a stream.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Stamp {
    /// The position of its last event.
    pub version: Version,
    /// When it was created.
    pub created: Timestamp,
    /// When its last event happened.
    pub updated: Timestamp,
}

impl Answer {
    /// An answer out of bytes that were kept.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }

    /// The bytes to keep.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether it shows nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Puts the pieces of another answer behind these.
    pub fn append(&mut self, other: &Self) {
        self.0.extend_from_slice(&other.0);
    }

    /// The pieces, in order.
    pub fn pieces(&self) -> impl Iterator<Item = Result<Piece<'_>, Corrupt>> {
        let mut rest = &self.0[..];
        core::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let piece = read_piece(&mut rest);
            if piece.is_err() {
                rest = &[];
            }
            Some(piece)
        })
    }

    /// The first event of machine `M`.
    pub fn event<M: Machine>(&self) -> Result<M::Event, Corrupt> {
        self.first::<M, _>(|piece| matches!(piece.what, What::Event))
    }

    /// The first head of machine `M`.
    pub fn head<M: Machine>(&self) -> Result<M::Head, Corrupt> {
        self.first::<M, _>(|piece| matches!(piece.what, What::Head(_)))
    }

    /// The first item of machine `M`.
    pub fn item<M: Machine>(&self) -> Result<M::Item, Corrupt> {
        self.first::<M, _>(|piece| matches!(piece.what, What::Item(_)))
    }

    /// What the engine knows of the first stream whose head is shown.
    #[must_use]
    pub fn stamp(&self) -> Option<Stamp> {
        self.pieces().find_map(|piece| match piece {
            Ok(Piece { what: What::Head(stamp), .. }) => Some(stamp),
            _ => None,
        })
    }

    fn first<M: Machine, R: Record>(
        &self,
        is_it: impl Fn(&Piece<'_>) -> bool,
    ) -> Result<R, Corrupt> {
        for piece in self.pieces() {
            let piece = piece?;
            if piece.kind == M::KIND && is_it(&piece) {
                return R::unpack(piece.tag, piece.record);
            }
        }
        Err(Corrupt::Missing)
    }

    /// Begins the pieces of a leg, of which no event is known yet. Gives where.
    pub(crate) fn begin_leg(&mut self, leg: u32) -> usize {
        let none = Tag { number: 0, version: 0 };
        self.begin(LEG, Kind::new(0), Number::new(leg.into()), none, 0)
    }

    /// Counts an event of the leg that begins there.
    pub(crate) fn leg_event(&mut self, start: usize) {
        if core::mem::replace(&mut self.0[start + 2], 1) == 0 {
            return;
        }
        let (_, more) = self.0[start..start + FRONT_LEN].split_last_chunk_mut().expect("a front");
        *more = (u32::from_le_bytes(*more) + 1).to_le_bytes();
    }

    pub(crate) fn add_event(&mut self, kind: Kind, number: Number, tag: Tag, record: &[u8]) {
        let start = self.begin(EVENT, kind, number, tag, record.len());
        self.end(start, |out| out.extend_from_slice(record));
    }

    /// Adds a head; `record` appends its packed record, of about `len` bytes.
    pub(crate) fn add_head(
        &mut self,
        kind: Kind,
        number: Number,
        stamp: Stamp,
        tag: Tag,
        len: usize,
        record: impl FnOnce(&mut Vec<u8>),
    ) {
        let start = self.begin(HEAD, kind, number, tag, STAMP_LEN + len);
        let words = [stamp.version.get(), stamp.created.ms(), stamp.updated.ms()];
        let mut bytes = [0; STAMP_LEN];
        for (place, word) in bytes.chunks_exact_mut(8).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        self.0.extend_from_slice(&bytes);
        self.end(start, record);
    }

    /// Adds an item; `record` appends its packed record, of about `len` bytes.
    pub(crate) fn add_item(
        &mut self,
        kind: Kind,
        number: Number,
        key: &ItemKey,
        tag: Tag,
        len: usize,
        record: impl FnOnce(&mut Vec<u8>),
    ) {
        let key = key.as_bytes();
        let start = self.begin(ITEM, kind, number, tag, 16 + key.len() + len);
        self.0.extend_from_slice(&(key.len() as u64).to_le_bytes());
        self.0.extend_from_slice(key);
        self.pad(key.len());
        self.end(start, record);
    }

    /// Begins a piece, with room for about `len` bytes behind its fixed front. Gives where.
    fn begin(&mut self, what: u8, kind: Kind, number: Number, tag: Tag, len: usize) -> usize {
        let start = self.0.len();
        self.0.reserve(FRONT_LEN + len + 8);
        let mut front = [0; FRONT_LEN];
        front[..4].copy_from_slice(&[what, kind.get(), tag.number, tag.version]);
        front[8..].copy_from_slice(&number.get().to_le_bytes());
        self.0.extend_from_slice(&front);
        start
    }

    /// Ends a piece with its record, whose length is written into the front.
    fn end(&mut self, start: usize, record: impl FnOnce(&mut Vec<u8>)) {
        let before = self.0.len();
        record(&mut self.0);
        let len = self.0.len() - before;
        self.0[start + 4..start + 8].copy_from_slice(&(len as u32).to_le_bytes());
        self.pad(len);
    }

    fn pad(&mut self, len: usize) {
        self.0.extend_from_slice(&[0; 8][..padding(len)]);
    }
}

fn read_piece<'a>(rest: &mut &'a [u8]) -> Result<Piece<'a>, Corrupt> {
    use crate::records::Fields;
    let mut fields = Fields(rest);
    let [what, kind, number, version] = fields.array()?;
    let len = fields.u32()? as usize;
    let word = fields.u64()?;
    let stream = Number::new(word);
    let what = match what {
        EVENT => What::Event,
        HEAD => What::Head(Stamp {
            version: Position::new(fields.u64()?),
            created: Timestamp::from_ms(fields.u64()?),
            updated: Timestamp::from_ms(fields.u64()?),
        }),
        ITEM => {
            let len = usize::try_from(fields.u64()?).map_err(|_| Corrupt::Range)?;
            let key = ItemKey::from_bytes(fields.bytes(len)?).ok_or(Corrupt::Range)?;
            fields.padding_of(len)?;
            What::Item(key)
        }
        LEG => {
            let more = (word >> 32) as u32;
            let events = more.checked_add(number.into()).ok_or(Corrupt::Range)?;
            What::Leg { leg: word as u32, events }
        }
        _ => return Err(Corrupt::Range),
    };
    let record = fields.bytes(len)?;
    fields.padding_of(len)?;
    *rest = fields.0;
    Ok(Piece { what, kind: Kind::new(kind), number: stream, tag: Tag { number, version }, record })
}
