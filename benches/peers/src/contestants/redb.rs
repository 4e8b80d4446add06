//! redb alone, within the program: one writer.

use std::path::Path;

use anyhow::{Context, Result};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};

use super::{CACHE_MIB, Contestant, Entrant, Promise, locked_version, now_ms};
use crate::round::{Desk, Round, Tally};
use crate::workload::{Answer, Ask, OPEN, Stock, Text, Work};

pub(super) const ENTRANTS: &[Entrant] = &[
    Entrant {
        name: "redb",
        promise: Promise::Durable,
        sync: "a sync of the file at each commit (Durability::Immediate)",
        clients: &[1],
        batch: 1,
        open: Redb::open,
    },
    Entrant {
        name: "redb-batch",
        promise: Promise::Batched,
        sync: "a sync of the file at each commit (Durability::Immediate)",
        clients: &[1],
        batch: 1_000,
        open: Redb::open,
    },
];

/// Who has a ticket, and since when.
const TICKETS: TableDefinition<'_, &str, (Option<&str>, u64)> = TableDefinition::new("tickets");
/// How many units of a drop are taken, and how many there are.
const DROPS: TableDefinition<'_, &str, (u64, u64)> = TableDefinition::new("drops");

struct Redb {
    database: Database,
    work: Option<Work>,
}

impl Redb {
    fn open(dir: &Path) -> Result<Box<dyn Contestant>> {
        let mut builder = Database::builder();
        let database = builder.set_cache_size(CACHE_MIB << 20).create(dir.join("tickets.redb"))?;
        Ok(Box::new(Self { database, work: None }))
    }
}

impl Contestant for Redb {
    fn about(&self) -> String {
        format!("redb {}, one writer", locked_version("redb"))
    }

    fn prepare(&mut self, stock: Stock) -> Result<()> {
        self.work = Some(stock.work);
        let transaction = self.database.begin_write()?;
        {
            let mut tickets = transaction.open_table(TICKETS)?;
            let mut drops = transaction.open_table(DROPS)?;
            match stock.work {
                Work::Claims => {
                    for ticket in stock.tickets() {
                        tickets.insert(ticket.as_str(), (None, 0))?;
                    }
                }
                Work::Hot => {
                    for (id, taken, stock) in stock.drops() {
                        drops.insert(id, (taken, stock))?;
                    }
                }
            }
        }
        transaction.commit()?;
        Ok(())
    }

    fn run(&mut self, round: &Round) -> Result<Tally> {
        round.run(vec![Writer { database: &self.database, work: round.work }])
    }

    fn claims(&mut self) -> Result<u64> {
        let transaction = self.database.begin_read()?;
        match self.work.context("nothing was prepared")? {
            Work::Claims => {
                let mut claims = 0;
                for row in transaction.open_table(TICKETS)?.iter()? {
                    claims += u64::from(row?.1.value().0.is_some());
                }
                Ok(claims)
            }
            Work::Hot => {
                let drops = transaction.open_table(DROPS)?;
                let open = drops.get(OPEN)?.context("no such drop")?;
                Ok(open.value().0)
            }
        }
    }

    fn stop(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

/// The one client.
struct Writer<'a> {
    database: &'a Database,
    work: Work,
}

impl Desk for Writer<'_> {
    fn answer(&mut self, asks: &[Ask], answers: &mut Vec<Answer>) -> Result<()> {
        let transaction = self.database.begin_write()?;
        match self.work {
            Work::Claims => claim(&transaction, asks, answers)?,
            Work::Hot => take(&transaction, asks, answers)?,
        }
        // A refusal alone changes nothing, and rests on what is durable already.
        if answers.iter().all(|answer| matches!(answer, Answer::Taken(_) | Answer::SoldOut)) {
            transaction.abort()?;
        } else {
            transaction.commit()?;
        }
        Ok(())
    }
}

fn claim(transaction: &WriteTransaction, asks: &[Ask], answers: &mut Vec<Answer>) -> Result<()> {
    let mut tickets = transaction.open_table(TICKETS)?;
    for ask in asks {
        let Ask::Claim { ticket, claimant } = ask else { continue };
        let holder = {
            let row = tickets.get(ticket.as_str())?.context("no such ticket")?;
            row.value().0.map(Text::new).transpose()?
        };
        answers.push(match holder {
            Some(by) => Answer::Taken(by),
            None => {
                tickets.insert(ticket.as_str(), (Some(claimant.as_str()), now_ms()))?;
                Answer::Claimed(*claimant)
            }
        });
    }
    Ok(())
}

fn take(transaction: &WriteTransaction, asks: &[Ask], answers: &mut Vec<Answer>) -> Result<()> {
    let mut drops = transaction.open_table(DROPS)?;
    for ask in asks {
        let Ask::Take { drop } = ask else { continue };
        let (taken, stock) = drops.get(*drop)?.context("no such drop")?.value();
        answers.push(if taken < stock {
            drops.insert(*drop, (taken + 1, stock))?;
            Answer::Unit(taken + 1)
        } else {
            Answer::SoldOut
        });
    }
    Ok(())
}
