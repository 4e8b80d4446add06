//! Flows, each operation once, with what it is refused with.

use quipu::flow::State;
use quipu::words::{Metadata, Timestamp};
use quipu::{Code, Error};

use crate::ground::{code, ledger};

#[tokio::test]
async fn a_flow_runs_from_its_draft_to_its_end() -> Result<(), Error> {
    let (_folder, ledger) = ledger().await;
    let book = ledger.book("default");
    for (id, amount) in [("payer", 500), ("worker", 1)] {
        book.account(id).open("USD/2").await?.done()?;
        book.account(id).deposit(amount).await?.done()?;
    }
    let flow = book.flow("salary");
    assert_eq!(flow.get().await?, None);
    assert_eq!(code(flow.start().await), Code::NotFound);
    let open = flow.open("USD/2", 400, 1_000_000).payer("payer").recipient("worker");
    let opened = open.cliff_seconds(5).metadata(Metadata::new([("a", "b")])?).await?.done()?;
    assert_eq!((opened.state, opened.total.get()), (State::Draft, 400));
    assert_eq!((opened.cliff_ms, opened.metadata.is_empty()), (5_000, false));
    assert_eq!(book.account("payer").get().await?.expect("it is open").balance.get(), 100);
    assert_eq!(code(flow.open("USD/2", 1, 1).await), Code::AlreadyExists);
    assert_eq!(code(flow.pause().await), Code::WrongState);
    assert_eq!(flow.start().await?.done()?.state, State::Active);
    assert_eq!(flow.pause().await?.done()?.state, State::Paused);
    assert_eq!(flow.resume().await?.done()?.state, State::Active);
    assert_eq!(code(flow.settle().await), Code::NothingToSettle);
    assert_eq!(flow.top_up(50).await?.done()?.total.get(), 450);
    assert_eq!(code(flow.cancel().await), Code::WrongState);
    let stopped = flow.stop().await?.done()?;
    assert_eq!((stopped.state, stopped.refunded.get()), (State::Ended, 450));
    assert_eq!(book.account("payer").get().await?.expect("it is open").balance.get(), 500);
    ledger.close().await
}

#[tokio::test]
async fn what_has_accrued_is_settled_and_withdrawn() -> Result<(), Error> {
    let (_folder, ledger) = ledger().await;
    let book = ledger.book("default");
    let flow = book.flow("past");
    let open = flow.open("USD/2", 400, 1).start_at(Timestamp::from_ms(1));
    assert_eq!(open.await?.done()?.state, State::Active);
    let seen = flow.get().await?.expect("it runs");
    assert_eq!((seen.accrued.get(), seen.settled.get()), (400, 0));
    let settled = flow.settle().await?.done()?;
    assert_eq!((settled.amount.get(), settled.flow.state), (400, State::Ended));
    assert_eq!(code(flow.withdraw(401).await), Code::ExceedsWithdrawable);
    assert_eq!(flow.withdraw(150).await?.done()?.flow.withdrawable.get(), 250);
    assert_eq!(flow.withdraw_all().await?.done()?.amount.get(), 250);
    assert_eq!(code(flow.withdraw_all().await), Code::ExceedsWithdrawable);

    let draft = book.flow("draft");
    draft.open("USD/2", 5, 60).await?.done()?;
    assert_eq!(draft.cancel().await?.done()?.state, State::Cancelled);
    let mut cancelled = book.flows().state(State::Cancelled);
    assert_eq!(cancelled.next().await?.expect("one").id.as_str(), "draft");
    assert_eq!(cancelled.next().await?, None);
    ledger.close().await
}
