//! Replay: frames are read ahead, what they name is loaded in key order, and then applied.

use hashbrown::HashMap;
use rkyv::ser::allocator::Arena;

use foldhash::fast::FixedState;

use super::RecoveryError;
use crate::log::Frame;
use crate::machine::{Answer, ItemKey, Place, Registry, ReplaySlot, Replayed, Replaying};
use crate::records::{
    Corrupt, Entries, EntryFront, HeadRow, KeyRow, Part, Rows, Table, key_of_head, key_of_item,
};
use crate::shard::{bucket_of, kept_accepted, key_row_key};
use crate::store::{Reader, Store};
use crate::words::{Kind, Number, Position};

/// How many parts ahead of the one that is applied a stream is looked at, so that its memory
/// is on its way.
const LOOK_AHEAD: usize = 8;

/// What the log's tail has changed and the store does not have yet.
pub(super) struct Replay {
    kinds: Vec<Option<Box<dyn Replayed>>>,
    places: HashMap<Number, (Kind, ReplaySlot), FixedState>,
    /// Keys, names, and what has ended, as they came.
    rows: Rows,
    arena: Arena,
    wanted: Wanted,
}

/// What has to be read from the store before frames can be applied, with the entry that
/// asks for it.
#[derive(Default)]
struct Wanted {
    heads: Vec<(Number, Kind, ReplaySlot, Position)>,
    items: Vec<(Number, ItemKey, Kind, u32, Position)>,
}

/// An entry, and where its parts end among those of all frames.
struct Read {
    front: EntryFront,
    end: usize,
}

impl Replay {
    pub(super) fn new(registry: &Registry) -> Self {
        let mut kinds: Vec<_> = (0..=u8::MAX).map(|_| None).collect();
        for rules in registry.all() {
            kinds[usize::from(rules.kind().get())] = Some(rules.replayed());
        }
        Self {
            kinds,
            places: HashMap::default(),
            rows: Rows::default(),
            arena: Arena::new(),
            wanted: Wanted::default(),
        }
    }

    /// Applies the frames behind a position in memory.
    pub(super) fn frames(
        &mut self,
        store: &dyn Reader,
        frames: &[Frame],
        reached: Position,
    ) -> Result<(), RecoveryError> {
        let (entries, parts) = read(frames, reached)?;
        let slots = self.find(&entries, &parts, store.position())?;
        self.load_heads(store)?;
        self.unpack(&entries, &parts, &slots, store.position())?;
        self.load_items(store)?;
        self.apply(&entries, &parts, &slots)
    }

