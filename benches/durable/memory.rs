//! A ledger with ten times more streams than its budget: what it takes of memory while it is
//! loaded, checkpointed and recovered. It fails where that is more than the budget and a fifth.

use std::time::Instant;

use quipu::{Files, LedgerId, Options};
use quipu_core::driver::{Driver, Filters, Setup};
use quipu_core::log::{Log as _, Reader as _};
use quipu_core::machines::account::Account;
use quipu_core::machines::{genesis, registry};
use quipu_core::shard::{Config, Reply};
use quipu_core::store::{Reader as _, Store as _};
use quipu_core::words::{Amount, Timestamp};

use crate::course::{ask, deposit_of, open_account};
use crate::place::{Place, mib, resident, resident_most, setting};

/// What a stream takes in a store: a head and a name.
const STREAM_BYTES: u64 = 300;

pub(crate) fn run() {
    let budget = setting("QUIPU_BUDGET_MIB", 128) << 20;
    let streams = 10 * budget / STREAM_BYTES;
    let (options, config) = within(budget as usize);
    let before = resident();
    println!(
        "budget {:.0} MiB, {streams} streams; at the start {:.0} MiB",
        mib(budget),
        mib(before)
    );
    let place = Place::new();
    let files =
        Files::create(place.disk(), LedgerId([1; 16]), &registry(), &options).expect("made");
    let start = Instant::now();
    let files = load(files, &options, &config, streams);
    let rate = 2.0 * streams as f64 / start.elapsed().as_secs_f64();
    println!(
        "loaded and checkpointed: {:.0} MiB on the disk, {rate:.0} commands/s one by one, most memory {:.0} MiB",
        mib(place.used()),
        mib(resident_most())
    );
    drop(files);
    // The store is lost, so that all of it is recovered from the log.
    use quipu_core::disk::Disk as _;
    place.disk().remove(std::path::Path::new("store/store.redb")).expect("removed");
    let start = Instant::now();
    let mut files = Files::open(place.disk(), &registry(), &options).expect("opened");
    files.recover(&registry(), &options, &mut |_| {}).expect("recovered");
    files.store.checkpoint().expect("a checkpoint");
    let rate = files.store.position().get() as f64 / start.elapsed().as_secs_f64();
    let most = resident_most();
    println!("recovered from nothing: {rate:.0} events/s, most memory {:.0} MiB", mib(most));
    let allowed = before + budget + budget / 5;
    assert!(most <= allowed, "{:.0} MiB are more than {:.0} MiB", mib(most), mib(allowed));
    println!(
        "within the budget and a fifth: {:.0} of {:.0} MiB",
        mib(most - before),
        mib(budget + budget / 5)
    );
}

/// How a budget is shared out.
fn within(budget: usize) -> (Options, Config) {
    let (options, memory) = Options::within(budget);
    let config = Config { memory_max: memory, filter_bytes: budget / 32, ..Config::new(0, 1) };
    (options, config)
}

fn load(
    files: Files<quipu_disk::RealDisk>,
    options: &Options,
    config: &Config,
    streams: u64,
) -> Files<quipu_disk::RealDisk> {
    files
        .with_log_and_store(|log, store| {
            let mut setup = Setup::new(registry(), genesis(), 1);
            (setup.config, setup.limits, setup.filters) =
                (config.clone(), options.limits, Filters::AtOnce);
            let now = Timestamp::from_ms(1_800_000_000_000).max(log.now_limit());
            let mut driver = Driver::on(setup, log, store, now)?;
            for first in (0..streams).step_by(256) {
                let these = first..(first + 256).min(streams);
                for index in these.clone() {
                    driver.submit(ask::<Account>(index, open_account()));
                }
                driver.run();
                for index in these {
                    driver.submit(ask::<Account>(index, deposit_of(Amount::from(7_u64))));
                }
                driver.run();
                while let Some((_, reply)) = driver.reply() {
                    assert!(matches!(reply, Reply::Done(_)), "{reply:?}");
                }
                if driver.store().wants_checkpoint() {
                    driver.checkpoint()?;
                }
                while driver.log().room() < 4 << 20 && driver.log_mut().tend()? {}
            }
            driver.seal();
            driver.checkpoint()?;
            Ok(driver.into_parts())
        })
        .expect("it is loaded")
}
