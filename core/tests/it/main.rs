//! The tests of the core, as modules of one binary.

mod conformance;
mod decoding;
mod engine;
mod golden;
mod machines;
mod models;
mod records;
