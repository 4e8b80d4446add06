//! The registry: which machines a ledger knows. An own machine joins the built-in ones here.

use core::fmt::{self, Debug};
use core::marker::PhantomData;

use super::cords::CordsOf;
use super::indexed;
use super::replayed::ReplayedOf;
use super::{Command, Cords, ItemKey, Machine, Postings, Replayed};
use crate::records::{Corrupt, Record, Tag};
use crate::words::{Asset, Kind, Name, Timestamp};

/// The machines of a ledger, by kind.
#[derive(Clone)]
pub struct Registry {
    rules: Vec<Option<&'static dyn Rules>>,
}

impl Registry {
    /// A registry without any machine.
    #[must_use]
    pub fn empty() -> Self {
        Self { rules: vec![None; 256] }
    }

    /// The same registry with one machine more.
    ///
    /// # Panics
    /// Where the kind's number is taken already: two machines would read each other's records.
    #[must_use]
    pub fn with<M: Machine>(mut self) -> Self {
        const { assert!(size_of::<M::Head>() <= 320, "a head is a small fixed record") };
        let place = &mut self.rules[usize::from(M::KIND.get())];
        assert!(place.is_none(), "{} and another machine share {:?}", M::NAME, M::KIND);
        *place = Some(&Of::<M>(PhantomData));
        self
    }

    /// The rules of a kind.
    #[must_use]
    pub fn rules(&self, kind: Kind) -> Option<&'static dyn Rules> {
        self.rules[usize::from(kind.get())]
    }

    /// All rules, in the order of their kinds.
    pub fn all(&self) -> impl Iterator<Item = &'static dyn Rules> {
        self.rules.iter().flatten().copied()
    }
}

impl Debug for Registry {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_list().entries(self.all().map(Rules::name)).finish()
    }
}

/// A machine without its types.
pub trait Rules: Send + Sync {
    /// The kind.
    fn kind(&self) -> Kind;
    /// The kind's name.
    fn name(&self) -> &'static str;
    /// An empty table of its streams.
    fn cords(&self) -> Box<dyn Cords>;
    /// An empty table of its streams, for a replay.
    fn replayed(&self) -> Box<dyn Replayed>;
    /// Checks a packed event and describes it.
    fn describe_event(&self, tag: Tag, payload: &[u8]) -> Result<String, Corrupt>;
    /// Checks a packed head and describes it.
    fn describe_head(&self, tag: Tag, head: &[u8]) -> Result<String, Corrupt>;
    /// Checks a packed item and describes it.
    fn describe_item(&self, tag: Tag, item: &[u8]) -> Result<String, Corrupt>;
    /// The postings of a packed event, given the stream's packed head.
    fn postings(
        &self,
        head: (Tag, &[u8]),
        event: (Tag, &[u8]),
        out: &mut Postings,
    ) -> Result<(), Corrupt>;
    /// Whether its events have postings.
    fn moves_value(&self) -> bool;
    /// What a stream holds of each asset, by its packed head.
    fn holding(
        &self,
        tag: Tag,
        head: &[u8],
        out: &mut dyn FnMut(Asset, i128),
    ) -> Result<(), Corrupt>;
    /// When a packed head is due.
    fn head_due(&self, tag: Tag, head: &[u8]) -> Result<Timestamp, Corrupt>;
    /// When a packed item is due.
    fn item_due(&self, tag: Tag, item: &[u8]) -> Result<Timestamp, Corrupt>;
    /// The index rows of a packed head.
    fn indexes(
        &self,
        tag: Tag,
        head: &[u8],
        index: &mut dyn FnMut(u8, &[u8]),
    ) -> Result<(), Corrupt>;
    /// The index rows of a packed item of a stream.
    fn item_indexes(
        &self,
        name: &Name,
        key: &ItemKey,
        item: (Tag, &[u8]),
        index: &mut dyn FnMut(u8, &[u8]),
    ) -> Result<(), Corrupt>;
    /// Every tag that its heads, items and events have ever had.
    fn tags(&self) -> [&'static [Tag]; 3];
    /// The command that time gives.
    fn on_due(&self, item: Option<&ItemKey>) -> Option<Command>;
    /// The command that a restore gives to a stream, by its packed head.
    fn on_restored(&self, tag: Tag, head: &[u8]) -> Result<Option<Command>, Corrupt>;
    /// The command that a restore gives for a packed item.
    fn on_restored_item(
        &self,
        key: &ItemKey,
        tag: Tag,
        item: &[u8],
    ) -> Result<Option<Command>, Corrupt>;
}

struct Of<M>(PhantomData<fn() -> M>);

impl<M: Machine> Rules for Of<M> {
    fn kind(&self) -> Kind {
        M::KIND
    }

