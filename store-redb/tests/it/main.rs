//! What a redb file, and the store and the log in it, must stand.

mod conformance;
mod log;
