//! Flows: a total that accrues to somebody, evenly over time.

use quipu_core::machine::ItemKey;
use quipu_core::machines::flow as machine;
use quipu_core::machines::flow::Command;
use quipu_core::records::Corrupt;
use quipu_core::words::{Amount, Asset, Id, Metadata, Timestamp};

pub use quipu_core::machines::flow::State;

use crate::book::Book;
use crate::call::{Call, Read};
use crate::error::Error;
use crate::history::History;
use crate::shown::{Kind, Parts, Shown, metadata_of};
use crate::words::Given;

/// A flow: a total that accrues to somebody, evenly over time, and is settled and withdrawn.
///
/// It is a handle, cheap to make and to clone; see [`Book::flow`](crate::Book::flow). What it is
/// doing is a [`View`].
///
/// ```
/// # async fn example(ledger: quipu::Ledger) -> Result<(), quipu::Error> {
/// let book = ledger.book("default");
/// let salary = book.flow("salary-7");
/// // A draft; it begins when it is started, or at `start_at`.
/// salary.open("USD/2", 3_000_00, 30 * 86_400).await?.done()?;
/// let begun = salary.start().await?.done()?;
/// assert_eq!(begun.state, quipu::flow::State::Active);
/// // Nothing of note has accrued in the first instant.
/// assert_eq!(salary.withdraw_all().await?.code(), Some(quipu::Code::ExceedsWithdrawable));
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
pub struct Flow {
    book: Book,
    id: Result<Id, Error>,
}

/// A flow as it stood. `withdrawn ≤ settled ≤ accrued ≤ total`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct View {
    /// Which one.
    pub id: Id,
    /// What it is doing.
    pub state: State,
    /// What accrues.
    pub asset: Asset,
    /// How much accrues in all.
    pub total: Amount,
    /// How much has accrued as of this answer.
    pub accrued: Amount,
    /// How much of it may be withdrawn, or was.
    pub settled: Amount,
    /// How much went out.
    pub withdrawn: Amount,
    /// How much is settled and not withdrawn.
    pub withdrawable: Amount,
    /// How much went back when it was stopped or cancelled.
    pub refunded: Amount,
    /// In how much active time all accrues, in milliseconds.
    pub duration_ms: u64,
    /// The active time before which nothing accrues, in milliseconds.
    pub cliff_ms: u64,
    /// When it began or will begin; never a draft's.
    pub start_at: Option<Timestamp>,
    /// When all will have accrued, or has; while it is paused, as if it were resumed now.
    pub end_at: Option<Timestamp>,
    /// The account that funds it; outside where absent.
    pub payer: Option<Id>,
    /// The account that withdrawals go to; outside where absent.
    pub recipient: Option<Id>,
    /// What hangs on it.
    pub metadata: Metadata,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When its last event happened.
    pub updated_at: Timestamp,
}

/// What was settled or withdrawn, and the flow behind it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Moved {
    /// How much.
    pub amount: Amount,
    /// The flow behind it.
    pub flow: View,
}

impl Kind for machine::Flow {
    type View = View;

    fn items() -> Vec<ItemKey> {
        vec![machine::metadata_key()]
    }

    fn view(parts: Parts<Self>) -> View {
        let Parts { name, stamp, head, items, at } = parts;
        View {
            id: name.id,
            state: head.state,
            asset: head.asset,
            total: head.total,
            accrued: head.accrued(at),
            settled: head.settled,
            withdrawn: head.withdrawn,
            withdrawable: head.withdrawable(),
            refunded: head.refunded,
            duration_ms: head.duration_ms,
            cliff_ms: head.cliff_ms,
            start_at: head.start_at,
            end_at: head.end_at(at),
            payer: head.payer,
            recipient: head.recipient,
            metadata: metadata_of!(items, machine::Attached { metadata } => metadata.clone()),
            created_at: stamp.created,
            updated_at: stamp.updated,
        }
    }
}

impl Flow {
    pub(crate) fn new(book: &Book, id: impl Given<Id>) -> Self {
        Self { book: book.clone(), id: id.word() }
    }

    /// Opens it: so much accrues in so many seconds of active time. It is a draft until it is
    /// [started](Self::start), unless it [begins at a time](Call::start_at).
    pub fn open(
        &self,
        asset: impl Given<Asset>,
        total: impl Given<Amount>,
        duration_seconds: u64,
    ) -> Call<View, Opening> {
        let command = asset.word().and_then(|asset| {
            Ok(Command::Open {
                asset,
                total: total.word()?,
                duration_ms: ms(duration_seconds)?,
                start_at: None,
                cliff_ms: 0,
                payer: None,
                recipient: None,
                metadata: Metadata::default(),
            })
        });
        self.call(command, |shown| shown.view::<machine::Flow>())
    }

