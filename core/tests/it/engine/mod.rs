//! The engine around the machines: one driver, many orders.

mod say;
mod smoke;
