//! Single calls: from one task and from many, on the shard's thread and on others.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use quipu::Ledger;
use quipu_core::shard::Reply;

use crate::asks::{all_done, claim_drop, create_drop, ledger};

pub(crate) fn run(lasts: Duration) {
    for tasks in [1, 64] {
        same_thread(tasks, lasts);
        foreign(tasks, lasts);
    }
}

fn print(what: &str, tasks: usize, took: &mut [Duration], elapsed: Duration) {
    took.sort_unstable();
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e6;
    let rate = took.len() as f64 / elapsed.as_secs_f64();
    println!(
        "{what}, {tasks:>2} tasks: {rate:>9.0} a second; p50 {:.0} µs, p99 {:.0}, worst {:.0}",
        at(0.5),
        at(0.99),
        at(1.0)
    );
}

async fn claim_for(
    ledger: &Ledger,
    lasts: Duration,
    mut next: impl FnMut() -> u64,
) -> Vec<Duration> {
    let (begun, mut took) = (Instant::now(), Vec::new());
    while begun.elapsed() < lasts {
        let sent = Instant::now();
        let reply = ledger.ask(claim_drop(next())).await;
        assert!(matches!(reply, Reply::Done(_)), "{reply:?}");
        took.push(sent.elapsed());
    }
    took
}

fn same_thread(tasks: usize, lasts: Duration) {
    let (_folder, builder) = ledger(1 << 30);
    actix::System::new().block_on(async move {
        let ledger = builder.on_this_thread().open().await.expect("it opens");
        all_done(&[ledger.ask(create_drop()).await]);
        let next = Rc::new(Cell::new(0));
        let begun = Instant::now();
        let running: Vec<_> = (0..tasks)
            .map(|_| {
                let (ledger, next) = (ledger.clone(), Rc::clone(&next));
                let count = move || next.replace(next.get() + 1);
                tokio::task::spawn_local(async move { claim_for(&ledger, lasts, count).await })
            })
            .collect();
        let mut took = Vec::new();
        for task in running {
            took.append(&mut task.await.expect("no panic"));
        }
        print("same thread", tasks, &mut took, begun.elapsed());
        ledger.close().await.expect("it stops");
    });
}

fn foreign(tasks: usize, lasts: Duration) {
    let (_folder, builder) = ledger(1 << 30);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build();
    runtime.expect("a runtime").block_on(async move {
        let ledger = builder.open().await.expect("it opens");
        all_done(&[ledger.ask(create_drop()).await]);
        let next = Arc::new(AtomicU64::new(0));
        let begun = Instant::now();
        let running: Vec<_> = (0..tasks)
            .map(|_| {
                let (ledger, next) = (ledger.clone(), Arc::clone(&next));
                let count = move || next.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(async move { claim_for(&ledger, lasts, count).await })
            })
            .collect();
        let mut took = Vec::new();
        for task in running {
            took.append(&mut task.await.expect("no panic"));
        }
        print("foreign", tasks, &mut took, begun.elapsed());
        ledger.close().await.expect("it stops");
    });
}
