//! The disk that fails on purpose, and the auditor of what callers were told.
//!
//! Everything here is plain calls without a clock, and what is drawn is drawn from a seed: one
//! seed is one run, on every machine.

pub mod audit;
pub mod disk;
#[cfg(not(quipu_loom))]
pub mod exhaustive;
#[cfg(not(quipu_loom))]
pub mod flips;
mod random;
#[cfg(not(quipu_loom))]
mod spread;

pub use random::Random;
