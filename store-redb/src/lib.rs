//! The store in redb, and a log in redb, over any disk.

pub mod backend;
pub mod file;
pub mod guard;
pub mod log;
