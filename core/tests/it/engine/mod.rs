//! The engine around the machines: one driver, many orders.

mod audit;
mod own;
mod say;
mod seeds;
mod smoke;
