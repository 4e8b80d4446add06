//! The trial balance of a book: what came in, what went out and what is held, asset by asset.

use std::collections::BTreeMap;

use quipu_core::machine::Machine;
use quipu_core::machines::{account, flow};
use quipu_core::records::{Corrupt, HeadRow, Record, Table, key_of_head};
use quipu_core::words::{self, Amount, Asset, Position, Signed};

use crate::blocking::{self, beside};
use crate::book::Book;
use crate::error::Error;
use crate::snapshot::Snapshot;

/// The assets that one trial balance covers at most.
pub const ASSETS_MAX: usize = 10_000;

/// How many streams are read at a time.
const PAGE: usize = 256;

/// What [`Book::balance`] finds: the book as of one position.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Balance {
    /// Everything up to here is counted, and nothing behind.
    pub position: Position,
    /// Each asset of which there is an account or a flow, in their order.
    pub rows: Vec<Row>,
}

/// What there is of one asset.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Row {
    /// Which one.
    pub asset: Asset,
    /// What came in.
    pub came_in: Signed,
    /// What went out.
    pub went_out: Signed,
    /// The balances of all accounts, with what holds and unfinished withdrawals set aside; below
    /// 0 where overdrafts are larger.
    pub held_by_accounts: Signed,
    /// What is in flows: neither withdrawn nor given back.
    pub held_by_flows: Signed,
    /// `came_in − went_out − held_by_accounts − held_by_flows`: 0, unless something is broken.
    pub difference: Signed,
}

impl Book {
    /// Its trial balance, recounted from the heads of all accounts and flows as of one position,
    /// those that have ended included. It reads beside everybody and holds nobody up.
    ///
    /// | | counted |
    /// |---|---|
    /// | in | all that ever came into accounts, without what flows paid or gave back to them; and what flows without a payer were funded with |
    /// | out | all that ever went out of accounts, without what they funded flows with; and what flows without a recipient paid, or gave back without a payer |
    /// | held | balances of accounts; what is left in flows |
    ///
    /// So deposits, refunds of charges, and flows funded from outside are *in*; charges, captures,
    /// payouts that were completed, and what flows pay to outside are *out*; and what moves between
    /// an account and a flow is neither. A payout that is not finished is still held.
    ///
    /// What moves from one account to another, by a transfer or by the sale of a drop's units to a
    /// seller, is *in and out*: heads say how much came into an account, and not where from. So
    /// both are larger than what passed the border of the book by the same amount, and the
    /// difference does not change. What the log says is held against heads by
    /// [`verify`](crate::verify()), which tells these apart.
    ///
    /// Streams of a program's own kinds are not counted: what goes to them is out.
    pub async fn balance(&self) -> Result<Balance, Error> {
        let number = match self.number().await? {
            Ok(number) => number,
            Err(refused) => return Err(refused.into()),
        };
        let snapshot = self.ledger().snapshot().await?;
        beside(move || count(&snapshot, number)).await?
    }

    /// The same on a thread that no runtime runs its tasks on.
    pub fn balance_blocking(&self) -> Result<Balance, Error> {
        blocking::wait(self.balance())
    }
}

fn count(snapshot: &Snapshot, book: words::Book) -> Result<Balance, Error> {
    let mut sums = Sums::default();
    each::<account::Account>(snapshot, book, &mut |head| {
        let of = sums.of(head.asset)?;
        of.came_in(head.total_in)?;
        of.went_out(head.total_out)?;
        add(&mut of.accounts, head.balance.get())
    })?;
    each::<flow::Flow>(snapshot, book, &mut |head| {
        let of = sums.of(head.asset)?;
        // Where an account is the other side, its head has counted the same amount.
        match head.payer {
            Some(_) => {
                of.not_out(head.total)?;
                of.not_in(head.refunded)?;
            }
            None => {
                of.came_in(head.total)?;
                of.went_out(head.refunded)?;
            }
        }
        match head.recipient {
            Some(_) => of.not_in(head.withdrawn)?,
            None => of.went_out(head.withdrawn)?,
        }
        add(&mut of.flows, head.held().signed().get())
    })?;
    let rows = sums.0.into_iter().map(|(asset, sum)| sum.row(asset));
    Ok(Balance { position: snapshot.position(), rows: rows.collect::<Result<_, _>>()? })
}

