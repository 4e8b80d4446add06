//! The disk that fails on purpose, and what drives a ledger over it.
//!
//! Everything here is plain calls without a clock, and what is drawn is drawn from a seed: one
//! seed is one run, on every machine.

pub mod disk;
mod random;

pub use random::Random;
