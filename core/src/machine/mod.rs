//! What a kind of stream is: its rules as a [`Machine`], and the registry that holds them all.
//!
//! A machine is pure. It never sees a clock, a disk or another stream; it is shown one
//! stream's head and the items that it asked for, and answers with an event or a refusal.

mod answer;
mod canon;
mod command;
mod cord;
mod cords;
mod indexed;
mod lent;
mod needs;
mod posting;
mod registry;
mod replayed;
mod solo;
mod state;

pub use answer::{Answer, Piece, Stamp, What};
pub use canon::{Canon, Canonical};
pub use command::{AnyCommand, Asked, Command, Said};
pub use cord::{CordState, Out};
pub(crate) use cords::item_hash;
pub use cords::{Accepted, Cords, Slot};
pub use lent::Lent;
pub use needs::{ItemKey, Needs, Shows};
pub use posting::{Posting, Postings, Side};
pub use registry::{Registry, Rules};
pub use replayed::{ReplaySlot, Replayed, Replaying};
pub use solo::{Solo, Told};
pub use state::{Changes, Items, Place, View};

use crate::records::Record;
use crate::words::{Amount, Asset, Code, Id, Kind, Name, Refusal, Timestamp};

/// The deterministic rules of one kind of stream.
///
/// Every function is pure and total: the same arguments give the same result, and no input
/// makes it panic. `decide` reads as a list of checks in a documented order of precedence,
/// then one visible line after which nothing can fail.
pub trait Machine: Sized + Send + Sync + 'static {
    /// The kind's number, which records keep. Own machines take 64 and above.
    const KIND: Kind;
    /// The kind's name, as callers know it.
    const NAME: &'static str;
    /// Whether its events have postings. The streams of such a machine never vanish: a trial
    /// balance needs their heads.
    const MOVES_VALUE: bool = false;
    /// The letters of items that have [index rows](Self::item_indexes).
    ///
    /// Whoever replaces or removes such an item must have it at hand, because its old rows go:
    /// [`needs`](Self::needs) and [`reads`](Self::reads) name it, unless the stream begins with
    /// the event or the item's key is made of its position.
    const INDEXED: &'static [u8] = &[];
    /// The longest head, packed, that this machine makes. At most 256 bytes.
    type Head: Record;
    /// What belongs to a stream beside its head: holds, claims, metadata.
    type Item: Record;
    /// What can happen to a stream.
    type Event: Record;
    /// What can be asked of a stream.
    type Command: Said;

    /// Names the items that `decide` may read for this command.
    fn needs(_command: &Self::Command, _needs: &mut Needs) {}

    /// Splits a command that touches more than its own stream into legs, from links that
    /// never change after creation. The first leg need not be the command's own stream.
    ///
    /// The view holds the items that the command needs; only what never changes after
    /// creation may decide how it is split.
    fn expand(_view: &View<'_, Self>, _command: &Self::Command, _link: Option<&Link>) -> Expansion {
        Expansion::Alone
    }

    /// What other streams need to know of this one to split their commands; it never changes
    /// while a command that was split by it can still be decided.
    fn link(_head: &Self::Head) -> Option<Link> {
        None
    }

    /// Accepts a command with an event, or without one where it was so already, or refuses.
    fn decide(
        view: &View<'_, Self>,
        command: &Self::Command,
        cx: &mut Context<'_>,
    ) -> Result<Decided<Self::Event>, Refusal>;

    /// Names the items that `apply` reads for this event.
    fn reads(_event: &Self::Event, _needs: &mut Needs) {}

    /// Changes the stream. The only place where state changes; it cannot fail.
    fn apply(state: &mut Changes<'_, Self>, event: &Self::Event, at: &Place);

    /// What an accepted event answers: the event itself, the stream, an item.
    fn shows(event: &Self::Event, at: &Place) -> Shows;

    /// When the stream itself is next due. [`Timestamp::NEVER`] where nothing is.
    fn due(_head: &Self::Head) -> Timestamp {
        Timestamp::NEVER
    }

    /// When an item is due.
    fn item_due(_item: &Self::Item) -> Timestamp {
        Timestamp::NEVER
    }

    /// The command that time gives once the stream (`None`) or an item is due.
    /// It must be accepted with an event after which that is no longer due.
    fn on_due(_item: Option<&ItemKey>) -> Option<Self::Command> {
        None
    }

    /// The command that a restore gives to a stream which came out of a backup, because the
    /// original may have gone on with it, or kept what belongs to it.
    ///
    /// It is accepted in every state: with an event after which there is no such command any
    /// more, or as so already.
    fn on_restored(_head: &Self::Head) -> Option<Self::Command> {
        None
    }

    /// The same for one of its items.
    fn on_restored_item(_key: &ItemKey, _item: &Self::Item) -> Option<Self::Command> {
        None
    }

    /// The signed movements of an event. `head` is the stream's as the event left it, or as a
    /// later one did: only what never changes after creation, the asset or a link, may decide.
    fn postings(_head: &Self::Head, _event: &Self::Event, _out: &mut Postings) {}

    /// What the stream holds of each asset: the sum of all postings on its side.
    fn holding(_head: &Self::Head, _out: &mut dyn FnMut(Asset, i128)) {}

    /// The index rows of a stream, beside the one by creation that every kind has.
    fn indexes(_head: &Self::Head, _index: &mut dyn FnMut(u8, &[u8])) {}

    /// The index rows of an item whose letter is [`INDEXED`](Self::INDEXED): a list over the
    /// items of all streams of a book and kind, in the order of these bytes. What takes more
    /// than [`INDEX_LEN_MAX`](crate::records::INDEX_LEN_MAX) of them is not listed.
    fn item_indexes(
        _name: &Name,
        _key: &ItemKey,
        _item: &Self::Item,
        _index: &mut dyn FnMut(u8, &[u8]),
    ) {
    }
}

