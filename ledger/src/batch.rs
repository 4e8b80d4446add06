//! Batches: independent calls that are asked at once.

use core::future::IntoFuture;

use quipu_core::shard::{Ask, Reply};
use quipu_core::words::{Fault, Name};

use crate::blocking;
use crate::call::{Call, Soon, conclude, conclude_made};
use crate::error::Error;
use crate::ledger::Ledger;
use crate::outcome::{Outcome, Refused, Told};

/// Independent calls that are asked at once, each with an outcome of its own: see
/// [`Ledger::batch`].
///
/// They share one entry and one wake-up, so a thousand of them cost little more than one. Those
/// on one stream are carried out in their order. [`Call::map`] makes calls of different kinds one
/// type.
///
/// ```
/// # async fn example(ledger: quipu::Ledger) -> Result<(), quipu::Error> {
/// let book = ledger.book("default");
/// let seat = book.ticket("seat-14");
/// seat.issue().await?.done()?;
/// let claims = ["alice", "bob", "carol"].map(|who| seat.claim(who));
/// let outcomes = ledger.batch(claims).await;
/// let won = outcomes.iter().filter(|outcome| outcome.as_ref().is_ok_and(|of| of.is_done()));
/// assert_eq!(won.count(), 1);
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
pub struct Batch<T> {
    ledger: Ledger,
    calls: Vec<Call<T>>,
}

/// What came of each call of a batch, in their order.
pub type Outcomes<T> = Vec<Result<Outcome<T>, Error>>;

impl<T: Send + 'static> Batch<T> {
    pub(crate) fn new(ledger: &Ledger) -> Self {
        Self { ledger: ledger.clone(), calls: Vec::new() }
    }

    /// One call more.
    pub fn and<O: 'static>(mut self, call: Call<T, O>) -> Self {
        self.calls.push(call.plain());
        self
    }

    /// More calls.
    pub fn all<O: 'static>(mut self, calls: impl IntoIterator<Item = Call<T, O>>) -> Self {
        self.calls.extend(calls.into_iter().map(Call::plain));
        self
    }

    /// How many calls it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.calls.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// Asks, and waits for the answers on this thread, which must not be one that a runtime runs
    /// its tasks on.
    pub fn wait(self) -> Outcomes<T> {
        blocking::wait(self.make())
    }

    async fn make(self) -> Outcomes<T> {
        let Self { ledger, calls } = self;
        let mut outcomes: Vec<Option<Result<Outcome<T>, Error>>> = Vec::new();
        let (mut asks, mut asked) = (Vec::new(), Vec::new());
        for (index, call) in calls.into_iter().enumerate() {
            outcomes.push(None);
            match prepared(&ledger, &call).await {
                Ok(Ok(ask)) => {
                    asks.push(ask);
                    asked.push((index, call));
                }
                Ok(Err(refused)) => outcomes[index] = Some(Ok(Outcome::Refused(refused))),
                Err(error) => outcomes[index] = Some(Err(error)),
            }
        }
        let replies = ledger.ask_all(asks).await;
        for ((index, call), reply) in asked.into_iter().zip(replies) {
            outcomes[index] = Some(told(call, reply).await);
        }
        let missing = || Err(Fault::Internal.into());
        outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(missing)).collect()
    }
}

/// What is asked of the engine for one call.
async fn prepared<T: Send + 'static>(
    ledger: &Ledger,
    call: &Call<T>,
) -> Result<Result<Ask, Refused>, Error> {
    if !ledger.is(call.book.ledger()) {
        return Err(Error::form("the call is one of another ledger"));
    }
    let asked = call.asked.as_ref().map_err(Clone::clone)?;
    let number = match call.book.number().await? {
        Ok(number) => number,
        Err(refused) => return Ok(Err(refused)),
    };
    let stream = Name::new(number, asked.kind, asked.id.clone());
    Ok(Ok(asked.ask(&call.book, &stream, call.key.as_ref()).await?))
}

/// What came of one call.
async fn told<T: Send + 'static>(call: Call<T>, reply: Reply) -> Result<Outcome<T>, Error> {
    let stream = match (&call.asked, call.book.number().await?) {
        (Ok(asked), Ok(number)) => Name::new(number, asked.kind, asked.id.clone()),
        (Err(error), _) => return Err(error.clone()),
        (_, Err(refused)) => return Ok(Outcome::Refused(refused)),
    };
    if let (Ok(asked), Reply::Refused(refused)) = (&call.asked, &reply)
        && asked.is_refused_for_its_era(refused.refusal.code, refused.refusal.fact)
    {
        return call.make().await;
    }
    let (told, Call { book, asked, key, shape, .. }) = (Told::of(reply)?, call);
    match asked?.is_kept_apart(key.as_ref()) {
        false => conclude(&book, &stream, told, shape),
        true => conclude_made(&book, &stream, told, shape),
    }
}

impl<T: Send + 'static> IntoFuture for Batch<T> {
    type Output = Outcomes<T>;
    type IntoFuture = Soon<Outcomes<T>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.make())
    }
}
