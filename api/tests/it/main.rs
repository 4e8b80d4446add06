//! The server over real sockets: routes, codes, and what clients may do wrong.

mod accounts;
mod across;
mod changes;
mod contract;
mod document;
mod drops;
mod events;
mod flows;
mod ground;
mod guard;
mod operating;
mod protocol;
mod races;
mod records;
mod schema;
mod tickets;
mod withdrawals;
