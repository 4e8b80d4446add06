//! SQLite within the program: one writer, a log ahead of the file (WAL).

use std::path::Path;

use anyhow::{Context, Result, ensure};
use rusqlite::{Connection, Params, Row};

use super::{CACHE_MIB, Contestant, Entrant, Promise, now_ms};
use crate::round::{Desk, Round, Tally};
use crate::workload::{Answer, Ask, OPEN, Stock, Text, Work};

pub(super) const ENTRANTS: &[Entrant] = &[
    Entrant {
        name: "sqlite-full",
        promise: Promise::Durable,
        sync: "a sync of the WAL at each commit (synchronous=FULL)",
        clients: &[1],
        batch: 1,
        open: |dir| Sqlite::open(dir, "FULL", CHECKPOINT_PAGES),
    },
    Entrant {
        name: "sqlite-full-batch",
        promise: Promise::Batched,
        sync: "a sync of the WAL at each commit (synchronous=FULL)",
        clients: &[1],
        batch: 1_000,
        open: |dir| Sqlite::open(dir, "FULL", 10 * CHECKPOINT_PAGES),
    },
    Entrant {
        name: "sqlite-normal",
        promise: Promise::NotDurable,
        sync: "nothing; the WAL is synced before a checkpoint (synchronous=NORMAL)",
        clients: &[1],
        batch: 1,
        open: |dir| Sqlite::open(dir, "NORMAL", CHECKPOINT_PAGES),
    },
];

/// After how many pages in the WAL a checkpoint follows: as SQLite has it by default. A commit of a
/// thousand claims alone writes as many.
const CHECKPOINT_PAGES: i64 = 1_000;

const CLAIM: &str = "UPDATE ticket SET claimant = ?1, claimed_at = ?2 \
    WHERE id = ?3 AND claimant IS NULL RETURNING claimant";
const HOLDER: &str = "SELECT claimant FROM ticket WHERE id = ?1";
const TAKE: &str = "UPDATE hot SET taken = taken + 1 WHERE id = ?1 AND taken < stock \
    RETURNING taken";

struct Sqlite {
    connection: Connection,
    synchronous: &'static str,
    checkpoint_pages: i64,
    work: Option<Work>,
}

impl Sqlite {
    fn open(
        dir: &Path,
        synchronous: &'static str,
        checkpoint_pages: i64,
    ) -> Result<Box<dyn Contestant>> {
        let connection = Connection::open(dir.join("tickets.sqlite"))?;
        let mode: String =
            connection.query_row("PRAGMA journal_mode = WAL", (), |row| row.get(0))?;
        ensure!(mode == "wal", "the journal is {mode}");
        connection.pragma_update(None, "synchronous", synchronous)?;
        connection.pragma_update(None, "cache_size", -(CACHE_MIB as i64 * 1_024))?;
        connection.pragma_update(None, "wal_autocheckpoint", checkpoint_pages)?;
        connection.execute_batch(
            "CREATE TABLE ticket (id TEXT PRIMARY KEY, claimant TEXT, claimed_at INTEGER)
                 WITHOUT ROWID;
             CREATE TABLE hot (id TEXT PRIMARY KEY, taken INTEGER NOT NULL, stock INTEGER NOT NULL)
                 WITHOUT ROWID;",
        )?;
        Ok(Box::new(Self { connection, synchronous, checkpoint_pages, work: None }))
    }
}

impl Contestant for Sqlite {
    fn about(&self) -> String {
        let version = rusqlite::version();
        let (synchronous, pages) = (self.synchronous, self.checkpoint_pages);
        format!("SQLite {version}, WAL, synchronous={synchronous}, wal_autocheckpoint={pages}")
    }

    fn prepare(&mut self, stock: Stock) -> Result<()> {
        self.work = Some(stock.work);
        let transaction = self.connection.transaction()?;
        match stock.work {
            Work::Claims => {
                let mut insert = transaction.prepare("INSERT INTO ticket (id) VALUES (?1)")?;
                for ticket in stock.tickets() {
                    insert.execute([ticket.as_str()])?;
                }
            }
            Work::Hot => {
                let mut insert = transaction.prepare("INSERT INTO hot VALUES (?1, ?2, ?3)")?;
                for (id, taken, stock) in stock.drops() {
                    insert.execute((id, taken as i64, stock as i64))?;
                }
            }
        }
        transaction.commit()?;
        // The WAL keeps its length, so that no commit has to make it longer.
        self.connection.query_row("PRAGMA wal_checkpoint(RESTART)", (), |_| Ok(()))?;
        Ok(())
    }

    fn run(&mut self, round: &Round) -> Result<Tally> {
        round.run(vec![Writer { connection: &mut self.connection }])
    }

    fn claims(&mut self) -> Result<u64> {
        let count: i64 = match self.work.context("nothing was prepared")? {
            Work::Claims => {
                let sql = "SELECT count(claimant) FROM ticket";
                self.connection.query_row(sql, (), |row| row.get(0))?
            }
            Work::Hot => {
                let sql = "SELECT taken FROM hot WHERE id = ?1";
                self.connection.query_row(sql, [OPEN], |row| row.get(0))?
            }
        };
        Ok(count as u64)
    }

    fn stop(self: Box<Self>) -> Result<()> {
        self.connection.close().map_err(|(_, error)| error.into())
    }
}

/// The one client.
struct Writer<'a> {
    connection: &'a mut Connection,
}

impl Desk for Writer<'_> {
    fn answer(&mut self, asks: &[Ask], answers: &mut Vec<Answer>) -> Result<()> {
        // One statement is a transaction by itself.
        let together = asks.len() > 1;
        if together {
            self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute(())?;
        }
        for ask in asks {
            answers.push(answer(self.connection, ask)?);
        }
        if together {
            self.connection.prepare_cached("COMMIT")?.execute(())?;
        }
        Ok(())
    }
}

fn answer(connection: &Connection, ask: &Ask) -> Result<Answer> {
    match ask {
        Ask::Claim { ticket, claimant } => {
            let values = (claimant.as_str(), now_ms() as i64, ticket.as_str());
            if let Some(by) = only_row(connection, CLAIM, values, text)? {
                return Ok(Answer::Claimed(by));
            }
            let by = only_row(connection, HOLDER, [ticket.as_str()], text)?;
            Ok(Answer::Taken(by.context("no such ticket")?))
        }
        Ask::Take { drop } => {
            let unit = only_row(connection, TAKE, [drop], |row| Ok(row.get::<_, i64>(0)?))?;
            Ok(unit.map_or(Answer::SoldOut, |unit| Answer::Unit(unit as u64)))
        }
    }
}

/// The row that a statement gives, if any.
fn only_row<T>(
    connection: &Connection,
    sql: &str,
    values: impl Params,
    read: impl FnOnce(&Row<'_>) -> Result<T>,
) -> Result<Option<T>> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(values)?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let value = read(row)?;
    // A statement by itself commits behind its last row. Unless it is asked for another one, an
    // error of that is told to nobody.
    ensure!(rows.next()?.is_none(), "more than one row");
    Ok(Some(value))
}

fn text(row: &Row<'_>) -> Result<Text> {
    Text::new(row.get_ref(0)?.as_str()?)
}
