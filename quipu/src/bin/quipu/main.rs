//! The command: what can be done with a ledger from a terminal.

mod bench;
mod serve;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A durable ledger for things that may happen only once.
#[derive(Parser)]
#[command(name = "quipu", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve a ledger over HTTP.
    Serve(serve::Arguments),
    /// Measure what a ledger does on this machine, every answer after its sync.
    Bench(bench::Arguments),
}

fn main() -> ExitCode {
    let Arguments { command } = Arguments::parse();
    let done = match command {
        Command::Serve(arguments) => serve::run(arguments),
        Command::Bench(arguments) => {
            bench::run(&arguments).map_err(|error| error.to_string().into())
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("quipu: {error}");
            ExitCode::FAILURE
        }
    }
}
