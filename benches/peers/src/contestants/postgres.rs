//! PostgreSQL in processes of its own, behind a socket in its directory.
//!
//! What goes on behind a run's back is taken out of it, in its favour: no checkpoint and no vacuum
//! falls into a round, every page was written since the last checkpoint (so that no claim logs a
//! whole page), segments of the WAL are there ahead of need, and pages have room for the second
//! version of each row (so that no claim touches the index).

mod protocol;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use self::protocol::Connection;
use super::{CACHE_MIB, Contestant, Entrant, Missing, Promise, now_ms};
use crate::round::{Desk, Round, Tally};
use crate::server::{Server, User, command, complete, find, give};
use crate::workload::{Answer, Ask, OPEN, Stock, Text, Work};

pub(super) const ENTRANTS: &[Entrant] = &[Entrant {
    name: "postgres",
    promise: Promise::Durable,
    sync: "a sync of the WAL at each commit, shared by those who wait (synchronous_commit=on)",
    clients: &[1, 16, 64],
    batch: 1,
    open: Postgres::open,
}];

const CLAIM: &str = "UPDATE ticket SET claimant = $1, claimed_at = $2 \
    WHERE id = $3 AND claimant IS NULL RETURNING claimant";
const HOLDER: &str = "SELECT claimant FROM ticket WHERE id = $1";
const TAKE: &str = "UPDATE hot SET taken = taken + 1 WHERE id = $1 AND taken < stock \
    RETURNING taken";

/// Whom the server knows.
const USER: &str = "bench";

const TABLES: &str = "
    CREATE TABLE ticket (id text COLLATE \"C\" NOT NULL, claimant text, claimed_at bigint)
        WITH (fillfactor = 50);
    CREATE TABLE hot (id text COLLATE \"C\" PRIMARY KEY, taken bigint NOT NULL, stock bigint NOT NULL)
        WITH (fillfactor = 10);";

struct Postgres {
    server: Server,
    /// What ends it.
    pg_ctl: PathBuf,
    /// Where its data and its socket are.
    dir: PathBuf,
    user: Option<User>,
    version: String,
    work: Option<Work>,
}

impl Postgres {
    fn open(dir: &Path) -> Result<Box<dyn Contestant>> {
        let program = |name| find(name, debian()).ok_or(Missing("PostgreSQL"));
        let (initdb, pg_ctl, postgres) =
            (program("initdb")?, program("pg_ctl")?, program("postgres")?);
        let user = User::of_server(&["postgres", "nobody"])?;
        give(dir, user)?;
        let mut init = command(&initdb, dir, user)?;
        init.args(["--pgdata", "data", "--username", USER, "--auth", "trust"]);
        init.args(["--encoding", "UTF8", "--locale", "C"]);
        complete(&mut init, dir)?;
        let mut start = command(&postgres, dir, user)?;
        start.args(["-D", "data"]);
        let socket = format!("unix_socket_directories={}", dir.display());
        let buffers = format!("shared_buffers={CACHE_MIB}MB");
        for setting in [
            "listen_addresses=",
            &socket,
            "synchronous_commit=on",
            "fsync=on",
            "full_page_writes=on",
            "max_connections=100",
            &buffers,
            "checkpoint_timeout=1d",
            "max_wal_size=64GB",
            "min_wal_size=1GB",
            "autovacuum=off",
        ] {
            start.args(["-c", setting]);
        }
        let mut server = Server::start(&mut start, dir)?;
        let client = server.reach(|| Connection::open(dir, USER))?;
        let (version, dir) = (client.version, dir.to_owned());
        Ok(Box::new(Self { server, pg_ctl, dir, user, version, work: None }))
    }

    fn connect(&self) -> Result<Connection> {
        Connection::open(&self.dir, USER)
    }
}

/// Where Debian keeps programs that are not on the path, the newest first.
fn debian() -> Vec<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut dirs: Vec<_> = versions.map(|version| version.path().join("bin")).collect();
    dirs.sort_unstable();
    dirs.reverse();
    dirs
}

impl Contestant for Postgres {
    fn about(&self) -> String {
        let version = &self.version;
        format!("PostgreSQL {version}, synchronous_commit=on, prepared statements, a socket")
    }

    fn prepare(&mut self, stock: Stock) -> Result<()> {
        self.work = Some(stock.work);
        let mut client = self.connect()?;
        client.simple(TABLES)?;
        match stock.work {
            Work::Claims => {
                let rows = stock.tickets().map(|ticket| ticket.as_str().to_owned());
                client.copy("COPY ticket (id) FROM STDIN", rows)?;
                client.simple("ALTER TABLE ticket ADD PRIMARY KEY (id)")?;
            }
            Work::Hot => {
                let rows =
                    stock.drops().map(|(id, taken, stock)| format!("{id}\t{taken}\t{stock}"));
                client.copy("COPY hot FROM STDIN", rows.into_iter())?;
            }
        }
        // The checkpoint makes the segments of the load into spare ones; the vacuum then writes
        // each page for the first time since.
        client.simple("CHECKPOINT")?;
        client.simple("VACUUM (FREEZE, ANALYZE) ticket")?;
        client.simple("VACUUM (FREEZE, ANALYZE) hot")?;
        Ok(())
    }

    fn run(&mut self, round: &Round) -> Result<Tally> {
        let session = || {
            let mut client = self.connect()?;
            for (name, sql) in [("claim", CLAIM), ("holder", HOLDER), ("take", TAKE)] {
                client.prepare(name, sql)?;
            }
            Ok(Session { client })
        };
        round.run((0..round.clients).map(|_| session()).collect::<Result<_>>()?)
    }

    fn claims(&mut self) -> Result<u64> {
        let count = match self.work.context("nothing was prepared")? {
            Work::Claims => "SELECT count(claimant) FROM ticket".to_owned(),
            Work::Hot => format!("SELECT taken FROM hot WHERE id = '{OPEN}'"),
        };
        let count = self.connect()?.simple(&count)?;
        Ok(count.context("no count")?.parse()?)
    }

    fn stop(mut self: Box<Self>) -> Result<()> {
        let mut stop = command(&self.pg_ctl, &self.dir, self.user)?;
        stop.args(["stop", "--pgdata", "data", "--mode", "fast", "--no-wait"]);
        complete(&mut stop, &self.dir)?;
        self.server.ended()
    }
}

/// One client's connection, with its statements prepared.
struct Session {
    client: Connection,
}

impl Desk for Session {
    fn answer(&mut self, asks: &[Ask], answers: &mut Vec<Answer>) -> Result<()> {
        for ask in asks {
            answers.push(self.answer_one(ask)?);
        }
        Ok(())
    }
}

impl Session {
    fn answer_one(&mut self, ask: &Ask) -> Result<Answer> {
        match ask {
            Ask::Claim { ticket, claimant } => {
                let (ticket, at) = (ticket.as_str(), now_ms().to_string());
                let claim = self.client.execute("claim", &[claimant.as_str(), &at, ticket])?;
                if let Some(by) = claim {
                    return Ok(Answer::Claimed(Text::new(&by)?));
                }
                let by = self.client.execute("holder", &[ticket])?;
                Ok(Answer::Taken(Text::new(&by.context("no such ticket")?)?))
            }
            Ask::Take { drop } => match self.client.execute("take", &[drop])? {
                Some(unit) => Ok(Answer::Unit(unit.parse()?)),
                None => Ok(Answer::SoldOut),
            },
        }
    }
}
