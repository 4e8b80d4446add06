//! Tickets: things that exist once and are claimed once.

mod issues;

pub use issues::{Issued, Issues};

use quipu_core::machine::ItemKey;
use quipu_core::machines::ticket as machine;
use quipu_core::machines::ticket::{Command, Item};
use quipu_core::records::Corrupt;
use quipu_core::words::{Amount, Asset, Id, Metadata, Position, Timestamp};

pub use quipu_core::machines::ticket::State;

use crate::book::Book;
use crate::call::{Call, Read};
use crate::error::Error;
use crate::history::History;
use crate::list::List;
use crate::shown::{Kind, Parts, Shown, metadata_of};
use crate::token::Token;
use crate::words::Given;

/// The longest reason of a revocation, in bytes.
pub const REASON_BYTES_MAX: usize = Command::REASON_LEN_MAX;

/// A ticket: a thing that exists once and is claimed once.
///
/// It is a handle, cheap to make and to clone; see [`Book::ticket`](crate::Book::ticket). What
/// there is to know of it is a [`View`].
///
/// ```
/// # async fn example(ledger: quipu::Ledger) -> Result<(), quipu::Error> {
/// let book = ledger.book("default");
/// let seat = book.ticket("seat-14");
/// seat.issue().amount(42_00, "EUR/2").await?.done()?;
///
/// let won = seat.claim("alice").await?.done()?;
/// let again = seat.claim("alice").await?.done()?;
/// assert_eq!(won.token, again.token);
/// assert_eq!(seat.claim("bob").await?.code(), Some(quipu::Code::AlreadyClaimed));
///
/// let shown = book.introspect(won.token).await?.expect("it is hers");
/// assert!(shown.active);
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
pub struct Ticket {
    book: Book,
    id: Result<Id, Error>,
}

/// A ticket as it stood.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct View {
    /// Which one.
    pub id: Id,
    /// Where it stands.
    pub state: State,
    /// What it is worth.
    pub amount: Option<Amount>,
    /// Of what.
    pub asset: Option<Asset>,
    /// What led to it.
    pub reference: Option<Id>,
    /// How many other references came for it, which are kept as evidence.
    pub evidence: u64,
    /// From when on it can no longer be claimed.
    pub expires_at: Option<Timestamp>,
    /// Who claimed it, and when. It stays known when the ticket is revoked.
    pub claim: Option<Claimed>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// Why.
    pub reason: Option<String>,
    /// What hangs on it.
    pub metadata: Metadata,
    /// When it was issued.
    pub created_at: Timestamp,
    /// When its last event happened.
    pub updated_at: Timestamp,
}

/// Who claimed a ticket, and when.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Claimed {
    /// Who.
    pub claimant: Id,
    /// When.
    pub at: Timestamp,
    /// The position of the claim.
    pub position: Position,
}

/// A claim, as its claimant is told of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Claim {
    /// Which ticket.
    pub ticket: Id,
    /// Who has it.
    pub claimant: Id,
    /// What proves it. The same claimant is told the same one again.
    pub token: Token,
    /// What the ticket is worth.
    pub amount: Option<Amount>,
    /// Of what.
    pub asset: Option<Asset>,
    /// When it was claimed.
    pub claimed_at: Timestamp,
    /// The position of the claim, whatever happened to the ticket since.
    pub position: Position,
}

/// A reference that came for a ticket which had another one, or none, already.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Evidence {
    /// The reference.
    pub reference: Id,
    /// When it was kept.
    pub at: Timestamp,
    /// The position at which it was kept.
    pub position: Position,
}

impl Kind for machine::Ticket {
    type View = View;

    fn items() -> Vec<ItemKey> {
        vec![machine::metadata_key(), machine::reference_key(), machine::reason_key()]
    }

    fn view(parts: Parts<Self>) -> View {
        let Parts { name, stamp, head, items, .. } = parts;
        let reference = items.iter().find_map(|(_, item)| match item {
            Item::Reference(own) => Some(own.reference.clone()),
            _ => None,
        });
        let reason = items.iter().find_map(|(_, item)| match item {
            Item::Reason(own) => Some(own.reason.clone()),
            _ => None,
        });
        View {
            id: name.id,
            state: head.state,
            amount: head.amount,
            asset: head.asset,
            reference,
            evidence: head.evidence,
            expires_at: Some(head.expires_at).filter(|at| *at != Timestamp::NEVER),
            claim: head.claim.map(|claim| Claimed {
                claimant: claim.claimant,
                at: claim.at,
                position: claim.position,
            }),
            revoked_at: head.revoked_at,
            reason,
            metadata: metadata_of!(items, Item::Metadata(metadata) => metadata.clone()),
            created_at: stamp.created,
            updated_at: stamp.updated,
        }
    }
}

impl Ticket {
    pub(crate) fn new(book: &Book, id: impl Given<Id>) -> Self {
        Self { book: book.clone(), id: id.word() }
    }

