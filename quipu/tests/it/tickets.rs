//! Tickets and tokens, each operation once, with what it is refused with.

use quipu::ticket::{Issued, REASON_BYTES_MAX, State};
use quipu::token::View;
use quipu::words::{Metadata, Timestamp};
use quipu::{Code, Error, Token, WhatToDo};

use crate::ground::{code, ledger};

#[tokio::test]
async fn it_is_claimed_once_and_its_token_says_so() -> Result<(), Error> {
    let (_folder, ledger) = ledger().await;
    let book = ledger.book("default");
    let ticket = book.ticket("p1");
    assert_eq!(code(ticket.claim("alice").await), Code::NotFound);
    let issue = ticket.issue().amount(42, "XMR/12").reference("tx-1");
    let issued = issue.metadata(Metadata::new([("a", "b")])?).await?.done()?;
    assert_eq!((issued.state, issued.reference.is_some()), (State::Unclaimed, true));
    assert_eq!(code(ticket.issue().await), Code::AlreadyExists);

    let won = ticket.claim("alice").await?.done()?;
    let again = ticket.claim("alice").await?.done()?;
    assert_eq!(won.value, again.value);
    assert!(won.changed && !again.changed);
    let beside = ticket.issue().reference("tx-2");
    book.issue().and(beside).await?.done()?;
    let later = ticket.claim("alice").await?.done()?;
    assert_eq!(later.value, won.value, "whatever happened since");
    assert_eq!(later.value.position, won.position);
    assert!(later.version > won.version);
    assert_eq!(code(ticket.claim("bob").await), Code::AlreadyClaimed);

    let text = won.token.to_string();
    let shown = book.introspect(text.as_str()).await?.expect("it is hers");
    assert!(shown.active);
    assert_eq!((shown.ticket.as_str(), shown.claimed_at), ("p1", won.claimed_at));
    assert_eq!(shown.amount.map(|amount| amount.get()), Some(42));
    assert_eq!(book.introspect(Token::new([7; 32])).await?, None);
    assert_eq!(ledger.book("other").introspect(won.token).await?, None, "another book's");

    let long = ticket.revoke("x".repeat(REASON_BYTES_MAX + 1)).await;
    assert!(matches!(long, Err(Error::Malformed(_))), "{long:?}");
    let revoked = ticket.revoke("lost").await?.done()?;
    let late = ticket.revoke("stolen").await?.done()?;
    assert_eq!((late.reason.as_deref(), late.revoked_at), (Some("lost"), revoked.revoked_at));
    assert_eq!(code(ticket.claim("alice").await), Code::Revoked);
    let shown = book.introspect(won.token).await?.expect("it was hers");
    assert!(!shown.active);
    assert_eq!(shown.reason.as_deref(), Some("lost"));

    let bare = book.ticket("bare").issue().worth(5).await?.done()?;
    assert_eq!((bare.amount.map(|amount| amount.get()), bare.asset), (Some(5), None));
    assert_eq!(View::of(bare.value), None, "nobody has claimed it");
    let whole = book.ticket("whole").issue().worth(5).asset("XMR/12").await?.done()?;
    assert_eq!(whole.asset.map(|asset| asset.to_string()).as_deref(), Some("XMR/12"));

    let late = book.ticket("late");
    late.issue().expires_at(Timestamp::from_ms(1)).await?.done()?;
    assert_eq!(code(late.claim("alice").await), Code::Expired);
    let mut expired = book.tickets().state(State::Expired);
    assert_eq!(expired.next().await?.expect("time has told it").id.as_str(), "late");
    ledger.close().await
}

#[tokio::test]
async fn a_batch_keeps_what_is_there_and_its_cursor_never_runs_back() -> Result<(), Error> {
    let (_folder, ledger) = ledger().await;
    let book = ledger.book("default");
    let ticket = |id: &str, reference: &str| book.ticket(id).issue().reference(reference);
    let first = book.issue().and(ticket("p1", "a")).and(ticket("p2", "b")).source("chain", 7);
    assert_eq!(first.await?.done()?.value, Issued { issued: 2, existing: 0 });
    // One of them again, one with another reference, one new; and a cursor that is behind.
    let tickets = [ticket("p1", "a"), ticket("p2", "other"), ticket("p3", "c")];
    let second = book.issue().all(tickets).source("chain", 5);
    assert_eq!(second.await?.done()?.value, Issued { issued: 1, existing: 2 });
    assert_eq!(book.source("chain").get().await?.expect("it is there").cursor, 7);
    let kept = book.ticket("p2").get().await?.expect("it is there");
    assert_eq!((kept.reference.as_ref().map(|id| id.as_str()), kept.evidence), (Some("b"), 1));
    let evidence = book.ticket("p2").evidence().next().await?.expect("it is kept");
    assert_eq!(evidence.reference.as_str(), "other");

    // More than an answer shows one by one, under a key, and again.
    let many = || {
        let tickets = (0..200).map(|number| book.ticket(format!("m{number}")).issue());
        book.issue().all(tickets).source("chain", 9).key("poll-9")
    };
    let done = many().await?.done()?;
    assert_eq!(done.value, Issued { issued: 200, existing: 0 });
    let again = many().await?.done()?;
    assert_eq!((again.value, again.position, again.replayed), (done.value, done.position, true));
    assert_eq!(book.source("chain").advance(8).await?.done()?.cursor, 9);

    let other = book.issue().and(ticket("p9", "z")).key("poll-9").await.expect_err("another");
    assert_eq!(other.refused().map(|refused| refused.code), Some(Code::IdempotencyKeyReused));
    assert_eq!(other.what_to_do(), WhatToDo::Fix);
    assert_eq!(book.ticket("p9").get().await?, None);
    ledger.close().await
}
