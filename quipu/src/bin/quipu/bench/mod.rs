//! What a ledger does on this machine, beside what its disk does alone.

mod asks;
mod batches;
mod calls;
mod disk;
mod overload;
mod report;
mod times;

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use quipu::{Builder, Ledger};

use report::Report;

/// What is measured, where, and for how long.
#[derive(Args)]
#[command(after_help = HELP)]
pub(crate) struct Arguments {
    /// What to measure; everything unless said otherwise.
    #[arg(value_enum)]
    work: Vec<Work>,
    /// How long each measurement takes.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,
    /// Where ledgers are made, in a folder of their own that is removed at the end. Its disk is
    /// what is measured: a folder in memory measures nothing.
    #[arg(long, default_value = ".")]
    below: PathBuf,
    /// The memory that a ledger may take, in MiB. With less than 512 the batches that are under way
    /// here are more than it lets in.
    #[arg(long, default_value_t = 4_096, value_parser = clap::value_parser!(u64).range(512..=1 << 24))]
    memory: u64,
    /// How many shards; the default of a ledger unless said otherwise.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=64))]
    shards: Option<u64>,
    /// How many accounts transfers go between.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(2..))]
    accounts: u64,
    /// How many tasks make single calls.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 64], value_parser = clap::value_parser!(u16).range(1..=4_096))]
    tasks: Vec<u16>,
    /// How many tickets there are before new ones are made.
    #[arg(long, default_value_t = 0)]
    tickets: u64,
    /// Print results as JSON.
    #[arg(long)]
    json: bool,
}

const HELP: &str = "\
Exit codes:
  0  everything was measured
  1  it could not be done
  2  wrong usage";

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Work {
    /// Batches of 8,192 transfers between random accounts.
    Transfers,
    /// Batches of 8,192 claims of one drop.
    Drop,
    /// Batches of 8,192 asks with keys: new tickets, and claims of those before.
    Inserts,
    /// Single claims of one drop, from 1 and from 64 tasks.
    Calls,
    /// Single claims of one drop from four times as many tasks as are let in.
    Overload,
}

/// Runs what was asked for, and prints what came of it.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let all = Work::value_variants();
    let works = if arguments.work.is_empty() { all } else { &arguments.work };
    let mut report = Report::new(arguments.json);
    report.machine(&arguments.below)?;
    report.disk(disk::measure(&place(arguments)?)?);
    for work in works {
        match work {
            Work::Transfers => batches::transfers(arguments, &mut report)?,
            Work::Drop => batches::drop(arguments, &mut report)?,
            Work::Inserts => batches::inserts(arguments, &mut report)?,
            Work::Calls => calls::run(arguments, &mut report)?,
            Work::Overload => overload::run(arguments, &mut report)?,
        }
    }
    report.end();
    Ok(())
}

impl Arguments {
    fn lasts(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}

/// A folder that is removed when it is dropped.
fn place(arguments: &Arguments) -> Result<tempfile::TempDir, Box<dyn Error>> {
    let made = tempfile::Builder::new().prefix("quipu-bench-").tempdir_in(&arguments.below);
    Ok(made.map_err(|why| format!("no folder could be made here: {why}"))?)
}

/// A new ledger in a folder of its own.
fn ledger(arguments: &Arguments) -> Result<(tempfile::TempDir, Builder), Box<dyn Error>> {
    let folder = place(arguments)?;
    let memory = usize::try_from(arguments.memory << 20)?;
    let mut builder = Ledger::builder(folder.path()).memory(memory);
    if let Some(shards) = arguments.shards {
        builder = builder.shards(usize::try_from(shards)?);
    }
    Ok((folder, builder))
}
