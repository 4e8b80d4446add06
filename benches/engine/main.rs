//! What a whole ledger does in a second, every answer after its sync.
//!
//! ```text
//! cargo bench -p quipu-benches --bench engine -- transfers [seconds]  batches of 8,192 over 1M accounts
//! cargo bench -p quipu-benches --bench engine -- drop [seconds]       one hot drop, in batches
//! cargo bench -p quipu-benches --bench engine -- inserts [seconds]    new tickets and claims, with keys
//! cargo bench -p quipu-benches --bench engine -- calls [seconds]      single calls from 1 and 64 tasks
//! ```
//!
//! Ledgers lie below the directory for temporary files, or `QUIPU_BENCH_DIR`: a real disk, please.

mod asks;
mod batches;
mod calls;

use std::time::Duration;

fn main() {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let seconds = arguments.iter().find_map(|argument| argument.parse().ok()).unwrap_or(10);
    let lasts = Duration::from_secs(seconds);
    let all = ["transfers", "drop", "inserts", "calls"];
    let is_named = |part: &str| {
        let mut names = arguments.iter().filter(|argument| argument.parse::<u64>().is_err());
        names.clone().next().is_none() || names.any(|name| name == part)
    };
    for part in all.into_iter().filter(|part| is_named(part)) {
        println!("== {part}, {seconds} s");
        match part {
            "transfers" => batches::transfers(lasts),
            "drop" => batches::drop(lasts),
            "inserts" => batches::inserts(lasts),
            _ => calls::run(lasts),
        }
    }
}
