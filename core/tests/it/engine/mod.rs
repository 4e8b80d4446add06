//! The engine around the machines: one driver, many orders.

mod audit;
mod cost;
mod own;
mod say;
mod seeds;
mod size;
mod smoke;
