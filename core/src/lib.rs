//! The whole behaviour of a Quipu ledger as plain, deterministic code.
//!
//! Commands, rows and the time go in; entries, rows and answers come out. Nothing here knows
//! a clock, a thread, a disk or a network.

#[macro_use]
mod mutant;

pub mod batch;
pub mod commit;
pub mod digest;
pub mod disk;
pub mod driver;
pub mod filter;
pub mod log;
pub mod machine;
pub mod machines;
pub mod records;
pub mod recovery;
pub mod shard;
pub mod store;
pub mod words;

#[cfg(feature = "mutants")]
pub use mutant::{Mutant, plant};
