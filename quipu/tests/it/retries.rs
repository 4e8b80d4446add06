//! A retry gets the first answer, whatever came between.

use quipu::account::SECRET_PRINT_BYTES;
use quipu::list::Listed;
use quipu::words::Id;
use quipu::{Book, Call, Code, Error, Ledger, List, WhatToDo};

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

/// How many a list has.
async fn count<R: Listed>(mut list: List<R>) -> Result<usize, Error> {
    let mut count = 0;
    while list.next().await?.is_some() {
        count += 1;
    }
    Ok(count)
}

/// Opens a flow that nobody has named, funded by an account.
fn flow(book: &Book, total: u64, key: &str) -> Call<Id> {
    let id = book.make_id().expect("there is chance");
    book.flow(id).open("USD/2", total, 60).payer("payer").made().key(key).map(|flow| flow.id)
}

#[tokio::test]
async fn a_retry_of_what_nobody_has_named_shows_what_the_first_call_made() -> Result<(), Error> {
    for closes in [true, false] {
        let folder = tempfile::tempdir().expect("a folder");
        let mut before = Vec::new();
        for round in 0..3 {
            let ledger = Ledger::open(folder.path()).await?;
            let book = ledger.book("default");
            if round == 0 {
                book.account("payer").open("USD/2").await?.done()?;
                book.account("payer").deposit(50).await?.done()?;
            }
            let mut told = Vec::new();
            let id = || book.make_id().expect("there is chance");
            let account = book.account(id()).open("EUR/2").made().key("k").await?.done()?;
            assert_eq!((account.replayed, account.changed), (round > 0, true));
            told.push(format!("{:?} {:?}", account.value, (account.position, account.version)));
            let ticket = book.ticket(id()).issue().amount(5, "EUR/2").made().key("k");
            told.push(format!("{:?}", ticket.await?.done()?.value));
            let drop = book.drop(id()).create(9).made().key("k").await?.done()?;
            told.push(format!("{:?} {:?}", drop.value, (drop.position, drop.at)));
            let funded = flow(&book, 50, "k").await?.done()?;
            told.push(format!("{:?} {:?}", funded.value, (funded.position, funded.version)));
            let refused = flow(&book, 1, "poor").await?;
            let no = refused.refused().expect("all of it is in the first flow");
            assert_eq!((no.code, no.leg), (Code::InsufficientFunds, None));
            assert_eq!(no.replayed, round > 0);
            told.push(format!("{:?} {:?} {:?}", no.code, no.fact, (no.position, no.at)));

            // What is shown is there, once, at the version that was told.
            let seen = book.account(&account.id).get().await?.expect("it was opened");
            assert_eq!(seen.version, account.version);
            let seen = book.flow(&funded.value).get().await?.expect("it was opened");
            assert_eq!(seen.version, funded.version);
            assert_eq!(count(book.accounts()).await?, 2);
            assert_eq!(count(book.flows()).await?, 1);
            if round > 0 {
                // It would do now, and has to be refused all the same.
                book.account("payer").deposit(100).await?.done()?;
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
async fn a_key_of_what_nobody_has_named_belongs_to_the_operation_and_its_body() -> Result<(), Error>
{
    let (_folder, ledger) = crate::ground::ledger().await;
    let book = ledger.book("default");
    let other = ledger.book("other");
    other.create().await?.done()?;
    let account = |book: &Book, asset: &str| {
        let id = book.make_id().expect("there is chance");
        book.account(id).open(asset).made().key("k")
    };
    let first = account(&book, "USD/2").await?.done()?;
    let reused = account(&book, "EUR/2").await.expect_err("another body");
    assert_eq!(
        reused.refused().map(|no| (no.code, no.leg)),
        Some((Code::IdempotencyKeyReused, None))
    );
    assert!(!account(&other, "EUR/2").await?.done()?.replayed);
    // A name that the caller gives makes it another ask, with the key of that stream.
    assert!(!book.account("alice").open("EUR/2").key("k").await?.done()?.replayed);
    let drop = book.drop(book.make_id()?).create(1).made().key("k");
    assert!(!drop.await?.done()?.replayed);
    // Without a key every call makes another one.
    let one = book.account(book.make_id()?).open("USD/2").made().await?.done()?;
    let two = book.account(book.make_id()?).open("USD/2").made().await?.done()?;
    assert!(one.id != two.id && one.id != first.id);
    assert_eq!(two.version, two.position);
    // No id can be made for a leg, nor for a record.
    let leg = book.transaction().and(book.account(book.make_id()?).open("USD/2").made());
    assert_eq!(leg.await.expect_err("a leg").what_to_do(), WhatToDo::Fix);
    let put = book.record("a", "b").put("1").made();
    assert_eq!(put.await.expect_err("a record").what_to_do(), WhatToDo::Fix);
    ledger.close().await
}

#[tokio::test]
async fn callers_who_make_one_thing_at_once_under_one_key_make_it_once() -> Result<(), Error> {
    for shards in [1, 2, 8] {
        let folder = tempfile::tempdir().expect("a folder");
        let ledger = Ledger::builder(folder.path()).shards(shards).open().await?;
        let book = ledger.book("default");
        book.account("payer").open("USD/2").await?.done()?;
        book.account("payer").deposit(5).await?.done()?;
        let calls: Vec<Call<Id>> = (0..10).map(|_| flow(&book, 5, "k")).collect();
        let (mut fresh, mut ids) = (0, std::collections::BTreeSet::new());
        for outcome in ledger.batch(calls).await {
            let done = outcome?.done()?;
            fresh += usize::from(!done.replayed);
            ids.insert(done.value);
        }
        assert_eq!((fresh, ids.len()), (1, 1));
        assert_eq!(count(book.flows()).await?, 1);
        ledger.close().await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_secret_that_is_encrypted_anew_is_the_same_withdrawal() -> Result<(), Error> {
    let folder = tempfile::tempdir().expect("a folder");
    let sealed = |print: u8, nonce: u8| [[print; SECRET_PRINT_BYTES], [nonce; 16]].concat();
    let mut first = None;
    for nonce in 0..3 {
        let ledger = Ledger::open(folder.path()).await?;
        let alice = ledger.book("default").account("alice");
        if nonce == 0 {
            alice.open("USD/2").await?.done()?;
            alice.deposit(100).await?.done()?;
        }
        let withdraw = |secret: Vec<u8>| alice.withdraw(40, "iban:DE00").secret(secret).key("k");
        let planned = withdraw(sealed(1, nonce)).await?.done()?;
        assert_eq!(planned.replayed, nonce > 0);
        let first = first.get_or_insert(planned.value.clone());
        assert_eq!(planned.value, *first);
        // Another text has another print, also one that is shorter than a print.
        for other in [sealed(2, nonce), vec![1; SECRET_PRINT_BYTES - 1], Vec::new()] {
            let reused = withdraw(other).await.expect_err("another secret");
            let code = reused.refused().map(|refused| refused.code);
            assert_eq!(code, Some(Code::IdempotencyKeyReused));
        }
        assert_eq!(alice.get().await?.expect("it is open").available.get(), 60);
        if nonce == 2 {
            // What is paid out is what came first.
            let leased = alice.withdrawal(&first.id).lease("w", 60).await?.done()?;
            let secret = leased.secret.as_ref().map(|secret| secret.as_bytes());
            assert_eq!(secret, Some(&sealed(1, 0)[..]));
        }
        ledger.close().await?;
    }
    Ok(())
}