    /// The place of each part's stream: at hand, created by the part, or to be read.
    fn find(
        &mut self,
        entries: &[Read],
        parts: &[Part<'_>],
        stored: Position,
    ) -> Result<Vec<ReplaySlot>, RecoveryError> {
        let mut slots = Vec::with_capacity(parts.len());
        for (entry, parts) in each(entries, parts) {
            let at = entry.first;
            let wrong = |why| RecoveryError::Entry { at, why };
            for Part { head, .. } in parts {
                if let Some((kind, slot)) = self.places.get(&head.number) {
                    if *kind != head.kind || head.created.is_some() {
                        return Err(wrong(Corrupt::Range));
                    }
                    slots.push(*slot);
                    continue;
                }
                let streams = self.kinds[usize::from(head.kind.get())].as_mut();
                let streams = streams.ok_or(wrong(Corrupt::Tag))?;
                let slot = streams.add(head.number, head.created.as_ref());
                if head.created.is_none() {
                    // A stream is counted by the position at which it began.
                    if head.number.get() > stored.get() {
                        return Err(wrong(Corrupt::Missing));
                    }
                    self.wanted.heads.push((head.number, head.kind, slot, at));
                } else if head.number.get() != head.position.get() {
                    return Err(wrong(Corrupt::Range));
                }
                self.places.insert(head.number, (head.kind, slot));
                slots.push(slot);
            }
        }
        Ok(slots)
    }

    fn load_heads(&mut self, store: &dyn Reader) -> Result<(), RecoveryError> {
        self.wanted.heads.sort_unstable_by_key(|(number, ..)| *number);
        for (number, kind, slot, at) in self.wanted.heads.drain(..) {
            let wrong = |why| RecoveryError::Entry { at, why };
            let row = store.get(Table::Head, &key_of_head(number))?;
            let row = row.ok_or(wrong(Corrupt::Missing))?;
            let row = HeadRow::read(&row).map_err(wrong)?;
            if row.stamp.version > store.position() {
                return Err(wrong(Corrupt::Range));
            }
            streams(&mut self.kinds, kind).fill(slot, &row).map_err(wrong)?;
        }
        Ok(())
    }

    fn unpack(
        &mut self,
        entries: &[Read],
        parts: &[Part<'_>],
        slots: &[ReplaySlot],
        stored: Position,
    ) -> Result<(), RecoveryError> {
        let mut slots = slots.iter();
        for (entry, parts) in each(entries, parts) {
            for (part, slot) in parts.iter().zip(slots.by_ref()) {
                let (number, kind) = (part.head.number, part.head.kind);
                let place = Place { position: part.head.position, now: entry.now };
                let mut want = |key: &ItemKey, index| {
                    // What began behind the store's position has no item there.
                    if number.get() <= stored.get() {
                        self.wanted.items.push((number, key.clone(), kind, index, entry.first));
                    }
                };
                streams(&mut self.kinds, kind)
                    .read(&replaying(part, *slot, &place), wants_answer(entry), &mut want)
                    .map_err(|why| RecoveryError::Entry { at: entry.first, why })?;
            }
        }
        Ok(())
    }

    fn load_items(&mut self, store: &dyn Reader) -> Result<(), RecoveryError> {
        self.wanted
            .items
            .sort_unstable_by(|left, right| (left.0, &left.1).cmp(&(right.0, &right.1)));
        let mut row_key = Vec::new();
        for (number, key, kind, index, at) in self.wanted.items.drain(..) {
            row_key.clear();
            key_of_item(number, &key, &mut row_key);
            if let Some(row) = store.get(Table::Item, &row_key)? {
                streams(&mut self.kinds, kind)
                    .fill_item(index, &row)
                    .map_err(|why| RecoveryError::Entry { at, why })?;
            }
        }
        Ok(())
    }

    fn apply(
        &mut self,
        entries: &[Read],
        parts: &[Part<'_>],
        slots: &[ReplaySlot],
    ) -> Result<(), RecoveryError> {
        let mut index = 0;
        let mut near = 0;
        for (entry, own) in each(entries, parts) {
            let mut answer = wants_answer(entry).then(Answer::default);
            for part in own {
                if let (Some(next), Some(slot)) =
                    (parts.get(index + LOOK_AHEAD), slots.get(index + LOOK_AHEAD))
                {
                    near ^= streams(&mut self.kinds, next.head.kind).touch(*slot);
                }
                let place = Place { position: part.head.position, now: entry.now };
                let replaying = replaying(part, slots[index], &place);
                index += 1;
                streams(&mut self.kinds, part.head.kind)
                    .apply(&replaying, &mut self.rows, &mut self.arena, answer.as_mut())
                    .map_err(|why| RecoveryError::Entry { at: entry.first, why })?;
            }
            if !mutant!(KeyLostOnReplay) {
                keep_key(entry, answer.as_ref(), &mut self.rows);
            }
        }
        core::hint::black_box(near);
        Ok(())
    }

    /// Writes what has changed to the store, which then stands at this position.
    pub(super) fn write(
        &mut self,
        store: &mut dyn Store,
        reached: Position,
    ) -> Result<(), RecoveryError> {
        for streams in self.kinds.iter_mut().flatten() {
            streams.write(&mut self.rows, &mut self.arena);
        }
        if reached > store.position() {
            store.apply(&mut self.rows.iter(), reached)?;
        }
        self.rows = Rows::default();
        Ok(())
    }

    /// Lets go of everything: all of it has been written.
    pub(super) fn clear(&mut self) {
        self.places = HashMap::default();
        self.kinds.iter_mut().flatten().for_each(|streams| streams.clear());
    }

    /// The bytes that all of it takes.
    pub(super) fn memory(&self) -> usize {
        let streams: usize = self.kinds.iter().flatten().map(|streams| streams.memory()).sum();
        let places = self.places.capacity() * (size_of::<(Number, (Kind, ReplaySlot))>() + 1);
        streams + places + self.rows.memory()
    }
}

/// The entries behind a position, and all their parts. A store that stands within a frame has
/// the entries before already.
fn read(frames: &[Frame], reached: Position) -> Result<(Vec<Read>, Vec<Part<'_>>), RecoveryError> {
    let (mut read, mut parts) = (Vec::new(), Vec::new());
    for frame in frames {
        let mut entries = Entries::new(&frame.bytes, frame.first);
        let mut at = frame.first;
        while let Some(front) = entries.next_into(&mut parts) {
            let front = front.map_err(|why| RecoveryError::Entry { at, why })?;
            at = entries.position();
            if front.last() <= reached {
                parts.clear();
                continue;
            }
            if front.first <= reached {
                return Err(RecoveryError::Entry { at: front.first, why: Corrupt::Range });
            }
            if mutant!(AppliedTwice) && frame.last() == front.last() {
                let begin = read.last().map_or(0, |entry: &Read| entry.end);
                if parts[begin..].iter().all(|part: &Part<'_>| part.head.created.is_none()) {
                    parts.extend_from_within(begin..);
                }
            }
            read.push(Read { front, end: parts.len() });
        }
        if at != frame.last().plus(1) {
            return Err(RecoveryError::Entry { at, why: Corrupt::Short });
        }
    }
    Ok((read, parts))
}

/// Each entry with its parts.
fn each<'e, 'p, 'a>(
    entries: &'e [Read],
    parts: &'p [Part<'a>],
) -> impl Iterator<Item = (&'e EntryFront, &'p [Part<'a>])> {
    let mut begin = 0;
    entries.iter().map(move |Read { front, end }| {
        let own = &parts[begin..*end];
        begin = *end;
        (front, own)
    })
}

fn streams(kinds: &mut [Option<Box<dyn Replayed>>], kind: Kind) -> &mut dyn Replayed {
    &mut **kinds[usize::from(kind.get())].as_mut().expect("a part has a place among its kind")
}

fn replaying<'a>(part: &Part<'a>, slot: ReplaySlot, place: &'a Place) -> Replaying<'a> {
    let head = &part.head;
    let (tag, previous, creates) = (head.tag, head.previous, head.created.is_some());
    Replaying { slot, tag, payload: part.payload, place, previous, creates }
}

fn wants_answer(entry: &EntryFront) -> bool {
    entry.note.as_ref().is_some_and(|note| note.answer.is_none())
}

/// The row of an idempotency key, as the shard that wrote the entry wrote it.
fn keep_key(entry: &EntryFront, answer: Option<&Answer>, rows: &mut Rows) {
    let Some(note) = &entry.note else { return };
    let position = entry.last();
    let made = answer.map(|answer| kept_accepted(position, answer));
    let Some(kept) = note.answer.as_deref().or(made.as_deref()) else { return };
    let row = KeyRow { fingerprint: note.fingerprint, position, at: entry.now, answer: kept };
    rows.put(
        Table::Key,
        |out| out.extend_from_slice(&key_row_key(bucket_of(entry.now), &note.key)),
        |out| row.write(out),
    );
}
