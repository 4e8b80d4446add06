//! Whole ledgers driven by seeds over a disk that fails on purpose, and held to what their callers
//! were told.
//!
//! Everything here is plain calls without a clock, and what is drawn is drawn from a seed: one
//! seed is one run, on every machine.

pub mod audit;
pub mod disk;
mod random;
pub mod world;

pub use random::Random;
