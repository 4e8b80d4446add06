//! Transactions and batches.

use quipu::transaction::SHOWN_LEGS_MAX;
use quipu::{Code, Error, Ledger, WhatToDo};

use crate::ground::{code, ledger};

#[tokio::test]
async fn legs_happen_together_and_each_shows_its_own() -> Result<(), Error> {
    let (_folder, ledger) = ledger().await;
    let book = ledger.book("default");
    let alice = book.account("alice");
    alice.open("USD/2").await?.done()?;
    alice.deposit(100).await?.done()?;
    book.drop("shoes").create(9).await?.done()?;
    book.ticket("seat").issue().await?.done()?;
    book.ticket("seat").claim("alice").await?.done()?;
    // Ids derive from positions, also behind a put that makes its collection, and behind a leg
    // that changes nothing.
    let legs = book
        .transaction()
        .and(alice.charge(1))
        .and(book.record("orders", "1").put("1"))
        .and(alice.charge(2))
        .and(book.ticket("seat").claim("alice"))
        .and(book.record("orders", "2").put("2"))
        .and(book.drop("shoes").claim("alice"))
        .and(alice.hold(5))
        .and(alice.charge(3));
    let done = legs.key("all").await?.done()?;
    let (first, put, second, seat, _, claim, hold, third) = done.value;
    assert!(put.created);
    assert_eq!(seat.claimant.as_str(), "alice");
    for (charge, amount) in [(&first, 1), (&second, 2), (&third, 3)] {
        let charged = alice.charged(&charge.id).await?.expect("its id is its own");
        assert_eq!(charged.amount.get(), amount);
    }
    let kept = book.drop("shoes").claimed(&claim.id).await?.expect("its id is its own");
    assert_eq!(kept.number, claim.number);
    assert_eq!(alice.held(&hold.id).get().await?.expect("its id is its own").amount.get(), 5);
    ledger.close().await
}

#[tokio::test]
async fn a_refused_leg_leaves_nothing_of_the_others() -> Result<(), Error> {
    let (_folder, ledger) = ledger().await;
    let book = ledger.book("default");
    let alice = book.account("alice");
    alice.open("USD/2").await?.done()?;
    for keyed in [false, true] {
        let put = book.record("orders", "1").put("1");
        let legs = book.transaction().and(alice.deposit(5)).and(put).and(alice.charge(6));
        let outcome = if keyed { legs.key("k").await? } else { legs.await? };
        let refused = outcome.refused().expect("there is too little");
        assert_eq!((refused.code, refused.leg), (Code::InsufficientFunds, Some(2)));
    }
    assert_eq!(alice.get().await?.expect("it is open").balance.get(), 0);
    assert_eq!(book.record("orders", "1").get().await?, None);
    let stale = book.transaction().and(alice.deposit(1).if_version(1));
    assert_eq!(code(stale.await), Code::VersionMismatch);
    ledger.close().await
}

#[tokio::test]
async fn a_transaction_of_many_legs_says_which_changed_something() -> Result<(), Error> {
    let (_folder, ledger) = ledger().await;
    let book = ledger.book("default");
    let put = |number: usize| book.record("nodes", format!("n{number}")).put(number.to_string());
    let few = book.transaction().all((0..SHOWN_LEGS_MAX).map(put)).key("few").await?.done()?;
    let mut few = few.value.iter();
    assert!(few.all(|part| part.changed && part.value.is_some_and(|put| put.created)));
    let many = book.transaction().all((0..1_000).map(put)).key("many").await?.done()?;
    assert_eq!(many.value.len(), 1_000);
    assert!(many.value.iter().all(|part| part.changed && part.value.is_none()));
    assert_eq!(book.record("nodes", "n999").get().await?.expect("it is there").value.value, "999");

    let mut keys = std::collections::BTreeSet::new();
    let mut records = book.collection("nodes").records();
    while let Some(record) = records.next().await? {
        assert!(keys.insert(record.value.key), "once");
    }
    assert_eq!(keys.len(), 1_000);

    let too_many = book.transaction().all((0..10_003).map(put)).await.expect_err("too many");
    assert_eq!(too_many.what_to_do(), WhatToDo::Fix, "{too_many}");
    let none = book.transaction().await.expect_err("none");
    assert_eq!(none.what_to_do(), WhatToDo::Fix);
    ledger.close().await
}

