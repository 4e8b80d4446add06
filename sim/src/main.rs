//! The simulator as a command: seeds in numbers, or one of them step by step.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "around the runs there are threads and a clock, and nothing of them reaches one"
)]

#[cfg(not(quipu_loom))]
mod command;

use std::process::ExitCode;

#[cfg(not(quipu_loom))]
fn main() -> ExitCode {
    command::run()
}

/// A model checker that takes the place of locks drives no whole ledgers.
#[cfg(quipu_loom)]
fn main() -> ExitCode {
    ExitCode::FAILURE
}
