//! Lists, snapshots and histories.

use std::collections::BTreeSet;

use quipu::account::State;
use quipu::events::account::Event;
use quipu::{Error, Ledger};

use crate::ground::ledger;

async fn ids(mut list: quipu::List<quipu::Account>) -> Result<Vec<String>, Error> {
    let mut ids = Vec::new();
    while let Some(account) = list.next().await? {
        ids.push(account.value.id.to_string());
    }
    Ok(ids)
}

async fn accounts(ledger: &Ledger, count: usize) -> Result<Vec<String>, Error> {
    let book = ledger.book("default");
    let names: Vec<String> = (0..count).map(|number| format!("a{number}")).collect();
    let opened = names.iter().map(|id| {
        let asset = if id.ends_with('7') { "EUR/2" } else { "USD/2" };
        book.account(id).open(asset)
    });
    for outcome in ledger.batch(opened).await {
        outcome?.done()?;
    }
    Ok(names)
}

#[tokio::test]
async fn a_list_meets_each_row_once_by_creation_state_and_asset() -> Result<(), Error> {
    let (_folder, ledger) = ledger().await;
    let book = ledger.book("default");
    let names = accounts(&ledger, 600).await?;
    let all = ids(book.accounts()).await?;
    assert_eq!(all.len(), names.len());
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), names.len());
    let euros = ids(book.accounts().asset("EUR/2")).await?;
    let expected = names.iter().filter(|id| id.ends_with('7'));
    assert_eq!(euros.iter().collect::<BTreeSet<_>>(), expected.collect());
    for id in names.iter().take(3) {
        book.account(id).close().await?.done()?;
    }
    assert_eq!(ids(book.accounts().state(State::Closed)).await?.len(), 3);
    assert_eq!(ids(book.accounts().state(State::Open)).await?.len(), 597);
    assert_eq!(ids(book.accounts().state(State::Expired)).await?.len(), 0);
    assert_eq!(ids(ledger.book("nowhere").accounts()).await?.len(), 0);
    ledger.close().await
}

#[tokio::test]
async fn a_list_goes_on_behind_its_cursor() -> Result<(), Error> {
    let (_folder, ledger) = ledger().await;
    let book = ledger.book("default");
    let names = accounts(&ledger, 600).await?;
    let mut met = Vec::new();
    let mut list = book.accounts();
    while let Some(account) = list.next().await? {
        met.push(account.value.id.to_string());
        if met.len() % 250 == 0 {
            // Whoever asks for the next page has the bytes of the cursor only.
            let cursor = quipu::list::Cursor::from_bytes(list.cursor().as_bytes());
            list = book.accounts().after(&cursor);
        }
    }
    assert_eq!(met.len(), names.len());
    assert_eq!(met.iter().collect::<BTreeSet<_>>().len(), names.len());
    let mut closed = book.accounts().state(State::Open);
    closed.next().await?.expect("one");
    let mut rest = book.accounts().state(State::Open).after(&closed.cursor());
    assert_ne!(rest.next().await?.expect("another").id.as_str(), met[0]);
    ledger.close().await
}

#[tokio::test]
async fn a_snapshot_stays_as_it_was_while_the_ledger_goes_on() -> Result<(), Error> {
    let (_folder, ledger) = ledger().await;
    let book = ledger.book("default");
    let names = accounts(&ledger, 20).await?;
    for id in &names {
        book.account(id).deposit(10).await?.done()?;
    }
    let snapshot = ledger.snapshot().await?;
    assert_eq!(snapshot.position(), ledger.durable().watermark);
    let before = book.account(&names[0]).get().await?.expect("it is open");
    for id in &names {
        book.account(id).charge(3).await?.done()?;
    }
    book.account("late").open("USD/2").await?.done()?;
    let mut sum = 0;
    let mut list = book.accounts().at(&snapshot);
    while let Some(account) = list.next().await? {
        sum += account.balance.get();
    }
    assert_eq!(sum, 200);
    let seen = book.account(&names[0]).get().at(&snapshot).await?.expect("it was open");
    assert_eq!((seen.value, seen.version), (before.value, before.version));
    assert_eq!(book.account("late").get().at(&snapshot).await?, None);
    ledger.close().await
}

#[tokio::test]
async fn a_history_goes_back_to_the_beginning() -> Result<(), Error> {
    let (_folder, ledger) = ledger().await;
    let alice = ledger.book("default").account("alice");
    assert_eq!(alice.history().next().await?, None);
    alice.open("USD/2").await?.done()?;
    for _ in 0..150 {
        alice.deposit(2).await?.done()?;
    }
    // One event that does two things to one stream, where a page could end.
    alice.transfer("alice", 5).await?.done()?;
    for _ in 0..63 {
        alice.deposit(2).await?.done()?;
    }
    let mut events = Vec::new();
    let mut history = alice.history();
    while let Some(past) = history.next().await? {
        events.push(past);
    }
    assert_eq!(events.len(), 216);
    assert!(matches!(&events[63].event, Event::Received(got) if got.balance_after.get() == 300));
    assert!(matches!(&events[64].event, Event::Sent(sent) if sent.amount.get() == 5));
    assert!(matches!(&events[215].event, Event::Opened(_)));
    for (index, pair) in events.windows(2).enumerate() {
        assert_eq!(pair[0].position > pair[1].position, index != 63);
    }
    ledger.close().await
}
