//! Four times as many callers as are let in: what becomes of those who are, and of the ledger.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use quipu::Ledger;
use quipu_core::shard::Reply;
use quipu_core::words::Fault;

use super::asks::{all_done, claim_drop, create_drop};
use super::report::{Measured, Report};
use super::times::Times;
use super::{Arguments, ledger};

/// As many as a ledger serves without anybody waiting long.
const AT_EASE: usize = 64;
/// For each core many more than are let in.
const CROWD_A_CORE: usize = 512;
/// How long a caller waits that was told to come later.
const LATER: Duration = Duration::from_millis(4);
/// How long the ledger is at ease, before and behind.
const EASE: Duration = Duration::from_secs(5);

pub(super) fn run(arguments: &Arguments, report: &mut Report) -> Result<(), Box<dyn Error>> {
    let (_folder, builder) = ledger(arguments)?;
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.worker_threads(2).enable_time().build()?.block_on(async {
        let ledger = builder.open().await?;
        all_done(&[ledger.ask(create_drop()).await])?;
        let next = Arc::new(AtomicU64::new(0));
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let parts = [
            ("before", AT_EASE, EASE),
            ("overload", CROWD_A_CORE * cores, arguments.lasts()),
            ("after", AT_EASE, EASE),
        ];
        for (when, tasks, lasts) in parts {
            let begun = Instant::now();
            let running: Vec<_> = (0..tasks)
                .map(|_| tokio::spawn(claim_for(ledger.clone(), lasts, Arc::clone(&next))))
                .collect();
            let (mut took, mut later) = (Times::default(), Times::default());
            for task in running {
                let (answered, turned) = task.await??;
                took.add(&answered);
                later.add(&turned);
            }
            let (turned, told) = (later.len(), later.within(0.99).as_micros());
            let what =
                format!("{when}: {tasks} tasks, {turned} overloaded, told in {told} µs (p99)");
            let (answers, lasted) = (took.len(), begun.elapsed());
            report.add(&Measured {
                what,
                answers,
                lasted,
                took,
                worst_second: None,
                log_bytes: None,
            });
        }
        ledger.close().await?;
        Ok(())
    })
}

/// How long claims took that were let in, and how long it took to be told that others were not.
type Took = (Times, Times);

/// Claims for so long.
async fn claim_for(ledger: Ledger, lasts: Duration, next: Arc<AtomicU64>) -> Result<Took, String> {
    let (begun, mut took, mut later) = (Instant::now(), Times::default(), Times::default());
    while begun.elapsed() < lasts {
        let sent = Instant::now();
        match ledger.ask(claim_drop(next.fetch_add(1, Ordering::Relaxed))).await {
            Reply::Done(_) => took.record(sent.elapsed()),
            Reply::Failed(Fault::Overloaded) => {
                later.record(sent.elapsed());
                tokio::time::sleep(LATER).await;
            }
            reply => return Err(format!("an answer was no yes: {reply:?}")),
        }
    }
    Ok((took, later))
}
