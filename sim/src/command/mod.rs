//! What can be asked of the simulator from a terminal.

mod many;
#[cfg(feature = "mutants")]
mod mutants;
mod one;
mod report;

use std::process::ExitCode;

use clap::Parser;

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
    /// Run seeds until 1,000,000 of them, 5,000,000 crashes and 500,000,000 operations
    /// are reached.
    #[arg(long, conflicts_with = "seeds")]
    soak: bool,
    /// Plant every bug there is, and say what finds it and after how many seeds.
    #[cfg(feature = "mutants")]
    #[arg(long, conflicts_with_all = ["seed", "seeds", "from", "minutes", "soak"])]
    mutants: bool,
    /// How many threads run seeds [default: as many as there are cores].
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
