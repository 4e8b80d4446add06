//! The store in redb, and a log in redb, over any disk.
//!
//! | module | what it is |
//! |---|---|
//! | [`store`] | rows in layers of memory above a redb file, and the indexes over them |
//! | [`log`] | a log in a redb file of its own |
//! | [`mod@file`] | a redb file: made in one step, opened, committed to, set aside |
//! | [`backend`] | what redb writes to: a file that keeps a sum of every page |
//! | [`guard`] | errors and panics of redb, as ours |

pub mod backend;
pub mod file;
pub mod guard;
mod index;
mod layer;
pub mod log;
mod packed;
pub mod store;
mod table;
