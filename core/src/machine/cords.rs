//! The streams of one kind that a shard has in memory.

use core::any::Any;
use core::cell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use hashbrown::HashTable;
use rkyv::ser::allocator::Arena;

use super::cord::{CordState, Happening, ItemStore, Out, Shown, perform, show};
use super::lent::{Lent, LentItems, LentOf, typed};
use super::state::{Items, Place, View};
use super::{
    Answer, Command, Context, Decided, Expansion, ItemKey, Link, Machine, Needs, Shows, Stamp,
};
use crate::filter::Filter;
use crate::records::{Corrupt, HeadRow, ItemRow, Record};
use crate::words::{Book, Name, Number, Position, Refusal, Timestamp};

/// The place of a stream in its shard's memory.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Slot(u32);

/// What became of a decision that was not refused.
#[derive(Clone, PartialEq, Debug)]
pub enum Accepted {
    /// An event, which is kept until it is performed or dropped.
    Event,
    /// It was so already.
    Already(Shows),
}

/// The streams of one kind, without the kind's types. One for each kind and shard.
pub trait Cords: Send {
    /// Finds a stream that is in memory.
    fn find(&self, hash: u64, book: Book, id: &str) -> Option<Slot>;
    /// Where a stream may be, by the hash of its name alone: a hint for [`touch`](Self::touch).
    /// It gives a reference so that the wait for the slot itself is the caller's.
    fn glance(&self, hash: u64) -> Option<&Slot>;
    /// Reads a little of a place, so that its memory is near when it is used; a place need not
    /// be in use. First one line of each place, so that all their pages are looked for at once,
    /// then the `rest` of it. What it gives only keeps the reads from being left out.
    fn touch(&self, slot: Slot, rest: bool) -> u64;
    /// Makes a place in memory for a stream: one that was never there (`known`), or one that
    /// is to be filled once it has been read.
    fn add(&mut self, hash: u64, name: Name, known: bool) -> Slot;
    /// Fills a place with what the store has: a stream, or none.
    fn fill(&mut self, slot: Slot, row: Option<(Number, &HeadRow<'_>)>) -> Result<(), Corrupt>;
    /// What the engine keeps of it.
    fn state(&self, slot: Slot) -> &CordState;
    /// The same, to be changed.
    fn state_mut(&mut self, slot: Slot) -> &mut CordState;
    /// Whether the stream exists.
    fn exists(&self, slot: Slot) -> bool;

    /// Splits a command into legs.
    fn expand(&self, slot: Slot, command: &Command, link: Option<&Link>) -> Expansion;
    /// What the stream tells others.
    fn link(&self, slot: Slot) -> Option<Link>;
    /// The items that a command reads.
    fn needs(&self, command: &Command, needs: &mut Needs);
    /// Those of `keys` that are not in memory and may exist.
    fn missing(&self, slot: Slot, keys: &[ItemKey], filter: &Filter, missing: &mut Vec<ItemKey>);
    /// Takes an item into memory: as its row has it, or as one that does not exist. `false`
    /// where it was there already: what is in memory may be newer than a row, never older.
    fn add_item(
        &mut self,
        slot: Slot,
        key: ItemKey,
        row: Option<&[u8]>,
        asked: u32,
    ) -> Result<bool, Corrupt>;

    /// Decides a command on the stream itself and keeps its event.
    fn decide(
        &mut self,
        slot: Slot,
        command: &Command,
        cx: &mut Context<'_>,
    ) -> Result<Accepted, Refusal>;
    /// Performs the oldest event that was kept.
    fn perform(
        &mut self,
        slot: Slot,
        place: &Place,
        same: bool,
        out: &mut Out<'_>,
        filter: &mut Filter,
        answer: Option<&mut Answer>,
    );
    /// Drops the events that were kept.
    fn drop_kept(&mut self);
    /// Adds pieces of the stream to an answer.
    fn show(&self, slot: Slot, shows: &Shows, arena: &mut Arena, answer: &mut Answer);
    /// What in memory is due first: `None` for the stream itself, or an item of it.
    fn due(&self, slot: Slot, now: Timestamp) -> Option<Option<ItemKey>>;
    /// The command that time gives.
    fn on_due(&self, item: Option<&ItemKey>) -> Option<Command>;
    /// Brings the lower bound of what is due next up to date.
    fn refresh_due(&mut self, slot: Slot);

    /// A copy for a transaction, with these items.
    fn lend(&self, slot: Slot, keys: &[ItemKey]) -> Box<dyn Lent>;
    /// Takes a copy back that a transaction has changed.
    fn install(&mut self, slot: Slot, lent: Box<dyn Lent>, filter: &mut Filter);

    /// Lets go of up to `steps` streams and items that are durable and unused. What the store is
    /// being asked for now will be answered as of `asked` at least, and what came after the
    /// question `since` is for the first of the commands that wait for a stream.
    fn evict(
        &mut self,
        durable: Position,
        asked: Position,
        steps: usize,
        since: &dyn Fn(Slot) -> u32,
    );
    /// How many items came into memory since this was asked last.
    fn take_added(&mut self) -> usize;
    /// What all of it takes.
    fn memory(&self) -> usize;
    /// How many places of its item tables were looked at, ever. For tests that compare the
    /// work of a command on a stream of ten items with that on one of a million.
    fn steps(&self) -> u64;
    /// How many streams are in memory.
    fn len(&self) -> usize;
    /// Whether none is.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

struct Cord<M: Machine> {
    state: CordState,
    head: Option<M::Head>,
}

/// The streams of machine `M` in memory.
pub(super) struct CordsOf<M: Machine> {
    names: HashTable<Slot>,
    cords: Vec<Option<Cord<M>>>,
    free: Vec<u32>,
    hand: usize,
    items: Cells<M::Item>,
    kept: VecDeque<M::Event>,
    heap: usize,
}

impl<M: Machine> CordsOf<M> {
    pub(super) fn new() -> Self {
        Self {
            names: HashTable::new(),
            cords: Vec::new(),
            free: Vec::new(),
            hand: 0,
            items: Cells::new(M::item_due),
            kept: VecDeque::new(),
            heap: 0,
        }
    }

    fn cord(&self, slot: Slot) -> &Cord<M> {
        self.cords[slot.0 as usize].as_ref().expect("a slot in use holds a stream")
    }

    fn view<'a>(&'a self, slot: Slot, items: &'a dyn Items<M::Item>) -> View<'a, M> {
        let cord = self.cord(slot);
        View {
            name: &cord.state.name,
            number: cord.state.number,
            version: cord.state.stamp.version,
            head: cord.head.as_ref(),
            items,
        }
    }

    fn parts(&mut self, slot: Slot) -> (&mut Cord<M>, &mut Cells<M::Item>) {
        let cord = self.cords[slot.0 as usize].as_mut().expect("a slot in use holds a stream");
        (cord, &mut self.items)
    }
}

impl<M: Machine> Cords for CordsOf<M> {
    fn find(&self, hash: u64, book: Book, id: &str) -> Option<Slot> {
        let is_it = |slot: &Slot| {
            let cord = self.cords[slot.0 as usize].as_ref();
            cord.is_some_and(|cord| {
                let CordState { hash: other, name, .. } = &cord.state;
                *other == hash && name.book == book && name.id.as_str() == id
            })
        };
        self.names.find(hash, is_it).copied()
    }

    fn glance(&self, hash: u64) -> Option<&Slot> {
        self.names.find(hash, |_| true)
    }

    fn touch(&self, slot: Slot, rest: bool) -> u64 {
        let Some(Some(cord)) = self.cords.get(slot.0 as usize) else { return 0 };
        if !rest {
            return cord.state.hash;
        }
        // A comparison of the head with what may be another one reads all of it.
        let same = cord.head == *core::hint::black_box(&cord.head);
        let state = &cord.state;
        state.mark ^ u64::from(state.known) ^ u64::from(same)
    }

    fn add(&mut self, hash: u64, name: Name, known: bool) -> Slot {
        self.heap += name.id.heap_bytes();
        let state = CordState {
            hash,
            name,
            number: Number::ZERO,
            stamp: Stamp::default(),
            due: Timestamp::NEVER,
            due_stored: Timestamp::NEVER,
            due_page: None,
            pins: 0,
            loading: false,
            cells: 0,
            known,
            busy: false,
            reserved: false,
            used: true,
            mark: 0,
        };
        let cord = Some(Cord { state, head: None });
        let index = if let Some(index) = self.free.pop() {
            self.cords[index as usize] = cord;
            index
        } else {
            self.cords.push(cord);
            u32::try_from(self.cords.len() - 1).expect("a shard holds fewer than 2^32 streams")
        };
        let cords = &self.cords;
        self.names.insert_unique(hash, Slot(index), |other| {
            cords[other.0 as usize].as_ref().map_or(0, |cord| cord.state.hash)
        });
        Slot(index)
    }

    fn fill(&mut self, slot: Slot, row: Option<(Number, &HeadRow<'_>)>) -> Result<(), Corrupt> {
        let (cord, _) = self.parts(slot);
        let state = &mut cord.state;
        if let Some((number, row)) = row {
            if row.name != state.name || number == Number::ZERO {
                return Err(Corrupt::Range);
            }
            let head = M::Head::unpack(row.tag, row.head)?;
            state.number = number;
            state.stamp = row.stamp;
            state.due = M::due(&head);
            cord.head = Some(head);
        }
        self.parts(slot).0.state.known = true;
        Ok(())
    }

    fn state(&self, slot: Slot) -> &CordState {
        &self.cord(slot).state
    }

    fn state_mut(&mut self, slot: Slot) -> &mut CordState {
        &mut self.parts(slot).0.state
    }

    fn exists(&self, slot: Slot) -> bool {
        self.cord(slot).head.is_some()
    }

    fn expand(&self, slot: Slot, command: &Command, link: Option<&Link>) -> Expansion {
        let items = Of { cells: &self.items, slot };
        M::expand(&self.view(slot, &items), typed::<M>(command), link)
    }

    fn link(&self, slot: Slot) -> Option<Link> {
        self.cord(slot).head.as_ref().and_then(M::link)
    }

    fn needs(&self, command: &Command, needs: &mut Needs) {
        M::needs(typed::<M>(command), needs);
    }

    fn missing(&self, slot: Slot, keys: &[ItemKey], filter: &Filter, missing: &mut Vec<ItemKey>) {
        let number = self.cord(slot).state.number;
        if number == Number::ZERO {
            return;
        }
        for key in keys {
            let known = self.items.holds(slot, key) || !filter.may_hold(item_hash(number, key));
            if !known {
                missing.push(key.clone());
            }
        }
    }

    fn add_item(
        &mut self,
        slot: Slot,
        key: ItemKey,
        row: Option<&[u8]>,
        asked: u32,
    ) -> Result<bool, Corrupt> {
        let item = match row {
            None => None,
            Some(row) => {
                let row = ItemRow::read(row)?;
                if row.kind != M::KIND {
                    return Err(Corrupt::Tag);
                }
                Some(M::Item::unpack(row.tag, row.item)?)
            }
        };
        let (cord, items) = self.parts(slot);
        // What is in memory may be newer than the row, never older.
        if !items.holds(slot, &key) {
            let due = item.as_ref().map_or(Timestamp::NEVER, M::item_due);
            cord.state.due = cord.state.due.min(due);
            let weight = row.map_or(0, <[u8]>::len);
            cord.state.cells += items.set(slot, key, item, Changed::Asked(asked), weight);
            return Ok(true);
        }
        Ok(false)
    }

    fn decide(
        &mut self,
        slot: Slot,
        command: &Command,
        cx: &mut Context<'_>,
    ) -> Result<Accepted, Refusal> {
        let items = Of { cells: &self.items, slot };
        match M::decide(&self.view(slot, &items), typed::<M>(command), cx)? {
            Decided::Event(event) => {
                self.kept.push_back(event);
                Ok(Accepted::Event)
            }
            Decided::Already(shows) => Ok(Accepted::Already(shows)),
        }
    }

    fn perform(
        &mut self,
        slot: Slot,
        place: &Place,
        same: bool,
        out: &mut Out<'_>,
        filter: &mut Filter,
        answer: Option<&mut Answer>,
    ) {
        let event = self.kept.pop_front().expect("an event is performed once it was decided");
        let (cord, items) = self.parts(slot);
        let creates = cord.head.is_none();
        let number = if creates { Number::new(place.position.get()) } else { cord.state.number };
        let mut changed =
            OfMut { cells: items, slot, number, filter, added: 0, due: Timestamp::NEVER };
        let happening = Happening { event: &event, place, same_event: same };
        perform::<M>(&mut cord.state, &mut cord.head, &mut changed, &happening, out, answer);
        let (added, due) = (changed.added, changed.due);
        cord.state.cells += added;
        let own = cord.head.as_ref().map_or(Timestamp::NEVER, M::due);
        cord.state.due = cord.state.due.min(due).min(own);
        cord.state.used = true;
        if creates {
            filter.insert(cord.state.hash);
        }
    }

    fn drop_kept(&mut self) {
        self.kept.clear();
    }

    fn show(&self, slot: Slot, shows: &Shows, arena: &mut Arena, answer: &mut Answer) {
        let cord = self.cord(slot);
        let items = Of { cells: &self.items, slot };
        let head = cord.head.as_ref().map(|head| Shown { head, packed: None });
        show::<M>((cord.state.number, cord.state.stamp), head, &items, shows, arena, answer);
    }

    fn due(&self, slot: Slot, now: Timestamp) -> Option<Option<ItemKey>> {
        let cord = self.cord(slot);
        let own = cord.head.as_ref().map_or(Timestamp::NEVER, M::due);
        let (at, key) = match self.items.first_due(slot) {
            Some((at, key)) if at < own => (at, Some(key)),
            _ => (own, None),
        };
        (at <= now).then(|| key.cloned())
    }

    fn on_due(&self, item: Option<&ItemKey>) -> Option<Command> {
        M::on_due(item).map(Command::of::<M>)
    }

    fn refresh_due(&mut self, slot: Slot) {
        let (cord, items) = self.parts(slot);
        let own = cord.head.as_ref().map_or(Timestamp::NEVER, M::due);
        let resident = items.first_due(slot).map_or(Timestamp::NEVER, |(at, _)| at);
        cord.state.due = own.min(resident).min(cord.state.due_stored);
    }

    fn lend(&self, slot: Slot, keys: &[ItemKey]) -> Box<dyn Lent> {
        let cord = self.cord(slot);
        let items =
            keys.iter().map(|key| (key.clone(), (self.items.get(slot, key).cloned(), None)));
        Box::new(LentOf::<M> {
            state: cord.state.clone(),
            head: cord.head.clone(),
            items: LentItems(BTreeMap::from_iter(items)),
            kept: VecDeque::new(),
        })
    }

    fn install(&mut self, slot: Slot, lent: Box<dyn Lent>, filter: &mut Filter) {
        let lent: Box<dyn Any> = lent;
        let lent = lent.downcast::<LentOf<M>>().expect("a copy comes back to where it was lent");
        let (cord, items) = self.parts(slot);
        if cord.head.is_none() && lent.head.is_some() {
            filter.insert(cord.state.hash);
        }
        cord.state.number = lent.state.number;
        cord.state.stamp = lent.state.stamp;
        cord.state.used = true;
        cord.head = lent.head;
        let number = lent.state.number;
        for (key, (item, changed)) in lent.items.0 {
            let Some((at, weight)) = changed else { continue };
            if item.is_some() {
                filter.insert(item_hash(number, &key));
            }
            cord.state.cells += items.set(slot, key, item, Changed::At(at), weight);
        }
        self.refresh_due(slot);
    }

    fn evict(
        &mut self,
        durable: Position,
        asked: Position,
        steps: usize,
        since: &dyn Fn(Slot) -> u32,
    ) {
        let Self { cords, items, .. } = self;
        let mut gone = Vec::new();
        let use_of = |slot: Slot| match &cords[slot.0 as usize] {
            Some(cord) if cord.state.is_pinned() => Use::Pinned,
            Some(cord) if cord.state.in_use() => Use::Waiting(since(slot)),
            _ => Use::None,
        };
        items.evict(durable, asked, steps, use_of, |slot, due| gone.push((slot, due)));
        for (slot, due) in gone {
            let state = &mut self.parts(slot).0.state;
            state.cells -= 1;
            state.due_stored = state.due_stored.min(due);
            if !state.in_use() {
                state.due_page = None;
            }
        }
        for _ in 0..steps.min(self.cords.len()) {
            self.hand = (self.hand + 1) % self.cords.len();
            let index = self.hand as u32;
            let Some(cord) = &mut self.cords[self.hand] else { continue };
            let state = &mut cord.state;
            let idle = !state.in_use() && state.cells == 0;
            let durable = mutant!(EvictDirty) || state.stamp.version <= durable;
            if !idle || !durable || core::mem::take(&mut state.used) {
                continue;
            }
            let heap = state.name.id.heap_bytes();
            let hash = state.hash;
            self.heap = self.heap.saturating_sub(heap);
            self.cords[self.hand] = None;
            self.free.push(index);
            let entry = self.names.find_entry(hash, |other| other.0 == index);
            entry.expect("every stream in memory has its name there").remove();
        }
    }

    fn take_added(&mut self) -> usize {
        core::mem::take(&mut self.items.added)
    }

    fn memory(&self) -> usize {
        self.cords.capacity() * size_of::<Option<Cord<M>>>()
            + self.names.capacity() * 5
            + self.heap
            + self.items.memory()
            - self.free.len().min(self.cords.len()) * size_of::<Option<Cord<M>>>()
    }

    fn steps(&self) -> u64 {
        self.items.steps.get()
    }

    fn len(&self) -> usize {
        self.cords.len() - self.free.len()
    }
}

/// The hash under which the filter knows an item.
pub(crate) fn item_hash(number: Number, key: &ItemKey) -> u64 {
    xxhash_rust::xxh3::xxh3_64_with_seed(key.as_bytes(), number.get())
}

/// The items in memory, of all streams of one kind. One that is known not to exist is there
/// too, as `None`, until it is let go of.
struct Cells<I> {
    index: HashTable<u32>,
    cells: Vec<Option<Cell<I>>>,
    free: Vec<u32>,
    hand: usize,
    timers: BTreeSet<(Slot, Timestamp, ItemKey)>,
    due_of: fn(&I) -> Timestamp,
    heap: usize,
    /// How many came since somebody asked.
    added: usize,
    steps: cell::Cell<u64>,
}

/// Who counts on what is in memory of a stream.
enum Use {
    /// Nobody.
    None,
    /// Commands that wait, perhaps for the store. What was asked for after this question is for
    /// the first of them.
    Waiting(u32),
    /// A transaction.
    Pinned,
}

struct Cell<I> {
    slot: Slot,
    key: ItemKey,
    hash: u64,
    item: Option<I>,
    /// Zero where the store has said what it is.
    changed: Position,
    weight: u32,
    /// After which question to the store it came, where the store has said what it is.
    asked: u32,
    used: bool,
}

/// How an item came to be what it is.
enum Changed {
    /// An event made it so.
    At(Position),
    /// The store has said so, after this question.
    Asked(u32),
}

impl<I: Record> Cells<I> {
    fn new(due_of: fn(&I) -> Timestamp) -> Self {
        Self {
            index: HashTable::new(),
            cells: Vec::new(),
            free: Vec::new(),
            hand: 0,
            timers: BTreeSet::new(),
            due_of,
            heap: 0,
            added: 0,
            steps: cell::Cell::new(0),
        }
    }

    fn step(&self) {
        self.steps.set(self.steps.get() + 1);
    }

    fn find(&self, slot: Slot, key: &ItemKey) -> Option<usize> {
        let is_it = |&index: &u32| {
            self.step();
            let cell = self.cells[index as usize].as_ref();
            cell.is_some_and(|cell| cell.slot == slot && cell.key == *key)
        };
        self.index.find(cell_hash(slot, key), is_it).map(|&index| index as usize)
    }

    fn holds(&self, slot: Slot, key: &ItemKey) -> bool {
        self.find(slot, key).is_some()
    }

    fn get(&self, slot: Slot, key: &ItemKey) -> Option<&I> {
        self.cells[self.find(slot, key)?].as_ref()?.item.as_ref()
    }

    fn due(&self, item: Option<&I>) -> Timestamp {
        item.map_or(Timestamp::NEVER, self.due_of)
    }

    /// Sets an item and says how many cells that added.
    fn set(
        &mut self,
        slot: Slot,
        key: ItemKey,
        item: Option<I>,
        how: Changed,
        weight: usize,
    ) -> u32 {
        let (changed, asked) = match how {
            Changed::At(position) => (position, 0),
            Changed::Asked(question) => (Position::ZERO, question),
        };
        // What a record holds beside its own size lies on the heap.
        let weight = weight.saturating_sub(size_of::<I>()) as u32;
        let due = self.due(item.as_ref());
        if let Some(index) = self.find(slot, &key) {
            let old = self.cells[index].as_ref().and_then(|cell| cell.item.as_ref());
            let old_due = self.due(old);
            if old_due != due && old_due != Timestamp::NEVER {
                self.timers.remove(&(slot, old_due, key.clone()));
            }
            let cell = self.cells[index].as_mut().expect("an index leads to a cell");
            self.heap -= cell.weight as usize;
            self.heap += weight as usize;
            (cell.item, cell.used, cell.weight) = (item, true, weight);
            (cell.changed, cell.asked) = (changed, asked);
            if old_due != due && due != Timestamp::NEVER {
                self.timers.insert((slot, due, key));
            }
            return 0;
        }
        if due != Timestamp::NEVER {
            self.timers.insert((slot, due, key.clone()));
        }
        let hash = cell_hash(slot, &key);
        self.added += 1;
        self.heap += key.heap_bytes() + weight as usize;
        let cell = Some(Cell { slot, key, hash, item, changed, weight, asked, used: true });
        let index = if let Some(index) = self.free.pop() {
            self.cells[index as usize] = cell;
            index
        } else {
            self.cells.push(cell);
            u32::try_from(self.cells.len() - 1).expect("a shard holds fewer than 2^32 items")
        };
        let (cells, steps) = (&self.cells, &self.steps);
        self.index.insert_unique(hash, index, |&other| {
            // Asked for every item that is there, when the table grows.
            steps.set(steps.get() + 1);
            cells[other as usize].as_ref().map_or(0, |cell| cell.hash)
        });
        self.step();
        1
    }

    fn first_due(&self, slot: Slot) -> Option<(Timestamp, &ItemKey)> {
        self.step();
        let start = (slot, Timestamp::ZERO, ItemKey::only(0));
        let (of, at, key) = self.timers.range(start..).next()?;
        (*of == slot).then_some((*at, key))
    }

    /// Lets go of items that are durable and unused: a row that is on its way from the store must
    /// not bring back what has changed since, and what was asked for must not go before it is
    /// used.
    ///
    /// On a stream for which commands wait, whatever the first of them has not asked for and the
    /// store's next answer will know goes all the same. A stream can be asked without a pause for as long as there is
    /// power, and its items must not grow as long.
    fn evict(
        &mut self,
        durable: Position,
        asked: Position,
        steps: usize,
        use_of: impl Fn(Slot) -> Use,
        mut gone: impl FnMut(Slot, Timestamp),
    ) {
        for _ in 0..steps.min(self.cells.len()) {
            self.step();
            self.hand = (self.hand + 1) % self.cells.len();
            let Some(cell) = &mut self.cells[self.hand] else { continue };
            let goes = match use_of(cell.slot) {
                Use::None => cell.changed <= durable,
                Use::Waiting(since) => {
                    // The questions are counted round and round.
                    let is_asked_for =
                        cell.changed == Position::ZERO && cell.asked.wrapping_sub(since) as i32 > 0;
                    let has_timer = cell
                        .item
                        .as_ref()
                        .is_some_and(|item| (self.due_of)(item) != Timestamp::NEVER);
                    !is_asked_for && !has_timer && cell.changed <= durable.min(asked)
                }
                Use::Pinned => false,
            };
            if !goes || core::mem::take(&mut cell.used) {
                continue;
            }
            let cell = self.cells[self.hand].take().expect("it was there a line ago");
            let due = self.due(cell.item.as_ref());
            if due != Timestamp::NEVER {
                self.timers.remove(&(cell.slot, due, cell.key.clone()));
            }
            self.heap -= cell.key.heap_bytes() + cell.weight as usize;
            let index = self.hand as u32;
            self.free.push(index);
            let entry = self.index.find_entry(cell.hash, |&other| other == index);
            entry.expect("every cell has its key in the index").remove();
            gone(cell.slot, due);
        }
    }

    fn memory(&self) -> usize {
        (self.cells.len() - self.free.len()) * (size_of::<Option<Cell<I>>>() + 5)
            + self.timers.len() * 64
            + self.heap
    }
}

fn cell_hash(slot: Slot, key: &ItemKey) -> u64 {
    xxhash_rust::xxh3::xxh3_64_with_seed(key.as_bytes(), u64::from(slot.0))
}

struct Of<'a, I> {
    cells: &'a Cells<I>,
    slot: Slot,
}

impl<I: Record> Items<I> for Of<'_, I> {
    fn get(&self, key: &ItemKey) -> Option<&I> {
        self.cells.get(self.slot, key)
    }
}

struct OfMut<'a, I> {
    cells: &'a mut Cells<I>,
    slot: Slot,
    number: Number,
    filter: &'a mut Filter,
    added: u32,
    due: Timestamp,
}

impl<I: Record> Items<I> for OfMut<'_, I> {
    fn get(&self, key: &ItemKey) -> Option<&I> {
        self.cells.get(self.slot, key)
    }
}

impl<I: Record> ItemStore<I> for OfMut<'_, I> {
    fn set(&mut self, key: ItemKey, item: Option<I>, at: Position, weight: usize) {
        if let Some(item) = &item {
            self.filter.insert(item_hash(self.number, &key));
            self.due = self.due.min((self.cells.due_of)(item));
        }
        self.added += self.cells.set(self.slot, key, item, Changed::At(at), weight);
    }

    fn is_certain(&self, key: &ItemKey) -> bool {
        self.cells.holds(self.slot, key) || !self.filter.may_hold(item_hash(self.number, key))
    }
}