    fn name(&self) -> &'static str {
        M::NAME
    }

    fn cords(&self) -> Box<dyn Cords> {
        Box::new(CordsOf::<M>::new())
    }

    fn replayed(&self) -> Box<dyn Replayed> {
        Box::new(ReplayedOf::<M>::new())
    }

    fn describe_event(&self, tag: Tag, payload: &[u8]) -> Result<String, Corrupt> {
        M::Event::unpack(tag, payload).map(|event| format!("{event:?}"))
    }

    fn describe_head(&self, tag: Tag, head: &[u8]) -> Result<String, Corrupt> {
        M::Head::unpack(tag, head).map(|head| format!("{head:?}"))
    }

    fn describe_item(&self, tag: Tag, item: &[u8]) -> Result<String, Corrupt> {
        M::Item::unpack(tag, item).map(|item| format!("{item:?}"))
    }

    fn postings(
        &self,
        head: (Tag, &[u8]),
        event: (Tag, &[u8]),
        out: &mut Postings,
    ) -> Result<(), Corrupt> {
        let head = M::Head::unpack(head.0, head.1)?;
        let event = M::Event::unpack(event.0, event.1)?;
        M::postings(&head, &event, out);
        Ok(())
    }

    fn moves_value(&self) -> bool {
        M::MOVES_VALUE
    }

    fn holding(
        &self,
        tag: Tag,
        head: &[u8],
        out: &mut dyn FnMut(Asset, i128),
    ) -> Result<(), Corrupt> {
        M::holding(&M::Head::unpack(tag, head)?, out);
        Ok(())
    }

    fn head_due(&self, tag: Tag, head: &[u8]) -> Result<Timestamp, Corrupt> {
        M::Head::unpack(tag, head).map(|head| M::due(&head))
    }

    fn item_due(&self, tag: Tag, item: &[u8]) -> Result<Timestamp, Corrupt> {
        M::Item::unpack(tag, item).map(|item| M::item_due(&item))
    }

    fn indexes(
        &self,
        tag: Tag,
        head: &[u8],
        index: &mut dyn FnMut(u8, &[u8]),
    ) -> Result<(), Corrupt> {
        M::indexes(&M::Head::unpack(tag, head)?, index);
        Ok(())
    }

    fn item_indexes(
        &self,
        name: &Name,
        key: &ItemKey,
        (tag, item): (Tag, &[u8]),
        index: &mut dyn FnMut(u8, &[u8]),
    ) -> Result<(), Corrupt> {
        if indexed::is_indexed::<M>(key) {
            indexed::each::<M>(name, key, &M::Item::unpack(tag, item)?, index);
        }
        Ok(())
    }

    fn tags(&self) -> [&'static [Tag]; 3] {
        [M::Head::TAGS, M::Item::TAGS, M::Event::TAGS]
    }

    fn on_due(&self, item: Option<&ItemKey>) -> Option<Command> {
        M::on_due(item).map(Command::of::<M>)
    }

    fn on_restored(&self, tag: Tag, head: &[u8]) -> Result<Option<Command>, Corrupt> {
        let head = M::Head::unpack(tag, head)?;
        Ok(M::on_restored(&head).map(Command::of::<M>))
    }

    fn on_restored_item(
        &self,
        key: &ItemKey,
        tag: Tag,
        item: &[u8],
    ) -> Result<Option<Command>, Corrupt> {
        let item = M::Item::unpack(tag, item)?;
        Ok(M::on_restored_item(key, &item).map(Command::of::<M>))
    }
}