#[tokio::test]
async fn each_part_names_the_position_of_its_own_event() -> Result<(), Error> {
    for shards in [1, 8] {
        let folder = tempfile::tempdir().expect("a folder");
        let ledger = Ledger::builder(folder.path()).shards(shards).open().await?;
        let book = ledger.book("default");
        book.ticket("seat").issue().await?.done()?;
        book.ticket("seat").claim("alice").await?.done()?;
        for (len, key) in [(7, None), (8, Some("few")), (900, None), (901, Some("many"))] {
            let before = ledger.durable().watermark;
            // The first put of each collection makes it, which is an event more. One leg in
            // seven finds that it is so already.
            let names =
                (0..len).map(|leg| (leg % 7 != 3).then(|| (format!("c{len}-{}", leg % 5), leg)));
            let names: Vec<Option<(String, i32)>> = names.collect();
            let legs = names.iter().map(|name| match name {
                Some((collection, leg)) => {
                    book.record(collection, format!("{leg}")).put("1").map(|_| ())
                }
                None => book.ticket("seat").claim("alice").map(|_| ()),
            });
            let legs = book.transaction().all(legs);
            let done = match key {
                Some(key) => legs.key(key).await?.done()?,
                None => legs.await?.done()?,
            };
            let mut happened = std::collections::BTreeMap::new();
            let mut events = book.events(before).so_far();
            while let Some(event) = events.next().await? {
                for part in event.parts {
                    happened.insert(part.stream.expect("it is there").to_string(), event.position);
                }
            }
            assert_eq!(done.value.len(), names.len());
            for (part, name) in done.value.iter().zip(&names) {
                assert_eq!(part.changed, name.is_some());
                let own = name.as_ref().map(|(collection, leg)| format!("{collection}/{leg}"));
                let position = own.map_or(done.position, |own| happened[&own]);
                assert_eq!(part.position, position, "{name:?} of {len} on {shards}");
            }
        }
        ledger.close().await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_leg_belongs_to_the_transactions_book_and_has_no_key() -> Result<(), Error> {
    let (_folder, ledger) = ledger().await;
    let (book, other) = (ledger.book("default"), ledger.book("other"));
    other.create().await?.done()?;
    assert_eq!(code(other.create().await), Code::AlreadyExists);
    let foreign = book.transaction().and(other.account("a").deposit(1)).await;
    assert_eq!(foreign.expect_err("another book").what_to_do(), WhatToDo::Fix);
    let keyed = book.transaction().and(book.account("a").deposit(1).key("k")).await;
    assert_eq!(keyed.expect_err("a key").what_to_do(), WhatToDo::Fix);
    // The same book by another handle.
    ledger.book("other").account("a").open("USD/2").await?.done()?;
    let legs = other.transaction().and(ledger.book("other").account("a").deposit(1));
    legs.await?.done()?;
    assert_eq!(book.account("a").get().await?, None, "books do not meet");
    ledger.close().await
}

#[tokio::test]
async fn a_batch_gives_each_call_its_own_outcome_in_order() -> Result<(), Error> {
    let (_folder, ledger) = ledger().await;
    let book = ledger.book("default");
    let alice = book.account("alice");
    let calls = ledger
        .batch([alice.open("USD/2").map(|_| 0)])
        .and(alice.deposit(5).map(|deposit| deposit.balance_after.get()))
        .and(alice.charge(6).map(|_| 0))
        .and(alice.deposit(0).map(|_| 0))
        .and(ledger.book("nowhere").account("a").deposit(1).map(|_| 0))
        .and(book.record("orders", "1").put("1").map(|put| i128::from(put.created)))
        .and(alice.deposit(7).key("k").map(|deposit| deposit.balance_after.get()));
    assert_eq!((calls.len(), calls.is_empty()), (7, false));
    let mut outcomes = calls.await.into_iter();
    let mut next = || outcomes.next().expect("as many as calls");
    assert!(next()?.is_done());
    assert_eq!(next()?.done()?.value, 5);
    assert_eq!(next()?.code(), Some(Code::InsufficientFunds));
    assert_eq!(next().expect_err("nothing").what_to_do(), WhatToDo::Fix);
    assert_eq!(next()?.code(), Some(Code::NotFound));
    assert_eq!(next()?.done()?.value, 1);
    assert_eq!(next()?.done()?.value, 12);
    ledger.close().await
}
