//! The simulator as a command: seeds in numbers, or one of them step by step.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "around the runs there are threads and a clock, and nothing of them reaches one"
)]

mod command;

use std::process::ExitCode;

fn main() -> ExitCode {
    command::run()
}
