//! What a redb file, and the store and the log in it, must stand.

mod crashes;
mod flips;
mod log;
mod paged;
