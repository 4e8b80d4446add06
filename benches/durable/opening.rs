//! What a new ledger takes, and how long one of many streams takes to open after a clean stop.

use std::time::Instant;

use quipu::{Files, LedgerId, Options};
use quipu_core::driver::{Driver, Filters, Setup};
use quipu_core::log::Reader as _;
use quipu_core::machines::{genesis, registry};
use quipu_core::words::Timestamp;

use crate::accounts::sorted;
use crate::place::{Place, mib, setting};

pub(crate) fn run() {
    let rows = setting("QUIPU_ROWS", 5_000_000);
    let options = Options::default();
    let place = Place::new();
    let start = Instant::now();
    let files =
        Files::create(place.disk(), LedgerId([1; 16]), &registry(), &options).expect("made");
    println!("a new ledger: made in {:.0} ms", start.elapsed().as_secs_f64() * 1e3);
    let files = drive(files);
    println!("a new ledger takes {:.1} MiB", mib(place.used()));
    files.stop().expect("stopped");
    println!("and stopped {:.1} MiB", mib(place.used()));

    let place = Place::new();
    let files =
        Files::create(place.disk(), LedgerId([1; 16]), &registry(), &options).expect("made");
    let mut files = drive(files);
    // The rows of as many streams, at the log's own position: what many days would have left.
    let at = quipu_core::store::Reader::position(&files.store);
    let mut made = 0;
    let mut rows_of = sorted(rows).peekable();
    while rows_of.peek().is_some() {
        let mut changed = quipu_core::records::Rows::default();
        for (table, key, value) in rows_of.by_ref().take(100_000) {
            changed.put(table, |out| out.extend(&key), |out| out.extend(&value));
            made += 1;
        }
        quipu_core::store::Store::apply(&mut files.store, &mut changed.iter(), at)
            .expect("applied");
        if files.store.wants_checkpoint() {
            quipu_core::store::Store::checkpoint(&mut files.store).expect("a checkpoint");
        }
    }
    files.stop().expect("stopped");
    println!("{rows} streams ({made} rows): {:.0} MiB", mib(place.used()));
    for _ in 0..5 {
        let start = Instant::now();
        let mut files = Files::open(place.disk(), &registry(), &options).expect("opened");
        let opened = start.elapsed();
        files.recover(&registry(), &options, &mut |_| {}).expect("recovered");
        println!(
            "opened in {:.0} ms, ready after {:.0} ms",
            opened.as_secs_f64() * 1e3,
            start.elapsed().as_secs_f64() * 1e3
        );
        files.stop().expect("stopped");
    }
}

/// Writes the first entry of a ledger, and makes what room it makes ahead.
fn drive(files: Files<quipu_disk::RealDisk>) -> Files<quipu_disk::RealDisk> {
    files
        .with_log_and_store(|log, store| {
            let mut setup = Setup::new(registry(), genesis(), 1);
            setup.filters = Filters::Never;
            let now = Timestamp::from_ms(1_800_000_000_000).max(log.now_limit());
            let mut driver = Driver::on(setup, log, store, now)?;
            while quipu_core::log::Log::tend(driver.log_mut())? {}
            driver.seal();
            Ok(driver.into_parts())
        })
        .expect("it begins")
}
