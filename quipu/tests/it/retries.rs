//! A retry gets the first answer, whatever came between.

use quipu::{Code, Error, Ledger, WhatToDo};

#[tokio::test]
async fn a_retry_after_a_reopening_is_answered_byte_for_byte() -> Result<(), Error> {
    for closes in [true, false] {
        let folder = tempfile::tempdir().expect("a folder");
        let mut before = Vec::new();
        for round in 0..3 {
            let ledger = Ledger::open(folder.path()).await?;
            let book = ledger.book("default");
            let (alice, drop) = (book.account("alice"), book.drop("shoes"));
            if round == 0 {
                alice.open("USD/2").await?.done()?;
                drop.create(9).await?.done()?;
                book.ticket("seat").issue().await?.done()?;
            }
            let mut told = Vec::new();
            let deposit = alice.deposit(50).reference("r").key("k").await?.done()?;
            told.push(format!("{:?} {:?} {:?}", deposit.value, deposit.position, deposit.at));
            assert_eq!(deposit.replayed, round > 0);
            let refused = alice.charge(51).key("k").await?;
            told.push(format!("{:?}", refused.refused().map(|no| (no.code, no.fact, no.at))));
            assert_eq!(refused.code(), Some(Code::InsufficientFunds));
            let claim = drop.claim("alice").key("k").await?.done()?;
            told.push(format!("{:?} {:?}", claim.value, claim.version));
            let seat = book.ticket("seat").claim("alice").key("k").await?.done()?;
            told.push(format!("{:?} {}", seat.value, seat.token));
            let legs = book.transaction().and(alice.deposit(1)).and(drop.claim("bob"));
            let both = legs.and(book.record("a", "b").put("1")).key("k").await?.done()?;
            told.push(format!("{:?} {:?} {:?}", both.value, both.position, both.at));
            assert_eq!(both.replayed, round > 0);
            if round > 0 {
                // It would do now, and has to be refused all the same.
                alice.deposit(100).await?.done()?;
                assert_eq!(told, before);
            }
            before = told;
            if closes {
                ledger.close().await?;
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_key_belongs_to_its_stream_and_operation_and_command() -> Result<(), Error> {
    let (_folder, ledger) = crate::ground::ledger().await;
    let book = ledger.book("default");
    for id in ["alice", "bob"] {
        book.account(id).open("USD/2").await?.done()?;
        assert!(!book.account(id).deposit(5).key("k").await?.done()?.replayed);
        assert!(!book.account(id).charge(5).key("k").await?.done()?.replayed);
    }
    let other = book.account("alice").deposit(6).key("k").await.expect_err("another command");
    assert_eq!(other.refused().map(|refused| refused.code), Some(Code::IdempotencyKeyReused));
    assert_eq!(other.what_to_do(), WhatToDo::Fix);
    assert!(other.nothing_was_done());
    // One key of transactions is one, whatever streams they begin with.
    let of = |id: &str| book.transaction().and(book.account(id).deposit(5)).key("k");
    of("alice").await?.done()?;
    let reused = of("bob").await.expect_err("other legs").refused().map(|refused| refused.code);
    assert_eq!(reused, Some(Code::IdempotencyKeyReused));
    ledger.close().await
}

#[tokio::test]
async fn callers_with_one_key_at_once_are_one_effect() -> Result<(), Error> {
    let (_folder, ledger) = crate::ground::ledger().await;
    let account = ledger.book("default").account("alice");
    account.open("USD/2").await?.done()?;
    let calls = (0..10).map(|_| account.deposit(5).key("k"));
    let mut fresh = 0;
    for outcome in ledger.batch(calls).await {
        let done = outcome?.done()?;
        assert_eq!(done.balance_after.get(), 5);
        fresh += usize::from(!done.replayed);
    }
    assert_eq!(fresh, 1);
    ledger.close().await
}
