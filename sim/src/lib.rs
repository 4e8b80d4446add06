//! Whole ledgers driven by seeds over a disk that fails on purpose, and held to what their callers
//! were told.
//!
//! Everything here is plain calls without a clock, and what is drawn is drawn from a seed: one
//! seed is one run, on every machine.
//!
//! # A machine of your own
//!
//! Whatever is asked, the simulator does the same: real files and a real store over a disk that
//! fails, power that goes at any operation, clients that ask twice, again and late; and every
//! answer is held against the log, one by one. Two traits say what is asked and what should come of
//! it: a [`Workload`](world::Workload) names the machines, and what each client asks next; a
//! [`Model`](world::Model), which is up to you, is shown every event in order, may object, and says
//! of each answer what it should have been.
//!
//! ```
//! use quipu_core::machine::{Command, Machine};
//! use quipu_core::machines::source::{Command as Say, Event, Source};
//! use quipu_core::shard::{Ask, Leg, Options, Reply};
//! use quipu_core::words::{Book, Id, Name, Timestamp};
//! use quipu_sim::Random;
//! use quipu_sim::world::{self, Asked, Crowd, Happened, Model, Workload};
//!
//! /// Clients that say how far they have read.
//! struct Readers;
//!
//! impl Workload for Readers {
//!     fn begin(&mut self, _: &mut Random, _: Timestamp) -> Vec<Asked> {
//!         Vec::new()
//!     }
//!
//!     fn next(&mut self, _: usize, random: &mut Random, _: Timestamp) -> Asked {
//!         let command = Command::of::<Source>(Say::Advance { cursor: 1 + random.below(1_000) });
//!         let leg = Leg { stream: stream(), command, options: Options::default() };
//!         Asked::new(Ask::Command(leg, None))
//!     }
//!
//!     fn streams(&self) -> Vec<Name> {
//!         vec![stream()]
//!     }
//!
//!     fn model(&self) -> Option<Box<dyn Model>> {
//!         Some(Box::new(Furthest(0)))
//!     }
//! }
//!
//! /// How far they are. Nobody ever reads backwards.
//! struct Furthest(u64);
//!
//! impl Model for Furthest {
//!     fn event(&mut self, event: &Happened<'_>) -> Result<(), String> {
//!         if event.stream.kind == Source::KIND {
//!             let Event::Advanced(now) = event.event::<Source>().map_err(|why| why.to_string())?;
//!             if now.cursor <= self.0 {
//!                 return Err(format!("{} comes behind {}", now.cursor, self.0));
//!             }
//!             self.0 = now.cursor;
//!         }
//!         Ok(())
//!     }
//!
//!     fn answer(&self, _: &Ask, _: &Reply) -> Result<(), String> {
//!         Ok(())
//!     }
//! }
//!
//! fn stream() -> Name {
//!     Name::new(Book::DEFAULT, Source::KIND, Id::new("pages").expect("a well-formed id"))
//! }
//!
//! let readers = |_: &Crowd, _: &mut Random| -> Box<dyn Workload> { Box::new(Readers) };
//! for seed in 0..3 {
//!     assert_eq!(world::run(seed, &readers, None).breach, None);
//! }
//! ```

pub mod audit;
pub mod disk;
#[cfg(not(quipu_loom))]
pub mod exhaustive;
#[cfg(not(quipu_loom))]
pub mod flips;
#[cfg(all(feature = "mutants", not(quipu_loom)))]
pub mod mutants;
mod random;
#[cfg(not(quipu_loom))]
mod spread;
#[cfg(not(quipu_loom))]
pub mod world;

pub use random::Random;
