//! The tests of the core, as modules of one binary.

mod decoding;
mod golden;
mod machines;
mod models;
