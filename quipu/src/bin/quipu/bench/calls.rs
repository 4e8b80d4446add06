//! Single calls: from one task and from many, on the shard's thread and on others.

use std::cell::Cell;
use std::error::Error;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use quipu::Ledger;

use super::asks::{all_done, claim_drop, create_drop};
use super::report::{Measured, Report};
use super::times::Times;
use super::{Arguments, ledger};

pub(super) fn run(arguments: &Arguments, report: &mut Report) -> Result<(), Box<dyn Error>> {
    for tasks in arguments.tasks.iter().map(|tasks| usize::from(*tasks)) {
        let ((took, lasted), place) = (same_thread(arguments, tasks)?, "on the shard's thread");
        report.add(&measured(place, tasks, took, lasted));
        let ((took, lasted), place) = (foreign(arguments, tasks)?, "on other threads");
        report.add(&measured(place, tasks, took, lasted));
    }
    Ok(())
}

fn measured(place: &str, tasks: usize, took: Times, lasted: Duration) -> Measured {
    let what = format!("single claims, {tasks} tasks {place}");
    let answers = took.len();
    Measured { what, answers, lasted, took, worst_second: None, log_bytes: None }
}

async fn claim_for(
    ledger: &Ledger,
    lasts: Duration,
    mut next: impl FnMut() -> u64,
) -> Result<Times, String> {
    let (begun, mut took) = (Instant::now(), Times::default());
    while begun.elapsed() < lasts {
        let sent = Instant::now();
        all_done(&[ledger.ask(claim_drop(next())).await])?;
        took.record(sent.elapsed());
    }
    Ok(took)
}

type Took = (Times, Duration);

fn same_thread(arguments: &Arguments, tasks: usize) -> Result<Took, Box<dyn Error>> {
    let (_folder, builder) = ledger(arguments)?;
    // Everybody is let in: what a crowd meets is another work.
    let builder = builder.tune(move |settings| {
        settings.calls_max = settings.calls_max.max(tasks as u64);
    });
    let lasts = arguments.lasts();
    actix::System::new().block_on(async move {
        let ledger = builder.on_this_thread().open().await?;
        all_done(&[ledger.ask(create_drop()).await])?;
        let next = Rc::new(Cell::new(0));
        let begun = Instant::now();
        let running: Vec<_> = (0..tasks)
            .map(|_| {
                let (ledger, next) = (ledger.clone(), Rc::clone(&next));
                let count = move || next.replace(next.get() + 1);
                tokio::task::spawn_local(async move { claim_for(&ledger, lasts, count).await })
            })
            .collect();
        let mut took = Times::default();
        for task in running {
            took.add(&task.await??);
        }
        let lasted = begun.elapsed();
        ledger.close().await?;
        Ok((took, lasted))
    })
}

fn foreign(arguments: &Arguments, tasks: usize) -> Result<Took, Box<dyn Error>> {
    let (_folder, builder) = ledger(arguments)?;
    // Everybody is let in: what a crowd meets is another work.
    let builder = builder.tune(move |settings| {
        settings.calls_max = settings.calls_max.max(tasks as u64);
    });
    let lasts = arguments.lasts();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build()?;
    runtime.block_on(async move {
        let ledger = builder.open().await?;
        all_done(&[ledger.ask(create_drop()).await])?;
        let next = Arc::new(AtomicU64::new(0));
        let begun = Instant::now();
        let running: Vec<_> = (0..tasks)
            .map(|_| {
                let (ledger, next) = (ledger.clone(), Arc::clone(&next));
                let count = move || next.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(async move { claim_for(&ledger, lasts, count).await })
            })
            .collect();
        let mut took = Times::default();
        for task in running {
            took.add(&task.await??);
        }
        let lasted = begun.elapsed();
        ledger.close().await?;
        Ok((took, lasted))
    })
}
