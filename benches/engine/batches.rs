//! Batches of independent asks, several under way, from one thread.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use quipu::Ledger;
use quipu_actors::Answers;
use quipu_core::shard::{Ask, Key};

use crate::asks::{
    all_done, claim, claim_drop, create_drop, id, issue, ledger, mixed, open_account, transfer,
};

const BATCH: u64 = 8_192;
/// How many batches are under way: one is carried out, one is written, and one lies ready.
const UNDER_WAY: usize = 3;
const ACCOUNTS: u64 = 1_000_000;

/// Sends batches for so long, and prints what came of them second by second.
fn measure(
    ledger: &Ledger,
    lasts: Duration,
    per_batch: u64,
    mut make: impl FnMut(u64) -> Vec<Ask>,
) {
    let (begun, mut batch, mut done) = (Instant::now(), 0, 0_u64);
    let mut under_way: VecDeque<(Instant, Answers)> = VecDeque::new();
    let mut took = Vec::new();
    let mut seconds = vec![0_u64; lasts.as_secs() as usize + 2];
    while begun.elapsed() < lasts || !under_way.is_empty() {
        while begun.elapsed() < lasts && under_way.len() < UNDER_WAY {
            let asks = make(batch);
            under_way.push_back((Instant::now(), ledger.ask_all(asks)));
            batch += 1;
        }
        let Some((sent, answers)) = under_way.pop_front() else { break };
        all_done(&answers.wait());
        took.push(sent.elapsed());
        done += per_batch;
        if let Some(second) = seconds.get_mut(begun.elapsed().as_secs() as usize) {
            *second += per_batch;
        }
    }
    let rate = done as f64 / begun.elapsed().as_secs_f64();
    took.sort_unstable();
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    let worst = seconds[..seconds.len() - 2].iter().min().copied().unwrap_or(0);
    println!(
        "{:>10.0} a second, worst second {worst}; a batch takes {:.1} ms, p99 {:.1}, worst {:.1}",
        rate,
        at(0.5),
        at(0.99),
        at(1.0),
    );
    println!("  resident {} MiB", resident() >> 20);
}

/// The bytes of this process that are in memory.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = status.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or(0) * 4_096
}

fn open(builder: quipu::Builder) -> Ledger {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(builder.open()).expect("it opens")
}

fn close(ledger: Ledger) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let begun = Instant::now();
    runtime.block_on(ledger.close()).expect("it stops");
    println!("  closed in {:.1} s", begun.elapsed().as_secs_f64());
}

pub(crate) fn transfers(lasts: Duration) {
    let (_folder, builder) = ledger(2 << 30);
    let ledger = open(builder);
    let begun = Instant::now();
    for first in (0..ACCOUNTS).step_by(BATCH as usize) {
        let asks = (first..(first + BATCH).min(ACCOUNTS)).map(open_account).collect();
        all_done(&ledger.ask_all(asks).wait());
    }
    println!("  {ACCOUNTS} accounts opened in {:.1} s", begun.elapsed().as_secs_f64());
    // What callers make of their own input is not what is measured: a ring of batches, cloned.
    let ready: Vec<Vec<Ask>> = (0..64_u64)
        .map(|batch| {
            let pick = |at: u64| mixed(2 * (batch * BATCH) + at) % ACCOUNTS;
            (0..BATCH).map(|at| transfer(pick(2 * at), pick(2 * at + 1))).collect()
        })
        .collect();
    measure(&ledger, lasts, BATCH, |batch| ready[batch as usize % ready.len()].clone());
    close(ledger);
}

pub(crate) fn drop(lasts: Duration) {
    let (_folder, builder) = ledger(2 << 30);
    let ledger = open(builder);
    all_done(&[ledger.ask(create_drop()).wait()]);
    measure(&ledger, lasts, BATCH, |batch| {
        (batch * BATCH..(batch + 1) * BATCH).map(claim_drop).collect()
    });
    close(ledger);
}

pub(crate) fn inserts(lasts: Duration) {
    let (_folder, builder) = ledger(2 << 30);
    let ledger = open(builder);
    let name = |number: u64| id(&format!("{:016x}", mixed(number)));
    let key = |number: u64| Key::new(&format!("key-{number:016x}")).ok();
    // A ticket is issued by one batch and claimed by the next: half of the asks are either.
    let half = BATCH / 2;
    measure(&ledger, lasts, BATCH, |batch| {
        let new = (batch * half..(batch + 1) * half).map(|n| issue(name(n), key(2 * n)));
        let old = (batch.saturating_sub(1) * half..batch.max(1) * half)
            .map(|n| claim(name(n), id("someone"), key(2 * n + 1)));
        if batch == 0 {
            new.chain((half..2 * half).map(|n| issue(name(u64::MAX - n), None))).collect()
        } else {
            new.chain(old).collect()
        }
    });
    close(ledger);
}
