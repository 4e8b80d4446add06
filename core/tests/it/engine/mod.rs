//! The engine around the machines: one driver, many orders.

mod own;
mod say;
mod smoke;
