//! What a redb file, and the store and the log in it, must stand.

mod bounds;
mod conformance;
mod crash;
mod failure;
mod fill;
mod log;
mod sample;
mod threads;
