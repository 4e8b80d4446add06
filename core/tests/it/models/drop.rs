//! The drop machine against a naive model of it.
