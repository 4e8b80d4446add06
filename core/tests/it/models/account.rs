//! The account machine against a naive model of it.
