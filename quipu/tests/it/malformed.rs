//! What is malformed is an error that says `Fix`, and asks nothing.

use quipu::{Error, WhatToDo};

use crate::ground::ledger;

#[tokio::test]
async fn whatever_is_malformed_is_to_be_fixed() -> Result<(), Error> {
    let (_folder, ledger) = ledger().await;
    let book = ledger.book("default");
    let (alice, long) = (book.account("alice"), "x".repeat(256));
    alice.open("USD/2").await?.done()?;
    let before = ledger.durable().watermark;
    let asked = [
        ("an id", book.account("no blanks").deposit(5).await.err()),
        ("no id", book.account("").deposit(5).await.err()),
        ("a book", ledger.book("a/b").account("a").deposit(5).await.err()),
        ("nothing", alice.deposit(0).await.err()),
        ("less than nothing", alice.charge(-5).await.err()),
        ("too much", alice.deposit(u128::MAX).await.err()),
        ("a point", alice.deposit("5.0").await.err()),
        ("an asset", book.account("bob").open("usd").await.err()),
        ("a reference", alice.deposit(5).reference("a b").await.err()),
        ("a key", alice.deposit(5).key("a b").await.err()),
        ("a long key", alice.deposit(5).key(&long).await.err()),
        ("a cap", alice.change().cap(0).await.err()),
        ("a hold", alice.held("a b").release().await.err()),
        ("a payer", book.flow("f").open("USD/2", 5, 5).payer("a b").await.err()),
        ("a duration", book.flow("f").open("USD/2", 5, u64::MAX).await.err()),
        ("no duration", book.flow("f").open("USD/2", 5, 0).await.err()),
        ("a worth", book.ticket("t").issue().amount(0, "USD").await.err()),
        ("no units", book.drop("d").create(5).per_claimant(0).await.err()),
        ("a record", book.record("c", "a/b").put("1").await.err()),
        ("a field", book.collection("c").define(["a b"]).await.err()),
        ("a transaction", book.transaction().and(alice.deposit(0)).await.err()),
        ("its key", book.transaction().and(alice.deposit(1)).key("").await.err()),
        ("a batch", book.issue().await.err()),
        ("a token", book.introspect("7").await.err()),
        ("a read", book.account("a b").get().await.err()),
        ("a list", book.accounts().asset("usd").next().await.err()),
        ("a history", book.account("a b").history().next().await.err()),
    ];
    for (what, error) in asked {
        let error = error.unwrap_or_else(|| panic!("{what} passes"));
        assert_eq!(error.what_to_do(), WhatToDo::Fix, "{what}: {error}");
        assert!(error.nothing_was_done(), "{what}");
    }
    assert_eq!(ledger.durable().watermark, before, "nothing was written");
    ledger.close().await
}

#[tokio::test]
async fn a_closed_ledger_says_to_open_it_again() -> Result<(), Error> {
    let (_folder, ledger) = ledger().await;
    let account = ledger.book("default").account("alice");
    account.open("USD/2").await?.done()?;
    ledger.clone().close().await?;
    let errors = [
        account.deposit(5).await.err(),
        account.get().await.err(),
        ledger.snapshot().await.err(),
        ledger.book("default").accounts().next().await.err(),
        ledger.backup("nowhere.quipu").await.err(),
    ];
    for error in errors {
        let error = error.expect("it is closed");
        assert_eq!((error.what_to_do(), error.nothing_was_done()), (WhatToDo::Reopen, true));
    }
    Ok(())
}
