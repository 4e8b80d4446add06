//! Drops: a limited stock that a crowd claims from.

use quipu_core::machine::ItemKey;
use quipu_core::machines::drop as machine;
use quipu_core::machines::drop::{Command, Event, Item};
use quipu_core::records::Corrupt;
use quipu_core::words::{Amount, Asset, Id, Metadata, Timestamp};

pub use quipu_core::machines::drop::{ClaimState, Payment, Price, State};

use crate::book::Book;
use crate::call::{Call, Read};
use crate::error::Error;
use crate::history::History;
use crate::list::List;
use crate::shown::{Kind, Parts, Shown, metadata_of};
use crate::words::Given;

/// A drop: a limited stock that a crowd claims from.
///
/// It is a handle, cheap to make and to clone; see [`Book::drop`](crate::Book::drop). What is left
/// of it is a [`View`].
///
/// ```
/// # async fn example(ledger: quipu::Ledger) -> Result<(), quipu::Error> {
/// let shoes = ledger.book("default").drop("shoes");
/// shoes.create(100).per_claimant(2).await?.done()?;
/// let claim = shoes.claim("alice").quantity(2).await?.done()?;
/// assert_eq!((claim.number, claim.remaining), (1, 98));
/// let third = shoes.claim("alice").await?;
/// assert_eq!(third.code(), Some(quipu::Code::ClaimLimitReached));
/// # Ok(())
/// # }
/// # let folder = tempfile::tempdir().unwrap();
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # runtime.block_on(async {
/// #     let ledger = quipu::Ledger::open(folder.path()).await.unwrap();
/// #     example(ledger.clone()).await.unwrap();
/// #     ledger.close().await.unwrap();
/// # });
/// ```
#[derive(Clone)]
pub struct Drop {
    book: Book,
    id: Result<Id, Error>,
}

/// A drop as it stood. `taken + remaining = stock`.
#[derive(Clone, PartialEq, Debug)]
pub struct View {
    /// Which one.
    pub id: Id,
    /// Where it stands, as of this answer.
    pub state: State,
    /// How many units there are.
    pub stock: u64,
    /// How many of them are claimed and not released.
    pub taken: u64,
    /// How many are left.
    pub remaining: u64,
    /// How many claims there were, released ones included.
    pub claims: u64,
    /// The most that one claimant may have.
    pub per_claimant: Option<u32>,
    /// When it opens or opened.
    pub opens_at: Timestamp,
    /// When it closes by itself.
    pub closes_at: Option<Timestamp>,
    /// What a unit costs.
    pub price: Option<Price>,
    /// The account that is paid.
    pub seller: Option<Id>,
    /// What hangs on it.
    pub metadata: Metadata,
    /// When it was created.
    pub created_at: Timestamp,
    /// When its last event happened.
    pub updated_at: Timestamp,
}

/// A claim that was just made.
#[derive(Clone, PartialEq, Debug)]
pub struct Claim {
    /// Its id, for [`Drop::release`].
    pub id: Id,
    /// Its number among the claims of this drop, from 1, without a gap.
    pub number: u64,
    /// Whose it is.
    pub claimant: Id,
    /// How many units.
    pub quantity: u32,
    /// How many units are left behind it.
    pub remaining: u64,
    /// What was paid for it.
    pub payment: Option<Payment>,
}

/// A claim as it stood.
#[derive(Clone, PartialEq, Debug)]
pub struct ClaimView {
    /// Its id.
    pub id: Id,
    /// Its number among the claims of this drop.
    pub number: u64,
    /// Whose it is.
    pub claimant: Id,
    /// How many units.
    pub quantity: u32,
    /// Where it stands.
    pub state: ClaimState,
    /// When it was made.
    pub at: Timestamp,
    /// What was paid for it.
    pub payment: Option<Payment>,
}

impl Kind for machine::Drop {
    type View = View;

    fn items() -> Vec<ItemKey> {
        vec![machine::metadata_key()]
    }

