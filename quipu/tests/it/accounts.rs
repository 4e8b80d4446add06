//! Accounts, each operation once, with what it is refused with.

use quipu::account::{HoldState, State, WithdrawalState};
use quipu::words::{Metadata, Period, Timestamp};
use quipu::{Account, Code, Error, Ledger};

use crate::ground::{code, ledger};

/// An account that holds so much.
async fn account(ledger: &Ledger, id: &str, amount: u64) -> Result<Account, Error> {
    let account = ledger.book("default").account(id);
    account.open("USD/2").await?.done()?;
    if amount > 0 {
        account.deposit(amount).await?.done()?;
    }
    Ok(account)
}

#[tokio::test]
async fn metadata_is_merged_with_what_is_there_and_a_retry_is_the_same_merge() -> Result<(), Error>
{
    let (_folder, ledger) = ledger().await;
    let alice = ledger.book("default").account("alice");
    let pairs = Metadata::new([("plan", "basic"), ("team", "blue")])?;
    alice.open("USD/2").metadata(pairs).await?.done()?;
    let change =
        || alice.change().merge_metadata([("team", None), ("plan", Some("gold"))]).key("k");
    let first = change().await?.done()?;
    assert!(first.metadata.pairs().eq([("plan", "gold")]));
    let later = alice.change().merge_metadata([("seat", Some("7")), ("plan", None)]);
    assert!(later.await?.done()?.metadata.pairs().eq([("seat", "7")]));
    let again = change().await?.done()?;
    assert_eq!((&again.value, again.replayed), (&first.value, true));
    let kept = alice.get().await?.expect("it is open");
    assert!(kept.metadata.pairs().eq([("seat", "7")]), "{kept:?}");

    // Nothing is named, so nothing happens; of two ways to say it, the last one counts.
    let nothing = alice.change().merge_metadata([]).await?.done()?;
    assert_eq!((nothing.changed, nothing.version), (false, kept.version));
    let whole = Metadata::new([("a", "1")])?;
    let both = alice.change().merge_metadata([("b", Some("2"))]).metadata(whole);
    assert!(both.await?.done()?.metadata.pairs().eq([("a", "1")]));

    // A merge that is malformed, and one that is not, but what would come of it is.
    let long = "x".repeat(4_000);
    let twice = alice.change().merge_metadata([("a", None), ("a", Some("2"))]).await;
    assert!(matches!(twice, Err(Error::Malformed(_))), "{twice:?}");
    alice.change().merge_metadata([("l", Some(&*long))]).await?.done()?;
    let more = alice.change().merge_metadata([("m", Some(&long[..100]))]).await;
    let refused = more.expect_err("it is about what was asked");
    assert_eq!(refused.refused().map(|refused| refused.code), Some(Code::Malformed));
    ledger.close().await
}

#[tokio::test]
async fn it_is_opened_with_its_limits_and_changed_and_closed() -> Result<(), Error> {
    let (_folder, ledger) = ledger().await;
    let alice = ledger.book("default").account("alice");
    assert_eq!(alice.get().await?, None);
    let metadata = Metadata::new([("plan", "gold")])?;
    let open = alice.open("USD/2").floor(-50).cap(1_000).spend_cap(70, Period::Day);
    let opened = open.expires_at(Timestamp::LAST).metadata(metadata.clone()).await?.done()?;
    assert_eq!((opened.floor.get(), opened.available.get()), (-50, 50));
    assert_eq!(opened.metadata, metadata);
    assert_eq!(opened.expires_at, Some(Timestamp::LAST));
    assert_eq!(code(alice.open("USD/2").await), Code::AlreadyExists);

    let seen = alice.get().await?.expect("it is open");
    assert_eq!((&seen.value, seen.version), (&opened.value, opened.version));
    assert_eq!(code(alice.deposit(1_001).await), Code::BalanceCapReached);
    assert_eq!(code(alice.charge(51).await), Code::InsufficientFunds);
    assert_eq!(code(alice.change().no_cap().if_version(1).await), Code::VersionMismatch);
    let change = alice.change().no_cap().no_spend_cap().floor(0).expires_at(None);
    let changed = change.if_version(seen.version).await?.done()?;
    assert_eq!((changed.cap, changed.spending, changed.expires_at), (None, None, None));
    assert_eq!(changed.metadata, metadata, "what is not named stays");
    let capped = alice.change().cap(60).spend_cap(40, Period::Week).await?.done()?;
    assert_eq!(capped.spending.expect("there is one").left.get(), 40);
    let bare = alice.change().metadata(Metadata::default()).await?.done()?;
    assert!(bare.metadata.is_empty());

    alice.deposit(60).await?.done()?;
    assert_eq!(code(alice.charge(41).await), Code::SpendCapReached);
    assert_eq!(code(alice.close().await), Code::NotEmpty);
    alice.charge(40).await?.done()?;
    alice.change().no_spend_cap().await?.done()?;
    alice.charge(20).await?.done()?;
    assert_eq!(alice.close().await?.done()?.state, State::Closed);
    assert_eq!(code(alice.deposit(1).await), Code::WrongState);
    ledger.close().await
}

