//! The auditor: histories by hand that it must reject, each under its name, and beside each the
//! nearest one that it must accept.

mod atomicity;
mod conservation;
mod double_spend;
mod driven;
mod durability;
mod linearizability;
mod replay;
mod search;
mod story;