    fn view(parts: Parts<Self>) -> View {
        let Parts { name, stamp, head, items, at } = parts;
        View {
            id: name.id,
            state: head.state_at(at),
            stock: head.stock,
            taken: head.taken,
            remaining: head.remaining(),
            claims: head.claims,
            per_claimant: head.per_claimant,
            opens_at: head.opens_at,
            closes_at: Some(head.closes_at).filter(|at| *at != Timestamp::NEVER),
            price: head.price,
            seller: head.seller,
            metadata: metadata_of!(items, Item::Metadata(metadata) => metadata.clone()),
            created_at: stamp.created,
            updated_at: stamp.updated,
        }
    }
}

impl Drop {
    pub(crate) fn new(book: &Book, id: impl Given<Id>) -> Self {
        Self { book: book.clone(), id: id.word() }
    }

    /// Creates it, with that many units. It is open at once unless [said](Call::opens_at)
    /// otherwise. One that exists is refused with `already_exists`.
    pub fn create(&self, stock: u64) -> Call<View, Creating> {
        let command = Command::Create {
            stock,
            per_claimant: None,
            opens_at: None,
            closes_at: None,
            price: None,
            seller: None,
            metadata: Metadata::default(),
        };
        self.call(Ok(command), |shown| shown.view::<machine::Drop>())
    }

    /// Claims one unit, or [more](Call::quantity). With a price, the buyer is charged and the
    /// seller is paid in the same step. Refused: `not_found`, `not_open`, `sold_out`,
    /// `claim_limit_reached`, and what a charge is refused with.
    pub fn claim(&self, claimant: impl Given<Id>) -> Call<Claim, Claiming> {
        let command = claimant.word().map(|claimant| Command::Claim {
            claimant,
            quantity: 1,
            pay_from: None,
        });
        self.call(command, claimed)
    }

    /// Gives the units of a claim back, to the stock and to its claimant's limit, and what was
    /// paid for them. Refused: `not_found`, `wrong_state` once it was released.
    pub fn release(&self, claim: impl Given<Id>) -> Call<ClaimView> {
        self.call(claim.word().map(|claim| Command::Release { claim }), |shown| {
            let (key, item) = shown.item::<machine::Drop>()?;
            ClaimView::of(&key, item).ok_or(Corrupt::Tag)
        })
    }

    /// Sets how many units there are in all, those that are taken included. Less than that:
    /// `below_taken`.
    pub fn set_stock(&self, stock: u64) -> Call<View> {
        let command = Command::SetStock { stock };
        self.call(Ok(command), |shown| shown.view::<machine::Drop>())
    }

    /// Nothing is claimed any more.
    pub fn close(&self) -> Call<View> {
        self.call(Ok(Command::Close), |shown| shown.view::<machine::Drop>())
    }

    /// Reads it.
    pub fn get(&self) -> Read<View> {
        let items = machine::Drop::items();
        Read::new::<machine::Drop>(&self.book, self.id.clone(), items, |shown| {
            shown.view::<machine::Drop>().map(Some)
        })
    }

    /// Reads a claim.
    pub fn claimed(&self, claim: impl Given<Id>) -> Read<ClaimView> {
        let key = claim.word().map(|claim| claim.position('c').map(machine::claim_key));
        let (id, keys) = match key {
            Ok(key) => (self.id.clone(), key.into_iter().collect()),
            Err(error) => (Err(error), Vec::new()),
        };
        Read::new::<machine::Drop>(&self.book, id, keys, |shown| {
            let items = shown.items::<machine::Drop>()?;
            Ok(items.into_iter().find_map(|(key, item)| ClaimView::of(&key, item)))
        })
    }

    /// The claims of this drop in the order of their numbers, released ones included.
    pub fn claims(&self) -> List<Claim> {
        List::items(&self.book, self.id.clone(), b'C')
    }

