//! What the caller asks for.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::contestants::{self, Entrant};
use crate::workload::Work;

pub(crate) const USAGE: &str = "\
One workload, many ledgers, side by side: how many durable claims a second.

    cargo run --release --manifest-path benches/peers/Cargo.toml -- [options]

    --work claims|hot   tickets that are claimed once each; or units of one drop [claims]
    --seconds N         how long a round of one contestant lasts [5]
    --rounds N          how many rounds there are, everybody in turn [3]
    --tickets N         how many tickets, or units, everybody prepares [2000000, or 100000000]
    --only NAME,…       only these; `postgres` takes all that begin so
    --against NAME      whom the others are compared with [the first quipu, else sqlite-full]
    --dir DIR           where the files lie; on a disk [/var/tmp]
    --out DIR           writes table, results and plots there
    --json FILE         writes the results there
";

/// A claimant's name has room for eight digits of a ticket.
pub(crate) const TICKETS_MAX: u32 = 100_000_000;

/// The options, with their defaults.
pub(crate) struct Options {
    pub(crate) work: Work,
    pub(crate) round: Duration,
    pub(crate) rounds: u32,
    tickets: Option<u32>,
    pub(crate) only: Vec<String>,
    pub(crate) against: Option<String>,
    pub(crate) dir: PathBuf,
    pub(crate) out: Option<PathBuf>,
    pub(crate) json: Option<PathBuf>,
}

impl Options {
    /// Reads them; `None` if the caller wants to know what there is.
    pub(crate) fn read(mut words: impl Iterator<Item = String>) -> Result<Option<Self>> {
        let mut this = Self {
            work: Work::Claims,
            round: Duration::from_secs(5),
            rounds: 3,
            tickets: None,
            only: Vec::new(),
            against: None,
            dir: "/var/tmp".into(),
            out: None,
            json: None,
        };
        while let Some(option) = words.next() {
            if matches!(option.as_str(), "--help" | "-h") {
                return Ok(None);
            }
            let value = words.next().with_context(|| format!("{option} needs a value"))?;
            match option.as_str() {
                "--work" => this.work = value.parse()?,
                "--seconds" => this.round = Duration::try_from_secs_f64(number(&option, &value)?)?,
                "--rounds" => this.rounds = number(&option, &value)?,
                "--tickets" => this.tickets = Some(number(&option, &value)?),
                "--only" => this.only = value.split(',').map(str::to_owned).collect(),
                "--against" => this.against = Some(value),
                "--dir" => this.dir = value.into(),
                "--out" => this.out = Some(value.into()),
                "--json" => this.json = Some(value.into()),
                _ => bail!("there is no option {option}\n\n{USAGE}"),
            }
        }
        ensure!(this.rounds > 0, "no rounds, no figures");
        ensure!(this.tickets() <= TICKETS_MAX, "at most {TICKETS_MAX} tickets");
        this.know_all_names()?;
        Ok(Some(this))
    }

    /// How many tickets, or units of a drop, there are. Units cost nothing to prepare.
    pub(crate) fn tickets(&self) -> u32 {
        self.tickets.unwrap_or(match self.work {
            Work::Claims => 2_000_000,
            Work::Hot => TICKETS_MAX,
        })
    }

    /// Whether a line of the results is wanted.
    pub(crate) fn wants(&self, lane: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| is_of(lane, name))
    }

    /// Names that are wanted and that nobody has are slips.
    fn know_all_names(&self) -> Result<()> {
        let lanes = |entrant: &'static Entrant| entrant.clients.iter().map(|c| entrant.lane(*c));
        let lanes: Vec<String> = contestants::all().flat_map(lanes).collect();
        for name in self.only.iter().chain(&self.against) {
            let known = lanes.iter().any(|lane| is_of(lane, name));
            ensure!(known, "nobody is called {name}; there are {}", lanes.join(", "));
        }
        Ok(())
    }
}

/// Whether a name is this one, or begins with it and goes on behind a dash.
pub(crate) fn is_of(name: &str, family: &str) -> bool {
    name.strip_prefix(family).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

fn number<T: FromStr>(option: &str, value: &str) -> Result<T> {
    let number = value.replace('_', "").parse().ok();
    number.with_context(|| format!("{option}: {value} is no number that fits"))
}
