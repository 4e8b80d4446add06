//! The library as programs use it.

mod access;
mod accounts;
mod balance;
mod blocking;
mod copies;
mod drops;
mod entries;
mod flows;
mod follow;
mod ground;
mod leases;
mod malformed;
mod measured;
mod open;
mod race;
mod reads;
mod records;
mod retries;
mod tickets;
mod together;
