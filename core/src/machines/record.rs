//! The record machine.