    /// Reads it.
    pub fn get(&self) -> Read<View> {
        let items = machine::Flow::items();
        Read::new::<machine::Flow>(&self.book, self.id.clone(), items, |shown| {
            shown.view::<machine::Flow>().map(Some)
        })
    }

    /// A draft begins now. Anything else: `wrong_state`.
    pub fn start(&self) -> Call<View> {
        self.shows_flow(Command::Start)
    }

    /// Its time stands still. What is not active: `wrong_state`.
    pub fn pause(&self) -> Call<View> {
        self.shows_flow(Command::Pause)
    }

    /// Its time runs on. What is not paused: `wrong_state`.
    pub fn resume(&self) -> Call<View> {
        self.shows_flow(Command::Resume)
    }

    /// What has accrued and is not settled may be withdrawn from now on. Nothing new:
    /// `nothing_to_settle`.
    pub fn settle(&self) -> Call<Moved> {
        self.call(Ok(Command::Settle), moved)
    }

    /// So much of what is settled goes out: to the recipient, or outside. More than that:
    /// `exceeds_withdrawable`.
    pub fn withdraw(&self, amount: impl Given<Amount>) -> Call<Moved> {
        let amount = amount.word();
        self.call(amount.map(|amount| Command::Withdraw { amount: Some(amount) }), moved)
    }

    /// All that is settled goes out.
    pub fn withdraw_all(&self) -> Call<Moved> {
        self.call(Ok(Command::Withdraw { amount: None }), moved)
    }

    /// It lasts longer at the same rate. Once its time is up: `wrong_state`.
    pub fn top_up(&self, amount: impl Given<Amount>) -> Call<View> {
        let amount = amount.word();
        let command = amount.map(|amount| Command::TopUp { amount });
        self.call(command, |shown| shown.view::<machine::Flow>())
    }

    /// It ends now: what has accrued is settled, the rest goes back.
    pub fn stop(&self) -> Call<View> {
        self.shows_flow(Command::Stop)
    }

    /// A draft is dropped: all goes back.
    pub fn cancel(&self) -> Call<View> {
        self.shows_flow(Command::Cancel)
    }

    /// What happened to it, newest first.
    pub fn history(&self) -> History<machine::Event> {
        History::new::<machine::Flow>(&self.book, self.id.clone())
    }

    fn shows_flow(&self, command: Command) -> Call<View> {
        self.call(Ok(command), |shown| shown.view::<machine::Flow>())
    }

    fn call<T: Send + 'static, O: 'static>(
        &self,
        command: Result<Command, Error>,
        shape: fn(&Shown<'_>) -> Result<T, Corrupt>,
    ) -> Call<T, O> {
        Call::new::<machine::Flow>(&self.book, self.id.clone(), command, shape)
    }
}

fn ms(seconds: u64) -> Result<u64, Error> {
    seconds.checked_mul(1_000).ok_or_else(|| Error::form("so many seconds have no milliseconds"))
}

fn moved(shown: &Shown<'_>) -> Result<Moved, Corrupt> {
    let amount = match shown.event::<machine::Flow>()? {
        machine::Event::Settled(event) => event.amount,
        machine::Event::Withdrawn(event) => event.amount,
        _ => return Err(Corrupt::Tag),
    };
    Ok(Moved { amount, flow: shown.view::<machine::Flow>()? })
}

/// What may be said when a flow is opened.
pub enum Opening {}

impl Call<View, Opening> {
    /// When it begins; it may lie in the past.
    pub fn start_at(self, at: Timestamp) -> Self {
        self.alter::<machine::Flow>(|command| {
            if let Command::Open { start_at, .. } = command {
                *start_at = Some(at);
            }
            Ok(())
        })
    }

    /// The active time before which nothing accrues; at most the duration.
    pub fn cliff_seconds(self, seconds: u64) -> Self {
        self.alter::<machine::Flow>(|command| {
            if let Command::Open { cliff_ms, .. } = command {
                *cliff_ms = ms(seconds)?;
            }
            Ok(())
        })
    }

    /// The account that funds it, in the same step. Outside unless said otherwise.
    pub fn payer(self, account: impl Given<Id>) -> Self {
        self.alter::<machine::Flow>(|command| {
            if let Command::Open { payer, .. } = command {
                *payer = Some(account.word()?);
            }
            Ok(())
        })
    }

    /// The account that withdrawals go to. Outside unless said otherwise.
    pub fn recipient(self, account: impl Given<Id>) -> Self {
        self.alter::<machine::Flow>(|command| {
            if let Command::Open { recipient, .. } = command {
                *recipient = Some(account.word()?);
            }
            Ok(())
        })
    }

    /// What hangs on it.
    pub fn metadata(self, pairs: Metadata) -> Self {
        self.alter::<machine::Flow>(|command| {
            if let Command::Open { metadata, .. } = command {
                *metadata = pairs;
            }
            Ok(())
        })
    }
}
