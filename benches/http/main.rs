//! What an answer over HTTP costs, beside an axum handler that parses and answers the same JSON
//! and does nothing.
//!
//! ```text
//! cargo bench -p quipu-benches --bench http -- [claims|get|deposits|batch]…
//!     [--connections 64,256] [--rounds 5] [--seconds 8] [--below DIR] [--memory MIB] [--json FILE]
//! ```
//!
//! | module | what it is |
//! |---|---|
//! | `options` | what can be set |
//! | `workload`, `wrk.lua` | what is asked, what has to be there before |
//! | `yardstick` | the handler that does nothing, in a process of its own |
//! | `server` | processes that are started, looked at, and ended |
//! | `client` | one connection, for what is prepared |
//! | `wrk` | the load, and what it saw |
//! | `round` | all servers in turn |
//! | `report`, `machine` | what is told, and what it was measured on |
//!
//! It needs `wrk`, and builds `quipu` itself.

mod client;
mod machine;
#[path = "../raw/measure.rs"]
#[expect(dead_code, reason = "the disk is asked in one of its ways only")]
mod measure;
mod options;
mod report;
mod round;
mod server;
mod workload;
mod wrk;
mod yardstick;

use std::env;
use std::error::Error;
use std::fs;
use std::process::ExitCode;

use machine::Machine;
use options::{Options, USAGE};
use report::Report;

/// Whatever keeps a run from its figures.
type Failed = Box<dyn Error + Send + Sync>;

fn main() -> ExitCode {
    match run() {
        Ok(is_fine) if is_fine => ExitCode::SUCCESS,
        Ok(_) => {
            eprintln!("http: some requests were not answered as they should; see above");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("http: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Measures what was asked for. Tells whether every request was answered with a success.
fn run() -> Result<bool, Failed> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let [first, runtime, answers] = arguments.as_slice()
        && first == yardstick::FLAG
    {
        yardstick::run(runtime, answers)?;
        return Ok(true);
    }
    let Some(options) = Options::read(arguments)? else {
        print!("{USAGE}");
        return Ok(true);
    };
    wrk::find()?;
    let machine = Machine::look(&options.below)?;
    let binary = server::build()?;
    let mut report = Report::new(machine);
    for workload in &options.workloads {
        eprintln!("== {}", workload.name());
        report.add(*workload, round::measure(*workload, &binary, &options)?);
    }
    print!("{}", report.markdown());
    if let Some(file) = &options.json {
        fs::write(file, report.json()).map_err(|why| format!("{}: {why}", file.display()))?;
    }
    Ok(report.is_fine())
}
