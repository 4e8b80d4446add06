//! Every machine's rules as tables: state, command and time in; outcome and postings out.

mod account;
mod book;
mod collection;
mod drop;
mod export;
mod flow;
mod key;
mod record;
mod source;
mod ticket;
