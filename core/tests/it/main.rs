//! The tests of the core, as modules of one binary.

mod decoding;
mod engine;
mod golden;
mod machines;
mod models;
