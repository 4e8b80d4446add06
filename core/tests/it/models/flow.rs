//! The flow machine against a naive model of it.
