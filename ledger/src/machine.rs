//! Kinds of stream of a program's own: everything that a [`Machine`] is written with.
//!
//! A machine has what the built-in kinds have: one owner for each stream, answers that wait until
//! they are durable, idempotency keys, transactions with other kinds, timers, recovery, lists,
//! verification. `docs/own-machines.md` walks through all of it, `examples/seat-map` is a whole
//! one with its tests, and [`proof`](crate::proof) is what to test one with.
//!
//! ```
//! use quipu::machine::{
//!     self, Canon, Changes, Context, Decided, Kind, Machine, Place, Refusal, Said, Shows, View,
//!     record, records,
//! };
//! use quipu::{Code, Ledger};
//! use rkyv::{Archive, Deserialize, Serialize};
//!
//! /// A gate that lets so many people in, and no more.
//! struct Gate;
//!
//! #[derive(Clone, Debug)]
//! enum Command {
//!     Build { most: u64 },
//!     Enter,
//! }
//!
//! impl Said for Command {
//!     fn operation(&self) -> u8 {
//!         match self {
//!             Self::Build { .. } => 1,
//!             Self::Enter => 2,
//!         }
//!     }
//!
//!     fn canon(&self, canon: &mut Canon) {
//!         if let Self::Build { most } = self {
//!             canon.field(1, most);
//!         }
//!     }
//! }
//!
//! /// What is kept: packed by rkyv, under a tag that never changes.
//! #[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
//! struct Head {
//!     most: u64,
//!     inside: u64,
//! }
//! record!(Head = (1, 1));
//!
//! #[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
//! pub struct Built {
//!     most: u64,
//! }
//!
//! #[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
//! pub struct Entered;
//!
//! records! {
//!     /// What happens at a gate.
//!     pub enum Event {
//!         Built = (1, 1),
//!         Entered = (2, 1),
//!     }
//! }
//!
//! impl Machine for Gate {
//!     const KIND: Kind = Kind::new(Kind::OWN + 1);
//!     const NAME: &'static str = "gate";
//!     type Head = Head;
//!     type Item = Head; // It has no items; any record will do.
//!     type Event = Event;
//!     type Command = Command;
//!
//!     fn decide(
//!         view: &View<'_, Self>,
//!         command: &Command,
//!         _cx: &mut Context<'_>,
//!     ) -> Result<Decided<Event>, Refusal> {
//!         match (command, view.head) {
//!             (Command::Build { most }, None) => Ok(Decided::Event(Built { most: *most }.into())),
//!             (Command::Build { .. }, Some(_)) => Err(Code::AlreadyExists.into()),
//!             (Command::Enter, None) => Err(Code::NotFound.into()),
//!             (Command::Enter, Some(head)) if head.inside == head.most => Err(Code::SoldOut.into()),
//!             (Command::Enter, Some(_)) => Ok(Decided::Event(Entered.into())),
//!         }
//!     }
//!
//!     fn apply(state: &mut Changes<'_, Self>, event: &Event, _at: &Place) {
//!         match event {
//!             Event::Built(built) => state.set(Head { most: built.most, inside: 0 }),
//!             Event::Entered(_) => {
//!                 if let Some(head) = state.head() {
//!                     head.inside += 1;
//!                 }
//!             }
//!         }
//!     }
//!
//!     fn shows(_event: &Event, _at: &Place) -> Shows {
//!         Shows::head()
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), quipu::Error> {
//! # let folder = tempfile::tempdir().expect("a folder");
//! let machines = machine::registry().with::<Gate>();
//! let ledger = Ledger::builder(folder.path()).machines(machines).open().await?;
//! let gate = ledger.book("default").stream::<Gate>("north");
//! gate.ask(Command::Build { most: 1 }).await?.done()?;
//! gate.ask(Command::Enter).key("visitor-1").await?.done()?;
//! assert!(gate.ask(Command::Enter).key("visitor-1").await?.done()?.replayed);
//! assert_eq!(gate.ask(Command::Enter).await?.code(), Some(Code::SoldOut));
//! assert_eq!(gate.get().await?.expect("it is built").head.inside, 1);
//! # ledger.close().await
//! # }
//! ```
//!
//! The crate that has the machine depends on `rkyv` itself, in the version that `quipu` has: its
//! derives write paths of that name. A feature of `rkyv` that would change the bytes of a record
//! does not compile beside `quipu`.

pub use quipu_core::machine::{
    Canon, Canonical, Changes, Command, Context, Decided, Expansion, ItemKey, Items, Link, Machine,
    Needs, Place, Posting, Postings, Registry, Said, Shows, Side, Transit, View,
};
/// The built-in kinds, for machines that ask them for legs.
pub use quipu_core::machines as kinds;
pub use quipu_core::machines::registry;
pub use quipu_core::records::{Corrupt, INDEX_LEN_MAX, Packer, Record, Tag};
pub use quipu_core::words::{Kind, Name, Number, Refusal};
pub use quipu_core::{record, records};
