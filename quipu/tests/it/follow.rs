//! Events: from any position on, without a gap and without a repeat.

use quipu::events::{Event, Happened};
use quipu::{Error, Ledger, WhatToDo};

use crate::ground::ledger;

/// All events so far behind a position.
async fn so_far(ledger: &Ledger, after: u64) -> Result<Vec<Event>, Error> {
    let mut events = ledger.events(after).so_far();
    let mut all = Vec::new();
    while let Some(event) = events.next().await? {
        all.push(event);
    }
    Ok(all)
}

#[tokio::test]
async fn a_follower_meets_every_event_once_while_writing_goes_on() -> Result<(), Error> {
    let (_folder, ledger) = ledger().await;
    let book = ledger.book("default");
    book.account("alice").open("USD/2").await?.done()?;
    let start = ledger.durable().watermark;
    let follower = {
        let ledger = ledger.clone();
        tokio::spawn(async move {
            let mut events = ledger.events(start);
            let mut met = Vec::new();
            while let Some(event) = events.next().await? {
                met.push(event);
            }
            Ok::<_, Error>(met)
        })
    };
    for round in 0..40 {
        let calls = (0..25).map(|_| book.account("alice").deposit(1));
        for outcome in ledger.batch(calls).await {
            outcome?.done()?;
        }
        // A refusal under a key takes a position, and is no event.
        let refused = book.account("alice").charge(1_000_000).key(format!("k{round}")).await?;
        assert!(!refused.is_done());
    }
    let all = so_far(&ledger, start.get()).await?;
    assert_eq!(all.len(), 1_000);
    ledger.close().await?;
    let met = follower.await.expect("no panic")?;
    assert_eq!(met, all);
    for pair in met.windows(2) {
        assert!(pair[0].position < pair[1].position);
    }
    Ok(())
}

