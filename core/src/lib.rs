//! The whole behaviour of a Quipu ledger as plain, deterministic code.
//!
//! Commands, rows and the time go in; entries, rows and answers come out. Nothing here knows
//! a clock, a thread, a disk or a network, so one thread can drive a whole ledger, one step at
//! a time, in any order, and crash it between any two.
//!
//! # A tiny ledger
//!
//! A ticket is issued and claimed. Claimed again by the same person, it is so already, and the
//! answer is the same. Claimed by another, it is refused; that is data, and not an error.
//!
//! ```
//! use quipu_core::driver::{Driver, Setup};
//! use quipu_core::machine::{self, Machine};
//! use quipu_core::machines::ticket::{Command, Ticket};
//! use quipu_core::machines::{genesis, registry};
//! use quipu_core::shard::{Ask, Leg, Options, Reply};
//! use quipu_core::words::{Book, Code, Id, Malformed, Metadata, Name};
//!
//! fn main() -> Result<(), Box<dyn core::error::Error>> {
//!     let mut ledger = Driver::create(Setup::new(registry(), genesis(), 1))?;
//!     ledger.ask(seat(Command::Issue {
//!         amount: None,
//!         asset: None,
//!         reference: None,
//!         expires_at: None,
//!         metadata: Metadata::default(),
//!         batch: false,
//!     })?);
//!
//!     let Reply::Done(won) = ledger.ask(claim("alice")?) else { panic!("it is free") };
//!     let Reply::Done(again) = ledger.ask(claim("alice")?) else { panic!("it is hers") };
//!     assert!(won.changed && !again.changed);
//!     assert_eq!(won.answer, again.answer);
//!
//!     let Reply::Refused(lost) = ledger.ask(claim("bob")?) else { panic!("it is hers") };
//!     assert_eq!(lost.refusal.code, Code::AlreadyClaimed);
//!     Ok(())
//! }
//!
//! fn claim(who: &str) -> Result<Ask, Malformed> {
//!     seat(Command::Claim { claimant: Id::new(who)? })
//! }
//!
//! fn seat(command: Command) -> Result<Ask, Malformed> {
//!     let stream = Name::new(Book::DEFAULT, Ticket::KIND, Id::new("seat-14")?);
//!     let command = machine::Command::of::<Ticket>(command);
//!     Ok(Ask::Command(Leg { stream, command, options: Options::default() }, None))
//! }
//! ```
//!
//! The example `lost_power` goes on from here: keys, and a crash.
//!
//! # The modules, in reading order
//!
//! | module | what it is |
//! |---|---|
//! | [`words`] | ids, amounts, positions, time and codes: one type for each idea |
//! | [`records`](mod@records) | what lies on a disk, packed, tagged, and checked before use |
//! | [`machine`] | what a kind of stream is: the [`Machine`](machine::Machine) trait |
//! | [`machines`] | the built-in kinds, one module each |
//! | [`batch`] | what a shard hands over at the end of a tick, and the ring that orders it |
//! | [`commit`] | entries in the order of positions become frames; the watermark moves |
//! | [`shard`] | the engine: one ask from admission to its answer, alone or with others |
//! | [`log`] | the ordered, durable sequence of frames, which is the history |
//! | [`store`] | heads, items and indexes as of a position, made of the log |
//! | [`disk`] | files and directories, and what of them survives |
//! | [`damage`] | bytes that are not what was written, named by file and offset |
//! | [`recovery`] | log and store to a running state |
//! | [`history`] | the events of one stream, newest first |
//! | [`digest`] | what two stores with one history agree on |
//! | [`verify`] | whether log and store are what they should be, finding by finding |
//! | [`restored`] | what a ledger that comes out of a backup must be told first |
//! | [`filter`] | "never seen", without a read |
//! | [`driver`] | a whole ledger on one thread, whose every step somebody else chooses |

#[macro_use]
#[doc(hidden)]
pub mod mutant;

pub mod batch;
pub mod commit;
pub mod damage;
pub mod digest;
pub mod disk;
pub mod driver;
pub mod filter;
pub mod history;
pub mod log;
pub mod machine;
pub mod machines;
pub mod records;
pub mod recovery;
pub mod restored;
pub mod shard;
pub mod store;
pub mod verify;
pub mod words;

#[cfg(feature = "mutants")]
pub use mutant::{Mutant, plant};
