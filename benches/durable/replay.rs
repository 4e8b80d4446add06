//! Replays a tail of the file log into the redb store: with the streams at hand, and with each
//! of them to be read from the disk first.

use std::path::Path;
use std::time::Instant;

use quipu_core::log::{Anchor, Log as _, LogError, Reader as _};
use quipu_core::machines::account::Account;
use quipu_core::machines::registry;
use quipu_core::recovery::{Limits, recover};
use quipu_core::shard::Ask;
use quipu_core::store::{Reader as _, Store as _};
use quipu_core::words::Amount;
use quipu_disk::RealDisk;
use quipu_log_file::{FileLog, LogId};
use quipu_store_redb::store::RedbStore;

use crate::course::{Writer, ask, deposit, deposit_of, open_account, transfer};
use crate::place::{Place, setting};

const ROUNDS: usize = 5;

pub(crate) fn run() {
    let events = setting("QUIPU_EVENTS", 4_000_000);
    println!("{:<48} {:>9} {:>12} {:>9}", "", "events", "events/s", "bytes");
    let mixed = |streams, index| {
        if index % 2 == 0 { deposit(streams, index) } else { transfer(streams, index) }
    };
    measure("10,000 accounts at hand, deposits", 10_000, events, deposit);
    measure("100,000 accounts at hand, deposits", 100_000, events, deposit);
    measure("100,000 accounts at hand, deposits and transfers", 100_000, events, mixed);
    measure("1,000,000 accounts, each read first", 1_000_000, events / 4, deposit);
}

fn measure(what: &str, streams: u64, events: u64, next: fn(u64, u64) -> Ask) {
    let mut writer = Writer::new();
    writer.write(streams, |index| ask::<Account>(index, open_account()));
    writer.write(streams, |index| ask::<Account>(index, deposit_of(Amount::from(1_000_000_u64))));
    let from = writer.log.bounds().1;
    let place = Place::new();
    let disk = place.disk();
    let store = |disk: &RealDisk| {
        let (path, id) = (Path::new("store"), [7; 16]);
        RedbStore::open(disk, path, id, &registry(), &Default::default()).expect("a store").0
    };
    let mut filled = store(&disk);
    recover(&writer.log, &mut filled, &registry(), &Limits::default(), &mut |_| {})
        .expect("a sound log");
    filled.checkpoint().expect("a checkpoint");
    drop(filled);
    writer.write(events, |index| next(streams, index));

    let last = writer.log.bounds().1;
    let mut at = from;
    let mut bytes = 0;
    let mut frames = std::iter::from_fn(|| {
        let frame = writer.log.read(at).transpose()?;
        if let Ok(frame) = &frame {
            at = frame.last().plus(1);
            bytes += frame.bytes.len();
        }
        Some(frame)
    });
    let mut log = FileLog::create(disk.clone(), Path::new(""), LogId([1; 16]), &Default::default())
        .expect("a log");
    let start = Anchor { ..writer.log.anchor_before(from).expect("kept") };
    let adopted: Result<(), LogError> = log.adopt(start, writer.log.epoch(), &mut frames);
    adopted.expect("adopted");
    drop(writer);
    let mut rates: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let mut store = store(&disk);
            let start = Instant::now();
            recover(&log, &mut store, &registry(), &Limits::default(), &mut |_| {})
                .expect("a sound log");
            let rate = events as f64 / start.elapsed().as_secs_f64();
            assert_eq!(store.position().plus(1), last);
            rate
        })
        .collect();
    rates.sort_unstable_by(f64::total_cmp);
    let per_event = bytes as f64 / events as f64;
    println!("{what:<48} {events:>9} {:>12.0} {per_event:>9.1}", rates[ROUNDS / 2]);
}
