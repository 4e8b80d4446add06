//! Entries of an account, and walks that go on where another one has ended.

use quipu::account::{Entries, EntryView};
use quipu::words::Metadata;
use quipu::{Account, Error, Ledger};

use crate::ground::ledger;

async fn all(mut entries: Entries) -> Result<Vec<EntryView>, Error> {
    let mut all = Vec::new();
    while let Some(entry) = entries.next().await? {
        all.push(entry);
    }
    Ok(all)
}

fn short(entries: &[EntryView]) -> Vec<(&str, i128, i128)> {
    let short = |entry: &EntryView| {
        (entry.entry_type.as_str(), entry.amount.get(), entry.balance_after.get())
    };
    entries.iter().map(short).collect()
}

async fn account(ledger: &Ledger, id: &str, amount: u64) -> Result<Account, Error> {
    let account = ledger.book("default").account(id);
    account.open("USD/2").await?.done()?;
    if amount > 0 {
        account.deposit(amount).await?.done()?;
    }
    Ok(account)
}

#[tokio::test]
async fn entries_are_what_moved_money_and_nothing_else() -> Result<(), Error> {
    let (_folder, ledger) = ledger().await;
    let book = ledger.book("default");
    assert_eq!(all(book.account("alice").entries()).await?, []);
    let alice = account(&ledger, "alice", 1_000).await?;
    account(&ledger, "bob", 0).await?;
    alice.change().cap(5_000).await?.done()?;
    let charge = alice.charge(100).metadata(Metadata::new([("a", "b")])?).await?.done()?;
    alice.refund_part(&charge.id, 40).await?.done()?;
    let hold = alice.hold(50).await?.done()?;
    alice.held(&hold.id).capture(30).await?.done()?;
    let freed = alice.hold(50).await?.done()?;
    alice.held(&freed.id).release().await?.done()?;
    for pays in [true, false] {
        let planned = alice.withdraw(10, "iban:DE00").await?.done()?;
        let payout = alice.withdrawal(&planned.id);
        let lease = payout.lease("w1", 600).await?.done()?;
        match pays {
            true => payout.under(lease.fence).complete_as("tx-1").await?.done()?,
            false => payout.under(lease.fence).fail("closed").await?.done()?,
        };
    }
    alice.transfer("bob", 200).await?.done()?;
    book.account("bob").transfer("alice", 50).await?.done()?;
    let flow = book.flow("f");
    flow.open("USD/2", 300, 1_000).payer("alice").await?.done()?;
    flow.cancel().await?.done()?;
    let sold = book.drop("sold");
    sold.create(10).price(7, "USD/2").seller("bob").await?.done()?;
    let claim = sold.claim("c").pay_from("alice").await?.done()?;
    sold.release(&claim.id).await?.done()?;
    let spent = book.drop("spent");
    spent.create(10).price(5, "USD/2").await?.done()?;
    let claim = spent.claim("c").pay_from("alice").await?.done()?;
    spent.release(&claim.id).await?.done()?;

    let found = all(alice.entries()).await?;
    let expected = [
        ("purchase_returned", 5, 750),
        ("purchase", -5, 745),
        ("purchase_returned", 7, 750),
        ("transfer_out", -7, 743),
        ("flow_refund", 300, 750),
        ("flow_funding", -300, 450),
        ("transfer_in", 50, 750),
        ("transfer_out", -200, 700),
        ("withdrawal", -10, 900),
        ("capture", -30, 910),
        ("refund", 40, 940),
        ("charge", -100, 900),
        ("deposit", 1_000, 1_000),
    ];
    assert_eq!(short(&found), expected);
    let sum: i128 = found.iter().map(|entry| entry.amount.get()).sum();
    assert_eq!(alice.get().await?.expect("it is open").balance.get(), sum);
    assert_eq!(found[8].reference.as_ref().map(|id| id.as_str()), Some("tx-1"));
    assert_eq!((found[11].position, &found[11].metadata), (charge.position, &charge.metadata));
    let bobs = all(book.account("bob").entries()).await?;
    let expected = [
        ("sale_returned", -7, 150),
        ("transfer_in", 7, 157),
        ("transfer_out", -50, 150),
        ("transfer_in", 200, 200),
    ];
    assert_eq!(short(&bobs), expected);
    ledger.close().await
}

