//! The built-in machines, one module each.

pub mod account;
pub mod book;
pub mod collection;
pub mod drop;
pub mod export;
pub mod flow;
pub mod key;
pub mod record;
pub mod source;
pub mod ticket;
