//! Trial balances of books, over everything that moves value.

use std::sync::atomic::{AtomicU64, Ordering};

use quipu::balance::Row;
use quipu::clock::Reading;
use quipu::words::Timestamp;
use quipu::{Account, Book, Code, Error, Ledger};

use crate::ground::ledger;

/// What a row says: in, out, held by accounts, held by flows. What holds for every row is checked.
fn row(rows: &[Row], asset: &str) -> (i128, i128, i128, i128) {
    let row = rows.iter().find(|row| row.asset.to_string() == asset).expect("there is some of it");
    let numbers = (
        row.came_in.get(),
        row.went_out.get(),
        row.held_by_accounts.get(),
        row.held_by_flows.get(),
    );
    assert_eq!(row.difference.get(), 0, "{row:?}");
    assert_eq!(numbers.0 - numbers.1 - numbers.2 - numbers.3, 0, "{row:?}");
    numbers
}

async fn usd(book: &Book) -> Result<(i128, i128, i128, i128), Error> {
    Ok(row(&book.balance().await?.rows, "USD/2"))
}

async fn account(book: &Book, id: &str, amount: u64) -> Result<Account, Error> {
    let account = book.account(id);
    account.open("USD/2").await?.done()?;
    if amount > 0 {
        account.deposit(amount).await?.done()?;
    }
    Ok(account)
}

#[tokio::test]
async fn what_accounts_do_adds_up() -> Result<(), Error> {
    let (_folder, ledger) = ledger().await;
    let book = ledger.book("default");
    assert_eq!(book.balance().await?.rows, []);
    let nowhere = ledger.book("nowhere").balance().await.expect_err("no such book");
    assert_eq!(nowhere.refused().map(|refused| refused.code), Some(Code::NotFound));

    let alice = account(&book, "alice", 1_000).await?;
    let bob = account(&book, "bob", 0).await?;
    assert_eq!(usd(&book).await?, (1_000, 0, 1_000, 0));
    let charge = alice.charge(100).await?.done()?;
    alice.refund_part(&charge.id, 40).await?.done()?;
    assert_eq!(usd(&book).await?, (1_040, 100, 940, 0));
    // Heads do not say where from: both are larger by what moved.
    alice.transfer("bob", 200).await?.done()?;
    assert_eq!(usd(&book).await?, (1_240, 300, 940, 0));

    // What is set aside is still there.
    let hold = alice.hold(50).await?.done()?;
    alice.hold(60).await?.done()?;
    assert_eq!(usd(&book).await?, (1_240, 300, 940, 0));
    alice.held(&hold.id).capture(30).await?.done()?;
    assert_eq!(usd(&book).await?, (1_240, 330, 910, 0));

    // A withdrawal in each of its states.
    let mut ids = Vec::new();
    for _ in 0..6 {
        ids.push(bob.withdraw(10, "iban:DE00").await?.done()?.value.id);
    }
    let mut fences = Vec::new();
    for id in &ids[1..] {
        fences.push(bob.withdrawal(id).lease("w1", 600).await?.done()?.fence);
    }
    let under = |at: usize| bob.withdrawal(&ids[at]).under(fences[at - 1]);
    assert_eq!(usd(&book).await?, (1_240, 330, 910, 0), "nothing has left");
    under(2).complete().await?.done()?;
    under(3).fail("closed").await?.done()?;
    under(4).unknown("no answer").await?.done()?;
    under(5).retry("timeout").await?.done()?;
    assert_eq!(usd(&book).await?, (1_240, 340, 900, 0), "one was paid out");
    bob.withdrawal(&ids[4]).reconcile(true).await?.done()?;
    assert_eq!(usd(&book).await?, (1_240, 350, 890, 0));

    // One that is closed has had its share, and another asset is another row.
    let gone = account(&book, "gone", 5).await?;
    gone.charge(5).await?.done()?;
    gone.close().await?.done()?;
    let debt = book.account("debt");
    debt.open("EUR/2").floor(-500).await?.done()?;
    debt.charge(70).await?.done()?;
    assert_eq!(usd(&book).await?, (1_245, 355, 890, 0));
    let balance = book.balance().await?;
    assert_eq!(row(&balance.rows, "EUR/2"), (0, 70, -70, 0));
    assert_eq!((balance.rows.len(), balance.position), (2, ledger.durable().watermark));

    // Another book is none of this one's.
    let other = ledger.book("other");
    other.create().await?.done()?;
    account(&other, "alice", 7).await?;
    assert_eq!(usd(&other).await?, (7, 0, 7, 0));
    assert_eq!(usd(&book).await?, (1_245, 355, 890, 0));
    ledger.close().await
}

static NOW_MS: AtomicU64 = AtomicU64::new(1_800_000_000_000);

fn clock() -> Reading {
    let us = NOW_MS.load(Ordering::Relaxed) * 1_000;
    Reading { boot_us: us, wall_us: us }
}

