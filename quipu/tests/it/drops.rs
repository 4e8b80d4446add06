//! Drops, each operation once, with what it is refused with.

use quipu::drop::{ClaimState, State};
use quipu::words::Timestamp;
use quipu::{Code, Error};

use crate::ground::{code, ledger};

#[tokio::test]
async fn a_stock_is_claimed_from_and_given_back_to() -> Result<(), Error> {
    let (_folder, ledger) = ledger().await;
    let book = ledger.book("default");
    let drop = book.drop("shoes");
    assert_eq!(code(drop.claim("alice").await), Code::NotFound);
    drop.create(5).per_claimant(3).await?.done()?;
    assert_eq!(code(drop.create(5).await), Code::AlreadyExists);
    let first = drop.claim("alice").quantity(2).await?.done()?;
    assert_eq!((first.number, first.quantity, first.remaining), (1, 2, 3));
    assert_eq!(code(drop.claim("alice").quantity(2).await), Code::ClaimLimitReached);
    let second = drop.claim("bob").quantity(3).await?.done()?;
    assert_eq!(code(drop.claim("carol").await), Code::SoldOut);
    assert_eq!(code(drop.set_stock(4).await), Code::BelowTaken);
    assert_eq!(drop.set_stock(6).await?.done()?.remaining, 1);

    let released = drop.release(&first.id).await?.done()?;
    assert_eq!(released.state, ClaimState::Released);
    assert_eq!(code(drop.release(&first.id).await), Code::WrongState);
    assert_eq!(code(drop.release("c999").await), Code::NotFound);
    assert_eq!(drop.claimed(&first.id).await?.expect("it stays").value, released.value);
    let seen = drop.get().await?.expect("it is open");
    assert_eq!((seen.taken, seen.remaining, seen.claims), (3, 3, 2));
    let mut claims = drop.claims();
    assert_eq!(claims.next().await?.expect("the first").id, first.id);
    assert_eq!(claims.next().await?.expect("the second").id, second.id);
    assert_eq!(claims.next().await?, None);
    assert_eq!(drop.close().await?.done()?.state, State::Closed);
    assert_eq!(code(drop.claim("alice").await), Code::NotOpen);

    let early = book.drop("early");
    early.create(1).opens_at(Timestamp::LAST).await?.done()?;
    assert_eq!(code(early.claim("alice").await), Code::NotOpen);
    let over = book.drop("over");
    let create = over.create(1).opens_at(Timestamp::from_ms(1)).closes_at(Timestamp::from_ms(2));
    assert_eq!(create.await?.done()?.state, State::Closed);
    let mut scheduled = book.drops().state(State::Scheduled);
    assert_eq!(scheduled.next().await?.expect("one").id.as_str(), "early");
    ledger.close().await
}

#[tokio::test]
async fn a_price_is_paid_with_the_claim_or_neither_happens() -> Result<(), Error> {
    let (_folder, ledger) = ledger().await;
    let book = ledger.book("default");
    for (id, amount) in [("alice", 100), ("shop", 1)] {
        book.account(id).open("USD/2").await?.done()?;
        book.account(id).deposit(amount).await?.done()?;
    }
    let drop = book.drop("shoes");
    drop.create(5).price(40, "USD/2").seller("shop").await?.done()?;
    let claim = drop.claim("alice").quantity(2).pay_from("alice").await?.done()?;
    assert_eq!(claim.payment.as_ref().expect("it was paid").amount.get(), 80);
    assert_eq!(code(drop.claim("alice").pay_from("alice").await), Code::InsufficientFunds);
    assert_eq!(drop.get().await?.expect("it is open").taken, 2);
    drop.release(&claim.id).await?.done()?;
    assert_eq!(book.account("alice").get().await?.expect("it is open").balance.get(), 100);
    assert_eq!(book.account("shop").get().await?.expect("it is open").balance.get(), 1);
    ledger.close().await
}
