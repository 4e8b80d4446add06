//! Backups of a ledger that is in use, and what is made of them.

use quipu::account::WithdrawalState;
use quipu::{Code, Error, KeyMaterial, Ledger, OpenError, WhatToDo};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_under_load_holds_what_was_acknowledged_before() -> Result<(), Error> {
    let (folder, elsewhere) =
        (tempfile::tempdir().expect("one"), tempfile::tempdir().expect("two"));
    let keys = || KeyMaterial::Given([7; 32]);
    let ledger = Ledger::builder(folder.path()).keys(keys()).open().await?;
    let alice = ledger.book("default").account("alice");
    alice.open("USD/2").await?.done()?;
    alice.deposit(1_000).key("first").await?.done()?;
    let planned = alice.withdraw(10, "iban:DE00").await?.done()?;
    let writer = {
        let alice = alice.clone();
        tokio::spawn(async move {
            for _ in 0..200 {
                alice.charge(1).await.expect("an answer").done().expect("there is enough");
            }
        })
    };
    let before = alice.get().await?.expect("it is open");
    let file = elsewhere.path().join("a.quipu");
    let manifest = ledger.backup(&file).await?;
    assert!(manifest.position >= before.version);
    writer.await.expect("no panic");
    ledger.close().await?;

    let copy = || Ledger::builder(elsewhere.path().join("copy")).keys(keys());
    let id = copy().restore(&file).await?;
    assert_ne!(id, manifest.ledger);
    let restored = copy().open().await?;
    let alice = restored.book("default").account("alice");
    let seen = alice.get().await?.expect("it was open");
    assert!(seen.balance <= before.balance);
    assert_eq!(seen.total_in.get(), 1_000);
    assert!(alice.deposit(1_000).key("first").await?.done()?.replayed, "keys come along");
    let payout = alice.withdrawal(&planned.id).get().await?.expect("it was planned");
    assert_eq!(payout.state, WithdrawalState::Unknown, "the original may have paid");
    assert_eq!(alice.close().await?.code(), Some(Code::NotEmpty));
    restored.close().await?;

    let twice = copy().restore(&file).await.expect_err("there is one already");
    assert!(matches!(&twice, Error::Open(error) if *error.what() == OpenError::Exists), "{twice}");
    assert_eq!(twice.what_to_do(), WhatToDo::Fix);
    let nothing = copy().restore(elsewhere.path().join("none")).await.expect_err("no file");
    assert_eq!(nothing.what_to_do(), WhatToDo::Fix);
    Ok(())
}