    /// Issues it. One that exists is refused with `already_exists`; see
    /// [`Book::issue`](crate::Book::issue) for many of which some may exist.
    pub fn issue(&self) -> Call<View, Issuing> {
        let command = Command::Issue {
            amount: None,
            asset: None,
            reference: None,
            expires_at: None,
            metadata: Metadata::default(),
            batch: false,
        };
        self.call(command, |shown| shown.view::<machine::Ticket>())
    }

    /// Claims it, once: the same claimant again is told the same, and nothing happens. Refused:
    /// `not_found`, `revoked`, `already_claimed`, `expired`, in this order.
    pub fn claim(&self, claimant: impl Given<Id>) -> Call<Claim> {
        let command = claimant.word().map(|claimant| Command::Claim { claimant });
        Call::new::<machine::Ticket>(&self.book, self.id.clone(), command, claim)
    }

    /// Takes it back, and its token with it. The first one counts; a repeat shows that. A reason
    /// has at most [`REASON_BYTES_MAX`] bytes, and may be empty.
    pub fn revoke(&self, reason: impl Into<String>) -> Call<View> {
        let reason = reason.into();
        let command = match reason.len() <= REASON_BYTES_MAX {
            true => Ok(Command::Revoke { reason }),
            false => Err(Error::form(format!("a reason has at most {REASON_BYTES_MAX} bytes"))),
        };
        Call::new::<machine::Ticket>(&self.book, self.id.clone(), command, |shown| {
            shown.view::<machine::Ticket>()
        })
    }

    /// Reads it.
    pub fn get(&self) -> Read<View> {
        let items = machine::Ticket::items();
        Read::new::<machine::Ticket>(&self.book, self.id.clone(), items, |shown| {
            shown.view::<machine::Ticket>().map(Some)
        })
    }

    /// The references that came for it beside its own.
    pub fn evidence(&self) -> List<Evidence> {
        List::items(&self.book, self.id.clone(), b'E')
    }

    /// What happened to it, newest first.
    pub fn history(&self) -> History<machine::Event> {
        History::new::<machine::Ticket>(&self.book, self.id.clone())
    }

    fn call<T: Send + 'static, O: 'static>(
        &self,
        command: Command,
        shape: fn(&Shown<'_>) -> Result<T, Corrupt>,
    ) -> Call<T, O> {
        Call::new::<machine::Ticket>(&self.book, self.id.clone(), Ok(command), shape)
    }
}

fn claim(shown: &Shown<'_>) -> Result<Claim, Corrupt> {
    let (number, _, head) = shown.head::<machine::Ticket>()?;
    let claim = head.claim.ok_or(Corrupt::Missing)?;
    Ok(Claim {
        ticket: shown.name.id.clone(),
        claimant: claim.claimant,
        token: Token::new(machine::token(shown.secret, shown.name, number)),
        amount: head.amount,
        asset: head.asset,
        claimed_at: claim.at,
        position: claim.position,
    })
}

/// What may be said when a ticket is issued.
pub enum Issuing {}

impl Call<View, Issuing> {
    /// What it is worth. It posts nothing: it is what somebody promises to whoever holds the
    /// ticket.
    pub fn amount(self, worth: impl Given<Amount>, of: impl Given<Asset>) -> Self {
        self.alter::<machine::Ticket>(|command| {
            if let Command::Issue { amount, asset, .. } = command {
                (*amount, *asset) = (Some(worth.word()?), Some(of.word()?));
            }
            Ok(())
        })
    }

    /// What it is worth, where everybody knows of what.
    pub fn worth(self, worth: impl Given<Amount>) -> Self {
        self.alter::<machine::Ticket>(|command| {
            if let Command::Issue { amount, .. } = command {
                *amount = Some(worth.word()?);
            }
            Ok(())
        })
    }

    /// What its worth is an amount of.
    pub fn asset(self, of: impl Given<Asset>) -> Self {
        self.alter::<machine::Ticket>(|command| {
            if let Command::Issue { asset, .. } = command {
                *asset = Some(of.word()?);
            }
            Ok(())
        })
    }

    /// What led to it, such as a payment.
    pub fn reference(self, name: impl Given<Id>) -> Self {
        self.alter::<machine::Ticket>(|command| {
            if let Command::Issue { reference, .. } = command {
                *reference = Some(name.word()?);
            }
            Ok(())
        })
    }

    /// From when on it can no longer be claimed.
    pub fn expires_at(self, at: Timestamp) -> Self {
        self.alter::<machine::Ticket>(|command| {
            if let Command::Issue { expires_at, .. } = command {
                *expires_at = Some(at);
            }
            Ok(())
        })
    }

    /// What hangs on it.
    pub fn metadata(self, pairs: Metadata) -> Self {
        self.alter::<machine::Ticket>(|command| {
            if let Command::Issue { metadata, .. } = command {
                *metadata = pairs;
            }
            Ok(())
        })
    }
}

impl Evidence {
    pub(crate) fn of(_: &ItemKey, item: Item) -> Option<Self> {
        let Item::Evidence(evidence) = item else { return None };
        let machine::Evidence { reference, position, at } = evidence;
        Some(Self { reference, at, position })
    }
}
