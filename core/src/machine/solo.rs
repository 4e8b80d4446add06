//! One stream of one machine, alone, for tests of its rules.

use std::collections::{BTreeMap, BTreeSet};

use super::indexed::{self, is_indexed};
use super::state::{Changes, ItemChanges, Items, Place, View};
use super::{
    Command, Context, Decided, Expansion, ItemKey, Link, Machine, Needs, Postings, Shows, Transit,
};
use crate::records::{INDEX_LEN_MAX, IndexRow, Record, Rows, pack_into};
use crate::words::{Book, Id, Name, Number, Position, Refusal, Timestamp};

/// A stream without an engine around it: commands in, events and postings out.
///
/// A second stream lives beside it that is made of the events alone, read back from their
/// bytes, as recovery makes it. After every step the two must be equal, and the index rows that
/// were written step by step those of the items that are there.
///
/// Tables of cases and models of a machine run on this. What the engine adds (durability,
/// keys, transactions, eviction) is tested elsewhere, once, for all machines.
pub struct Solo<M: Machine> {
    name: Name,
    number: Number,
    version: Position,
    head: Option<M::Head>,
    items: Kept<M::Item>,
    replayed: (Option<M::Head>, Kept<M::Item>),
    index: BTreeSet<Vec<u8>>,
    last: Position,
}

/// What an accepted command led to.
#[derive(Debug)]
pub struct Told<M: Machine> {
    /// What happened; `None` where it was so already.
    pub event: Option<M::Event>,
    /// The position of the event, or of the stream's last one.
    pub position: Position,
    /// What the answer shows.
    pub shows: Shows,
    /// The event's postings.
    pub postings: Postings,
}

struct Kept<I>(BTreeMap<ItemKey, I>);

impl<I> Items<I> for Kept<I> {
    fn get(&self, key: &ItemKey) -> Option<&I> {
        self.0.get(key)
    }
}

impl<I> ItemChanges<I> for Kept<I> {
    fn put(&mut self, key: ItemKey, item: I) {
        self.0.insert(key, item);
    }

    fn remove(&mut self, key: &ItemKey) {
        self.0.remove(key);
    }
}

/// Lets an event change what it likes, but read only the items that it named; and what has index
/// rows only where it named it or nothing can be there.
struct Changed<'a, M: Machine> {
    items: &'a mut Kept<M::Item>,
    keys: &'a [ItemKey],
    name: &'a Name,
    number: Number,
    at: Position,
    begins: bool,
    /// What that changes in the index.
    rows: Rows,
}

impl<M: Machine> Items<M::Item> for Changed<'_, M> {
    fn get(&self, key: &ItemKey) -> Option<&M::Item> {
        assert!(self.keys.contains(key), "item {key:?} was read by an event that did not name it");
        self.items.get(key)
    }
}

impl<M: Machine> Changed<'_, M> {
    fn index(&mut self, key: &ItemKey, new: Option<&M::Item>) {
        if !is_indexed::<M>(key) {
            return;
        }
        let named = self.keys.contains(key) || key.position() == Some(self.at);
        assert!(named || self.begins, "the indexed item {key:?} was changed but not named");
        if let Some(new) = new {
            M::item_indexes(self.name, key, new, &mut |index, bytes| {
                assert!(bytes.len() <= INDEX_LEN_MAX, "{key:?} is too long for index {index}");
            });
        }
        let items = (self.items.get(key), new);
        indexed::change::<M>(self.name, self.number, key, items, &mut self.rows);
    }
}

impl<M: Machine> ItemChanges<M::Item> for Changed<'_, M> {
    fn put(&mut self, key: ItemKey, item: M::Item) {
        self.index(&key, Some(&item));
        self.items.put(key, item);
    }

    fn remove(&mut self, key: &ItemKey) {
        self.index(key, None);
        self.items.remove(key);
    }
}

/// Shows a decision the items that it named, and panics at any other.
struct Named<'a, I> {
    items: &'a Kept<I>,
    keys: &'a [ItemKey],
}

impl<I> Items<I> for Named<'_, I> {
    fn get(&self, key: &ItemKey) -> Option<&I> {
        assert!(self.keys.contains(key), "item {key:?} was read but not named");
        self.items.get(key)
    }
}

impl<M: Machine> Solo<M> {
    /// A stream that does not exist yet, under an id or a pair of ids with a slash between them.
    #[must_use]
    pub fn new(id: &str) -> Self {
        let plain = |id| Id::new(id).expect("a test's id is well formed");
        let id = match id.split_once('/') {
            Some((left, right)) => Id::pair(&plain(left), &plain(right)),
            None => plain(id),
        };
        Self {
            name: Name::new(Book::DEFAULT, M::KIND, id),
            number: Number::ZERO,
            version: Position::ZERO,
            head: None,
            items: Kept(BTreeMap::new()),
            replayed: (None, Kept(BTreeMap::new())),
            index: BTreeSet::new(),
            last: Position::new(100),
        }
    }

    /// Asks for one command, after firing what is due.
    pub fn ask(&mut self, command: &M::Command, now: Timestamp) -> Result<Told<M>, Refusal> {
        let mut transit = Transit::default();
        let told = self.ask_within(command, now, &mut transit)?;
        assert!(transit.is_empty(), "a command of one leg leaves nothing in transit");
        Ok(told)
    }

    /// Asks for one leg of a command.
    pub fn ask_within(
        &mut self,
        command: &M::Command,
        now: Timestamp,
        transit: &mut Transit,
    ) -> Result<Told<M>, Refusal> {
        self.fire(now);
        self.decide(command, now, transit)
    }

