//! The server over real sockets: routes, codes, and what clients may do wrong.

mod accounts;
mod across;
mod changes;
mod drops;
mod events;
mod flows;
mod ground;
mod guard;
mod operating;
mod protocol;
mod races;
mod records;
mod tickets;
mod withdrawals;
