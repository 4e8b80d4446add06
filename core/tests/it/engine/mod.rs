//! The engine around the machines: one driver, many orders.

mod audit;
#[cfg(feature = "mutants")]
mod mutants;
mod say;
mod seeds;
mod smoke;
