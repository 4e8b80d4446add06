//! What a redb file, and the store and the log in it, must stand.

mod bounds;
mod conformance;
mod crashes;
mod fill;
mod flips;
mod log;
#[cfg(quipu_loom)]
mod models;
mod paged;
mod sample;
mod store_crashes;
mod store_failures;
mod threads;
