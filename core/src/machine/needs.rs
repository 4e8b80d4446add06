//! Which items a decision reads, and which pieces an answer shows.

use core::fmt;

use smallvec::SmallVec;

use crate::words::{Id, Position};

/// The key of an item within its stream: a letter for what it is, then what tells it apart.
///
/// Items of one stream lie in the order of these bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ItemKey(SmallVec<[u8; 24]>);

impl ItemKey {
    /// The longest key, in bytes.
    pub const LEN_MAX: usize = 512;

    /// The one item of this letter.
    #[must_use]
    pub fn only(letter: u8) -> Self {
        Self(SmallVec::from_slice(&[letter]))
    }

    /// The item that an event at this position made.
    #[must_use]
    pub fn at(letter: u8, position: Position) -> Self {
        Self::only(letter).then(&position.get().to_be_bytes())
    }

    /// The item with this name.
    #[must_use]
    pub fn named(letter: u8, name: &Id) -> Self {
        Self::only(letter).then(name.as_str().as_bytes())
    }

    /// The same key with more bytes behind it.
    #[must_use]
    pub fn then(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// The key as it was written into a row.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let fits = (1..=Self::LEN_MAX).contains(&bytes.len());
        fits.then(|| Self(SmallVec::from_slice(bytes)))
    }

    /// The letter.
    #[must_use]
    pub fn letter(&self) -> u8 {
        self.0[0]
    }

    /// The position of an [`at`](Self::at) key.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        let bytes: [u8; 8] = self.0.get(1..)?.try_into().ok()?;
        Some(Position::new(u64::from_be_bytes(bytes)))
    }

    /// All bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// What it keeps on the heap.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        if self.0.spilled() { self.0.capacity() } else { 0 }
    }
}

impl fmt::Debug for ItemKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.position() {
            Some(position) => write!(out, "{}@{position}", char::from(self.letter())),
            None => write!(out, "{}", self.0.escape_ascii()),
        }
    }
}

/// The items that a decision, an event or an answer reads.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Needs(SmallVec<[ItemKey; 2]>);

impl Needs {
    /// Adds an item.
    pub fn item(&mut self, key: ItemKey) {
        self.0.push(key);
    }

    /// The items.
    #[must_use]
    pub fn keys(&self) -> &[ItemKey] {
        &self.0
    }

    /// Empties it.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

/// The pieces that an answer is made of. What is not there when it is looked for is left out.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Shows {
    /// The event itself.
    pub event: bool,
    /// The stream's head, as the event left it.
    pub head: bool,
    /// Items, as the event left them.
    pub items: SmallVec<[ItemKey; 1]>,
}

impl Shows {
    /// The event says it all.
    #[must_use]
    pub fn event() -> Self {
        Self { event: true, ..Self::default() }
    }

    /// The stream as it stands.
    #[must_use]
    pub fn head() -> Self {
        Self { head: true, ..Self::default() }
    }

    /// One item as it stands.
    #[must_use]
    pub fn item(key: ItemKey) -> Self {
        Self { items: SmallVec::from_iter([key]), ..Self::default() }
    }

    /// One item more.
    #[must_use]
    pub fn with(mut self, key: ItemKey) -> Self {
        self.items.push(key);
        self
    }
}
