//! The ticket machine against a naive model of it.
