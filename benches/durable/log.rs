//! Appends to the file log, turn by turn with the same writes and syncs on a plain file.

use std::path::Path;
use std::time::{Duration, Instant};

use quipu_core::log::{Finish, Frame, Log, Reader};
use quipu_core::words::{Epoch, Position, Timestamp};
use quipu_disk::RealDisk;
use quipu_log_file::{FileLog, LogId, Settings};

use crate::measure::{Ahead, Case, percentile};
use crate::place::{Place, micros, setting};

/// Payloads: one event; and full frames.
const SIZES: [usize; 5] = [96, 8 << 10, 64 << 10, 256 << 10, 1 << 20];
/// What is written in a turn, at most, so that what was made ahead lasts.
const TURN_BYTES: usize = 24 << 20;

pub(crate) fn run() {
    let rounds = setting("QUIPU_ROUNDS", 9) as usize;
    println!("a turn of each side, {rounds} times; µs of p50 and p99, medians of the turns");
    println!(
        "{:>9} {:>17} {:>17} {:>7} {:>7} {:>10}",
        "payload", "raw", "log", "p50", "p99", "bytes/s"
    );
    for payload in SIZES {
        let place = Place::new();
        let disk = place.disk();
        let size = (payload + 128).next_multiple_of(512);
        let count = (TURN_BYTES / size).clamp(8, 600);
        let mut log =
            FileLog::create(disk.clone(), Path::new(""), LogId([1; 16]), &Settings::default())
                .expect("a log");
        let epoch = log.take_epoch().expect("an epoch");
        let mut ratios: [Vec<f64>; 3] = Default::default();
        let mut shown: [Vec<f64>; 4] = Default::default();
        for round in 0..=rounds {
            let case = Case { size, ahead: Ahead::Zeros, direct: true };
            let mut raw = case.run(&disk, count).expect("a disk");
            let mut logged = appends(&mut log, epoch, payload, count);
            if round == 0 {
                continue;
            }
            let speed = |times: &[Duration]| times.iter().map(Duration::as_secs_f64).sum::<f64>();
            ratios[2].push(speed(&raw) / speed(&logged));
            raw.sort_unstable();
            logged.sort_unstable();
            for (index, percent) in [50, 99].into_iter().enumerate() {
                let (a, b) = (percentile(&raw, percent), percentile(&logged, percent));
                ratios[index].push(b.as_secs_f64() / a.as_secs_f64());
                shown[index].push(micros(a));
                shown[2 + index].push(micros(b));
            }
        }
        let [raw50, raw99, log50, log99] = shown.map(median);
        let [p50, p99, rate] = ratios.map(median);
        println!(
            "{payload:>9} {raw50:>8.0} {raw99:>8.0} {log50:>8.0} {log99:>8.0} {p50:>6.2}x {p99:>6.2}x {rate:>9.2}x"
        );
    }
    sustained();
}

/// Full frames without a rest: the log outruns what it makes ahead, so both write into room that
/// nobody has filled with zeros.
fn sustained() {
    let (payload, count) = (1 << 20, 256);
    let size = (payload + 128_usize).next_multiple_of(512);
    let place = Place::new();
    let disk = place.disk();
    let settings = Settings::default();
    let mut log =
        FileLog::create(disk.clone(), Path::new(""), LogId([1; 16]), &settings).expect("a log");
    let epoch = log.take_epoch().expect("an epoch");
    let total = |times: &[Duration]| times.iter().sum::<Duration>().as_secs_f64();
    let mut ratios = Vec::new();
    for _ in 0..3 {
        let case = Case { size, ahead: Ahead::Room, direct: true };
        let raw = total(&case.run(&disk, count).expect("a disk"));
        let logged = total(&appends(&mut log, epoch, payload, count));
        ratios.push(raw / logged);
    }
    println!(
        "{count} MiB without a rest, against room that is allocated: {:.2}x of raw",
        median(ratios)
    );
}

/// Appends one frame after the other; as many are under way as the log takes of full ones, so that
/// the next one is gathered and packed while one is written. Gives the time between two ends.
fn appends(
    log: &mut FileLog<RealDisk>,
    epoch: Epoch,
    payload: usize,
    count: usize,
) -> Vec<Duration> {
    while log.tend().expect("room") {}
    let entries = vec![7_u8; payload];
    let depth = if payload < 64 << 10 { 1 } else { log.depth() };
    let mut next = log.bounds().1;
    let mut took = Vec::with_capacity(count);
    let mut begun = 0;
    let mut start = Instant::now();
    while took.len() < count {
        while begun < count && begun - took.len() < depth {
            let now = Timestamp::from_ms(1_800_000_000_000);
            let watermark = Position::new(log.bounds().1.get() - 1);
            // What the committer does: the entries are copied into the frame.
            let bytes = entries.clone();
            let first = next;
            log.append(Frame { epoch, first, events: 1, now, now_limit: now, watermark, bytes })
                .expect("an append");
            next = next.plus(1);
            begun += 1;
        }
        match log.finish() {
            Some(Finish::Durable) => {
                took.push(start.elapsed());
                start = Instant::now();
            }
            Some(other) => panic!("an append ended as {other:?}"),
            None => std::thread::yield_now(),
        }
    }
    took
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_unstable_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}
