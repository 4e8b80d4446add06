//! Batches of independent asks, several under way, from one thread.

use std::collections::VecDeque;
use std::error::Error;
use std::time::{Duration, Instant};

use quipu::Ledger;
use quipu_actors::Answers;
use quipu_core::shard::{Ask, Key};

use super::asks::{
    all_done, claim, claim_drop, create_drop, id, issue, mixed, open_account, transfer,
};
use super::report::{Measured, Report};
use super::times::Times;
use super::{Arguments, ledger};

const BATCH: u64 = 8_192;
/// How many batches are under way: one is carried out, one is written, and one lies ready.
const UNDER_WAY: usize = 3;
/// Batches that are made before the time counts, and asked again and again.
const READY: u64 = 64;

/// Sends batches for so long.
fn measure(
    what: &str,
    ledger: &Ledger,
    lasts: Duration,
    mut make: impl FnMut(u64) -> Vec<Ask>,
) -> Result<Measured, Box<dyn Error>> {
    let (begun, mut batch, mut answers) = (Instant::now(), 0, 0_u64);
    let mut under_way: VecDeque<(Instant, Answers)> = VecDeque::new();
    let mut took = Times::default();
    let mut seconds = vec![0_u64; lasts.as_secs() as usize];
    while begun.elapsed() < lasts || !under_way.is_empty() {
        while begun.elapsed() < lasts && under_way.len() < UNDER_WAY {
            let asks = make(batch);
            under_way.push_back((Instant::now(), ledger.ask_all(asks)));
            batch += 1;
        }
        let Some((sent, waits)) = under_way.pop_front() else { break };
        let replies = waits.wait();
        all_done(&replies)?;
        took.record(sent.elapsed());
        answers += replies.len() as u64;
        if let Some(second) = seconds.get_mut(begun.elapsed().as_secs() as usize) {
            *second += replies.len() as u64;
        }
    }
    let worst_second = seconds.iter().min().copied();
    let lasted = begun.elapsed();
    Ok(Measured { what: what.to_owned(), answers, lasted, took, worst_second, log_bytes: None })
}

fn block_on<T>(future: impl Future<Output = T>) -> Result<T, Box<dyn Error>> {
    Ok(tokio::runtime::Builder::new_current_thread().build()?.block_on(future))
}

/// Transfers between warm accounts, without keys.
pub(super) fn transfers(arguments: &Arguments, report: &mut Report) -> Result<(), Box<dyn Error>> {
    let (_folder, builder) = ledger(arguments)?;
    let ledger = block_on(builder.open())??;
    let accounts = arguments.accounts;
    for first in (0..accounts).step_by(BATCH as usize) {
        let asks = (first..(first + BATCH).min(accounts)).map(open_account).collect();
        all_done(&ledger.ask_all(asks).wait())?;
    }
    // What callers make of their own input is not what is measured.
    let ready: Vec<Vec<Ask>> = (0..READY)
        .map(|batch| {
            let pick = |at: u64| mixed(2 * batch * BATCH + at) % accounts;
            let pair = |at: u64| {
                let (from, to) = (pick(2 * at), pick(2 * at + 1));
                transfer(from, if to == from { (to + 1) % accounts } else { to })
            };
            (0..BATCH).map(pair).collect()
        })
        .collect();
    let frames = ledger.handle().log().bounds().1;
    let what = format!("transfers, batches of {BATCH}, {accounts} accounts");
    let mut measured = measure(&what, &ledger, arguments.lasts(), |batch| {
        ready[(batch % READY) as usize].clone()
    })?;
    measured.log_bytes = log_bytes(&ledger, frames)?;
    report.add(&measured);
    block_on(ledger.close())??;
    Ok(())
}

/// The bytes of entries on the log from a position on, as its first frames say: entries of one
/// work are alike.
fn log_bytes(
    ledger: &Ledger,
    from: quipu_core::words::Position,
) -> Result<Option<u64>, Box<dyn Error>> {
    let log = ledger.handle().log();
    let events = log.bounds().1.get() - from.get();
    let Some(frame) = log.read(from)? else { return Ok(None) };
    Ok(Some((frame.bytes.len() as f64 / frame.events as f64 * events as f64) as u64))
}

/// Claims of one drop, without keys.
pub(super) fn drop(arguments: &Arguments, report: &mut Report) -> Result<(), Box<dyn Error>> {
    let (_folder, builder) = ledger(arguments)?;
    let ledger = block_on(builder.open())??;
    all_done(&[ledger.ask(create_drop()).wait()])?;
    let what = format!("claims of one drop, batches of {BATCH}");
    let measured = measure(&what, &ledger, arguments.lasts(), |batch| {
        (batch * BATCH..(batch + 1) * BATCH).map(claim_drop).collect()
    })?;
    report.add(&measured);
    block_on(ledger.close())??;
    Ok(())
}

/// New tickets, and claims of those that the batch before has made, all with keys.
pub(super) fn inserts(arguments: &Arguments, report: &mut Report) -> Result<(), Box<dyn Error>> {
    let (_folder, builder) = ledger(arguments)?;
    let ledger = block_on(builder.open())??;
    let name = |number: u64| id(&format!("{:016x}", mixed(number)));
    for first in (0..arguments.tickets).step_by(BATCH as usize) {
        // Numbers from the other end: those that are measured are new.
        let last = (first + BATCH).min(arguments.tickets);
        let asks = (first..last).map(|number| issue(name(!number), None)).collect();
        all_done(&ledger.ask_all(asks).wait())?;
    }
    let key = |number: u64| Key::new(&format!("key-{number:016x}")).ok();
    let half = BATCH / 2;
    let before = arguments.tickets;
    let what = format!("new tickets and claims with keys, batches of {BATCH}, beside {before}");
    let measured = measure(&what, &ledger, arguments.lasts(), |batch| {
        let new = (batch * half..(batch + 1) * half).map(|n| issue(name(n), key(2 * n)));
        let issued = batch.saturating_sub(1) * half..batch * half;
        let claims = issued.map(|n| claim(name(n), id("someone"), key(2 * n + 1)));
        new.chain(claims).collect()
    })?;
    report.add(&measured);
    block_on(ledger.close())??;
    Ok(())
}
