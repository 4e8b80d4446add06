//! A durable ledger that lives inside a program: for what moves value, and for what exists once.
//!
//! A ledger is a folder. It needs no server, and works from any thread, with a runtime or without
//! one. Nobody is told anything, yes or no, before all that it rests on survives power loss.
//!
//! # The first claim
//!
//! A ticket is a thing that exists once. Two people want it; one of them asks twice.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), quipu::Error> {
//! # let folder = tempfile::tempdir().expect("a folder");
//! use quipu::{Code, Ledger};
//!
//! let ledger = Ledger::open(folder.path()).await?;
//! let seat = ledger.book("default").ticket("seat-14");
//! seat.issue().await?.done()?;
//!
//! let won = seat.claim("alice").await?.done()?;
//! let again = seat.claim("alice").await?.done()?;
//! assert_eq!(won.token, again.token);
//!
//! let lost = seat.claim("bob").await?;
//! assert_eq!(lost.code(), Some(Code::AlreadyClaimed));
//! # ledger.close().await
//! # }
//! ```
//!
//! A [`Book`] is a tenant; there is always one named `default`. A handle such as [`Ticket`] names a
//! stream in it, and costs nothing: it neither reads nor asks. An operation such as
//! [`claim`](Ticket::claim) gives a [`Call`], which is made when it is awaited.
//!
//! # A no is an answer
//!
//! A call gives `Result<`[`Outcome`]`, `[`Error`]`>`. That a rule said no is an outcome, and durable
//! like a yes; an error means that there is no answer. So neither passes for the other: an outcome
//! is matched, or [`done`](Outcome::done) makes a refusal an error for `?`.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), quipu::Error> {
//! # let folder = tempfile::tempdir().expect("a folder");
//! # let ledger = quipu::Ledger::open(folder.path()).await?;
//! use quipu::{Code, Outcome};
//!
//! let alice = ledger.book("default").account("alice");
//! alice.open("USD/2").await?.done()?;
//! alice.deposit(10_00).await?.done()?;
//!
//! match alice.charge(25_00).await? {
//!     Outcome::Done(charge) => println!("paid; {} is left", charge.balance_after),
//!     Outcome::Refused(refused) => assert_eq!(refused.code, Code::InsufficientFunds),
//! }
//! # ledger.close().await
//! # }
//! ```
//!
//! Amounts are whole minor units, of at most 127 bits; `USD/2` says that two digits are behind the
//! point.
//!
//! # Asking again
//!
//! An answer can be lost on its way. Under a [`key`](Call::key), the same call happens once, and
//! answers the same for 24 hours, also after a crash. [`Error::what_to_do`] says when to use that.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), quipu::Error> {
//! # let folder = tempfile::tempdir().expect("a folder");
//! # let ledger = quipu::Ledger::open(folder.path()).await?;
//! # let alice = ledger.book("default").account("alice");
//! # alice.open("USD/2").await?.done()?;
//! let first = alice.deposit(10_00).key("order-7").await?.done()?;
//! let again = alice.deposit(10_00).key("order-7").await?.done()?;
//! assert_eq!(first.value, again.value);
//! assert!(again.replayed);
//! assert_eq!(alice.get().await?.expect("it is open").balance.get(), 10_00);
//! # ledger.close().await
//! # }
//! ```
//!
//! [`if_version`](Call::if_version) is the other way to be sure: it happens only while the stream is
//! as it was seen.
//!
//! # Together or not at all
//!
//! A [`Transaction`] takes calls as its legs, of any kinds, and gives what each of them shows.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), quipu::Error> {
//! # let folder = tempfile::tempdir().expect("a folder");
//! # let ledger = quipu::Ledger::open(folder.path()).await?;
//! # let book = ledger.book("default");
//! # let (alice, shoes) = (book.account("alice"), book.drop("shoes"));
//! # alice.open("USD/2").await?.done()?;
//! # alice.deposit(100_00).await?.done()?;
//! # shoes.create(1).await?.done()?;
//! let order = book.record("orders", "7");
//! let buy = book
//!     .transaction()
//!     .and(alice.charge(80_00))
//!     .and(shoes.claim("alice"))
//!     .and(order.put(r#"{"what":"shoes"}"#).if_absent());
//! let (charge, claim, _) = buy.key("order-7").await?.done()?.value;
//! assert_eq!((charge.balance_after.get(), claim.remaining), (20_00, 0));
//! # ledger.close().await
//! # }
//! ```
//!
//! A [`Batch`] is the opposite: independent calls that are asked at once, each with an outcome of
//! its own.
//!
//! # Reading
//!
//! Each handle has `get`, which waits as well until what it shows is durable. A [`List`] walks over
//! many, out of a [`Snapshot`]; a [`History`] walks back through what happened to one stream; and
//! [`Events`] tell everything that happens, from any position on, without a gap or a repeat.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), quipu::Error> {
//! # let folder = tempfile::tempdir().expect("a folder");
//! # let ledger = quipu::Ledger::open(folder.path()).await?;
//! # let book = ledger.book("default");
//! # book.account("alice").open("USD/2").await?.done()?;
//! # book.account("alice").deposit(5).await?.done()?;
//! let mut accounts = book.accounts().asset("USD/2");
//! while let Some(account) = accounts.next().await? {
//!     println!("{} has {}", account.id, account.balance);
//! }
//!
//! let mut events = ledger.events(0).so_far();
//! let mut last = ledger.durable().watermark;
//! while let Some(event) = events.next().await? {
//!     last = event.position;
//! }
//! assert_eq!(last, ledger.durable().watermark);
//! # ledger.close().await
//! # }
//! ```
//!
//! # Without a runtime
//!
//! Everything that can be awaited has a `wait`, or a name that ends in `_blocking`.
//!
//! ```
//! # fn main() -> Result<(), quipu::Error> {
//! # let folder = tempfile::tempdir().expect("a folder");
//! use quipu::Ledger;
//!
//! let ledger = Ledger::open_blocking(folder.path())?;
//! let book = ledger.book("default");
//! book.ticket("seat-14").issue().wait()?.done()?;
//! for ticket in book.tickets().blocking() {
//!     assert_eq!(ticket?.id.as_str(), "seat-14");
//! }
//! ledger.close_blocking()
//! # }
//! ```
//!
//! # Copies
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), quipu::Error> {
//! # let folder = tempfile::tempdir().expect("a folder");
//! # let elsewhere = tempfile::tempdir().expect("a folder");
//! use quipu::{KeyMaterial, Ledger};
//!
//! // The secret that tokens and keys are derived with can be kept outside of the folder.
//! let keys = || KeyMaterial::Given([7; 32]);
//! let ledger = Ledger::builder(folder.path()).keys(keys()).open().await?;
//! let seat = ledger.book("default").ticket("seat-14");
//! seat.issue().await?.done()?;
//! let won = seat.claim("alice").await?.done()?;
//!
//! // One file with everything up to one position, while the ledger goes on.
//! let file = elsewhere.path().join("monday.quipu");
//! ledger.backup(&file).await?;
//! ledger.close().await?;
//!
//! // A new ledger of it.
//! let copy = || Ledger::builder(elsewhere.path().join("copy")).keys(keys());
//! copy().restore(&file).await?;
//! let ledger = copy().open().await?;
//! let again = ledger.book("default").ticket("seat-14").claim("alice").await?.done()?;
//! assert_eq!(again.claimant, won.claimant);
//! # ledger.close().await
//! # }
//! ```
//!
//! # The modules
//!
//! | module | what it is |
//! |---|---|
//! | [`ledger`] | the ledger: opened, closed, copied |
//! | [`book`] | a tenant, and the way to everything in it |
//! | [`account`] | money that somebody owns: deposits, charges, holds, payouts, transfers |
//! | [`flow`] | a total that accrues to somebody over time |
//! | [`ticket`], [`token`] | things that exist once and are claimed once, and what proves a claim |
//! | [`drop`](mod@drop) | a limited stock that a crowd claims from |
//! | [`record`] | JSON values under keys, indexed and with a life |
//! | [`source`] | how far a reader of something outside has come |
//! | [`call`] | what every operation gives, and what may be said of it |
//! | [`transaction`], [`batch`] | calls that happen together; calls that are asked at once |
//! | [`outcome`], [`error`] | a yes or a no; why there is neither, and what to do now |
//! | [`list`], [`history`], [`events`], [`snapshot`] | reading many, backwards, onwards, and all as of one position |
//! | [`balance`] | what came in, what went out and what is held, asset by asset |
//! | [`machine`], [`stream`] | kinds of stream of a program's own, and the handle of one |
//! | [`proof`] | a whole ledger on one thread, step by step: what to test an own machine with |
//! | [`measured`] | what a ledger measures, and shows whatever recorder a program has |
//! | [`clock`] | where time comes from |
//! | [`words`] | ids, amounts, assets, positions, times, codes |
//! | [`access`] | the keys that a server lets its callers in by |
//! | [`files`], [`manifest`], [`backup`], [`restore`](mod@restore), [`verify`](mod@verify), [`upgrade`](mod@upgrade) | what lies in a ledger's folder, for tools |

#[doc(inline)]
pub use quipu_ledger::{
    Access, Account, AnyLog, BackupJob, Balance, Batch, Book, Builder, Call, Code, Collection,
    Done, Drop, Error, Events, FORMAT, Files, Flow, Given, History, KeyMaterial, Ledger, LedgerId,
    List, LogKind, Manifest, OpenError, Options, Origin, Outcome, Read, Record, Refused, Seen,
    Snapshot, Source, Stream, Ticket, Token, Transaction, Verified, WhatToDo, access, account,
    backup, balance, batch, book, call, clock, create, drop, error, events, files, flow, history,
    ledger, list, machine, manifest, measured, open, outcome, proof, record, restore, snapshot,
    source, stream, ticket, token, transaction, upgrade, verify, words,
};
