//! What a disk takes for one write and its sync: the floor under every figure of a log.
//!
//! In the directory that `QUIPU_BENCH_DIR` names, or where the build lies. Each case is
//! measured in several rounds, all cases in turn, so that a bad moment of the disk meets all.

mod measure;

use std::env;
use std::path::PathBuf;
use std::time::Duration;

use measure::{Ahead, Case, percentile};
use quipu_core::disk::{Disk, DiskError};
use quipu_disk::RealDisk;

const ROUNDS: usize = 5;

/// Sizes of writes, and how many of them a round makes.
const SIZES: [(usize, &str, usize); 4] = [
    (512, "512 B", 400),
    (8 << 10, "8 KiB", 400),
    (64 << 10, "64 KiB", 200),
    (1 << 20, "1 MiB", 60),
];

const AHEAD: [(Ahead, &str); 3] =
    [(Ahead::Zeros, "zero-filled"), (Ahead::Room, "allocated"), (Ahead::Nothing, "growing")];

/// One line of the table: what it is called, and what was measured each way.
struct Row {
    said: String,
    count: usize,
    ways: [(Case, Vec<Duration>); 2],
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let place = env::var_os("QUIPU_BENCH_DIR").map(PathBuf::from);
    let place = place.unwrap_or_else(|| env!("CARGO_TARGET_TMPDIR").into());
    let dir = tempfile::tempdir_in(&place)?;
    let disk = RealDisk::open(dir.path())?;
    println!("µs per write and sync in {}", place.display());
    println!("{}\n", said_of_direct(&disk)?);
    let mut rows = rows();
    for _ in 0..ROUNDS {
        for Row { count, ways, .. } in &mut rows {
            for (case, took) in ways {
                took.extend(case.run(&disk, *count)?);
            }
        }
    }
    println!("| size | ahead | direct, p50 | p99 | buffered, p50 | p99 |");
    println!("|---|---|---|---|---|---|");
    for Row { said, ways, .. } in rows {
        let columns = ways.map(|(_, mut took)| {
            took.sort_unstable();
            let us = |percent| percentile(&took, percent).as_secs_f64() * 1e6;
            format!("{:.0} | {:.0}", us(50), us(99))
        });
        println!("| {said} | {} |", columns.join(" | "));
    }
    Ok(())
}

fn rows() -> Vec<Row> {
    let row = |(size, size_said, count), (ahead, ahead_said)| {
        let ways = [true, false].map(|direct| (Case { size, ahead, direct }, Vec::new()));
        Row { said: format!("{size_said} | {ahead_said}"), count, ways }
    };
    SIZES.iter().flat_map(|size| AHEAD.map(|ahead| row(*size, ahead))).collect()
}

fn said_of_direct(disk: &RealDisk) -> Result<String, DiskError> {
    let name = "asked".as_ref();
    let granule = disk.create(name)?.direct_granule();
    disk.remove(name)?;
    Ok(match granule {
        Some(granule) => format!("direct writes are multiples of {granule} bytes"),
        None => "there is no way past the cache here: both columns go through it".to_owned(),
    })
}
