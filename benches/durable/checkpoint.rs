//! A checkpoint of many dirty rows, and what it does to the syncs of a log on the same disk.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use quipu_core::log::{Finish, Frame, Log, Reader as _};
use quipu_core::machines::registry;
use quipu_core::records::Rows;
use quipu_core::store::{Reader as _, Store as _};
use quipu_core::words::{Epoch, Position, Timestamp};
use quipu_disk::RealDisk;
use quipu_log_file::{FileLog, LogId};
use quipu_store_redb::backend::Pacing;
use quipu_store_redb::store::{RedbStore, Settings};

use crate::accounts::{dice, put, sorted};
use crate::measure::percentile;
use crate::place::{Place, mib, micros, resident_most, setting};

pub(crate) fn run() {
    let rows = setting("QUIPU_ROWS", 5_000_000);
    let dirty = setting("QUIPU_DIRTY", 2_000_000).min(rows);
    let paces = std::env::var("QUIPU_PACES").unwrap_or_else(|_| "none,spread".to_owned());
    let place = Place::new();
    let disk = place.disk();
    let open = |pacing: Pacing| {
        let cache_bytes = (setting("QUIPU_CACHE_MIB", 64) << 20) as usize;
        let settings = Settings { cache_bytes, checkpoint_bytes: usize::MAX, pacing };
        RedbStore::open(&disk, Path::new("store"), [7; 16], &registry(), &settings)
            .expect("a store")
            .0
    };
    let start = Instant::now();
    let mut store = open(Pacing::none());
    store.fill(&mut sorted(rows).map(Ok), Position::new(rows)).expect("filled");
    println!(
        "{rows} accounts filled in {:.1} s, {:.0} MiB",
        start.elapsed().as_secs_f64(),
        mib(place.used())
    );
    drop(store);

    let log_disk = place.disk();
    log_disk_dir(&log_disk);
    let mut log = FileLog::create(log_disk, Path::new("log"), LogId([1; 16]), &Default::default())
        .expect("a log");
    let epoch = log.take_epoch().expect("an epoch");
    let mut roll = dice(11);
    for pace in paces.split(',') {
        let mut store = open(pacing(pace));
        let mut at = store.position();
        let mut made = 0;
        while made < dirty {
            let mut changed = Rows::default();
            for _ in 0..4_096.min(dirty - made) {
                put(&mut changed, 1 + roll(rows), made);
                made += 1;
            }
            at = at.plus(changed.len() as u64);
            store.apply(&mut changed.iter(), at).expect("applied");
        }
        let alone = appends(&mut log, epoch, &AtomicBool::new(false), Duration::from_secs(3));
        let checkpoint = store.freeze().expect("frozen");
        let ended = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&ended);
        let start = Instant::now();
        let writing = std::thread::spawn(move || {
            let written = checkpoint.run();
            told.store(true, Ordering::Release);
            written
        });
        let beside = appends(&mut log, epoch, &ended, Duration::from_secs(600));
        let took = start.elapsed();
        writing.join().expect("it ends").expect("written");
        println!(
            "{pace}: {:.0}k rows/s ({dirty} changes in {:.2} s, with a log beside it)",
            dirty as f64 / took.as_secs_f64() / 1e3,
            took.as_secs_f64(),
        );
        tell("log alone", &alone);
        tell("log beside", &beside);
        let ratio = |percent: usize| {
            percentile(&beside.syncs, percent).as_secs_f64()
                / percentile(&alone.syncs, percent).as_secs_f64()
        };
        println!(
            "  p50 {:.2}x, p99 {:.2}x; most memory {:.0} MiB",
            ratio(50),
            ratio(99),
            mib(resident_most())
        );
    }
}

fn log_disk_dir(disk: &RealDisk) {
    use quipu_core::disk::Disk as _;
    disk.create_dir(Path::new("log")).expect("a directory");
}

/// `none`, `spread`, or `window:portion:share`: MiB that are held back, KiB between two syncs, and
/// the rest behind each as a share of its time.
fn pacing(text: &str) -> Pacing {
    let mut parts = text.split(':');
    let [Some(window), Some(portion), Some(share)] = [parts.next(), parts.next(), parts.next()]
    else {
        return if text == "none" { Pacing::none() } else { Pacing::spread() };
    };
    let share: f64 = share.parse().expect("a share");
    Pacing {
        window_bytes: window.parse::<usize>().expect("MiB") << 20,
        portion_bytes: portion.parse::<usize>().expect("KiB") << 10,
        pace: Arc::new(move |took| {
            if share > 0.0 {
                std::thread::sleep(took.mul_f64(share));
            }
        }),
    }
}

/// What appends took.
struct Appended {
    /// Each append from its beginning to its end, sorted.
    syncs: Vec<Duration>,
    /// What a caller waits who comes every 100 µs and is in the first append that begins then.
    waits: Vec<Duration>,
}

/// Appends small frames one after the other until told to end.
fn appends(
    log: &mut FileLog<RealDisk>,
    epoch: Epoch,
    ended: &AtomicBool,
    most: Duration,
) -> Appended {
    let begun = Instant::now();
    let mut spans = Vec::new();
    while !ended.load(Ordering::Acquire) && begun.elapsed() < most {
        while log.room() < 4 << 20 && log.tend().expect("room") {}
        let first = log.bounds().1;
        let now = Timestamp::from_ms(1_800_000_000_000);
        let watermark = Position::new(first.get() - 1);
        let bytes = vec![7; 96];
        let start = begun.elapsed();
        log.append(Frame { epoch, first, events: 1, now, now_limit: now, watermark, bytes })
            .expect("an append");
        assert_eq!(log.finish(), Some(Finish::Durable));
        spans.push((start, begun.elapsed()));
    }
    let mut waits = Vec::new();
    let (mut arrival, mut next) = (Duration::ZERO, 0);
    while let Some((start, end)) = spans.get(next) {
        if *start < arrival {
            next += 1;
            continue;
        }
        waits.push(*end - arrival);
        arrival += Duration::from_micros(100);
    }
    let mut syncs: Vec<_> = spans.iter().map(|(start, end)| *end - *start).collect();
    syncs.sort_unstable();
    waits.sort_unstable();
    Appended { syncs, waits }
}

fn tell(what: &str, appended: &Appended) {
    let of = |times: &[Duration], percent| micros(percentile(times, percent));
    let Appended { syncs, waits } = appended;
    println!(
        "  {what}: {} appends, p50 {:.0} p99 {:.0} worst {:.0} µs; a caller waits p50 {:.0} p99 {:.0} µs",
        syncs.len(),
        of(syncs, 50),
        of(syncs, 99),
        of(syncs, 100),
        of(waits, 50),
        of(waits, 99),
    );
}
