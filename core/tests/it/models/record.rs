//! The record machine against a naive model of it.