#[tokio::test]
async fn whoever_goes_on_behind_the_last_event_misses_none() -> Result<(), Error> {
    let (_folder, ledger) = ledger().await;
    let book = ledger.book("default");
    for id in ["a", "b"] {
        book.account(id).open("USD/2").await?.done()?;
        book.account(id).deposit(9).await?.done()?;
    }
    book.account("a").transfer("b", 3).await?.done()?;
    let legs = book.transaction().and(book.account("a").charge(1)).and(book.ticket("t").issue());
    legs.key("k").await?.done()?;
    book.record("c", "r").put("1").await?.done()?;
    book.record("c", "r").delete().await?.done()?;
    let all = so_far(&ledger, 0).await?;
    let transfer = all.iter().find(|event| event.parts.len() == 2).expect("one event of two");
    let streams: Vec<_> = transfer.parts.iter().map(|part| part.stream.clone()).collect();
    assert_eq!(streams.iter().flatten().map(|id| id.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    for (index, event) in all.iter().enumerate() {
        let rest = so_far(&ledger, event.position.get()).await?;
        assert_eq!(rest, all[index + 1..]);
    }
    // A stream that has ended is named by the event that began it.
    let last = &all.last().expect("some").parts[0];
    assert!(matches!(last.happened, Happened::Record(_)));
    assert_eq!(last.stream.as_ref().map(|id| id.as_str()), Some("c/r"));
    assert_eq!(last.book.as_ref().map(|id| id.as_str()), Some("default"));
    ledger.close().await
}

#[tokio::test]
async fn a_book_hears_of_its_own_events_only() -> Result<(), Error> {
    let (_folder, ledger) = ledger().await;
    let other = ledger.book("other");
    other.create().await?.done()?;
    ledger.book("default").account("a").open("USD/2").await?.done()?;
    other.account("b").open("USD/2").await?.done()?;
    ledger.book("default").account("a").deposit(1).await?.done()?;
    let mut events = other.events(0).so_far();
    let only = events.next().await?.expect("its own");
    assert_eq!(only.parts[0].stream.as_ref().map(|id| id.as_str()), Some("b"));
    assert_eq!(events.next().await?, None);
    ledger.close().await
}

#[tokio::test]
async fn a_dropped_wait_loses_no_event() -> Result<(), Error> {
    let (_folder, ledger) = ledger().await;
    let account = ledger.book("default").account("a");
    let mut events = ledger.events(ledger.durable().watermark);
    for round in 0..50 {
        // Begins to wait, is given up after a few polls, and begins again.
        for _ in 0..round % 5 {
            let mut next = Box::pin(events.next());
            let polled = core::future::poll_fn(|task| {
                core::task::Poll::Ready(next.as_mut().poll(task).is_ready())
            });
            assert!(!polled.await, "nothing has happened");
        }
        if round == 0 {
            account.open("USD/2").await?.done()?;
        } else {
            account.deposit(round).await?.done()?;
        }
        let event = events.next().await?.expect("it has happened");
        assert_eq!(event.position, ledger.durable().watermark);
    }
    ledger.close().await
}

#[tokio::test]
async fn events_say_what_led_to_them_also_after_a_reopening() -> Result<(), Error> {
    let traces: Vec<String> =
        (1..=6).map(|number| format!("00-{number:032x}-{number:016x}-01")).collect();
    let trace = |number: usize| Some(traces[number].parse().expect("well formed"));
    for closes in [true, false] {
        let folder = tempfile::tempdir().expect("a folder");
        let (before, drop) = {
            let ledger = Ledger::open(folder.path()).await?;
            let book = ledger.book("default");
            let (alice, before) = (book.account("alice"), ledger.durable().watermark);
            alice.open("USD/2").trace(&*traces[0]).await?.done()?;
            alice.deposit(5).await?.done()?;
            alice.deposit(5).key("k").trace(&*traces[1]).await?.done()?;
            let legs = book.transaction().and(alice.charge(1)).and(book.ticket("t").issue());
            legs.key("k").trace(&*traces[2]).await?.done()?;
            let tickets = ["u", "v"].map(|id| book.ticket(id).issue());
            book.issue().all(tickets).trace(&*traces[3]).await?.done()?;
            let made = book.drop(book.make_id()?).create(1).made();
            let drop = made.key("k").trace(&*traces[4]).await?.done()?.value;
            ledger.batch([alice.charge(1).trace(&*traces[5])]).await.remove(0)?.done()?;
            if closes {
                ledger.close().await?;
            }
            (before, drop)
        };

        let ledger = Ledger::open(folder.path()).await?;
        let book = ledger.book("default");
        let alice = book.account("alice");
        // Who repeats keeps what led to the first.
        assert!(alice.deposit(5).key("k").trace(&*traces[5]).await?.done()?.replayed);
        let again = book.drop("another").create(1).made().key("k").trace(&*traces[5]);
        assert_eq!(again.await?.done()?.id, drop.id);
        let all = so_far(&ledger, before.get()).await?;
        let told: Vec<_> = all.iter().map(|event| event.trace).collect();
        let [opened, paid, both] = [trace(0), trace(1), trace(2)];
        let [issued, created, charged] = [trace(3), trace(4), trace(5)];
        // Under a key, a transaction and a creation begin with the stream that keeps it.
        let wanted =
            [opened, None, paid, both, both, both, issued, issued, created, created, charged];
        assert_eq!(told, wanted);

        let mut history = alice.history();
        let mut told = Vec::new();
        while let Some(past) = history.next().await? {
            told.push(past.trace);
        }
        assert_eq!(told, [charged, both, paid, None, opened]);
        ledger.close().await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_trace_is_well_formed_and_that_of_the_whole() -> Result<(), Error> {
    let (_folder, ledger) = ledger().await;
    let alice = ledger.book("default").account("alice");
    let none = format!("00-{:032x}-{:016x}-01", 0, 1);
    let text = format!("00-{:032x}-{:016x}-01", 1, 1);
    let malformed = [
        alice.open("USD/2").trace(&*none).await.err(),
        ledger.book("default").transaction().and(alice.deposit(1)).trace(&*none).await.err(),
        ledger.book("default").issue().source("s", 1).trace(&*none).await.err(),
        ledger.book("default").transaction().and(alice.deposit(1).trace(&*text)).await.err(),
    ];
    for error in malformed {
        assert_eq!(error.expect("it is refused").what_to_do(), WhatToDo::Fix);
    }
    assert_eq!(alice.get().await?, None, "nothing was asked");
    ledger.close().await
}
