//! Opening, closing, opening again.

use quipu::{Error, KeyMaterial, Ledger, OpenError, WhatToDo};
use quipu_core::shard::{Ask, Reply};

use crate::race::{claim, issue, read};

/// Why it does not open.
fn why(error: &Error) -> &OpenError {
    match error {
        Error::Open(why) => why.what(),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn what_was_claimed_is_claimed_after_a_clean_stop_and_after_none() {
    let folder = tempfile::tempdir().expect("a folder");
    for round in 0..4 {
        let ledger = Ledger::open(folder.path()).await.expect("it opens");
        if round == 0 {
            assert!(matches!(ledger.ask(issue("seat")).await, Reply::Done(_)));
            let won = ledger.ask(claim("seat", "alice")).await;
            assert!(matches!(won, Reply::Done(won) if won.changed));
        }
        let again = ledger.ask(claim("seat", "alice")).await;
        assert!(matches!(again, Reply::Done(again) if !again.changed));
        assert!(matches!(ledger.ask(claim("seat", "bob")).await, Reply::Refused(_)));
        assert!(matches!(ledger.ask(read("seat")).await, Reply::Done(_)));
        if round % 2 == 0 {
            ledger.close().await.expect("it stops");
        }
    }
}

#[tokio::test]
async fn a_ledger_opens_once_and_again_when_it_is_closed() {
    let folder = tempfile::tempdir().expect("a folder");
    let ledger = Ledger::open(folder.path()).await.expect("it opens");
    let twice = Ledger::open(folder.path()).await.err().expect("it is open");
    assert_eq!(why(&twice), &OpenError::InUse);
    let other = ledger.clone();
    ledger.close().await.expect("it stops");
    let late = other.ask(issue("seat")).await;
    assert!(matches!(late, Reply::Failed(quipu_core::words::Fault::Stopping)), "{late:?}");
    drop(other);
    Ledger::open(folder.path()).await.expect("it opens again");
}

#[tokio::test]
async fn the_secret_has_to_be_the_ledgers_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let open = |keys| Ledger::builder(folder.path()).keys(keys).open();
    open(KeyMaterial::Given([1; 32])).await.expect("it opens").close().await.expect("it stops");
    let wrong = open(KeyMaterial::Given([2; 32])).await.err().expect("another one");
    assert_eq!(why(&wrong), &OpenError::WrongSecret);
    let none = open(KeyMaterial::Beside).await.err().expect("none at all");
    assert_eq!(why(&none), &OpenError::SecretElsewhere);
    open(KeyMaterial::Given([1; 32])).await.expect("it opens");
    std::fs::remove_file(folder.path().join("SECRET")).expect("it is there");
    let gone = open(KeyMaterial::Given([1; 32])).await.err().expect("it is gone");
    assert_eq!(why(&gone), &OpenError::NoSecret);
    assert_eq!(gone.what_to_do(), WhatToDo::Repair);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shards_on_the_callers_thread_answer_as_well() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().to_owned();
    let run = move || {
        actix::System::new().block_on(async move {
            let ledger = Ledger::builder(path).shards(3).on_this_thread().open().await;
            let ledger = ledger.expect("it opens");
            let asks: Vec<Ask> = (0..100).map(|number| issue(&format!("t{number}"))).collect();
            let replies = ledger.ask_all(asks).await;
            assert_eq!(replies.len(), 100);
            assert!(replies.iter().all(|reply| matches!(reply, Reply::Done(_))));
            ledger.close().await.expect("it stops");
        });
    };
    tokio::task::spawn_blocking(run).await.expect("no panic");
}
