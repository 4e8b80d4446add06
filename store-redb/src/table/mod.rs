//! The table: changed rows in memory, found by hash, and sorted once they no longer change.

mod arena;
mod rows;

pub(crate) use rows::{Found, Hash, Rows, Sorted};
