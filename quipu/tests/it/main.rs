//! The library as programs use it.

mod open;
mod race;
