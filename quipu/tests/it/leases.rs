//! Payouts of many accounts, leased to workers.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use quipu::account::{LEASES_MAX, Withdrawal, WithdrawalState};
use quipu::clock::Reading;
use quipu::{Book, Code, Done, Error, Ledger};

use crate::ground::{code, ledger};

/// Accounts with payouts, in the order in which they were asked for.
async fn planned(book: &Book, accounts: usize, each: usize) -> Result<Vec<String>, Error> {
    let mut ids = Vec::new();
    for number in 0..accounts {
        let account = book.account(format!("a{number}"));
        account.open("USD/2").await?.done()?;
        account.deposit(1_000_000).await?.done()?;
    }
    let asks = (0..accounts * each).map(|number| {
        let account = book.account(format!("a{}", number % accounts));
        account.withdraw(1, "iban:DE00").secret(format!("sealed-{number}"))
    });
    for outcome in book.ledger().batch(asks).await {
        let withdrawal = outcome?.done()?;
        ids.push((withdrawal.position, name(&withdrawal)));
    }
    // On several shards they happen in another order than the one in which they are asked.
    ids.sort_unstable();
    Ok(ids.into_iter().map(|(_, id)| id).collect())
}

fn name(withdrawal: &Withdrawal) -> String {
    format!("{}/{}", withdrawal.account, withdrawal.id)
}

fn names(leases: &[Done<Withdrawal>]) -> Vec<String> {
    leases.iter().map(|lease| name(lease)).collect()
}

#[tokio::test]
async fn a_worker_gets_what_it_has_and_then_what_waits_longest() -> Result<(), Error> {
    let (_folder, ledger) = ledger().await;
    let book = ledger.book("default");
    assert_eq!(book.lease("w1", 5, 60).await?, []);
    let all = planned(&book, 3, 4).await?;
    let first = book.lease("w1", 5, 60).await?;
    assert_eq!(names(&first), all[..5]);
    for lease in &first {
        assert_eq!(lease.state, WithdrawalState::Dispatched);
        let secret = lease.secret.as_ref().expect("a lease shows it").as_bytes();
        assert!(secret.starts_with(b"sealed-"));
        assert_eq!(lease.fence, lease.version, "the newest event of its account");
    }
    assert_eq!(names(&book.lease("w2", 2, 60).await?), all[5..7]);
    let payout = |lease: &Withdrawal| book.account(&lease.account).withdrawal(&lease.id);
    payout(&first[0]).under(first[0].fence).complete().await?.done()?;
    payout(&first[1]).under(first[1].fence).retry("timeout").await?.done()?;

    let second = book.lease("w1", 6, 60).await?;
    let expected = [&all[2..5], &all[1..2], &all[7..9]].concat();
    assert_eq!(names(&second), expected, "what it has, what waits longest, never another's");
    assert_eq!(second[3].attempts, 1);
    assert!(second[0].fence > first[2].fence);
    let stale = payout(&first[2]).under(first[2].fence).complete().await;
    assert_eq!(code(stale), Code::StaleFence, "the worker has a newer one");
    payout(&second[0]).under(second[0].fence).fail("closed").await?.done()?;
    let left = [&all[1..2], &all[3..4]].concat();
    assert_eq!(names(&book.lease("w1", 2, 60).await?), left, "no more than asked for");
    ledger.close().await
}

#[tokio::test]
async fn what_cannot_be_leased_is_said_and_leases_nothing() -> Result<(), Error> {
    let (_folder, ledger) = ledger().await;
    let book = ledger.book("default");
    planned(&book, 1, 1).await?;
    for (max, seconds) in [(0, 60), (LEASES_MAX + 1, 60), (1, 0)] {
        let refused = book.lease("w1", max, seconds).await;
        assert!(matches!(refused, Err(Error::Malformed(_))), "{refused:?}");
    }
    let without_end = book.lease("w1", 1, u64::MAX).await.expect_err("no time is that late");
    assert_eq!(without_end.refused().map(|refused| refused.code), Some(Code::Overflow));
    let nowhere = ledger.book("nowhere").lease("w1", 1, 60).await.expect_err("no such book");
    assert_eq!(nowhere.refused().map(|refused| refused.code), Some(Code::NotFound));
    assert_eq!(book.lease("w1", LEASES_MAX, 60).await?.len(), 1);
    ledger.close().await
}

static NOW_MS: AtomicU64 = AtomicU64::new(1_800_000_000_000);

fn clock() -> Reading {
    let us = NOW_MS.load(Ordering::Relaxed) * 1_000;
    Reading { boot_us: us, wall_us: us }
}

#[tokio::test]
async fn a_lease_that_ran_out_is_given_to_nobody() -> Result<(), Error> {
    let folder = tempfile::tempdir().expect("a folder");
    let ledger = Ledger::builder(folder.path()).clock(clock).open().await?;
    let book = ledger.book("default");
    let all = planned(&book, 2, 2).await?;
    assert_eq!(names(&book.lease("w1", 1, 10).await?), all[..1]);
    assert_eq!(names(&book.lease("w2", 1, 100).await?), all[1..2]);
    NOW_MS.fetch_add(20_000, Ordering::Relaxed);
    assert_eq!(names(&book.lease("w1", 1, 10).await?), all[2..3], "the first one is unknown");
    let mut unknown = book.payouts().state(WithdrawalState::Unknown);
    assert_eq!(name(&unknown.next().await?.expect("one")), all[0]);
    assert_eq!(unknown.next().await?, None);
    // A longer lease begins with each time that it is given.
    let until = book.lease("w2", 1, 100).await?[0].lease_until.expect("it is leased");
    assert_eq!(until.ms(), NOW_MS.load(Ordering::Relaxed) + 100_000);
    ledger.close().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_that_race_never_get_the_same_payout() -> Result<(), Error> {
    const WORKERS: usize = 8;
    for shards in [2, 8] {
        let folder = tempfile::tempdir().expect("a folder");
        let ledger = Ledger::builder(folder.path()).shards(shards).open().await?;
        let book = ledger.book("default");
        let all = planned(&book, 20, 10).await?;
        let mut workers = Vec::new();
        for worker in 0..WORKERS {
            let book = book.clone();
            workers.push(tokio::spawn(async move {
                let mut got = Vec::new();
                loop {
                    let leases = book.lease(format!("w{worker}"), 7, 600).await?;
                    if leases.is_empty() {
                        return Ok::<_, Error>(got);
                    }
                    for lease in leases {
                        let payout = book.account(&lease.account).withdrawal(&lease.id);
                        payout.under(lease.fence).complete().await?.done()?;
                        got.push(name(&lease));
                    }
                }
            }));
        }
        let mut paid: BTreeMap<String, usize> = BTreeMap::new();
        for worker in workers {
            for payout in worker.await.expect("no panic")? {
                *paid.entry(payout).or_default() += 1;
            }
        }
        assert!(paid.values().all(|times| *times == 1), "paid twice: {paid:?}");
        // Who finds that others have taken all is done, so each of them was somebody's.
        assert_eq!(paid.len(), all.len());
        let mut pending = book.payouts().state(WithdrawalState::Pending);
        assert_eq!(pending.next().await?, None);
        ledger.close().await?;
    }
    Ok(())
}