#[tokio::test]
async fn what_flows_and_accounts_give_each_other_neither_came_in_nor_went_out() -> Result<(), Error>
{
    let folder = tempfile::tempdir().expect("a folder");
    let ledger = Ledger::builder(folder.path()).clock(clock).open().await?;
    let book = ledger.book("default");
    account(&book, "payer", 10_000).await?;
    account(&book, "recipient", 0).await?;
    let now = Timestamp::from_ms(NOW_MS.load(Ordering::Relaxed));
    let between = book.flow("between");
    let open = between.open("USD/2", 1_000, 1_000).start_at(now);
    open.payer("payer").recipient("recipient").await?.done()?;
    let outside = book.flow("outside");
    outside.open("USD/2", 2_000, 1_000).start_at(now).await?.done()?;
    let draft = book.flow("draft");
    draft.open("USD/2", 300, 1_000).payer("payer").await?.done()?;
    let paying = book.flow("paying");
    paying.open("USD/2", 400, 1_000).payer("payer").start_at(now).await?.done()?;
    assert_eq!(usd(&book).await?, (12_000, 0, 8_300, 3_700));

    NOW_MS.fetch_add(500_000, Ordering::Relaxed);
    for flow in [&between, &outside, &paying] {
        flow.settle().await?.done()?;
    }
    assert_eq!(usd(&book).await?, (12_000, 0, 8_300, 3_700), "what accrues does not move");
    between.withdraw_all().await?.done()?;
    assert_eq!(usd(&book).await?, (12_000, 0, 8_800, 3_200), "to an account");
    outside.withdraw(600).await?.done()?;
    assert_eq!(usd(&book).await?, (12_000, 600, 8_800, 2_600), "to outside");
    paying.withdraw(150).await?.done()?;
    assert_eq!(usd(&book).await?, (12_000, 750, 8_800, 2_450), "an account's money to outside");
    between.top_up(100).await?.done()?;
    outside.top_up(100).await?.done()?;
    assert_eq!(usd(&book).await?, (12_100, 750, 8_700, 2_650));
    draft.cancel().await?.done()?;
    assert_eq!(usd(&book).await?, (12_100, 750, 9_000, 2_350));
    between.stop().await?.done()?;
    assert_eq!(usd(&book).await?, (12_100, 750, 9_600, 1_750));
    outside.stop().await?.done()?;
    assert_eq!(usd(&book).await?, (12_100, 1_850, 9_600, 650), "the rest went back outside");
    ledger.close().await
}

#[tokio::test]
async fn what_drops_sell_adds_up() -> Result<(), Error> {
    let (_folder, ledger) = ledger().await;
    let book = ledger.book("default");
    account(&book, "buyer", 1_000).await?;
    account(&book, "seller", 0).await?;
    let sold = book.drop("sold");
    sold.create(10).price(30, "USD/2").seller("seller").await?.done()?;
    let spent = book.drop("spent");
    spent.create(10).price(7, "USD/2").await?.done()?;
    let first = sold.claim("c1").quantity(2).pay_from("buyer").await?.done()?;
    assert_eq!(usd(&book).await?, (1_060, 60, 1_000, 0), "from one account to another");
    let second = spent.claim("c1").quantity(3).pay_from("buyer").await?.done()?;
    assert_eq!(usd(&book).await?, (1_060, 81, 979, 0), "to nobody in the book");
    spent.release(&second.id).await?.done()?;
    assert_eq!(usd(&book).await?, (1_081, 81, 1_000, 0));
    sold.release(&first.id).await?.done()?;
    assert_eq!(usd(&book).await?, (1_141, 141, 1_000, 0));
    ledger.close().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_as_of_one_position_while_money_moves() -> Result<(), Error> {
    let folder = tempfile::tempdir().expect("a folder");
    let ledger = Ledger::builder(folder.path()).shards(2).open().await?;
    let book = ledger.book("default");
    for number in 0..300 {
        // More than a page.
        account(&book, &format!("a{number}"), 0).await?;
    }
    let deposits = (0..300).map(|number| book.account(format!("a{number}")).deposit(100));
    for outcome in ledger.batch(deposits).await {
        outcome?.done()?;
    }
    let writer = {
        let book = book.clone();
        tokio::spawn(async move {
            for round in 0..40 {
                let moves = (0..100).map(|number| {
                    let (from, to) = (number + round, 299 - number);
                    book.account(format!("a{from}")).transfer(format!("a{to}"), 1)
                });
                for outcome in book.ledger().batch(moves).await {
                    outcome?.done()?;
                }
            }
            Ok::<_, Error>(())
        })
    };
    let mut last = quipu::words::Position::ZERO;
    while !writer.is_finished() {
        let balance = book.balance().await?;
        let (came_in, went_out, held, _) = row(&balance.rows, "USD/2");
        assert_eq!((came_in - went_out, held), (30_000, 30_000));
        assert!(balance.position >= last);
        last = balance.position;
    }
    writer.await.expect("no panic")?;
    ledger.close().await
}