#[tokio::test]
async fn a_reference_finds_its_deposit_and_its_charge() -> Result<(), Error> {
    let folder = tempfile::tempdir().expect("a folder");
    let ledger = Ledger::open(folder.path()).await?;
    let alice = account(&ledger, "alice", 1_000).await?;
    // In one frame with others, and in transactions.
    let asks = (0..100).map(|number| alice.deposit(number + 1).reference(format!("r{number}")));
    for outcome in ledger.batch(asks).await {
        outcome?.done()?;
    }
    let other = ledger.book("default").account("other");
    let both = ledger.book("default").transaction().and(other.open("USD/2"));
    both.and(alice.charge(7).reference("r50")).await?.done()?;
    ledger.close().await?;

    let ledger = Ledger::open(folder.path()).await?;
    let alice = ledger.book("default").account("alice");
    let found = all(alice.entries().reference("r50")).await?;
    let amounts: Vec<i128> = found.iter().map(|entry| entry.amount.get()).collect();
    assert_eq!(amounts, [-7, 51], "newest first");
    assert!(found.iter().all(|entry| entry.reference.as_ref().expect("one").as_str() == "r50"));
    let whole = all(alice.entries()).await?;
    assert!(found.iter().all(|entry| whole.contains(entry)));
    let rest = all(alice.entries().reference("r50").before(found[0].position)).await?;
    assert_eq!(rest, found[1..]);
    assert_eq!(all(alice.entries().reference("r51")).await?.len(), 1);
    assert_eq!(all(alice.entries().reference("none")).await?, []);
    let nobody = ledger.book("default").account("nobody");
    assert_eq!(all(nobody.entries().reference("r50")).await?, []);
    assert!(matches!(all(alice.entries().reference("a b")).await, Err(Error::Malformed(_))));
    ledger.close().await
}

#[tokio::test]
async fn a_walk_goes_on_behind_any_of_its_events() -> Result<(), Error> {
    let (_folder, ledger) = ledger().await;
    let alice = account(&ledger, "alice", 1).await?;
    let bob = account(&ledger, "bob", 1).await?;
    let asks = (0..80).map(|number| alice.deposit(number + 1));
    for outcome in ledger.batch(asks).await {
        outcome?.done()?;
    }
    alice.hold(3).await?.done()?;
    let own = alice.transfer("alice", 5).await?.done()?;
    alice.deposit(2).await?.done()?;
    let (mut events, mut history) = (Vec::new(), alice.history());
    while let Some(past) = history.next().await? {
        events.push(past);
    }
    assert_eq!(events.iter().filter(|past| past.position == own.position).count(), 2);
    let entries = all(alice.entries()).await?;
    for past in &events {
        let mut rest = alice.history().before(past.position);
        let expected = events.iter().find(|other| other.position < past.position);
        assert_eq!(rest.next().await?.as_ref(), expected);
        let rest = all(alice.entries().before(past.position)).await?;
        let expected: Vec<_> =
            entries.iter().filter(|entry| entry.position < past.position).cloned().collect();
        assert_eq!(rest, expected);
    }
    // Behind its last event is everything; at another's position is none of its events.
    let behind = ledger.durable().watermark.plus(10);
    assert_eq!(all(alice.entries().before(behind)).await?, entries);
    let others = bob.get().await?.expect("it is open").version;
    for position in [0, others.get()] {
        let refused = alice.history().before(position).next().await;
        assert!(matches!(refused, Err(Error::Malformed(_))), "{position}: {refused:?}");
    }
    ledger.close().await
}
