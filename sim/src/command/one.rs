//! One seed, step by step.

use std::process::ExitCode;

use quipu_sim::world;

use super::{Arguments, report};

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let seed = arguments.seed.unwrap_or(arguments.from);
    let mut print = |line: &str| println!("{line}");
    let end = if arguments.json {
        world::run(seed, &world::market, None)
    } else {
        world::run(seed, &world::market, Some(&mut print))
    };
    let again = world::run(seed, &world::market, None);
    let is_same = end.hash == again.hash;
    if arguments.json {
        println!("{:#}", report::json_of_one(seed, &end, is_same));
    } else {
        let (hash, tally) = (end.hash, &end.tally);
        println!("seed {seed}: hash {hash:016x}, {}", report::in_short(tally));
        if !is_same {
            println!("seed {seed}: a second run has another hash, {:016x}", again.hash);
        }
        if let Some(breach) = &end.breach {
            println!("seed {seed}: {breach}");
        }
    }
    if is_same && end.breach.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
