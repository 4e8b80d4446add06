//! The real disk, on a directory of its own for each test.

mod conformance;
mod direct;
mod errors;
mod locks;
