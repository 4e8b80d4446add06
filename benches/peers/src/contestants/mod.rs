//! Who takes part. Each contestant is one file; a new one adds its own and a line in [`all`].

mod postgres;
mod quipu;
mod raw_log;
mod redb;
mod redis;
mod sqlite;

use std::fmt;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;

use crate::round::{Round, Tally};
use crate::workload::Stock;

/// What every store may keep in memory: more than there is, so that nobody waits for a read.
const CACHE_MIB: usize = 1_024;

/// What stands behind an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Promise {
    /// It survives power loss, and had a commit of its own or shared one with whoever asked at
    /// the same time.
    Durable,
    /// It survives power loss; many asks were there at once, for one commit.
    Batched,
    /// It does not survive power loss.
    NotDurable,
    /// It was written and synced, and nothing was decided: what the disk gives.
    Floor,
}

impl Promise {
    pub(crate) fn about(self) -> &'static str {
        match self {
            Self::Durable => "durable",
            Self::Batched => "durable, many in one commit",
            Self::NotDurable => "not durable",
            Self::Floor => "the disk alone, nothing decided",
        }
    }
}

/// One way of taking part.
pub(crate) struct Entrant {
    pub(crate) name: &'static str,
    pub(crate) promise: Promise,
    /// What an answer waits for.
    pub(crate) sync: &'static str,
    /// How many clients there are; one line of the results for each.
    pub(crate) clients: &'static [usize],
    /// How many asks a commit takes from one client.
    pub(crate) batch: usize,
    /// Opens it in an empty directory of its own.
    pub(crate) open: fn(&Path) -> Result<Box<dyn Contestant>>,
}

impl Entrant {
    /// What its line of the results is called, with so many clients.
    pub(crate) fn lane(&self, clients: usize) -> String {
        match self.clients {
            [_] => self.name.to_owned(),
            _ => format!("{}-{clients}", self.name),
        }
    }
}

/// One that was opened.
pub(crate) trait Contestant {
    /// What it is, with its version and whatever was set.
    fn about(&self) -> String;

    /// Makes the stock, durable, and all that is claimed later.
    fn prepare(&mut self, stock: Stock) -> Result<()>;

    /// Has the round's clients ask until it is over.
    fn run(&mut self, round: &Round) -> Result<Tally>;

    /// How many claims it holds, all rounds together, looked up where it keeps them.
    fn claims(&mut self) -> Result<u64>;

    /// Ends it, and waits for that.
    fn stop(self: Box<Self>) -> Result<()>;
}

/// All of them, in the order of the results.
pub(crate) fn all() -> impl Iterator<Item = &'static Entrant> {
    [
        quipu::ENTRANTS,
        sqlite::ENTRANTS,
        redb::ENTRANTS,
        postgres::ENTRANTS,
        redis::ENTRANTS,
        raw_log::ENTRANTS,
    ]
    .into_iter()
    .flatten()
}

/// A program that a contestant needs is not on this machine.
#[derive(Debug)]
pub(crate) struct Missing(pub(crate) &'static str);

impl std::error::Error for Missing {}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} was not found; benches/peers/install installs it", self.0)
    }
}

/// The time of a claim, in milliseconds.
fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_millis() as u64
}

/// The version of a library that is built in.
fn locked_version(name: &str) -> &'static str {
    let lock = include_str!("../../Cargo.lock");
    let package = lock.split("[[package]]").find(|package| {
        package.lines().any(|line| line.strip_prefix("name = ") == Some(&format!("{name:?}")))
    });
    let version = package.and_then(|package| {
        package.lines().find_map(|line| line.strip_prefix("version = \"")?.strip_suffix('"'))
    });
    version.unwrap_or("of unknown version")
}
