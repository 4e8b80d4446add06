//! What durability costs, beside a program that writes the same bytes with the same syncs.
//!
//! ```text
//! cargo bench -p quipu-benches --bench durable -- log         appends against the raw disk
//! cargo bench -p quipu-benches --bench durable -- checkpoint  2M of 5M rows, and the log beside it
//! cargo bench -p quipu-benches --bench durable -- replay      a tail, warm and cold
//! cargo bench -p quipu-benches --bench durable -- open        a new ledger, and one of 5M streams
//! cargo bench -p quipu-benches --bench durable -- memory      ten times more streams than the budget
//! ```
//!
//! Files lie below the directory for temporary files, or `QUIPU_BENCH_DIR`: a real disk, please.

#[path = "../micro/accounts.rs"]
mod accounts;
mod checkpoint;
#[path = "../micro/course.rs"]
mod course;
mod log;
#[path = "../raw/measure.rs"]
mod measure;
mod memory;
mod opening;
mod place;
mod replay;

fn main() {
    let named: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let all = ["log", "checkpoint", "replay", "open", "memory"];
    for part in all.iter().filter(|part| named.is_empty() || named.iter().any(|name| name == *part))
    {
        println!("== {part}");
        match *part {
            "log" => log::run(),
            "checkpoint" => checkpoint::run(),
            "replay" => replay::run(),
            "open" => opening::run(),
            _ => memory::run(),
        }
    }
}
