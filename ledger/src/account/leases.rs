//! Payouts of all accounts of a book, leased to a worker.

use quipu_core::machine::Machine;
use quipu_core::machines::account as machine;
use quipu_core::shard::Sweep;
use quipu_core::words::{Code, Fault, Id};

use super::{Payouts, Withdrawal, WithdrawalState};
use crate::blocking;
use crate::book::Book;
use crate::error::Error;
use crate::list::List;
use crate::outcome::{Done, Outcome};
use crate::words::Given;

/// How many payouts one worker is given at a time.
pub const LEASES_MAX: usize = 1_000;

impl Book {
    /// Leases up to `max` payouts to a worker, at most [`LEASES_MAX`], each for so many seconds
    /// and with its secret: first those that it has already, then pending ones, in the order in
    /// which they were asked for. What another worker takes meanwhile is left out, and the next
    /// one comes in its place; no two workers ever get the same one.
    ///
    /// Each is a [lease](super::Payout::lease) of its own. So what the worker had before comes
    /// with a new fence, and the one that it had is stale: a worker that has started again goes
    /// on with what it had, and whatever is left of its former self can no longer say how that
    /// ended. Workers that are at work at the same time need names of their own.
    ///
    /// One that is asked for while this is under way may be left for the next time.
    pub async fn lease(
        &self,
        worker: impl Given<Id>,
        max: usize,
        seconds: u64,
    ) -> Result<Vec<Done<Withdrawal>>, Error> {
        let worker = worker.word()?;
        if max == 0 || max > LEASES_MAX || seconds == 0 {
            let why = format!("a worker leases 1 to {LEASES_MAX} payouts for a second or longer");
            return Err(Error::form(why));
        }
        let number = match self.number().await? {
            Ok(number) => number,
            Err(refused) => return Err(refused.into()),
        };
        // Leases that have run out are nobody's any more.
        let sweep = Sweep { only: Some((number, machine::Account::KIND)) };
        self.ledger().handle().sweep(&sweep).await?;
        let snapshot = self.ledger().snapshot().await?;
        let mut leases = Leases { book: self, worker: &worker, seconds, max, given: Vec::new() };
        let own = self.payouts().leased_by(&worker).at(&snapshot);
        let pending = self.payouts().state(WithdrawalState::Pending).at(&snapshot);
        let all = match leases.take(own).await {
            Ok(()) => leases.take(pending).await,
            failed => failed,
        };
        match all {
            // Those that were leased are durable. Whoever is told that nothing was done would
            // leave them until they are unknown.
            Err(Error::Fault(Fault::Overloaded | Fault::DiskFull)) if !leases.given.is_empty() => {}
            all => all?,
        }
        Ok(leases.given)
    }

    /// The same on a thread that no runtime runs its tasks on.
    pub fn lease_blocking(
        &self,
        worker: impl Given<Id>,
        max: usize,
        seconds: u64,
    ) -> Result<Vec<Done<Withdrawal>>, Error> {
        blocking::wait(self.lease(worker, max, seconds))
    }
}

/// What a worker is given, as far as it has come.
struct Leases<'a> {
    book: &'a Book,
    worker: &'a Id,
    seconds: u64,
    max: usize,
    given: Vec<Done<Withdrawal>>,
}

impl Leases<'_> {
    /// Leases payouts of this list until there are enough of them.
    async fn take(&mut self, mut list: List<Payouts>) -> Result<(), Error> {
        while self.given.len() < self.max {
            let mut leases = Vec::new();
            while self.given.len() + leases.len() < self.max {
                let Some(row) = list.next().await? else { break };
                let payout = self.book.account(&row.account).withdrawal(&row.id);
                leases.push(payout.lease(self.worker, self.seconds));
            }
            if leases.is_empty() {
                break;
            }
            let mut failed = None;
            for outcome in self.book.ledger().batch(leases).await {
                match outcome {
                    Ok(Outcome::Done(lease)) => self.given.push(lease),
                    // Somebody else has taken it, or it has ended.
                    Ok(Outcome::Refused(refused)) if refused.code == Code::WrongState => {}
                    Ok(Outcome::Refused(refused)) => failed = Some(refused.into()),
                    Err(error) => failed = Some(error),
                }
            }
            if let Some(error) = failed {
                return Err(error);
            }
        }
        Ok(())
    }
}
