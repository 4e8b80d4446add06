//! The engine around the machines: one driver, many orders.

mod ahead;
mod cost;
mod found;
mod found_later;
mod history;
mod legs;
mod lists;
mod own;
mod recovery;
mod restored;
mod say;
mod seeds;
mod size;
mod smoke;
mod traces;
mod verify;
