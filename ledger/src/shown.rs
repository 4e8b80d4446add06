//! What an answer shows: pieces of packed state, read as what callers hold.

use quipu_core::machine::{Answer, ItemKey, Machine, Piece, Stamp, What};
use quipu_core::records::{Corrupt, HeadRow, ItemRow, Record, Table, key_of_head, key_of_item};
use quipu_core::store;
use quipu_core::words::{Name, Number, Position, Timestamp};

use crate::error::Error;

/// A kind of stream as it is shown: what belongs to it, and what callers hold of that.
pub(crate) trait Kind: Machine {
    /// What callers hold.
    type View: Send + 'static;

    /// The items that are shown with the head.
    fn items() -> Vec<ItemKey> {
        Vec::new()
    }

    /// Makes it.
    fn view(parts: Parts<Self>) -> Self::View;
}

/// One stream as it stood.
pub(crate) struct Parts<M: Machine> {
    pub(crate) name: Name,
    pub(crate) stamp: Stamp,
    pub(crate) head: M::Head,
    pub(crate) items: Vec<(ItemKey, M::Item)>,
    /// The time as of which it is shown.
    pub(crate) at: Timestamp,
}

/// What one answer shows, or one leg of it.
pub(crate) struct Shown<'a> {
    pub(crate) name: &'a Name,
    /// The position of its event.
    pub(crate) position: Position,
    /// When it was decided.
    pub(crate) at: Timestamp,
    /// What tokens are derived with.
    pub(crate) secret: &'a [u8; 32],
    pub(crate) pieces: &'a [Piece<'a>],
}

impl Shown<'_> {
    /// The events of machine `M`, in order.
    pub(crate) fn events<M: Machine>(&self) -> impl Iterator<Item = Result<M::Event, Corrupt>> {
        let all = self.of::<M>().filter(|piece| matches!(piece.what, What::Event));
        all.map(|piece| M::Event::unpack(piece.tag, piece.record))
    }

    /// The first event of machine `M`.
    pub(crate) fn event<M: Machine>(&self) -> Result<M::Event, Corrupt> {
        self.events::<M>().next().ok_or(Corrupt::Missing)?
    }

    /// The first head of machine `M`, and whose it is.
    pub(crate) fn head<M: Machine>(&self) -> Result<(Number, Stamp, M::Head), Corrupt> {
        let mut heads = self.of::<M>().filter_map(|piece| match piece.what {
            What::Head(stamp) => Some((piece, stamp)),
            _ => None,
        });
        let (piece, stamp) = heads.next().ok_or(Corrupt::Missing)?;
        Ok((piece.number, stamp, M::Head::unpack(piece.tag, piece.record)?))
    }

    /// The items of machine `M`.
    pub(crate) fn items<M: Machine>(&self) -> Result<Vec<(ItemKey, M::Item)>, Corrupt> {
        let items = self.of::<M>().filter_map(|piece| match &piece.what {
            What::Item(key) => Some((key, piece)),
            _ => None,
        });
        items
            .map(|(key, piece)| Ok((key.clone(), M::Item::unpack(piece.tag, piece.record)?)))
            .collect()
    }

    /// The first item of machine `M`.
    pub(crate) fn item<M: Machine>(&self) -> Result<(ItemKey, M::Item), Corrupt> {
        self.items::<M>()?.into_iter().next().ok_or(Corrupt::Missing)
    }

    /// The stream of kind `M` as it is shown.
    pub(crate) fn view<M: Kind>(&self) -> Result<M::View, Corrupt> {
        let (_, stamp, head) = self.head::<M>()?;
        let (name, at) = (self.name.clone(), self.at);
        Ok(M::view(Parts { name, stamp, head, items: self.items::<M>()?, at }))
    }

    fn of<M: Machine>(&self) -> impl Iterator<Item = &Piece<'_>> {
        self.pieces.iter().filter(|piece| piece.kind == M::KIND)
    }
}

/// The pieces of an answer.
pub(crate) fn pieces(answer: &Answer) -> Result<Vec<Piece<'_>>, Corrupt> {
    answer.pieces().collect()
}

/// One stream as its rows have it.
pub(crate) struct Rows {
    pub(crate) name: Name,
    pub(crate) number: Number,
    pub(crate) stamp: Stamp,
    head: Vec<u8>,
    items: Vec<(ItemKey, Vec<u8>)>,
}

impl Rows {
    /// Reads the head of a stream and those of these items that are there. `None` where the
    /// stream is not.
    pub(crate) fn read(
        store: &dyn store::Reader,
        number: Number,
        items: &[ItemKey],
    ) -> Result<Option<Self>, Error> {
        let Some(head) = store.get(Table::Head, &key_of_head(number))? else { return Ok(None) };
        let HeadRow { name, stamp, .. } = HeadRow::read(&head)?;
        let mut found = Vec::with_capacity(items.len());
        for key in items {
            let mut row = Vec::new();
            key_of_item(number, key, &mut row);
            if let Some(item) = store.get(Table::Item, &row)? {
                found.push((key.clone(), item));
            }
        }
        Ok(Some(Self { name, number, stamp, head, items: found }))
    }

    /// The same as pieces of an answer.
    pub(crate) fn pieces(&self) -> Result<Vec<Piece<'_>>, Corrupt> {
        let (kind, number) = (self.name.kind, self.number);
        let row = HeadRow::read(&self.head)?;
        let what = What::Head(self.stamp);
        let mut pieces = vec![Piece { what, kind, number, tag: row.tag, record: row.head }];
        for (key, item) in &self.items {
            let row = ItemRow::read(item)?;
            let what = What::Item(key.clone());
            pieces.push(Piece { what, kind, number, tag: row.tag, record: row.item });
        }
        Ok(pieces)
    }
}

/// The text of metadata, among the items that are shown with a head.
macro_rules! metadata_of {
    ($items:expr, $pattern:pat => $metadata:expr) => {
        $items
            .iter()
            .find_map(|(_, item)| match item {
                $pattern => Some($metadata),
                #[allow(unreachable_patterns)]
                _ => None,
            })
            .unwrap_or_default()
    };
}
pub(crate) use metadata_of;
