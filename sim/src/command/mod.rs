//! What can be asked of the simulator from a terminal.

mod exhaustive;
mod flips;
mod many;
#[cfg(feature = "mutants")]
mod mutants;
mod one;
mod progress;
mod report;

use std::fmt::Display;
use std::process::ExitCode;
use std::thread;

use clap::Parser;
use quipu_sim::exhaustive::Case;
use quipu_sim::flips::Flip;
use serde_json::{Value, json};

/// Whole ledgers over a disk that fails on purpose: one seed is one run.
#[derive(Parser, Clone, Debug)]
#[command(name = "quipu-sim", version, after_help = HELP)]
pub(crate) struct Arguments {
    /// How many seeds are run.
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    seeds: u64,
    /// The first of them.
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    from: u64,
    /// Begin no further seed after so many minutes.
    #[arg(long, value_name = "MINUTES")]
    minutes: Option<f64>,
    /// Run this seed alone, and tell everything that happens.
    #[arg(long, value_name = "SEED", conflicts_with_all = ["seeds", "from", "minutes", "soak"])]
    seed: Option<u64>,
    /// Crash every small workload at every operation of the disk, and again at every one of each
    /// recovery.
    #[arg(long, conflicts_with_all = ["seeds", "from", "minutes", "seed", "flips"])]
    exhaustive: bool,
    /// Look at this crash of a small workload again, as a failure has told it.
    #[arg(long, value_name = "CASE", requires = "exhaustive", conflicts_with = "soak")]
    case: Option<Case>,
    /// Turn over single bits of everything that an answer rests on.
    #[arg(long, conflicts_with_all = ["seeds", "from", "minutes", "seed"])]
    flips: bool,
    /// Look at this bit again, as a failure has told it.
    #[arg(long, value_name = "FILE:OFFSET:BIT", requires = "flips", conflicts_with = "soak")]
    flip: Option<Flip>,
    /// Look for long: at seeds until 1,000,000 of them, 5,000,000 crashes and 500,000,000
    /// operations are reached, at workloads of five asks, or at 1,000,000 bits.
    #[arg(long, conflicts_with = "seeds")]
    soak: bool,
    /// Plant every bug there is, and say what finds it and after how many seeds.
    #[cfg(feature = "mutants")]
    #[arg(long, conflicts_with_all = ["seed", "seeds", "from", "minutes", "soak", "exhaustive", "flips"])]
    mutants: bool,
    /// How many threads are at work [default: as many as there are cores].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_024))]
    threads: Option<u64>,
    /// Print a JSON object.
    #[arg(long)]
    json: bool,
}

const HELP: &str = "\
Exit codes:
  0  every promise was kept, and everything that can go wrong has
  1  a promise was broken, a planted bug lives, or of 1,000 seeds or more none has met some trouble
  2  wrong usage";

/// A way to run, and whether it is the one that was asked for.
struct Mode {
    is_wanted: fn(&Arguments) -> bool,
    run: fn(&Arguments) -> ExitCode,
}

/// The first that is wanted is the one.
const MODES: &[Mode] = &[
    Mode { is_wanted: |arguments| arguments.exhaustive, run: exhaustive::run },
    Mode { is_wanted: |arguments| arguments.flips, run: flips::run },
    #[cfg(feature = "mutants")]
    Mode { is_wanted: |arguments| arguments.mutants, run: mutants::run },
    Mode { is_wanted: |arguments| arguments.seed.is_some(), run: one::run },
    Mode { is_wanted: |_| true, run: many::run },
];

pub(crate) fn run() -> ExitCode {
    let arguments = Arguments::parse();
    let mode = MODES.iter().find(|mode| (mode.is_wanted)(&arguments));
    (mode.expect("the last one is always wanted").run)(&arguments)
}

impl Arguments {
    fn threads(&self) -> usize {
        let cores = || thread::available_parallelism().map_or(1, usize::from);
        self.threads.map_or_else(cores, |threads| threads as usize)
    }
}

/// Tells what came of it, in words or as JSON.
fn conclude<T, E: Display>(
    is_json: bool,
    came: Result<T, E>,
    in_words: impl FnOnce(&T) -> String,
    as_json: impl FnOnce(&T) -> Value,
) -> ExitCode {
    let (told, code) = match &came {
        Ok(report) if is_json => (format!("{:#}", as_json(report)), ExitCode::SUCCESS),
        Ok(report) => (in_words(report), ExitCode::SUCCESS),
        Err(failure) if is_json => {
            (format!("{:#}", json!({ "breach": failure.to_string() })), ExitCode::FAILURE)
        }
        Err(failure) => (failure.to_string(), ExitCode::FAILURE),
    };
    println!("{told}");
    code
}