/// What a decision rests on beside the stream.
pub struct Context<'a> {
    /// The time of the decision. Never before that of the stream's last event.
    pub now: Timestamp,
    /// What earlier legs of the same command have set in motion and not yet placed.
    pub transit: &'a mut Transit,
    /// The key from which tokens are derived.
    pub secret: &'a [u8; 32],
}

/// Value on its way between the legs of one command. It is nothing when the last leg is done.
///
/// Positive: a leg has given it and a later leg must take it. Negative: a leg has taken it
/// in advance and a later leg must pay it.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Transit {
    asset: Option<Asset>,
    amount: i128,
    ended: bool,
}

impl Transit {
    /// Whether nothing is on its way.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.amount == 0
    }

    /// What is on its way, with its sign.
    #[must_use]
    pub fn amount(&self) -> i128 {
        self.amount
    }

    /// The asset on its way, once a leg has named one.
    #[must_use]
    pub fn asset(&self) -> Option<Asset> {
        self.asset
    }

    /// Whether an earlier leg ended the stream for which later legs' streams stood in.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// A leg ends the stream for which later legs' streams stood in.
    pub fn end(&mut self) {
        self.ended = true;
    }

    /// A leg gives this much.
    pub fn give(&mut self, asset: Asset, amount: Amount) -> Result<(), Refusal> {
        self.shift(asset, amount.signed().get())
    }

    /// A leg takes this much.
    pub fn take(&mut self, asset: Asset, amount: Amount) -> Result<(), Refusal> {
        self.shift(asset, -amount.signed().get())
    }

    fn shift(&mut self, asset: Asset, by: i128) -> Result<(), Refusal> {
        if self.asset.is_some_and(|already| already != asset) {
            return Err(Code::AssetMismatch.into());
        }
        self.asset = Some(asset);
        self.amount = self.amount.checked_add(by).ok_or(Code::Overflow)?;
        Ok(())
    }
}

/// What an accepted command leads to.
#[derive(Clone, PartialEq, Debug)]
pub enum Decided<E> {
    /// Something happens.
    Event(E),
    /// It was so already: nothing happens, and this is shown.
    Already(Shows),
}

/// How a command is carried out.
#[derive(Debug)]
pub enum Expansion {
    /// On its own stream alone.
    Alone,
    /// After the link of another stream is known.
    Ask(Name),
    /// As these legs, together or not at all, in this order.
    Legs(Vec<(Name, Command)>),
}

/// What a stream tells others about itself, for [`Machine::expand`].
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Link {
    /// A number that grows whenever the rest changes.
    pub era: u64,
    /// Names that the others must know.
    pub names: Vec<Id>,
}