    /// Fires what is due, as the engine does before any command or read. Gives the events.
    pub fn fire(&mut self, now: Timestamp) -> Vec<M::Event> {
        let mut events = Vec::new();
        while let Some(item) = self.first_due(now) {
            let command = M::on_due(item.as_ref()).expect("what falls due has a command");
            let told = self.decide(&command, now, &mut Transit::default());
            let told = told.expect("what falls due is not refused");
            events.push(told.event.expect("what falls due happens"));
            assert!(events.len() < 10_000, "what falls due is no longer due afterwards");
        }
        events
    }

    fn first_due(&self, now: Timestamp) -> Option<Option<ItemKey>> {
        let own = (self.head.as_ref().map_or(Timestamp::NEVER, M::due), None);
        let items = self.items.0.iter().map(|(key, item)| (M::item_due(item), Some(key.clone())));
        let (at, item) = items.chain([own]).min_by_key(|(at, _)| *at)?;
        (at <= now).then_some(item)
    }

    fn decide(
        &mut self,
        command: &M::Command,
        now: Timestamp,
        transit: &mut Transit,
    ) -> Result<Told<M>, Refusal> {
        let mut needs = Needs::default();
        M::needs(command, &mut needs);
        let items = Named { items: &self.items, keys: needs.keys() };
        let mut cx = Context { now, transit, secret: &[7; 32] };
        let decided = M::decide(&self.view(&items), command, &mut cx)?;
        let event = match decided {
            Decided::Event(event) => event,
            Decided::Already(shows) => {
                let postings = Postings::default();
                return Ok(Told { event: None, position: self.version, shows, postings });
            }
        };
        self.last = self.last.plus(1);
        let place = Place { position: self.last, now };
        let begins = self.head.is_none();
        if begins {
            self.number = Number::new(self.last.get());
        }
        let Self { name, head, items, .. } = self;
        let mut items = Changed::<M> {
            items,
            keys: needs.keys(),
            name,
            number: self.number,
            at: place.position,
            begins,
            rows: Rows::default(),
        };
        M::apply(&mut Changes { name, head, items: &mut items }, &event, &place);
        let rows = items.rows;
        self.version = self.last;
        self.replay(&event, &place, begins);
        self.follow(&rows);
        let mut postings = Postings::default();
        if let Some(head) = &self.head {
            M::postings(head, &event, &mut postings);
        }
        let shows = M::shows(&event, &place);
        Ok(Told { event: Some(event), position: self.last, shows, postings })
    }

    /// Takes the event to its bytes and back, and applies it to the stream beside this one.
    fn replay(&mut self, event: &M::Event, place: &Place, begins: bool) {
        let mut bytes = Vec::new();
        pack_into(event, &mut bytes);
        let read = M::Event::unpack(event.tag(), &bytes).expect("what was packed is read");
        assert_eq!(&read, event, "an event comes back as it was");
        let mut needs = Needs::default();
        M::reads(&read, &mut needs);
        let (head, items) = &mut self.replayed;
        let mut items = Changed::<M> {
            items,
            keys: needs.keys(),
            name: &self.name,
            number: self.number,
            at: place.position,
            begins,
            rows: Rows::default(),
        };
        M::apply(&mut Changes { name: &self.name, head, items: &mut items }, &read, place);
        assert_eq!(self.replayed.0, self.head, "replay gives the same head");
        assert_eq!(self.replayed.1.0, self.items.0, "replay gives the same items");
    }

    /// Takes what a step has changed in the index.
    fn follow(&mut self, rows: &Rows) {
        for row in rows.iter() {
            match row.value {
                Some(_) => assert!(self.index.insert(row.key.to_vec()), "a row comes once"),
                None => assert!(self.index.remove(row.key), "only what is there goes"),
            }
        }
        let Self { name, number, items, index, .. } = self;
        let of_items = items
            .0
            .iter()
            .flat_map(|(key, item)| indexed::keys::<M>(name, *number, key, Some(item)));
        assert_eq!(*index, of_items.collect(), "index rows are those of the items");
    }

    fn view<'a>(&'a self, items: &'a dyn Items<M::Item>) -> View<'a, M> {
        View {
            name: &self.name,
            number: self.number,
            version: self.version,
            head: self.head.as_ref(),
            items,
        }
    }

    /// How a command would be split.
    #[must_use]
    pub fn expand(&self, command: &M::Command, link: Option<&Link>) -> Vec<(Name, Command)> {
        match M::expand(&self.view(&self.items), command, link) {
            Expansion::Legs(legs) => legs,
            Expansion::Alone => vec![(self.name.clone(), Command::of::<M>(command.clone()))],
            Expansion::Ask(name) => panic!("the link of {name:?} is needed first"),
        }
    }

    /// The head.
    #[must_use]
    pub fn head(&self) -> Option<&M::Head> {
        self.head.as_ref()
    }

    /// An item.
    #[must_use]
    pub fn item(&self, key: &ItemKey) -> Option<&M::Item> {
        self.items.get(key)
    }

    /// All items, in the order of their keys.
    pub fn items(&self) -> impl Iterator<Item = (&ItemKey, &M::Item)> {
        self.items.0.iter()
    }

    /// The items that an index lists under bytes that begin with these, in its order.
    #[must_use]
    pub fn listed(&self, index: u8, prefix: &[u8]) -> Vec<ItemKey> {
        let rows = self.index.iter().map(|key| IndexRow::read(key).expect("it was written"));
        let rows = rows.filter(|row| row.index == index && row.bytes.starts_with(prefix));
        rows.map(|row| row.item).collect()
    }

    /// The position of the last event.
    #[must_use]
    pub fn version(&self) -> Position {
        self.version
    }
}