#[tokio::test]
async fn money_comes_in_and_goes_out_and_comes_back() -> Result<(), Error> {
    let (_folder, ledger) = ledger().await;
    let alice = account(&ledger, "alice", 0).await?;
    let deposit = alice.deposit("100").reference("notice-1").await?.done()?;
    assert_eq!((deposit.amount.get(), deposit.balance_after.get()), (100, 100));
    let again = alice.deposit(100).reference("notice-1").await?;
    let refused = again.refused().expect("the reference is taken");
    let first = quipu::words::Fact::First(deposit.position);
    assert_eq!((refused.code, refused.fact), (Code::AlreadyExists, first));

    let charge = alice.charge(30).reference("call-1").await?.done()?;
    assert_eq!(charge.balance_after.get(), 70);
    assert_eq!(code(alice.refund_part(&charge.id, 31).await), Code::ExceedsHeld);
    assert_eq!(alice.refund_part(&charge.id, 10).await?.done()?.balance_after.get(), 80);
    assert_eq!(alice.refund(&charge.id).await?.done()?.amount.get(), 20);
    assert_eq!(code(alice.refund(&charge.id).await), Code::WrongState, "nothing is left of it");
    let charged = alice.charged(&charge.id).await?.expect("it was charged");
    assert_eq!((charged.amount.get(), charged.refunded.get()), (30, 30));
    assert_eq!(alice.charged("c999").await?, None);
    assert_eq!(code(alice.refund("c999").await), Code::NotFound);

    let bob = account(&ledger, "bob", 0).await?;
    let sent = alice.transfer("bob", 60).metadata(Metadata::new([("a", "b")])?).await?.done()?;
    assert_eq!((sent.from_balance_after.get(), sent.to_balance_after.get()), (40, 60));
    assert_eq!(bob.get().await?.expect("it is open").version, sent.version, "one event of both");
    assert_eq!(code(alice.transfer("bob", 41).await), Code::InsufficientFunds);
    assert_eq!(code(alice.transfer("nobody", 1).await), Code::NotFound);
    let own = alice.transfer("alice", 40).await?.done()?;
    assert_eq!(own.to_balance_after.get(), 40);
    ledger.close().await
}

#[tokio::test]
async fn a_hold_ends_once() -> Result<(), Error> {
    let (_folder, ledger) = ledger().await;
    let alice = account(&ledger, "alice", 100).await?;
    let hold = alice.hold(60).expires_in_seconds(3_600).await?.done()?;
    assert_eq!((hold.state, hold.expires_at.is_some()), (HoldState::Held, true));
    assert_eq!(code(alice.hold(41).await), Code::InsufficientFunds);
    assert_eq!(code(alice.held(&hold.id).capture(61).await), Code::ExceedsHeld);
    let captured = alice.held(&hold.id).capture(50).await?.done()?;
    assert_eq!((captured.state, captured.captured.get()), (HoldState::Captured, 50));
    assert_eq!(code(alice.held(&hold.id).release().await), Code::WrongState);
    assert_eq!(alice.held(&hold.id).get().await?.expect("it stays").value, captured.value);

    let whole = alice.hold(20).await?.done()?;
    assert_eq!(alice.held(&whole.id).capture_all().await?.done()?.captured.get(), 20);
    let freed = alice.hold(30).await?.done()?;
    assert_eq!(alice.held(&freed.id).release().await?.done()?.state, HoldState::Released);
    assert_eq!(alice.get().await?.expect("it is open").available.get(), 30);
    assert_eq!(alice.held("h999").get().await?, None);
    assert_eq!(code(alice.held("h999").release().await), Code::NotFound);

    let mut ids = Vec::new();
    let mut holds = alice.holds();
    while let Some(hold) = holds.next().await? {
        ids.push(hold.value.id);
    }
    assert_eq!(ids, [hold.value.id, whole.value.id, freed.value.id]);
    ledger.close().await
}