/// The heads of all streams of a kind, a page at a time.
fn each<M: Machine>(
    snapshot: &Snapshot,
    book: words::Book,
    act: &mut dyn FnMut(M::Head) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut after = Vec::new();
    loop {
        let page = snapshot.store().list(book, M::KIND, 0, &after, PAGE)?;
        let is_last = page.len() < PAGE;
        for (key, number) in page {
            after = key;
            let row = snapshot.store().get(Table::Head, &key_of_head(number))?;
            let row = row.ok_or(Corrupt::Missing)?;
            let row = HeadRow::read(&row)?;
            act(M::Head::unpack(row.tag, row.head)?)?;
        }
        if is_last {
            return Ok(());
        }
    }
}

/// What is counted of each asset.
#[derive(Default)]
struct Sums(BTreeMap<Asset, Sum>);

impl Sums {
    fn of(&mut self, asset: Asset) -> Result<&mut Sum, Error> {
        if self.0.len() >= ASSETS_MAX && !self.0.contains_key(&asset) {
            let why = format!("a trial balance covers at most {ASSETS_MAX} assets");
            return Err(Error::form(why));
        }
        Ok(self.0.entry(asset).or_default())
    }
}

#[derive(Clone, Copy, Default)]
struct Sum {
    came_in: i128,
    went_out: i128,
    accounts: i128,
    flows: i128,
}

impl Sum {
    fn came_in(&mut self, amount: Amount) -> Result<(), Error> {
        add(&mut self.came_in, amount.signed().get())
    }

    fn went_out(&mut self, amount: Amount) -> Result<(), Error> {
        add(&mut self.went_out, amount.signed().get())
    }

    fn not_in(&mut self, amount: Amount) -> Result<(), Error> {
        add(&mut self.came_in, -amount.signed().get())
    }

    fn not_out(&mut self, amount: Amount) -> Result<(), Error> {
        add(&mut self.went_out, -amount.signed().get())
    }

    fn row(self, asset: Asset) -> Result<Row, Error> {
        let Self { came_in, went_out, accounts, flows } = self;
        let mut difference = came_in;
        for less in [went_out, accounts, flows] {
            difference = difference.checked_sub(less).ok_or_else(too_large)?;
        }
        let [came_in, went_out, held_by_accounts, held_by_flows, difference] =
            [came_in, went_out, accounts, flows, difference].map(Signed::new);
        Ok(Row { asset, came_in, went_out, held_by_accounts, held_by_flows, difference })
    }
}

fn add(sum: &mut i128, number: i128) -> Result<(), Error> {
    *sum = sum.checked_add(number).ok_or_else(too_large)?;
    Ok(())
}

fn too_large() -> Error {
    Error::form("what all accounts and flows of an asset hold and moved needs more than 127 bits")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asset(number: usize) -> Asset {
        format!("A{number}").parse().expect("an asset")
    }

    #[test]
    fn there_are_so_many_assets_and_no_more() {
        let mut sums = Sums::default();
        for number in 0..ASSETS_MAX {
            sums.of(asset(number)).expect("one of those");
        }
        sums.of(asset(7)).expect("one that is counted already");
        assert!(matches!(sums.of(asset(ASSETS_MAX)), Err(Error::Malformed(_))));
        assert_eq!(sums.0.len(), ASSETS_MAX);
    }

    #[test]
    fn a_head_that_does_not_add_up_shows_as_a_difference() {
        let mut sum = Sum::default();
        sum.came_in(Amount::from(100_u64)).expect("it fits");
        sum.went_out(Amount::from(30_u64)).expect("it fits");
        add(&mut sum.accounts, 60).expect("it fits");
        assert_eq!(sum.row(asset(1)).expect("it fits").difference.get(), 10);
    }

    #[test]
    fn what_is_too_large_is_said_and_does_not_wrap() {
        let mut sum = Sum::default();
        sum.came_in(Amount::MAX).expect("it fits");
        assert!(matches!(sum.came_in(Amount::MAX), Err(Error::Malformed(_))));
    }
}
