//! What can be set.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::Failed;
use crate::workload::{ALL, Workload};

pub(crate) const USAGE: &str = "\
usage: cargo bench -p quipu-benches --bench http -- [claims|get|deposits|batch]... [options]

  --connections N,N  how many connections ask at once [default: 64,256; of batches 8,64]
  --rounds N         how often each server is measured [default: 5]
  --seconds N        how long each time [default: 8]
  --below DIR        where the ledger lies: a real disk [default: the current folder]
  --memory MIB       what the ledger may take [default: 4096]
  --json FILE        all figures, for programs
";

/// The keys of a day are in memory, of which the deposits of a run make millions, and so are tickets
/// that were issued a moment ago.
const MEMORY_MIB: u64 = 4_096;

/// What was asked for.
pub(crate) struct Options {
    pub(crate) workloads: Vec<Workload>,
    connections: Option<Vec<u64>>,
    pub(crate) rounds: usize,
    pub(crate) seconds: u64,
    pub(crate) below: PathBuf,
    /// What the ledger may take, in MiB.
    pub(crate) memory: u64,
    pub(crate) json: Option<PathBuf>,
}

impl Options {
    /// None where only the usage was asked for.
    pub(crate) fn read(arguments: Vec<String>) -> Result<Option<Self>, Failed> {
        let mut options = Self {
            workloads: Vec::new(),
            connections: None,
            rounds: 5,
            seconds: 8,
            below: std::env::current_dir()?,
            memory: MEMORY_MIB,
            json: None,
        };
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{argument} wants a value"));
            match argument.as_str() {
                "--help" | "-h" => return Ok(None),
                // Cargo says this to every bench.
                "--bench" => {}
                "--connections" => {
                    let all = value()?;
                    let all = all.split(',').map(|one| positive(&argument, one));
                    options.connections = Some(all.collect::<Result<_, _>>()?);
                }
                "--rounds" => options.rounds = positive(&argument, &value()?)?,
                "--seconds" => options.seconds = positive(&argument, &value()?)?,
                "--below" => options.below = value()?.into(),
                "--memory" => options.memory = positive(&argument, &value()?)?,
                "--json" => options.json = Some(value()?.into()),
                name => {
                    let known = ALL.into_iter().find(|workload| workload.name() == name);
                    let known = known.ok_or_else(|| format!("{name:?} is unknown\n\n{USAGE}"))?;
                    options.workloads.push(known);
                }
            }
        }
        if options.workloads.is_empty() {
            options.workloads = ALL.to_vec();
        }
        Ok(Some(options))
    }

    /// How many connections a workload is asked over, one number after the other.
    pub(crate) fn connections(&self, workload: Workload) -> Vec<u64> {
        self.connections.clone().unwrap_or_else(|| workload.connections().to_vec())
    }

    /// How long a server is asked before it counts.
    pub(crate) fn warm_up(&self) -> Duration {
        Duration::from_secs(self.seconds.min(2))
    }

    /// How long it is asked when it counts.
    pub(crate) fn duration(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}

/// A number above 0.
fn positive<T: FromStr + PartialOrd + From<u8>>(name: &str, text: &str) -> Result<T, String> {
    let number = text.parse().ok().filter(|number| *number >= T::from(1));
    number.ok_or_else(|| format!("{name}: {text:?} is no number above 0"))
}