#[tokio::test]
async fn a_payout_goes_through_one_workers_hands() -> Result<(), Error> {
    use WithdrawalState::{Completed, Failed};
    let (_folder, ledger) = ledger().await;
    let alice = account(&ledger, "alice", 100).await?;
    let bob = account(&ledger, "bob", 5).await?;
    bob.withdraw(5, "iban:DE01").await?.done()?;
    let planned = alice.withdraw(40, "iban:DE00").secret(*b"sealed").await?.done()?;
    assert_eq!(planned.secret, None, "only a lease shows it");
    assert_eq!((planned.state, planned.attempts), (WithdrawalState::Pending, 0));
    assert_eq!(code(alice.withdraw(61, "iban:DE00").await), Code::InsufficientFunds);

    let payout = alice.withdrawal(&planned.id);
    let first = payout.lease("w1", 60).await?.done()?;
    assert_eq!(first.state, WithdrawalState::Dispatched);
    assert_eq!(first.secret.as_ref().map(|secret| secret.as_bytes()), Some(&b"sealed"[..]));
    assert!(!format!("{first:?}").contains("sealed"));
    assert_eq!(payout.get().await?.expect("it is there").secret, None);
    assert_eq!(code(payout.lease("w2", 60).await), Code::WrongState);
    let book = ledger.book("default");
    let mut pending = book.payouts().state(WithdrawalState::Pending);
    assert_eq!(pending.next().await?.expect("one").account.as_str(), "bob");
    assert_eq!(pending.next().await?, None);
    let mut leased = book.payouts().leased_by("w1");
    assert_eq!(leased.next().await?.expect("one").id, planned.id);
    assert_eq!(leased.next().await?, None);
    let mut all = book.payouts();
    let first_of_all = all.next().await?.expect("two").value.id;
    let mut rest = book.payouts().after(&all.cursor());
    assert_ne!(rest.next().await?.expect("another").id, first_of_all);
    assert_eq!(rest.next().await?, None);
    let retried = payout.under(first.fence).retry("timeout").await?.done()?;
    assert_eq!((retried.state, retried.attempts), (WithdrawalState::Pending, 1));
    let second = payout.lease("w2", 60).await?.done()?;
    assert!(second.fence > first.fence);
    assert_eq!(code(payout.under(first.fence).complete().await), Code::StaleFence);
    let unknown = payout.under(second.fence).unknown("no answer").await?.done()?;
    assert_eq!(unknown.state, WithdrawalState::Unknown);
    let paid = payout.under(second.fence).complete_as("tx-1").await?.done()?;
    assert_eq!(paid.reference.as_ref().map(|id| id.as_str()), Some("tx-1"));
    assert_eq!(alice.get().await?.expect("it is open").balance.get(), 60);

    let failing = alice.withdraw(60, "iban:DE00").await?.done()?;
    let payout = alice.withdrawal(&failing.id);
    let lease = payout.lease("w1", 60).await?.done()?;
    assert_eq!(payout.under(lease.fence).fail("closed").await?.done()?.state, Failed);
    assert_eq!(alice.get().await?.expect("it is open").available.get(), 60);

    let lost = alice.withdraw(10, "iban:DE00").await?.done()?;
    let payout = alice.withdrawal(&lost.id);
    assert_eq!(code(payout.reconcile(true).await), Code::WrongState);
    let lease = payout.lease("w1", 60).await?.done()?;
    payout.under(lease.fence).unknown("no answer").await?.done()?;
    assert_eq!(payout.reconcile(true).await?.done()?.state, Completed);
    assert_eq!(payout.get().await?.expect("it stays").state, Completed);
    let listed: Vec<_> = {
        let mut listed = Vec::new();
        let mut list = alice.withdrawals();
        while let Some(row) = list.next().await? {
            listed.push(row.value.state);
        }
        listed
    };
    assert_eq!(listed, [Completed, Failed, Completed]);
    ledger.close().await
}
