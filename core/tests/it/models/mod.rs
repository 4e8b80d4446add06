//! Every machine against a model that somebody wrote without looking at it.

mod account;
mod drop;
mod flow;
mod record;
mod ticket;
