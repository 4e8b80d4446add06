//! What it costs to apply rows, to read them, and to bring them onto the disk.
//!
//! `QUIPU_ROWS` (5,000,000) is how many accounts there are, and `QUIPU_DIRTY` (2,000,000) how
//! many of them a checkpoint has to write. The file lies below the directory for temporary
//! files, so that should be a real disk. Memory is about 1 KiB for each dirty row.

#[path = "accounts.rs"]
mod accounts;

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use quipu_core::machines::registry;
use quipu_core::records::{Rows, Table, key_of_head};
use quipu_core::store::{Reader, Store};
use quipu_core::words::{Number, Position, Timestamp};
use quipu_disk::RealDisk;
use quipu_store_redb::store::{RedbStore, Settings};

use accounts::{dice, put, sorted};

/// Rows of one apply: those of a full frame.
const FRAME: u64 = 4_096;

fn main() {
    let rows = setting("QUIPU_ROWS", 5_000_000);
    let dirty = setting("QUIPU_DIRTY", 2_000_000).min(rows);
    applies();
    checkpoints(rows, dirty);
}

fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// What this thread has had of a processor, so that a busy machine shows less; else the time.
fn clock() -> Duration {
    let on_cpu = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let on_cpu = on_cpu.and_then(|text| text.split(' ').next()?.parse().ok());
    on_cpu
        .map_or_else(|| SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default(), Duration::from_nanos)
}

/// A store in a directory of its own, which goes at the end.
struct Place {
    store: RedbStore<RealDisk>,
    _dir: tempfile::TempDir,
}

fn place() -> Place {
    let dir = tempfile::tempdir().expect("a directory");
    let disk = RealDisk::open(dir.path()).expect("a disk");
    let settings = Settings { checkpoint_bytes: usize::MAX, ..Settings::default() };
    let opened = RedbStore::open(&disk, Path::new("store"), [7; 16], &registry(), &settings);
    Place { store: opened.expect("a store").0, _dir: dir }
}

/// Applies rows that are made beforehand. Gives the time for one.
fn apply(
    store: &mut RedbStore<RealDisk>,
    count: u64,
    mut number: impl FnMut(u64) -> u64,
) -> Duration {
    let mut spent = Duration::ZERO;
    let mut made = 0;
    while made < count {
        let mut rows = Rows::default();
        for _ in 0..FRAME.min(count - made) {
            put(&mut rows, 1 + number(made), made);
            made += 1;
        }
        let through = store.position().plus(rows.len() as u64);
        let start = clock();
        store.apply(&mut rows.iter(), through).expect("the rows apply");
        spent += clock() - start;
    }
    spent / u32::try_from(count).expect("so many fit")
}

fn applies() {
    let million = 1_000_000;
    let Place { mut store, _dir } = place();
    let new = apply(&mut store, million, |made| made);
    let mut roll = dice(7);
    let random = apply(&mut store, 4 * million, |_| roll(million));
    let hot = apply(&mut store, 4 * million, |_| roll(1_000));
    println!("apply, a row: new {new:?}, random of 1M {random:?}, of 1,000 {hot:?}");
    let bytes = store.pending_bytes() as u64 / million;
    println!("memory: {bytes} bytes for each of 1M rows");

    let mut read = |what: &str, sides: u64| {
        let start = clock();
        for _ in 0..million {
            let key = key_of_head(Number::new(1 + roll(sides)));
            black_box(store.get(Table::Head, &key).expect("readable"));
        }
        println!("get {what}: {:?}", (clock() - start) / million as u32);
    };
    read("from memory, random of 1M", million);
    read("from memory, of 1,000", 1_000);
    let start = clock();
    store.next_due(Timestamp::ZERO).expect("readable");
    println!("index of 1M rows brought up to date: {:?} a row", (clock() - start) / million as u32);
    let again = apply(&mut store, million, |_| roll(million));
    let start = clock();
    store.next_due(Timestamp::ZERO).expect("readable");
    let index = (clock() - start) / million as u32;
    println!("1M random changes with an index: apply {again:?}, then the index {index:?} a change");
}

fn checkpoints(rows: u64, dirty: u64) {
    let Place { mut store, _dir } = place();
    let start = Instant::now();
    store.fill(&mut sorted(rows).map(Ok), Position::new(rows)).expect("it is empty");
    let rate = 2.0 * rows as f64 / start.elapsed().as_secs_f64();
    println!("fill: {rate:.0} rows/s for {rows} accounts with their names");

    let mut roll = dice(9);
    for round in 0..4 {
        // Every account at most once: from a random place on, in strides.
        let stride = rows / dirty.max(1);
        let first = roll(rows);
        apply(&mut store, dirty, |made| (first + made * stride) % rows);
        let start = Instant::now();
        let frozen = store.freeze().expect("a freeze");
        let freeze = start.elapsed();
        let cpu = clock();
        frozen.run().expect("a checkpoint");
        let (took, cpu) = (start.elapsed(), clock() - cpu);
        let rate = dirty as f64 / took.as_secs_f64();
        println!(
            "checkpoint {round}: {rate:.0} rows/s, {took:?}, {cpu:?} of it on a processor; the freeze {freeze:?}"
        );
    }
}
