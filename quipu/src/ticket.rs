//! Tickets: things that exist once and are claimed once.

use core::future::IntoFuture;

use quipu_core::machine::{Command as AnyCommand, ItemKey, Machine};
use quipu_core::machines::source;
use quipu_core::machines::ticket as machine;
use quipu_core::machines::ticket::{Command, Item};
use quipu_core::records::{Corrupt, Entries};
use quipu_core::shard::{Leg, Options};
use quipu_core::words::{Amount, Asset, Id, Metadata, Name, Position, Timestamp};

pub use quipu_core::machines::ticket::State;

use crate::blocking::{self, beside};
use crate::book::Book;
use crate::call::{Call, Read, Soon};
use crate::error::Error;
use crate::history::History;
use crate::ledger::Ledger;
use crate::list::List;
use crate::outcome::{Done, Outcome, Told};
use crate::shown::{Kind, Parts, Shown, metadata_of};
use crate::token::Token;
use crate::transaction::{KeyText, ask_together, check_leg};
use crate::words::Given;

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

    /// Takes it back, and its token with it. The first one counts; a repeat shows that.
    pub fn revoke(&self, reason: impl Into<String>) -> Call<View> {
        let command = Command::Revoke { reason: reason.into() };
        self.call(command, |shown| shown.view::<machine::Ticket>())
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

/// Many tickets that are issued together, all or none, of which some may exist already: those are
/// kept as they are, and a reference that they do not know is kept as evidence.
///
/// ```
/// # async fn example(ledger: quipu::Ledger) -> Result<(), quipu::Error> {
/// let book = ledger.book("default");
/// let payments = [("p1", 42), ("p2", 7)];
/// let tickets = payments.map(|(id, amount)| book.ticket(id).issue().amount(amount, "XMR/12"));
/// let issued = book.issue().all(tickets).source("chain", 1_017).await?.done()?;
/// assert_eq!((issued.issued, issued.existing), (2, 0));
/// assert_eq!(book.source("chain").get().await?.expect("it has come so far").cursor, 1_017);
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
#[must_use = "nothing is asked before it is awaited, or waited for"]
pub struct Issues {
    book: Book,
    tickets: Vec<Call<View, Issuing>>,
    source: Option<Result<(Id, u64), Error>>,
    key: Option<Result<KeyText, Error>>,
}

/// How many tickets a batch has issued.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Issued {
    /// Tickets that are new.
    pub issued: u64,
    /// Tickets that were there already and stay as they are.
    pub existing: u64,
}

impl Issues {
    pub(crate) fn new(book: &Book) -> Self {
        Self { book: book.clone(), tickets: Vec::new(), source: None, key: None }
    }

    /// One ticket more.
    pub fn and(mut self, ticket: Call<View, Issuing>) -> Self {
        self.tickets.push(ticket);
        self
    }

    /// More tickets.
    pub fn all(mut self, tickets: impl IntoIterator<Item = Call<View, Issuing>>) -> Self {
        self.tickets.extend(tickets);
        self
    }

    /// How far the reader has come whose source they are from. It is kept with the tickets, and
    /// never runs back.
    pub fn source(mut self, source: impl Given<Id>, cursor: u64) -> Self {
        self.source = Some(source.word().map(|source| (source, cursor)));
        self
    }

    /// Makes it safe to repeat; see [`Call::key`].
    pub fn key(mut self, key: impl AsRef<str>) -> Self {
        self.key = Some(KeyText::new(key.as_ref()));
        self
    }

    /// Asks, and waits for the answer on this thread, which must not be one that a runtime runs
    /// its tasks on.
    pub fn wait(self) -> Result<Outcome<Issued>, Error> {
        blocking::wait(self.into_future())
    }

    async fn make(self) -> Result<Outcome<Issued>, Error> {
        let Self { book, tickets, source, key } = self;
        let (source, key) = (source.transpose()?, key.transpose()?);
        let number = match book.number().await? {
            Ok(number) => number,
            Err(refused) => return Ok(Outcome::Refused(refused)),
        };
        let count = tickets.len() as u64;
        let mut legs = Vec::with_capacity(tickets.len() + 2);
        for ticket in tickets {
            check_leg(&book, &ticket)?;
            let ticket = ticket.alter::<machine::Ticket>(|command| {
                if let Command::Issue { batch, .. } = command {
                    *batch = true;
                }
                Ok(())
            });
            let asked = ticket.asked?;
            let stream = Name::new(number, asked.kind, asked.id.clone());
            legs.push(asked.leg(&book, &stream).await?);
        }
        if let Some((id, cursor)) = source {
            let stream = Name::new(number, source::Source::KIND, id);
            let command = AnyCommand::of::<source::Source>(source::Command::Advance { cursor });
            legs.push(Leg { stream, command, options: Options::default() });
        }
        if legs.is_empty() {
            return Err(Error::form("a batch has tickets, or a source"));
        }
        match ask_together(&book, number, "tickets", legs, key).await? {
            Told::Refused(refused) => Ok(Outcome::Refused(refused)),
            Told::Done(outcome) => {
                let issued = match outcome.changed {
                    true => issued_at(book.ledger(), outcome.position).await?,
                    false => 0,
                };
                let issued = Issued { issued, existing: count.saturating_sub(issued) };
                Ok(Outcome::Done(Done::of(&outcome, issued)))
            }
        }
    }
}

/// How many tickets an entry has created. The answer to many legs does not tell a ticket that is
/// new from one that got evidence; the log does.
async fn issued_at(ledger: &Ledger, last: Position) -> Result<u64, Error> {
    let log = ledger.handle().log().clone();
    let counted = beside(move || -> Result<u64, Error> {
        let frame = log.read(last)?.ok_or(Corrupt::Missing)?;
        let mut parts = Vec::new();
        let mut entries = Entries::new(&frame.bytes, frame.first);
        while let Some(front) = entries.next_into(&mut parts) {
            if front?.last() == last {
                let is_new = |part: &&quipu_core::records::Part<'_>| {
                    part.head.kind == machine::Ticket::KIND && part.head.created.is_some()
                };
                return Ok(parts.iter().filter(is_new).count() as u64);
            }
            parts.clear();
        }
        Err(Corrupt::Missing.into())
    });
    counted.await?
}

impl IntoFuture for Issues {
    type Output = Result<Outcome<Issued>, Error>;
    type IntoFuture = Soon<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.make())
    }
}

impl Evidence {
    pub(crate) fn of(_: &ItemKey, item: Item) -> Option<Self> {
        let Item::Evidence(evidence) = item else { return None };
        let machine::Evidence { reference, position, at } = evidence;
        Some(Self { reference, at, position })
    }
}