    /// What happened to it, newest first.
    pub fn history(&self) -> History<Event> {
        History::new::<machine::Drop>(&self.book, self.id.clone())
    }

    fn call<T: Send + 'static, O: 'static>(
        &self,
        command: Result<Command, Error>,
        shape: fn(&Shown<'_>) -> Result<T, Corrupt>,
    ) -> Call<T, O> {
        Call::new::<machine::Drop>(&self.book, self.id.clone(), command, shape)
    }
}

fn claimed(shown: &Shown<'_>) -> Result<Claim, Corrupt> {
    let Event::Claimed(event) = shown.event::<machine::Drop>()? else { return Err(Corrupt::Tag) };
    let machine::Claimed { number, remaining, claimant, payment, quantity, .. } = event;
    let id = machine::Drop::claim_id(shown.position);
    Ok(Claim { id, number, claimant, quantity, remaining, payment: payment.map(|paid| *paid) })
}

impl ClaimView {
    pub(crate) fn of(key: &ItemKey, item: Item) -> Option<Self> {
        let Item::Claim(claim) = item else { return None };
        let machine::Claim { number, at, claimant, payment, quantity, state } = claim;
        let id = machine::Drop::claim_id(key.position()?);
        let payment = payment.map(|paid| *paid);
        Some(Self { id, number, claimant, quantity, state, at, payment })
    }
}

/// What may be said when a drop is created.
pub enum Creating {}

impl Call<View, Creating> {
    /// The most units that one claimant may have.
    pub fn per_claimant(self, limit: u32) -> Self {
        self.alter::<machine::Drop>(|command| {
            if let Command::Create { per_claimant, .. } = command {
                *per_claimant = Some(limit);
            }
            Ok(())
        })
    }

    /// When it opens: exactly at this instant, a claim is in time.
    pub fn opens_at(self, at: Timestamp) -> Self {
        self.alter::<machine::Drop>(|command| {
            if let Command::Create { opens_at, .. } = command {
                *opens_at = Some(at);
            }
            Ok(())
        })
    }

    /// When it closes by itself: exactly at this instant, a claim is too late.
    pub fn closes_at(self, at: Timestamp) -> Self {
        self.alter::<machine::Drop>(|command| {
            if let Command::Create { closes_at, .. } = command {
                *closes_at = Some(at);
            }
            Ok(())
        })
    }

    /// What a unit costs. Each claim then says [who pays](Call::pay_from).
    pub fn price(self, amount: impl Given<Amount>, asset: impl Given<Asset>) -> Self {
        self.alter::<machine::Drop>(|command| {
            if let Command::Create { price, .. } = command {
                *price = Some(Price { amount: amount.word()?, asset: asset.word()? });
            }
            Ok(())
        })
    }

    /// The account that is paid. Without one the money goes outside.
    pub fn seller(self, account: impl Given<Id>) -> Self {
        self.alter::<machine::Drop>(|command| {
            if let Command::Create { seller, .. } = command {
                *seller = Some(account.word()?);
            }
            Ok(())
        })
    }

    /// What hangs on it.
    pub fn metadata(self, pairs: Metadata) -> Self {
        self.alter::<machine::Drop>(|command| {
            if let Command::Create { metadata, .. } = command {
                *metadata = pairs;
            }
            Ok(())
        })
    }
}

/// What may be said when units are claimed.
pub enum Claiming {}

impl Call<Claim, Claiming> {
    /// How many units.
    pub fn quantity(self, units: u32) -> Self {
        self.alter::<machine::Drop>(|command| {
            if let Command::Claim { quantity, .. } = command {
                *quantity = units;
            }
            Ok(())
        })
    }

    /// The account that pays, where there is a price.
    pub fn pay_from(self, account: impl Given<Id>) -> Self {
        self.alter::<machine::Drop>(|command| {
            if let Command::Claim { pay_from, .. } = command {
                *pay_from = Some(account.word()?);
            }
            Ok(())
        })
    }
}
