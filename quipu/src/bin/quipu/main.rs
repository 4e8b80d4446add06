//! The command: what can be done with a ledger from a terminal.

mod backup;
mod bench;
mod inspect;
mod keys;
mod restore;
mod secrets;
mod serve;
mod terminal;
mod verify;

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
    /// Check every byte of a ledger that nobody has open, and what it all adds up to.
    Verify(verify::Arguments),
    /// Write one file with everything of a ledger, history included.
    Backup(backup::Arguments),
    /// Make a new ledger of a backup.
    Restore(restore::Arguments),
    /// Make, list and revoke the access keys of a ledger.
    Keys(keys::Arguments),
    /// Change the keys that secrets of withdrawals are encrypted with.
    Secrets(secrets::Arguments),
    /// Look at one stream, one entry or the segments of a ledger, and change nothing.
    Inspect(inspect::Arguments),
}

fn main() -> ExitCode {
    let Arguments { command } = Arguments::parse();
    let done = match command {
        Command::Serve(arguments) => serve::run(arguments),
        Command::Bench(arguments) => {
            bench::run(&arguments).map_err(|error| error.to_string().into())
        }
        Command::Verify(arguments) => return verify::run(&arguments),
        Command::Backup(arguments) => return backup::run(&arguments),
        Command::Restore(arguments) => return restore::run(&arguments),
        Command::Keys(arguments) => return keys::run(&arguments),
        Command::Secrets(arguments) => return secrets::run(&arguments),
        Command::Inspect(arguments) => return inspect::run(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("quipu: {error}");
            ExitCode::FAILURE
        }
    }
}
